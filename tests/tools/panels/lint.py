"""What every dashboard and every file of data sources must be, looked up in what Grafana reads.

Invariant: knows nothing of how that was made.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from grafana import ALL_IS_ANYTHING, SCRAPE
from queries import DASHBOARDS, ROOT

GRAFANA = DASHBOARDS.parent
RUNBOOKS = ROOT / "docs" / "runbooks"
# The window of a range selector or a subquery: what stands in brackets, but for those of a character class.
WINDOW = re.compile(r"\[([$\w:]+)\]")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
# A fixed window must mean something to people, and hold four scrapes many times over.
LEAST_WINDOW = 20 * SCRAPE
COLUMNS = 24
WITHOUT_UNIT = {"text", "logs"}
SOURCES = {"prometheus": "${datasource}", "loki": "${logs}"}


def lint() -> list[str]:
    """What is wrong, each with where."""
    boards = {path.stem: json.loads(path.read_text()) for path in sorted(DASHBOARDS.glob("*.json"))}
    problems = [f"{stem}: {problem}" for stem, board in boards.items() for problem in _board(stem, board, boards)]
    for path in (*sorted(GRAFANA.glob("datasources/*.yml")), *sorted(GRAFANA.glob("provisioning/datasources/*.yml"))):
        problems += [f"{path.name}: {problem}" for problem in _sources(yaml.safe_load(path.read_text())["datasources"])]
    return problems


def _sources(sources: list[dict[str, Any]]) -> Iterator[str]:
    known = {source["uid"] for source in sources}
    for source in sources:
        settings = source["jsonData"]
        if source["type"] == "prometheus" and settings.get("timeInterval") != f"{SCRAPE}s":
            yield f"{source['uid']} has the interval {settings.get('timeInterval')}; grafana.py thinks otherwise"
        led_to = set(re.findall(r'"(?:datasourceUid|alertmanagerUid)": "(\w+)"', json.dumps(settings)))
        for missing in sorted(led_to - known):
            yield f"{source['uid']} leads to {missing}, which this variant does not have"


def _board(stem: str, board: dict[str, Any], boards: dict[str, dict[str, Any]]) -> Iterator[str]:
    if "dashboard" in board:
        yield "is wrapped: file provisioning does not read it"
        return
    if board.get("uid") != stem:
        yield f"has the uid {board.get('uid')}"
    if board.get("editable") is not False:
        yield "can be edited"
    if not board.get("title") or not board.get("description"):
        yield "has no title or no description"
    yield from _variables(board)
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    for what, values in (("title", [p.get("title") for p in panels]), ("id", [p.get("id") for p in board["panels"]])):
        for value in {value for value in values if values.count(value) > 1 or not value}:
            yield f"two panels have the {what} {value}, or one has none"
    yield from _places(board["panels"])
    for panel in panels:
        yield from (f"{panel.get('title')}: {problem}" for problem in _panel(panel))
        yield from (f"{panel.get('title')}: {problem}" for problem in _links(panel, board, boards))


def _variables(board: dict[str, Any]) -> Iterator[str]:
    variables = {variable["name"]: variable for variable in board["templating"]["list"]}
    for name in ("datasource", "cluster"):
        if name not in variables:
            yield f"has no variable {name}"
    for name, variable in variables.items():
        if variable["type"] == "query" and (variable.get("allValue") == ".*") != (name in ALL_IS_ANYTHING):
            yield f"the variable {name} has the pattern {variable.get('allValue')} for All; grafana.py thinks otherwise"


def _places(panels: list[dict[str, Any]]) -> Iterator[str]:
    taken: dict[tuple[int, int], str] = {}
    for panel in panels:
        place = panel["gridPos"]
        if place["x"] + place["w"] > COLUMNS:
            yield f"{panel['title']} does not fit into its row"
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                other = taken.setdefault((x, y), panel["title"])
                if other != panel["title"]:
                    yield f"{panel['title']} lies over {other}"
                    return


def _panel(panel: dict[str, Any]) -> Iterator[str]:
    if not panel.get("description"):
        yield "has no description"
    if panel["type"] == "text":
        return
    if panel["type"] not in WITHOUT_UNIT and not panel["fieldConfig"]["defaults"].get("unit"):
        yield "has no unit"
    targets = panel.get("targets") or []
    if not targets:
        yield "has no query"
    for target in targets:
        source = target["datasource"]
        if SOURCES.get(source["type"]) != source["uid"] or panel["datasource"] != source:
            yield f"asks {source}, which nobody can choose"
        for window in WINDOW.findall(target["expr"]):
            if window not in ("$__rate_interval", "$__range", "$__auto") and _seconds(window) < LEAST_WINDOW:
                yield f"has a window of {window}, which hangs on the scrape interval: $__rate_interval"


def _seconds(window: str) -> int:
    parts = re.fullmatch(r"(\d+)([smhdw])", window.partition(":")[0])
    return int(parts[1]) * SECONDS[parts[2]] if parts else 0


def _links(panel: dict[str, Any], board: dict[str, Any], boards: dict[str, dict[str, Any]]) -> Iterator[str]:
    for link in panel.get("fieldConfig", {}).get("defaults", {}).get("links") or []:
        url = link["url"]
        taken = set(re.findall(r"\$\{(\w+):queryparam\}", url))
        for missing in sorted(taken - _names(board)):
            yield f"takes the variable {missing} along, which this dashboard does not have"
        if target := re.match(r"/d/([\w-]+)\?", url):
            if target[1] not in boards:
                yield f"leads to {target[1]}, which does not exist"
                continue
            set_there = taken | set(re.findall(r"[?&]var-(\w+)=", url))
            for missing in sorted(set_there - _names(boards[target[1]])):
                yield f"leads to {target[1]} with the variable {missing}, which that does not have"
        elif "/docs/runbooks/" in url and not (RUNBOOKS / Path(url).name).exists():
            yield f"leads to the runbook {Path(url).name}, which does not exist"


def _names(board: dict[str, Any]) -> set[str]:
    return {variable["name"] for variable in board["templating"]["list"]}
