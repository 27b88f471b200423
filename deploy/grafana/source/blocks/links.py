"""Ways from one view to the next: dashboard to dashboard, a series to its traces and its logs, a panel to its runbook.

Invariant: what was chosen goes along: the time, the data source, the cluster, and the service and the endpoint of the
series that was clicked.
"""

from __future__ import annotations

import json
from urllib.parse import quote

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models.dashboard import DashboardLinkType

RUNBOOKS = "https://github.com/battlearena/battlearena/blob/main/docs/runbooks"
KEPT = "${__url_time_range}&${datasource:queryparam}&${cluster:queryparam}"


def _field(label: str) -> str:
    return f"${{__field.labels.{label}:percentencode}}"


def _link(title: str, url: str) -> build.DashboardLink:
    return build.DashboardLink(title).type(DashboardLinkType.LINK).url(url)


def to_dashboard(
    title: str, uid: str, *labels: str, service: str | None = None, chosen: bool = False
) -> build.DashboardLink:
    """Another dashboard, with its variables set to the labels of the series; and with one service, or with the services
    that are `chosen` here, where both dashboards let one choose.
    """
    kept = "".join(f"&var-{label}={_field(label)}" for label in labels)
    kept += f"&var-service={service}" if service is not None else ""
    kept += "&${service:queryparam}" if chosen else ""
    return _link(title, f"/d/{uid}?{KEPT}{kept}")


def in_depth(*labels: str, service: str | None = None, chosen: bool = False) -> build.DashboardLink:
    """The series, taken apart."""
    return to_dashboard("In depth", "battlearena-in-depth", *labels, service=service, chosen=chosen)


def logs(*labels: str, service: str | None = None, chosen: bool = False) -> build.DashboardLink:
    """What the services wrote about it."""
    return to_dashboard("Logs", "battlearena-logs", *labels, service=service, chosen=chosen)


def traces(*labels: str) -> build.DashboardLink:
    """The traces of the series' requests in Jaeger. A server span is named after method and route."""
    query: dict[str, object] = {
        "refId": "A",
        "queryType": "search",
        "service": "${__field.labels.service}",
        "limit": 20,
    }
    if {"method", "endpoint"} <= set(labels):
        query["operation"] = "${__field.labels.method} ${__field.labels.endpoint}"
    pane = {
        "datasource": "jaeger",
        "queries": [query | {"datasource": {"type": "jaeger", "uid": "jaeger"}}],
        "range": {"from": "${__from}", "to": "${__to}"},
    }
    panes = quote(json.dumps({"traces": pane}, separators=(",", ":")), safe="${}:._")
    return _link("Traces in Jaeger", f"/explore?schemaVersion=1&panes={panes}")


def runbook(alert: str) -> build.DashboardLink:
    """What to do when the panel's alert fires."""
    return _link(f"Runbook of {alert}", f"{RUNBOOKS}/{alert}.md").target_blank(True)


def all_dashboards() -> build.DashboardLink:
    """The menu at the top of every dashboard."""
    link = build.DashboardLink("BattleArena").type(DashboardLinkType.DASHBOARDS).tags(["battlearena"])
    return link.as_dropdown(True).include_vars(True).keep_time(True)
