"""Whether the alerting was quiet: only Watchdog was notified of, nothing else fired, and no notification failed. What
fires about this machine (MACHINE) is named and not counted: it is no alert of the platform's.

usage: quiet.py PROMETHEUS ALERTMANAGER FILE_OF_NOTIFICATIONS
"""

import json
import re
import sys
from pathlib import Path
from urllib.parse import quote
from urllib.request import urlopen

MACHINE = re.compile("NodeDown|Host.*")

prometheus, alertmanager, notified = sys.argv[1], sys.argv[2], Path(sys.argv[3])

lines = notified.read_text().splitlines()
watchdogs = [line for line in lines if " /watchdog-webhook-url firing Watchdog " in line]
others = [line for line in lines if line not in watchdogs]

query = 'count by (alertname, component, service) (count_over_time(ALERTS{alertstate="firing", severity!~"info|none"}[12h]))'
with urlopen(f"{prometheus}/api/v1/query?query={quote(query)}", timeout=10) as answer:
    fired = [series["metric"] for series in json.load(answer)["data"]["result"]]
machine = [alert for alert in fired if MACHINE.fullmatch(alert["alertname"])]
platform = [alert for alert in fired if alert not in machine]
# A line is: when, where, status, alertname, component, service.
ours = [line for line in others if not MACHINE.fullmatch(line.split(" ")[3])]

with urlopen(f"{alertmanager}/metrics", timeout=10) as answer:
    metrics = answer.read().decode()
failed = re.findall(r"^alertmanager_notifications_failed_total\S* [^0].*$", metrics, re.MULTILINE)

print(f"{len(watchdogs)} notifications of Watchdog; about this machine: {[alert['alertname'] for alert in machine]}")
for name, found in {"fired": platform, "notified": ours, "failed": failed}.items():
    if found:
        print(f"{name}: {found}")
if not watchdogs or platform or ours or failed:
    sys.exit("It was not quiet.")
print("Nothing else notified anybody.")
