"""The alerts of the rule files: name, severity and the labels that routes and inhibitions look at."""

from dataclasses import dataclass
from pathlib import Path

import yaml


@dataclass(frozen=True)
class Alert:
    """An alert with the labels that its rule gives it."""

    name: str
    labels: tuple[tuple[str, str], ...]

    def label(self, name: str) -> str:
        return dict(self.labels).get(name, "")


def alerts(folder: Path) -> list[Alert]:
    """Every alert of every rule file in the folder."""
    found = []
    for path in sorted(folder.glob("*.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                if "alert" in rule:
                    found.append(Alert(rule["alert"], tuple(sorted(rule.get("labels", {}).items()))))
    assert found, f"no alerts in {folder}"
    return found
