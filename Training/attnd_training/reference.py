"""A model file run one step at a time in NumPy, double precision: equations, nothing else.

Shares no code with the network that was trained, so that each can be held against the other.
"""

from pathlib import Path

import numpy as np

from .model_file import read


def posteriors(path: Path, energy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mel energies [rows, bins] -> posteriors [steps, keywords] and alpha [steps, heads, window]."""
    document, tensors = read(path)
    w = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
    architecture = document["architecture"]
    stack, stride = architecture["stack"], architecture["stride"]
    attention = architecture["attention"]
    heads, size, window = attention["heads"], attention["key_size"], attention["window"]
    layers = architecture["encoder"]["layers"], architecture["decoder"]["layers"]
    encoder = [np.zeros(architecture["encoder"]["units"]) for _ in range(layers[0])]
    decoder = [np.zeros(architecture["decoder"]["units"]) for _ in range(layers[1])]
    rows = (pcen(energy, **document["front_end"]["compression"]) - w["feature.mean"])
    rows *= w["feature.scale"]
    z, a, found, weights = [], [], [], []
    for first in range(0, len(rows) - stack + 1, stride):
        x = rows[first : first + stack].reshape(-1)
        h = gru("encoder", w, x, encoder)
        e = (w["attention.w_e"] @ h).reshape(heads, size)
        z.append((w["attention.v"] * np.tanh(e + w["attention.b"])).sum(axis=1))
        a.append((w["attention.w_a"] @ h).reshape(heads, size))
        recent = np.array(z[-window:])
        alpha = np.exp(recent - recent.max(axis=0))
        alpha /= alpha.sum(axis=0)
        c = np.einsum("sp,spk->pk", alpha, np.array(a[-window:])).reshape(-1)
        d = gru("decoder", w, np.concatenate([c, h]), decoder)
        found.append(sigmoid(w["output.weight"] @ d + w["output.bias"]))
        weights.append(np.pad(alpha.T, ((0, 0), (window - len(recent), 0))))
    return np.array(found), np.array(weights)


def pcen(energy, kind, smoothing, gain, bias, power, epsilon):
    assert kind == "pcen"
    out = np.empty(energy.shape)
    mean = energy[0].astype(np.float64) if len(energy) else None
    for t, row in enumerate(energy.astype(np.float64)):
        mean = (1 - smoothing) * mean + smoothing * row
        out[t] = (row * (epsilon + mean) ** -gain + bias) ** power - bias**power
    return out


def gru(name, w, x, states):
    """All layers, one step; `states` are replaced. PyTorch's order of gates: r, z, n."""
    for layer, h in enumerate(states):
        inputs = w[f"{name}.weight_ih_l{layer}"] @ x + w[f"{name}.bias_ih_l{layer}"]
        hidden = w[f"{name}.weight_hh_l{layer}"] @ h + w[f"{name}.bias_hh_l{layer}"]
        (ir, iz, i_n), (hr, hz, hn) = np.split(inputs, 3), np.split(hidden, 3)
        r, z = sigmoid(ir + hr), sigmoid(iz + hz)
        n = np.tanh(i_n + r * hn)
        states[layer] = x = (1 - z) * n + z * h
    return x


def sigmoid(x):
    return 1 / (1 + np.exp(-x))
