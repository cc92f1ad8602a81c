"""Streams cut anywhere, compression by blocks, and the loss against plain loops."""

import numpy as np
import pytest
import torch

from attnd_training import reference
from attnd_training.network import Compression
from attnd_training.streams import Truth
from attnd_training.training import losses


@pytest.mark.parametrize("rows", [3, 66, 150, 396])
def test_posteriors_do_not_depend_on_how_the_stream_is_cut(network, energy, rows):
    whole, _ = network.posteriors(torch.from_numpy(energy)[None], rows_at_once=3960)
    cut, _ = network.posteriors(torch.from_numpy(energy)[None], rows_at_once=rows)
    torch.testing.assert_close(cut, whole, atol=1e-5, rtol=0)


def test_a_stream_that_restarts_forgets_all(network, energy):
    rows = torch.from_numpy(energy[30:228]).expand(2, -1, -1)
    first, state = network(rows, network.start(2))
    state.restart(torch.tensor([True, False]))
    second, _ = network(rows, state)
    torch.testing.assert_close(second.logits[0], first.logits[0], atol=1e-5, rtol=0)
    assert (second.logits[1] - first.logits[1]).abs().max() > 1e-3


def test_compression_by_blocks_is_the_recursion(configuration, energy):
    settings = configuration.front_end["compression"]
    found, smoothed = Compression(settings)(torch.from_numpy(energy)[None], torch.full((1, 40), -1.0))
    np.testing.assert_allclose(found[0], reference.pcen(energy, **settings), atol=2e-5, rtol=2e-5)
    assert smoothed.shape == (1, 40)


def test_the_guide_is_the_cross_entropy_against_the_span(network, energy):
    window = network.attention.window
    rows = torch.from_numpy(energy[:396])[None]
    _, state = network(rows[:, :198], network.start(1))
    output, _ = network(rows[:, 198:], state)
    steps = output.logits.shape[1]
    word, span = torch.full((1, steps), -1), torch.zeros(1, steps, 2, dtype=torch.long)
    word[0, 60], span[0, 60] = 4, torch.tensor([41, 57])
    word[0, 12], span[0, 12] = 2, torch.tensor([-9, 9])  # began in the segment before
    word[0, 40], span[0, 40] = 1, torch.tensor([-20, 20])  # began before the window
    truth = Truth(
        target=torch.zeros(1, steps, 6), weight=torch.ones(1, steps, 6), word=word, span=span,
        embedding=torch.zeros(1, steps, 96), taught=torch.zeros(1, steps, dtype=torch.bool),
    )
    _, guide = losses(output, truth, window)
    expected = 0.0
    for step, head, first, last in [(60, 4, 41, 57), (12, 2, -9, 9), (40, 1, -9, 20)]:
        z = output.scores[0, step : step + window, head]  # steps step - 49 ... step
        log_alpha = torch.log_softmax(z, dim=0)
        oldest = step - window + 1
        expected -= log_alpha[first - oldest : last + 1 - oldest].mean().item()
    assert guide.item() * steps == pytest.approx(expected, abs=1e-3)
