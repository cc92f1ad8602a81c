"""What a network that has heard far more speech than ours says of a stream.

The teacher is Google's `speech_embedding` (J. Lin, K. Kilgour, D. Roblek, M. Sharifi, "Training
Keyword Spotters with Limited and Synthesized Speech Data", ICASSP 2020; Apache-2.0), as the Python
package pyopen-wakeword carries it. Its weights are read from that package; the arithmetic is
written anew here, so that many streams go through it at once and PyTorch is all that it needs.
What it says goes into training alone: the model file holds nothing of it.

It listens to 32 mel bands of its own. `Ear` makes those out of attnd's mel energies, so that the
teacher hears the very rows that the student's sessions are composed of.
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from .configuration import RecipeError

SIZE = 96  # numbers in an embedding
HOP = 8  # rows of 10 ms from one embedding to the next
REACH = 76  # rows that one embedding hears
BANDS = 32

# Kernel (time, frequency), channels and, where one follows, the maximum taken over (time, frequency).
LAYERS = [
    ((3, 3), 24, None), ((1, 3), 24, None), ((3, 1), 24, (2, 2)),
    ((1, 3), 48, None), ((3, 1), 48, None), ((1, 3), 48, None), ((3, 1), 48, (1, 2)),
    ((1, 3), 72, None), ((3, 1), 72, None), ((1, 3), 72, None), ((3, 1), 72, (2, 2)),
    ((1, 3), 96, None), ((3, 1), 96, None), ((1, 3), 96, None), ((3, 1), 96, (1, 2)),
    ((1, 3), 96, None), ((3, 1), 96, None), ((1, 3), 96, None), ((3, 1), 96, (2, 2)),
    ((3, 1), 96, None),
]  # fmt: skip


class SpeechEmbedding(nn.Module):
    """[B, T, 32] bands as `Ear` gives them -> [B, (T - 76) // 8 + 1, 96]."""

    def __init__(self):
        super().__init__()
        channels, layers = 1, []
        for kernel, count, _ in LAYERS:
            layers.append(nn.Conv2d(channels, count, kernel))
            channels = count
        self.layers = nn.ModuleList(layers)

    def forward(self, bands):
        signal = bands[:, None]
        for layer, (kernel, _, pool) in zip(self.layers, LAYERS):
            if layer is self.layers[-1]:
                return layer(signal)[..., 0].transpose(1, 2)
            if kernel[1] == 3:
                signal = functional.pad(signal, (1, 1, 0, 0))
            signal = functional.leaky_relu(layer(signal), 0.2).clamp(min=-0.4)
            if pool:
                signal = functional.max_pool2d(signal, pool)


class Teacher:
    """The embedding with the ear that it listens through."""

    def __init__(self, ear: "Ear", models: Path | None = None):
        self._ear = ear
        self._network = SpeechEmbedding().eval()
        weights = _weights((models or package_models()) / "embedding_model.tflite")
        shapes = [tuple(layer.weight.shape) for layer in self._network.layers]
        if (found := [tuple(weight.shape) for weight, _ in weights]) != shapes:
            raise RecipeError(f"embedding_model.tflite: layers are {found}, expected {shapes}")
        for layer, (weight, bias) in zip(self._network.layers, weights):
            layer.weight.data, layer.bias.data = weight, bias

    @torch.no_grad()
    def embeddings(self, rows: np.ndarray) -> np.ndarray:
        """[B, T, bins] mel energies -> [B, T // 8, 96]; number i has heard rows up to 8 i + 7.

        Before the first row lies what the first rows hold, so that the first embeddings, too, have
        a second to hear.
        """
        before = np.repeat(rows[:, :1], REACH - HOP, axis=1)
        return self._network(self._ear.bands(np.concatenate([before, rows], axis=1))).numpy()


class Ear:
    """attnd's mel energies as the teacher's bands: [B, T, bins] -> [B, T, 32]."""

    def __init__(self, weights: np.ndarray):
        self._weights = torch.from_numpy(np.asarray(weights, np.float32))

    def bands(self, rows: np.ndarray) -> torch.Tensor:
        # As its front end has it: decibels, at most 80 of them below the loudest, over ten.
        power = torch.from_numpy(np.ascontiguousarray(rows, np.float32)) @ self._weights
        level = 10 * torch.log10(power + 1.0)
        level = torch.maximum(level, level.amax((1, 2), keepdim=True) - 80)
        return level / 10 + 2

    @classmethod
    def fitted(cls, recordings: list[tuple[Path, np.ndarray]], models: Path | None = None) -> "Ear":
        """Each band as a sum of attnd's with no negative part, by least squares of the logarithm.

        `recordings` are files at 16 kHz with their rows. The error is about a decibel.
        """
        from scipy.optimize import nnls

        front_end = _interpreter((models or package_models()) / "melspectrogram.tflite")
        ours, theirs = [], []
        for path, rows in recordings:
            level = _levels(front_end, path)
            count = min(len(rows), len(level))
            ours.append(rows[:count])
            theirs.append(level[:count])
        rows, levels = np.concatenate(ours).astype(np.float64), np.concatenate(theirs)
        weights = np.zeros((rows.shape[1], BANDS))
        for band in range(BANDS):
            heard = levels[:, band] > 25  # below, their dither and our floor are what is compared
            mine, power = rows[heard], 10 ** (levels[heard, band] / 10.0)
            weight, _ = nnls(mine / power[:, None], np.ones(len(mine)))
            for _ in range(3):
                # Weighed so that squares of the difference are nearly those of the logarithm.
                scale = 1 / np.sqrt(power * np.maximum(mine @ weight, 1e-6))
                weight, _ = nnls(mine * scale[:, None], power * scale)
            weights[:, band] = weight
        return cls(weights)

    @classmethod
    def load(cls, path: Path) -> "Ear":
        return cls(np.load(path))

    def save(self, path: Path) -> None:
        np.save(path, self._weights.numpy())


def package_models() -> Path:
    """The folder of models in the installed package; its own code is not used."""
    from importlib.util import find_spec

    if not (found := find_spec("pyopen_wakeword")) or not found.submodule_search_locations:
        raise RecipeError("the teacher needs the package pyopen-wakeword: pip install '.[teacher]'")
    return Path(found.submodule_search_locations[0]) / "models"


def _interpreter(path: Path, **options):
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        raise RecipeError("the teacher needs ai-edge-litert: pip install '.[teacher]'") from None
    if not path.exists():
        raise RecipeError(f"{path} is missing: pyopen-wakeword 1.1.0 has it")
    return Interpreter(str(path), **options)


def _weights(path: Path) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Every convolution's kernel [out, in, time, frequency] and bias, in the network's order."""
    interpreter = _interpreter(path, experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    weights = []
    for operation in interpreter._get_ops_details():
        if operation["op_name"] == "CONV_2D":
            _, kernel, bias = (int(number) for number in operation["inputs"])
            kernel = torch.tensor(interpreter.get_tensor(kernel)).permute(0, 3, 1, 2).contiguous()
            weights.append((kernel, torch.tensor(interpreter.get_tensor(bias))))
    return weights


def _levels(front_end, path: Path) -> np.ndarray:
    """What the teacher's own front end makes of a file: [T, 32] decibels."""
    import soundfile

    samples, rate = soundfile.read(path, dtype="float32")
    if rate != 16000 or samples.ndim != 1:
        raise RecipeError(f"{path}: {rate} Hz, expected one channel at 16000 Hz")
    samples = samples * 32768
    front_end.resize_tensor_input(0, [1, len(samples)])
    front_end.allocate_tensors()
    front_end.set_tensor(0, samples[None])
    front_end.invoke()
    return front_end.get_tensor(front_end.get_output_details()[0]["index"])[0, 0]
