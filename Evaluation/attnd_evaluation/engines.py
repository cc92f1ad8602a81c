"""attnd itself and its peers over the streams: events in, JSON Lines kept, run once.

attnd runs as it is released, `attnd batch`; its candidates give the curves, its events at several
thresholds the stated figures. A peer that tells a score at every step gives its local peaks; one
that only says yes is run at several sensitivities.
"""

import ctypes
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import soundfile

from .corpus import EvaluationError
from .mixing import RATE
from .streams import StreamSet

APART = 0.75  # seconds between two candidates of one word
LOWEST = 0.02  # peaks under it are nothing


# MARK: attnd


class Attnd:
    """`attnd batch` with a model; what it said is kept in a folder, by model and options."""

    def __init__(self, binary: Path, model: Path | None, folder: Path):
        self.binary, self.model, self._folder = binary, model, folder
        folder.mkdir(parents=True, exist_ok=True)

    def batch(self, files: list[Path], *options: str) -> list[str]:
        """Its lines for the files; the same call of the same binary and model is made once."""
        command = [str(self.binary), "batch", *options]
        if self.model:
            command += ["--model", str(self.model)]
        identity = hashlib.sha256(json.dumps([command, self._stamps(files)]).encode()).hexdigest()
        kept = self._folder / f"{identity[:16]}.jsonl"
        if not kept.exists():
            listing = "".join(f"{file}\n" for file in files)
            run = subprocess.run([*command, "-"], input=listing, capture_output=True, text=True)
            if run.returncode != 0:
                last = (run.stderr.strip().splitlines() or ["no word of why"])[-1]
                raise EvaluationError(f"{' '.join(command)}: exit status {run.returncode}: {last}")
            kept.with_suffix(".part").write_text(run.stdout, encoding="utf-8")
            os.replace(kept.with_suffix(".part"), kept)
        return kept.read_text(encoding="utf-8").splitlines()

    def _stamps(self, files: list[Path]) -> list:
        paths = [self.binary, *files, *([self.model] if self.model else [])]
        return [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]

    def candidates(self, streams: StreamSet) -> list[str]:
        return self.batch([streams.folder / file for file in streams.streams], "--candidates")

    def events(self, streams: StreamSet, threshold: float) -> list[str]:
        files = [streams.folder / file for file in streams.streams]
        return self.batch(files, "--threshold", f"{threshold:.6f}")


# MARK: Peers


def local_peaks(times, scores) -> list[tuple[float, float]]:
    """(time, score) of the highest scores, none within `APART` of a higher one."""
    times, scores = np.asarray(times), np.asarray(scores)
    if len(scores) < 3:
        return []
    rising = (scores[1:-1] > scores[:-2]) & (scores[1:-1] >= scores[2:])
    peaks = np.flatnonzero(rising & (scores[1:-1] >= LOWEST)) + 1
    chosen: list[int] = []
    for peak in peaks[np.argsort(-scores[peaks], kind="stable")]:
        if all(abs(times[peak] - times[other]) >= APART for other in chosen):
            chosen.append(peak)
    return [(float(times[n]), float(scores[n])) for n in sorted(chosen)]


class Peer:
    """An engine that hears 16-bit samples; `candidates` gives (word, score, start, end, time)."""

    title = ""
    words: list[str] = []

    def candidates(self, samples: np.ndarray):
        raise NotImplementedError


class Porcupine(Peer):
    """The last release that runs without an account. Says yes or no at a sensitivity."""

    title = "Porcupine 1.9.5"
    words = ["alexa", "computer", "jarvis", "smart mirror", "snowboy", "view glass"]
    sensitivities = [round(0.1 * n, 1) for n in range(11)]

    def candidates(self, samples):
        import pvporcupine

        found: dict[str, list[tuple[float, float]]] = {word: [] for word in self.words}
        for sensitivity in self.sensitivities:
            engine = pvporcupine.create(
                keywords=self.words, sensitivities=[sensitivity] * len(self.words)
            )
            length, heard = engine.frame_length, ctypes.c_int()
            for first in range(0, len(samples) - length + 1, length):
                # Its own `process` turns every frame into a list first.
                frame = ctypes.cast(
                    samples.ctypes.data + 2 * first, ctypes.POINTER(ctypes.c_short)
                )
                engine.process_func(engine._handle, frame, ctypes.byref(heard))
                if heard.value >= 0:
                    word, moment = self.words[heard.value], (first + length) / RATE
                    # Heard at a lower sensitivity already: that one is surer.
                    if not any(abs(moment - other) <= 1.0 for other, _ in found[word]):
                        found[word].append((moment, 1 - sensitivity))
            engine.delete()
        for word, events in found.items():
            for moment, score in sorted(events):
                yield word, score, None, None, moment


class PocketSphinx(Peer):
    """Phone models with a keyphrase search, the words by their pronunciation."""

    title = "PocketSphinx 5.1.1"
    words = Porcupine.words
    threshold = "1e-60"
    pronunciations = {
        "alexa": ["AH L EH K S AH"], "computer": ["K AH M P Y UW T ER"],
        "jarvis": ["JH AA R V AH S", "JH AA R V IH S"], "smart": ["S M AA R T"],
        "mirror": ["M IH R ER"], "snowboy": ["S N OW B OY"], "view": ["V Y UW"],
        "glass": ["G L AE S"],
    }  # fmt: skip

    def candidates(self, samples):
        import pocketsphinx

        with tempfile.TemporaryDirectory(prefix="attnd-evaluation-") as folder:
            dictionary, phrases = Path(folder) / "words.dict", Path(folder) / "phrases"
            dictionary.write_text(
                "".join(
                    f"{word}{'' if n == 0 else f'({n + 1})'} {phones}\n"
                    for word, ways in self.pronunciations.items()
                    for n, phones in enumerate(ways)
                )
            )
            phrases.write_text("".join(f"{word} /{self.threshold}/\n" for word in self.words))
            decoder = pocketsphinx.Decoder(
                hmm=pocketsphinx.get_model_path("en-us/en-us"), dict=str(dictionary),
                kws=str(phrases), lm=None, logfn=os.devnull, loglevel="FATAL",
            )
            for first, last in self._utterances(samples):
                decoder.start_utt()
                decoder.process_raw(samples[first:last].tobytes(), False, False)
                decoder.end_utt()
                at = first / RATE
                for segment in decoder.seg() or ():
                    start, end = at + segment.start_frame / 100, at + (segment.end_frame + 1) / 100
                    yield segment.word.strip(), float(segment.prob or 0), start, end, end + 0.09

    def _utterances(self, samples):
        """Pieces of up to a minute, each ending in the quietest tenth of its last ten seconds."""
        first, tenth = 0, RATE // 10
        while first < len(samples):
            last = min(len(samples), first + 60 * RATE)
            if last < len(samples):
                tail = samples[last - 10 * RATE : last].astype(np.float64)
                quietest = int(np.square(tail).reshape(-1, tenth).sum(axis=1).argmin())
                last += -10 * RATE + quietest * tenth + tenth // 2
            yield first, last
            first = last


class MicroWakeWord(Peer):
    title = "microWakeWord (pymicro-wakeword 2.5.0)"
    words = ["alexa"]

    def candidates(self, samples):
        import pymicro_wakeword
        from pymicro_wakeword.microwakeword import MicroWakeWordFeatures

        model = pymicro_wakeword.MicroWakeWord.from_builtin(pymicro_wakeword.Model.ALEXA)
        front, times, scores, sound = MicroWakeWordFeatures(), [], [], samples.tobytes()
        for first in range(0, len(sound) - 319, 320):
            for row in front.process_streaming(sound[first : first + 320]):
                probability = model.process_streaming_prob(row)
                if not model._features:  # a new probability, not the filling of a stride
                    times.append((first + 320) / 2 / RATE)
                    scores.append(probability)
        for moment, score in local_peaks(times, scores):
            yield "alexa", score, None, None, moment


class OpenWakeWord(Peer):
    title = "openWakeWord (pyopen-wakeword 1.1.0)"
    words = ["alexa"]

    def candidates(self, samples):
        import pyopen_wakeword
        from pyopen_wakeword.openwakeword import OpenWakeWordFeatures

        model = pyopen_wakeword.OpenWakeWord.from_builtin(pyopen_wakeword.Model.ALEXA)
        front, times, scores, sound = OpenWakeWordFeatures.from_builtin(), [], [], samples.tobytes()
        for first in range(0, len(sound), 2560):
            for row in front.process_streaming(sound[first : first + 2560]):
                for probability in model.process_streaming(row):
                    times.append(min(first + 2560, len(sound)) / 2 / RATE)
                    scores.append(probability)
        for moment, score in local_peaks(times, scores):
            yield "alexa", score, None, None, moment


PEERS = {
    "porcupine": Porcupine,
    "pocketsphinx": PocketSphinx,
    "microwakeword": MicroWakeWord,
    "openwakeword": OpenWakeWord,
}


def run_peer(name: str, streams: StreamSet, folder: Path, jobs: int, progress) -> list[str]:
    """A peer's candidates in every stream, as JSON Lines; streams that are done aren't run again.

    Beside them `cpu.json`: processor seconds for each second of sound.
    """
    folder = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    files = list(streams.streams)
    todo = [file for file in files if not (folder / f"{file}.jsonl").exists()]
    with ProcessPoolExecutor(jobs) as pool:
        tasks = [pool.submit(_run_one, name, streams.folder / file, folder) for file in todo]
        for number, task in enumerate(tasks, start=1):
            task.result()
            progress(f"{name}: {number} of {len(todo)} streams")
    lines: list[str] = []
    for file in files:
        lines += (folder / f"{file}.jsonl").read_text(encoding="utf-8").splitlines()
    return lines


def cost(name: str, streams: StreamSet, folder: Path) -> float:
    """Processor seconds for a second of sound."""
    spent = [json.loads((folder / name / f"{f}.cpu").read_text()) for f in streams.streams]
    return sum(spent) / sum(s.seconds for s in streams.streams.values())


def _run_one(name: str, path: Path, folder: Path) -> None:
    samples, _ = soundfile.read(path, dtype="int16")
    began = time.process_time()
    lines = [
        json.dumps(
            {"file": path.name, "keyword": word, "score": score, "start": start, "end": end,
             "time": moment}
        )
        for word, score, start, end, moment in PEERS[name]().candidates(samples)
    ]
    (folder / f"{path.name}.cpu").write_text(json.dumps(time.process_time() - began))
    part = folder / f"{path.name}.part"
    part.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    os.replace(part, folder / f"{path.name}.jsonl")


def report_progress(text: str) -> None:
    """In place of the last line, where stderr is a terminal."""
    if sys.stderr.isatty():
        print(f"\r{text}\x1b[K", end="", file=sys.stderr, flush=True)
