"""The whole network out of PyTorch's own layers, over a whole sequence at once.

    rows -> (row - mean) scale -> stem -> stack -> encoder -> attention -> decoder -> output

`torch.nn.RNN`, `GRU`, `LSTM`, `Conv1d` and `Linear` are used as they are, and the context of the
dot products is that of `scaled_dot_product_attention`.  Only what PyTorch has no layer for is written
out: which rows make a step, and the scores.  The parameters have the names of the model file, so that
`state_dict()` is the file's content.
"""

import torch
from torch import nn
from torch.nn import functional


def recurrent(shape, inputs):
    """The layers of an `encoder` or `decoder` of the model document."""
    size = dict(input_size=inputs, hidden_size=shape["units"], num_layers=shape["layers"])
    match shape["cell"]:
        case "rnn-tanh":
            return nn.RNN(nonlinearity="tanh", **size)
        case "rnn-relu":
            return nn.RNN(nonlinearity="relu", **size)
        case "gru":
            return nn.GRU(**size)
        case "lstm":
            return nn.LSTM(**size)


class Normalisation(nn.Module):
    def __init__(self, length):
        super().__init__()
        self.register_buffer("mean", torch.zeros(length))
        self.register_buffer("scale", torch.ones(length))

    def forward(self, rows):
        return (rows - self.mean) * self.scale


class Full(nn.Conv1d):
    """A convolution that sees the rows up to its own, zeros before the first; then max(0, y)."""

    def __init__(self, inputs, shape):
        super().__init__(inputs, shape["channels"], shape["kernel"], stride=shape["stride"])

    def forward(self, channels):  # [inputs, rows]
        return functional.relu(super().forward(left_padded(channels, self.kernel_size[0])))


class Separable(nn.Module):
    """Each channel by itself over time, then a matrix over the channels; then max(0, y)."""

    def __init__(self, inputs, shape):
        super().__init__()
        self.depthwise = nn.Conv1d(
            inputs, inputs, shape["kernel"], stride=shape["stride"], groups=inputs, bias=False
        )
        self.pointwise = nn.Conv1d(inputs, shape["channels"], 1)

    def forward(self, channels):
        padded = left_padded(channels, self.depthwise.kernel_size[0])
        return functional.relu(self.pointwise(self.depthwise(padded)))


def left_padded(channels, kernel):
    return functional.pad(channels, (kernel - 1, 0))


class Attention(nn.Module):
    def __init__(self, shape, hidden, memory):
        super().__init__()
        self.shape = shape
        heads, key = shape["heads"], shape["key_size"]
        self.value = shape.get("value_size", key)
        separate = shape["value"] == "separate"
        self.w_e = nn.Parameter(torch.empty(heads * key, hidden))
        if shape["score"] in ("additive", "static"):
            self.v = nn.Parameter(torch.empty(heads, key))
            self.b = nn.Parameter(torch.empty(heads, key))
        if shape["score"] != "static" or not separate:
            self.w_a = nn.Parameter(torch.empty(heads * key, memory))
        if separate:
            self.w_v = nn.Parameter(torch.empty(heads * self.value, memory))

    def forward(self, hidden, memory):
        """hidden [T, H], memory [T, M] -> e, a, c [T, ...], and z, alpha [heads, T, T]."""
        shape, steps = self.shape, len(hidden)
        heads, key = shape["heads"], shape["key_size"]

        def split(values, size):  # [T, heads x size] -> [heads, T, size]
            return values.view(steps, heads, size).transpose(0, 1)

        e = functional.linear(hidden, self.w_e)
        a = functional.linear(memory, self.w_a) if hasattr(self, "w_a") else None
        v = functional.linear(memory, self.w_v) if hasattr(self, "w_v") else a
        queries, values = split(e, key), split(v, self.value)
        keys = None if a is None else split(a, key)
        age = torch.arange(steps)[:, None] - torch.arange(steps)[None, :]
        window = (age >= 0) & (age < shape["window"])
        context = None
        match shape["score"]:
            case "dot" | "scaled-dot":
                scale = 1.0 if shape["score"] == "dot" else key**-0.5
                z = queries @ keys.transpose(1, 2) * scale
                context = functional.scaled_dot_product_attention(
                    queries, keys, values, attn_mask=window, scale=scale
                )
            case "additive":
                sums = queries[:, :, None] + keys[:, None] + self.b[:, None, None]
                z = (torch.tanh(sums) * self.v[:, None, None]).sum(-1)
            case "aligned":
                z = (queries * keys).sum(-1)[:, None].expand(heads, steps, steps)
            case "static":
                z = (torch.tanh(queries + self.b[:, None]) * self.v[:, None]).sum(-1)
                z = z[:, None].expand(heads, steps, steps)
        alpha = torch.softmax(z.masked_fill(~window, -torch.inf), dim=-1)
        if context is None:
            context = alpha @ values
        return e, a, z.masked_fill(~window, 0), alpha, context.transpose(0, 1).flatten(1)


class Network(nn.Module):
    """`architecture` is that of the model document, `length` that of a row."""

    def __init__(self, architecture, length, outputs):
        super().__init__()
        self.architecture = architecture
        self.feature = Normalisation(length)
        self.stem = nn.ModuleList()
        for layer in architecture.get("stem", []):
            self.stem.append((Full if layer["kind"] == "full" else Separable)(length, layer))
            length = layer["channels"]
        encoder, decoder = architecture["encoder"], architecture["decoder"]
        attention = architecture["attention"]
        inputs, hidden = length * architecture["stack"], encoder["units"]
        self.encoder = recurrent(encoder, inputs)
        self.attention = Attention(
            attention, hidden, inputs if attention["memory"] == "x" else hidden
        )
        contexts = attention["heads"] * self.attention.value
        joined = decoder["input"] == "context+hidden"
        self.decoder = recurrent(decoder, contexts + (hidden if joined else 0))
        self.output = nn.Linear(decoder["units"], outputs)

    def inputs(self, rows):
        """x_t of every step, and the index of the row that completed it."""
        channels = self.feature(rows).T
        completed = torch.arange(len(rows))
        for layer, shape in zip(self.stem, self.architecture.get("stem", [])):
            channels = layer(channels)
            completed = completed[:: shape["stride"]]
        stack, stride = self.architecture["stack"], self.architecture["stride"]
        x = channels.T.unfold(0, stack, stride).transpose(1, 2).flatten(1)
        return x, completed[stack - 1 :: stride]

    def forward(self, rows):
        """[rows, length] -> every intermediate result of every step."""
        x, completed = self.inputs(rows)
        h, _ = self.encoder(x)
        memory = x if self.architecture["attention"]["memory"] == "x" else h
        e, a, z, alpha, c = self.attention(h, memory)
        joined = self.architecture["decoder"]["input"] == "context+hidden"
        d, _ = self.decoder(torch.cat([c, h], dim=1) if joined else c)
        sums = self.output(d)
        match self.architecture["output"]:
            case "sigmoid":
                y = torch.sigmoid(sums)
            case "softmax":
                y = torch.softmax(sums, dim=-1)
            case "linear":
                y = sums
        attention = self.architecture["attention"]
        if attention["score"] in ("aligned", "static"):
            z = z.diagonal(dim1=1, dim2=2).T  # a score for each step, whoever asks
        else:
            z = right_aligned(z, attention["window"])
        alpha = right_aligned(alpha, attention["window"])
        results = dict(completed=completed.int(), h=h, e=e, a=a, z=z, alpha=alpha, c=c, d=d, y=y)
        return {name: result for name, result in results.items() if result is not None}


def right_aligned(values, window):
    """[heads, T, T] -> [T, heads, min(window, T)], the last column that of the step itself."""
    heads, steps, _ = values.shape
    columns = min(window, steps)
    result = torch.zeros(steps, heads, columns, dtype=values.dtype)
    for step in range(steps):
        count = min(columns, step + 1)
        result[step, :, columns - count :] = values[:, step, step + 1 - count : step + 1]
    return result
