#!/usr/bin/env bash
# A gRPC client in another language, which has no copy of our contracts, lists and calls the services by reflection.
set -euo pipefail
. "$(dirname "$0")/tools/platform.sh"

start_platform --auth open
"$python" tests/tools/grpc_client.py "$match" "$analytics"
