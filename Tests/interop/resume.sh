#!/usr/bin/env bash
# A batch that is killed (SIGKILL), again and again, goes on with --resume: the end result is that of
# a run that nobody disturbed, byte for byte.
#
#     Tests/interop/resume.sh [ATTND]
set -euo pipefail
cd "$(dirname "$0")/../.."
attnd=$PWD/${1:-.build/release/attnd}
fixtures=$PWD/Tests/Fixtures
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

# Three hundred names for three recordings: an hour of sound, a second of work.
for i in $(seq 100 199); do
  for clip in keywords negative demo; do
    ln -s "$fixtures/$clip.flac" "$clip-$i.flac"
  done
done
printf '%s\n' ./*.flac > list
"$attnd" batch --jobs 2 --resume whole.jsonl - < list
[ "$(grep -c '"done":true' whole.jsonl)" = 300 ] || { echo "resume: not every recording is complete"; exit 1; }

killed=0
for delay in 0.05 0.11 0.17 0.08 0.23 0.13; do
  "$attnd" batch --jobs 2 --resume torn.jsonl - < list &
  running=$!
  sleep "$delay"
  if kill -KILL "$running" 2> /dev/null; then killed=$((killed + 1)); fi
  wait "$running" 2> /dev/null || true
  # What a machine that lost power may leave: half a line.
  [ ! -s torn.jsonl ] || printf '{"file":"./demo-1' >> torn.jsonl
done
"$attnd" batch --jobs 2 --resume torn.jsonl - < list
cmp whole.jsonl torn.jsonl || { echo "resume: after $killed kills the results differ"; exit 1; }
if [ "$killed" = 0 ]; then
  echo "skipped: no run could be killed before it was over (Tests/interop/resume.sh)"
  exit 0
fi
echo "resume: the same bytes after $killed kills in the middle"
