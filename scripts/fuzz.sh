#!/usr/bin/env bash
# Runs every fuzz target of the module, one after the other.
#
#   fuzz.sh [DURATION]     DURATION is per target, as in go test -fuzztime (default 60s)
#
# A new failing input is written below testdata/fuzz of its package and is to be
# committed: from then on go test replays it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

duration=${1:-60s}
output=$(mktemp)
trap 'rm -f -- "$output"' EXIT

targets=0 failed=0
while IFS=: read -r file name; do
  targets=$((targets + 1))
  package=./$(dirname "$file")
  echo "fuzz: $name in $package for $duration"
  if go test -run='^$' -fuzz="^$name\$" -fuzztime="$duration" -fuzzminimizetime=5s "$package" >"$output" 2>&1; then
    tail -n 2 "$output"
    continue
  fi
  # Go before 1.27 can report the end of the time as a failure (golang/go#75804).
  # A real one always comes with an input.
  if grep -q 'context deadline exceeded' "$output" && ! grep -qE 'Failing input written|panic:|failure while testing seed' "$output"; then
    grep 'elapsed' "$output" | tail -n 1
    echo "ok  	$package	(the time ran out in the middle of an execution)"
    continue
  fi
  cat "$output"
  failed=$((failed + 1))
done < <(git ls-files --cached --others --exclude-standard -- '*_test.go' | xargs -r grep -oHE '^func Fuzz[A-Za-z0-9_]+' | sed 's/:func /:/')

echo "fuzz: $targets targets, $failed failed"
[ "$failed" -eq 0 ]
