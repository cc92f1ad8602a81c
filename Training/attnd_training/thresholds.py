"""A threshold for each keyword, from recordings that training never saw.

All keywords share one allowance of false alarms in held-out speech. It is spent where it finds most
of the held-out keywords: of all ways to divide it, the one that misses fewest; of equals, the one
with fewest false alarms. Altered copies make more of what little is held out.
"""

import numpy as np
import torch

from .configuration import Configuration
from .detection import detections, smoothed
from .features import RowBank
from .network import KeywordNetwork
from .streams import formant_warp, stretched

# Evenly spaced in log odds: 0.5 to 0.998. Under 0.5 the network itself says no.
GRID = 1 / (1 + np.exp(-np.arange(0, 6.2, 0.1)))


def posteriors_alone(network: KeywordNetwork, clips: list[np.ndarray], batch: int = 64) -> list:
    """Each clip as a stream of its own: posteriors [T, keywords] for each."""
    network.eval()
    order = sorted(range(len(clips)), key=lambda index: len(clips[index]))
    result = [None] * len(clips)
    stride = network.stride
    for first in range(0, len(order), batch):
        chosen = order[first : first + batch]
        longest = max(stride, max(len(clips[index]) for index in chosen))
        energy = np.zeros((len(chosen), longest, clips[0].shape[1]), np.float32)
        for row, index in enumerate(chosen):
            energy[row, : len(clips[index])] = clips[index]
        posteriors, _ = network.posteriors(torch.from_numpy(energy))
        for row, index in enumerate(chosen):
            result[index] = posteriors[row, : len(clips[index]) // stride].numpy()
    return result


class HeldOut:
    """The held-out recordings and what the network says of them."""

    def __init__(self, configuration: Configuration, recordings, bank: RowBank):
        self._configuration = configuration
        self._keywords = [r for r in recordings if r.kind == "keyword"]
        self._words = [np.asarray(bank[r.path]) for r in self._keywords]
        self._speech = [np.asarray(bank[r.path]) for r in recordings if r.kind == "speech"]
        self._copies = [
            (tempo, formant_warp(configuration.front_end, formants))
            for tempo, formants in configuration.thresholds["copies"]
        ]

    def choose(self, network: KeywordNetwork, copies: bool = True) -> dict:
        """Thresholds and figures, by keyword; without copies it's cheaper and less sure."""
        chosen = self._copies if copies else self._copies[:1]
        speech = self._smoothed(network, self._speech, chosen)
        words = self._smoothed(network, self._words, chosen)
        names = [r.word for _ in chosen for r in self._keywords]
        hours = sum(map(len, speech)) * self._configuration.step_seconds / 3600
        allowed = int(self._configuration.thresholds["false_alarms_per_hour"] * hours)
        options = []  # for each keyword, for 0, 1 ... false alarms: (threshold, missed)
        for index, name in enumerate(self._configuration.names):
            own = [p for p, word in zip(words, names) if word == name]
            options.append(self._options(speech, own, index, allowed))
        result = {"hours": round(hours, 3), "allowed": allowed, "keywords": {}}
        for index, count in enumerate(divided(options, allowed)):
            name = self._configuration.names[index]
            threshold, missed = options[index][count]
            own = words[: len(self._words)]
            result["keywords"][name] = {
                "threshold": round(threshold, 4),
                "false_alarms": count,
                "recordings": sum(r.word == name for r in self._keywords),
                "missed": sum(
                    not self._count([p], index, threshold)
                    for p, r in zip(own, self._keywords)
                    if r.word == name
                ),
                "copies_missed": missed,
            }
        return result

    def _smoothed(self, network, clips, copies):
        window = self._configuration.detector["smoothing_steps"]
        return [
            smoothed(posteriors, window)
            for tempo, warp in copies
            for posteriors in posteriors_alone(
                network, [stretched(rows, tempo) @ warp for rows in clips]
            )
        ]

    def _options(self, speech, words, keyword, allowed):
        """The lowest threshold with at most n false alarms and what it misses, for n = 0, 1 ..."""
        options = [(float(GRID[-1]), len(words))] * (allowed + 1)
        for threshold in map(float, GRID[::-1]):
            alarms = self._count(speech, keyword, threshold)
            if alarms > allowed:
                break
            missed = sum(not self._count([p], keyword, threshold) for p in words)
            for count in range(alarms, allowed + 1):
                options[count] = threshold, missed
        return options

    def _count(self, streams, keyword, threshold):
        return sum(
            len(detections(p[:, keyword], keyword, threshold, self._configuration))
            for p in streams
            if p[:, keyword].max(initial=0) >= threshold
        )


def divided(options: list, allowed: int) -> list[int]:
    """How many of the allowed false alarms each keyword gets, so that fewest words are missed."""
    best = {0: (0, [])}  # false alarms spent: (missed, division)
    for entry in options:
        following: dict = {}
        for spent, (missed, division) in best.items():
            for count in range(allowed - spent + 1):
                candidate = missed + entry[count][1], [*division, count]
                if spent + count not in following or candidate < following[spent + count]:
                    following[spent + count] = candidate
        best = following
    return min((missed, spent, division) for spent, (missed, division) in best.items())[2]
