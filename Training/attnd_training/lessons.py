"""Sessions with what the teacher says of them, made once and heard in many surroundings.

A lesson is a session before noise, microphone and floor are put round it. The teacher hears it like
that; the student hears it with all of that, another each time, and learns to say the same. So the
teacher, which costs several times what the student does, listens once.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from .configuration import Configuration, RecipeError
from .progress import end, show
from .streams import Composer, Session, Truth, decibels
from .teacher import HOP, SIZE, Basis, Teacher

LEVEL = -26.0  # dBFS at which lessons are kept
FLOOR = -75.0  # dBFS of the floor under what the teacher hears
LEAST = 1e-3  # energy that is kept for nothing
BLOCK = 4  # lessons that the teacher hears at once


class Lessons:
    """The lessons of a work folder; `with_truth` draws one and puts it into a place."""

    def __init__(self, folder: Path, configuration: Configuration, composer: Composer):
        self._configuration, self.composer = configuration, composer
        count = configuration.lessons["sessions"]
        self._words = _words(folder)
        if len(self._words) < count:
            raise RecipeError(f"{folder}: {len(self._words)} lessons, expected {count}")
        self._rows = np.load(folder / "rows.npy", mmap_mode="r")
        self._embeddings = np.load(folder / "embeddings.npy", mmap_mode="r")
        # A step says what the teacher said of a row that has passed by then: the student hears what
        # comes after a sound only with time.
        steps = np.arange(configuration.streams["session_rows"] // configuration.rows_per_step)
        self._place = (configuration.last_row(steps) - configuration.lessons["delay"]) / HOP

    def with_truth(self, stream: int, number: int) -> tuple[Session, Truth]:
        settings = self._configuration.streams
        # The third number keeps these draws apart from those of composed sessions.
        rng = np.random.default_rng([self._configuration.seed, stream, number, 1])
        which = int(rng.integers(self._configuration.lessons["sessions"]))
        rows = np.exp(self._rows[which].astype(np.float32))
        rows[rows < 2 * LEAST] = 0
        level = rng.uniform(*settings["level"])
        rows *= decibels(level - LEVEL)
        if rng.random() < 0.6:
            rows = self.composer.coloured(rng, rows)
        restarts = number == 0 or rng.random() < settings["restart"]
        session = Session(rows, restarts, self._words[which])
        self.composer.surround(rng, rows, level)
        truth = self.composer.truth(session)
        said, place = self._embeddings[which].astype(np.float32), np.maximum(self._place, 0)
        before = place.astype(int)
        after = np.minimum(before + 1, len(said) - 1)
        part = (place - before).astype(np.float32)[:, None]
        truth.embedding = said[before] * (1 - part) + said[after] * part
        truth.taught = self._place >= 0
        return session, truth


def make(
    folder: Path, configuration: Configuration, composer: Composer, teacher: Teacher
) -> None:
    """Composes the recipe's lessons and has the teacher hear them; goes on where it was."""
    folder.mkdir(parents=True, exist_ok=True)
    count, length = configuration.lessons["sessions"], configuration.streams["session_rows"]
    bins = configuration.front_end["bins"]
    rows = _array(folder / "rows.npy", (count, length, bins))
    embeddings = _array(folder / "embeddings.npy", (count, length // HOP, SIZE))
    floor = composer.floor(0, length) * decibels(FLOOR)
    finished = _words(folder)
    with open(folder / "words.jsonl", "w", encoding="utf-8") as file:
        file.writelines(json.dumps(words) + "\n" for words in finished)
        file.flush()
        for first in range(len(finished), count, BLOCK):
            numbers = range(first, min(count, first + BLOCK))
            sessions = []
            for number in numbers:
                rng = np.random.default_rng([configuration.seed, number, 0, 2])
                sessions.append(composer.spoken(rng, LEVEL))
            dry = np.stack([session.rows for session in sessions])
            embeddings[first : first + len(dry)] = teacher.embeddings(dry + floor)
            rows[first : first + len(dry)] = np.log(dry + LEAST)
            for session in sessions:
                words = [[int(word), *map(float, span)] for word, *span in session.words]
                print(json.dumps(words), file=file)
            file.flush()
            show(f"lessons: {first + len(dry)} of {count}")
    end()


def basis(configuration: Configuration, composer: Composer, teacher: Teacher) -> Basis:
    """What the teacher answers in, from sessions that no lesson is made of."""
    sessions = []
    for number in range(configuration.lessons["basis_sessions"]):
        rng = np.random.default_rng([configuration.seed, number, 0, 3])
        sessions.append(composer.spoken(rng, LEVEL).rows)
    floor = composer.floor(0, configuration.streams["session_rows"]) * decibels(FLOOR)
    return Basis.fitted(teacher, [rows + floor for rows in sessions])


def lesson_recipe(configuration: Configuration) -> Configuration:
    """The recipe while lessons are composed: its own shares and rooms."""
    own = configuration.lessons.get("streams", {})
    return replace(configuration, streams={**configuration.streams, **own})


def _array(path: Path, shape: tuple) -> np.ndarray:
    """A file of half precision numbers, mapped; made anew where it has another shape."""
    if path.exists():
        array = np.load(path, mmap_mode="r+")
        if array.shape == shape:
            return array
        raise RecipeError(f"{path}: shape {array.shape}, expected {shape}; delete its folder")
    return np.lib.format.open_memmap(path, "w+", np.float16, shape)


def _words(folder: Path) -> list[list[tuple[int, float, float]]]:
    """The words of every lesson that is finished; half a line is none."""
    path = folder / "words.jsonl"
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [
        [tuple(word) for word in json.loads(line)] for line in lines if line.endswith("\n")
    ]
