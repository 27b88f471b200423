#!/usr/bin/env bash
# The quiet proof: from a cold start, through minutes of normal traffic and the restart of every service one by one, nothing
# notifies anybody but Watchdog. QUIET_MINUTES is how long the traffic plays before the restarts [20]; a minute for each
# service and six at the end follow. What fires about this machine itself (a full disk) is named and not counted: it is
# no alert of the platform's.
set -euo pipefail
# shellcheck source=tests/tools/platform.sh
. "$(dirname "$0")/tools/platform.sh"
minutes=${QUIET_MINUTES:-20}
roles=(analytics match socket-gateway gateway canary)

started=() # what runs besides the platform
stop_started() {
  ((${#started[@]})) || return 0
  kill -TERM "${started[@]}" 2>/dev/null && wait "${started[@]}"
}
trap 'stop_started || true; end_platform; rm -rf "$scratch"' EXIT

port=$((30000 + RANDOM % 2000))
canary=127.0.0.1:$port
receiver=127.0.0.1:$((port + 1))
prometheus=127.0.0.1:$((port + 2))
alertmanager=127.0.0.1:$((port + 3))

role_process() { # role_process ROLE: its process, which changes when it is started again
  ps -A -o pid=,ppid=,args= | awk -v up="$up" -v role="$1" '$2 == up && $NF == role {print $1}'
}

is_up() { # is_up ROLE: whether Prometheus has just scraped it
  "$python" tests/tools/panels/wait.py "http://$prometheus" 60 "up{job=\"battlearena\", service=\"$1\"} == 1"
}

restart() {
  local before
  before=$(role_process "$1")
  kill -TERM "$before"
  local tries
  for ((tries = 0; tries < 600; tries++)); do
    local now
    now=$(role_process "$1")
    [[ -n $now && $now != "$before" ]] && return
    sleep 0.1
  done
  echo "$1 was not started again" >&2
  exit 1
}

start_platform --canary --canary-http "$canary" --simulate normal
"$python" tests/tools/alert_log.py "$receiver" >"$scratch/notified" &
started+=($!)
mkdir "$scratch/secrets"
for secret in watchdog-webhook-url webhook-url; do
  printf 'http://%s/%s' "$receiver" "$secret" >"$scratch/secrets/$secret"
done
first=${gateway##*:}
export ARENA=$arena OBSERVE_STATE=$scratch/observe ARENA_ALERTMANAGER_SECRETS=$scratch/secrets
export OBSERVE_PROMETHEUS=$prometheus OBSERVE_ALERTMANAGER=$alertmanager
export OBSERVE_NODE_EXPORTER=127.0.0.1:$((port + 4)) OBSERVE_POSTGRES_EXPORTER=127.0.0.1:$((port + 5))
export ARENA_GATEWAY_HTTP=$gateway ARENA_SOCKET_GATEWAY_HTTP=$sockets ARENA_MATCH_HTTP=127.0.0.1:$((first + 1))
export ARENA_ANALYTICS_HTTP=127.0.0.1:$((first + 3)) ARENA_CANARY_HTTP=$canary
DATA_SOURCE_NAME="$(database_url | sed 's/user=[^ ]*/user=monitoring/') sslmode=disable"
export DATA_SOURCE_NAME
scripts/observe >"$scratch/observe.log" 2>&1 &
started+=($!)
for role in "${roles[@]}"; do
  is_up "$role" || { cat "$scratch/observe.log" >&2; exit 1; }
done

echo "== $minutes minutes of normal traffic after a cold start"
sleep "${minutes}m"
for role in "${roles[@]}"; do
  echo "== $role is started again"
  restart "$role"
  sleep 1m
  is_up "$role"
done
echo "== six minutes more, for what waits before it fires"
sleep 6m

# Without anything that would have been muted, too.
"$python" tests/tools/quiet.py "http://$prometheus" "http://$alertmanager" "$scratch/notified"
