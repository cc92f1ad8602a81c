"""Posteriors to detections, by the rules of attnd's detector."""

from dataclasses import dataclass

import numpy as np

from .configuration import Configuration


@dataclass(frozen=True)
class Detection:
    keyword: int
    step: int
    score: float


def smoothed(posteriors: np.ndarray, steps: int) -> np.ndarray:
    """Mean of the last `steps` posteriors ([T, keywords]); of those there are, at the start."""
    total = np.cumsum(np.pad(posteriors.astype(np.float64), ((steps, 0), (0, 0))), axis=0)
    count = np.minimum(np.arange(1, len(posteriors) + 1), steps)[:, None]
    return (total[steps:] - total[:-steps]) / count


def detections(
    smooth: np.ndarray, keyword: int, threshold: float, configuration: Configuration
) -> list[Detection]:
    """One keyword's detections in a stream, from its smoothed posteriors ([T])."""
    detector = configuration.detector
    pause = detector["refractory_seconds"] / configuration.step_seconds - 1e-6
    below = np.flatnonzero(smooth < detector["release"] * threshold)
    found, armed_from, ready_from = [], 0, 0
    for step in np.flatnonzero(smooth >= threshold):
        if step < armed_from or step < ready_from:
            continue
        found.append(Detection(keyword, int(step), float(smooth[step])))
        ready_from = step + pause
        later = np.searchsorted(below, step)
        armed_from = below[later] + 1 if later < len(below) else len(smooth)
    return found
