"""The recipe file, read once and checked once."""

import tomllib
from dataclasses import dataclass, replace
from pathlib import Path


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

    @classmethod
    def read(cls, path: Path) -> "Configuration":
        try:
            document = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise RecipeError(f"recipe {path}: {error}") from None
        expected = set(cls.__dataclass_fields__)
        if unknown := sorted(set(document) - expected):
            raise RecipeError(f"recipe {path}: unknown table '{unknown[0]}'")
        if missing := sorted(expected - set(document)):
            raise RecipeError(f"recipe {path}: no table '{missing[0]}'")
        configuration = cls(**document)
        configuration._check(path)
        return configuration

    def _check(self, path):
        """The network below is written for one family of architectures; say so early."""
        for where, found, expected in [
            ("front_end.compression.kind", self.front_end["compression"]["kind"], "pcen"),
            ("architecture.stack", self.architecture["stack"], self.architecture["stride"]),
            ("architecture.encoder.cell", self.architecture["encoder"]["cell"], "gru"),
            ("architecture.attention.score", self.architecture["attention"]["score"], "static"),
            ("architecture.attention.heads", self.architecture["attention"]["heads"],
             len(self.keywords)),
            ("architecture.decoder.input", self.architecture["decoder"]["input"],
             "context+hidden"),
            ("streams.session_rows modulo optimiser.segment_rows",
             self.streams["session_rows"] % self.optimiser["segment_rows"], 0),
            ("optimiser.segment_rows modulo architecture.stride",
             self.optimiser["segment_rows"] % self.architecture["stride"], 0),
        ]:
            if found != expected:
                raise RecipeError(f"recipe {path}: {where} is {found}, expected {expected}")

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
    def step_seconds(self) -> float:
        return self.row_seconds * self.architecture["stride"]

    def step_time(self, step):
        """Stream time (s) consumed when a step is taken: the end of its last row's frame."""
        hop, frame = self.front_end["hop"], self.front_end["frame_length"]
        rows = self.architecture["stride"] * step + self.architecture["stack"] - 1
        return (rows * hop + frame) / self.front_end["sample_rate"]

    def step_centre(self, step):
        """Stream time (s) in the middle of the samples that a step looks at."""
        hop, frame = self.front_end["hop"], self.front_end["frame_length"]
        rows = self.architecture["stride"] * step + (self.architecture["stack"] - 1) / 2
        return (rows * hop + frame / 2) / self.front_end["sample_rate"]
