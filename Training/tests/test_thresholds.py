"""The allowance of false alarms goes where it finds most."""

from attnd_training.thresholds import divided


def test_the_division_misses_fewest_and_spends_no_more_than_it_must():
    gains_at_two = [(0.9, 10), (0.8, 9), (0.6, 2)]
    gains_at_one = [(0.9, 5), (0.7, 3), (0.7, 3)]
    nothing_to_gain = [(0.5, 0), (0.5, 0), (0.5, 0)]
    assert divided([gains_at_two, gains_at_one, nothing_to_gain], 2) == [2, 0, 0]
    assert divided([gains_at_one, nothing_to_gain, nothing_to_gain], 2) == [1, 0, 0]
    assert divided([nothing_to_gain, gains_at_one], 2) == [0, 1]
