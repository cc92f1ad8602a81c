#!/usr/bin/env python3
"""Sets a model's thresholds on speech that holds no keyword, with `attnd batch` and nothing else.

    Training/calibrate.py --data "$ATTND_DATA" --alarms 3 MODEL --out CALIBRATED

The lowest thresholds at which no keyword is heard in the speech of the split (dev, if not told
otherwise); then, for each false alarm that is allowed, the highest threshold is lowered until that
word is heard once more. No recording of a keyword has a say. Figures of false alarms in the same
speech are then what was asked for, not a measurement.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

MARGIN = 0.002  # between a threshold and the score that it keeps out
LOWEST = 0.3  # peaks under it are not looked at


def main():
    here = Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", default=os.environ.get("ATTND_DATA"), help="has manifest.tsv")
    parser.add_argument("--split", default="dev")
    parser.add_argument("--alarms", type=int, default=0, help="allowed in all the speech")
    parser.add_argument("--attnd", default=os.environ.get("ATTND", here / ".build/release/attnd"))
    arguments = parser.parse_args()
    if not arguments.data:
        sys.exit("calibrate.py: no recordings: give --data, the folder with manifest.tsv")

    with open(Path(arguments.data) / "manifest.tsv", encoding="utf-8", newline="") as file:
        paths = [
            str(Path(arguments.data) / row["path"])
            for row in csv.DictReader(file, delimiter="\t")
            if row["split"] == arguments.split and row["kind"] == "speech"
        ]
    with safe_open(str(arguments.model), framework="numpy") as file:
        document = json.loads(file.metadata()["attnd"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}

    peaks = scores(arguments.attnd, arguments.model, document["detector"], paths)
    chosen = thresholds(peaks, [k["name"] for k in document["keywords"]], arguments.alarms)
    for keyword in document["keywords"]:
        keyword["threshold"] = chosen[keyword["name"]]
    save_file(tensors, str(arguments.out), metadata={"attnd": json.dumps(document)})
    arguments.out.chmod(0o644)
    print(json.dumps(chosen, indent=1))


def scores(attnd, model, detector, paths):
    """By keyword, the scores of what would be heard in the recordings, highest first."""
    with tempfile.TemporaryFile("w+") as listing:
        listing.write("".join(f"{path}\n" for path in paths))
        listing.seek(0)
        run = subprocess.Popen(
            [attnd, "batch", "--model", model, "--threshold", "1", "--frames", "-"],
            stdin=listing, stdout=subprocess.PIPE, text=True,
        )
        peaks, rows, current = defaultdict(list), [], None
        for line in run.stdout:
            frame = json.loads(line)
            if "posterior" not in frame:
                continue
            if frame["file"] != current:
                collect(rows, detector, peaks)
                rows, current = [], frame["file"]
            rows.append((frame["time"], frame["posterior"]))
        collect(rows, detector, peaks)
    if run.wait() != 0:
        sys.exit(f"calibrate.py: {attnd} batch ended with {run.returncode}")
    return {name: sorted(values, reverse=True) for name, values in peaks.items()}


def collect(rows, detector, peaks):
    """The largest smoothed posterior of each stretch as long as the refractory time."""
    if not rows:
        return
    times = np.array([time for time, _ in rows])
    for name in rows[0][1]:
        values = np.array([posterior[name] for _, posterior in rows])
        steps = detector["smoothing_steps"]
        sums = np.cumsum(np.pad(values, (steps, 0)))
        smooth = (sums[steps:] - sums[:-steps]) / np.minimum(np.arange(len(values)) + 1, steps)
        while (best := int(smooth.argmax())) >= 0 and smooth[best] > LOWEST:
            peaks[name].append(float(smooth[best]))
            smooth[np.abs(times - times[best]) < detector["refractory_seconds"]] = 0


def thresholds(peaks, names, alarms):
    def over(name, count):
        """The lowest threshold that all but `count` peaks stay under."""
        values = peaks.get(name, [])
        return round(min(0.999, (values[count] if count < len(values) else LOWEST) + MARGIN), 4)

    allowed = dict.fromkeys(names, 0)
    for _ in range(alarms):
        allowed[max(names, key=lambda name: over(name, allowed[name]))] += 1
    return {name: over(name, allowed[name]) for name in names}


if __name__ == "__main__":
    main()
