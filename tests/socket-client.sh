#!/usr/bin/env bash
# A WebSocket client in another language, written from docs/socket-protocol.md alone, chats and recovers.
set -euo pipefail
cd "$(dirname "$0")/.."
arena=${ARENA:-${CARGO_TARGET_DIR:-target}/debug/arena}
log=$(mktemp)

# Ports of its own, so that a platform that runs on the usual ones is left alone.
port=$((20000 + RANDOM % 10000))
"$arena" up --ephemeral --auth open --gateway-http "127.0.0.1:$port" \
  --match-http "127.0.0.1:$((port + 1))" --match-grpc "127.0.0.1:$((port + 2))" \
  --analytics-http "127.0.0.1:$((port + 3))" --analytics-grpc "127.0.0.1:$((port + 4))" \
  --socket-gateway-http "127.0.0.1:$((port + 5))" --socket-gateway-grpc "127.0.0.1:$((port + 6))" >"$log" 2>&1 &
up=$!
trap 'kill -TERM $up 2>/dev/null; wait $up || true; rm -f "$log"' EXIT
until grep -q 'BattleArena is up' "$log"; do
  kill -0 $up 2>/dev/null || { cat "$log" >&2; exit 1; }
  sleep 0.1
done
gateway=$(ps -A -o pid=,ppid=,args= | awk -v up=$up '$2 == up && / socket-gateway$/ {print $1}')
.cache/python/bin/python tests/tools/socket_client.py "127.0.0.1:$((port + 5))" "$gateway"
