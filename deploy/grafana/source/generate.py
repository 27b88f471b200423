#!/usr/bin/env python3
"""Writes what Grafana reads: ../dashboards/UID.json for each file in boards/, and the data sources of each variant.

    generate.py          writes them
    generate.py --check  says which are out of date, and writes nothing

Invariant: those folders hold what the code says and nothing else.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import datasources

HERE = Path(__file__).parent
GRAFANA = HERE.parent
FOLDERS = ("dashboards", "datasources", "provisioning/datasources")


def files() -> dict[str, str]:
    """Everything that is made, by its path in deploy/grafana."""
    made = datasources.files()
    for path in sorted((HERE / "boards").glob("*.py")):
        if path.stem != "__init__":
            board = import_module(f"boards.{path.stem}").board()
            made[f"dashboards/{board.uid}.json"] = board.to_json()
    return made


def main() -> int:
    """0 when the folders are as they should be."""
    wanted = files()
    paths = [path for folder in FOLDERS for path in (GRAFANA / folder).glob("*")]
    present = {str(path.relative_to(GRAFANA)): path.read_text() for path in paths}
    if sys.argv[1:] == ["--check"]:
        stale = sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))
        for name in stale:
            print(f"deploy/grafana/{name} is not what the code says: make dashboards", file=sys.stderr)
        return 1 if stale else 0
    if sys.argv[1:]:
        print(__doc__, file=sys.stderr)
        return 2
    for name in present.keys() - wanted.keys():
        (GRAFANA / name).unlink()
    for name, text in wanted.items():
        (GRAFANA / name).parent.mkdir(exist_ok=True)
        (GRAFANA / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
