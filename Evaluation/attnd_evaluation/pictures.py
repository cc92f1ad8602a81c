"""What one would rather look at: error curves, errors of start and end, the way to the event."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import FormatStrFormatter, NullFormatter  # noqa: E402

from .scoring import Point, Score, delay, end_error, start_error  # noqa: E402

COLOURS = ["#1b6ca8", "#d1495b", "#2e8b57", "#8a5fbf", "#c77d0a", "#555555"]
DPI = 110


def error_curves(path: Path, score: Score, peers: dict[str, Score]) -> None:
    """Misses against false alarms: by condition, by word at 10 dB, and the peers' at 10 dB."""
    figure, axes = plt.subplots(1, 3, figsize=(14, 4.4), sharey=True, layout="constrained")
    curve = score.curve()
    rates = [max(rate, 0.5 / score.hours) for rate, _ in curve]
    for colour, condition in zip(COLOURS, score.conditions):
        _steps(axes[0], rates, [_mean(misses[condition]) for _, misses in curve], condition, colour)
    for colour, word in zip(COLOURS, score.words):
        _steps(axes[1], rates, [misses["10dB"].get(word) for _, misses in curve], word, colour)
    _steps(axes[2], rates, [_mean(misses["10dB"]) for _, misses in curve], "attnd", COLOURS[0])
    for colour, (name, peer) in zip(COLOURS[1:], peers.items()):
        curve = peer.curve()
        rates = [max(rate, 0.5 / peer.hours) for rate, _ in curve]
        label = name if len(peer.words) > 1 else f"{name}: {peer.words[0]}"
        _steps(axes[2], rates, [_mean(misses["10dB"]) for _, misses in curve], label, colour)
        if len(peer.words) == 1 and "attnd: " + peer.words[0] not in axes[2].get_legend_handles_labels()[1]:
            own = score.curve()
            rates = [max(rate, 0.5 / score.hours) for rate, _ in own]
            misses = [misses["10dB"].get(peer.words[0]) for _, misses in own]
            _steps(axes[2], rates, misses, f"attnd: {peer.words[0]}", COLOURS[0], "dotted")
    for axis, title in zip(axes, ("mean over the words", "each word, 10 dB", "beside others, 10 dB")):
        axis.set(title=title, xscale="log", ylim=(0, 100), xlim=(0.5 / score.hours, 100))
        axis.set_xlabel("false alarms of a word in an hour of speech")
        axis.xaxis.set_major_formatter(FormatStrFormatter("%g"))
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    axes[0].set_ylabel("misses, %")
    figure.savefig(path, dpi=DPI)
    plt.close(figure)


def localisation(path: Path, point: Point) -> None:
    """Histograms of where start and end are told to be, and of how soon the event comes."""
    figure, axes = plt.subplots(1, 3, figsize=(14, 3.4), layout="constrained")
    for axis, of, title, limits in (
        (axes[0], start_error, "start told - start said", (-0.6, 0.6)),
        (axes[1], end_error, "end told - end said", (-0.6, 0.6)),
        (axes[2], delay, "event - end said", (-0.2, 1.0)),
    ):
        for colour, condition in zip(COLOURS, ("clean", "10dB")):
            values = [min(max(v, limits[0]), limits[1]) for v in point.errors(of, condition)]
            if values:
                axis.hist(
                    values, bins=60, range=limits, histtype="stepfilled", alpha=0.5,
                    label=condition, color=colour,
                )
        axis.axvline(0, color="black", linewidth=0.8)
        axis.set(title=title, xlabel="seconds", xlim=limits)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    axes[0].set_ylabel("words")
    figure.savefig(path, dpi=DPI)
    plt.close(figure)


def _mean(misses: dict[str, float]) -> float:
    return sum(misses.values()) / len(misses)


def _steps(axis, rates, shares, label, colour, style="solid"):
    percent = [100 * share for share in shares]
    axis.step(rates, percent, where="post", label=label, color=colour, linestyle=style)
