"""Levels and noise: how clips become one long recording."""

from dataclasses import dataclass, field

import numpy as np

RATE = 16000
FRAME = 512  # samples, 32 ms: the frame whose power a ratio of signal to noise is about
HOP = FRAME // 4
LEVELS = (-34.0, -22.0)  # dBFS, active RMS of a word or a clip of speech
LEAST_POWER = 1e-12
MOST_BOOST = 15.0  # dB that a lull of the noise may be raised over its mean
CROSS_FADE = RATE // 4


def frame_powers(samples: np.ndarray) -> np.ndarray:
    """Mean power of each frame; one frame, filled up with zeros, where there is less than one."""
    samples = np.asarray(samples, np.float64)
    if len(samples) < FRAME:
        samples = np.pad(samples, (0, FRAME - len(samples)))
    sums = np.concatenate(([0.0], np.cumsum(samples * samples)))
    first = np.arange(0, len(samples) - FRAME + 1, HOP)
    return (sums[first + FRAME] - sums[first]) / FRAME


def peak_decibels(samples: np.ndarray) -> float:
    return 10 * np.log10(max(float(frame_powers(samples).max()), LEAST_POWER))


def active_rms(samples: np.ndarray) -> float:
    """RMS of the frames within 30 dB of the loudest."""
    powers = frame_powers(samples)
    return float(np.sqrt(powers[powers >= powers.max() * 1e-3].mean()))


def rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0


def ramp(count: int) -> np.ndarray:
    """From 0 to 1, a quarter of a cosine's square."""
    return 0.5 - 0.5 * np.cos(np.pi * (np.arange(count) + 0.5) / count)


def faded(samples: np.ndarray, seconds: float) -> np.ndarray:
    """A copy with both ends faded."""
    count = min(int(seconds * RATE), len(samples) // 2)
    samples = samples.copy()
    if count:
        samples[:count] *= ramp(count)
        samples[-count:] *= ramp(count)[::-1]
    return samples


def drawn_level(rng) -> float:
    """A word's or a clip's own level, as an amplitude."""
    return 10 ** (rng.uniform(*LEVELS) / 20)


@dataclass
class Timeline:
    """What lies where in a stream that is being put together."""

    parts: list = field(default_factory=list)
    length: int = 0  # samples
    placed: list = field(default_factory=list)  # (first sample, end, recording's path)
    anchors: list = field(default_factory=list)  # (first, end): what the noise is measured against

    def silence(self, seconds: float) -> None:
        self.parts.append(np.zeros(int(seconds * RATE), np.float32))
        self.length += len(self.parts[-1])

    def place(self, samples: np.ndarray, path: str) -> int:
        """Puts a recording at the end; the sample where it begins."""
        first = self.length
        self.parts.append(samples.astype(np.float32))
        self.length += len(samples)
        self.placed.append((first, self.length, path))
        return first

    def samples(self) -> np.ndarray:
        return np.concatenate(self.parts) if self.parts else np.zeros(0, np.float32)


def noise_bed(corpus, recordings: list, length: int, rng) -> tuple[np.ndarray, list]:
    """Noise clips of 8 to 30 s, each of RMS 1, cross-faded; and (first, end, path) of each."""
    bed, laid, at = np.zeros(length, np.float32), [], 0
    fade = np.sin(0.5 * np.pi * (np.arange(CROSS_FADE) + 0.5) / CROSS_FADE).astype(np.float32)
    unusable = 0
    while at < length:
        recording = recordings[rng.integers(len(recordings))]
        samples = corpus.samples(recording, keep=True)
        most = int(rng.uniform(8, 30) * RATE)
        first = int(rng.integers(0, max(1, len(samples) - most)))
        samples = samples[first : first + most]
        loudness = rms(samples)
        if len(samples) < 4 * CROSS_FADE or loudness < 1e-5:
            unusable += 1
            if unusable > 1000:
                raise ValueError("no noise is long and loud enough to lie under a stream")
            continue
        samples = (samples / max(loudness, 1e-9)).astype(np.float32)
        samples[:CROSS_FADE] *= fade
        samples[-CROSS_FADE:] *= fade[::-1]
        count = min(len(samples), length - at)
        bed[at : at + count] += samples[:count]
        laid.append((at, at + count, recording["path"]))
        at += len(samples) - CROSS_FADE
    return bed, laid


def noise_gains(timeline: Timeline, speech: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, int]:
    """The noise's gain in dB for each sample at a ratio of 0 dB, and how many anchors were bounded.

    Constant through an anchor, a straight line from one to the next. The ratio is that of the
    loudest frames (wake-word-benchmark's mixer.py measures so), both within the anchor.
    """
    places, gains, bounded = [], [], 0
    for first, end in timeline.anchors:
        level = peak_decibels(speech[first:end])
        gain = level - peak_decibels(noise[first:end])
        if gain > level + MOST_BOOST:
            gain, bounded = level + MOST_BOOST, bounded + 1
        places += [first, end - 1]
        gains += [gain, gain]
    if not places:
        return np.zeros(len(speech), np.float32), 0
    return np.interp(np.arange(len(speech)), places, gains).astype(np.float32), bounded
