"""The panel proof: every query answers, on a real Prometheus, with at least one sample that is a number.

    prove.py PROMETHEUS START END

START and END are seconds since 1970: the time of the traffic. What cannot run here is listed by name with the reason.

Invariant: nothing is left out without a reason that holds: when a metric is there that should not be, that fails too.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

from grafana import Window, substitute
from parse import parse
from prometheus import Prometheus, Refused
from queries import Query, every

ELSEWHERE = tomllib.loads((Path(__file__).parent / "elsewhere.toml").read_text())
LOGQL = "Loki has no Debian package: the extended stack runs it"


def main() -> int:
    """0 when every query answers, or has a reason not to."""
    address, start, end = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
    prometheus = Prometheus(address, Window(start, end))
    queries = every()
    texts = [(query.language, plain(query)) for query in queries]
    failures, answered, excused = [], 0, []
    for query, parsed in zip(queries, parse(texts), strict=True):
        if parsed.error:
            failures.append(f"{query.name}: does not parse {parsed.error}")
            continue
        reason = _reason(query, parsed.metrics)
        there = sorted(metric for metric in parsed.metrics & prometheus.metrics if _excuse(metric))
        if there:
            failures.append(
                f"{query.name}: {', '.join(there)} should not be here ({reason}), and is: see elsewhere.toml"
            )
        elif reason:
            excused.append(f"{query.name}: {reason}")
        elif problem := _problem(prometheus, query):
            failures.append(f"{query.name}: {problem}")
        else:
            answered += 1
    for line in excused:
        print(f"only parsed: {line}")
    for line in failures:
        print(f"FAILED: {line}", file=sys.stderr)
    print(f"{answered} queries answered with a number, {len(excused)} were only parsed, {len(failures)} failed")
    return 1 if failures else 0


def plain(query: Query) -> str:
    """The text with anything put in that parses: values are asked for when the query runs."""
    return substitute(query, Window(0, 3600), lambda selector, label: ["value"])


def _excuse(metric: str) -> str | None:
    return next((reason for prefix, reason in ELSEWHERE.items() if metric.startswith(prefix)), None)


def _reason(query: Query, metrics: frozenset[str]) -> str | None:
    if query.language == "logql":
        return LOGQL
    return next((reason for metric in sorted(metrics) if (reason := _excuse(metric))), None)


def _problem(prometheus: Prometheus, query: Query) -> str | None:
    try:
        found = prometheus.run(query)
    except (Refused, ValueError) as error:
        return str(error)
    if not any(series.samples for series in found):
        return f"{'no number, only NaN' if found else 'nothing'}: {query.text}"
    return None


if __name__ == "__main__":
    sys.exit(main())
