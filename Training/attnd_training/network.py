"""The network in PyTorch: many streams at a time, whole segments, state carried.

    y = (E (eps + M)^-gain + bias)^power - bias^power,  M_t = (1-s) M_(t-1) + s E_t,  M_(-1) = E_0
    x = three rows of (y - mean) * scale, oldest first
    h = GRU(x)
    z = v . tanh(W_e h + b)     a = W_a h              static attention, a head for each keyword
    c = sum_s softmax(z)_s a_s                         over the last 50 steps
    d = GRU([c ; h])
    posteriors = sigmoid(W_o d + b_o)

Parameters bear the names of the model file, so that the file is a state_dict.
"""

from dataclasses import dataclass

import torch
from torch import nn

from .configuration import Configuration


@dataclass
class State:
    """What goes from one segment of B streams to the next."""

    smoothed: torch.Tensor  # [B, bins] PCEN's M; negative where the stream has not begun
    encoder: torch.Tensor  # [layers, B, units]
    decoder: torch.Tensor  # [layers, B, units]
    scores: torch.Tensor  # [B, window - 1, heads]; -inf where there was no step
    keys: torch.Tensor  # [B, window - 1, heads, key_size]

    def restart(self, streams: torch.Tensor) -> None:
        """Sets some streams ([B] of bool) to their beginning."""
        self.smoothed[streams] = -1
        self.encoder[:, streams] = 0
        self.decoder[:, streams] = 0
        self.scores[streams] = -torch.inf
        self.keys[streams] = 0


@dataclass
class Output:
    logits: torch.Tensor  # [B, T, keywords]
    scores: torch.Tensor  # [B, window - 1 + T, heads] z of these steps and those before
    log_sums: torch.Tensor  # [B, T, heads] log of the sum of exp(z) over each step's window


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


class Attention(nn.Module):
    def __init__(self, settings: dict, inputs: int):
        super().__init__()
        heads, size = settings["heads"], settings["key_size"]
        self.window = settings["window"]
        self.w_e = nn.Parameter(torch.randn(heads * size, inputs) / inputs**0.5)
        self.w_a = nn.Parameter(torch.randn(heads * size, inputs) / inputs**0.5)
        self.v = nn.Parameter(torch.randn(heads, size) / size**0.5)
        self.b = nn.Parameter(torch.zeros(heads, size))

    def forward(self, hidden, state):
        """[B, T, units] -> contexts [B, T, heads * key_size], z with history, log of the sums."""
        heads, size = self.v.shape
        streams, steps, _ = hidden.shape
        query = (hidden @ self.w_e.T).view(streams, steps, heads, size)
        keys = (hidden @ self.w_a.T).view(streams, steps, heads, size)
        scores = (torch.tanh(query + self.b) * self.v).sum(-1)
        scores = torch.cat([state.scores, scores], dim=1)
        keys = torch.cat([state.keys, keys], dim=1)
        # Static scores don't depend on the step that asks: a window's sums are those of a band.
        # |z| is at most sum |v|, so one maximum for all windows loses nothing.
        top = scores.detach().amax(dim=1, keepdim=True)
        weight = torch.exp(scores - top)
        age = torch.arange(steps)[:, None] + self.window - 1 - torch.arange(keys.shape[1])[None, :]
        band = ((age >= 0) & (age < self.window)).to(hidden.dtype)
        sums = band @ weight
        terms = band @ (weight[..., None] * keys).flatten(2)
        contexts = terms.view(streams, steps, heads, size) / sums[..., None]
        return contexts.flatten(2), scores, keys, torch.log(sums) + top


class KeywordNetwork(nn.Module):
    def __init__(self, configuration: Configuration, dropout: float = 0.0):
        super().__init__()
        architecture = configuration.architecture
        self._stack = self.stride = architecture["stack"]
        bins, encoder = configuration.front_end["bins"], architecture["encoder"]
        decoder, units = architecture["decoder"], encoder["units"]
        self.compression = Compression(configuration.front_end["compression"])
        self.feature = Normalisation(bins)
        self.encoder = nn.GRU(
            bins * self._stack, units, encoder["layers"], batch_first=True, dropout=dropout
        )
        self.attention = Attention(architecture["attention"], units)
        contexts = self.attention.v.numel()
        self.decoder = nn.GRU(
            contexts + units, decoder["units"], decoder["layers"], batch_first=True
        )
        self.output = nn.Linear(decoder["units"], len(configuration.names))
        # A keyword's step is rare: begin with saying no, or the first updates only learn that.
        nn.init.constant_(self.output.bias, -4)
        self._dropout = nn.Dropout(dropout)

    def start(self, streams: int) -> State:
        heads, size = self.attention.v.shape
        history = self.attention.window - 1
        return State(
            smoothed=torch.full((streams, len(self.feature.mean)), -1.0),
            encoder=torch.zeros(self.encoder.num_layers, streams, self.encoder.hidden_size),
            decoder=torch.zeros(self.decoder.num_layers, streams, self.decoder.hidden_size),
            scores=torch.full((streams, history, heads), -torch.inf),
            keys=torch.zeros(streams, history, heads, size),
        )

    def forward(self, energy, state: State, mask=None) -> tuple[Output, State]:
        """A segment: [B, rows, bins] mel energies, rows a multiple of the stride.

        `mask` ([B, 1, bins] of 0 and 1) blanks bins to their mean, in training only.
        """
        with torch.no_grad():
            rows, smoothed = self.compression(energy, state.smoothed)
        rows = self.feature(rows)
        if mask is not None:
            rows = rows * mask
        inputs = rows.reshape(rows.shape[0], -1, rows.shape[2] * self._stack)
        hidden, encoder = self.encoder(inputs, state.encoder)
        hidden = self._dropout(hidden)
        contexts, scores, keys, log_sums = self.attention(hidden, state)
        decoded, decoder = self.decoder(torch.cat([contexts, hidden], dim=2), state.decoder)
        logits = self.output(self._dropout(decoded))
        history = self.attention.window - 1
        carried = State(
            smoothed=smoothed,
            encoder=encoder.detach(),
            decoder=decoder.detach(),
            scores=scores[:, -history:].detach(),
            keys=keys[:, -history:].detach(),
        )
        return Output(logits, scores, log_sums), carried

    @torch.no_grad()
    def posteriors(self, energy: torch.Tensor, rows_at_once: int = 3960):
        """Whole streams from their beginning: [B, rows, bins] -> posteriors and scores by step."""
        state, posteriors, scores = self.start(len(energy)), [], []
        history = self.attention.window - 1
        for segment in energy[:, : energy.shape[1] // self._stack * self._stack].split(
            rows_at_once, dim=1
        ):
            output, state = self(segment, state)
            posteriors.append(torch.sigmoid(output.logits))
            scores.append(output.scores[:, history:])
        return torch.cat(posteriors, dim=1), torch.cat(scores, dim=1)
