"""Which alerts lead to a dashboard that does not show what they watch.

Invariant: a recorded series stands for the metrics that it is made of, in an alert as in a panel.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml
from parse import parse
from usage import RULES

SUFFIX = re.compile(r"_(bucket|sum|count)$")
Metrics = frozenset[str]


def unseen(queries: Iterable[tuple[str, Metrics]]) -> list[str]:
    """What is wrong; `queries` are those of the dashboards, by name, with the metrics that they select."""
    rules = list(_rules())
    recorded: dict[str, Metrics] = {}
    for rule, metrics in rules:
        if "record" in rule:
            recorded[rule["record"]] = recorded.get(rule["record"], frozenset()) | metrics
    shown: dict[str, Metrics] = {}
    for name, metrics in queries:
        uid, *panel = name.split(" / ")
        if len(panel) > 1:  # not a variable and not an annotation
            shown[uid] = shown.get(uid, frozenset()) | _made_of(metrics, recorded)
    problems = []
    for rule, metrics in rules:
        if "alert" in rule:
            uid = rule["annotations"]["dashboard_url"].rpartition("/d/")[2]
            watched = _made_of(metrics, recorded)
            # What has no metric shows nothing: Watchdog.
            if uid not in shown or watched and not watched & shown[uid]:
                problems.append(f"{rule['alert']} leads to {uid}, which shows none of {', '.join(sorted(watched))}")
    return problems


def _rules() -> Iterable[tuple[dict[str, Any], Metrics]]:
    rules: list[dict[str, Any]] = []
    for path in sorted(RULES.glob("*.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            rules += group["rules"]
    return zip(rules, (parsed.metrics for parsed in parse([("promql", rule["expr"]) for rule in rules])), strict=True)


def _made_of(metrics: Metrics, recorded: Mapping[str, Metrics]) -> Metrics:
    """The metrics of services and exporters behind those, a histogram's by one name."""
    seen, left = set[str](), list(metrics)
    while left:
        name = left.pop()
        if name not in seen:
            seen.add(name)
            left += recorded.get(name, ())
    return frozenset(SUFFIX.sub("", name) for name in seen if name not in recorded)
