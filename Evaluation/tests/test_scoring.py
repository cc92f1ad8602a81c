"""Figures follow from the definitions; where there is another scorer, it has the same."""

import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest

from attnd_evaluation.corpus import EvaluationError
from attnd_evaluation.engines import local_peaks
from attnd_evaluation.intervals import garwood, of_mean, wilson
from attnd_evaluation.scoring import (
    RATES, Candidates, Event, Runs, Score, delay, end_error, matched, median, read_events,
    start_error,
)
from attnd_evaluation.streams import Word


def word(start, end):
    return Word("s.wav", "clean", "alpha", start, end, "", "")


def test_an_event_from_the_start_to_a_second_after_the_end_is_a_hit():
    for moment, hit in [(0.99, False), (1.0, True), (2.5, True), (2.51, False)]:
        assert (0 in matched([Event(moment, 1)], [word(1.0, 1.5)]).hits) == hit, moment


def test_a_second_event_soon_after_a_hit_is_a_duplicate_and_a_later_one_an_alarm():
    found = matched([Event(t, 1) for t in (1.6, 2.4, 2.7)], [word(1.0, 1.5)])
    assert [e.time for e in found.duplicates] == [2.4]
    assert [e.time for e in found.false_alarms] == [2.7]


def test_words_that_follow_each_other_take_an_event_each():
    found = matched([Event(2.0, 1), Event(2.3, 1)], [word(1.0, 1.5), word(1.8, 2.2)])
    assert [found.hits[n].time for n in (0, 1)] == [2.0, 2.3]


def test_the_threshold_is_the_lowest_that_allows_so_many():
    events = {("n.wav", "alpha"): [Event(t, s) for t, s in ((1, 0.3), (5, 0.9), (9, 0.6), (12, 0.6))]}
    candidates = Candidates(events)
    for allowed, expected in ((0, 0), (1, 1), (2, 1), (3, 3), (4, 4)):
        threshold = candidates.threshold(["n.wav"], "alpha", allowed)
        assert len(candidates.at("n.wav", "alpha", threshold)) == expected, allowed
    runs = Runs({0.3: events, 0.7: {("n.wav", "alpha"): [Event(5, 0.9)]}, 0.9: {}})
    assert [runs.threshold(["n.wav"], "alpha", n) for n in (0, 1, 4)] == [0.9, 0.7, 0.3]
    assert Runs({0.3: events}).threshold(["n.wav"], "alpha", 0) == math.inf


def test_intervals_are_those_of_the_tables():
    # Wilson's of 1 in 10; Garwood's of 0, 1 and 10 (Ulm, Am. J. Epidemiology 131, 1990).
    assert wilson(1, 10) == pytest.approx((0.0179, 0.4042), abs=1e-4)
    assert garwood(0) == pytest.approx((0, 3.689), abs=1e-3)
    assert garwood(1) == pytest.approx((0.0253, 5.572), abs=1e-3)
    assert garwood(10) == pytest.approx((4.795, 18.390), abs=1e-3)


def test_the_interval_of_a_mean_holds_it_and_narrows_with_more_words():
    one, six = [[True] * 4 + [False] * 16], [[True] * 4 + [False] * 16] * 6
    low, high = of_mean(one)
    narrow_low, narrow_high = of_mean(six)
    assert low < narrow_low < 0.2 < narrow_high < high


def test_peaks_of_scores_are_apart_and_the_highest_stay():
    times = np.arange(0, 5, 0.02)
    scores = np.exp(-((times[:, None] - [1.0, 1.5, 3.0]) ** 2) / 0.01) @ [0.6, 0.9, 0.5]
    assert [t for t, _ in local_peaks(times, scores)] == pytest.approx([1.5, 3.0], abs=0.021)


@pytest.mark.parametrize(
    "line, said",
    [
        ("{", "line 1"),
        ('{"file": "x.wav", "keyword": "alpha", "time": 1, "score": 1}', "none of the streams"),
        ('{"file": "pos-alpha-clean.wav", "keyword": "alpha", "score": 1}', "KeyError"),
        ('{"file": "pos-alpha-clean.wav", "keyword": "alpha", "time": NaN, "score": 1}', "finite"),
    ],
)
def test_a_line_that_is_no_event_is_refused_with_its_number(streams, line, said):
    with pytest.raises(EvaluationError, match=f"where: .*{said}"):
        read_events([line], streams, "where")


def random_events(streams, seed):
    """Events near words and anywhere, some of them with a place."""
    rng = np.random.default_rng(seed)
    lines = []
    for file, stream in streams.streams.items():
        for name in streams.names:
            times = list(rng.uniform(0, stream.seconds, rng.integers(0, 12)))
            for entry in streams.words.get((file, name), []):
                times += list(entry.end + rng.uniform(-0.5, 1.6, rng.integers(0, 3)))
            for moment in times:
                moment = min(max(0.0, float(moment)), stream.seconds)
                start = moment - 0.7 if rng.random() < 0.7 else None
                lines.append(
                    {"file": file, "keyword": name.replace(" ", "_"), "time": moment,
                     "score": round(float(rng.random()), 2), "start": start,
                     "end": start and start + 0.6}
                )
    return lines


def test_fewer_false_alarms_allowed_never_means_fewer_misses(streams):
    events = read_events(map(json.dumps, random_events(streams, 4)), streams, "random")
    curve = Score(streams, Candidates(events)).curve()
    for (low, more), (high, fewer) in zip(curve, curve[1:]):
        assert low < high
        for condition in more:
            for name in more[condition]:
                assert more[condition][name] >= fewer[condition][name] - 1e-9


@pytest.mark.skipif("ATTND_SCORER" not in os.environ, reason="ATTND_SCORER names no other score.py")
@pytest.mark.parametrize("seed", range(5))
def test_another_scorer_has_the_same_figures(streams, tmp_path, seed):
    lines = [json.dumps(line) for line in random_events(streams, seed)]
    (tmp_path / "events.jsonl").write_text("\n".join(lines))
    (tmp_path / "processed").write_text("\n".join(streams.streams))
    subprocess.run(
        [sys.executable, os.environ["ATTND_SCORER"], "--truth", streams.folder / "truth.jsonl",
         "--detections", tmp_path / "events.jsonl", "--processed", tmp_path / "processed",
         "--out", tmp_path],
        check=True, capture_output=True,
    )
    theirs = json.loads((tmp_path / "score.json").read_text())
    score = Score(streams, Candidates(read_events(lines, streams, "random")))
    for rate, other in zip(RATES, theirs["points"]):
        point = score.point(rate)
        assert point.allowed == other["allowed"] and point.duplicates == other["duplicates"]
        for condition in score.conditions:
            mean = other["mean"][condition]
            assert point.mean(condition) == pytest.approx((mean["miss_rate"], mean["low"], mean["high"]))
            assert point.mean_by_speakers(condition) == pytest.approx(mean["by_speakers"])
            for of, name in (
                (start_error, "start_error"), (end_error, "end_error"), (delay, "time_after_end"),
            ):
                values = point.errors(of, condition)
                values = values if of is delay else [abs(v) for v in values]
                if mean[name]["n"]:
                    assert median(values) == pytest.approx(mean[name]["median"])
        for name in score.words:
            row = other["words"][name]["false_alarms"]
            for ours, name_of in (("speech", "speech"), ("hard negatives", "hard-negative"),
                                  ("noise", "noise"), ("positive", "positive")):
                assert point.alarms[ours][name] == row[name_of]["count"]
