#!/bin/sh
# Proves on what was built that no instruction of a newer processor stands in code that an older one
# runs: Scripts/check-instructions.sh [BUILD_DIR], .build/release unless named.
#
# The kernels are built once more for x86-64-v3 and v4. A function that such an object defines under
# a name that it shares with others (a specialisation of the standard library's, a memberwise copy)
# may be the one that the linker keeps for the whole program, which then dies on a processor without
# AVX. On the machine where it was built it works, so no other test would see it. Told by their
# encoding, AVX's instructions begin with a VEX prefix, AVX-512's with an EVEX prefix.
set -eu

build=${1:-.build/release}
if [ "$(uname -m)" != x86_64 ]; then
  echo "skipped: instruction sets (only x86-64 has several builds of the kernels)"
  exit 0
fi
if ! command -v objdump >/dev/null 2>&1; then
  echo "skipped: instruction sets (no objdump; Debian's package binutils has it)"
  exit 0
fi
if [ ! -x "$build/attnd" ] || [ ! -d "$build/kernelsV3.build" ] || [ ! -d "$build/kernelsV4.build" ]
then
  echo "check-instructions: $build has no attnd with its kernels: swift build -c release" >&2
  exit 66
fi

# The objects that attnd is linked from, as far as their modules' sources are here, then the program.
# What lies beside them may be left from a file that is no more.
sources=$(dirname "$0")/../Sources
sed "s/'//g; s|.*/\([^/]*\.build/\)|\1|" "$build/attnd.product/Objects.LinkFileList" |
while IFS= read -r object; do
  if [ -d "$sources/${object%%.build/*}" ]; then echo "$build/$object"; fi
done | {
  set --
  while IFS= read -r object; do set -- "$@" "$object"; done
  LC_ALL=C objdump -d --insn-width=15 "$@" "$build/attnd"
} | LC_ALL=C awk -F '\t' '
  # A file begins: which module it belongs to; none is the program.
  /: +file format / {
    files++
    module = ""
    if (match($0, /[^\/]+\.build\//)) module = substr($0, RSTART, RLENGTH - 7)
    newer = module == "kernelsV3" || module == "kernelsV4"
    next
  }
  # A function begins: whether its name is one that only a newer build of the kernels uses.
  /^[0-9a-f]+ <.*>:$/ {
    name = $0
    sub(/^[0-9a-f]+ </, "", name)
    sub(/>:$/, "", name)
    if (newer) own = index(name, "$s9" module) == 1
    else own = module == "" && (index(name, "$s9kernelsV3") == 1 || index(name, "$s9kernelsV4") == 1)
    if (module == "") functions++
    next
  }
  # An instruction: address, bytes, text. Prefixes of segment and address size may stand before.
  NF >= 3 {
    bytes = $2
    while (bytes ~ /^(26|2e|36|3e|64|65|67) /) bytes = substr(bytes, 4)
    first = substr(bytes, 1, 2)
    if (first != "c4" && first != "c5" && first != "62") next
    if (!own) {
      place = (module == "" ? "attnd" : module) ": " name
      if (!bad[place]++) order[++faults] = place
    }
    if (newer) {
      vector[module]++
      if (first == "62") evex[module]++
      if (first != "62" && $3 ~ /^vfn?m(add|sub)[^%]*ps .*%ymm/) fused[module]++
      if (module == "kernelsV3" && (first == "62" || $3 ~ /%zmm/)) wide[name]++
    } else if (module == "" && own) linked++
  }
  END {
    for (i = 1; i <= faults; i++) {
      printf "check-instructions: %s has %d AVX instructions under a name that is not the own one " \
        "of a newer build of the kernels\n", order[i], bad[order[i]]
      failed = 1
    }
    for (name in wide) {
      printf "check-instructions: kernelsV3: %s has %d AVX-512 instructions\n", name, wide[name]
      failed = 1
    }
    # A check that finds nothing where there must be something proves nothing.
    if (!fused["kernelsV3"] || !evex["kernelsV4"] || !linked || functions < 100) {
      printf "check-instructions: %d fused products of eight in kernelsV3, %d AVX-512 " \
        "instructions in kernelsV4, %d of AVX in attnd, %d functions: too few to be the kernels\n",
        fused["kernelsV3"], evex["kernelsV4"], linked, functions
      failed = 1
    }
    if (failed) exit 1
    printf "instruction sets: %d functions of attnd and %d objects hold AVX in the kernels for v3 " \
      "and v4 only; v3: %d AVX instructions, %d fused products of eight, no AVX-512; v4: %d, of " \
      "them %d AVX-512\n",
      functions, files - 1, vector["kernelsV3"], fused["kernelsV3"], vector["kernelsV4"],
      evex["kernelsV4"]
  }'
