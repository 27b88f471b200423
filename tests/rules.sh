#!/usr/bin/env bash
# The rules of Prometheus by its own tool, in the versions that must read them: the newest and Debian 12's, side by side.
# What is tested of each alert, and that nothing is left out, is held to by `cargo test -p battlearena-monitoring`.
set -euo pipefail
cd "$(dirname "$0")/.."
newest=.cache/deb-sid/usr/bin/promtool
results=$(mktemp -d /tmp/arena-rules-XXXXXX)
trap 'rm -rf "$results"' EXIT

version() { # version PROMTOOL: such as 2.42.0+ds
  "$1" --version 2>&1 | awk 'NR == 1 {print $3}'
}

# The floor is installed, or unpacked; another version that is installed is none.
floor=
for promtool in "$(command -v promtool || true)" .cache/deb/usr/bin/promtool; do
  if [[ -z $floor && -x $promtool && $(version "$promtool") == 2.42.* ]]; then
    floor=$promtool
  fi
done
if [[ ! -x $newest ]]; then
  echo "There is no $newest: scripts/setup test" >&2
  exit 1
fi
if [[ -z $floor ]]; then
  echo "There is no promtool 2.42: scripts/unpack-debian bookworm .cache/deb prometheus" >&2
  exit 1
fi

prove() { # prove PROMTOOL: checks and tests every file of rules
  "$1" check rules deploy/prometheus/rules/*.yml
  "$1" test rules deploy/prometheus/tests/*.yml
}

prove "$newest" >"$results/newest" 2>&1 &
first=$!
failed=0
prove "$floor" >"$results/floor" 2>&1 || failed=1
wait "$first" || failed=1
for run in newest floor; do
  if ((failed)); then
    cat "$results/$run" >&2
  fi
done
((!failed)) || exit 1
for promtool in "$newest" "$floor"; do
  echo "The rules hold under promtool $(version "$promtool") ($promtool)"
done
