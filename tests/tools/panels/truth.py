"""Panel truth: what the panels say after a seeded run is what the simulator did, read through the panels' own queries.

    truth.py PROMETHEUS SUMMARY START END

SUMMARY is what `arena simulate --check --json` printed; START is before the platform began, END is after the traffic.

Invariant: counts are exact and rates within 5 %. An increase is exact at the moment of a scrape when its window begins
before the counter does, for then there is nothing to extrapolate.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from grafana import SCRAPE, Window
from prometheus import Prometheus, Series
from queries import Query, every

RATE_TOLERANCE = 0.05


@dataclass(frozen=True)
class Truth:
    """What the simulator did."""

    summary: dict[str, Any]

    def __post_init__(self) -> None:
        if not self.summary["check"]["held"]:
            raise ValueError("the simulator's own check did not hold")

    def requests(self, route: str | None = None, status: int | None = None) -> int:
        """Requests that were sent, those before and after the traffic included."""
        return sum(
            each["count"]
            for each in self.summary["requests"]
            if route in (None, each["route"]) and status in (None, each["status"])
        )

    def total(self, name: str) -> int:
        """One of the totals that the check compared."""
        return next((row["grown"] for row in self.summary["check"]["totals"] if row["name"] == name), 0)

    def cents(self) -> int:
        """Revenue in cents."""
        rows = self.summary["check"]["totals"]
        return sum(row["grown"] for row in rows if row["name"].endswith("purchases completed, cents"))

    def matches(self) -> Counter[tuple[str, str]]:
        """Matches by type and status."""
        kinds = [
            (kind, status) for kind in ("solo", "team", "tournament") for status in ("started", "completed", "crashed")
        ]
        return Counter({(kind, status): self.total(f"{kind} matches {status}") for kind, status in kinds})


class Panels:
    """The panels' queries, at the last scrape of the service that counts."""

    def __init__(self, prometheus: Prometheus) -> None:
        self._prometheus = prometheus
        self._queries = {query.name: query for query in every()}

    @property
    def in_one_day(self) -> bool:
        """Whether all of the run is "today": one across midnight is not."""
        return self._prometheus.window.start // 86400 == self._prometheus.window.end // 86400

    def read(self, name: str, service: str, *, step: int | None = None) -> list[Series]:
        """What a panel shows at the service's last scrape, with the step of its graph if that matters."""
        window = self._prometheus.window
        seen = Window(window.start, self._scraped(service), step or window.step)
        query: Query = replace(self._queries[name], instant=True)
        return Prometheus(self._prometheus.address, seen).run(query)

    def seconds(self, service: str) -> int:
        """How long the run was, up to the service's last scrape."""
        return round(self._scraped(service) - self._prometheus.window.start)

    def _scraped(self, service: str) -> float:
        return self._prometheus.at(f'timestamp(up{{service="{service}"}})', self._prometheus.window.end)[0].last

    def number(self, name: str, service: str) -> float:
        """The one number of a panel."""
        (series,) = self.read(name, service)
        return series.last


def main() -> int:
    """0 when every panel says what is true."""
    address, summary, start, end = sys.argv[1:5]
    truth = Truth(json.loads(Path(summary).read_text()))
    prometheus = Prometheus(address, Window(float(start), float(end)))
    panels = Panels(prometheus)
    wrong = 0

    def compare(what: str, shown: float, true: float, tolerance: float = 0.0) -> None:
        nonlocal wrong
        holds = abs(shown - true) <= tolerance * true if tolerance else round(shown, 6) == round(true, 6)
        wrong += not holds
        print(f"{'ok' if holds else 'WRONG':5} {what}: the panel says {shown:g}, the simulator {true:g}")

    for check in (_counts, _matches, _rate):
        check(panels, truth, compare)
    return 1 if wrong else 0


Compare = Callable[..., None]


def _counts(panels: Panels, truth: Truth, compare: Compare) -> None:
    registered = truth.requests("/api/players/register", 200)
    failed, completed = truth.summary["purchases_failed"], truth.summary["purchases_completed"]
    crashed = sum(count for (_, status), count in truth.matches().items() if status == "crashed")
    expected = [
        ("battlearena-business / Registered / A", "gateway", registered),
        ("battlearena-business / Revenue / A", "gateway", truth.cents() / 100),
        ("battlearena-overview / Revenue / A", "gateway", truth.cents() / 100),
        ("battlearena-business / Failed payments / A", "gateway", failed),
        ("battlearena-business / Share of failed payments / A", "gateway", failed / (failed + completed)),
        ("battlearena-matchmaking / Crashed / A", "match", crashed),
    ]
    if panels.in_one_day:
        expected.append(("battlearena-overview / Registered today / A", "gateway", registered))
    for name, service, true in expected:
        compare(name, panels.number(name, service), true)
    name = "battlearena-business / Revenue by item / A"
    compare(name, sum(series.last for series in panels.read(name, "gateway")), truth.cents() / 100)


def _matches(panels: Panels, truth: Truth, compare: Compare) -> None:
    name = "battlearena-matchmaking / Matches by type and status / A"
    shown = {(s.labels["match_type"], s.labels["status"]): s.last for s in panels.read(name, "match")}
    for (kind, status), true in truth.matches().items():
        compare(f"{name}, {kind} {status}", shown.pop((kind, status)), true)
    compare(f"{name}, anything else", sum(shown.values()), 0)


def _rate(panels: Panels, truth: Truth, compare: Compare) -> None:
    # Zoomed out so far that one point covers the run: $__rate_interval is then the step and a scrape. What the services
    # ask each other over HTTP (keys, for one) is in the panel and not in the simulator's count.
    name = "battlearena-overview / Request rate by service / A"
    sockets = truth.requests("/ws")
    for service, true in (("gateway", truth.requests() - sockets), ("socket-gateway", sockets)):
        seconds = panels.seconds(service)
        shown = panels.read(name, service, step=seconds - SCRAPE)
        rate = next(series.last for series in shown if series.labels["service"] == service)
        compare(f"{name}, {service}", rate, true / seconds, RATE_TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
