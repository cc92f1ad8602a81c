#!/usr/bin/env python3
"""Find the keywords in a corpus with every machine of a Ray cluster.

    python3 ray_batch.py --shards 64 --parts parts/ list.txt > found.jsonl
    python3 ray_batch.py --shards 64 --parts parts/ list.txt -- --threshold 0.3 --frames > found.jsonl

list.txt names a recording a line. The list, the recordings and the folder of parts must be found under the same
paths on every machine; options after -- are those of `attnd batch`. Standard output gets what one process with
--resume would write, byte for byte. Run the same command again after whatever ended it: what is in the parts is
not done again. Ends with 65 when a recording failed, as `attnd batch` does.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import time

import ray

BAD_DATA = 65  # some recordings failed; the part says which
TRY_LATER = 75  # another attnd writes to the part: one whose worker died before it


# A task whose worker or machine is lost is run again, wherever there is room: -1, however often.
@ray.remote(num_cpus=1, max_retries=-1)
def find(shard: int, shards: int, listing: str, part: str, options: list[str], folder: str, attnd: str) -> int:
    """Work on one shard of the list, or on what of it is not in its part yet; attnd's exit code."""
    command = [attnd, "batch", "-j", "1", "--shard", f"{shard}/{shards}", "--resume", part, *options, "-"]
    while True:
        with open(listing, "rb") as recordings:
            run = subprocess.run(command, stdin=recordings, cwd=folder, stderr=subprocess.PIPE, check=False)
        if run.returncode != TRY_LATER:
            break
        time.sleep(1)
    if run.returncode not in (0, BAD_DATA):
        raise RuntimeError(f"shard {shard}/{shards}: {run.stderr.decode(errors='replace').strip()}")
    return run.returncode


def find_all(listing: pathlib.Path, parts: pathlib.Path, shards: int, options: list[str], attnd: str) -> int:
    """Work on the whole list, telling how far it has come; the exit code for all of it."""
    parts.mkdir(parents=True, exist_ok=True)
    names = [str(path.resolve()) for path in part_files(parts, shards)]
    running = [
        find.remote(index + 1, shards, str(listing.resolve()), name, options, os.getcwd(), attnd)
        for index, name in enumerate(names)
    ]
    code = 0
    while running:
        done, running = ray.wait(running)
        code = max([code, *ray.get(done)])
        print(f"{shards - len(running)} of {shards} shards", file=sys.stderr, flush=True)
    return code


def part_files(parts: pathlib.Path, shards: int) -> list[pathlib.Path]:
    """Where the shards' results are, in the order of the list."""
    return [parts / f"{index + 1:06}-of-{shards:06}.jsonl" for index in range(shards)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("list", type=pathlib.Path)
    parser.add_argument("--shards", type=int, default=64, help="several for each core (default: 64)")
    parser.add_argument("--parts", type=pathlib.Path, required=True, help="folder for the shards' results")
    parser.add_argument("--attnd", default=shutil.which("attnd"), help="the program, on every machine")
    parser.add_argument("options", nargs="*", help="after --: options of attnd batch")
    arguments = parser.parse_args()
    if arguments.attnd is None:
        parser.error("there is no attnd on the PATH; give --attnd")
    ray.init()  # the cluster that RAY_ADDRESS names, or this machine
    code = find_all(arguments.list, arguments.parts, arguments.shards, arguments.options, arguments.attnd)
    for part in part_files(arguments.parts, arguments.shards):
        with open(part, "rb") as lines:
            shutil.copyfileobj(lines, sys.stdout.buffer)
    return code


if __name__ == "__main__":
    sys.exit(main())
