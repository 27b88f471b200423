#!/usr/bin/env bash
# Schemathesis calls every route of /openapi.json with what fits its schema and what does not, as each sort of caller: no
# answer is a 5xx, and each has a status, a content type and a body that the document tells of.
# `EXAMPLES=500 tests/fuzz-api.sh` is the long form; `SEED=…` repeats a run.
set -euo pipefail
. "$(dirname "$0")/tools/platform.sh"
examples=${EXAMPLES:-10} seed=${SEED:-$((RANDOM * 32768 + RANDOM))}

# fuzz WHO TOKEN FILTERS...: one run, without a credential when the token is empty. With one worker: what draws the values
# parses its own source text, and Python 3.11 sometimes cannot do that in two threads at once.
fuzz() {
  local who=$1 token=$2
  shift 2
  # The token stands in a file of settings, and not among the arguments, which other users of the machine see.
  cp tests/tools/schemathesis.toml "$scratch/schemathesis.toml"
  [[ -z $token ]] || printf '[headers]\nauthorization = "Bearer %s"\n' "$token" >>"$scratch/schemathesis.toml"
  echo "== $who, seed $seed"
  if ! "$python" -m schemathesis.cli --config-file "$scratch/schemathesis.toml" run "http://$gateway/openapi.json" \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance \
    --phases examples,coverage,fuzzing --max-examples "$examples" --seed "$seed" --workers 1 --continue-on-failure \
    --generation-database none --warnings off "$@" >"$scratch/report" 2>&1; then
    cut -c 1-2000 "$scratch/report" >&2
    exit 1
  fi
  grep 'generated' "$scratch/report"
}

# ask PATH TOKEN BODY: the answer of a request that must succeed.
ask() {
  curl --silent --show-error --fail "http://$gateway$1" --header 'content-type: application/json' --header @- \
    --data "$3" <<<"authorization: Bearer $2"
}

# register NAME: the access token of a new player.
register() {
  curl --silent --show-error --fail "http://$gateway/api/players/register" --header 'content-type: application/json' \
    --data "{\"username\": \"$1\", \"email\": \"$1@example.com\", \"password\": \"correct horse battery\"}" |
    sed 's/.*"access_token":"\([^"]*\)".*/\1/'
}

# Tokens that outlive the run, and accounts that may do as much as they can.
export ARENA_ACCESS_TOKEN_TTL_SECONDS=3600 ARENA_LIMIT_ACCOUNT=1000000

start_platform
ada=$(register ada) bob=$(register bob)
game_server=$(<"$(game_server_key_file)")
for _ in 1 2; do
  ask /api/matches/start "$game_server" '{"match_type": "team", "player_ids": [1, 2]}' >/dev/null
done
operator=$(ARENA_DATABASE_URL=$(database_url) ARENA_LOG=off "$arena" keys create --role operator --name fuzz)
# Whoever deletes the account or is banned can do nothing any more: last.
deletion=(--include-path '/api/players/{player_id}' --include-method DELETE)
fuzz 'a player' "$ada" --exclude-operation-id delete
fuzz 'a game server' "$game_server"
fuzz 'a player who leaves' "$bob" "${deletion[@]}"
fuzz 'an operator' "$operator"

# A run in which everybody is refused everywhere finds nothing. Some routes want what is hardly drawn at random.
reached=$(curl --silent --show-error --fail "http://$gateway/metrics" |
  awk '/^http_requests_total.*status="2/ && $NF > 0' | wc -l)
if ((reached < 28)); then
  echo "only $reached routes have let anybody in" >&2
  exit 1
fi
end_platform

start_platform --auth open
register ada >/dev/null
register bob >/dev/null
fuzz 'anybody, in open mode' ''
