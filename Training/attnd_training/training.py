"""The loop: segments of many streams, state carried, weights averaged, mistakes mined."""

import copy
import json
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from .configuration import Configuration, RecipeError
from .network import KeywordNetwork, Output
from .progress import end, show
from .streams import Composer, Truth
from .teacher import SIZE
from .thresholds import HeldOut, posteriors_alone


class StreamReader:
    """The streams side by side, cut into segments; asks for a session when one is used up.

    `sources` has one for each stream: what composes sessions, or what has lessons ready.
    """

    def __init__(self, configuration: Configuration, sources: list):
        self.sources = sources
        self._rows = configuration.optimiser["segment_rows"]
        self._stride = configuration.rows_per_step
        self._segments = configuration.streams["session_rows"] // self._rows
        # The streams begin their sessions at different times.
        self.places = [[0, stream % self._segments] for stream in range(len(sources))]
        self._sessions = [None] * len(sources)

    def segment(self):
        """Rows [B, rows, bins], the truths, and which streams begin anew here."""
        rows, truths, restarts = [], [], []
        for stream, (place, source) in enumerate(zip(self.places, self.sources)):
            number, segment = place
            if self._sessions[stream] is None:
                self._sessions[stream] = source.with_truth(stream, number)
            session, truth = self._sessions[stream]
            first = segment * self._rows
            rows.append(session.rows[first : first + self._rows])
            steps = slice(first // self._stride, (first + self._rows) // self._stride)
            part = Truth(*(entry[steps] for entry in vars(truth).values()))
            truths.append(replace(part, span=part.span - first // self._stride))
            restarts.append(segment == 0 and session.restarts)
            place[1] += 1
            if place[1] == self._segments:
                place[:] = [number + 1, 0]
                self._sessions[stream] = None
        names = vars(truths[0])
        stacked = {name: torch.from_numpy(np.stack([vars(t)[name] for t in truths])) for name in names}
        return torch.from_numpy(np.stack(rows)), Truth(**stacked), torch.tensor(restarts)


def losses(output: Output, truth: Truth, window: int, kind: str = "sigmoid"):
    """Cross-entropy of the posteriors, and of the attention against the word's span, a step.

    `kind` is the output's; where it is linear the first is the squared error. A word's span is read
    off its own head, or off the first where it has none, as attnd reads it.
    """
    target, weight, word, span = truth.target, truth.weight, truth.word, truth.span
    match kind:
        case "sigmoid":
            answer = functional.binary_cross_entropy_with_logits(
                output.logits, target, weight=weight, reduction="sum"
            )
        case "softmax":
            answer = functional.binary_cross_entropy(
                torch.softmax(output.logits, dim=-1), target, weight=weight, reduction="sum"
            )
        case _:
            answer = (weight * (output.logits - target) ** 2).sum()
    stream, step = torch.nonzero(word >= 0, as_tuple=True)
    has_own = output.log_sums.shape[2] == target.shape[2]
    head = word[stream, step] if has_own else word.new_zeros(len(stream))
    # In scores, position window - 1 + t is step t; a step sees positions t ... t + window - 1.
    first = torch.maximum(span[stream, step, 0] + window - 1, step)
    last = torch.minimum(span[stream, step, 1] + window - 1, step + window - 1)
    seen = first <= last
    stream, step, head, first, last = (x[seen] for x in (stream, step, head, first, last))
    scores = torch.where(torch.isinf(output.scores), 0, output.scores)
    if scores.dim() == 4:  # a row of scores for each step that asks
        total = functional.pad(scores[stream, step, :, head].cumsum(dim=1), (1, 0))
        word_row = torch.arange(len(stream))
        sums = total[word_row, last + 1] - total[word_row, first]
    else:
        total = functional.pad(scores.cumsum(dim=1), (0, 0, 1, 0))
        sums = total[stream, last + 1, head] - total[stream, first, head]
    mean = sums / (last + 1 - first)
    guide = (output.log_sums[stream, step, head] - mean).sum()
    steps = word.numel()
    return answer / steps, guide / steps


class Trainer:
    def __init__(self, configuration: Configuration, compose, held_out: HeldOut, speech, work):
        """`compose` gives, for the recipe as it is in a phase, the composer and what has lessons.

        `speech` is what is mined: (path, rows) of every negative recording.
        """
        self._configuration = configuration
        self._settings = configuration.optimiser
        self._compose = compose
        self._held_out = held_out
        self._speech = speech
        self._work = Path(work)
        torch.manual_seed(configuration.seed)
        self._network = KeywordNetwork(configuration, self._settings["dropout"])
        # From what the encoder gives to what the teacher says; left behind with training.
        self._pupil = torch.nn.Linear(configuration.architecture["encoder"]["units"], SIZE)
        self._phase = 0
        self._composer, self._lessons = compose(configuration.in_phase(0))
        if configuration.start:
            self._begin_with(*configuration.start_parts())
        else:
            self._set_normalisation()
        self.average = copy.deepcopy(self._network).eval()
        self._parameters = [*self._network.parameters(), *self._pupil.parameters()]
        # The rate is set before every step.
        self._optimiser = torch.optim.AdamW(
            self._parameters, lr=0.0, betas=(0.9, 0.98),
            weight_decay=self._settings["weight_decay"],
        )
        self._reader = StreamReader(configuration, self._sources())
        self._enter_phase(0)
        self._state = self._network.start(self._settings["streams"])
        self._update = 0
        self._seconds = 0.0

    def _begin_with(self, tensors: dict, parts: list[str]):
        """Takes parts of the network over from another model."""
        own = self._network.state_dict()
        for name in own:
            if name.split(".")[0] in parts:
                found = tensors.get(name)
                if found is None or found.shape != tuple(own[name].shape):
                    shape = None if found is None else tuple(found.shape)
                    raise RecipeError(
                        f"start.model: tensor {name} has shape {shape}, "
                        f"expected {tuple(own[name].shape)}"
                    )
                own[name].copy_(torch.from_numpy(found.astype(np.float32)))

    def _set_normalisation(self):
        """Mean and scale of the compressed rows, over streams that training never sees again."""
        sessions = [self._composer.session(1_000_000 + n, 0).rows for n in range(100)]
        state = self._network.start(len(sessions))
        rows, _ = self._network.compression(torch.from_numpy(np.stack(sessions)), state.smoothed)
        self._network.feature.mean.copy_(rows.mean(dim=(0, 1)))
        self._network.feature.scale.copy_(1 / rows.std(dim=(0, 1)))

    def _sources(self):
        """What each stream's sessions come from: the first streams have lessons."""
        taught = self._configuration.in_phase(self._phase).optimiser["lessons"]
        return [self._lessons] * taught + [self._composer] * (self._settings["streams"] - taught)

    def _enter_phase(self, number: int):
        """From the next session on, streams are those of another phase."""
        if number != self._phase:
            mined = self._composer.mined
            self._phase = number
            self._composer, self._lessons = self._compose(self._configuration.in_phase(number))
            self._composer.mined = mined
            self._reader.sources = self._sources()
        frozen = self._configuration.phases[number].get("frozen", [])
        for name, parameter in self._network.named_parameters():
            parameter.requires_grad_(name.split(".")[0] not in frozen)

    # MARK: Checkpoints

    @property
    def _checkpoint(self):
        return self._work / "checkpoint.pt"

    def _save(self):
        document = {
            "network": self._network.state_dict(),
            "average": self.average.state_dict(),
            "pupil": self._pupil.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "state": vars(self._state),
            "places": self._reader.places,
            "mined": self._composer.mined,
            "update": self._update,
            "seconds": self._seconds,
            "random": torch.get_rng_state(),
        }
        torch.save(document, self._checkpoint.with_suffix(".part"))
        os.replace(self._checkpoint.with_suffix(".part"), self._checkpoint)

    def take_up(self) -> bool:
        """Goes on from the last checkpoint, if there is one."""
        if not self._checkpoint.exists():
            return False
        document = torch.load(self._checkpoint, weights_only=True)
        self._network.load_state_dict(document["network"])
        self.average.load_state_dict(document["average"])
        self._pupil.load_state_dict(document["pupil"])
        self._optimiser.load_state_dict(document["optimiser"])
        for name, tensor in document["state"].items():
            setattr(self._state, name, tensor)
        self._reader.places[:] = document["places"]
        self._update, self._seconds = document["update"], document["seconds"]
        self._composer.mined = [tuple(place) for place in document["mined"]]
        if (phase := self._phase_at(self._update)[0]) != self._phase:
            self._enter_phase(phase)
        torch.set_rng_state(document["random"])
        return True

    # MARK: The loop

    def run(self):
        settings, total = self._settings, self._configuration.updates
        log = open(self._work / "log.jsonl", "a", encoding="utf-8")
        sums, began = np.zeros(3), time.monotonic()
        while self._update < total:
            sums += self._step()
            if self._update % settings["log_every"] == 0:
                now = time.monotonic()
                self._seconds += now - began
                began = now
                answer, guide, lesson = sums / settings["log_every"]
                sums[:] = 0
                hours = self._update * settings["streams"] * settings["segment_rows"]
                hours *= self._configuration.row_seconds / 3600
                line = {
                    "update": self._update,
                    "hours": round(hours, 2),
                    "seconds": round(self._seconds, 1),
                    "loss": round(answer, 5),
                    "guide": round(guide, 5),
                    "lesson": round(lesson, 5),
                    "learning_rate": self._rate(),
                }
                print(json.dumps(line), file=log, flush=True)
                left = self._seconds / self._update * (total - self._update)
                show(
                    f"{self._update}/{total}  {hours:.0f} h  loss {answer:.4f}  guide {guide:.4f}"
                    + (f"  lesson {lesson:.4f}" if lesson else "")
                    + f"  {left / 60:.0f} min left"
                )
            if self._update % settings["mine_every"] == 0 and self._update < total:
                if self._loss()["keywords"] > 0:
                    self._mine(log)
            if self._update % settings["checkpoint_every"] == 0 or self._update == total:
                self._save()
        end()

    def _phase_at(self, update: int) -> tuple[int, int]:
        """The phase that an update belongs to, and how many updates of it went before."""
        for number, phase in enumerate(self._configuration.phases):
            if update < phase["updates"]:
                return number, update
            update -= phase["updates"]
        last = len(self._configuration.phases) - 1
        return last, self._configuration.phases[last]["updates"]

    def _rate(self):
        """In each phase up in a straight line, level, down in a straight line."""
        number, done = self._phase_at(self._update)
        phase = self._configuration.phases[number]
        up = (done + 1) / phase["warm_up"]
        down = (phase["updates"] - done) / phase["cool_down"]
        return phase["learning_rate"] * min(up, 1, down)

    def _step(self):
        settings = self._settings
        if (phase := self._phase_at(self._update)[0]) != self._phase:
            self._enter_phase(phase)
        for group in self._optimiser.param_groups:
            group["lr"] = self._rate()
        energy, truth, restarts = self._reader.segment()
        if restarts.any():
            self._state.restart(restarts)
        self._network.train()
        output, self._state = self._network(energy, self._state, self._mask(energy.shape[1]))
        answer, guide = losses(
            output, truth, self._network.attention.window,
            self._configuration.architecture["output"],
        )
        lesson = answer.new_zeros(())
        if truth.taught.any():
            said = self._pupil(output.hidden[truth.taught])
            lesson = functional.mse_loss(said, truth.embedding[truth.taught])
        weights = self._loss()
        loss = weights["keywords"] * (answer + weights["guide"] * guide)
        loss = loss + weights["embedding"] * lesson
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._parameters, settings["clip"])
        self._optimiser.step()
        # Anew in each phase: what was learned first is not averaged with what was learned for.
        done = self._phase_at(self._update)[1]
        self._update += 1
        keep = min(settings["average"], (1 + done) / (10 + done))
        with torch.no_grad():
            for mean, now in zip(self.average.parameters(), self._network.parameters()):
                mean.lerp_(now, 1 - keep)
        return np.array([float(part.detach()) for part in (answer, guide, lesson)])

    def _loss(self):
        return self._configuration.in_phase(self._phase).loss

    def _mask(self, rows: int):
        """Up to two bands of bins and one run of rows blanked, in some of the streams."""
        streams, bins = self._settings["streams"], self._configuration.front_end["bins"]
        bands = _blanks(streams, bins, 6, self._settings["masks"] / 2)
        bands *= _blanks(streams, bins, 6, self._settings["masks"] / 2)
        return bands[:, None] * _blanks(streams, rows, 12, self._settings["row_masks"])[..., None]

    def _mine(self, log):
        """Lists the places in training speech that the averaged network takes for a keyword.

        A third of the speech at a time, by turns; what the others gave is kept.
        """
        began, parts = time.monotonic(), 3
        turn = self._update // self._settings["mine_every"] % parts
        part = self._speech[turn::parts]
        posteriors = posteriors_alone(self.average, [rows for _, rows in part])
        stride, apart = self._configuration.rows_per_step, 25
        peaks = []
        for (path, _), clip in zip(part, posteriors):
            scores = clip.max(axis=1) if len(clip) else np.zeros(0)
            while len(scores) and scores[best := int(scores.argmax())] > 0.05:
                peaks.append((float(scores[best]), path, best * stride))
                scores[max(0, best - apart) : best + apart] = 0
        peaks.sort(reverse=True)
        heard = {path for path, _ in part}
        kept = [place for place in self._composer.mined if place[0] not in heard]
        self._composer.mined = kept + [(path, row) for _, path, row in peaks[:500]]
        line = {
            "update": self._update,
            "mined": len(peaks),
            "mined_over_half": sum(score > 0.5 for score, _, _ in peaks),
            "held_out": self._held_out.choose(self.average, copies=False),
            "mining_seconds": round(time.monotonic() - began, 1),
        }
        print(json.dumps(line), file=log, flush=True)


def _blanks(streams: int, length: int, widest: int, share: float) -> torch.Tensor:
    """[streams, length] of 1, in a share of the streams with a run of up to `widest` of 0."""
    first = torch.randint(0, length, (streams, 1))
    width = torch.randint(1, widest + 1, (streams, 1))
    chosen = torch.rand(streams, 1) < share
    place = torch.arange(length)
    return 1 - (chosen & (place >= first) & (place < first + width)).float()
