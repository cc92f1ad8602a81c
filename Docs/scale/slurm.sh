#!/usr/bin/env bash
# One task of a Slurm array: a shard of the list. What is done already is not done again, so a task
# that was preempted or ran out of time is simply put back into the queue.
#
#     mkdir -p parts && sbatch --array=1-64 slurm.sh list.txt parts
#     cat parts/*.jsonl > found.jsonl
#
#SBATCH --cpus-per-task=1
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail
list=${1:?usage: $0 LIST FOLDER [OPTIONS OF attnd batch]}
parts=${2:?usage: $0 LIST FOLDER [OPTIONS OF attnd batch]}
shard=${SLURM_ARRAY_TASK_ID:?is no task of an array}
shards=${SLURM_ARRAY_TASK_COUNT:?is no task of an array}

# Numbers of one width, so that the parts' names stand in the order of the list.
part=$(printf '%s/%06d-of-%06d.jsonl' "$parts" "$shard" "$shards")
status=0
"${ATTND:-attnd}" batch -j 1 --shard "$shard/$shards" --resume "$part" "${@:3}" - < "$list" || status=$?
# 65: some recordings failed, and the part says which. The task has done its work.
[ "$status" = 65 ] || exit "$status"
