"""Matrices rounded to half precision, each so that what it makes of real inputs changes least.

A matrix W meets inputs x that are far from independent: neighbouring mel bins, rows one after the
other, units that go together. So the error of one column is made good by the columns that are still to
be rounded (Frantar et al., GPTQ, ICLR 2023, after the optimal brain surgeon, Hassibi and Stork 1993):
with H = E[x x^T] and U the upper Cholesky factor of its inverse,

    q_j = round(w_j),  w_k -= (w_j - q_j) U_jk / U_jj  for k > j

Then single elements go to the number above or below as long as that makes trace(E H E^T) less, with
E = W - Q. What is left of the mean error, E E[x], goes into the bias, which stays a float; H is then the
covariance.
"""

from collections import defaultdict

import numpy as np
import torch
from torch import nn

from .network import KeywordNetwork

DAMPING = 1e-4  # of the mean of H's diagonal, added to it
PASSES = 20  # over all elements, at most


class Moments:
    """Number, sum and second moments of the vectors that a matrix is multiplied by."""

    def __init__(self):
        self.count, self.sum, self.squares = 0, 0.0, 0.0

    def add(self, vectors: torch.Tensor) -> None:
        vectors = vectors.reshape(-1, vectors.shape[-1]).double()
        self.count += len(vectors)
        self.sum = self.sum + vectors.sum(0)
        self.squares = self.squares + vectors.T @ vectors

    @property
    def mean(self):
        return self.sum / self.count

    def second(self, centred: bool) -> torch.Tensor:
        squares = self.squares / self.count
        return squares - torch.outer(self.mean, self.mean) if centred else squares


def halves(matrix: torch.Tensor) -> torch.Tensor:
    return matrix.half().to(matrix.dtype)


def rounded(matrix: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Numbers of half precision in place of a matrix's [rows, columns]; `second` is H."""
    diagonal = second.diagonal()
    damping = DAMPING * diagonal.mean() + 1e-12
    inverse = torch.linalg.inv(second + damping * torch.eye(len(second), dtype=second.dtype))
    upper = torch.linalg.cholesky(inverse, upper=True)
    left, result = matrix.double().clone(), torch.empty_like(matrix, dtype=torch.float64)
    for j in range(left.shape[1]):
        result[:, j] = halves(left[:, j])
        error = (left[:, j] - result[:, j]) / upper[j, j]
        left[:, j + 1 :] -= torch.outer(error, upper[j, j + 1 :])
    return improved(result, matrix.double(), second).to(matrix.dtype)


def improved(result, matrix, second):
    """Neighbouring numbers in place of single elements, as long as that makes the error less."""
    slope = (matrix - result) @ second
    for _ in range(PASSES):
        changed = 0
        for j in range(matrix.shape[1]):
            half, own = result[:, j].half(), second[j, j]
            best, step = torch.zeros_like(slope[:, j]), torch.zeros_like(slope[:, j])
            for towards in (torch.inf, -torch.inf):
                change = neighbour(half, towards).double() - result[:, j]
                gain = 2 * change * slope[:, j] - change**2 * own
                step = torch.where(gain > best, change, step)
                best = torch.maximum(gain, best)
            result[:, j] += step
            slope -= torch.outer(step, second[j])
            changed += int((step != 0).sum())
        if changed == 0:
            break
    return result


def neighbour(half: torch.Tensor, towards: float) -> torch.Tensor:
    return torch.from_numpy(np.nextafter(half.numpy(), np.float16(towards)))


def listen(network: KeywordNetwork, streams: list[torch.Tensor]) -> dict[str, Moments]:
    """The inputs of each matrix, by its name, while the network hears streams ([rows, bins])."""
    moments: dict[str, Moments] = defaultdict(Moments)

    def recurrent(name):
        def hook(layers, arguments):
            inputs = arguments[0]
            for index, layer in enumerate(single_layers(layers)):
                outputs, _ = layer(inputs)
                moments[f"{name}.weight_ih_l{index}"].add(inputs)
                before = torch.cat([torch.zeros_like(outputs[:, :1]), outputs[:, :-1]], dim=1)
                moments[f"{name}.weight_hh_l{index}"].add(before)
                inputs = outputs

        return hook

    def attention(_, arguments):
        hidden, memory, _ = arguments
        moments["attention.w_e"].add(hidden)
        for name in ("w_a", "w_v"):
            moments[f"attention.{name}"].add(memory)

    def output(_, arguments):
        moments["output.weight"].add(arguments[0])

    handles = [
        network.encoder.register_forward_pre_hook(recurrent("encoder")),
        network.decoder.register_forward_pre_hook(recurrent("decoder")),
        network.attention.register_forward_pre_hook(attention),
        network.output.register_forward_pre_hook(output),
    ]
    with torch.no_grad():
        for energy in streams:
            network.posteriors(energy[None], rows_at_once=len(energy) + network.stride)
    for handle in handles:
        handle.remove()
    return moments


def single_layers(layers: nn.RNNBase):
    """The layers of a stack, each by itself."""
    for index in range(layers.num_layers):
        inputs = layers.input_size if index == 0 else layers.hidden_size
        options = {"nonlinearity": layers.nonlinearity} if type(layers) is nn.RNN else {}
        layer = type(layers)(inputs, layers.hidden_size, batch_first=True, **options)
        for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            getattr(layer, f"{part}_l0").data = getattr(layers, f"{part}_l{index}").data
        yield layer


def bias_name(name: str) -> str | None:
    """The bias beside a matrix; those of the attention have none."""
    if name.startswith("attention."):
        return None
    return name.replace("weight", "bias")


@torch.no_grad()
def to_half(network: KeywordNetwork, streams: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    """The network's tensors, every one of two axes and more of half precision.

    Matrices are rounded to what the streams need, the rest (a stem's, the attention's v and b) to the
    nearest.
    """
    tensors = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    moments = listen(network, streams)
    for name, tensor in tensors.items():
        if tensor.dim() < 2:
            continue
        if name not in moments:
            tensors[name] = halves(tensor)
            continue
        bias = bias_name(name)
        result = rounded(tensor, moments[name].second(centred=bias is not None))
        if bias is not None:
            shift = (tensor.double() - result.double()) @ moments[name].mean
            tensors[bias] = (tensors[bias].double() + shift).float()
        tensors[name] = result
    return tensors
