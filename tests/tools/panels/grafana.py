"""What Grafana puts into a query before it sends it: the time, the interval and what was chosen.

Invariant: no `$` is left.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from queries import LABEL_VALUES, Query

# `timeInterval` of the data source: no step is smaller, and `$__rate_interval` takes it for the scrape interval.
SCRAPE = 15
VARIABLE = re.compile(r"\$\{(\w+)(?::\w+)?\}|\$(\w+)")
# Nothing was typed into a text field.
TYPED = {"search": ""}


@dataclass(frozen=True)
class Window:
    """The time that a dashboard shows, in seconds since 1970, and the step between two points."""

    start: float
    end: float
    step: int = SCRAPE

    @property
    def rate_interval(self) -> int:
        """As Grafana's Prometheus data source computes it."""
        return max(self.step + SCRAPE, 4 * SCRAPE)

    def since(self, moment: str | None) -> Window:
        """The same up to now, from the moment that a panel has of its own."""
        if moment is None:
            return self
        if moment != "now/d":
            raise ValueError(f"what is the time {moment}?")
        return Window(self.end - self.end % 86400, self.end, self.step)


def substitute(query: Query, window: Window, values: Callable[[str, str], list[str]]) -> str:
    """The text that is sent. `values` answers with the values of a label: what `All` stands for."""
    seen = window.since(query.since)
    known: Mapping[str, str] = TYPED | {
        "__rate_interval": f"{window.rate_interval}s",
        "__auto": f"{window.rate_interval}s",
        "__range": f"{round(seen.end - seen.start)}s",
    }

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name in known:
            return known[name]
        return _all(query, name, window, values)

    sent = VARIABLE.sub(value, query.text)
    if "$" in sent:
        raise ValueError(f"{query.name}: something is left to put in: {sent}")
    return sent


def _all(query: Query, name: str, window: Window, values: Callable[[str, str], list[str]]) -> str:
    """All values of a variable, as a pattern. A variable with a pattern of its own for that has `.*`."""
    if name not in query.variables:
        raise ValueError(f"{query.name} has no variable {name}")
    parts = LABEL_VALUES.match(query.variables[name])
    assert parts is not None, "queries.of_dashboard has looked"
    if name in ALL_IS_ANYTHING:
        return ".*"
    inner = Query(query.name, parts[1], instant=True, variables=query.variables)
    found = values(substitute(inner, window, values), parts[2])
    if not found:
        raise ValueError(f"{query.name}: the variable {name} has no values")
    return f"({'|'.join(_escaped(each) for each in found)})"


def _escaped(value: str) -> str:
    """As the data source does it: what means something in a pattern is escaped, for a string within quotes."""
    return re.sub(r"[$^*{}\[\]'+?.()|]", r"\\\\\g<0>", value.replace("\\", r"\\\\"))


# What deploy/grafana/source/blocks/variables.py gives a pattern for "All"; lint.py looks that it is so.
ALL_IS_ANYTHING = {"cluster", "endpoint", "node", "slo"}
