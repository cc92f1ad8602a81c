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
Scripts/check-instructions.sh .build/release
# What failed is said where it happens, and once more at the end, where it is seen.
run_tests() {
  said=$(mktemp)
  { swift test -c release --disable-xctest --skip-build "$@" 2>&1 || echo "$?" >"$said.failed"; } |
    tee "$said"
  if [ -e "$said.failed" ]; then
    echo "failed:" >&2
    grep -A 3 ' recorded an issue' "$said" | cut -c 1-400 >&2
    rm "$said" "$said.failed"
    return 1
  fi
  rm "$said"
}
run_tests

# Everything that calculates once more with the kernels that every processor can run.
echo "The same for ATTND_KERNELS=baseline:"
ATTND_KERNELS=baseline run_tests \
  --filter '^(KernelsTests|FeatureExtractionTests|StreamingAttentionTests)\.'

# The whole daemon in simulated worlds, about a minute of them.
Tests/simulate.sh 1-20

# The kernels and the golden transforms as older processors run them, which end a program that uses
# an instruction of a newer one. What the tests print with ATTND_TEST_RATIOS names the kernels used.
on_processor() { # processor, the kernels that it should choose
  log=$(mktemp)
  if env -u ATTND_KERNELS -u ATTND_GOLDEN ATTND_TEST_RATIOS=1 \
    qemu-x86_64 -cpu "$1" .build/release/attndPackageTests.xctest --testing-library swift-testing \
    --filter '^KernelsTests\.|FourierKernelsTests|GoldenFourierTests' >"$log" 2>&1 &&
    grep -q "golden transforms (small) by $2:" "$log"
  then
    echo "$1, $2: $(grep 'Test run with' "$log")"
    rm "$log"
  else
    cat "$log"
    echo "the tests do not pass on a $1 with the kernels for $2" >&2
    rm "$log"
    exit 1
  fi
}
if [ "$(uname -m)" != x86_64 ]; then
  echo "skipped: older processors (the baseline is the only build of the kernels here)"
elif ! command -v qemu-x86_64 >/dev/null 2>&1; then
  echo "skipped: older processors (no qemu-x86_64; Debian's package qemu-user has it)"
else
  on_processor Nehalem baseline
  on_processor Haswell v3
fi

# Other people's programs, where they are to be had: a Python environment of our own with the package
# wyoming as a client, kaldi-native-fbank and librosa to compare rows with, Ray to spread a corpus
# with. Scripts whose packages are missing say so.
PYTHON=$PWD/.build/interop/bin/python
if ! "$PYTHON" -c 'import wyoming, kaldi_native_fbank, librosa' 2>/dev/null; then
  { python3 -m venv .build/interop && .build/interop/bin/pip install -q wyoming==1.10.2 \
    kaldi-native-fbank==1.23.0 librosa==0.11.0 numpy==2.4.6 soundfile==0.14.0; } \
    >/dev/null 2>&1 || true
  "$PYTHON" -c '' 2>/dev/null || PYTHON=python3
fi
# Ray by itself: it has no build for every Python. Nothing is installed outside of that environment.
if [ "$PYTHON" != python3 ] && ! "$PYTHON" -c 'import ray' 2>/dev/null; then
  "$PYTHON" -m pip install -q ray==2.60.0 >/dev/null 2>&1 || true
fi
export PYTHON
# The reference models anew, where PyTorch is: it is too large to be installed for this alone.
Tests/Reference/check.sh
# They play sound at its own speed to other people's servers: where the machine stands still for seconds,
# one may fail through nobody's fault. So what fails is run once more, and a fault fails twice. What a script
# complains of is said where it comes, and once more at the end, where it is seen.
failed=
reasons=$(mktemp -d)
run_script() { # its name, what its complaints are kept under
  succeeded=0
  "Tests/interop/$1" .build/release/attnd 2>"$reasons/$2" || succeeded=$?
  cat "$reasons/$2" >&2
  return "$succeeded"
}
repeat_reason() {
  tail -n 20 "$reasons/$1" | cut -c 1-300 >&2
}
for script in Tests/interop/*.sh; do
  name=${script##*/}
  run_script "$name" "$name" && continue
  echo "once more: $name" >&2
  run_script "$name" "$name.again" || failed="$failed $name"
done
for reason in "$reasons"/*.again; do
  [ -e "$reason" ] || continue
  name=$(basename "$reason" .again)
  echo "failed the first time: $name" >&2
  repeat_reason "$name"
done
for name in $failed; do
  echo "failed twice: $name" >&2
  repeat_reason "$name.again"
done
rm -r "$reasons"
[ -z "$failed" ]
