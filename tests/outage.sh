#!/usr/bin/env bash
# The outage proof: the gateway of a real platform stops to answer, and a real Prometheus pages for it: by the burn rate of
# its availability, which only the canary can see, and as a service that is down. With time scaled 1:15, so that the window
# of an hour is four minutes; detection that takes longer than the formula and what is waited for fails. Some five minutes.
set -euo pipefail
# shellcheck source=tests/tools/platform.sh
. "$(dirname "$0")/tools/platform.sh"
scale=15
export PATH="$PWD/.cache/deb-sid/usr/bin:$PATH"
port=$((33000 + RANDOM % 2000))
canary=127.0.0.1:$port
prometheus=127.0.0.1:$((port + 1))
page=SLOGatewayAvailabilityBurnFast

watcher=
stopped=
finish() {
  [[ -z $stopped ]] || kill -CONT "$stopped" 2>/dev/null || true
  [[ -z $watcher ]] || { kill -TERM "$watcher" 2>/dev/null && wait "$watcher" || true; }
  end_platform
  rm -rf "$scratch"
}
trap finish EXIT

until_found() { # until_found SECONDS QUERY: waits for a result
  "$python" tests/tools/panels/wait.py "http://$prometheus" "$@"
}

start_platform --canary --canary-http "$canary" --simulate normal
mkdir "$scratch/rules"
cp deploy/prometheus/rules/*.yml "$scratch/rules/"
"$arena" slo generate --time-scale "$scale" --out "$scratch/rules/slo.yml"
first=${gateway##*:}
cat >"$scratch/prometheus.yml" <<YAML
global: { scrape_interval: 5s, scrape_timeout: 4s, evaluation_interval: 5s }
rule_files: [rules/*.yml]
scrape_configs:
  - job_name: battlearena
    static_configs:
      - { targets: ["$gateway"], labels: { service: gateway } }
      - { targets: ["$sockets"], labels: { service: socket-gateway } }
      - { targets: ["127.0.0.1:$((first + 1))"], labels: { service: match } }
      - { targets: ["127.0.0.1:$((first + 3))"], labels: { service: analytics } }
      - { targets: ["$canary"], labels: { service: canary } }
YAML
prometheus --config.file="$scratch/prometheus.yml" --storage.tsdb.path="$scratch/data" \
  --web.listen-address="$prometheus" >"$scratch/prometheus.log" 2>&1 &
watcher=$!

echo "== The canary plays until the window of an hour has seen enough of it"
until_found 300 'sum(rate(canary_checks_total{check="login"}[4m])) > 0.15'
if until_found 1 'ALERTS{severity="critical", alertstate="firing"}' 2>/dev/null; then
  echo "Something pages while all is well" >&2
  exit 1
fi
stopped=$(ps -A -o pid=,ppid=,args= | awk -v up="$up" '$2 == up && $NF == "gateway" {print $1}')
echo "== The gateway (process $stopped) stops to answer"
began=$SECONDS
kill -STOP "$stopped"
until_found 120 "ALERTS{alertname=\"$page\", alertstate=\"firing\"}"
took=$((SECONDS - began))
# Beside the formula: a check begins within 5 s and is given up after 4, a scrape sees it within 5, an evaluation within 1,
# the one that finds `for` (1 s) over comes within another 1, and who asks here does so every half second, in whole seconds.
if ! awk -v took="$took" -v scale="$scale" 'BEGIN {
  formula = 14.4 * 0.001 * 3600 / scale
  most = formula + (5 + 4) + 5 + 1 + 1 + 1 + 2
  printf "== It pages after %d s. Formula: %.1f s; with all that is waited for, %.1f s at most\n", took, formula, most
  exit took > most
}'; then
  echo "That is too late" >&2
  exit 1
fi
until_found 120 'ALERTS{alertname="ServiceDown", service="gateway", alertstate="firing"}'
echo "== ServiceDown fires after $((SECONDS - began)) s"
kill -CONT "$stopped"
stopped=
until_found 300 "absent(ALERTS{alertname=\"$page\", alertstate=\"firing\"})"
echo "== The gateway answers again, and the page has ended."
