"""A model file run one step at a time in NumPy, double precision: equations, nothing else.

Shares no code with the network that was trained, so that each can be held against the other.
"""

from pathlib import Path

import numpy as np

from .model_file import read


def posteriors(path: Path, energy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mel energies [rows, bins], or the rows themselves of a model that takes rows.

    Gives posteriors [steps, keywords] and alpha [steps, heads, window].
    """
    document, tensors = read(path)
    w = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
    architecture = document["architecture"]
    stack, stride = architecture["stack"], architecture["stride"]
    attention = architecture["attention"]
    heads, size, window = attention["heads"], attention["key_size"], attention["window"]
    shapes = architecture["encoder"], architecture["decoder"]
    encoder, decoder = ([(np.zeros(s["units"]),) * 2 for _ in range(s["layers"])] for s in shapes)
    rows = compressed(document, energy)
    rows = stem(architecture, w, (rows - w["feature.mean"]) * w["feature.scale"])
    queries, keys, values, found, weights = [], [], [], [], []
    for first in range(0, len(rows) - stack + 1, stride):
        x = rows[first : first + stack].reshape(-1)
        h = recurrent("encoder", shapes[0]["cell"], w, x, encoder)
        m = x if attention["memory"] == "x" else h
        queries.append((w["attention.w_e"] @ h).reshape(heads, size))
        if "attention.w_a" in w:
            keys.append((w["attention.w_a"] @ m).reshape(heads, size))
        value = "attention.w_v" if attention["value"] == "separate" else "attention.w_a"
        values.append((w[value] @ m).reshape(heads, -1))
        z = scores(attention, w, queries[-window:], keys[-window:])
        alpha = np.exp(z - z.max(axis=0))
        alpha /= alpha.sum(axis=0)
        c = np.einsum("sp,spv->pv", alpha, np.array(values[-window:])).reshape(-1)
        joined = architecture["decoder"]["input"] == "context+hidden"
        d = recurrent(
            "decoder", shapes[1]["cell"], w, np.concatenate([c, h]) if joined else c, decoder
        )
        found.append(answer(architecture["output"], w["output.weight"] @ d + w["output.bias"]))
        weights.append(np.pad(alpha.T, ((0, 0), (window - len(z), 0))))
    return np.array(found), np.array(weights)


def compressed(document, rows):
    if "rows" in document:
        return rows.astype(np.float64)
    return pcen(rows, **document["front_end"]["compression"])


def stem(architecture, w, rows):
    """Causal convolutions: the output at row t sees rows t - kernel + 1 ... t, zeros before 0."""
    for i, layer in enumerate(architecture.get("stem", [])):
        kernel, name = layer["kernel"], f"stem.{i}"
        padded = np.concatenate([np.zeros((kernel - 1, rows.shape[1])), rows])
        outputs = []
        for t in range(0, len(rows), layer["stride"]):
            seen = padded[t : t + kernel]  # [kernel, inputs]
            if layer["kind"] == "full":
                y = np.einsum("oik,ki->o", w[f"{name}.weight"], seen) + w[f"{name}.bias"]
            else:
                each = np.einsum("ik,ki->i", w[f"{name}.depthwise.weight"][:, 0], seen)
                y = w[f"{name}.pointwise.weight"][:, :, 0] @ each + w[f"{name}.pointwise.bias"]
            outputs.append(np.maximum(y, 0))
        rows = np.array(outputs)
    return rows


def scores(attention, w, queries, keys):
    """z of the window's steps, [steps, heads]; the newest query asks."""
    e, a = np.array(queries), np.array(keys)
    match attention["score"]:
        case "dot":
            return (e[-1] * a).sum(-1)
        case "scaled-dot":
            return (e[-1] * a).sum(-1) / np.sqrt(attention["key_size"])
        case "additive":
            return (w["attention.v"] * np.tanh(e[-1] + a + w["attention.b"])).sum(-1)
        case "aligned":
            return (e * a).sum(-1)
        case "static":
            return (w["attention.v"] * np.tanh(e + w["attention.b"])).sum(-1)
    raise ValueError(attention["score"])


def answer(output, s):
    match output:
        case "sigmoid":
            return sigmoid(s)
        case "softmax":
            return np.exp(s - s.max()) / np.exp(s - s.max()).sum()
        case "linear":
            return s
    raise ValueError(output)


def pcen(energy, kind, smoothing, gain, bias, power, epsilon):
    assert kind == "pcen"
    out = np.empty(energy.shape)
    mean = energy[0].astype(np.float64) if len(energy) else None
    for t, row in enumerate(energy.astype(np.float64)):
        mean = (1 - smoothing) * mean + smoothing * row
        out[t] = (row * (epsilon + mean) ** -gain + bias) ** power - bias**power
    return out


def recurrent(name, cell, w, x, states):
    """All layers, one step; `states`, of which each is (h, an LSTM's c), are replaced.

    PyTorch's order of gates: r, z, n; i, f, g, o.
    """
    for layer, (h, c) in enumerate(states):
        inputs = w[f"{name}.weight_ih_l{layer}"] @ x + w[f"{name}.bias_ih_l{layer}"]
        hidden = w[f"{name}.weight_hh_l{layer}"] @ h + w[f"{name}.bias_hh_l{layer}"]
        match cell:
            case "rnn-tanh":
                h = np.tanh(inputs + hidden)
            case "rnn-relu":
                h = np.maximum(inputs + hidden, 0)
            case "gru":
                (ir, iz, i_n), (hr, hz, hn) = np.split(inputs, 3), np.split(hidden, 3)
                r, z = sigmoid(ir + hr), sigmoid(iz + hz)
                n = np.tanh(i_n + r * hn)
                h = (1 - z) * n + z * h
            case "lstm":
                i, f, g, o = np.split(inputs + hidden, 4)
                c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
                h = sigmoid(o) * np.tanh(c)
        states[layer] = h, c
        x = h
    return x


def sigmoid(x):
    return 1 / (1 + np.exp(-x))
