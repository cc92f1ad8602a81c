"""The streams: words in a drawn order with speech between them, speech alone, near words, noise.

    pos-WORD-CONDITION      a word's recordings, 3 to 8 s of background between them
    neg-speech-NN-*         all speech, clip after clip: what false alarms an hour are counted in
    neg-hard-NN-*           synthetic words that sound alike, halves of words
    neg-noise-NN            noise and music alone

Everything is drawn from the seed, each purpose from numbers of its own; conditions differ in the
noise's gain alone. README.md has the definitions.
"""

import json
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile

from .corpus import Corpus, EvaluationError
from .mixing import (
    FRAME, RATE, Timeline, active_rms, drawn_level, faded, noise_bed, noise_gains,
)

CONDITIONS = ("clean", "20dB", "10dB", "5dB", "0dB")
BACKGROUNDS = ("clean", "10dB")  # conditions of the negative streams
FLOOR = 10 ** (-80.0 / 20)  # amplitude of the white noise under everything
BEFORE, AFTER = 0.2, 0.3  # seconds of its recording that a word keeps around it
NEGATIVE_MINUTES = 20


@dataclass(frozen=True)
class Stream:
    file: str
    kind: str  # positive, speech, hard-negative, noise
    word: str
    condition: str
    seconds: float


@dataclass(frozen=True)
class Word:
    """A word of the truth; times in seconds."""

    stream: str
    condition: str
    word: str
    start: float
    end: float
    recording: str
    speaker: str


def generator(seed: int, *purpose) -> np.random.Generator:
    """Random numbers of one purpose, whatever was drawn for others."""
    return np.random.default_rng([seed] + [zlib.crc32(str(part).encode()) for part in purpose])


class StreamBuilder:
    """Writes the streams into a folder, and beside them what they hold.

    streams.jsonl, truth.jsonl; segments.jsonl and noises.jsonl trace an error to its recording.
    """

    def __init__(self, corpus: Corpus, seed: int, folder: Path):
        self._corpus, self._seed, self._folder = corpus, seed, Path(folder)
        self._streams: list[Stream] = []
        self._truth: list[Word] = []
        self._segments: list[dict] = []
        self._noises: list[dict] = []
        self._speech = corpus.of_kind("speech")
        self._noise = corpus.of_kind("noise")
        if not self._noise:
            raise EvaluationError(f"{corpus.folder}: no recordings of noise in this split")

    def build(self, progress=lambda text: None) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        for word, recordings in self._corpus.words().items():
            progress(f"streams: {word}")
            timeline, spans = self._spoken(word, recordings)
            name = "pos-" + "_".join(word.split())
            for stream in self._mixed(timeline, word, CONDITIONS, name, "positive", word):
                self._truth += [
                    Word(stream.file, stream.condition, word, start, end, row["path"],
                         row.get("speaker", ""))
                    for row, start, end in spans
                ]
        for kind, label, recordings, pause in (
            ("speech", "speech", self._speech, (0.15, 0.6)),
            ("hard-negative", "hard", self._corpus.of_kind("tts-hard-negative"), (0.8, 1.6)),
        ):
            progress(f"streams: {kind}")
            for number, timeline in enumerate(self._chained(recordings, label, pause)):
                name = f"neg-{label}-{number:02d}"
                self._mixed(timeline, f"{label}{number}", BACKGROUNDS, name, kind, "")
                self._corpus.forget()
        noise = self._corpus.of_kind("noise", "music")
        for number, timeline in enumerate(self._chained(noise, "noise", (0.1, 0.3))):
            self._write(f"neg-noise-{number:02d}", "noise", "", "noise", timeline.samples(), timeline)
        self._corpus.forget()
        for file, lines in (
            ("truth.jsonl", map(asdict, self._truth)),
            ("segments.jsonl", self._segments),
            ("noises.jsonl", self._noises),
            ("streams.jsonl", map(asdict, self._streams)),  # the last one: the folder is complete
        ):
            text = "".join(json.dumps(line) + "\n" for line in lines)
            (self._folder / file).write_text(text, encoding="utf-8")

    # MARK: What is said

    def _spoken(self, word: str, recordings: list[dict]):
        """A word's recordings with background between: the timeline, (recording, start, end)."""
        rng = generator(self._seed, "positive", word)
        timeline, spans = Timeline(), []
        for index in rng.permutation(len(recordings)):
            row = recordings[index]
            self._background(timeline, rng, rng.uniform(3.0, 8.0))
            samples = self._corpus.samples(row)
            start, end = self._corpus.span(row, samples)
            first = max(0, start - int(BEFORE * RATE))
            last = min(len(samples), end + int(AFTER * RATE))
            gain = drawn_level(rng) / max(active_rms(samples[start:end]), 1e-6)
            at = timeline.place(faded(samples[first:last] * gain, 0.05), row["path"]) - first
            timeline.anchors.append((at + start, at + end))
            spans.append((row, round((at + start) / RATE, 4), round((at + end) / RATE, 4)))
        self._background(timeline, rng, rng.uniform(3.0, 8.0))
        return timeline, spans

    def _background(self, timeline: Timeline, rng, seconds: float) -> None:
        """Between two words: in 7 of 10 cases silence, speech, silence; else silence."""
        before, after = rng.uniform(0.3, 1.2), rng.uniform(0.2, 0.8)
        if not self._speech or rng.uniform() >= 0.7:
            timeline.silence(seconds)
            return
        timeline.silence(before)
        left = int((seconds - before - after) * RATE)
        while left > 0:
            row = self._speech[rng.integers(len(self._speech))]
            samples = self._corpus.samples(row, keep=True)
            gain = drawn_level(rng) / max(active_rms(samples), 1e-6)
            first = int(rng.integers(0, max(1, len(samples) - left)))
            samples = samples[first : first + left]
            timeline.place(faded(samples * gain, 0.02), row["path"])
            left -= len(samples)
            if (pause := min(left, RATE // 4)) > 0:
                timeline.silence(pause / RATE)
                left -= pause
        timeline.silence(after)

    def _chained(self, recordings: list[dict], label: str, pause: tuple) -> list[Timeline]:
        """All recordings in a drawn order, cut into streams of some 20 minutes."""
        rng = generator(self._seed, "negative", label)
        timelines = [Timeline()]
        for index in rng.permutation(len(recordings)):
            samples = self._corpus.samples(recordings[index])
            if len(samples) < FRAME or active_rms(samples) < 1e-6:
                continue
            gain = drawn_level(rng) / active_rms(samples)
            timelines[-1].silence(rng.uniform(*pause))
            first = timelines[-1].place(faded(samples * gain, 0.01), recordings[index]["path"])
            timelines[-1].anchors.append((first, timelines[-1].length))
            if timelines[-1].length >= NEGATIVE_MINUTES * 60 * RATE:
                timelines.append(Timeline())
        timelines = [timeline for timeline in timelines if timeline.length]
        for timeline in timelines:
            timeline.silence(1.5)
        return timelines

    # MARK: What lies behind

    def _mixed(self, timeline, purpose, conditions, name, kind, word) -> list[Stream]:
        """The timeline in each condition, over the same noise."""
        spoken = timeline.samples()
        noise, laid = noise_bed(
            self._corpus, self._noise, len(spoken), generator(self._seed, "noise", purpose)
        )
        gains, _ = noise_gains(timeline, spoken, noise)
        noise *= 10 ** (gains / 20)
        streams = []
        for condition in conditions:
            samples = spoken
            if condition != "clean":
                ratio = float(condition.removesuffix("dB"))
                samples = spoken + noise * np.float32(10 ** (-ratio / 20))
                self._noises += [
                    {"stream": f"{name}-{condition}.wav", "start": round(first / RATE, 3),
                     "end": round(end / RATE, 3), "noise": path}
                    for first, end, path in laid
                ]
            streams.append(
                self._write(f"{name}-{condition}", kind, word, condition, samples, timeline)
            )
        return streams

    def _write(self, name, kind, word, condition, samples, timeline) -> Stream:
        stream = Stream(f"{name}.wav", kind, word, condition, round(len(samples) / RATE, 3))
        floor = generator(self._seed, "floor", name).standard_normal(len(samples))
        samples = np.clip(samples + floor.astype(np.float32) * FLOOR, -0.9999, 0.9999)
        soundfile.write(self._folder / stream.file, samples, RATE, subtype="PCM_16")
        self._streams.append(stream)
        self._segments += [
            {"stream": stream.file, "start": round(first / RATE, 3), "end": round(end / RATE, 3),
             "recording": path}
            for first, end, path in timeline.placed
        ]
        return stream


class StreamSet:
    """A folder of streams that is complete, and its truth."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        self.streams = {s["file"]: _as(Stream, s) for s in read_lines(self.folder / "streams.jsonl")}
        self.words: dict[tuple[str, str], list[Word]] = {}  # by (stream, word), in order of time
        for line in read_lines(self.folder / "truth.jsonl"):
            word = _as(Word, line)
            self.words.setdefault((word.stream, word.word), []).append(word)
        for entry in self.words.values():
            entry.sort(key=lambda word: (word.start, word.end))
        self.names = sorted({word for _, word in self.words})

    def files(self, kind: str, condition: str | None = None) -> list[str]:
        return [
            s.file for s in self.streams.values()
            if s.kind == kind and condition in (None, s.condition)
        ]

    def hours(self, files: list[str]) -> float:
        return sum(self.streams[file].seconds for file in files) / 3600

    def segments(self) -> list[dict]:
        return read_lines(self.folder / "segments.jsonl")


def read_lines(path: Path) -> list[dict]:
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise EvaluationError(f"{path}: {error}") from None


def _as(kind, line: dict):
    """A dataclass from a line that may hold more."""
    return kind(**{name: line[name] for name in kind.__dataclass_fields__})
