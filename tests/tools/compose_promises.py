"""What the compose files promise of every service, checked on what `docker compose config` makes of them. Arguments: a
folder with FILE.json for each FILE, and the FILEs, the base first."""

import json
import re
import sys
from pathlib import Path
from typing import Any

# Those that do their work and end.
ONCE = {"migrate", "game-server-key", "alertmanager-config", "thanos-bucket"}
# A tag that stays what it is: with a patch, and of PostgreSQL, which has none, with a minor version.
PINNED = re.compile(r"(^postgres:\d+\.\d+|:v?\d+\.\d+\.\d+)(-\w+)?$")
# Who is paged for when it does not answer Prometheus.
PAGED = {"gateway", "socket-gateway", "analytics", "match"}
# The files that name who is scraped, and whom Grafana asks, in the form HOST:PORT.
NAMING = ("deploy/prometheus/targets/compose", "deploy/grafana/datasources")

Service = dict[str, Any]


def promises(name: str, service: Service) -> list[str]:
    """What this service does not keep."""
    image = service["image"]
    environment = service.get("environment") or {}
    checks = {
        "its image is pinned": PINNED.search(image),
        "its memory is limited": int(service.get("mem_limit", 0)) > 0,
        "its processes are limited": int(service.get("pids_limit", 0)) > 0,
        "its log is rotated": service.get("logging", {}).get("options", {}).get("max-size"),
        "it has no capabilities but those that it names": service.get("cap_drop") == ["ALL"],
        "it gains no privileges": service.get("security_opt") == ["no-new-privileges:true"],
        "its root is read-only": service.get("read_only") or name in {"postgres", "grafana"},
        "it has a health check": name in ONCE
        or (service.get("healthcheck") or {}).get("test")
        and not service["healthcheck"].get("disable"),
        "its ports are on loopback": name == "door"
        or all(port.get("host_ip") == "127.0.0.1" for port in service.get("ports", [])),
        "no secret stands in its environment": not any(
            re.search("(PASSWORD|SECRET|TOKEN|_KEY)$", variable)
            for variable in environment
        ),
        "it starts again": service.get("restart") == ("no" if name in ONCE else "unless-stopped"),
        "it waits for whom it would page": name != "prometheus" or PAGED <= service["depends_on"].keys(),
        "who it waits for is well": all(
            need["condition"] in ("service_healthy", "service_completed_successfully")
            for need in (service.get("depends_on") or {}).values()
        ),
    }
    return [promise for promise, kept in checks.items() if not kept]


def mounted(services: dict[str, Service], folder: str) -> set[Path]:
    """The files of this folder that a stack mounts one by one."""
    sources = (Path(volume.get("source", "")) for service in services.values() for volume in service.get("volumes", []))
    return {source for source in sources if source.parent == Path(folder).resolve()}


def nowhere(path: Path, services: dict[str, Service]) -> set[str]:
    """The hosts that this file names, and that the stack does not start."""
    return set(re.findall(r"([a-z][a-z-]*):\d{4,5}\b", path.read_text())) - services.keys()


def variables(text: str) -> dict[str, str]:
    """The variables that a compose file asks for, with their defaults."""
    return dict(re.findall(r"\$\{([A-Z_]+):-([^}]*)\}", text))


def main() -> int:
    models, files = Path(sys.argv[1]), sys.argv[2:]
    wrong: list[str] = []
    stacks: dict[str, dict[str, Service]] = {}
    for file in files:
        stacks[file] = json.loads((models / f"{file}.json").read_text())["services"]
        for name, service in stacks[file].items():
            wrong += [f"{file}: {name}: not so: {promise}" for promise in promises(name, service)]

    base = stacks[files[0]]
    for file in files[1:]:
        if missing := base.keys() - stacks[file].keys():
            wrong.append(f"{file} lacks {sorted(missing)}")
        for name in base:
            command, extended = base[name].get("command"), stacks[file][name].get("command")
            if command and extended[: len(command)] != command:
                wrong.append(f"{file}: the command of {name} does not begin as in {files[0]}")

    for folder in NAMING:
        left = {path.resolve() for path in Path(folder).glob("*.yml")}
        for file, services in stacks.items():
            for path in mounted(services, folder):
                left.discard(path)
                if hosts := nowhere(path, services):
                    wrong.append(f"{file}: {path.name} names {sorted(hosts)}, which it does not start")
        wrong += [f"{path}: no stack mounts it" for path in left]

    asked: dict[str, str] = {}
    for path in [*map(Path, files), *Path("deploy/docker").glob("*.yml")]:
        for name, default in variables(path.read_text()).items():
            if asked.setdefault(name, default) != default:
                wrong.append(f"{path}: {name} has two defaults")
    listed = dict(re.findall(r"^([A-Z_]+)=(.*)$", Path(".env.example").read_text(), re.MULTILINE))
    # Compose's own.
    listed.pop("COMPOSE_PROFILES")
    if asked != listed:
        differing = {name for name in asked.keys() | listed.keys() if asked.get(name) != listed.get(name)}
        wrong.append(f".env.example and the compose files differ: {sorted(differing)}")

    for line in wrong:
        print(line, file=sys.stderr)
    if not wrong:
        print(f"{len(files)} compose files with {len({name for stack in stacks.values() for name in stack})} services keep their promises.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
