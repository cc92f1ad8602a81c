"""A hundred three-second recordings, read and turned into rows: seconds of sound a second.

    python3 files.py make FOLDER              writes them: FOLDER/000.wav ... 099.wav
    python3 files.py measure FOLDER [ROUNDS]  reads them with each library, start-up not counted
"""

import pathlib
import sys
from importlib.metadata import version

import numpy as np
import soundfile

import kaldi_front_ends as kaldi
from rounds import Case, measure, peer, report
from signal_of_chirps import chirps

FILES, SECONDS = 100, 3


def make(folder: pathlib.Path) -> None:
    """Writes the recordings: 16 kHz, 16 bits, one channel."""
    for number in range(FILES):
        sound = chirps(SECONDS, seed=1_000 + number)
        soundfile.write(folder / f"{number:03}.wav", sound, kaldi.RATE, subtype="PCM_16")


def front_ends() -> dict:
    """From a peer's name to what it makes of a recording."""
    found = {"soundfile, reading alone": lambda sound: sound}
    with peer("torchaudio"):
        compliance = kaldi.torchaudio_kaldi()
        import torch

        found[f"{kaldi.torchaudio_name()}, log-mel 40"] = lambda sound: compliance.fbank(
            torch.from_numpy(sound * 32_768)[None], num_mel_bins=40, dither=0.0, sample_frequency=kaldi.RATE
        )
    with peer("kaldi-native-fbank"):
        import kaldi_native_fbank as native

        options = kaldi.native_options("Fbank", 40)
        found[f"{kaldi.native_name()}, log-mel 40"] = lambda sound: kaldi.rows_of(
            kaldi.whole_recording(native.OnlineFbank, options, (sound * 32_768).tolist())
        )
    with peer("librosa"):
        import librosa

        found[f"librosa {version('librosa')}, log-mel 80"] = lambda sound: librosa.power_to_db(
            librosa.feature.melspectrogram(y=sound, sr=kaldi.RATE, n_fft=512, hop_length=kaldi.HOP, n_mels=80)
        )
    return found


def loop(paths: list[pathlib.Path], front_end) -> None:
    """What a script does: read, compute, next."""
    for path in paths:
        sound, _ = soundfile.read(path, dtype=np.float32)
        front_end(sound)


def main() -> None:
    """Writes, or measures and prints."""
    if len(sys.argv) < 3 or sys.argv[1] not in ("make", "measure"):
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[2])
    if sys.argv[1] == "make":
        make(folder)
        return
    paths = sorted(folder.glob("*.wav"))
    sound_seconds = SECONDS * len(paths)
    cases = [
        Case("features.files100.batch", name, lambda f=front_end: loop(paths, f), sound_seconds)
        for name, front_end in front_ends().items()
    ]
    measure(cases, rounds=int(sys.argv[3]) if len(sys.argv) > 3 else 5)
    for case in cases:
        report(case, "s audio/s")


if __name__ == "__main__":
    main()
