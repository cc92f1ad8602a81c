"""Rooms, as energies that come later, and what is behind speech where no recordings of it are given."""

import wave
from pathlib import Path

import numpy as np

from .manifest import Recording

RATE = 16000
NOISE_SECONDS = 20


def decay(path: Path) -> np.ndarray:
    """A room response as the energy that arrives in each 10 ms, down to -30 dB, sum 1."""
    import soundfile

    samples, rate = soundfile.read(path, dtype="float64")
    block = rate // 100
    samples = np.pad(samples, (0, -len(samples) % block))
    energy = np.square(samples).reshape(-1, block).sum(axis=1)
    loud = np.flatnonzero(energy >= energy.max() * 1e-3)
    energy = energy[loud[0] : loud[-1] + 1]
    return (energy / energy.sum()).astype(np.float32)


def made_rooms() -> list[np.ndarray]:
    """Where there are no recorded ones: energy that falls by 60 dB in 0.15 to 0.7 s, as `decay`."""
    rooms = []
    for seconds in np.linspace(0.15, 0.7, 24):
        energy = 10 ** (-6 * np.arange(0, seconds / 2, 0.01) / seconds)
        energy[0] *= 1 / seconds  # the direct sound, the stronger the drier the room
        rooms.append((energy / energy.sum()).astype(np.float32))
    return rooms


def reverberated(rows: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Rows through a room: late sound adds in energy. As long as the rows were."""
    out = rows * response[0]
    for delay in range(1, min(len(response), len(rows))):
        out[delay:] += rows[:-delay] * response[delay]
    return out


def made_noises(folder: Path) -> list[Recording]:
    """Noises of twelve colours, steady, swelling and in bursts, as 16 kHz files in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    recordings = []
    for number in range(12):
        path = folder / f"noise-{number}.wav"
        if not path.exists():
            write_sound(path, _noise(np.random.default_rng([7, number])))
        recordings.append(
            Recording(
                path=f"{folder.name}/{path.name}", split="train", kind="noise", word="", speaker="",
                seconds=NOISE_SECONDS, start=0, end=0, source="made", licence="CC0-1.0",
            )
        )
    return recordings


def _noise(rng) -> np.ndarray:
    """Noise with a random slope, two resonances and hum, its level going its own way."""
    count = NOISE_SECONDS * RATE
    hz = np.maximum(np.fft.rfftfreq(count, 1 / RATE), 20)
    shape = (hz / 1000) ** rng.uniform(-1.2, 0.1)
    for _ in range(2):
        centre, width = np.exp(rng.uniform(np.log(80), np.log(5000))), rng.uniform(0.1, 0.6)
        shape *= 1 + rng.uniform(0, 6) * np.exp(-((np.log(hz / centre) / width) ** 2))
    samples = np.fft.irfft(np.fft.rfft(rng.standard_normal(count)) * shape, count)
    samples /= samples.std()
    time = np.arange(count) / RATE
    mains = rng.choice([50, 60])
    for harmonic in range(1, 7):
        samples += rng.uniform(0, 0.4) / harmonic * np.sin(2 * np.pi * mains * harmonic * time)
    knots = np.arange(0, NOISE_SECONDS + 1, rng.choice([0.25, 1, 4]))
    samples *= 10 ** (np.interp(time, knots, rng.normal(0, rng.uniform(0, 6), len(knots))) / 20)
    return samples / np.abs(samples).max() * 0.5


def write_sound(path: Path, samples: np.ndarray) -> None:
    """Samples of full scale 1 as a 16 kHz file of 16 bits."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.round(samples * 32768).astype("<i2").tobytes())
