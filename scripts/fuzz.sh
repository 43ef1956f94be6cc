#!/usr/bin/env bash
# Runs every fuzz target of the module, as many at a time as there are
# processors, one worker each.
#
#   fuzz.sh [DURATION]     DURATION is per target, as in go test -fuzztime (default 60s)
#
# It is that of the parsers and of the SQL gate, which take what anybody writes.
# The others, which guard smaller doors, get 15 seconds at most.
#
# A new failing input is written below testdata/fuzz of its package and is to be
# committed: from then on go test replays it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export whole=${1:-60s}
export major='^(FuzzParse|FuzzGate|FuzzFilter|FuzzQuery)$'

fuzz() {
  local package="./$(dirname "$1")" name=$2 duration=$whole output
  if ! [[ $name =~ $major ]] && [[ $whole =~ ^([0-9]+)s$ ]] && ((BASH_REMATCH[1] > 15)); then duration=15s; fi
  output=$(mktemp)
  if go test -run='^$' -fuzz="^$name\$" -fuzztime="$duration" -fuzzminimizetime=5s -parallel=1 "$package" >"$output" 2>&1; then
    echo "fuzz: $name in $package for $duration: $(grep 'elapsed' "$output" | tail -n 1 | sed 's/^fuzz: //')"
  # Go before 1.27 can report the end of the time as a failure (golang/go#75804).
  # A real one always comes with an input.
  elif grep -q 'context deadline exceeded' "$output" && ! grep -qE 'Failing input written|panic:|failure while testing seed' "$output"; then
    echo "fuzz: $name in $package: ok (the time ran out in the middle of an execution)"
  else
    echo "fuzz: $name in $package FAILED"
    cat "$output"
    rm -f -- "$output"
    return 1
  fi
  rm -f -- "$output"
}
export -f fuzz

git ls-files --cached --others --exclude-standard -- '*_test.go' | xargs -r grep -oHE '^func Fuzz[A-Za-z0-9_]+' | sed 's/:func / /' |
  xargs -P "$(getconf _NPROCESSORS_ONLN)" -L 1 bash -c 'fuzz "$@"' fuzz ||
  { echo "fuzz: some targets failed"; exit 1; }
echo "fuzz: all targets passed"
