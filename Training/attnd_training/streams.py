"""Endless training streams, mixed in mel power.

A clip's rows are mel energies, and energies of sounds that don't know of each other add. So level,
colour, noise and room are arithmetic on rows, and a stream of training sound is composed at a few
milliseconds a minute; the compression (PCEN) comes after, in the network. Against mixing samples
the error is about 0.7 dB.

A session is 47.5 s of one stream. Session n of stream s is a function of (seed, s, n) and of the
mined list, so a run can be taken up again at any session.
"""

import math
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .configuration import Configuration
from .features import RowBank
from .manifest import FLOOR_DBFS, FLOOR_PATH, Recording
from .surroundings import decay, made_rooms, reverberated
from .teacher import SIZE

FORMANT_STEPS = 33


@dataclass
class Session:
    rows: np.ndarray  # [rows, bins] mel energies
    restarts: bool  # whether a new stream begins here, with all state zero
    words: list = field(default_factory=list)  # (keyword's index, first row, last row), floats


@dataclass
class Truth:
    """What a session should give, by step."""

    target: np.ndarray  # [steps, keywords] 0 or 1
    weight: np.ndarray  # [steps, keywords] 0 where the answer doesn't matter
    word: np.ndarray  # [steps] the keyword whose attention is guided here, or -1
    span: np.ndarray  # [steps, 2] that word's first and last step
    embedding: np.ndarray  # [steps, 128] what the teacher says
    taught: np.ndarray  # [steps] whether it says anything there


class Composer:
    """Composes sessions from recordings; owns no state but the list of mined places."""

    def __init__(
        self, configuration: Configuration, recordings: list[Recording], bank: RowBank, data: Path
    ):
        self._configuration = configuration
        self._settings = configuration.streams
        self._bank = bank
        self._mel_hz = mel_centres(configuration.front_end)
        self._warps = formant_warps(configuration.front_end, *self._settings["formants"])
        self._keywords = self._by_word_source_and_speaker(recordings)
        self._speech = Pool([r for r in recordings if r.kind == "speech"])
        self._hard_negatives = Pool([r for r in recordings if r.kind == "tts-hard-negative"])
        self._noise = Pool([r for r in recordings if r.kind in ("noise", "music")])
        self._rooms = [decay(data / r.path) for r in recordings if r.kind == "rir"] or made_rooms()
        floor = bank[FLOOR_PATH]
        self._floor = floor / np.float32(10 ** (FLOOR_DBFS / 10))
        # Total energy of a row of white noise at 0 dBFS: what levels are counted from.
        self._full_scale = float(self._floor.sum(axis=1).mean())
        self.mined: list[tuple[str, int]] = []  # (path, row) of what was mistaken for a keyword

    def _by_word_source_and_speaker(self, recordings):
        tree = [defaultdict(lambda: defaultdict(list)) for _ in self._configuration.names]
        for recording in recordings:
            if recording.kind in ("keyword", "tts-keyword"):
                word = self._configuration.names.index(recording.word)
                tree[word][recording.group][recording.speaker].append(recording)
        return [
            {group: list(speakers.values()) for group, speakers in groups.items()}
            for groups in tree
        ]

    # MARK: A session

    def session(self, stream: int, number: int) -> Session:
        rng = np.random.default_rng([self._configuration.seed, stream, number])
        level = rng.uniform(*self._settings["level"])
        session = self.spoken(rng, level, begins=number == 0)
        self.surround(rng, session.rows, level)
        return session

    def spoken(self, rng, level: float, begins: bool = False) -> Session:
        """What is said in a session, round a level (dBFS), with silence between and nothing behind."""
        settings = self._settings
        length = settings["session_rows"]
        out = np.zeros((length, self._floor.shape[1]), np.float32)
        session = Session(out, restarts=begins or rng.random() < settings["restart"])
        names, shares = zip(*settings["items"].items())
        shares = np.array(shares) / sum(shares)
        at = int(rng.integers(0, 50))
        first_is_word = session.restarts and rng.random() < settings["restart_with_word"]
        while at < length:
            kind = "keyword" if first_is_word else names[rng.choice(len(names), p=shares)]
            first_is_word = False
            if kind == "silence":
                at += int(rng.integers(30, 250))
                continue
            rows, words = self._item(kind, rng)
            rows = self._levelled(rows, level + rng.normal(0, settings["level_jitter"] / 2))
            take = min(len(rows), length - at)
            out[at : at + take] += rows[:take]
            # A word cut off by the session's end is no word.
            session.words += [
                (word, at + first, at + last) for word, first, last in words if at + last < length
            ]
            at += take
            if rng.random() >= settings["no_gap"]:
                shortest, longest = settings["gap"]
                at += int(100 * shortest * (longest / shortest) ** rng.random())
        return session

    def with_truth(self, stream: int, number: int) -> tuple[Session, Truth]:
        session = self.session(stream, number)
        return session, self.truth(session)

    def surround(self, rng, rows: np.ndarray, level: float) -> None:
        """Puts what was said at a level (dBFS) into a place: noise, microphone, line, floor."""
        settings, length = self._settings, len(rows)
        if rng.random() < settings["noisy"]:
            self._add_noise(rng, rows, level)
        if rng.random() < settings["band_limited"]:
            # All that a stream carries went through one microphone or telephone.
            cut = np.exp(rng.uniform(np.log(3000), np.log(6500)))
            slope = rng.uniform(0.01, 0.05)  # dB for each Hz over the cut
            rows *= decibels(-np.clip((self._mel_hz - cut) * slope, 0, 60))
        if rng.random() < 0.9:
            rows += self.floor(int(rng.integers(len(self._floor))), length) * decibels(
                rng.uniform(*settings["floor"])
            )
        if rng.random() < settings["resampled"]:
            # Recorded at 8 or 11 kHz: above the band there is nothing, not even the floor. What the
            # resampler and the window function let through lies 100 dB and more below.
            rows[:, self._mel_hz > np.exp(rng.uniform(np.log(3300), np.log(5400)))] = 0

    def floor(self, start: int, length: int) -> np.ndarray:
        """Rows of white noise at 0 dBFS, from a place of the recorded minute on."""
        return self._floor[(start + np.arange(length)) % len(self._floor)]

    def _add_noise(self, rng, out, level):
        settings, at = self._settings, 0
        while at < len(out):
            take = min(int(rng.integers(400, 2000)), len(out) - at)
            pool = self._speech if rng.random() < settings["babble"] else self._noise
            rows = self._bank[pool.draw(rng).path]
            start = int(rng.integers(len(rows)))
            rows = rows[(start + np.arange(take)) % len(rows)]
            rows = self.coloured(rng, rows)
            snr = rng.uniform(*settings["snr"])
            out[at : at + take] += self._levelled(rows, level - snr)
            at += take

    # MARK: What a session is made of

    def _keyword(self, rng):
        """A keyword with some of the silence around it: rows, and where the word lies in them."""
        word = int(rng.integers(len(self._keywords)))
        recording = self._pick_keyword(rng, word)
        rows = self._bank[recording.path]
        first, last = span_in_rows(recording, self._configuration)
        if rng.random() < 0.25:
            begin, stop = 0, len(rows)
        else:
            begin = max(0, int(first - rng.uniform(2, 40)))
            stop = min(len(rows), int(last + rng.uniform(5, 50)))
        rows, tempo = self._altered(rng, rows[begin:stop])
        return rows, [(word, (first - begin) * tempo, (last - begin) * tempo)]

    def _pick_keyword(self, rng, word):
        groups = self._keywords[word]
        shares = np.array([self._settings["keyword_sources"][name] for name in groups])
        speakers = list(groups.values())[rng.choice(len(shares), p=shares / shares.sum())]
        takes = speakers[rng.integers(len(speakers))]
        return takes[rng.integers(len(takes))]

    def _item(self, kind, rng):
        """Rows of one item, and the keywords in them as (index, first row, last row)."""
        match kind:
            case "keyword":
                return self._keyword(rng)
            case "speech":
                return self._excerpt(rng), []
            case "hard_negative":
                recording = self._hard_negatives.draw_evenly(rng)
                return self._altered(rng, self._bank[recording.path])[0], []
            case "splice":
                return self._splice(rng), []
        raise ValueError(f"items have no kind '{kind}'")

    def _excerpt(self, rng):
        """A piece of speech: from anywhere, or round a place that was mistaken for a keyword."""
        shortest, longest = self._settings["speech"]
        take = int(100 * rng.uniform(shortest, longest))
        if self.mined and rng.random() < self._settings["mined"]:
            path, row = self.mined[rng.integers(len(self.mined))]
            rows = self._bank[path]
            begin = max(0, row - int(rng.integers(60, 250)))
            return self._altered(rng, rows[begin : row + int(rng.integers(20, 150))])[0]
        rows = self._bank[self._speech.draw(rng).path]
        begin = int(rng.integers(max(1, len(rows) - take + 1)))
        return self._altered(rng, rows[begin : begin + take])[0]

    def _splice(self, rng):
        """What is nearly a keyword: a part of one, parts of two joined, one backwards."""
        bare = []
        # Of a single keyword, two recordings.
        for word in rng.choice(len(self._keywords), 2, replace=len(self._keywords) == 1):
            recording = self._pick_keyword(rng, int(word))
            first, last = span_in_rows(recording, self._configuration)
            bare.append(self._bank[recording.path][max(0, int(first)) : int(last) + 1])
        one, other = bare
        cut, join = (int(len(x) * rng.uniform(0.4, 0.65)) for x in bare)
        choice = rng.random()
        if choice < 0.25:
            rows = one[:cut]
        elif choice < 0.5:
            rows = one[cut:]
        elif choice < 0.9:
            scale = (one.mean() + 1) / (other.mean() + 1)
            rows = np.concatenate([one[:cut], other[join:] * scale])
        else:
            rows = one[::-1]
        return self._altered(rng, rows)[0]

    # MARK: How it is altered

    def _altered(self, rng, rows):
        """Another speaker, microphone and room: rows and the factor by which they got longer."""
        tempo = 1.0
        if rng.random() < 0.7:
            slow, fast = self._settings["tempo"]
            tempo = slow * (fast / slow) ** rng.random()
            rows = stretched(rows, tempo)
        if rng.random() < 0.7:
            rows = rows @ self._warps[rng.integers(len(self._warps))]
        rows = self.coloured(rng, rows)
        if self._rooms and rng.random() < self._settings["room"]:
            rows = reverberated(rows, self._rooms[rng.integers(len(self._rooms))])
        return rows, tempo

    def coloured(self, rng, rows):
        bins = rows.shape[1]
        axis = np.linspace(-1, 1, bins)
        ripple = np.interp(
            axis, np.linspace(-1, 1, 5), rng.normal(0, self._settings["ripple"], 5)
        )
        tilt = rng.uniform(-1, 1) * self._settings["tilt"]
        return rows * decibels(ripple + tilt * axis)

    def _levelled(self, rows, level):
        """Rows brought to a level (dBFS) over those within 30 dB of the loudest."""
        energy = rows.sum(axis=1)
        loud = energy[energy >= energy.max(initial=0) * 1e-3]
        mean = float(loud.mean()) if len(loud) else 0.0
        if mean <= 0:
            return rows
        return rows * np.float32(self._full_scale / mean * 10 ** (level / 10))

    # MARK: Truth

    def truth(self, session: Session) -> Truth:
        """Which answers are wanted at every step of a session."""
        configuration, loss = self._configuration, self._configuration.loss
        steps = len(session.rows) // configuration.rows_per_step
        centre = configuration.step_centre(np.arange(steps))
        time = configuration.step_time(np.arange(steps))
        # A row stands for the middle of its frame.
        seconds, half = configuration.row_seconds, configuration.step_centre(0)
        half -= configuration.step_centre_row * seconds
        truth = Truth(
            target=np.zeros((steps, len(configuration.names)), np.float32),
            weight=np.ones((steps, len(configuration.names)), np.float32),
            word=np.full(steps, -1, np.int64),
            span=np.zeros((steps, 2), np.int64),
            embedding=np.zeros((steps, SIZE), np.float32),
            taught=np.zeros(steps, bool),
        )
        for word, first, last in session.words:
            start, end = first * seconds + half, last * seconds + half
            middle = (start + end) / 2
            ignored = (time >= middle) & (time < end + loss["ignored_until"])
            wanted = time >= end + loss["positive_from"]
            wanted &= time < end + loss["positive_until"]
            truth.weight[ignored & (truth.target[:, word] == 0), word] = 0
            truth.weight[wanted, word] = loss["positive_weight"]
            truth.target[wanted, word] = 1
            truth.word[wanted] = word
            inside = np.flatnonzero((centre >= start) & (centre <= end))
            if len(inside):
                truth.span[wanted] = inside[0], inside[-1]
            else:
                truth.word[wanted] = -1
        return truth


class Pool:
    """Recordings drawn in proportion to their length, so that every second is as likely."""

    def __init__(self, recordings: list[Recording]):
        self._recordings = recordings
        seconds = np.cumsum([recording.seconds for recording in recordings])
        self._ends = seconds

    def draw(self, rng) -> Recording:
        place = rng.random() * self._ends[-1]
        return self._recordings[int(np.searchsorted(self._ends, place))]

    def draw_evenly(self, rng) -> Recording:
        return self._recordings[rng.integers(len(self._recordings))]


# MARK: Arithmetic on rows


def decibels(level):
    return (10 ** (np.asarray(level) / 10)).astype(np.float32)


def span_in_rows(recording: Recording, configuration: Configuration) -> tuple[float, float]:
    """The word's start and end as row numbers, a row standing for the middle of its frame."""
    front_end = configuration.front_end
    half = front_end["frame_length"] / 2 / front_end["sample_rate"]
    seconds = configuration.row_seconds
    return (recording.start - half) / seconds, (recording.end - half) / seconds


def stretched(rows: np.ndarray, factor: float) -> np.ndarray:
    """Rows made longer by a factor, each interpolated between its neighbours."""
    count = max(1, round(len(rows) * factor))
    at = np.minimum(np.arange(count) / factor, len(rows) - 1)
    below = at.astype(np.int64)
    above = np.minimum(below + 1, len(rows) - 1)
    part = (at - below).astype(np.float32)[:, None]
    return rows[below] * (1 - part) + rows[above] * part


def mel_centres(front_end: dict) -> np.ndarray:
    """Centre of each mel bin in Hz (HTK scale)."""
    low, high = (1127 * math.log1p(hz / 700) for hz in (front_end["low_hz"], front_end["high_hz"]))
    mel = low + (high - low) * np.arange(1, front_end["bins"] + 1) / (front_end["bins"] + 1)
    return 700 * np.expm1(mel / 1127)


def formant_warp(front_end: dict, factor: float) -> np.ndarray:
    """Matrix [bins, bins] that moves energies up the frequency axis by a factor: rows @ matrix."""
    centres, bins = mel_centres(front_end), front_end["bins"]
    source = np.interp(centres / factor, centres, np.arange(bins))
    below = np.minimum(source.astype(np.int64), bins - 2)
    matrix = np.zeros((bins, bins), np.float32)
    matrix[below, np.arange(bins)] = 1 - (source - below)
    matrix[below + 1, np.arange(bins)] += source - below
    return matrix


def formant_warps(front_end: dict, low: float, high: float) -> np.ndarray:
    factors = low * (high / low) ** np.linspace(0, 1, FORMANT_STEPS)
    return np.stack([formant_warp(front_end, factor) for factor in factors])
