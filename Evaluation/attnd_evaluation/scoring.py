"""Detections against the truth: hits, duplicates, false alarms, and figures at a rate of these.

A *hit* is an event of the right name between a word's start and one second after its end; each
event counts for one word, each word for one event, in the order of time. A further event within a
second of a hit is a *duplicate*. Every other event is a *false alarm*, in whatever stream.
"""

import json
import math
import os
from dataclasses import dataclass, field

from .corpus import EvaluationError
from .intervals import garwood, of_mean, of_mean_by_speakers, wilson
from .streams import StreamSet, Word

PATIENCE = 1.0  # seconds after a word's end in which its event may come
ECHO = 1.0  # seconds after a hit in which another event is its duplicate
RATES = (0.0, 0.5, 1.0, 2.0)  # false alarms of a word in an hour of continuous speech


@dataclass(frozen=True)
class Event:
    time: float  # when it was decided, seconds
    score: float
    start: float | None = None
    end: float | None = None


Events = dict[tuple[str, str], list[Event]]  # by (stream, word), in order of time


def read_events(lines, streams: StreamSet, where: str) -> Events:
    """Events of JSON Lines as `attnd batch` writes them; words that aren't in the truth are left out."""
    events: Events = {}
    for number, line in enumerate(lines, start=1):
        try:
            entry = json.loads(line)
            if "keyword" not in entry:
                continue
            file, word = os.path.basename(entry["file"]), entry["keyword"].replace("_", " ")
            event = Event(
                float(entry["time"]), float(entry["score"]), entry.get("start"), entry.get("end")
            )
        except (ValueError, KeyError, TypeError) as error:
            raise EvaluationError(f"{where}: line {number}: {error!r}") from None
        if file not in streams.streams:
            raise EvaluationError(f"{where}: line {number}: {file} is none of the streams")
        if not (math.isfinite(event.time) and math.isfinite(event.score)):
            raise EvaluationError(f"{where}: line {number}: time and score must be finite")
        if word in streams.names:
            events.setdefault((file, word), []).append(event)
    for group in events.values():
        group.sort(key=lambda event: (event.time, -event.score))
    return events


@dataclass
class Matching:
    hits: dict[int, Event] = field(default_factory=dict)  # by the word's place in the truth
    duplicates: list[Event] = field(default_factory=list)
    false_alarms: list[Event] = field(default_factory=list)


def matched(events: list[Event], words: list[Word]) -> Matching:
    """One stream's events of one word against where it was said, both in order of time."""
    result, last_hit = Matching(), -math.inf
    for event in events:
        place = next(
            (
                n for n, word in enumerate(words)
                if n not in result.hits and word.start <= event.time <= word.end + PATIENCE
            ),
            None,
        )
        if place is not None:
            result.hits[place] = event
            last_hit = event.time
        elif event.time - last_hit <= ECHO:
            result.duplicates.append(event)
        else:
            result.false_alarms.append(event)
    return result


class Candidates:
    """Every local peak with its score: the threshold is swept over the scores."""

    def __init__(self, events: Events):
        self._events = events

    def at(self, file: str, word: str, threshold: float) -> list[Event]:
        return [e for e in self._events.get((file, word), []) if e.score >= threshold]

    def threshold(self, files: list[str], word: str, allowed: int) -> float:
        """The lowest threshold with at most `allowed` events in the files."""
        scores = sorted(e.score for file in files for e in self._events.get((file, word), []))
        if len(scores) <= allowed:
            return -math.inf
        return math.nextafter(scores[len(scores) - allowed - 1], math.inf)

    def allowances(self, files: list[str], words: list[str]) -> list[int]:
        """Numbers of false alarms worth a point on a curve."""
        most = max(sum(len(self._events.get((f, w), [])) for f in files) for w in words)
        steps = {round(10 ** (n / 8)) for n in range(25)}
        return [0, *sorted(step for step in steps if step <= most)]


class Runs:
    """Events of the real detector at several thresholds, each run counted as it is."""

    def __init__(self, runs: dict[float, Events]):
        self._runs = runs

    def at(self, file: str, word: str, threshold: float) -> list[Event]:
        return self._runs.get(threshold, {}).get((file, word), [])

    def threshold(self, files: list[str], word: str, allowed: int) -> float:
        fitting = [
            threshold for threshold in self._runs
            if sum(len(self.at(file, word, threshold)) for file in files) <= allowed
        ]
        return min(fitting, default=math.inf)

    def allowances(self, files: list[str], words: list[str]) -> list[int]:
        counts = {
            sum(len(self.at(file, word, threshold)) for file in files)
            for word in words for threshold in self._runs
        }
        return sorted({0} | counts)


@dataclass
class Point:
    """One threshold for each word, and all that follows from it. Shares, seconds, hours."""

    rate: float  # false alarms of a word an hour that were allowed
    allowed: int
    thresholds: dict[str, float]
    misses: dict[str, dict[str, list[bool]]]  # condition, word: of each recording
    speakers: dict[str, dict[str, list[str]]]
    alarms: dict[str, dict[str, int]]  # kind of stream, word
    hours: dict[str, float]
    hits: dict[str, list[tuple[Word, Event]]]  # condition
    duplicates: int

    def share(self, condition: str, word: str) -> tuple[float, float, float]:
        """Missed, and the 95 % interval."""
        outcome = self.misses[condition][word]
        return sum(outcome) / len(outcome), *wilson(sum(outcome), len(outcome))

    def mean(self, condition: str) -> tuple[float, float, float]:
        """Missed, mean over the words, and the 95 % interval with recordings drawn anew."""
        outcomes = list(self.misses[condition].values())
        mean = sum(sum(o) / len(o) for o in outcomes) / len(outcomes)
        return mean, *of_mean(outcomes)

    def mean_by_speakers(self, condition: str) -> tuple[float, float] | None:
        outcomes = list(self.misses[condition].values())
        return of_mean_by_speakers(outcomes, list(self.speakers[condition].values()))

    def alarm_rate(self, kind: str) -> tuple[int, float, float, float]:
        """False alarms of all words: count, an hour, and the 95 % interval an hour."""
        count, hours = sum(self.alarms[kind].values()), self.hours[kind]
        low, high = garwood(count)
        return count, count / hours, low / hours, high / hours

    def errors(self, of, condition: str | None = None) -> list[float]:
        """A number of every hit, such as the error of the start, sorted."""
        hits = [h for c, group in self.hits.items() if condition in (None, c) for h in group]
        return sorted(value for word, event in hits if (value := of(word, event)) is not None)


class Score:
    """Figures of one engine's events in a set of streams."""

    def __init__(self, streams: StreamSet, events: Candidates | Runs, words: list[str] | None = None):
        self.streams, self.events = streams, events
        self.words = words or streams.names
        self.speech = streams.files("speech")
        self.hours = streams.hours(self.speech)
        if self.hours <= 0:
            raise EvaluationError(f"{streams.folder}: no continuous speech to count false alarms in")
        present = {s.condition for s in streams.streams.values() if s.kind == "positive"}
        self.conditions = sorted(present, key=_loudness)

    def point(self, rate: float, thresholds: dict[str, float] | None = None) -> Point:
        """At a rate of false alarms of each word; or at thresholds that are given."""
        allowed = math.floor(rate * self.hours + 1e-9)
        if thresholds is None:
            thresholds = self.thresholds(allowed)
        groups = {
            "speech": self.speech,
            "speech clean": self.streams.files("speech", "clean"),
            "speech 10dB": self.streams.files("speech", "10dB"),
            "hard negatives": self.streams.files("hard-negative"),
            "noise": self.streams.files("noise"),
        }
        point = Point(
            rate, allowed, thresholds, {}, {}, {},
            {kind: self.streams.hours(files) for kind, files in groups.items() if files}, {}, 0,
        )
        for kind in point.hours:
            point.alarms[kind] = {
                word: sum(len(self.events.at(f, word, thresholds[word])) for f in groups[kind])
                for word in self.words
            }
        positive = [s for s in self.streams.streams.values() if s.kind == "positive"]
        point.hours["positive"] = self.streams.hours([s.file for s in positive])
        point.alarms["positive"] = dict.fromkeys(self.words, 0)
        for condition in self.conditions:
            point.misses[condition], point.speakers[condition] = {}, {}
            point.hits[condition] = []
        for stream in positive:
            for word in self.words:
                said = self.streams.words.get((stream.file, word), [])
                found = matched(self.events.at(stream.file, word, thresholds[word]), said)
                point.alarms["positive"][word] += len(found.false_alarms)
                point.duplicates += len(found.duplicates)
                if said:
                    outcome = point.misses[stream.condition].setdefault(word, [])
                    outcome += [n not in found.hits for n in range(len(said))]
                    voices = point.speakers[stream.condition].setdefault(word, [])
                    voices += [entry.speaker for entry in said]
                    point.hits[stream.condition] += [(said[n], e) for n, e in found.hits.items()]
        return point

    def thresholds(self, allowed: int) -> dict[str, float]:
        return {word: self.events.threshold(self.speech, word, allowed) for word in self.words}

    def curve(self) -> list[tuple[float, dict[str, dict[str, float]]]]:
        """(False alarms of a word an hour, misses by condition and word), rising."""
        points = []
        for allowed in self.events.allowances(self.speech, self.words):
            thresholds = self.thresholds(allowed)
            misses: dict[str, dict[str, float]] = {condition: {} for condition in self.conditions}
            for stream in self.streams.streams.values():
                if stream.kind != "positive":
                    continue
                for word in self.words:
                    if said := self.streams.words.get((stream.file, word)):
                        hits = matched(self.events.at(stream.file, word, thresholds[word]), said).hits
                        misses[stream.condition][word] = 1 - len(hits) / len(said)
            points.append((allowed / self.hours, misses))
        return points


def start_error(word: Word, event: Event) -> float | None:
    return None if event.start is None else event.start - word.start


def end_error(word: Word, event: Event) -> float | None:
    return None if event.end is None else event.end - word.end


def delay(word: Word, event: Event) -> float:
    return event.time - word.end


def median(values: list[float], share: float = 0.5) -> float:
    """A quantile, between neighbours in proportion; NaN of nothing."""
    values = sorted(values)
    if not values:
        return math.nan
    place = (len(values) - 1) * share
    low = int(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (place - low)


def _loudness(condition: str) -> float:
    """Order of conditions: clean first, then falling ratios."""
    return -math.inf if condition == "clean" else -float(condition.removesuffix("dB"))
