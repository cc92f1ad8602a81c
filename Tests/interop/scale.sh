#!/usr/bin/env bash
# A corpus on engines that other people made, as Docs/scale.md shows it: GNU parallel, the tasks of a
# Slurm array, and Ray with two nodes, one of whose workers is killed in the middle. What comes out
# is byte for byte what one process writes.
#
#     PYTHON=python3 Tests/interop/scale.sh ATTND
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
attnd=$(realpath "${1:?usage: $0 ATTND}")
python=${PYTHON:-python3}
docs=$here/../../Docs/scale
export ATTND=$attnd

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
cd "$room"

# Recordings of many lengths, names with spaces and quotes among them, and one that is no sound.
printf 'This is no sound.\n' > broken.wav
for index in $(seq 40); do
  for clip in demo keywords negative noise; do
    name="$clip \"$index\".flac"
    ln -s "$here/../Fixtures/$clip.flac" "$name"
    printf '%s/%s\n' "$room" "$name"
  done
done > list.txt
sed -i "20i $room/broken.wav" list.txt

expect() { # file, what it should be equal to, what it is
  cmp "$1" "$2" || { echo "scale.sh: $3 differs from one process" >&2; exit 1; }
  echo "scale.sh: $3: $(wc -l < "$1") lines, the same as from one process"
}
ends_with_65() {
  local status=0
  "$@" || status=$?
  [ "$status" = 65 ] || { echo "scale.sh: ended with $status, not 65: $*" >&2; exit 1; }
}

ends_with_65 "$attnd" batch - < list.txt > plain.jsonl 2> /dev/null
ends_with_65 "$attnd" batch --resume one.jsonl - < list.txt 2> /dev/null
grep -v '","done":' one.jsonl > found.jsonl
expect found.jsonl plain.jsonl "--resume without the ends of files"

if command -v parallel > /dev/null 2>&1; then
  status=0
  seq -w 12 | parallel --will-cite --halt never -j 2 \
    '"$ATTND" batch -j 1 --shard {}/12 --resume part-{}.jsonl - < list.txt' 2> parallel.log || status=$?
  # parallel ends with the number of tasks that failed: the one with the broken recording.
  [ "$status" = 1 ] || { cat parallel.log >&2; echo "scale.sh: parallel ended with $status" >&2; exit 1; }
  cat part-*.jsonl > parallel.jsonl
  expect parallel.jsonl one.jsonl "GNU parallel, 12 shards"
else
  echo "skipped: no GNU parallel (scale.sh; Debian's package parallel has it)"
fi

# What Slurm does with an array: the script runs once a task, in any order. The first run of task 5
# is cut short, as by a time limit, and it is put back into the queue.
mkdir parts
task() {
  SLURM_ARRAY_TASK_ID=$1 SLURM_ARRAY_TASK_COUNT=7 bash "$docs/slurm.sh" list.txt parts 2> task.log ||
    { cat task.log >&2; echo "scale.sh: task $1 of the array failed" >&2; exit 1; }
}
task 5
size=$(stat -c %s parts/000005-of-000007.jsonl)
truncate -s $((size / 2)) parts/000005-of-000007.jsonl
for id in 5 2 7 1 3 6 4; do task $id; done
cat parts/*.jsonl > array.jsonl
expect array.jsonl one.jsonl "the tasks of a Slurm array, 7 shards, one cut short"

if ! "$python" -c 'import ray' 2> /dev/null; then
  echo "skipped: no Python package ray (scale.sh)"
  exit 0
fi
# The same list with a pipe in it: where a shard comes to the pipe it is certainly half done.
"$python" - "$here/../Fixtures/keywords.flac" sound.wav << 'END'
import sys, wave
# The clip's samples don't matter, only that there are some.
with wave.open(sys.argv[2], "wb") as file:
    file.setparams((1, 2, 16000, 0, "NONE", ""))
    file.writeframes(open(sys.argv[1], "rb").read())
END
mkfifo "$room/pipe.wav"
sed "90a $room/pipe.wav" list.txt > with-pipe.txt
cat sound.wav > pipe.wav &
ends_with_65 "$attnd" batch --resume piped.jsonl - < with-pipe.txt 2> /dev/null
wait
"$python" "$here/scale.py" "$attnd" with-pipe.txt pipe.wav sound.wav piped.jsonl
