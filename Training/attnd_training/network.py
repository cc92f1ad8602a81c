"""The network in PyTorch: many streams at a time, whole segments, state carried.

    y = (E (eps + M)^-gain + bias)^power - bias^power,  M_t = (1-s) M_(t-1) + s E_t,  M_(-1) = E_0
    x = some rows of (y - mean) * scale, oldest first, of the stem's where there is one
    h = RNN(x)                                         tanh or ReLU, GRU, LSTM
    e = W_e h     a = W_a m     v = a or W_v m         m is x or h
    c = sum_s softmax_s(z)_s v_s                       over the last steps, for each head
    d = RNN(c or [c ; h])
    y = sigmoid, softmax or nothing of W_o d + b_o

    dot z_ts = e_t . a_s    scaled-dot z_ts = e_t . a_s / sqrt(K)    additive z_ts = v . tanh(e_t + a_s + b)
    aligned z_s = e_s . a_s    static z_s = v . tanh(e_s + b)

Parameters bear the names of the model file, so that the file is a state_dict.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from .configuration import Configuration


@dataclass
class State:
    """What goes from one segment of B streams to the next."""

    smoothed: torch.Tensor  # [B, bins] PCEN's M; negative where the stream has not begun
    stem: list  # for each layer [B, channels, kernel - 1], the rows before; zeros at the beginning
    encoder: list  # h, of an LSTM h and c: [layers, B, units]
    decoder: list
    scores: torch.Tensor  # [B, window - 1, heads] z of the steps before; 0 where it depends on the
    # query; -inf where there was no step
    keys: torch.Tensor  # [B, window - 1, heads, key_size]; none where only the values are needed
    values: torch.Tensor  # [B, window - 1, heads, value_size]; none where they are the keys

    def restart(self, streams: torch.Tensor) -> None:
        """Sets some streams ([B] of bool) to their beginning."""
        self.smoothed[streams] = -1
        for rows in self.stem:
            rows[streams] = 0
        for state in self.encoder + self.decoder:
            state[:, streams] = 0
        self.scores[streams] = -torch.inf
        self.keys[streams] = 0
        self.values[streams] = 0


@dataclass
class Output:
    logits: torch.Tensor  # [B, T, keywords]
    scores: torch.Tensor  # [B, window - 1 + T, heads] z of these steps and those before; with a
    # query [B, T, window - 1 + T, heads], -inf outside of a step's window
    log_sums: torch.Tensor  # [B, T, heads] log of the sum of exp(z) over each step's window
    hidden: torch.Tensor  # [B, T, units] the encoder's outputs


class Compression(nn.Module):
    """PCEN, with the recursion taken a block of rows at a time as a triangular matrix."""

    BLOCK = 66

    def __init__(self, settings: dict):
        super().__init__()
        self._settings = settings
        smoothing = settings["smoothing"]
        age = torch.arange(self.BLOCK)[:, None] - torch.arange(self.BLOCK)[None, :]
        kernel = torch.where(age >= 0, smoothing * (1 - smoothing) ** age.clamp(min=0).double(), 0)
        self._kernel = kernel.float()
        carried = (1 - smoothing) ** torch.arange(1, self.BLOCK + 1).double()
        self._carried = carried.float()[:, None]

    def forward(self, energy, smoothed):
        """[B, T, bins] energies -> the compressed ones, and M after the last."""
        smoothed = torch.where(smoothed < 0, energy[:, 0], smoothed)
        blocks = []
        for block in energy.split(self.BLOCK, dim=1):
            count = block.shape[1]
            blocks.append(
                self._kernel[:count, :count] @ block + self._carried[:count] * smoothed[:, None]
            )
            smoothed = blocks[-1][:, -1]
        mean, settings = torch.cat(blocks, dim=1), self._settings
        normal = energy * (settings["epsilon"] + mean) ** -settings["gain"]
        power, bias = settings["power"], settings["bias"]
        return (normal + bias) ** power - bias**power, smoothed


class Normalisation(nn.Module):
    def __init__(self, bins: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(bins))
        self.register_buffer("scale", torch.ones(bins))

    def forward(self, rows):
        return (rows - self.mean) * self.scale


class FullConvolution(nn.Conv1d):
    """Every channel out of every channel in at every tap; the rows before are `history`."""

    def __init__(self, inputs: int, settings: dict):
        super().__init__(inputs, settings["channels"], settings["kernel"], settings["stride"])
        self.inputs, self.history = inputs, settings["kernel"] - 1


class SeparableConvolution(nn.Module):
    """Each channel by itself over time, then a matrix over the channels."""

    def __init__(self, inputs: int, settings: dict):
        super().__init__()
        self.inputs, self.history = inputs, settings["kernel"] - 1
        self.depthwise = nn.Conv1d(
            inputs, inputs, settings["kernel"], settings["stride"], groups=inputs, bias=False
        )
        self.pointwise = nn.Conv1d(inputs, settings["channels"], 1)

    def forward(self, rows):
        return self.pointwise(self.depthwise(rows))


CONVOLUTIONS = {"full": FullConvolution, "separable": SeparableConvolution}
CELLS = {
    "rnn-tanh": (nn.RNN, {"nonlinearity": "tanh"}),
    "rnn-relu": (nn.RNN, {"nonlinearity": "relu"}),
    "gru": (nn.GRU, {}),
    "lstm": (nn.LSTM, {}),
}


def recurrent(settings: dict, inputs: int, dropout: float = 0.0) -> nn.RNNBase:
    kind, options = CELLS[settings["cell"]]
    return kind(
        inputs, settings["units"], settings["layers"], batch_first=True, dropout=dropout, **options
    )


def run(layers: nn.RNNBase, inputs, states: list):
    """[B, T, inputs] -> the outputs, and the states to go on from."""
    if isinstance(layers, nn.LSTM):
        outputs, states = layers(inputs, tuple(states))
        return outputs, [state.detach() for state in states]
    outputs, state = layers(inputs, states[0])
    return outputs, [state.detach()]


class Attention(nn.Module):
    def __init__(self, settings: dict, hidden: int, memory: int):
        super().__init__()
        heads, size = settings["heads"], settings["key_size"]
        self.heads, self.size, self.window = heads, size, settings["window"]
        self.score = settings["score"]
        self.has_query = self.score in ("dot", "scaled-dot", "additive")
        separate = settings["value"] == "separate"
        self.value_size = settings["value_size"] if separate else size
        self.w_e = nn.Parameter(torch.randn(heads * size, hidden) / hidden**0.5)
        if self.score != "static" or not separate:
            self.w_a = nn.Parameter(torch.randn(heads * size, memory) / memory**0.5)
        if self.score in ("additive", "static"):
            self.v = nn.Parameter(torch.randn(heads, size) / size**0.5)
            self.b = nn.Parameter(torch.zeros(heads, size))
        if separate:
            self.w_v = nn.Parameter(torch.randn(heads * self.value_size, memory) / memory**0.5)

    def history(self, streams: int) -> dict:
        """The part of `State` that is the attention's."""
        steps = streams, self.window - 1
        # Of a static score's keys nothing but the values is wanted.
        keys = self.heads if self.has_query or not hasattr(self, "w_v") else 0
        values = self.heads if hasattr(self, "w_v") else 0
        return {
            "scores": torch.full((*steps, self.heads), -torch.inf),
            "keys": torch.zeros(*steps, keys, self.size),
            "values": torch.zeros(*steps, values, self.value_size),
        }

    def forward(self, hidden, memory, state):
        """[B, T, units], [B, T, m] -> contexts [B, T, heads * value_size], log of the sums, z, and
        the scores, keys and values with those before."""
        streams, steps, _ = hidden.shape

        def split(matrix, inputs, size):
            return (inputs @ matrix.T).view(streams, steps, self.heads, size)

        query = split(self.w_e, hidden, self.size)
        keys = split(self.w_a, memory, self.size) if hasattr(self, "w_a") else None
        match self.score:
            case "static":
                scores = (torch.tanh(query + self.b) * self.v).sum(-1)
            case "aligned":
                scores = (query * keys).sum(-1)
            case _:
                scores = query.new_zeros(streams, steps, self.heads)
        scores = torch.cat([state.scores, scores], dim=1)
        keys = torch.cat([state.keys, keys], dim=1) if state.keys.shape[2] else state.keys
        values = state.values
        if hasattr(self, "w_v"):
            values = split(self.w_v, memory, self.value_size)
            values = torch.cat([state.values, values], dim=1)
        age = torch.arange(steps)[:, None] + self.window - 1 - torch.arange(scores.shape[1])[None, :]
        inside = (age >= 0) & (age < self.window)
        used = values if hasattr(self, "w_v") else keys
        attend = self._attend_each if self.has_query else self._attend_all
        contexts, log_sums, z = attend(query, keys, used, scores, inside)
        return contexts.flatten(2), log_sums, z, (scores, keys, values)

    def _attend_all(self, query, keys, values, scores, inside):
        """Scores that don't depend on the step that asks: a window's sums are those of a band."""
        if self.score == "aligned":  # nothing bounds z: each window needs a maximum of its own
            z = scores[:, None].masked_fill(~inside[..., None], -torch.inf)
            contexts = torch.einsum("btsh,bshv->bthv", torch.softmax(z, dim=2), values)
            return contexts, torch.logsumexp(z, dim=2), scores
        # |z| is at most sum |v|, so one maximum for all windows loses nothing.
        top = scores.detach().amax(dim=1, keepdim=True)
        weight = torch.exp(scores - top)
        band = inside.to(query.dtype)
        sums = band @ weight
        terms = band @ (weight[..., None] * values).flatten(2)
        contexts = terms.view(*query.shape[:3], self.value_size) / sums[..., None]
        return contexts, torch.log(sums) + top, scores

    def _attend_each(self, query, keys, values, absent, inside):
        """A score for each pair of a step and a step of its window."""
        if self.score == "additive":
            sums = query[:, :, None] + keys[:, None] + self.b
            z = (torch.tanh(sums) * self.v).sum(-1)
        else:
            z = torch.einsum("bthk,bshk->btsh", query, keys)
            if self.score == "scaled-dot":
                z = z / self.size**0.5
        z = (z + absent[:, None]).masked_fill(~inside[..., None], -torch.inf)
        contexts = torch.einsum("btsh,bshv->bthv", torch.softmax(z, dim=2), values)
        return contexts, torch.logsumexp(z, dim=2), z


class KeywordNetwork(nn.Module):
    def __init__(self, configuration: Configuration, dropout: float = 0.0):
        super().__init__()
        architecture = configuration.architecture
        self._stack = architecture["stack"]
        self._joined = architecture["decoder"]["input"] == "context+hidden"
        self._remembers_inputs = architecture["attention"]["memory"] == "x"
        self._output = architecture["output"]
        # Rows between two steps.
        self.stride = configuration.rows_per_step
        bins, encoder = configuration.front_end["bins"], architecture["encoder"]
        decoder, units = architecture["decoder"], encoder["units"]
        self.compression = Compression(configuration.front_end["compression"])
        self.feature = Normalisation(bins)
        self.stem, length = nn.ModuleList(), bins
        for layer in architecture.get("stem", []):
            self.stem.append(CONVOLUTIONS[layer["kind"]](length, layer))
            length = layer["channels"]
        inputs = length * self._stack
        self.encoder = recurrent(encoder, inputs, dropout)
        self.attention = Attention(
            architecture["attention"], units, inputs if self._remembers_inputs else units
        )
        contexts = self.attention.heads * self.attention.value_size
        self.decoder = recurrent(decoder, contexts + (units if self._joined else 0))
        self.output = nn.Linear(decoder["units"], len(configuration.names))
        # A keyword's step is rare: begin with saying no, or the first updates only learn that.
        nn.init.constant_(self.output.bias, -4 if self._output == "sigmoid" else 0)
        self._dropout = nn.Dropout(dropout)

    def start(self, streams: int) -> State:
        def zeros(layers):
            shape = layers.num_layers, streams, layers.hidden_size
            return [torch.zeros(shape) for _ in range(2 if isinstance(layers, nn.LSTM) else 1)]

        return State(
            smoothed=torch.full((streams, len(self.feature.mean)), -1.0),
            stem=[torch.zeros(streams, layer.inputs, layer.history) for layer in self.stem],
            encoder=zeros(self.encoder),
            decoder=zeros(self.decoder),
            **self.attention.history(streams),
        )

    def _convolve(self, rows, state):
        """Rows through the stem; with them the rows that the next segment needs."""
        channels, histories = rows.transpose(1, 2), []
        for layer, before in zip(self.stem, state.stem):
            channels = torch.cat([before, channels], dim=2)
            histories.append(channels[:, :, channels.shape[2] - layer.history :].detach())
            channels = functional.relu(layer(channels))
        return channels.transpose(1, 2), histories

    def forward(self, energy, state: State, mask=None) -> tuple[Output, State]:
        """A segment: [B, rows, bins] mel energies, rows a multiple of the stride.

        `mask` ([B, rows, bins] of 0 and 1) blanks rows and bins to their mean, in training only.
        """
        with torch.no_grad():
            rows, smoothed = self.compression(energy, state.smoothed)
        rows = self.feature(rows)
        if mask is not None:
            rows = rows * mask
        rows, stem = self._convolve(rows, state)
        inputs = rows.reshape(rows.shape[0], -1, rows.shape[2] * self._stack)
        hidden, encoder = run(self.encoder, inputs, state.encoder)
        hidden = self._dropout(hidden)
        memory = inputs if self._remembers_inputs else hidden
        contexts, log_sums, z, attended = self.attention(hidden, memory, state)
        joined = torch.cat([contexts, hidden], dim=2) if self._joined else contexts
        decoded, decoder = run(self.decoder, joined, state.decoder)
        logits = self.output(self._dropout(decoded))
        # Of what isn't needed there is no head, and nothing was added.
        scores, keys, values = (
            part[:, part.shape[1] - self.attention.window + 1 :].detach() for part in attended
        )
        carried = State(
            smoothed=smoothed, stem=stem, encoder=encoder, decoder=decoder,
            scores=scores, keys=keys, values=values,
        )
        return Output(logits, z, log_sums, hidden), carried

    def answers(self, logits: torch.Tensor) -> torch.Tensor:
        """What attnd makes of the last sums."""
        match self._output:
            case "sigmoid":
                return torch.sigmoid(logits)
            case "softmax":
                return torch.softmax(logits, dim=-1)
        return logits

    @torch.no_grad()
    def posteriors(self, energy: torch.Tensor, rows_at_once: int = 3960):
        """Whole streams from their beginning: [B, rows, bins] -> posteriors and scores by step."""
        state, posteriors, scores = self.start(len(energy)), [], []
        history = self.attention.window - 1
        rows_at_once -= rows_at_once % self.stride
        for segment in energy[:, : energy.shape[1] // self.stride * self.stride].split(
            rows_at_once, dim=1
        ):
            output, state = self(segment, state)
            posteriors.append(self.answers(output.logits))
            if not self.attention.has_query:
                scores.append(output.scores[:, history:])
        return torch.cat(posteriors, dim=1), torch.cat(scores, dim=1) if scores else None
