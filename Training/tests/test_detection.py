"""The detector's rules, and the recordings that are kept apart."""

import numpy as np

from attnd_training.detection import detections, smoothed
from attnd_training.manifest import Recording, training_recordings


def steps(values, configuration, threshold=0.6):
    found = detections(np.array(values), 0, threshold, configuration)
    return [detection.step for detection in found]


def test_the_mean_is_of_the_steps_there_are():
    found = smoothed(np.array([[0.9], [0.3], [0.6], [0.0]]), 3)
    np.testing.assert_allclose(found[:, 0], [0.9, 0.6, 0.6, 0.3])


def test_a_word_fires_once_until_it_was_released(configuration):
    high, low = [0.9] * 60, [0.1]
    assert steps(high, configuration) == [0]
    assert steps(high + low + high, configuration) == [0, 61]
    assert steps(high + [0.4] + high, configuration) == [0], "0.4 is above 0.5 * 0.6"


def test_a_word_rests_for_a_second(configuration):
    # A second is 33.3 steps: released at step 1, it may fire at step 34 and not before.
    assert steps([0.9, 0.1] + [0.9] * 60, configuration) == [0, 34]


def test_held_out_speakers_take_their_altered_copies_along(configuration):
    def keyword(speaker, licence="Apache-2.0"):
        return Recording("train/keyword/alexa/1.opus", "train", "keyword", "alexa", speaker, 1.0,
                         0.2, 0.8, "", licence)

    apart = configuration.recordings["held_out_keyword_speakers"][0]
    entries = [keyword(apart), keyword(apart + "-w1"), keyword("kw999"),
               keyword("kw999", "unsettled")]
    train, held_out = training_recordings(configuration, entries)
    assert train == [entries[2]] and held_out == entries[:2]
