"""Waits until a query has a result: wait.py PROMETHEUS SECONDS QUERY. Fails when the seconds are over."""

from __future__ import annotations

import sys
import time
from urllib.error import URLError

from grafana import Window
from prometheus import Prometheus


def main() -> int:
    """0 when there is a result."""
    address, patience, query = sys.argv[1], float(sys.argv[2]), sys.argv[3]
    until = time.monotonic() + patience
    while time.monotonic() < until:
        now = time.time()
        try:
            if Prometheus(address, Window(now, now)).at(query, now):
                return 0
        except URLError:
            pass
        time.sleep(0.5)
    print(f"{query}: nothing after {patience:g} s", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
