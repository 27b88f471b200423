#!/usr/bin/env bash
# The panel proof: every query of every dashboard and of docs/queries.md answers with a number, on a real Prometheus, after
# two minutes of seeded traffic; and what the panels say of that traffic is what the simulator did. Takes three minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
start=$(date +%s)
# shellcheck source=tests/tools/platform.sh
. tests/tools/platform.sh
tools=tests/tools/panels

started=() # what runs besides the platform
stop_started() {
  ((${#started[@]})) || return 0
  kill -TERM "${started[@]}" 2>/dev/null && wait "${started[@]}"
}
trap 'stop_started || true; end_platform; rm -rf "$scratch"' EXIT

beside() { echo "127.0.0.1:$((${gateway##*:} + $1))"; } # the ports after those of the platform
until_there() { "$python" "$tools/wait.py" "http://$prometheus" 90 "$1"; }

start_platform --auth required
prometheus=$(beside 10)
export OBSERVE_STATE=$scratch/observe OBSERVE_PROMETHEUS=$prometheus ARENA=$arena
OBSERVE_ALERTMANAGER=$(beside 11) OBSERVE_NODE_EXPORTER=$(beside 12) OBSERVE_POSTGRES_EXPORTER=$(beside 13)
ARENA_GATEWAY_HTTP=$gateway ARENA_SOCKET_GATEWAY_HTTP=$sockets ARENA_MATCH_HTTP=$(beside 1)
ARENA_ANALYTICS_HTTP=$(beside 3) ARENA_CANARY_HTTP=$(beside 8)
export OBSERVE_ALERTMANAGER OBSERVE_NODE_EXPORTER OBSERVE_POSTGRES_EXPORTER ARENA_GATEWAY_HTTP ARENA_SOCKET_GATEWAY_HTTP
export ARENA_MATCH_HTTP ARENA_ANALYTICS_HTTP ARENA_CANARY_HTTP
DATA_SOURCE_NAME="$(database_url | sed 's/user=[^ ]*/user=monitoring/') sslmode=disable"
# No receiver of this machine is told about a test.
export DATA_SOURCE_NAME ARENA_ALERTMANAGER_SECRETS=$scratch/secrets
scripts/observe >"$scratch/observe.log" 2>&1 &
started+=($!)
# Counters that have been seen at zero can be read exactly.
until_there 'count(up{job="battlearena", service!="canary"} == 1) == 4' || { cat "$scratch/observe.log" >&2; exit 1; }

echo "== Two minutes of traffic"
"$arena" simulate --url "http://$gateway" --socket-url "ws://$sockets/ws" --analytics "http://$analytics" \
  --game-server-key-file "$(game_server_key_file)" --seed 1 --rate 40 --players 200 --duration 120s --check --json \
  >"$scratch/summary.json" 2>"$scratch/simulate.log" || { tail -n 5 "$scratch/simulate.log" >&2; exit 1; }
# Whole seconds: the one that has begun is not over.
until_there "min(timestamp(up{job=\"battlearena\", service!=\"canary\"})) > $(($(date +%s) + 1))"

echo "== Panel truth"
"$python" "$tools/truth.py" "http://$prometheus" "$scratch/summary.json" "$start" "$(($(date +%s) + 1))"

# The synthetic player plays too, so that it comes after what was counted.
ARENA_CANARY_URL=http://$gateway ARENA_CANARY_SOCKET_URL=ws://$sockets/ws \
  ARENA_GAME_SERVER_KEY_FILE=$(game_server_key_file) "$arena" canary >"$scratch/canary.log" 2>&1 &
started+=($!)
until_there 'count(count_over_time(canary_checks_total{outcome="ok"}[2m]) >= 8) == 3' ||
  { tail -n 5 "$scratch/canary.log" >&2; exit 1; }

echo "== Panel proof"
"$python" "$tools/prove.py" "http://$prometheus" "$start" "$(date +%s)"
