#!/usr/bin/env bash
# The rules of Prometheus by its own tool, in the versions that must read them: the newest and Debian 12's, side by side.
# What is tested of each alert, and that nothing is left out, is held to by `cargo test -p battlearena-monitoring`.
set -euo pipefail
cd "$(dirname "$0")/.."
newest=.cache/deb-sid/usr/bin/promtool
floor=$(command -v promtool || echo .cache/deb/usr/bin/promtool)
results=$(mktemp -d /tmp/arena-rules-XXXXXX)
trap 'rm -rf "$results"' EXIT

for promtool in "$newest" "$floor"; do
  if [[ ! -x $promtool ]]; then
    echo "There is no $promtool: scripts/setup test" >&2
    exit 1
  fi
done

prove() { # prove PROMTOOL: checks and tests every file of rules
  "$1" check rules deploy/prometheus/rules/*.yml
  "$1" test rules deploy/prometheus/tests/*.yml
}

prove "$newest" >"$results/newest" 2>&1 &
first=$!
failed=0
prove "$floor" >"$results/floor" 2>&1 || failed=1
wait "$first" || failed=1
for version in newest floor; do
  if ((failed)); then
    cat "$results/$version" >&2
  fi
done
((!failed)) || exit 1
for promtool in "$newest" "$floor"; do
  "$promtool" --version 2>&1 | awk 'NR == 1 {print "The rules hold under promtool", $3}'
done
