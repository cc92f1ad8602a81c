"""A threshold for each keyword, from recordings that training never saw.

The rule: the lowest threshold at which held-out speech, with its altered copies, gives no more
false alarms an hour than the recipe allows. What it misses of the held-out keywords is reported.
"""

import numpy as np
import torch

from .configuration import Configuration
from .detection import detections, smoothed
from .features import RowBank
from .network import KeywordNetwork
from .streams import formant_warp, stretched

# Evenly spaced in log odds: 0.05 to 0.998.
GRID = 1 / (1 + np.exp(-np.arange(-3, 6.2, 0.1)))


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
        speech = []
        for tempo, warp in self._copies if copies else self._copies[:1]:
            speech += posteriors_alone(
                network, [stretched(rows, tempo) @ warp for rows in self._speech]
            )
        words = posteriors_alone(network, self._words)
        window = self._configuration.detector["smoothing_steps"]
        speech = [smoothed(p, window) for p in speech]
        words = [smoothed(p, window) for p in words]
        hours = sum(map(len, speech)) * self._configuration.step_seconds / 3600
        allowed = int(self._configuration.thresholds["false_alarms_per_hour"] * hours)
        result = {"hours": round(hours, 3), "allowed": allowed, "keywords": {}}
        for index, name in enumerate(self._configuration.names):
            own = [p for p, r in zip(words, self._keywords) if r.word == name]
            others = [p for p, r in zip(words, self._keywords) if r.word != name]
            for threshold in GRID:
                alarms = self._count(speech, index, threshold)
                if alarms <= allowed:
                    break
            result["keywords"][name] = {
                "threshold": round(float(threshold), 4),
                "false_alarms": alarms,
                "recordings": len(own),
                "missed": sum(
                    not detections(p[:, index], index, threshold, self._configuration)
                    for p in own
                ),
                "in_other_words": self._count(others, index, threshold),
            }
        return result

    def _count(self, streams, keyword, threshold):
        return sum(
            len(detections(p[:, keyword], keyword, threshold, self._configuration))
            for p in streams
            if p[:, keyword].max(initial=0) >= threshold
        )
