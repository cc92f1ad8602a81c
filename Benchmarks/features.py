"""Feature rows by libraries that Python users have, in microseconds a row.

    python3 features.py [ROUNDS]

Ten seconds of sound at 16 kHz, handed over whole (batch) or 10 ms at a time (streaming). Rows of the same
definition are held against one another before anything is timed.
"""

import sys
from importlib.metadata import version

import numpy as np

import kaldi_front_ends as kaldi
from rounds import Case, measure, peer, report
from signal_of_chirps import chirps

SECONDS = 10
RATE, HOP = kaldi.RATE, kaldi.HOP


def agree(name: str, rows: np.ndarray, reference: np.ndarray) -> None:
    """Ends the program when two libraries' rows differ by more than float arithmetic explains."""
    if rows.shape != reference.shape or not np.allclose(rows, reference, rtol=0, atol=0.02):
        sys.exit(f"features.py: {name} computes other rows, {rows.shape} against {reference.shape}")


def kaldi_native(sound: np.ndarray) -> list[Case]:
    """kaldi-native-fbank through its binding."""
    import kaldi_native_fbank as native

    # The binding copies samples one by one; from a list it is faster than from an array.
    samples = (sound * 32_768).tolist()
    pieces = [samples[i : i + HOP] for i in range(0, len(samples), HOP)]
    frames = kaldi.frames_of(len(samples))
    log_mel = kaldi.native_options("Fbank", 40)
    cepstra = kaldi.native_options("Mfcc", 23)

    def streaming(take=lambda row: None) -> None:
        extractor, next_row = native.OnlineFbank(log_mel), 0
        for piece in pieces:
            extractor.accept_waveform(RATE, piece)
            while next_row < extractor.num_frames_ready:
                take(extractor.get_frame(next_row))
                extractor.pop(1)
                next_row += 1

    def batch(online, options):
        return lambda: kaldi.whole_recording(online, options, samples)

    whole = kaldi.rows_of(batch(native.OnlineFbank, log_mel)())
    streamed: list[np.ndarray] = []
    streaming(lambda row: streamed.append(row.copy()))  # a row is a view, gone with `pop`
    agree("kaldi-native-fbank, streaming,", np.stack(streamed), whole)

    # With a row for each millisecond ten rows share the hand-over of the same samples, which leaves nearly
    # what the library itself needs for a row.
    dense = kaldi.native_options("Fbank", 40, hop_ms=1)
    dense_rows = 1 + (len(samples) - kaldi.FRAME) // 16
    name = kaldi.native_name()
    return [
        Case("features.kaldi-logmel40.streaming", name, streaming, frames),
        Case("features.kaldi-logmel40.batch", name, batch(native.OnlineFbank, log_mel), frames),
        Case("features.kaldi-logmel40.batch", f"{name}, own cost", batch(native.OnlineFbank, dense), dense_rows),
        Case("features.mfcc13.batch", name, batch(native.OnlineMfcc, cepstra), frames),
    ]


def kaldi_torchaudio(sound: np.ndarray) -> list[Case]:
    """torchaudio's Kaldi front end; it has no streaming form."""
    compliance = kaldi.torchaudio_kaldi()
    import torch

    waveform = torch.from_numpy(sound * 32_768)[None]
    frames = kaldi.frames_of(len(sound))

    def log_mel():
        return compliance.fbank(waveform, num_mel_bins=40, dither=0.0, sample_frequency=RATE)

    def cepstra():
        return compliance.mfcc(waveform, num_mel_bins=23, num_ceps=13, dither=0.0, sample_frequency=RATE)

    with peer("the check of torchaudio against kaldi-native-fbank"):
        import kaldi_native_fbank as native

        extractor = kaldi.whole_recording(
            native.OnlineFbank, kaldi.native_options("Fbank", 40), (sound * 32_768).tolist()
        )
        agree("torchaudio", log_mel().numpy(), kaldi.rows_of(extractor))
    name = kaldi.torchaudio_name()
    return [
        Case("features.kaldi-logmel40.batch", name, log_mel, frames),
        Case("features.mfcc13.batch", name, cepstra, frames),
    ]


def librosa_rows(sound: np.ndarray) -> list[Case]:
    """librosa with its defaults but for sizes: centred frames of 512 samples, Slaney's mel scale, decibels."""
    import librosa

    def log_mel() -> np.ndarray:
        energies = librosa.feature.melspectrogram(y=sound, sr=RATE, n_fft=512, hop_length=HOP, n_mels=80)
        return librosa.power_to_db(energies)

    def cepstra() -> np.ndarray:
        return librosa.feature.mfcc(y=sound, sr=RATE, n_mfcc=13, n_fft=512, hop_length=HOP, n_mels=40)

    name, frames = f"librosa {version('librosa')}", 1 + len(sound) // HOP
    assert log_mel().shape == (80, frames)
    return [
        Case("features.librosa-logmel80.batch", name, log_mel, frames),
        Case("features.mfcc13.batch", name, cepstra, frames),
    ]


def python_speech_features_rows(sound: np.ndarray) -> list[Case]:
    """python_speech_features: near to Kaldi's front end, with formulas of its own."""
    import python_speech_features

    samples = sound * 32_768
    name = f"python_speech_features {version('python_speech_features')}"
    frames = len(python_speech_features.logfbank(samples, RATE, nfilt=40, nfft=512))
    return [
        Case(
            "features.kaldi-logmel40.batch", f"{name}, formulas of its own",
            lambda: python_speech_features.logfbank(samples, RATE, nfilt=40, nfft=512), frames,
        ),
        Case(
            "features.mfcc13.batch", name,
            lambda: python_speech_features.mfcc(samples, RATE, numcep=13, nfft=512), frames,
        ),
    ]


def main() -> None:
    """Measures and prints."""
    sound, found = chirps(SECONDS, seed=10), []
    for name, cases in (
        ("kaldi-native-fbank", kaldi_native),
        ("torchaudio", kaldi_torchaudio),
        ("librosa", librosa_rows),
        ("python_speech_features", python_speech_features_rows),
    ):
        with peer(name):
            found += cases(sound)
    measure(found, rounds=int(sys.argv[1]) if len(sys.argv) > 1 else 15)
    for case in found:
        report(case, "us/frame")


if __name__ == "__main__":
    main()
