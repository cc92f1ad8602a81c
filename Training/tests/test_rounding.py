"""Rounding to half precision: what is written, and that it costs less than the nearest numbers."""

import numpy as np
import torch

from attnd_training import rounding


def error(matrix, result, second):
    difference = (matrix - result).double()
    return float(torch.trace(difference @ second @ difference.T))


def correlated(rng, count, size):
    """Inputs like neighbouring bins: each goes with those beside it."""
    noise = rng.normal(0, 1, (count, size + 8))
    return torch.from_numpy(np.stack([noise[:, j : j + 8].sum(1) for j in range(size)], axis=1))


def test_a_rounded_matrix_is_half_precision_and_makes_less_error_than_the_nearest():
    rng = np.random.default_rng(3)
    matrix = torch.from_numpy(rng.uniform(-1, 1, (24, 40)).astype(np.float32))
    moments = rounding.Moments()
    moments.add(correlated(rng, 4000, 40) + 2)
    for centred in (False, True):
        second = moments.second(centred)
        result = rounding.rounded(matrix, second)
        assert torch.equal(result, rounding.halves(result))
        nearest = error(matrix, rounding.halves(matrix), second)
        assert error(matrix, result, second) < 0.3 * nearest
        assert (matrix - result).abs().max() < 2e-3, "no element goes far"


def test_what_is_half_precision_stays_as_it_is():
    rng = np.random.default_rng(4)
    matrix = rounding.halves(torch.from_numpy(rng.uniform(-1, 1, (5, 9)).astype(np.float32)))
    moments = rounding.Moments()
    moments.add(torch.from_numpy(rng.normal(0, 1, (100, 9))))
    assert torch.equal(rounding.rounded(matrix, moments.second(True)), matrix)


def test_an_input_that_never_varies_does_no_harm():
    rng = np.random.default_rng(5)
    matrix = torch.from_numpy(rng.uniform(-1, 1, (6, 12)).astype(np.float32))
    inputs = rng.normal(0, 1, (200, 12))
    inputs[:, [0, 5]] = 0
    inputs[:, 7] = inputs[:, 8]
    moments = rounding.Moments()
    moments.add(torch.from_numpy(inputs))
    result = rounding.rounded(matrix, moments.second(True))
    assert torch.isfinite(result).all()
    assert (matrix - result).abs().max() < 2e-3


def test_second_moments_are_those_of_numpy():
    rng = np.random.default_rng(6)
    vectors = rng.normal(1, 2, (3, 50, 7))
    moments = rounding.Moments()
    for part in vectors:
        moments.add(torch.from_numpy(part))
    flat = vectors.reshape(-1, 7)
    assert np.allclose(moments.second(False), flat.T @ flat / len(flat))
    assert np.allclose(moments.second(True), np.cov(flat.T, bias=True))


def test_a_rounded_network_moves_less_than_the_nearest_and_layers_see_their_own_inputs(
    network, energy
):
    streams = [torch.from_numpy(np.roll(energy, 37 * i, axis=0)) for i in range(4)]
    before, _ = network.posteriors(torch.stack(streams))
    tensors = rounding.to_half(network, streams)
    matrices = {name for name, tensor in tensors.items() if tensor.dim() >= 2}
    for name in matrices:
        assert torch.equal(tensors[name], rounding.halves(tensors[name])), name
    moments = rounding.listen(network, streams)
    measured = {name for name in matrices if name not in ("attention.v", "attention.b")}
    assert measured == set(moments) - {"attention.w_v"}, "every matrix, and of its own width"
    for name in measured:
        assert moments[name].second(True).shape == (tensors[name].shape[1],) * 2, name

    def moved(state):
        network.load_state_dict(state)
        after, _ = network.posteriors(torch.stack(streams))
        return float((after - before).square().mean())

    original = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    nearest = {
        name: rounding.halves(tensor) if tensor.dim() >= 2 else tensor
        for name, tensor in original.items()
    }
    assert moved(tensors) < 0.5 * moved(nearest)
