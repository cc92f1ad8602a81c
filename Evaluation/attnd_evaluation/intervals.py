"""95 % intervals: of a share, of a rate, of a mean over words."""

import math

import numpy as np

NORMAL = 1.959963984540054  # 97.5 % quantile
DRAWS = 2000


def wilson(count: int, total: int) -> tuple[float, float]:
    """Of a proportion (E. B. Wilson, J. Am. Stat. Assoc. 22, 1927)."""
    if total == 0:
        return 0.0, 1.0
    share, square = count / total, NORMAL**2
    middle = (share + square / (2 * total)) / (1 + square / total)
    half = math.sqrt(share * (1 - share) / total + square / (4 * total**2))
    half *= NORMAL / (1 + square / total)
    low = 0.0 if count == 0 else max(0.0, middle - half)
    return low, 1.0 if count == total else min(1.0, middle + half)


def garwood(count: int) -> tuple[float, float]:
    """Of the mean of a Poisson count, exact (F. Garwood, Biometrika 28, 1936)."""

    def root(beyond, high):
        low = 0.0
        for _ in range(100):
            middle = (low + high) / 2
            low, high = (middle, high) if beyond(middle) else (low, middle)
        return (low + high) / 2

    most = count + 10 * math.sqrt(count + 1) + 10
    low = root(lambda mean: 1 - _at_most(count - 1, mean) < 0.025, most) if count else 0.0
    return low, root(lambda mean: _at_most(count, mean) > 0.025, most)


def _at_most(count: int, mean: float) -> float:
    """The chance of at most `count` events where `mean` are expected."""
    logs = [n * math.log(mean) - mean - math.lgamma(n + 1) for n in range(count + 1)] if mean else [0]
    return min(1.0, sum(math.exp(log) for log in logs))


def of_mean(outcomes: list[list[bool]], seed: int = 1) -> tuple[float, float]:
    """Of the mean over words of the share of misses: recordings drawn anew within each word."""
    rng = np.random.default_rng(seed)
    means = np.zeros(DRAWS)
    for word in outcomes:
        means += rng.binomial(len(word), sum(word) / len(word), DRAWS) / len(word)
    return tuple(float(q) for q in np.quantile(means / len(outcomes), (0.025, 0.975)))


def of_mean_by_speakers(
    outcomes: list[list[bool]], speakers: list[list[str]], seed: int = 1
) -> tuple[float, float] | None:
    """The same with whole speakers drawn anew: wider. None where the truth names none."""
    names = sorted({name for word in speakers for name in word})
    if len(names) < 2 or "" in names:
        return None
    said, missed = np.zeros((2, len(outcomes), len(names)))
    for word, (outcome, voices) in enumerate(zip(outcomes, speakers)):
        for miss, voice in zip(outcome, voices):
            said[word, names.index(voice)] += 1
            missed[word, names.index(voice)] += miss
    draws = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), DRAWS)
    total, misses = draws @ said.T, draws @ missed.T
    means = np.nanmean(np.where(total > 0, misses / np.maximum(total, 1), np.nan), axis=1)
    return tuple(float(q) for q in np.nanquantile(means, (0.025, 0.975)))
