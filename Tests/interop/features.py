#!/usr/bin/env python3
"""Hold the rows of `attnd features` against kaldi-native-fbank and librosa.

    python3 features.py ATTND ROOM CLIP...

Works in the folder ROOM. CLIP... are mono recordings at 16 kHz; when ATTND_DATA names a folder with a
manifest.tsv (Training/README.md), a seeded sample of its recordings is taken in too. For every
configuration it prints how near the rows come to the tolerance, and where one is beyond it. Ends with 1 then.

Tolerances are arguments about rounding to float32, not about taste; Tests/Golden/README.md derives them:

    log-mel   A + B exp((R - L) / 2), A = 2e-4, B = 4e-6, for a reference L; R is the larger of the row's largest
              element and twice the logarithm of the recording's largest sample. Kaldi's filters are float32: A.
              A transform's error is relative to the whole frame, so it is large in its weakest bins: B.
    decibels  the same, by 10 / ln 10
    power     the same, relative: A P + B sqrt(P Pmax) + B^2 Pmax
    cepstra   5e-3 in Kaldi's convention (a lifter multiplies by up to 12), 2e-3 in librosa's
    deltas    the taps' sizes applied to the rows' tolerances
    PCEN      1e-6 + 1e-5 |y|, of the same energies
"""

import csv
import os
import pathlib
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import kaldi_native_fbank
import librosa
import numpy as np
import soundfile

RATE = 16_000
SAMPLE, SEED, LONGEST_SECONDS = 40, 10, 12
A, B = 2e-4, 4e-6
DECIBELS = 10 / np.log(10)


@dataclass
class Expected:
    """What a library computes, [rows, elements], and how far from it rows may be."""

    rows: np.ndarray
    allowed: np.ndarray


# A recording -> what is expected of it. Samples are float64 in -1 ..< 1, exact 16-bit integers / 32768.
Reference = Callable[[np.ndarray], Expected]


@dataclass
class Configuration:
    """Options of `attnd features`, and who says what comes of them."""

    options: str
    library: str
    reference: Reference


# ---------------------------------------------------------------------------------------------
# kaldi-native-fbank


def kaldi_rows(kind: str, samples: np.ndarray, frames: dict, filters: dict, rows: dict) -> np.ndarray:
    """Rows of kaldi-native-fbank's Online`kind`, with its options by their own names."""
    options = getattr(kaldi_native_fbank, f"{kind}Options")()
    options.frame_opts.samp_freq = RATE
    options.frame_opts.dither = 0  # noise is added otherwise
    for group, values in ((options.frame_opts, frames), (options.mel_opts, filters), (options, rows)):
        for name, value in values.items():
            assert hasattr(group, name), name
            setattr(group, name, value)
    extractor = getattr(kaldi_native_fbank, f"Online{kind}")(options)
    extractor.accept_waveform(RATE, (samples * 32_768).tolist())
    extractor.input_finished()
    count = extractor.num_frames_ready
    return np.stack([extractor.get_frame(i).copy() for i in range(count)]).astype(np.float64)


def kaldi_log_mel(bins: int = 40, low: float = 20, high: float = 8_000, **frames) -> Reference:
    """Log-mel rows and the tolerance of the head of this file."""

    def reference(samples: np.ndarray) -> Expected:
        filters = {"num_bins": bins, "low_freq": low, "high_freq": high}
        rows = kaldi_rows("Fbank", samples, frames, filters, {})
        loudest_sample = 2 * np.log(max(1.0, 32_768 * np.abs(samples).max()))
        loudest = np.maximum(rows.max(axis=1, keepdims=True), loudest_sample)
        return Expected(rows, A + B * np.exp((loudest - rows) / 2))

    return reference


def kaldi_cepstra(energy: bool) -> Reference:
    """13 cepstra of 23 bins; coefficient 0 is the logarithm of the energy, or is not."""

    def reference(samples: np.ndarray) -> Expected:
        rows = kaldi_rows("Mfcc", samples, {}, {"num_bins": 23}, {"num_ceps": 13, "use_energy": energy})
        return Expected(rows, np.full_like(rows, 5e-3))

    return reference


def with_deltas(order: int, of: Reference) -> Reference:
    """Appends Kaldi's deltas of orders 1 to `order`: [-2 -1 0 1 2] / 10, convolved with itself once for each
    further order, and applied to the rows themselves, the first and the last of which go on for ever."""

    def reference(samples: np.ndarray) -> Expected:
        plain = of(samples)
        rows, allowed, taps = [plain.rows], [plain.allowed], np.ones(1)
        for _ in range(order):
            taps = np.convolve(taps, np.arange(-2, 3) / 10)
            rows.append(along_time(plain.rows, taps))
            allowed.append(along_time(plain.allowed, np.abs(taps)) + 5e-6)
        return Expected(np.hstack(rows), np.hstack(allowed))

    return reference


def along_time(rows: np.ndarray, taps: np.ndarray) -> np.ndarray:
    """Sum over k of taps[k] rows[t + k - reach], t + k - reach clamped to the rows there are."""
    reach = len(taps) // 2
    padded = np.pad(rows, ((reach, reach), (0, 0)), mode="edge")
    return sum(tap * padded[k : k + len(rows)] for k, tap in enumerate(taps))


# ---------------------------------------------------------------------------------------------
# librosa


def decibels(samples: np.ndarray, bins: int, n_fft: int = 512, **options) -> np.ndarray:
    """librosa's log-mel rows in double, without its clipping at 80 dB below the whole recording's loudest
    element: no stream can know that."""
    energies = librosa.feature.melspectrogram(
        y=samples, sr=RATE, hop_length=160, n_mels=bins, n_fft=n_fft, dtype=np.float64, **options
    )
    return librosa.power_to_db(energies, top_db=None)


def librosa_log_mel(bins: int = 80, **options) -> Reference:
    """Log-mel rows in decibels; frames are centred, zeros stand outside of the recording."""

    def reference(samples: np.ndarray) -> Expected:
        rows = decibels(samples, bins, **options).T
        loudest = rows.max(axis=1, keepdims=True)
        return Expected(rows, DECIBELS * (A + B * np.exp((loudest - rows) / (2 * DECIBELS))))

    return reference


def librosa_cepstra(count: int) -> Reference:
    """Cepstra of 40 bins in decibels."""

    def reference(samples: np.ndarray) -> Expected:
        rows = librosa.feature.mfcc(S=decibels(samples, bins=40), n_mfcc=count).T
        return Expected(rows, np.full_like(rows, 2e-3))

    return reference


def librosa_power(samples: np.ndarray) -> Expected:
    """The power spectrum of whole frames of 512 samples."""
    spectrum = librosa.stft(samples, n_fft=512, hop_length=160, center=False, dtype=np.complex128)
    rows = np.abs(spectrum.T) ** 2
    loudest = rows.max(axis=1, keepdims=True)
    return Expected(rows, A * rows + B * np.sqrt(rows * loudest) + B**2 * loudest + 1e-30)


def librosa_pcen(energies: np.ndarray) -> Expected:
    """Per-channel energy normalisation of the energies, [rows, bins], its mean starting from the first of them."""
    smoothing = 0.025
    rows = librosa.pcen(
        energies.T, b=smoothing, gain=0.98, bias=2, power=0.5, eps=1_000,
        zi=(1 - smoothing) * energies.T[:, :1],
    ).T  # fmt: skip
    return Expected(rows, 1e-6 + 1e-5 * np.abs(rows))


# ---------------------------------------------------------------------------------------------
# What is compared

KALDI, LIBROSA = "kaldi-native-fbank", "librosa"
CONFIGURATIONS = [
    Configuration("--front-end kaldi-logmel", KALDI, kaldi_log_mel()),
    Configuration("--front-end kaldi-logmel --bins 80", KALDI, kaldi_log_mel(bins=80)),
    Configuration("--front-end kaldi-logmel --window hamming", KALDI, kaldi_log_mel(window_type="hamming")),
    Configuration("--front-end kaldi-logmel --window hann", KALDI, kaldi_log_mel(window_type="hanning")),
    Configuration("--front-end kaldi-logmel --window rectangular", KALDI, kaldi_log_mel(window_type="rectangular")),
    Configuration("--front-end kaldi-logmel --edges mirror", KALDI, kaldi_log_mel(snip_edges=False)),
    Configuration(
        "--front-end kaldi-logmel --bins 23 --low-hz 64 --high-hz 7600", KALDI, kaldi_log_mel(23, low=64, high=7_600)),
    Configuration(
        "--front-end kaldi-logmel --frame-length 320 --hop 80 --edges mirror", KALDI,
        kaldi_log_mel(frame_length_ms=20, frame_shift_ms=5, snip_edges=False)),
    Configuration(
        "--front-end kaldi-logmel --fft-size 400", KALDI, kaldi_log_mel(round_to_power_of_two=False)),
    Configuration(
        "--front-end kaldi-logmel --no-remove-dc --pre-emphasis 0", KALDI,
        kaldi_log_mel(remove_dc_offset=False, preemph_coeff=0)),
    Configuration("--front-end kaldi-logmel --deltas 2", KALDI, with_deltas(2, kaldi_log_mel())),
    Configuration("--front-end kaldi-mfcc", KALDI, kaldi_cepstra(energy=True)),
    Configuration("--front-end kaldi-mfcc --no-energy", KALDI, kaldi_cepstra(energy=False)),
    Configuration("--front-end kaldi-mfcc --deltas 1", KALDI, with_deltas(1, kaldi_cepstra(energy=True))),
    Configuration("--front-end librosa-logmel", LIBROSA, librosa_log_mel()),
    Configuration("--front-end librosa-logmel --edges reflect", LIBROSA, librosa_log_mel(pad_mode="reflect")),
    Configuration("--front-end librosa-logmel --bins 40 --low-hz 100 --high-hz 7000", LIBROSA,
                  librosa_log_mel(40, fmin=100, fmax=7_000)),
    Configuration("--front-end librosa-logmel --frame-length 400", LIBROSA, librosa_log_mel(win_length=400)),
    Configuration("--front-end librosa-logmel --frame-length 400 --fft-size 400 --bins 64", LIBROSA,
                  librosa_log_mel(64, n_fft=400)),
    Configuration("--front-end librosa-mfcc", LIBROSA, librosa_cepstra(13)),
    Configuration("--front-end librosa-mfcc --cepstra 20", LIBROSA, librosa_cepstra(20)),
    Configuration("--front-end power", LIBROSA, librosa_power),
]  # fmt: skip


def recordings(room: pathlib.Path, clips: list[pathlib.Path]) -> list[pathlib.Path]:
    """The clips, and of ATTND_DATA a sample, decoded here, so that both sides have the same samples."""
    data = os.environ.get("ATTND_DATA")
    if not data:
        print("skipped: no ATTND_DATA, bundled clips alone (features.sh)")
        return clips
    with open(pathlib.Path(data) / "manifest.tsv", newline="", encoding="utf-8") as manifest:
        listed = [row["path"] for row in csv.DictReader(manifest, delimiter="\t") if row["kind"] != "rir"]
    (room / "real").mkdir()
    real = []
    for path in random.Random(SEED).sample(sorted(listed), min(SAMPLE, len(listed))):
        samples, rate = soundfile.read(pathlib.Path(data) / path, always_2d=True, frames=LONGEST_SECONDS * RATE)
        if rate != RATE or len(samples) < 1_024:
            continue
        real.append(room / "real" / (path.replace("/", "_").rpartition(".")[0] + ".wav"))
        soundfile.write(real[-1], samples[:, 0], RATE, subtype="PCM_16")
    return clips + real


def attnd_rows(attnd: str, options: str, out: pathlib.Path, paths: list[pathlib.Path]) -> list[np.ndarray]:
    """What `attnd features` writes, a matrix for each recording; none when it fails, which is said."""
    command = [attnd, "features", *options.split(), "--out", str(out), *map(str, paths)]
    # A crash should end it at once, and not after a walk through its stack.
    environment = os.environ | {"SWIFT_BACKTRACE": "enable=no"}
    ran = subprocess.run(command, capture_output=True, text=True, env=environment)
    if ran.returncode:
        why = next(iter(ran.stderr.strip().splitlines()), "without a word")
        print(f"features.sh: attnd features {options} ended with {ran.returncode}: {why}")
        return []
    return [np.load(out / f"{path.stem}.npy") for path in paths]


def compare(what: str, library: str, paths: list[pathlib.Path], got: list[np.ndarray], wanted: list[Expected]) -> bool:
    """Prints how near the rows come to the tolerance; whether all are within."""
    if not got:
        return False
    worst, where, count = -1.0, "", 0
    for path, rows, expected in zip(paths, got, wanted):
        if rows.dtype != np.float32 or rows.shape != expected.rows.shape:
            print(f"features.sh: {what}: {path.name}: {rows.dtype} {rows.shape}, {library} {expected.rows.shape}")
            return False
        count += len(rows)
        share = np.abs(rows - expected.rows) / expected.allowed
        share = np.where(np.isfinite(share), share, np.inf)
        row, element = np.unravel_index(share.argmax(), share.shape)
        if share[row, element] > worst:
            worst = share[row, element]
            where = (
                f"{path.name} row {row} element {element}: attnd {rows[row, element]:.7g}, "
                f"{library} {expected.rows[row, element]:.7g}, allowed {expected.allowed[row, element]:.2g}"
            )
    if worst > 1:
        print(f"features.sh: {what}: {worst:.3g} of the tolerance at {where}")
    else:
        print(f"features.sh: {what}: {count} rows, at most {worst:.2f} of the tolerance to {library}")
    return bool(worst <= 1)


def main() -> int:
    """Compares every configuration; returns the exit status."""
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    attnd, room = sys.argv[1], pathlib.Path(sys.argv[2])
    paths = recordings(room, [pathlib.Path(clip) for clip in sys.argv[3:]])
    sounds = []
    for path in paths:
        samples, rate = soundfile.read(path, dtype=np.float64)
        if rate != RATE or samples.ndim != 1:
            sys.exit(f"features.sh: {path}: {rate} Hz, {samples.ndim} dimensions, expected 16000 Hz mono")
        sounds.append(samples)

    within = []
    for number, configuration in enumerate(CONFIGURATIONS):
        got = attnd_rows(attnd, configuration.options, room / str(number), paths)
        wanted = [configuration.reference(samples) for samples in sounds]
        what = configuration.options.removeprefix("--front-end ")
        within.append(compare(what, configuration.library, paths, got, wanted))

    # PCEN is a function of energies, and is held against librosa's of the same energies.
    energies = attnd_rows(attnd, "--front-end pcen --compression linear", room / "energies", paths)
    got = attnd_rows(attnd, "--front-end pcen", room / "pcen", paths)
    wanted = [librosa_pcen(rows.astype(np.float64)) for rows in energies]
    within.append(compare("pcen", LIBROSA, paths, got, wanted))

    print(f"features.sh: {sum(within)} of {len(within)} configurations agree on {len(paths)} recordings (seed {SEED})")
    return 0 if all(within) else 1


if __name__ == "__main__":
    sys.exit(main())
