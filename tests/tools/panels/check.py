"""What can be said about the queries of dashboards and documents without running anything.

Every query parses, every dashboard is as it must be, every metric is used or has a reason, and every alert leads to a
dashboard that shows what it watches.
"""

from __future__ import annotations

import sys

from alerts import unseen
from lint import lint
from parse import parse
from prove import plain
from queries import every, of_other_pages
from usage import unused


def main() -> int:
    """0 when nothing is wrong."""
    seen = every()
    queries = seen + of_other_pages()
    parsed = parse([(query.language, plain(query)) for query in queries])
    problems = [
        f"{query.name}: does not parse {result.error}: {query.text}"
        for query, result in zip(queries, parsed, strict=True)
        if result.error
    ]
    problems += lint()
    problems += unused(frozenset().union(*(result.metrics for result in parsed[: len(seen)])))
    problems += unseen((query.name, result.metrics) for query, result in zip(seen, parsed, strict=False))
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(queries)} queries, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
