#!/bin/sh
# Every test, cheapest first. What cannot run here says why in a line that begins with "skipped:".
set -eu
cd "$(dirname "$0")/.."

if [ -z "${ATTND_DATA:-}" ]; then
  echo "skipped: no ATTND_DATA (tests on real recordings; Training/README.md says where they come from)"
fi
if [ -z "${ATTND_GOLDEN:-}" ]; then
  echo "skipped: no ATTND_GOLDEN (the full set of reference vectors; Tests/Golden/README.md)"
fi

# Release: what is tested is what ships, and allocations are counted in optimised code. Built by
# itself, so that what `make run` has built is used again: `swift test` would build it all anew with
# testing enabled, which no test needs. XCTest is left out: every test is a Swift Testing one.
swift build -c release --build-tests
swift test -c release --disable-xctest --skip-build

# Other people's clients, where they are to be had: a Python environment of our own with the package
# wyoming. Scripts whose programs are missing say so.
PYTHON=$PWD/.build/interop/bin/python
if ! "$PYTHON" -c 'import wyoming' 2>/dev/null; then
  { python3 -m venv .build/interop && .build/interop/bin/pip install -q wyoming==1.10.2; } \
    >/dev/null 2>&1 || PYTHON=python3
fi
export PYTHON
for script in Tests/interop/*.sh; do
  "$script" .build/release/attnd
done
