"""Sessions tell the truth about the sound that is in them."""

import numpy as np
import pytest

from attnd_training.manifest import FLOOR_PATH, Recording
from attnd_training.streams import Composer, formant_warp, span_in_rows, stretched
from attnd_training.surroundings import reverberated


def recording(kind, number, word="", start=0.0, end=0.0, seconds=3.0):
    return Recording(
        f"train/{kind}/{word or 'x'}/{number}.opus", "train", kind, word, f"s{number}", seconds,
        start, end, "made", "CC0-1.0",
    )


@pytest.fixture
def composer(configuration, tmp_path):
    """Words are loud rows; speech, noise and near words are faint, so that truth can be seen."""
    words = [
        recording("keyword", number, word, 1.0, 1.6)
        for number, word in enumerate(configuration.names)
    ]
    others = [recording(kind, 9) for kind in ("speech", "noise", "tts-hard-negative")]
    bank = {FLOOR_PATH: np.full((600, 40), 1.0, np.float32)}
    for entry in words + others:
        bank[entry.path] = np.full((300, 40), 1e-3, np.float32)
    for entry in words:
        first, last = span_in_rows(entry, configuration)
        bank[entry.path][round(first) : round(last) + 1] = 1e3
    configuration.streams.update(
        items={"keyword": 0.6, "silence": 0.4}, noisy=0, tilt=0, ripple=0, room=0, band_limited=0,
        no_gap=0, gap=[0.5, 1.5], level_jitter=0, restart_with_word=0, floor=[-95, -95],
    )
    return Composer(configuration, words + others, bank, tmp_path)


def test_the_same_seed_composes_the_same_session(composer):
    one, other = composer.session(3, 5), composer.session(3, 5)
    assert np.array_equal(one.rows, other.rows) and one.words == other.words
    assert not np.array_equal(one.rows, composer.session(3, 6).rows)


def test_words_lie_where_the_session_says(composer):
    found = 0
    for number in range(5):
        session = composer.session(0, number)
        level = session.rows.sum(axis=1)
        for _, first, last in session.words:
            inside = level[round(first) + 3 : round(last) - 2]
            assert inside.min() > 100 * level[max(0, round(first) - 4)]
            assert inside.min() > 100 * level[min(len(level) - 1, round(last) + 5)]
            found += 1
    assert found > 10


def test_the_truth_wants_a_word_after_its_end_and_guides_to_its_span(composer, configuration):
    session = composer.session(0, 1)
    truth = composer.truth(session)
    word, first, last = session.words[0]
    steps = np.flatnonzero(truth.word == word)
    steps = steps[steps < (last + 60) / 3]
    time = configuration.step_time(steps)
    end = last * 0.01 + 0.0125
    assert abs(time[0] - (end - 0.03)) < 0.031 and abs(time[-1] - (end + 0.30)) < 0.031
    assert np.all(truth.target[steps, word] == 1)
    assert np.all(truth.target[steps].sum(axis=1) == 1)
    assert abs(truth.span[steps[0], 0] * 3 - first) <= 3
    assert abs(truth.span[steps[0], 1] * 3 - last) <= 4
    middle = int((first + last) / 6) + 2
    assert truth.weight[middle, word] == 0 and truth.target[middle, word] == 0


def test_alterations_keep_what_they_should():
    rows = np.abs(np.random.default_rng(5).normal(size=(100, 40))).astype(np.float32)
    assert len(stretched(rows, 1.15)) == 115
    np.testing.assert_allclose(stretched(rows, 1.0), rows)
    response = np.array([0.5, 0.3, 0.2], np.float32)
    wet = reverberated(rows, response)
    np.testing.assert_allclose(
        wet[10], 0.5 * rows[10] + 0.3 * rows[9] + 0.2 * rows[8], rtol=1e-5
    )


def test_formants_move_up_by_the_factor(configuration):
    rows = np.zeros((1, 40), np.float32)
    rows[0, 20] = 1
    assert np.allclose(rows @ formant_warp(configuration.front_end, 1.0), rows)
    assert (rows @ formant_warp(configuration.front_end, 1.15)).argmax() > 20
    assert (rows @ formant_warp(configuration.front_end, 0.87)).argmax() < 20
