"""The same streams at another level, through a codec, and over eight hours; Picovoice's protocol.

Each is a folder of streams with the truth of those that it was made from, so that it is scored as
they are, at the thresholds that were set on them.
"""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import butter, resample_poly, sosfilt

from .corpus import Corpus, EvaluationError
from .mixing import FRAME, RATE
from .streams import Stream, StreamSet, Word, generator

FULL_SCALE = 0.9999


def _made(folder: Path) -> bool:
    return (folder / "streams.jsonl").exists()


def _finish(folder: Path, streams: list[Stream], words: list[Word]) -> StreamSet:
    for file, lines in (("truth.jsonl", words), ("streams.jsonl", streams)):
        text = "".join(json.dumps(asdict(line)) + "\n" for line in lines)
        (folder / file).write_text(text, encoding="utf-8")
    return StreamSet(folder)


def _truth(streams: StreamSet, files: set[str]) -> list[Word]:
    return [word for group in streams.words.values() for word in group if word.stream in files]


def at_level(streams: StreamSet, peak: float, folder: Path) -> StreamSet:
    """Every stream brought to a peak (dBFS); 16 bits as before."""
    if _made(folder):
        return StreamSet(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for file in streams.streams:
        samples, _ = soundfile.read(streams.folder / file, dtype="float32")
        samples *= 10 ** (peak / 20) * FULL_SCALE / max(float(np.abs(samples).max()), 1e-6)
        soundfile.write(folder / file, samples, RATE, subtype="PCM_16")
    return _finish(folder, list(streams.streams.values()), _truth(streams, set(streams.streams)))


# MARK: Codecs

CODECS = {
    "Opus, as libsndfile writes it": (RATE, "OGG", "OPUS"),
    "GSM 06.10, 8 kHz": (8000, "WAV", "GSM610"),
    "A-law, 8 kHz": (8000, "WAV", "ALAW"),
    "telephone, 300 to 3400 Hz, 8 kHz": (8000, "WAV", "PCM_16"),
}


def recoded(streams: StreamSet, codec: str, folder: Path) -> StreamSet:
    """The clean words and the clean speech through a codec; attnd reads what the codec wrote.

    Files keep their names: what is in them, not the name, tells libsndfile the format.
    """
    if _made(folder):
        return StreamSet(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rate, container, subtype = CODECS[codec]
    chosen = [
        s for s in streams.streams.values()
        if s.condition == "clean" and s.kind in ("positive", "speech")
    ]
    for stream in chosen:
        samples, _ = soundfile.read(streams.folder / stream.file, dtype="float32")
        if rate != RATE:
            samples = resample_poly(samples, rate, RATE)
        if codec.startswith("telephone"):
            band = butter(4, [300, 3400], "bandpass", fs=rate, output="sos")
            samples = sosfilt(band, samples)
        samples = np.clip(samples, -FULL_SCALE, FULL_SCALE)
        soundfile.write(folder / stream.file, samples, rate, format=container, subtype=subtype)
    return _finish(folder, chosen, _truth(streams, {stream.file for stream in chosen}))


# MARK: Eight hours


def eight_hours(streams: StreamSet, folder: Path, hours: int = 8) -> StreamSet:
    """One stream in which the same hour comes again and again: words at 10 dB, then speech at 10 dB.

    The word's name in the truth is followed by the number of the hour.
    """
    if _made(folder):
        return StreamSet(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files = streams.files("positive", "10dB") + streams.files("speech", "10dB")
    words, parts, length = [], [], 0
    for file in files:
        samples, _ = soundfile.read(streams.folder / file, dtype="int16")
        samples = samples[: 3600 * RATE - length]
        for (stream, _), group in streams.words.items():
            if stream == file:
                words += [
                    replace(w, start=w.start + length / RATE, end=w.end + length / RATE)
                    for w in group if w.end + 1.0 < len(samples) / RATE
                ]
        parts.append(samples)
        length += len(samples)
        if length >= 3600 * RATE:
            break
    hour = np.concatenate(parts)
    if len(hour) < 3600 * RATE:
        raise EvaluationError(f"{streams.folder}: less than an hour of streams at 10 dB")
    file = "hours.wav"
    with soundfile.SoundFile(folder / file, "w", RATE, 1, "PCM_16") as out:
        for _ in range(hours):
            out.write(hour)
    truth = [
        replace(w, stream=file, start=w.start + 3600 * n, end=w.end + 3600 * n, condition=str(n + 1))
        for n in range(hours) for w in words
    ]
    return _finish(folder, [Stream(file, "positive", "", "10dB", 3600.0 * hours)], truth)


# MARK: Picovoice's protocol

SPOKEN = 0.2  # share of the background that is speech
RATIO = 10.0  # dB, loudest frame over loudest frame, of each recording and the noise under it


def picovoice(corpus: Corpus, seed: int, folder: Path, hours: int = 10) -> StreamSet:
    """As wake-word-benchmark's mixer makes its streams, in one stream for all words.

    Between words lies background, a fifth of it speech and the rest silence; noise lies under
    everything, each clip with its peak at full scale; each recording, of a word or of speech, is
    brought to 10 dB over the noise under it. A word counts from its recording's start to half a
    second after its end.
    """
    if _made(folder):
        return StreamSet(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rng = generator(seed, "picovoice")
    recordings = [(word, row) for word, rows in corpus.words().items() for row in rows]
    order = rng.permutation(len(recordings))
    speech = corpus.of_kind("speech")
    parts: list[tuple[np.ndarray, str, dict | None]] = []
    between = hours * 3600 * RATE // (len(recordings) + 1)

    def background():
        length = 0
        while length < between:
            samples = corpus.samples(speech[rng.integers(len(speech))], keep=True)
            spoken = rng.uniform() < SPOKEN
            parts.append((samples if spoken else np.zeros_like(samples), "", None))
            length += len(samples)

    background()
    for index in order:
        word, row = recordings[index]
        parts.append((corpus.samples(row), word, row))
        background()
    length = sum(len(samples) for samples, _, _ in parts)
    noise, at = np.zeros(length, np.float32), 0
    rows = corpus.of_kind("noise")
    while at < length:
        samples = corpus.samples(rows[rng.integers(len(rows))], keep=True)
        take = min(len(samples), length - at)
        noise[at : at + take] = samples[:take] / max(float(np.abs(samples).max()), 1e-6)
        at += take
    words, at = [], 0
    file = "picovoice.wav"
    for samples, word, row in parts:
        last = at + len(samples)
        if (power := _most_energy(samples)) > 0:
            gain = np.sqrt(_most_energy(noise[at:last]) * 10 ** (RATIO / 10) / power)
            noise[at:last] += np.float32(gain) * samples
        if row is not None:
            # Half a second, where our own streams have one: the end is told earlier by that much.
            words.append(
                Word(file, "10dB", word, at / RATE, last / RATE - 0.5, row["path"], row["speaker"])
            )
        at = last
    noise *= FULL_SCALE / max(float(np.abs(noise).max()), 1e-6)
    soundfile.write(folder / file, noise, RATE, subtype="PCM_16")
    corpus.forget()
    # Its false alarms are counted in the stream that holds the words.
    return _finish(folder, [Stream(file, "positive", "", "10dB", round(length / RATE, 3))], words)


def _most_energy(samples: np.ndarray) -> float:
    """Of the frames side by side, as its mixer measures; a recording shorter than one has none."""
    count = len(samples) // FRAME
    if not count:
        return 0.0
    frames = samples[: count * FRAME].reshape(count, FRAME).astype(np.float64)
    return float((frames**2).sum(axis=1).max())
