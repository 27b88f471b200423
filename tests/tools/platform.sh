# shellcheck shell=bash
# Sourced by the tests that are written in shell: starts one platform for the test, on ports of its own, so that one that
# runs on the usual ports is left alone; it ends with the test. The working directory becomes the top of the repository.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
arena=${ARENA:-${CARGO_TARGET_DIR:-target}/debug/arena}
# shellcheck disable=SC2034 # for the tests
python=.cache/python/bin/python
scratch=$(mktemp -d)
up=

end_platform() {
  [[ -z $up ]] || { kill -TERM "$up" 2>/dev/null && wait "$up" || true; }
  up=
}
trap 'end_platform; rm -rf "$scratch"' EXIT

# start_platform ARGUMENTS...: `arena up` with these. Afterwards `up` is its process, `gateway` and `sockets` are the
# addresses for players, `match` and `analytics` those of gRPC, and `said` is the file with what it printed.
start_platform() {
  local port=$((20000 + RANDOM % 10000))
  gateway=127.0.0.1:$port sockets=127.0.0.1:$((port + 5))
  # shellcheck disable=SC2034 # for the tests
  match=127.0.0.1:$((port + 2)) analytics=127.0.0.1:$((port + 4)) said=$scratch/said
  : >"$said"
  "$arena" up --ephemeral --gateway-http "$gateway" --socket-gateway-http "$sockets" \
    --match-http "127.0.0.1:$((port + 1))" --match-grpc "$match" \
    --analytics-http "127.0.0.1:$((port + 3))" --analytics-grpc "$analytics" \
    --socket-gateway-grpc "127.0.0.1:$((port + 6))" "$@" >"$said" 2>&1 &
  up=$!
  # The line with the connection string is the last one of the report.
  until grep -q '^  postgresql  ' "$said"; do
    kill -0 "$up" 2>/dev/null || { cat "$said" >&2; exit 1; }
    sleep 0.1
  done
}

# Where `arena up` says its database is, for `arena keys` and `arena events`.
database_url() {
  sed -n "s/.*psql '\([^']*\)'.*/\1/p" "$said"
}

# The file with the game server's key that `arena up` made.
game_server_key_file() {
  awk '/^  game server  / {print $3}' "$said"
}
