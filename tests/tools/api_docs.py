"""Runs docs/api.md as it stands, and holds the answers against what it says of them.

Every ```sh block runs in one shell, from top to bottom. The last request of a block must have the status of the line
"Answers NNN" after it, those before it must succeed, and what the block prints must have the shape of the ```json block
after that line: the same names, with values of the same types. In the end every route of /openapi.json must have been
called.

usage: api_docs.py PAGE URL
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(r"^```sh\n(?P<script>.*?)^```\n(?:\nAnswers (?P<status>\d{3})[.:]\n(?:\n```json\n(?P<shape>.*?)^```\n)?)?", re.M | re.S)

# curl reads this file by itself, so that the blocks need not know that they are watched.
CURL_SETTINGS = r'write-out = "%{stderr}%{method} %{response_code} %{url}\n"'


@dataclass
class Block:
    """Some lines of shell, and what the page says of their outcome."""

    line: int
    script: str
    status: int | None
    shape: str | None


@dataclass
class Request:
    """What curl has called."""

    method: str
    status: int
    path: str


def blocks(page: str) -> list[Block]:
    """The blocks of the page, in order; each that looks like one is one."""
    found = [
        Block(page.count("\n", 0, match.start()) + 1, match["script"], int(match["status"] or 0) or None, match["shape"])
        for match in BLOCK.finditer(page)
    ]
    assert len(found) == page.count("```sh"), "a block of the page cannot be read"
    assert sum(block.status is not None for block in found) == page.count("\nAnswers "), "an answer without a block"
    assert sum(block.shape is not None for block in found) == page.count("```json"), "a shape without an answer"
    return found


def run(found: list[Block], folder: Path) -> None:
    """Runs all blocks in one shell; what block N prints goes to N.out, and what curl says of it to N.err."""
    (folder / ".curlrc").write_text(CURL_SETTINGS)
    parts = [
        f"echo {block.line} >{folder}/at\n{{\n{block.script}}} >{folder}/{block.line}.out 2>{folder}/{block.line}.err\n"
        for block in found
    ]
    script = "set -euo pipefail\n" + "".join(parts)
    shell = subprocess.run(["bash", "-c", script], env={**os.environ, "CURL_HOME": str(folder)}, check=False)
    if shell.returncode != 0:
        line = (folder / "at").read_text().strip()
        said = "".join((folder / f"{line}.{end}").read_text() for end in ("out", "err"))
        sys.exit(f"line {line}: exit code {shell.returncode}\n{said}")


def requests(errors: str, url: str) -> list[Request]:
    """The requests that curl tells of."""
    found = re.findall(rf"^([A-Z]+) (\d{{3}}) {re.escape(url)}([^?\s]*)", errors, re.M)
    return [Request(method, int(status), path) for method, status, path in found]


def shape(value: object, said: object, where: str = "the answer") -> str | None:
    """How a value differs in shape from what is said of it. Null may stand for anything, and anything for null."""
    if value is None or said is None:
        return None
    if isinstance(value, bool) or isinstance(said, bool):
        kinds = bool
    else:
        kinds = (int, float) if isinstance(said, (int, float)) else type(said)
    if not isinstance(value, kinds):
        return f"{where} is {value!r}"
    if isinstance(value, dict) and isinstance(said, dict):
        if value.keys() != said.keys():
            return f"{where} has {sorted(value)} and not {sorted(said)}"
        return next(filter(None, (shape(value[name], said[name], f"{where}.{name}") for name in said)), None)
    if isinstance(value, list) and isinstance(said, list) and said:
        return shape(value[0], said[0], f"{where}[0]") if value else f"{where} is empty"
    return None


def complaint(block: Block, said: str, called: list[Request]) -> str | None:
    """What is wrong with the outcome of a block."""
    if block.status is None:
        return "the page does not say what it answers" if called else None
    if not called:
        return "nothing was called"
    wrong = [request for request in called[:-1] if request.status >= 300]
    wrong += [request for request in called[-1:] if request.status != block.status]
    if wrong:
        return f"{wrong[0]} {said}"
    return shape(json.loads(said), json.loads(block.shape)) if block.shape else None


def uncalled(document: dict, called: list[Request]) -> set[str]:
    """The routes of the document that no request has called. Of two that fit a path the one with less in braces is meant."""
    routes = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    seen = set()
    for request in called:
        fits = [
            (path.count("{"), method, path)
            for method, path in routes
            if method == request.method and re.fullmatch(re.sub(r"\\{.*?\\}", "[^/]+", re.escape(path)), request.path)
        ]
        if fits:
            seen.add(min(fits)[1:])
    return {f"{method} {path}" for method, path in routes - seen}


def main() -> None:
    page, url = Path(sys.argv[1]), sys.argv[2]
    found, called, complaints = blocks(page.read_text()), [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(found, folder)
        for block in found:
            by_block = requests((folder / f"{block.line}.err").read_text(), url)
            wrong = complaint(block, (folder / f"{block.line}.out").read_text(), by_block)
            complaints += [f"line {block.line}: {wrong}"] if wrong else []
            called += by_block
    with urllib.request.urlopen(f"{url}/openapi.json") as answer:
        complaints += [f"without an example: {route}" for route in sorted(uncalled(json.load(answer), called))]
    if complaints:
        sys.exit("\n".join(complaints))
    print(f"api docs: {len(found)} blocks, {len(called)} requests, every route, every answer as it is said")


if __name__ == "__main__":
    main()
