"""Queries, parsed: whether they are well formed, and which metrics they select.

Invariant: the grammars are those of Prometheus' and Grafana's own editors (npm), not patterns of ours.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from queries import ROOT

PACKAGES = ROOT / ".cache" / "npm"


@dataclass(frozen=True)
class Parsed:
    """Where a query is wrong, if it is, and the metrics that it selects; also with their labels, of any value."""

    error: str | None
    metrics: frozenset[str]
    labelled: frozenset[str]


def parse(queries: Sequence[tuple[str, str]]) -> list[Parsed]:
    """Parses pairs of language and text, with nothing left to put in."""
    asked = json.dumps([{"language": language, "text": text} for language, text in queries])
    script = Path(__file__).parent / "parse.mjs"
    node = ["node", str(script), str(PACKAGES)]
    answer = subprocess.run(node, input=asked, capture_output=True, text=True, check=True)
    return [
        Parsed(each["error"], frozenset(each["metrics"]), frozenset(each["labelled"]))
        for each in json.loads(answer.stdout)
    ]
