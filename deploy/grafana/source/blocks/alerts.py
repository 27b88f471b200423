"""The thresholds of alerts, read from the rules that Prometheus runs, so that a panel turns red when its alert fires.

Invariant: neither the threshold of an alert nor what it leaves out is written down a second time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

RULES = Path(__file__).parents[3] / "prometheus" / "rules"
# A comparison with a number: `> 0.05`, `<= 1e3`, `== 0`.
COMPARISON = re.compile(r"(<=|>=|==|<|>)\s*(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)(?![\w.\[])")


@dataclass(frozen=True)
class Bound:
    """Where an alert begins: at, above or below a value, and how bad that is."""

    operator: str
    value: float
    critical: bool

    @property
    def above(self) -> bool:
        """Whether it is large values that are bad; a state (`== 1`, `== 0`) is bad at one end."""
        return self.operator in (">", ">=") or (self.operator == "==" and self.value > 0)

    @property
    def step(self) -> float:
        """Where the colour changes: Grafana's steps begin at their value, and zero may still be calm."""
        after = self.operator in ("<=", "==") and not self.above or (self.operator == ">" and self.value == 0)
        return self.value + 1e-9 if after else self.value


@cache
def _rules() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(RULES.glob("*.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            found |= {rule["alert"]: rule for rule in group["rules"] if "alert" in rule}
    return found


def _rule(alert: str) -> dict[str, Any]:
    rule = _rules().get(alert)
    if rule is None:
        raise LookupError(f"no rule in {RULES} has an alert {alert}")
    return rule


def matcher(alert: str, label: str) -> str:
    """What the alert asks of a label, so that a panel looks at the same series. It asks the same wherever it does."""
    found = set(re.findall(rf'\b{label}(?:=~|!~|!=|=)"[^"]*"', _rule(alert)["expr"]))
    if len(found) != 1:
        raise LookupError(f"{alert} matches {label} in {len(found)} ways")
    return str(found.pop())


def bound(alert: str, nth: int = 0) -> Bound:
    """The n-th comparison with a number in the alert's expression; the others are its least traffic and the like."""
    rule = _rule(alert)
    comparisons = COMPARISON.findall(rule["expr"])
    if len(comparisons) <= nth:
        raise LookupError(f"{alert} has {len(comparisons)} comparisons with a number: {rule['expr']}")
    operator, number = comparisons[nth]
    return Bound(operator, float(number), rule["labels"]["severity"] == "critical")
