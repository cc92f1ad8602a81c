#!/usr/bin/env python3
"""Rounds a model's matrices to half precision, which halves the file and what a step has to read.

    Training/halve.py --data "$ATTND_DATA" MODEL --out HALVED

How to round comes from what the matrices are multiplied by in recordings of the train split
(attnd_training/rounding.py). Then `attnd batch` hears every keyword and all speech of the dev split by
either model; where a posterior differs by more than 0.001 nothing is written.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from attnd_training import features, model_file, rounding
from attnd_training.configuration import RecipeError
from attnd_training.manifest import read_manifest

LARGEST_CHANGE = 1e-3  # of a posterior
KINDS = ("keyword", "speech", "tts-keyword", "tts-hard-negative")


def main():
    here = Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", default=os.environ.get("ATTND_DATA"), help="has manifest.tsv")
    parser.add_argument("--recordings", type=int, default=300, help="that say how to round")
    parser.add_argument("--seed", type=int, default=0, help="chooses among the recordings")
    parser.add_argument("--attnd", default=os.environ.get("ATTND", here / ".build/release/attnd"))
    arguments = parser.parse_args()
    if not arguments.data:
        sys.exit("halve.py: no recordings: give --data, the folder with manifest.tsv")

    try:
        halve(arguments)
    except RecipeError as error:
        sys.exit(f"halve.py: {error}")


def halve(arguments):
    data = Path(arguments.data).resolve()
    recordings = [recording for recording in read_manifest(data) if recording.kind in KINDS]
    train = [recording for recording in recordings if recording.split == "train"]
    train = random.Random(arguments.seed).sample(train, min(arguments.recordings, len(train)))
    train.sort(key=lambda recording: recording.path)
    dev = [str(data / recording.path) for recording in recordings if recording.split == "dev"]

    document, _ = model_file.read(arguments.model)
    network = model_file.read_network(arguments.model, model_file.network_configuration(document))
    tensors = rounding.to_half(network, energies(arguments.attnd, data, train))
    document["provenance"]["command"] += "; Training/halve.py"
    with tempfile.TemporaryDirectory() as folder:
        halved = Path(folder) / arguments.out.name
        model_file.save(
            halved,
            document,
            {
                name: tensor.numpy().astype(np.float16 if tensor.dim() >= 2 else np.float32)
                for name, tensor in tensors.items()
            },
        )
        largest, count = largest_change(arguments.attnd, arguments.model, halved, dev)
        verdict = f"largest change of {count} posteriors in {len(dev)} recordings: {largest:.6f}"
        if largest > LARGEST_CHANGE:
            sys.exit(f"halve.py: {verdict}, at most {LARGEST_CHANGE} allowed; nothing written")
        arguments.out.write_bytes(halved.read_bytes())
        print(verdict)


def energies(attnd, data, recordings):
    """Mel energies of recordings, by attnd."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        features.extract(attnd, data, recordings, work)
        files = [features.rows_path(work, recording.path) for recording in recordings]
        return [torch.from_numpy(np.load(file)) for file in files]


def largest_change(attnd, before, after, paths):
    """The largest difference of a posterior at the same step, and how many were compared."""
    largest, count = 0.0, 0
    with tempfile.TemporaryDirectory() as folder:
        listing = Path(folder) / "paths"
        listing.write_text("".join(f"{path}\n" for path in paths), encoding="utf-8")
        runs = [frames(attnd, model, listing) for model in (before, after)]
        for one, other in zip(*runs, strict=True):
            if (one["file"], one["time"]) != (other["file"], other["time"]):
                sys.exit(f"halve.py: steps differ: {one['file']} at {one['time']} s")
            for name, posterior in one["posterior"].items():
                largest = max(largest, abs(posterior - other["posterior"][name]))
                count += 1
    return largest, count


def frames(attnd, model, listing):
    """The steps that attnd prints, one after the other."""
    command = [attnd, "batch", "--model", model, "--frames", "-"]
    with open(listing, encoding="utf-8") as paths, subprocess.Popen(
        command, stdin=paths, stdout=subprocess.PIPE, text=True
    ) as run:
        for line in run.stdout:
            frame = json.loads(line)
            if "posterior" in frame:
                yield frame
    if run.returncode != 0:
        sys.exit(f"halve.py: {attnd} batch ended with {run.returncode}")


if __name__ == "__main__":
    main()
