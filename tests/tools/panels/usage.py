"""Which metrics of docs/metrics.md nobody looks at: no panel, no rule, no sample query, and no reason in a list.

Invariant: the list of reasons has no metric that is used, and none that does not exist.
"""

from __future__ import annotations

import re
import tomllib

import yaml
from parse import parse
from queries import ROOT

METRICS = ROOT / "docs" / "metrics.md"
REASONS = ROOT / "deploy" / "grafana" / "unused-metrics.toml"
RULES = ROOT / "deploy" / "prometheus" / "rules"
# What a metric of a kind is asked for by, besides its own name.
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}


def unused(selected: frozenset[str]) -> list[str]:
    """What is wrong; `selected` are the metrics that panels and sample queries select."""
    # Its heading, what it says in one paragraph, and a list that begins with its kind.
    kinds = dict(re.findall(r"^### `(\w+)`\n\n(?:[^#\n].*\n)+\n- (\w+),", METRICS.read_text(), re.MULTILINE))
    headings = re.findall(r"^### `\w+`$", METRICS.read_text(), re.MULTILINE)
    assert len(kinds) == len(headings), f"{len(kinds)} of {len(headings)} metrics say their kind"
    metrics = kinds.keys()
    reasons = tomllib.loads(REASONS.read_text())
    selected |= _of_rules()
    used = {
        metric
        for metric, kind in kinds.items()
        if not selected.isdisjoint([metric, *(metric + suffix for suffix in SUFFIXES.get(kind, ()))])
    }
    problems = [
        f"{metric} is in no panel, no rule and no query, and unused-metrics.toml has no reason"
        for metric in metrics - used - reasons.keys()
    ]
    problems += [f"{metric} stands in unused-metrics.toml and is used" for metric in reasons.keys() & used]
    problems += [f"{metric} stands in unused-metrics.toml and does not exist" for metric in reasons.keys() - metrics]
    return sorted(problems)


def _of_rules() -> frozenset[str]:
    texts = []
    for path in sorted(RULES.glob("*.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            texts += [("promql", rule["expr"]) for rule in group["rules"]]
    return frozenset().union(*(parsed.metrics for parsed in parse(texts)))
