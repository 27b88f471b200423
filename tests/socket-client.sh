#!/usr/bin/env bash
# A WebSocket client in another language, written from docs/socket-protocol.md alone, chats and recovers.
set -euo pipefail
. "$(dirname "$0")/tools/platform.sh"

start_platform --auth open
process=$(ps -A -o pid=,ppid=,args= | awk -v up="$up" '$2 == up && / socket-gateway$/ {print $1}')
"$python" tests/tools/socket_client.py "$sockets" "$process"
