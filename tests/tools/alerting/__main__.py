"""Proves Alertmanager's configuration: see tests/alerting.sh."""

import itertools
import tempfile
from pathlib import Path

import incidents
import routes
import runbooks
from configuration import SECRETS, render
from rules import alerts

EXAMPLE = "https://receiver.example/x"


def main() -> None:
    known = alerts(Path("deploy/prometheus/rules"))
    with tempfile.TemporaryDirectory(prefix="arena-alerting-") as folder:
        scratch = Path(folder)
        for size in range(len(SECRETS) + 1):
            for chosen in itertools.combinations(SECRETS, size):
                routes.check(render(scratch, dict.fromkeys(chosen, EXAMPLE)), chosen)
        print(f"{2 ** len(SECRETS)} sets of secrets: amtool takes each, and each has the receivers it should")
        routes.prove(render(scratch, dict.fromkeys(SECRETS, EXAMPLE)), known)
        incidents.prove(scratch, known)
        runbooks.check(Path("docs/runbooks"), scratch)


if __name__ == "__main__":
    main()
