#!/usr/bin/env bash
# Whoever follows docs/api.md gets what it says, and it shows every route.
set -euo pipefail
. "$(dirname "$0")/tools/platform.sh"

# shellcheck disable=SC2119 # without arguments: as it is by default
start_platform
# The page reads what was said in two rooms, and cannot say anything itself: that takes a socket.
curl --silent --show-error --fail "http://$gateway/api/players/register" --header 'content-type: application/json' \
  --data '{"username": "zoe", "email": "zoe@example.com", "password": "correct horse battery"}' |
  sed 's/.*"access_token":"\([^"]*\)".*/\1/' | "$python" tests/tools/say.py "$sockets" 'well played' general lobby

page=$PWD/docs/api.md reader=$PWD/tests/tools/api_docs.py arena=$(readlink -f "$arena") python=$PWD/$python
cd "$scratch" # the page leaves files behind
URL=http://$gateway ARENA=$arena DATABASE=$(database_url) GAME_SERVER_KEY_FILE=$(game_server_key_file) ARENA_LOG=off \
  "$python" "$reader" "$page" "http://$gateway"
