import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from attnd_evaluation.corpus import Corpus  # noqa: E402
from attnd_evaluation.streams import StreamBuilder, StreamSet  # noqa: E402

RATE = 16000
HEAD = "path split kind word speaker seconds start end source licence".split()


@pytest.fixture(scope="session")
def recordings(tmp_path_factory):
    """A manifest of tones (words), modulated noise (speech) and noise."""
    folder = tmp_path_factory.mktemp("recordings")
    rng = np.random.default_rng(2)
    rows = []

    def add(path, kind, samples, word="", speaker="", start="", end=""):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / path, samples, RATE, subtype="PCM_16")
        rows.append([path, "dev", kind, word, speaker, len(samples) / RATE, start, end, "", "CC0"])

    for number, word in enumerate(["alpha", "bravo charlie"]):
        for take in range(4):
            sound = np.zeros(2 * RATE)
            time = np.arange(int(0.6 * RATE)) / RATE
            sound[RATE // 2 : RATE // 2 + len(time)] = 0.3 * np.sin(
                2 * np.pi * (400 + 300 * number + 40 * take) * time
            )
            add(f"k/{word[0]}{take}.wav", "keyword", sound, word, f"s{take % 2}", 0.5, 1.1)
    for number in range(6):
        loudness = np.repeat(rng.uniform(0.02, 0.3, 80), RATE // 10)
        add(f"s/{number}.wav", "speech", rng.normal(0, 0.2, 8 * RATE) * loudness)
    for number in range(2):
        add(f"n/{number}.wav", "noise", rng.normal(0, 0.1, 12 * RATE))
        add(f"h/{number}.wav", "tts-hard-negative", rng.normal(0, 0.1, RATE))
    with open(folder / "manifest.tsv", "w", encoding="utf-8") as file:
        for row in [HEAD, *rows]:
            print(*row, sep="\t", file=file)
    return folder


@pytest.fixture(scope="session")
def streams(recordings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("streams")
    StreamBuilder(Corpus(recordings, "dev"), 7, folder).build()
    return StreamSet(folder)
