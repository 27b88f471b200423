"""The kinds of panels, with the settings that all panels of a kind share.

Invariant: a panel has a title, a description, a unit and a query; what an alert watches has the alert's threshold and a
link to its runbook.
"""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.builders import (
    bargauge,
    logs,
    loki,
    prometheus,
    statetimeline,
    timeseries,
)
from grafana_foundation_sdk.builders import (
    common as shared,
)
from grafana_foundation_sdk.builders import (
    dashboard as build,
)
from grafana_foundation_sdk.builders import (
    stat as stats,
)
from grafana_foundation_sdk.builders import (
    table as tables,
)
from grafana_foundation_sdk.builders import (
    text as texts,
)
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    BigValueColorMode,
    BigValueGraphMode,
    GraphDrawStyle,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    LogsSortOrder,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardLink,
    DataTransformerConfig,
    FieldColorModeId,
    Panel,
    Threshold,
    ThresholdsMode,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from grafana_foundation_sdk.models.text import TextMode

from . import links as ways
from .alerts import bound
from .variables import LOKI, PROMETHEUS

CALM, WARNING, CRITICAL = "green", "orange", "red"
# A query and what its series are called.
Query = tuple[str, str]
# The alerts that watch what a panel shows, the milder one first.
Alerts = str | tuple[str, ...]
Links = Sequence[Builder[DashboardLink]]
Panels = list[Builder[Panel]]
Targets = list[Builder[Dataquery]]


def stat(
    title: str,
    description: str,
    unit: str,
    expression: str,
    *,
    alert: Alerts | None = None,
    nth: int = 0,
    instant: bool = False,
    since: str | None = None,
    legend: str = "",
    width: int = 4,
    decimals: int | None = None,
    links: Links = (),
) -> stats.Panel:
    """One number, with its course behind it unless it is `instant`. `since` (now/d) looks at a time of its own."""
    panel = stats.Panel().title(title).unit(unit).span(width).height(4).datasource(PROMETHEUS)
    panel = panel.targets([_target(0, (expression, legend), instant=instant)])
    panel = panel.reduce_options(shared.ReduceDataOptions().calcs(["lastNotNull"]))
    panel = panel.graph_mode(BigValueGraphMode.NONE if instant else BigValueGraphMode.AREA)
    panel = panel.color_mode(BigValueColorMode.VALUE)
    panel = panel.thresholds(_thresholds(alert, nth)).data_links(_with_runbook(links, alert))
    if since is not None:
        panel = panel.time_from(since)
    if decimals is not None:
        panel = panel.decimals(decimals)
    return panel.description(_told(description, alert))


def graph(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    alert: Alerts | None = None,
    nth: int = 0,
    stacked: bool = False,
    bars: bool = False,
    exemplars: bool = False,
    minimum: float | None = 0,
    width: int = 12,
    links: Links = (),
) -> timeseries.Panel:
    """A course over time. An alert's threshold is a dashed line; exemplars are dots that lead to traces."""
    panel = timeseries.Panel().title(title).unit(unit).span(width).height(8).datasource(PROMETHEUS)
    panel = panel.targets([_target(n, query, exemplar=exemplars) for n, query in enumerate(queries)])
    legend = shared.VizLegendOptions().display_mode(LegendDisplayMode.LIST)
    panel = panel.legend(legend.placement(LegendPlacement.BOTTOM).show_legend(True))
    panel = panel.tooltip(shared.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
    panel = panel.fill_opacity(60 if bars else 25 if stacked else 8).show_points(VisibilityMode.NEVER)
    panel = panel.draw_style(GraphDrawStyle.BARS if bars else GraphDrawStyle.LINE).line_width(1)
    if stacked or bars:
        panel = panel.stacking(shared.StackingConfig().mode(StackingMode.NORMAL).group("A"))
    if minimum is not None:
        panel = panel.min(minimum)
    if alert is not None:
        dashed = shared.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED)
        panel = panel.thresholds(_thresholds(alert, nth)).thresholds_style(dashed)
    return panel.data_links(_with_runbook(links, alert)).description(_told(description, alert))


def bars(
    title: str, description: str, unit: str, expression: str, legend: str, *, width: int = 8, links: Links = ()
) -> bargauge.Panel:
    """What there is of several things over the chosen time, the most on top."""
    panel = bargauge.Panel().title(title).description(description).unit(unit).span(width).height(8)
    panel = panel.datasource(PROMETHEUS).targets([_target(0, (f"sort_desc({expression})", legend), instant=True)])
    panel = panel.reduce_options(shared.ReduceDataOptions().calcs(["lastNotNull"])).min(0)
    panel = panel.orientation(VizOrientation.HORIZONTAL).display_mode(BarGaugeDisplayMode.BASIC)
    panel = panel.color_scheme(build.FieldColor().mode(FieldColorModeId.CONTINUOUS_BL_PU))
    return panel.data_links(list(links))


def table(
    title: str,
    description: str,
    unit: str,
    columns: Sequence[tuple[str, str]],
    *,
    width: int = 12,
    height: int = 8,
    links: Links = (),
) -> tables.Panel:
    """Rows by label and a column for each query, given as name and expression."""
    panel = tables.Panel().title(title).description(description).unit(unit).span(width).height(height)
    panel = panel.datasource(PROMETHEUS)
    targets: Targets = [_target(n, (query, ""), instant=True, rows=True) for n, (_, query) in enumerate(columns)]
    named = {f"Value #{chr(ord('A') + n)}": name for n, (name, _) in enumerate(columns)}
    if len(columns) == 1:
        named = {"Value": columns[0][0]}
    merged = DataTransformerConfig(id_val="merge", options={})
    tidy = DataTransformerConfig(id_val="organize", options={"excludeByName": {"Time": True}, "renameByName": named})
    panel = panel.targets(targets).with_transformation(merged).with_transformation(tidy)
    first = shared.TableSortByFieldState().display_name(columns[0][0]).desc(True)
    return panel.sort_by([first]).data_links(list(links))


def states(title: str, description: str, expression: str, legend: str, *, width: int = 12) -> statetimeline.Panel:
    """Whether something is (1) or is not (0), over time."""
    panel = statetimeline.Panel().title(title).description(description).unit("none").span(width).height(8)
    panel = panel.datasource(PROMETHEUS).targets([_target(0, (expression, legend))])
    steps = [Threshold(value=None, color=CRITICAL), Threshold(value=1, color=CALM)]
    panel = panel.thresholds(_steps(steps)).show_value(VisibilityMode.NEVER)
    return panel.color_scheme(build.FieldColor().mode(FieldColorModeId.THRESHOLDS))


def note(title: str, description: str, markdown: str, *, width: int = 24, height: int = 4) -> texts.Panel:
    """Words for who reads the dashboard."""
    panel = texts.Panel().title(title).description(description).mode(TextMode.MARKDOWN).content(markdown)
    return panel.span(width).height(height)


def log_lines(title: str, description: str, expression: str, *, height: int = 12) -> logs.Panel:
    """Lines of the log, the newest on top."""
    panel = logs.Panel().title(title).description(description).unit("none").span(24).height(height)
    target = loki.Dataquery().expr(expression).query_type("range").ref_id("A").datasource(LOKI)
    panel = panel.datasource(LOKI).targets([target]).show_time(True).wrap_log_message(True)
    return panel.enable_log_details(True).sort_order(LogsSortOrder.DESCENDING)


def log_graph(title: str, description: str, unit: str, *queries: Query, width: int = 12) -> timeseries.Panel:
    """A course over time that Loki counts from lines."""
    panel = graph(title, description, unit, *queries, stacked=True, width=width).datasource(LOKI)
    targets: Targets = []
    for n, (expression, legend) in enumerate(queries):
        target = loki.Dataquery().expr(expression).query_type("range").legend_format(legend)
        targets.append(target.ref_id(chr(ord("A") + n)).datasource(LOKI))
    return panel.targets(targets)


def _target(
    n: int, query: Query, *, instant: bool = False, exemplar: bool = False, rows: bool = False
) -> prometheus.Dataquery:
    expression, legend = query
    target = prometheus.Dataquery().expr(expression).ref_id(chr(ord("A") + n)).datasource(PROMETHEUS)
    target = target.legend_format(legend) if legend else target
    target = target.format(PromQueryFormat.TABLE) if rows else target
    target = target.instant() if instant else target.range()
    return target.exemplar(True) if exemplar else target


def _steps(steps: list[Threshold]) -> build.ThresholdsConfig:
    return build.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)


def _names(alert: Alerts | None) -> tuple[str, ...]:
    return (alert,) if isinstance(alert, str) else alert or ()


def _thresholds(alert: Alerts | None, nth: int) -> build.ThresholdsConfig:
    bounds = [bound(name, nth) for name in _names(alert)]
    if not bounds:
        return _steps([Threshold(value=None, color="blue")])
    bad = [CRITICAL if each.critical or n > 0 else WARNING for n, each in enumerate(bounds)]
    if bounds[0].above:
        starts = [None, *(each.step for each in bounds)]
        colors = [CALM, *bad]
    else:
        # Small values are bad: a colour reaches up to its bound.
        starts = [None, *(each.step for each in reversed(bounds))]
        colors = [*reversed(bad), CALM]
    return _steps([Threshold(value=start, color=color) for start, color in zip(starts, colors, strict=True)])


def _with_runbook(links: Links, alert: Alerts | None) -> list[Builder[DashboardLink]]:
    return [*links, *(ways.runbook(name) for name in _names(alert))]


def _told(description: str, alert: Alerts | None) -> str:
    names = " and ".join(_names(alert))
    return f"{description} The colour changes where the alert {names} begins." if names else description
