"""The panel proof: every query answers, on a real Prometheus, with at least one sample that is a number.

    prove.py PROMETHEUS START END

START and END are seconds since 1970: the time of the traffic. What cannot run here is listed by name with the reason.

Invariant: nothing is left out without a reason that holds: when a metric is there that should not be, that fails too.
The zero that a query puts in the place of nothing is no answer: without it, the query answers, or there are series with
the labels that it asks for, and none of them has the values.
"""

from __future__ import annotations

import sys
import tomllib
from dataclasses import replace
from pathlib import Path

from grafana import Window, substitute
from parse import Parsed, parse
from prometheus import Prometheus, Refused
from queries import Query, every

ELSEWHERE = tomllib.loads((Path(__file__).parent / "elsewhere.toml").read_text())
ZERO = " or vector(0)"
LOGQL = "Loki has no Debian package: the extended and the Jaeger stack run it"


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
        elif problem := _problem(prometheus, query, parsed):
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


def _problem(prometheus: Prometheus, query: Query, parsed: Parsed) -> str | None:
    bare = replace(query, text=query.text.removesuffix(ZERO))
    if "vector(" in bare.text:
        return f"the zero is not at the end, so that nobody can tell an answer from it: {query.text}"
    try:
        found = prometheus.run(bare)
    except (Refused, ValueError) as error:
        return str(error)
    if any(series.samples for series in found):
        return None
    if bare != query:
        missing = sorted(selector for selector in parsed.labelled if not prometheus.has(selector))
        return f"only its own zero, without any {', '.join(missing)}: {query.text}" if missing else None
    return f"{'no number, only NaN' if found else 'nothing'}: {query.text}"


if __name__ == "__main__":
    sys.exit(main())
