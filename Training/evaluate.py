#!/usr/bin/env python3
"""What `attnd batch` finds in the development recordings, and what it should not have found.

    Training/evaluate.py --data "$ATTND_DATA"
    Training/evaluate.py --data "$ATTND_DATA" --sweep 0.3,0.5,0.7,0.9 --streams streams-dev

Runs the program and nothing else: what stands in the tables is what a user gets. Needs no PyTorch.

Found: a detection of the word's own name, decided between the word's start and one second after its
end. False alarm: every detection in speech that holds no keyword. Each recording is a stream of its
own. With --streams, the same for long streams with a truth.jsonl (stream, word, start, end).
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

AFTER = 1.0  # seconds after a word's end in which its detection still counts
SETS = ["speech", "tts-hard-negative", "noise", "music"]


class EvaluationError(Exception):
    pass


def main():
    here = Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default=os.environ.get("ATTND_DATA"), help="has manifest.tsv")
    parser.add_argument("--split", default="dev")
    parser.add_argument("--attnd", default=os.environ.get("ATTND", here / ".build/release/attnd"))
    parser.add_argument("--model", type=Path, help="the program's own model, if not given")
    parser.add_argument("--sweep", default="", help="thresholds for all keywords, by comma")
    parser.add_argument("--streams", type=Path, help="folder with truth.jsonl")
    parser.add_argument("--jobs", default="1")
    parser.add_argument("--out", type=Path, help="writes evaluation.json and evaluation.md here")
    arguments = parser.parse_args()
    try:
        if not arguments.data:
            raise EvaluationError("--data or ATTND_DATA: the folder with manifest.tsv")
        recordings = read_manifest(Path(arguments.data), arguments.split)
        streams = read_truth(arguments.streams) if arguments.streams else {}
        results = []
        for threshold in [None] + [float(x) for x in arguments.sweep.split(",") if x]:
            results.append(evaluate(arguments, threshold, recordings, streams))
    except EvaluationError as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 1
    report = tables(results)
    print(report)
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        (arguments.out / "evaluation.json").write_text(json.dumps(results, indent=1) + "\n")
        (arguments.out / "evaluation.md").write_text(report + "\n")
    return 0


def read_manifest(folder, split):
    with open(folder / "manifest.tsv", newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["split"] == split]
    return {
        str(folder / row["path"]): {
            "kind": row["kind"],
            "word": row["word"].replace(" ", "_"),
            "seconds": float(row["seconds"]),
            "start": float(row["start"] or 0),
            "end": float(row["end"] or 0),
        }
        for row in rows
        if row["kind"] in ["keyword", *SETS]
    }


def read_truth(folder):
    """The words of each long stream: {path: [(word, start, end)]}."""
    streams = defaultdict(list)
    with open(folder / "truth.jsonl", encoding="utf-8") as file:
        for line in map(json.loads, file):
            word = line["word"].replace(" ", "_")
            streams[str(folder / line["stream"])].append((word, line["start"], line["end"]))
    return {path: words for path, words in streams.items() if Path(path).exists()}


def run_batch(arguments, threshold, files):
    """`attnd batch` over files: {path: its detections}."""
    command = [str(arguments.attnd), "batch", "-j", arguments.jobs]
    if arguments.model:
        command += ["--model", str(arguments.model)]
    if threshold is not None:
        command += ["--threshold", str(threshold)]
    run = subprocess.run([*command, *files], stdout=subprocess.PIPE, text=True, check=False)
    if run.returncode != 0:
        raise EvaluationError(f"{' '.join(command)}: exit status {run.returncode}")
    found = {path: [] for path in files}
    for line in map(json.loads, run.stdout.splitlines()):
        if "keyword" not in line:
            continue
        if line["file"] not in found:
            raise EvaluationError(f"attnd batch names a file it was not given: {line['file']}")
        found[line["file"]].append(line)
    return found


def evaluate(arguments, threshold, recordings, streams):
    found = run_batch(arguments, threshold, list(recordings))
    result = {"threshold": threshold, "words": {}, "false_alarms": {}, "hours": {}}
    words = sorted({r["word"] for r in recordings.values() if r["kind"] == "keyword"})
    for word in words:
        tally = Tally()
        for path, recording in recordings.items():
            if recording["kind"] == "keyword" and recording["word"] == word:
                tally.count(found[path], [(word, recording["start"], recording["end"])])
        result["words"][word] = tally.figures()
    for kind in SETS:
        chosen = [path for path, recording in recordings.items() if recording["kind"] == kind]
        alarms = Counter(line["keyword"] for path in chosen for line in found[path])
        result["false_alarms"][kind] = dict(sorted(alarms.items()))
        result["hours"][kind] = sum(recordings[path]["seconds"] for path in chosen) / 3600
    if streams:
        heard = run_batch(arguments, threshold, list(streams))
        result["streams"] = {}
        for path, truth in sorted(streams.items()):
            tally = Tally()
            tally.count(heard[path], truth)
            result["streams"][Path(path).stem] = tally.figures()
    return result


class Tally:
    """Counts detections against words; each detection counts for one word and the reverse."""

    def __init__(self):
        self.words = self.hits = self.others = 0
        self.errors = {"start": [], "end": [], "delay": []}

    def count(self, lines, truth):
        left = sorted(lines, key=lambda line: line["time"])
        for word, start, end in sorted(truth, key=lambda entry: entry[1]):
            self.words += 1
            for line in left:
                if line["keyword"] == word and start <= line["time"] <= end + AFTER:
                    left.remove(line)
                    self.hits += 1
                    if line["start"] is not None:
                        self.errors["start"].append(line["start"] - start)
                        self.errors["end"].append(line["end"] - end)
                    self.errors["delay"].append(line["time"] - end)
                    break
        self.others += len(left)

    def figures(self):
        return {
            "recordings": self.words,
            "found": self.hits,
            "other_detections": self.others,
            **{name: spread(values) for name, values in self.errors.items()},
        }


def spread(errors):
    """Median with its sign (the bias), median and 90 % quantile of the size."""
    if not errors:
        return None
    sizes = sorted(map(abs, errors))
    return {
        "bias": round(statistics.median(errors), 3),
        "median": round(statistics.median(sizes), 3),
        "most": round(sizes[min(len(sizes) - 1, int(0.9 * len(sizes)))], 3),
    }


def tables(results):
    lines = []
    for result in results:
        threshold = result["threshold"]
        title = "at the model's thresholds" if threshold is None else f"threshold {threshold}"
        lines += [
            "",
            f"### {title}",
            "",
            "| word | found | of | % | false alarms in speech | start | end | delay |",
            "| --- | --- | --- | --- | --- | --- | --- | --- |",
        ]
        entries = list(result["words"].items())
        for word, entry in entries:
            alarms = result["false_alarms"]["speech"].get(word, 0)
            lines.append(row(word, entry, alarms))
        everything = sum(result["false_alarms"]["speech"].values())
        found = sum(entry["found"] for _, entry in entries)
        of = sum(entry["recordings"] for _, entry in entries)
        lines.append(f"| all | {found} | {of} | {100 * found / max(1, of):.1f} | {everything} | | | |")
        others = sum(entry["other_detections"] for _, entry in entries)
        lines += ["", f"Other detections in the keyword recordings: {others}."]
        for kind in SETS:
            count = sum(result["false_alarms"][kind].values())
            lines.append(f"False alarms in {kind}, {result['hours'][kind]:.2f} h: {count}.")
        if "streams" in result:
            lines += [
                "",
                "| stream | found | of | % | other detections | start | end | delay |",
                "| --- | --- | --- | --- | --- | --- | --- | --- |",
            ]
            for name, entry in result["streams"].items():
                lines.append(row(name, entry, entry["other_detections"]))
    lines += ["", "start, end, delay: seconds, bias (median size, 90 % of sizes below)."]
    return "\n".join(lines).strip()


def row(name, entry, alarms):
    share = 100 * entry["found"] / max(1, entry["recordings"])
    cells = [name, entry["found"], entry["recordings"], f"{share:.1f}", alarms]
    for error in ("start", "end", "delay"):
        value = entry[error]
        text = "" if value is None else f"{value['bias']:+.2f} ({value['median']:.2f}, {value['most']:.2f})"
        cells.append(text)
    return "| " + " | ".join(map(str, cells)) + " |"


if __name__ == "__main__":
    sys.exit(main())
