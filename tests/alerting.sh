#!/usr/bin/env bash
# Alertmanager's configuration, with every set of secrets there can be: amtool takes each; every alert goes where it should,
# and a real Alertmanager mutes what follows from another alert and nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."
export ARENA=${ARENA:-${CARGO_TARGET_DIR:-target}/debug/arena}
export PATH="$PWD/.cache/deb-sid/usr/bin:$PATH"
exec .cache/python/bin/python tests/tools/alerting
