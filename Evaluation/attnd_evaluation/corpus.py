"""The recordings that streams are made of: manifest.tsv and what it names."""

import csv
from pathlib import Path

import numpy as np
import soundfile

from .mixing import RATE


class EvaluationError(Exception):
    """Something that came from outside is not as it must be: one line, printed once."""


class Corpus:
    """One split of the recordings; rows are dictionaries, in the order of their paths."""

    def __init__(self, folder: Path, split: str):
        self.folder = Path(folder)
        path = self.folder / "manifest.tsv"
        try:
            with open(path, newline="", encoding="utf-8") as file:
                rows = [r for r in csv.DictReader(file, delimiter="\t") if r.get("split") == split]
        except OSError as error:
            raise EvaluationError(f"{path}: {error.strerror}; ATTND_DATA names its folder") from None
        if missing := {"path", "kind", "word", "start", "end"} - set(rows[0] if rows else {}):
            raise EvaluationError(
                f"{path}: no rows of split '{split}' with a column '{min(missing)}'"
            )
        self.rows = sorted(rows, key=lambda row: row["path"])
        self._kept: dict[str, np.ndarray] = {}

    def of_kind(self, *kinds: str) -> list[dict]:
        return [row for row in self.rows if row["kind"] in kinds]

    def words(self) -> dict[str, list[dict]]:
        """The recordings of each keyword, by the phrase in small letters."""
        result: dict[str, list[dict]] = {}
        for row in self.of_kind("keyword"):
            result.setdefault(row["word"].replace("_", " ").lower(), []).append(row)
        return dict(sorted(result.items()))

    def samples(self, row: dict, keep: bool = False) -> np.ndarray:
        """Mono at 16 kHz, full scale 1; kept in memory if asked to."""
        path = row["path"]
        if path in self._kept:
            return self._kept[path]
        try:
            samples, rate = soundfile.read(self.folder / path, dtype="float32", always_2d=True)
        except (OSError, soundfile.SoundFileError) as error:
            raise EvaluationError(f"{self.folder / path}: {error}") from None
        samples = samples.mean(axis=1)
        if rate != RATE:
            from scipy.signal import resample_poly

            samples = resample_poly(samples, RATE, rate).astype(np.float32)
        if keep:
            self._kept[path] = samples
        return samples

    def forget(self) -> None:
        """Lets go of what was kept."""
        self._kept.clear()

    def span(self, row: dict, samples: np.ndarray) -> tuple[int, int]:
        """First sample and end of the word."""
        try:
            start, end = float(row["start"]), float(row["end"])
        except ValueError:
            start = end = 0.0
        if end <= start:
            raise EvaluationError(
                f"{self.folder / 'manifest.tsv'}: {row['path']}: start '{row['start']}', end "
                f"'{row['end']}'; expected where the word lies, in seconds"
            )
        return max(0, int(start * RATE)), min(len(samples), int(end * RATE))
