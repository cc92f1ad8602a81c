"""A model for one's own word, from folders of recordings: python -m attnd_training.own_word --help.

The heads of a finished model are trained anew, for one word; what it has learned of hearing speech
stays as it is. So a few voices go a long way, and minutes are enough.
"""

import argparse
import json
import os
import re
import sys
import tomllib
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from . import features, model_file
from .configuration import Configuration, RecipeError
from .manifest import Recording
from .streams import Composer
from .surroundings import made_noises
from .thresholds import HeldOut
from .training import Trainer

HERE = Path(__file__).resolve().parent.parent
SOUND = {".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64", ".rf64"}
FEWEST = 3  # recordings of a word that anything can be learned from
LEAST_SPEECH = 60  # seconds without the word


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="attnd_training.own_word", description="Trains a model for one word of your own."
    )
    parser.add_argument("--word", required=True, help="what one says, for example 'hey lighthouse'")
    parser.add_argument(
        "--positives", type=Path, required=True,
        help="folder of recordings, each holding the word once; a folder in it for each voice",
    )
    parser.add_argument(
        "--negatives", type=Path, required=True,
        help="folder of speech that never holds the word, at least two files, an hour or more",
    )
    parser.add_argument("--noise", type=Path, help="folder of noise and music; else it is made")
    parser.add_argument("--recipe", type=Path, default=HERE / "own-word.toml")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", type=Path, help="work folder (Training/work/own/WORD)")
    parser.add_argument("--out", type=Path, help="the model file (WORD.safetensors in the work folder)")
    arguments = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("ATTND_TRAINING_THREADS", "1")))
    try:
        run(arguments)
    except RecipeError as error:
        print(f"attnd_training: {error}", file=sys.stderr)
        return 1
    return 0


def run(arguments) -> None:
    name = keyword_name(arguments.word)
    work = arguments.work or HERE / "work/own" / name
    configuration = recipe(arguments.recipe, arguments.word, arguments.seed)
    folders = {"keyword": arguments.positives, "speech": arguments.negatives}
    if arguments.noise:
        folders["noise"] = arguments.noise
    recordings = [r for kind in folders for r in listed(kind, folders[kind], name)]
    data = gathered(folders, work)
    if not arguments.noise:
        recordings += made_noises(data / "made-noise")
    attnd = Path(os.environ.get("ATTND", HERE.parent / ".build/release/attnd"))
    features.extract(attnd, data, recordings, work)
    bank = features.RowBank.build(work, recordings)
    recordings = [measured(recording, bank, configuration) for recording in recordings]
    check(recordings, folders)
    train, held_out = parted(recordings, configuration.recordings)
    forget_if_changed(work, configuration, train)
    composer = Composer(configuration, train, bank, data)
    judge = HeldOut(configuration, held_out, bank)
    speech = [(r.path, np.asarray(bank[r.path])) for r in train if r.kind == "speech"]
    trainer = Trainer(configuration, lambda phase: (composer, None), judge, speech, work)
    trainer.take_up()
    trainer.run()
    figures = judge.choose(trainer.average)
    out = arguments.out or work / f"{name}.safetensors"
    thresholds = {name: figures["keywords"][name]["threshold"]}
    about = provenance(arguments, configuration, train, figures)
    model_file.write(out, trainer.average, configuration, thresholds, about)
    print(about["figures"], file=sys.stderr)
    print(f"wrote {out}", file=sys.stderr)


def recipe(path: Path, word: str, seed: int) -> Configuration:
    """own-word.toml together with what the model it begins with says of itself."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        model = path.parent / document["start"]["model"]
        start, _ = model_file.read(model)
    except (OSError, tomllib.TOMLDecodeError, KeyError) as error:
        raise RecipeError(f"recipe {path}: {error!r}") from None
    name = keyword_name(word)
    document["start"]["model"] = str(model)
    architecture = start["architecture"]
    if architecture["attention"]["keyword_heads"]:
        architecture["attention"]["heads"] = 1
    return Configuration(
        name=name,
        seed=seed,
        keywords=[{"name": name, "phrase": word}],
        front_end=start["front_end"],
        architecture=architecture,
        detector=start["detector"],
        reset=start["reset"],
        **document,
    )


def keyword_name(word: str) -> str:
    """What a model calls a word: small letters and digits, joined by underscores."""
    name = "_".join(re.findall(r"\w+", word.lower()))
    if not name:
        raise RecipeError(f"word '{word}': no letters in it; expected what one says, as one writes it")
    return name


# MARK: Recordings


def listed(kind: str, folder: Path, name: str) -> list[Recording]:
    """The sound files under a folder; a voice is a folder in it, or else a file."""
    if not folder.is_dir():
        raise RecipeError(f"{folder}: not a folder; expected recordings ({kind})")
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in SOUND and p.is_file()):
        place = path.relative_to(folder)
        if "\n" in str(place):
            raise RecipeError(f"{folder}: {str(place)!r} has a line break in its name; rename it")
        voice = place.parts[0] if len(place.parts) > 1 else place.stem
        found.append(
            Recording(
                path=f"{kind}/{place}", split="train", kind=kind,
                word=name if kind == "keyword" else "", speaker=voice, seconds=0, start=0, end=0,
                source=str(folder), licence="your own",
            )
        )
    stems = [Path(r.path).with_suffix("") for r in found]
    if twice := sorted({str(s) for s in stems if stems.count(s) > 1})[:1]:
        raise RecipeError(f"{folder}: two files are named {twice[0]}, apart from the ending; rename one")
    if not found:
        raise RecipeError(f"{folder}: no sound files in it; expected {', '.join(sorted(SOUND))}")
    return found


def gathered(folders: dict[str, Path], work: Path) -> Path:
    """One folder with a link to each of them, since rows are kept under a recording's path."""
    data = work / "recordings"
    data.mkdir(parents=True, exist_ok=True)
    for kind, folder in folders.items():
        link = data / kind
        if link.is_symlink():
            link.unlink()
        link.symlink_to(folder.resolve(), target_is_directory=True)
    return data


def measured(recording: Recording, bank, configuration: Configuration) -> Recording:
    """How long a recording is and, of the word, where it lies."""
    rows = bank[recording.path]
    half = configuration.front_end["frame_length"] / 2 / configuration.front_end["sample_rate"]
    seconds = len(rows) * configuration.row_seconds
    if recording.kind != "keyword":
        return replace(recording, seconds=seconds)
    first, last = loudest_run(rows)
    start, end = (row * configuration.row_seconds + half for row in (first, last))
    return replace(recording, seconds=seconds, start=start, end=end)


def loudest_run(rows: np.ndarray) -> tuple[int, int]:
    """First and last row of what is said, where one thing is said and the rest is quieter.

    The run of rows, with holes of up to 0.2 s, that holds most energy: within 30 dB of the loudest
    row and nearer to it than to the quiet tenth.
    """
    if not len(rows):
        return 0, 0
    energy = np.convolve(rows.sum(axis=1), np.ones(3) / 3)[1:-1]
    level = 10 * np.log10(energy + 1e-3)
    quiet, peak = np.percentile(level, 10), level.max()
    loud = np.flatnonzero(level >= max(peak - 30, quiet + 0.3 * (peak - quiet)))
    cuts = np.flatnonzero(np.diff(loud) > 20)
    firsts, lasts = np.r_[loud[0], loud[cuts + 1]], np.r_[loud[cuts], loud[-1]]
    best = max(zip(firsts, lasts), key=lambda run: energy[run[0] : run[1] + 1].sum())
    return int(best[0]), int(best[1])


def check(recordings: list[Recording], folders: dict[str, Path]) -> None:
    """What would train a bad model is said now; what can't train any is refused."""
    words = [r for r in recordings if r.kind == "keyword"]
    speech = [r for r in recordings if r.kind == "speech"]
    odd = [r for r in words if not 0.15 <= r.end - r.start <= 2.5]
    if len(words) - len(odd) < FEWEST:
        raise RecipeError(
            f"{folders['keyword']}: {len(words) - len(odd)} recordings hold something said of 0.15 "
            f"to 2.5 s with quiet round it; expected at least {FEWEST}, each holding the word once"
        )
    for recording in odd:
        print(
            f"left out: {recording.path}: what is loud in it lasts {recording.end - recording.start:.2f} s, "
            "expected one word, 0.15 to 2.5 s",
            file=sys.stderr,
        )
        recordings.remove(recording)
    total = sum(r.seconds for r in speech)
    if len(speech) < 2 or total < LEAST_SPEECH:
        raise RecipeError(
            f"{folders['speech']}: {len(speech)} files, {total:.0f} s; expected at least 2 files and "
            f"{LEAST_SPEECH} s of speech without the word, better an hour of many voices"
        )
    voices = len({r.speaker for r in words})
    print(
        f"{len(words) - len(odd)} recordings of the word by {voices} voices, "
        f"{total / 3600:.2f} h of speech without it",
        file=sys.stderr,
    )


def parted(recordings: list[Recording], rules: dict) -> tuple[list, list]:
    """(What is trained on, what is held out): whole voices of the word, whole files of speech.

    In the order of a hash, so that another recording moves few others.
    """
    def spared(entries, key, share, amount):
        order = sorted({key(r) for r in entries}, key=lambda k: zlib.crc32(k.encode()))
        total, so_far, chosen = sum(map(amount, entries)), 0, set()
        for name in order[: len(order) - 1]:
            if so_far >= share * total:
                break
            chosen.add(name)
            so_far += sum(amount(r) for r in entries if key(r) == name)
        return {r.path for r in entries if key(r) in chosen}

    words = [r for r in recordings if r.kind == "keyword"]
    speech = [r for r in recordings if r.kind == "speech"]
    held = spared(speech, lambda r: r.path, rules["held_out_share"], lambda r: r.seconds)
    if len({r.speaker for r in words}) >= rules["least_to_hold_out"]:
        held |= spared(words, lambda r: r.speaker, rules["held_out_share"], lambda r: 1)
    return [r for r in recordings if r.path not in held], [r for r in recordings if r.path in held]


def forget_if_changed(work: Path, configuration: Configuration, train: list[Recording]) -> None:
    """A checkpoint of other recordings, or of another recipe, isn't gone on from."""
    path = work / "trained-on.json"
    now = json.dumps([vars(configuration), [vars(r) for r in train]])
    if not (path.exists() and path.read_text() == now):
        (work / "checkpoint.pt").unlink(missing_ok=True)
        (work / "log.jsonl").unlink(missing_ok=True)
        path.write_text(now)


def provenance(arguments, configuration, train, figures) -> dict:
    own = figures["keywords"][configuration.name]
    words = [r for r in train if r.kind == "keyword"]
    hours = sum(r.seconds for r in train if r.kind == "speech") / 3600
    held = "of none held out: too few voices"
    if own["recordings"]:
        held = f"held-out recordings found: {own['recordings'] - own['missed']} of {own['recordings']}"
    return {
        "data": f"{len(words)} recordings of '{arguments.word}' by {len({r.speaker for r in words})} "
        f"voices, {hours:.2f} h of other speech",
        "recipe": f"Training/{arguments.recipe.name}",
        "command": f"make train WORD='{arguments.word}'",
        "seed": configuration.seed,
        "licence": "that of the recordings, and of the model it began with",
        "figures": f"{held}; false alarms in {figures['hours']:.2f} h of held-out speech and its "
        f"altered copies: {own['false_alarms']}",
    }


if __name__ == "__main__":
    sys.exit(main())
