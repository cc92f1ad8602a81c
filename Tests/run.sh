#!/bin/sh
# Every test, cheapest first. What cannot run here says why in a line that begins with "skipped:".
set -eu
cd "$(dirname "$0")/.."

if [ -z "${ATTND_DATA:-}" ]; then
  echo "skipped: no ATTND_DATA (tests on real recordings; Training/README.md says where they come from)"
fi

# Release: what is tested is what ships, and allocations are counted in optimised code. XCTest is
# left out: every test is a Swift Testing one.
swift test -c release --disable-xctest

for script in Tests/interop/*.sh; do
  echo "interop: $script"
  "$script" .build/release/attnd
done
