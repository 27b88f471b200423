"""A dashboard: panels in rows, with what every dashboard of the platform has.

Invariant: read-only, fixed uid, days in UTC, releases marked, and the same choices at the top.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import (
    AnnotationQuery,
    AnnotationTarget,
    DashboardCursorSync,
    DataSourceRef,
    Panel,
    VariableModel,
)

from . import variables as choices
from .links import all_dashboards
from .promql import own
from .variables import PROMETHEUS

Variables = Sequence[Builder[VariableModel]]


class Board:
    """A dashboard that is being put together."""

    def __init__(
        self,
        uid: str,
        title: str,
        description: str,
        *,
        since: str = "now-1h",
        refresh: str = "30s",
        variables: Variables = (),
    ) -> None:
        self.uid = uid
        self._panels = 0
        board = build.Dashboard(f"BattleArena / {title}").uid(uid).description(description)
        board = board.tags(["battlearena"]).readonly().timezone("utc").refresh(refresh).time(since, "now")
        board = board.tooltip(DashboardCursorSync.CROSSHAIR).link(all_dashboards())
        for variable in (choices.datasource(), choices.cluster(), *variables):
            board = board.with_variable(variable)
        for annotation in (_NewBuild(), _Released()):
            board = board.annotation(annotation)
        self._board = board

    def row(self, title: str, *panels: Builder[Panel]) -> Board:
        """A row with its panels, from left to right."""
        self._board.with_row(build.Row(title).id(self._next_id()))
        for panel in panels:
            panel.build().id_val = self._next_id()
            self._board.with_panel(panel)
        return self

    def to_json(self) -> str:
        """What Grafana reads, in a form that a person can compare."""
        return json.dumps(self._board.build(), cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    def _next_id(self) -> int:
        self._panels += 1
        return self._panels


class _NewBuild(Builder[AnnotationQuery]):
    """A mark where a build began to run that had not run a few minutes before."""

    def build(self) -> AnnotationQuery:
        running = f"count by (service, version, git_commit) ({own('app_info')})"
        before = f"count by (service, version, git_commit) ({own('app_info')} offset 5m)"
        return _PrometheusMark(
            name="New builds",
            datasource=PROMETHEUS,
            icon_color="blue",
            expr=f"{running} unless {before}",
        )


class _PrometheusMark(AnnotationQuery):
    """The fields of an annotation from Prometheus that the types of the dashboard leave out."""

    def to_json(self) -> dict[str, object]:
        titled = {"titleFormat": "{{service}} {{version}}", "textFormat": "commit {{git_commit}}"}
        return super().to_json() | titled | {"step": "15s", "tagKeys": "service,version"}


class _Released(Builder[AnnotationQuery]):
    """What `make release-marker` posts."""

    def build(self) -> AnnotationQuery:
        target = AnnotationTarget(limit=100, match_any=True, tags=["release"], type_val="tags")
        grafana = DataSourceRef(type_val="grafana", uid="-- Grafana --")
        return AnnotationQuery(name="Releases", datasource=grafana, icon_color="purple", target=target)
