"""What can be chosen at the top of a dashboard.

Invariant: all clusters are also none: a Prometheus puts the label `cluster` on what it sends away (Thanos, remote
write, alerts), not on what it answers itself.
"""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

PROMETHEUS = DataSourceRef(type_val="prometheus", uid="${datasource}")
LOKI = DataSourceRef(type_val="loki", uid="${logs}")


def datasource() -> build.DatasourceVariable:
    """Which Prometheus answers: the one of this cluster, or Thanos for all of them."""
    return _source("datasource", "Data source", "prometheus", "Prometheus")


def log_source() -> build.DatasourceVariable:
    """Which Loki answers."""
    return _source("logs", "Logs", "loki", "Loki")


def _source(name: str, label: str, kind: str, title: str) -> build.DatasourceVariable:
    chosen = VariableOption(text=title, value=kind)
    return build.DatasourceVariable(name).label(label).type(kind).current(chosen)


def cluster() -> build.QueryVariable:
    """The cluster, where one data source knows several."""
    return chosen_from("cluster", "Cluster", "label_values(app_info, cluster)")


def service() -> build.QueryVariable:
    """The services of the platform. All of them are these, and no part of the monitoring."""
    known = 'label_values(app_info{cluster=~"$cluster"}, service)'
    return chosen_from("service", "Service", known, anything=False)


def endpoint() -> build.QueryVariable:
    """The routes of the chosen services."""
    known = 'label_values(http_requests_total{cluster=~"$cluster",service=~"$service"}, endpoint)'
    return chosen_from("endpoint", "Endpoint", known)


def chosen_from(name: str, label: str, query: str, *, anything: bool = True) -> build.QueryVariable:
    """One, several or all of a label's values; "All" is anything, or else one of those that there are."""
    variable = build.QueryVariable(name).label(label).datasource(PROMETHEUS)
    # The data source takes the query as an object; type 1 is `label_values` in its editor.
    variable = variable.query({"qryType": 1, "query": query, "refId": f"{name}-variable"})
    variable = variable.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).sort(VariableSort.ALPHABETICAL_ASC)
    variable = variable.multi(True).include_all(True).current(VariableOption(text=["All"], value=["$__all"]))
    return variable.all_value(".*") if anything else variable
