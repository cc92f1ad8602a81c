import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from attnd_training.configuration import Configuration  # noqa: E402
from attnd_training.network import KeywordNetwork  # noqa: E402

RECIPE = Path(__file__).resolve().parent.parent / "six-words.toml"


@pytest.fixture
def configuration():
    return Configuration.read(RECIPE)


@pytest.fixture
def network(configuration):
    torch.manual_seed(7)
    network = KeywordNetwork(configuration).eval()
    with torch.no_grad():
        network.attention.v.mul_(4)  # so that attention isn't flat
        network.output.bias.zero_()
        network.feature.mean.uniform_(0.1, 0.4)
        network.feature.scale.uniform_(1, 3)
    return network


@pytest.fixture
def energy():
    """Four seconds of something like speech in mel energies, with silence at both ends."""
    rng = np.random.default_rng(11)
    rows = np.exp(rng.normal(14, 3, (400, 1)) + rng.normal(0, 2, (400, 40))).astype(np.float32)
    rows[:30] = 0
    rows[-10:] = 0
    return rows
