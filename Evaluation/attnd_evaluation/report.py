"""Docs/recognition.md and its pictures, from scores alone: nothing in it is written by hand."""

import math
from collections import Counter
from pathlib import Path

from .scoring import RATES, Point, Score, delay, end_error, median, start_error
from .streams import StreamSet


def percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{100 * share:.1f}"


def interval(figures: tuple[float, float, float]) -> str:
    share, low, high = figures
    return f"{percent(share)} ({percent(low)}-{percent(high)})"


def table(head: list[str], rows: list[list]) -> str:
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines)


def seconds(values: list[float]) -> str:
    """Median and 90 % in milliseconds."""
    if not values:
        return "-"
    return f"{1000 * median(values):.0f} / {1000 * median(values, 0.9):.0f}"


def misses_by_condition(score: Score, rate: float, peers: dict[str, Score]) -> str:
    rows = []
    for name, entry in {"**attnd**": score, **peers}.items():
        point = entry.point(rate)
        label = name if len(entry.words) > 1 else f"{name}: {entry.words[0]}"
        rows.append([label, *(interval(point.mean(c)) for c in score.conditions)])
    for word in sorted({p.words[0] for p in peers.values() if len(p.words) == 1}):
        point = score.point(rate)
        rows.append([f"**attnd**: {word}", *(interval(point.share(c, word)) for c in score.conditions)])
    return table(["engine", *score.conditions], rows)


def misses_by_rate(score: Score) -> str:
    rows = []
    for rate in RATES:
        point = score.point(rate)
        rows.append(
            [f"{rate:g} (at most {point.allowed})", *(interval(point.mean(c)) for c in score.conditions)]
        )
    return table(["false alarms of a word an hour", *score.conditions], rows)


def misses_by_word(score: Score, rate: float) -> str:
    point = score.point(rate)
    rows = [
        [word, f"{point.thresholds[word]:.3f}", *(interval(point.share(c, word)) for c in score.conditions)]
        for word in score.words
    ]
    spread = [point.mean_by_speakers(c) for c in score.conditions]
    drawn = [f"({percent(s[0])}-{percent(s[1])})" if s else "-" for s in spread]
    rows.append(["mean", "", *(interval(point.mean(c)) for c in score.conditions)])
    rows.append(["its interval, speakers drawn", "", *drawn])
    return table(["word", "threshold", *score.conditions], rows)


def false_alarms(scores: dict[str, Score], rate: float) -> str:
    kinds = ["speech clean", "speech 10dB", "hard negatives", "noise", "positive"]
    rows = []
    for name, score in scores.items():
        point = score.point(rate)
        cells = []
        for kind in kinds:
            count, _, low, high = point.alarm_rate(kind)
            cells.append(f"{count} in {point.hours[kind]:.2f} h ({low:.1f}-{high:.1f}/h)")
        rows.append([name, *cells, point.duplicates])
    return table(["engine", *kinds, "duplicates"], rows)


def places(point: Point, conditions: list[str]) -> str:
    rows = []
    for condition in [*conditions, None]:
        starts = [abs(v) for v in point.errors(start_error, condition)]
        ends = [abs(v) for v in point.errors(end_error, condition)]
        late = point.errors(delay, condition)
        rows.append([condition or "all", seconds(starts), seconds(ends), seconds(late), len(late)])
    return table(["condition", "start, ms", "end, ms", "event after the end, ms", "hits"], rows)


def where_false_alarms_lie(score: Score, point: Point) -> str:
    """False alarms in speech by the set that the recording comes from, beside the set's share."""
    streams, spent, lengths = score.streams, Counter(), Counter()
    for segment in streams.segments():
        if streams.streams[segment["stream"]].kind != "speech":
            continue
        group = "/".join(segment["recording"].split("/")[2:3])
        lengths[group] += segment["end"] - segment["start"]
        for word in score.words:
            spent[group] += sum(
                segment["start"] <= event.time < segment["end"] + 0.2
                for event in score.events.at(segment["stream"], word, point.thresholds[word])
            )
    total = sum(lengths.values())
    rows = [
        [group, f"{length / 3600:.2f}", percent(length / total), spent[group]]
        for group, length in lengths.most_common()
    ]
    return table(["set of recordings", "hours", "% of the speech", "false alarms"], rows)


def at_thresholds(scores: dict[str, Score], thresholds: dict[str, float], what: str) -> str:
    """Variants of the streams at the thresholds that were set on the streams themselves."""
    conditions = sorted({c for score in scores.values() for c in score.conditions}, key=_order)
    rows = []
    for name, score in scores.items():
        point = score.point(0, thresholds)
        alarms = f"{point.alarm_rate('speech')[0]} in {point.hours['speech']:.2f} h"
        cells = [interval(point.mean(c)) if c in score.conditions else "-" for c in conditions]
        rows.append([name, *cells, alarms])
    return table([what, *conditions, "false alarms in speech"], rows)


def hour_by_hour(streams: StreamSet, events, words: list[str], thresholds: dict[str, float]) -> str:
    """Misses and false alarms in each hour of a stream that repeats itself."""
    from .scoring import matched

    missed, said, alarms = Counter(), Counter(), Counter()
    for (file, word), group in streams.words.items():
        found = matched(events.at(file, word, thresholds[word]), group)
        for number, entry in enumerate(group):
            said[entry.condition] += 1
            missed[entry.condition] += number not in found.hits
        for event in found.false_alarms:
            alarms[str(int(event.time // 3600) + 1)] += 1
    hours = sorted(said, key=int)
    return table(
        ["hour", *hours],
        [["missed", *(f"{missed[h]} of {said[h]}" for h in hours)],
         ["false alarms", *(alarms[h] for h in hours)]],
    )


def _order(condition: str) -> float:
    return -math.inf if condition == "clean" else -float(condition.removesuffix("dB"))


def page(sections: list[tuple[str, str]]) -> str:
    """Sections of (heading, text)."""
    return "\n\n".join(f"{heading}\n\n{text}" if heading else text for heading, text in sections) + "\n"


def write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
