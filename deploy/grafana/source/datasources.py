"""The data sources of Grafana, and the ways between them, for each variant of the stack.

Invariant: a data source leads only to those that the same variant has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

HEADER = """\
# {what}
# Made by deploy/grafana/source (`make dashboards`): do not edit. Grafana finds it at
# /etc/grafana/provisioning/datasources/battlearena.yml: the base is there with the folder `provisioning`, and a variant
# of the stack mounts its file over it. `prune` takes away what another variant had. `$$` is a `$` that Grafana keeps.
"""
Source = dict[str, Any]
# How long before a span its log lines and metrics may begin, and how long after it they may end.
AROUND = {"spanStartTimeShift": "-2m", "spanEndTimeShift": "2m"}
SCRAPE = "15s"


@dataclass(frozen=True)
class Variant:
    """What a stack has besides Prometheus and Alertmanager."""

    path: str
    what: str
    loki: bool = False
    jaeger: bool = False
    thanos: bool = False


VARIANTS = (
    Variant("provisioning/datasources/battlearena.yml", "The data sources of docker-compose.yml."),
    Variant("datasources/extended.yml", "The data sources of docker-compose-extended.yml.", loki=True, thanos=True),
    Variant("datasources/jaeger.yml", "The data sources of docker-compose-jaeger.yml.", loki=True, jaeger=True),
)


def files() -> dict[str, str]:
    """The files by their path in deploy/grafana."""
    return {variant.path: _file(variant) for variant in VARIANTS}


def _file(variant: Variant) -> str:
    sources = [_prometheus(variant), _alertmanager()]
    sources += [_thanos(variant)] if variant.thanos else []
    sources += [_loki(variant)] if variant.loki else []
    sources += [_jaeger(variant)] if variant.jaeger else []
    content = {"apiVersion": 1, "prune": True, "datasources": sources}
    return HEADER.format(what=variant.what) + yaml.dump(content, Dumper=_Plain, sort_keys=False, width=120)


class _Plain(yaml.SafeDumper):
    """Writes what stands twice twice, instead of pointing at the first."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _source(uid: str, name: str, url: str, settings: Source, kind: str | None = None) -> Source:
    made = {"uid": uid, "name": name, "type": kind or uid, "access": "proxy", "url": url, "editable": False}
    return made | {"jsonData": settings}


def _metrics(variant: Variant) -> Source:
    # The longest interval of any job: `$__rate_interval` is four of it at least, and so right for all of them.
    settings: Source = {"httpMethod": "POST", "timeInterval": SCRAPE, "manageAlerts": True}
    if variant.jaeger:
        settings["exemplarTraceIdDestinations"] = [{"name": "trace_id", "datasourceUid": "jaeger"}]
    return settings


def _prometheus(variant: Variant) -> Source:
    settings = _metrics(variant) | {"prometheusType": "Prometheus", "alertmanagerUid": "alertmanager"}
    return _source("prometheus", "Prometheus", "http://prometheus:9090", settings) | {"isDefault": True}


def _thanos(variant: Variant) -> Source:
    # The sidecars of two replicas tell the same twice.
    settings = _metrics(variant) | {"prometheusType": "Thanos", "customQueryParameters": "dedup=true"}
    return _source("thanos", "Thanos", "http://thanos-query:10904", settings, "prometheus")


def _alertmanager() -> Source:
    settings = {"implementation": "prometheus", "handleGrafanaManagedAlerts": False}
    return _source("alertmanager", "Alertmanager", "http://alertmanager:9093", settings)


def _loki(variant: Variant) -> Source:
    settings: Source = {"maxLines": 1000}
    if variant.jaeger:
        to_trace = {
            "name": "Trace",
            "matcherType": "label",
            "matcherRegex": "trace_id",
            "url": "$${__value.raw}",
            "urlDisplayLabel": "Open the trace",
            "datasourceUid": "jaeger",
        }
        settings["derivedFields"] = [to_trace]
    return _source("loki", "Loki", "http://loki:3100", settings)


def _jaeger(variant: Variant) -> Source:
    service = {"key": "service.name", "value": "service"}
    labels = "$$__tags"
    rate = f"sum(rate(http_requests_total{{{labels}}}[$$__rate_interval]))"
    failed = f'sum(rate(http_requests_total{{{labels}, status=~"5.."}}[$$__rate_interval]))'
    buckets = f"sum by (le) (rate(http_request_duration_seconds_bucket{{{labels}}}[$$__rate_interval]))"
    settings: Source = {
        "nodeGraph": {"enabled": True},
        "tracesToMetrics": {
            "datasourceUid": "prometheus",
            **AROUND,
            "tags": [service, {"key": "http.route", "value": "endpoint"}],
            "queries": [
                {"name": "Request rate", "query": rate},
                {"name": "Failed requests", "query": f"{failed} or vector(0)"},
                {"name": "Latency p95", "query": f"histogram_quantile(0.95, {buckets})"},
            ],
        },
    }
    if variant.loki:
        settings["tracesToLogsV2"] = {
            "datasourceUid": "loki",
            **AROUND,
            "tags": [service],
            "customQuery": True,
            "query": '{$${__tags}} | trace_id="$${__trace.traceId}"',
        }
    return _source("jaeger", "Jaeger", "http://jaeger:16686", settings)
