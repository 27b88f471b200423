"""Every query that people see: of the dashboards' panels, variables and annotations, and of docs/queries.md.

Invariant: a query has a name by which a person finds it, and no two queries share one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
DASHBOARDS = ROOT / "deploy" / "grafana" / "dashboards"
DOCS = ROOT / "docs"
SAMPLES = DOCS / "queries.md"
FENCE = re.compile(r"^```(promql|logql)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LABEL_VALUES = re.compile(r"label_values\((.+),\s*(\w+)\)$")


@dataclass(frozen=True)
class Query:
    """A query with what Grafana needs to know to run it."""

    name: str
    text: str
    language: str = "promql"
    # One moment instead of a course over time.
    instant: bool = False
    # The panel looks at a time of its own, such as now/d.
    since: str | None = None
    # The label whose values a variable takes from the result.
    label: str | None = None
    # The queries of the dashboard's variables, by name: they decide what a variable may be.
    variables: dict[str, str] = field(default_factory=dict, hash=False)


def every() -> list[Query]:
    """All of them, dashboards first."""
    found = [
        query for path in sorted(DASHBOARDS.glob("*.json")) for query in of_dashboard(json.loads(path.read_text()))
    ]
    found.extend(of_page(SAMPLES))
    names = [query.name for query in found]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"two queries have the same name: {sorted(twice)}")
    return found


def of_other_pages() -> list[Query]:
    """Those of the other pages: in a runbook, no answer can be good news."""
    return [query for path in sorted(DOCS.rglob("*.md")) if path != SAMPLES for query in of_page(path)]


def of_dashboard(board: dict[str, Any]) -> Iterator[Query]:
    """The queries of one dashboard."""
    uid = board["uid"]
    variables = {
        variable["name"]: variable["query"]["query"]
        for variable in board["templating"]["list"]
        if variable["type"] == "query"
    }
    for name, text in variables.items():
        parts = LABEL_VALUES.match(text)
        if parts is None:
            raise ValueError(f"{uid}: the variable {name} is not made by label_values: {text}")
        yield Query(f"{uid} / variable {name}", parts[1], instant=True, label=parts[2], variables=variables)
    for annotation in board["annotations"]["list"]:
        if "expr" in annotation:
            yield Query(f"{uid} / annotation {annotation['name']}", annotation["expr"], variables=variables)
    for panel in board["panels"]:
        for target in panel.get("targets") or []:
            yield Query(
                f"{uid} / {panel['title']} / {target['refId']}",
                target["expr"],
                "logql" if target["datasource"]["type"] == "loki" else "promql",
                bool(target.get("instant")),
                panel.get("timeFrom"),
                variables=variables,
            )


def of_page(path: Path) -> Iterator[Query]:
    """The queries of the fenced blocks of a page; a block is one query."""
    page = path.relative_to(ROOT)
    heading, seen = "", 0
    for part in re.split(r"(?m)^(?=#+ )", path.read_text()):
        heading, seen = part.splitlines()[0].lstrip("# ") if part.strip() else "", 0
        for language, text in FENCE.findall(part):
            seen += 1
            yield Query(f"{page} / {heading} / {seen}", text.strip(), language, instant=True)
