"""Asks a Prometheus, as Grafana's data source does."""

from __future__ import annotations

import json
import math
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from grafana import Window, substitute
from queries import Query


class Refused(Exception):
    """Prometheus says that a query is wrong."""


@dataclass(frozen=True)
class Series:
    """Labels and what was measured: time and value."""

    labels: dict[str, str]
    samples: list[tuple[float, float]]

    @property
    def last(self) -> float:
        """The newest value."""
        return self.samples[-1][1]


@dataclass
class Prometheus:
    """A Prometheus at an address, seen through a window of time."""

    address: str
    window: Window

    def run(self, query: Query) -> list[Series]:
        """What the panel would draw."""
        window = self.window.since(query.since)
        text = substitute(query, self.window, self._values)
        if query.instant:
            return self.at(text, window.end)
        asked = {"query": text, "start": window.start, "end": window.end, "step": window.step}
        answer = self._get("query_range", asked)["result"]
        return [Series(one["metric"], _samples(one["values"])) for one in answer]

    def at(self, text: str, moment: float) -> list[Series]:
        """A query's result at one moment."""
        answer = self._get("query", {"query": text, "time": f"{moment:.3f}"})["result"]
        return [Series(one["metric"], _samples([one["value"]])) for one in answer]

    @cached_property
    def metrics(self) -> frozenset[str]:
        """The names of all metrics that it has."""
        return frozenset(self._get("label/__name__/values", {}))

    def has(self, selector: str) -> bool:
        """Whether there was such a series in the window."""
        return bool(self._values(selector, "__name__"))

    def _values(self, selector: str, label: str) -> list[str]:
        asked = {"match[]": selector, "start": self.window.start, "end": self.window.end}
        return sorted({one[label] for one in self._get("series", asked) if label in one})

    def _get(self, path: str, parameters: Mapping[str, object]) -> Any:
        url = f"{self.address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            if error.code not in (400, 422):
                raise
            raise Refused(f"{json.load(error).get('error')}: {parameters}") from error


def _samples(raw: list[tuple[float, str]]) -> list[tuple[float, float]]:
    """The samples that are numbers."""
    read = [(moment, float(value)) for moment, value in raw]
    return [(moment, value) for moment, value in read if not math.isnan(value)]
