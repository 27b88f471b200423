"""A real Alertmanager, with receivers on this machine: what mutes what, how often an incident pages, who hears of it."""

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import socket
from urllib.request import Request, urlopen

import yaml
from configuration import SECRETS, render
from receivers import Receivers
from rules import Alert

Labels = dict[str, str]

SERVICES = ("gateway", "socket-gateway", "match", "analytics")

# What a service shows that is down or sick.
SYMPTOMS = {"HighErrorRate", "GrpcErrorRateHigh", "HighLatency", "VeryHighLatency"}

# What pages for a gateway that lives and fails.
FAILING = "SLOGatewayAvailabilityBurnFast"


def mutes(source: Labels, target: Labels) -> bool:
    """Whether one alert is to be muted while another of the same cluster fires."""
    name, other = source["alertname"], target["alertname"]
    depends_on = target.get("depends_on", "").split(",")
    if source == target:
        return False
    if name == "DatabaseDown":
        return "database" in depends_on
    if name == "ServiceDown":
        symptom = other in SYMPTOMS or other.startswith("SLO")
        return (symptom and source["service"] == target["service"]) or source["service"] in depends_on
    if name == "VeryHighLatency":
        return other == "HighLatency" and source["service"] == target["service"]
    if name == "HostDiskFull":
        same = all(source[label] == target.get(label) for label in ("instance", "mountpoint"))
        return other in ("HostDiskLow", "HostDiskFilling") and same
    if name.startswith("SLO") and name.endswith("Fast"):
        slow = other == name.removesuffix("Fast") + "Slow"
        symptom = other in SYMPTOMS and source["service"] == target["service"]
        return slow or symptom or (other.startswith("SLO") and follows(name, other, depends_on))
    return False


def follows(page: str, other: str, depends_on: list[str]) -> bool:
    """Whether one objective's alert tells nothing new beside another one's page. Of two, at most one mutes the other."""
    if page == FAILING:
        return "gateway" in depends_on
    return page == "SLOMatchStartLatencyBurnFast" and "match" in depends_on and other != FAILING


def firing(alert: Alert) -> Iterator[Labels]:
    """The alert as Prometheus would send it, for each service that it may be about."""
    labels = dict(alert.labels) | {"alertname": alert.name}
    if objective := re.fullmatch("SLO(.+)Burn(Fast|Slow)", alert.name):
        labels["sloth_id"] = objective[1]
    places: list[Labels] = [{}]
    if alert.name.startswith("Host"):
        places = [{"instance": "a", "mountpoint": "/"}, {"instance": "a", "mountpoint": "/data"}]
    services = [labels["service"]] if "service" in labels else SERVICES
    for service in services:
        for place in places:
            yield labels | place | {"service": service}


def prove(scratch: Path, known: list[Alert]) -> None:
    everything = [labels for alert in known for labels in firing(alert)]
    with alertmanager(scratch, {}, {}) as ask:
        post(ask, everything, "untold")
        until("alerts without receivers", lambda: len(json.loads(ask("/api/v2/alerts"))) == len(everything))
        nothing_failed(ask)
    receivers = Receivers()
    http = f"http://{receivers.http_address}"
    secrets = {secret: f"{http}/{secret}" for secret in SECRETS}
    with alertmanager(scratch, secrets, {"ARENA_SMTP_ADDRESS": receivers.mail_address}, http) as ask:
        inhibitions(ask, everything)
        pages(ask, receivers, everything)
        told(receivers, everything)
        nothing_failed(ask)
        sent = metric(ask, "alertmanager_notifications_total")
        assert all(sent[kind] for kind in ("pagerduty", "slack", "email", "webhook")), sent
    print("one incident is one page, info is told nobody, and no notification failed")


def inhibitions(ask: Callable[..., str], everything: list[Labels]) -> None:
    """Each source by itself, in a cluster of its own, beside everything that is no such source."""
    sources = [a for a in everything if any(mutes(a, b) for b in everything)]
    others = [a for a in everything if a not in sources]
    burns = [a for a in sources if a["alertname"].startswith("SLO")]
    assert {a["alertname"] for a in sources} > {"ServiceDown", "DatabaseDown", "VeryHighLatency", "HostDiskFull"}
    assert len({a["alertname"] for a in burns}) >= 5, burns
    cases = {"nothing": others} | {f"source-{i}": [source, *others] for i, source in enumerate(sources)}
    # A service that is down mutes the pages of its objectives too.
    cases["burning"] = [a for a in everything if a["alertname"] != "DatabaseDown"]
    # A sick one mutes what follows from it, and no two pages mute each other.
    cases["sick"] = [a for a in cases["burning"] if a["alertname"] != "ServiceDown"]
    for cluster, alerts in cases.items():
        post(ask, alerts, cluster)
    count = sum(map(len, cases.values()))
    until("all alerts", lambda: len(json.loads(ask("/api/v2/alerts"))) == count)
    # An alert's state is settled by the first notification of its group.
    until("all states", lambda: "unprocessed" not in ask("/api/v2/alerts"))
    muted = 0
    for alert in json.loads(ask("/api/v2/alerts")):
        labels = {name: value for name, value in alert["labels"].items() if name != "cluster"}
        by = [source for source in cases[alert["labels"]["cluster"]] if mutes(source, labels)]
        is_muted = alert["status"]["state"] == "suppressed"
        assert is_muted == bool(by), f"{alert['labels']}: muted {is_muted}, by {by}"
        muted += is_muted
    print(f"{len(sources)} sources mute {muted} of {count} alerts: what follows from them, and nothing else")


def pages(ask: Callable[..., str], receivers: Receivers, everything: list[Labels]) -> None:
    """What fires together in an incident is one page."""
    gateway = [a for a in everything if a["service"] == "gateway" or "gateway" in a.get("depends_on", "").split(",")]
    incidents = {
        "gateway-down": [a for a in gateway if a["alertname"] in SYMPTOMS | {"ServiceDown"} or "SLO" in a["alertname"]],
        "database-down": [a for a in everything if a["alertname"] == "DatabaseDown" or "depends_on" in a],
        # It lives and fails: its own alerts, and the objectives that need it.
        "gateway-sick": [
            a for a in gateway
            if a["alertname"].startswith("SLO") or (a["alertname"] in SYMPTOMS and a["service"] == "gateway")
        ],
        # Matches start slowly, and the gateway with them; then they fail, and so does the gateway.
        "match-slow": [
            a for a in everything
            if re.fullmatch("SLO(MatchStart|Gateway)Latency.+", a["alertname"])
            or (a["alertname"] in SYMPTOMS and a["service"] in ("match", "gateway"))
        ],
        "match-failing": [
            a for a in everything
            if re.fullmatch("SLO(MatchStart|Gateway).+", a["alertname"])
            or (a["alertname"] in SYMPTOMS and a["service"] in ("match", "gateway"))
        ],
    }
    for cluster, alerts in incidents.items():
        assert len(alerts) > 1, cluster
        post(ask, alerts, cluster)
    # The groups of the incidents have waited longer than this one when it is told.
    post(ask, [{"alertname": "Last", "severity": "critical", "service": "any"}], "last")
    until("the last page", lambda: paged(receivers, "last"))
    for cluster in incidents:
        assert len(paged(receivers, cluster)) == 1, f"{cluster}: {paged(receivers, cluster)}"


def paged(receivers: Receivers, cluster: str) -> set[str]:
    """The incidents that PagerDuty has of a cluster."""
    return {e["dedup_key"] for e in receivers.told("pagerduty") if e["payload"]["group"] == cluster}


def told(receivers: Receivers, everything: list[Labels]) -> None:
    """Each channel was told, Watchdog went to its own webhook alone, and info to nobody."""
    channels = {message["channel"] for message in receivers.told("slack-webhook-url")}
    assert channels == {"#alerts-critical", "#alerts-warnings", "#application-alerts", "#infrastructure-alerts"}
    assert receivers.told("mail")
    watchdogs = {a["labels"]["alertname"] for m in receivers.told("watchdog-webhook-url") for a in m["alerts"]}
    assert watchdogs == {"Watchdog"}, watchdogs
    elsewhere = json.dumps([content for by, content in receivers.messages if by != "watchdog-webhook-url"])
    silent = {a["alertname"] for a in everything if a["severity"] in ("info", "none")}
    assert len(silent) > 3, silent
    heard = [name for name in silent if f"about {name}." in elsewhere]
    assert not heard, heard
    assert "about HighErrorRate." in elsewhere


@contextmanager
def alertmanager(
    scratch: Path, secrets: Labels, settings: Labels, pagerduty: str = ""
) -> Iterator[Callable[..., str]]:
    """Alertmanager with these secrets, in a hurry: the way to ask it."""
    file = render(scratch, secrets, settings)
    configuration = yaml.safe_load(file.read_text())
    if pagerduty:
        configuration["global"] = {"pagerduty_url": f"{pagerduty}/pagerduty", "smtp_require_tls": False}
    configuration["route"]["group_wait"] = "1s"
    file.write_text(yaml.safe_dump(configuration))
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = ["prometheus-alertmanager", f"--config.file={file}", f"--storage.path={scratch / 'data'}"]
    command += [f"--web.listen-address={address}", "--cluster.listen-address="]
    with (scratch / "log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log)

    def ask(path: str, body: object = None) -> str:
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"http://{address}{path}", data, {"content-type": "application/json"})
        with urlopen(request, timeout=10) as answer:
            return answer.read().decode()

    try:
        until("Alertmanager", lambda: process.poll() is not None or answers(ask))
        assert process.poll() is None, (scratch / "log").read_text()
        yield ask
    finally:
        process.terminate()
        process.wait()


def answers(ask: Callable[..., str]) -> bool:
    try:
        return bool(ask("/-/ready"))
    except OSError:
        return False


def post(ask: Callable[..., str], alerts: list[Labels], cluster: str) -> None:
    annotations = ("summary", "description")
    ask("/api/v2/alerts", [
        {"labels": a | {"cluster": cluster}, "annotations": dict.fromkeys(annotations, f"about {a['alertname']}.")}
        for a in alerts
    ])


def metric(ask: Callable[..., str], name: str) -> Labels:
    """A counter of Alertmanager by integration, added up."""
    found: dict[str, float] = {}
    for line in ask("/metrics").splitlines():
        if match := re.match(name + r'\{.*integration="(\w+)".*\} (\S+)', line):
            found[match[1]] = found.get(match[1], 0) + float(match[2])
    return found


def nothing_failed(ask: Callable[..., str]) -> None:
    failed = metric(ask, "alertmanager_notifications_failed_total")
    assert failed and not any(failed.values()), {kind: count for kind, count in failed.items() if count}


def until(what: str, done: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline, f"no {what} within a minute"
        time.sleep(0.1)
