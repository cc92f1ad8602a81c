"""manifest.tsv: what there is, what is left out, and what is held out for the thresholds."""

import csv
import zlib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from .configuration import Configuration, RecipeError

# Noise that attnd's rows are needed for, made here and not in the manifest.
FLOOR_PATH = "made/white-noise.wav"
FLOOR_DBFS = -40.0


@dataclass(frozen=True)
class Recording:
    path: str
    split: str
    kind: str
    word: str  # the keyword's name, with underscores; empty where there is none
    speaker: str
    seconds: float
    start: float
    end: float
    source: str
    licence: str

    @property
    def voice(self) -> str:
        """The person behind an altered copy: kw025-w1 is kw025."""
        return self.speaker.split("-w")[0] if self.speaker.startswith("kw") else self.speaker

    @property
    def group(self) -> str:
        """Where a keyword comes from, in the words of `streams.keyword_sources`."""
        if self.kind == "keyword":
            return "recorded"
        if self.source.startswith("train/keyword/"):
            return "world"
        if self.source.startswith("Kokoro"):
            return "kokoro"
        if self.source.startswith(("espeak", "flite")):
            return "formant"
        return "other"


def read_manifest(folder: Path) -> list[Recording]:
    path = Path(folder) / "manifest.tsv"
    recordings = []
    try:
        with open(path, newline="", encoding="utf-8") as file:
            for line, row in enumerate(csv.DictReader(file, delimiter="\t"), start=2):
                try:
                    recordings.append(
                        Recording(
                            path=row["path"],
                            split=row["split"],
                            kind=row["kind"],
                            word=(row["word"] or "").replace(" ", "_"),
                            speaker=row["speaker"] or "",
                            seconds=float(row["seconds"]),
                            start=float(row["start"] or 0),
                            end=float(row["end"] or 0),
                            source=row["source"] or "",
                            licence=row["licence"],
                        )
                    )
                except (KeyError, TypeError, ValueError) as error:
                    raise RecipeError(f"{path}: line {line}: {error!r}") from None
    except OSError as error:
        raise RecipeError(f"{path}: {error.strerror}; ATTND_DATA names its folder") from None
    return recordings


def training_recordings(
    configuration: Configuration, recordings: list[Recording]
) -> tuple[list[Recording], list[Recording]]:
    """The train split without excluded licences: (what is trained on, what is held out)."""
    rules = configuration.recordings
    train, held_out = [], []
    for recording in recordings:
        if recording.split != "train":
            continue
        if any(fnmatchcase(recording.licence, pattern) for pattern in rules["exclude_licences"]):
            continue
        (held_out if _is_held_out(rules, recording) else train).append(recording)
    return train, held_out


def _is_held_out(rules, recording) -> bool:
    if recording.kind in ("keyword", "tts-keyword"):
        return recording.voice in rules["held_out_keyword_speakers"]
    if recording.kind == "speech":
        # By speaker, so that no held-out voice is heard in training. A hash, not a draw: adding
        # recordings to the manifest moves no other speaker.
        folder = recording.path.split("/")[2]
        share = zlib.crc32(f"{folder}/{recording.speaker}".encode()) / 2**32
        return share < rules["held_out_speech_share"]
    return False
