"""What runbooks tell people to ask: every query is PromQL, and every link leads somewhere."""

import json
import re
import subprocess
from pathlib import Path


def check(folder: Path, scratch: Path) -> None:
    queries: list[tuple[str, str]] = []
    for path in sorted(folder.glob("*.md")):
        text = path.read_text()
        queries += [(path.name, query) for query in re.findall(r"```promql\n(.*?)```", text, re.DOTALL)]
        for link in re.findall(r"\]\(([^:)]+)\)", text):
            assert (folder / link).exists(), f"{path}: no {link}"
    rules = [{"record": f"query:{number}", "expr": query} for number, (_, query) in enumerate(queries)]
    file = scratch / "queries.yml"
    file.write_text(json.dumps({"groups": [{"name": "runbooks", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", str(file)], capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{list(enumerate(queries))}"
    print(f"{len(queries)} queries of the runbooks are PromQL, and their links lead somewhere")
