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
        return slow or (other in SYMPTOMS and source["service"] == target["service"])
    return False


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
        settled(ask)
        nothing_failed(ask)
    receivers = Receivers()
    http = f"http://{receivers.http_address}"
    secrets = {secret: f"{http}/{secret}" for secret in SECRETS}
    with alertmanager(scratch, secrets, {"ARENA_SMTP_ADDRESS": receivers.mail_address}, http) as ask:
        inhibitions(ask, everything)
        pages(ask, receivers, everything)
        told(receivers, everything)
        settled(ask)
        nothing_failed(ask)
        sent = metric(ask, "alertmanager_notifications_total")
        assert all(sent[kind] for kind in ("pagerduty", "slack", "email", "webhook")), sent
    print("info is told nobody, and no notification failed")


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
    settled(ask)
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
    down = [a for a in everything if a["alertname"] == "ServiceDown"]
    incidents = {
        "gateway-down": [a for a in gateway if a["alertname"] in SYMPTOMS | {"ServiceDown"} or "SLO" in a["alertname"]],
        # With everything that runs on it, or behind it.
        "machine-gone": down + sick(everything, ".+", *SERVICES),
        "database-down": [a for a in everything if a["alertname"] == "DatabaseDown" or "depends_on" in a],
        # Slow, and yet there.
        "database-slow": sick(everything, "GatewayLatency|MatchStartLatency|ChatDelivery|EventFreshness", *SERVICES),
        # It lives and fails: its own alerts, and the objectives that need it.
        "gateway-sick": sick(everything, "Gateway.+|MatchStartLatency|ChatDelivery", "gateway"),
        # One service is slow, and the gateway with it; then it fails, and so does the gateway.
        "match-slow": sick(everything, "(MatchStart|Gateway)Latency", "match", "gateway"),
        "match-failing": sick(everything, "MatchStartLatency|Gateway.+", "match", "gateway"),
        "analytics-slow": sick(everything, "EventFreshness|GatewayLatency", "analytics", "gateway"),
        "analytics-failing": sick(everything, "EventFreshness|Gateway.+", "analytics", "gateway"),
        "socket-gateway-slow": sick(everything, "ChatDelivery|GatewayLatency", "socket-gateway", "gateway"),
        "socket-gateway-failing": sick(everything, "ChatDelivery|Gateway.+", "socket-gateway", "gateway"),
    }
    for cluster, alerts in incidents.items():
        assert sum(a["severity"] == "critical" for a in alerts) > 1, cluster
        post(ask, alerts, cluster)
    # Each service's are for somebody to look at, whatever else there is.
    letters = [a for a in everything if a["alertname"] == "DeadLetters"]
    assert len(letters) > 1
    post(ask, down + letters, "dead-letters")
    until("a page of each", lambda: all(paged(receivers, cluster) for cluster in [*incidents, "dead-letters"]))
    settled(ask)
    # Whatever else there may be to tell of them has waited longer than this one when it is told.
    post(ask, [{"alertname": "Last", "severity": "critical", "service": "any"}], "last")
    until("the last page", lambda: paged(receivers, "last"))
    for cluster in incidents:
        assert len(paged(receivers, cluster)) == 1, f"{cluster}: {paged(receivers, cluster)}"
    assert len(paged(receivers, "dead-letters")) == 1 + len(letters), paged(receivers, "dead-letters")
    joins(ask, receivers, everything)
    assert all(e.get("links") and e.get("client_url") for e in receivers.told("pagerduty")), "a page leads nowhere"
    print(f"{len(incidents)} incidents are one page each, what begins meanwhile joins one, and dead letters page by service")


def joins(ask: Callable[..., str], receivers: Receivers, everything: list[Labels]) -> None:
    """A second incident while the first one lasts is told as an update of its page."""
    name = "SLOEventFreshnessBurnFast"
    second = [a for a in everything if a["alertname"] == name]
    assert f"about {name}." not in summaries(receivers, "gateway-down")
    post(ask, second, "gateway-down")
    until("an update", lambda: f"about {name}." in summaries(receivers, "gateway-down"))
    assert len(paged(receivers, "gateway-down")) == 1, paged(receivers, "gateway-down")


def sick(everything: list[Labels], objectives: str, *services: str) -> list[Labels]:
    """What fires when these objectives are missed and these services are slow or fail."""
    return [
        a for a in everything
        if re.fullmatch(f"SLO({objectives})Burn(Fast|Slow)", a["alertname"])
        or (a["alertname"] in SYMPTOMS and a["service"] in services)
    ]


def paged(receivers: Receivers, cluster: str) -> set[str]:
    """The incidents that PagerDuty has of a cluster."""
    return {e["dedup_key"] for e in receivers.told("pagerduty") if e["payload"]["group"] == cluster}


def summaries(receivers: Receivers, cluster: str) -> str:
    """What PagerDuty was told of a cluster, one after the other."""
    return "\n".join(e["payload"]["summary"] for e in receivers.told("pagerduty") if e["payload"]["group"] == cluster)


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
    for route in configuration["route"]["routes"]:
        for pages in route.get("routes", []):
            pages["group_interval"] = "1s"
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
    annotations = ("summary", "description", "runbook_url", "dashboard_url")
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


def settled(ask: Callable[..., str]) -> None:
    """Waits until every group has been notified of, which settles the states of its alerts."""
    until("all states", lambda: "unprocessed" not in ask("/api/v2/alerts"))


def nothing_failed(ask: Callable[..., str]) -> None:
    failed = metric(ask, "alertmanager_notifications_failed_total")
    assert failed and not any(failed.values()), {kind: count for kind, count in failed.items() if count}


def until(what: str, done: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline, f"no {what} within a minute"
        time.sleep(0.1)
