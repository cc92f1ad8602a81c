#!/bin/sh
# Lives through simulated worlds, and says what they came to.
#
#     Tests/simulate.sh [FIRST-LAST]
#
# Each seed is ten minutes of sound and whatever happens in some hours or days around it; a failure
# names its seed, which is the same world again.
set -eu
cd "$(dirname "$0")/.."
seeds=${1:-1-20}
swift build -c release --build-tests >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! ATTND_SEEDS=$seeds swift test -c release --disable-xctest --skip-build \
  --filter '^ProgramTests\.SimulationTests/promises' >"$log" 2>&1; then
  cat "$log"
  exit 1
fi
awk '/^simulated world/ {
    for (i = 1; i <= NF; i++) gsub(/,/, "", $i)
    worlds++; heard += $4; passed += $7; troubles += $10; frames += $12; found += $14; words += $16
  }
  END {
    printf "simulate.sh: seeds %s, %d worlds: %.1f hours heard in %.0f hours of stream time, %d troubles; ",
      seeds, worlds, heard / 3600, passed / 3600, troubles
    printf "%d frames and %d detections read, %d words of clients, all as promised\n", frames, found, words
    exit worlds == 0
  }' seeds="$seeds" "$log"
