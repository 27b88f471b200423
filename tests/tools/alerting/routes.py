"""What amtool says of a configuration: that it is one, and where each alert goes."""

import subprocess
from collections import Counter
from pathlib import Path

import yaml
from configuration import SECRETS
from rules import Alert

SEVERITIES = ("critical", "warning", "info", "none")
COMPONENTS = ("application", "database", "infrastructure", "telemetry")

TEMPLATE = yaml.safe_load(Path("deploy/alertmanager/alertmanager.yml").read_text())

BY_COMPONENT = {
    "application": "application",
    "database": "infrastructure",
    "infrastructure": "infrastructure",
    "telemetry": "infrastructure",
}


def check(file: Path, secrets: tuple[str, ...]) -> None:
    """amtool takes the file, it has the entries of these secrets and no others, and what goes where and what mutes what
    does not depend on them: what is proven with all secrets holds with each set."""
    run("amtool", "check-config", str(file))
    rendered = yaml.safe_load(file.read_text())
    for part in ("route", "inhibit_rules"):
        assert rendered[part] == TEMPLATE[part], f"{secrets}: {part}"
    expected: Counter[str] = Counter()
    for secret in secrets:
        expected.update(SECRETS[secret])
    found = Counter(
        kind
        for receiver in rendered["receivers"]
        for kind, entries in receiver.items()
        if kind.endswith("_configs")
        for _ in entries
    )
    assert found == expected, f"{secrets}: {found} instead of {expected}"


def prove(file: Path, known: list[Alert]) -> None:
    """Every severity of every component goes where it should, and some alert of ours takes each route."""
    for severity in SEVERITIES:
        for component in COMPONENTS:
            labels = {"alertname": "Any", "severity": severity, "component": component, "service": "any"}
            assert_route(file, labels)
    assert_route(file, {"alertname": "Any"})
    reached = set()
    for alert in known:
        reached |= set(assert_route(file, dict(alert.labels) | {"alertname": alert.name}))
    receivers = {receiver["name"] for receiver in yaml.safe_load(file.read_text())["receivers"]}
    assert reached == receivers, f"no alert of ours goes to {receivers - reached}"
    combinations = len(SEVERITIES) * len(COMPONENTS)
    print(f"{combinations} combinations and {len(known)} alerts go where they should, and each route is taken")


def expected(labels: dict[str, str]) -> list[str]:
    """Where an alert is to go."""
    severity, component = labels.get("severity"), labels.get("component", "")
    if labels["alertname"] == "Watchdog":
        return ["watchdog"]
    if severity in ("info", "none"):
        return ["nobody"]
    by_severity = {"critical": ["page", "copies"], "warning": ["warnings", "copies"]}.get(severity or "", [])
    by_component = [BY_COMPONENT[component]] if component else []
    return by_severity + by_component or ["warnings"]


def assert_route(file: Path, labels: dict[str, str]) -> list[str]:
    arguments = [f'{name}="{value}"' for name, value in labels.items()]
    said = run("amtool", "config", "routes", "test", f"--config.file={file}", *arguments)
    receivers = said.strip().split(",")
    assert receivers == expected(labels), f"{labels} go to {receivers} instead of {expected(labels)}"
    return receivers


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr or done.stdout}"
    return done.stdout
