#!/bin/sh
# Fuzzes the readers of what comes from outside, with libFuzzer and AddressSanitizer:
#
#     Tests/Fuzz/run.sh [SECONDS [TARGET...]]      60 seconds of each target: model, rows, socket
#     make fuzz                                    the same, ten minutes of each
#
# What has been found interesting is kept in .build/fuzz/corpus and gone on with the next time. Of
# the socket's, what reaches new code is in Tests/Fuzz/corpus and read by the tests; to bring that up
# to date, let libFuzzer choose:
#
#     .build/fuzz/socket -merge=1 -use_counters=0 NEW .build/fuzz/corpus/socket .build/fuzz/seeds/socket
#
# An input that ends a target is kept in .build/fuzz/findings; this script then ends with 1. Run
# .build/fuzz/TARGET FILE to see one again. ATTND_FUZZ_BLIND=1 changes the bytes of models without
# knowledge of their format.
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:-60}
[ $# -gt 0 ] && shift
targets=${*:-model rows socket}
out=.build/fuzz
mkdir -p "$out/CProcessor"

# Modules are built one by one: SwiftPM has no product that is a fuzzer. The kernels' newer
# instruction sets are left out.
common="-O -wmo -parse-as-library -swift-version 6 -package-name attnd -g -I $out"
instrumented="-sanitize=fuzzer,address"
module() { # name, flags, sources...
  name=$1 flags=$2
  shift 2
  newest=$(ls -t "$@" Tests/Fuzz/run.sh | head -1)
  objects="$objects $out/$name.o"
  # A module is built anew when its build began before its sources were changed, and after any other.
  if [ -z "$rebuilt" ] && [ "$out/$name.stamp" -nt "$newest" ]; then return; fi
  echo "building $name"
  rm -f "$out/$name.stamp"
  touch "$out/$name.begun"
  # shellcheck disable=SC2086
  swiftc $common $flags -module-name "$name" -emit-module -emit-module-path "$out/$name.swiftmodule" \
    -c -o "$out/$name.o" "$@"
  mv "$out/$name.begun" "$out/$name.stamp"
  rebuilt=yes
}
objects= rebuilt=
echo "module CProcessor { header \"$PWD/Sources/CProcessor/include/processor.h\" }" \
  >"$out/CProcessor/module.modulemap"
loops="-enable-experimental-feature BuiltinModule -sanitize=address"
module Kernels -sanitize=address Sources/Kernels/*.swift
module BaselineKernels "$loops" Sources/BaselineKernels/*.swift
module KernelDispatch "-sanitize=address -I $out/CProcessor" Sources/KernelDispatch/*.swift
for name in FeatureExtraction StreamingAttention JSONText ModelFile; do
  module "$name" "$instrumented -I $out/CProcessor" Sources/$name/*.swift
done
libraries=$objects
link() { # name, sources...
  name=$1
  shift
  newest=$(ls -t "$@" Tests/Fuzz/run.sh | head -1)
  if [ -z "$rebuilt" ] && [ "$out/$name.stamp" -nt "$newest" ]; then return; fi
  echo "building $name"
  rm -f "$out/$name.stamp"
  touch "$out/$name.begun"
  # In two steps: in one the compiler leaves what a debugger needs in the current folder.
  # shellcheck disable=SC2086
  swiftc $common $instrumented -I "$out/CProcessor" -module-name "fuzz_$name" -emit-module \
    -emit-module-path "$out/fuzz_$name.swiftmodule" -c -o "$out/fuzz_$name.o" "$@"
  # shellcheck disable=SC2086
  swiftc $instrumented -use-ld=lld -o "$out/$name" "$out/fuzz_$name.o" $libraries
  mv "$out/$name.begun" "$out/$name.stamp"
}

# The reader of rows, without the program that it is part of.
grep -v '^import ArgumentParser' Sources/attnd/Batch/RowFile.swift >"$out/RowFile.swift"
touch -r Sources/attnd/Batch/RowFile.swift "$out/RowFile.swift"
link model Tests/Fuzz/ModelTarget.swift Tests/Fuzz/Seeds.swift
link rows Tests/Fuzz/RowsTarget.swift Tests/Fuzz/Seeds.swift Tests/Fuzz/Failure.swift \
  Sources/attnd/NumPyFile.swift "$out/RowFile.swift"
# The socket and the packages that it stands on, all instrumented, by SwiftPM: a product that is in
# the manifest only when it is asked for.
case " $targets " in
*" socket "*)
  echo "building socket"
  ATTND_FUZZ=1 swift build -c release --scratch-path "$out/packages" --product fuzz-socket \
    -Xswiftc -sanitize=fuzzer,address >"$out/packages.log" 2>&1 || {
    cat "$out/packages.log"
    exit 1
  }
  ln -sf packages/release/fuzz-socket "$out/socket"
  ;;
esac

status=0
for target in $targets; do
  mkdir -p "$out/corpus/$target" "$out/seeds/$target" "$out/findings/$target"
  ATTND_FUZZ_SEEDS=$out/seeds/$target "$out/$target" >/dev/null 2>&1
  log=$out/$target.log
  known=Tests/Fuzz/corpus/$target
  [ -d "$known" ] || known=
  # shellcheck disable=SC2086
  echo "$target: $seconds s from $(find "$out/seeds/$target" "$out/corpus/$target" $known -type f | wc -l) inputs"
  # Longer inputs say nothing that shorter ones don't; the limits catch what hangs or takes memory.
  # shellcheck disable=SC2086
  if "$out/$target" -max_total_time="$seconds" -max_len=16384 -timeout=20 -rss_limit_mb=2048 \
    -artifact_prefix="$out/findings/$target/" -print_final_stats=1 \
    "$out/corpus/$target" "$out/seeds/$target" $known >"$log" 2>&1
  then
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    edges=$(grep -o 'cov: [0-9]*' "$log" | tail -1)
    echo "$target: $runs executions, ${edges:-cov: 0} edges, nothing found"
  else
    status=1
    echo "$target: FOUND (the rest is in $log):"
    grep -m 5 -E 'Fatal error|ERROR|Test unit written|SUMMARY' "$log" || tail -5 "$log"
  fi
done
exit $status
