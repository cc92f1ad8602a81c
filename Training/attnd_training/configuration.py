"""The recipe file, read once and checked once."""

import tomllib
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path

CELLS = ("rnn-tanh", "rnn-relu", "gru", "lstm")
SCORES = ("dot", "scaled-dot", "additive", "aligned", "static")


class RecipeError(Exception):
    """Something that came from outside is not as it must be: one line, printed once."""


@dataclass(frozen=True)
class Configuration:
    """Six-words.toml as attributes: tables stay dictionaries, as they go into the model file."""

    name: str
    seed: int
    keywords: list
    front_end: dict
    architecture: dict
    detector: dict
    recordings: dict
    streams: dict
    loss: dict
    optimiser: dict
    thresholds: dict
    phases: list
    reset: object = "never"  # or a table with silence_seconds and below_dbfs
    lessons: dict = field(default_factory=dict)  # empty: no teacher
    start: dict = field(default_factory=dict)  # a model to begin with, and the parts taken from it

    @classmethod
    def read(cls, path: Path) -> "Configuration":
        try:
            document = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise RecipeError(f"recipe {path}: {error}") from None
        expected = set(cls.__dataclass_fields__)
        if unknown := sorted(set(document) - expected):
            raise RecipeError(f"recipe {path}: unknown table '{unknown[0]}'")
        if missing := sorted(expected - {"reset", "lessons", "start"} - set(document)):
            raise RecipeError(f"recipe {path}: no table '{missing[0]}'")
        configuration = cls(**document)
        configuration._check(path)
        return configuration

    def _check(self, path):
        """What training knows; attnd itself knows more. Say so early."""
        attention = self.architecture["attention"]
        for where, found, known in [
            ("encoder.cell", self.architecture["encoder"]["cell"], CELLS),
            ("decoder.cell", self.architecture["decoder"]["cell"], CELLS),
            ("decoder.input", self.architecture["decoder"]["input"], ("context", "context+hidden")),
            ("attention.score", attention["score"], SCORES),
            ("attention.memory", attention["memory"], ("x", "h")),
            ("attention.value", attention["value"], ("key", "separate")),
            ("output", self.architecture["output"], ("sigmoid", "softmax", "linear")),
            *((f"stem[{i}].kind", layer["kind"], ("full", "separable"))
              for i, layer in enumerate(self.architecture.get("stem", []))),
        ]:
            if found not in known:
                raise RecipeError(
                    f"recipe {path}: architecture.{where} is '{found}', expected {', '.join(known)}"
                )
        if attention["keyword_heads"] and attention["heads"] != len(self.keywords):
            raise RecipeError(
                f"recipe {path}: architecture.attention.heads is {attention['heads']}, expected "
                f"{len(self.keywords)}, one for each keyword"
            )
        for where, found, expected in [
            ("front_end.compression.kind", self.front_end["compression"]["kind"], "pcen"),
            ("architecture.stack", self.architecture["stack"], self.architecture["stride"]),
            ("streams.session_rows modulo optimiser.segment_rows",
             self.streams["session_rows"] % self.optimiser["segment_rows"], 0),
            ("optimiser.segment_rows modulo the rows of a step",
             self.optimiser["segment_rows"] % self.rows_per_step, 0),
        ]:
            if found != expected:
                raise RecipeError(f"recipe {path}: {where} is {found}, expected {expected}")

    def start_parts(self) -> tuple[dict, list[str]]:
        """The tensors of the model to begin with, and the parts of the network taken from it."""
        from .model_file import read

        return read(Path(self.start["model"]))[1], self.start["parts"]

    def in_phase(self, number: int) -> "Configuration":
        """The recipe while a phase lasts: its own tables over those of the whole."""
        own = {key: table for key, table in self.phases[number].items() if isinstance(table, dict)}
        return replace(self, **{key: {**getattr(self, key), **own[key]} for key in own})

    @property
    def updates(self) -> int:
        return sum(phase["updates"] for phase in self.phases)

    @property
    def names(self) -> list[str]:
        return [keyword["name"] for keyword in self.keywords]

    @property
    def row_seconds(self) -> float:
        return self.front_end["hop"] / self.front_end["sample_rate"]

    @property
    def _stem(self) -> list:
        return self.architecture.get("stem", [])

    @property
    def rows_per_step(self) -> int:
        return self.architecture["stride"] * prod(layer["stride"] for layer in self._stem)

    @property
    def step_centre_row(self) -> float:
        """The row, counted from 0, in the middle of those that the first step looks at."""
        row, stride = 0.0, 1
        for layer in self._stem:
            row -= (layer["kernel"] - 1) / 2 * stride
            stride *= layer["stride"]
        return row + (self.architecture["stack"] - 1) / 2 * stride

    @property
    def step_seconds(self) -> float:
        return self.row_seconds * self.rows_per_step

    def last_row(self, step):
        """The row, counted from 0, that has come when a step is taken."""
        behind = (self.architecture["stack"] - 1) * prod(layer["stride"] for layer in self._stem)
        return self.rows_per_step * step + behind

    def step_time(self, step):
        """Stream time (s) consumed when a step is taken: the end of its last row's frame."""
        hop, frame = self.front_end["hop"], self.front_end["frame_length"]
        return (self.last_row(step) * hop + frame) / self.front_end["sample_rate"]

    def step_centre(self, step):
        """Stream time (s) in the middle of the samples that a step looks at."""
        hop, frame = self.front_end["hop"], self.front_end["frame_length"]
        rows = self.rows_per_step * step + self.step_centre_row
        return (rows * hop + frame / 2) / self.front_end["sample_rate"]
