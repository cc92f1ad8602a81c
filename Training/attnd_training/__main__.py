"""python -m attnd_training STEP six-words.toml, where STEP is features, train or export."""

import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np
import torch

from . import features, model_file
from .configuration import Configuration, RecipeError
from .manifest import read_manifest, training_recordings
from .lessons import Lessons, basis, lesson_recipe, make
from .streams import Composer
from .teacher import Basis, Ear, Teacher
from .thresholds import HeldOut
from .training import Trainer

EAR_RECORDINGS = 60
HERE = Path(__file__).resolve().parent.parent


def main() -> int:
    parser = argparse.ArgumentParser(prog="attnd_training", description=__doc__)
    parser.add_argument("step", choices=["features", "train", "export"])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--work", type=Path, default=HERE / "work")
    parser.add_argument("--out", type=Path, help="the model file that export writes")
    arguments = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("ATTND_TRAINING_THREADS", "1")))
    try:
        data = os.environ.get("ATTND_DATA")
        if not data:
            raise RecipeError("ATTND_DATA is not set: the folder with manifest.tsv")
        run(arguments, Configuration.read(arguments.recipe), Path(data))
    except RecipeError as error:
        print(f"attnd_training: {error}", file=sys.stderr)
        return 1
    return 0


def run(arguments, configuration, data):
    # What the last phase holds out is never trained on, and is what thresholds come from.
    last = configuration.in_phase(len(configuration.phases) - 1)
    manifest = read_manifest(data)
    train, held_out = training_recordings(last, manifest)
    work = arguments.work
    work.mkdir(parents=True, exist_ok=True)
    if arguments.step == "features":
        attnd = Path(os.environ.get("ATTND", HERE.parent / ".build/release/attnd"))
        features.extract(attnd, data, train + held_out, work)
        return
    bank = features.RowBank.build(work, train + held_out)

    def composer(recipe):
        return Composer(recipe, training_recordings(recipe, manifest)[0], bank, data)

    if configuration.lessons:
        hear_lessons(lesson_recipe(configuration), composer, train, bank, data, work)

    def compose(phase):
        own = composer(phase)
        lessons = phase.lessons and Lessons(work / "lessons", phase, own)
        return own, lessons

    judge = HeldOut(configuration, held_out, bank)
    speech = [
        (r.path, np.asarray(bank[r.path]))
        for r in train
        if r.kind in ("speech", "tts-hard-negative")
    ]
    trainer = Trainer(configuration, compose, judge, speech, work)
    if trainer.take_up():
        print("going on from the last checkpoint", file=sys.stderr)
    if arguments.step == "train":
        trainer.run()
        return
    figures = judge.choose(trainer.average)
    (work / "thresholds.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures, indent=1))
    chosen = {name: entry["threshold"] for name, entry in figures["keywords"].items()}
    out = arguments.out or work / f"{configuration.name}.safetensors"
    model_file.write(
        out, trainer.average, configuration, chosen, provenance(configuration, train, figures)
    )
    print(f"wrote {out}", file=sys.stderr)


def hear_lessons(recipe, composer, train, bank, data, work):
    """Has the teacher hear what the recipe's lessons are to be, as far as it hasn't yet."""
    ear = work / "ear.npy"
    if not ear.exists():
        print("the teacher's ear is fitted", file=sys.stderr)
        heard = [r for r in train if r.kind in ("keyword", "speech", "noise")]
        chosen = np.random.default_rng(0).permutation(len(heard))[:EAR_RECORDINGS]
        pairs = [(data / heard[n].path, np.asarray(bank[heard[n].path])) for n in chosen]
        Ear.fitted(pairs).save(ear)
    if not (work / "basis.npz").exists():
        print("the teacher's basis is fitted", file=sys.stderr)
        basis(recipe, composer(recipe), Teacher(Ear.load(ear))).save(work / "basis.npz")
    teacher = Teacher(Ear.load(ear), Basis.load(work / "basis.npz"))
    make(work / "lessons", recipe, composer(recipe), teacher)


def provenance(configuration, train, figures):
    licences = sorted({recording.licence for recording in train})
    missed = sum(entry["missed"] for entry in figures["keywords"].values())
    words = sum(entry["recordings"] for entry in figures["keywords"].values())
    return {
        "data": f"{len(train)} recordings, {sum(r.seconds for r in train) / 3600:.2f} h",
        "recipe": f"Training/{configuration.name}.toml",
        "command": "make train",
        "seed": configuration.seed,
        "licence": "trained on recordings under: " + ", ".join(licences),
        "figures": f"held-out keywords found {words - missed} of {words}, at thresholds with at "
        f"most {figures['allowed']} false alarms a word in {figures['hours']} h of speech",
    }


if __name__ == "__main__":
    sys.exit(main())
