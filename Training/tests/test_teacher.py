"""The teacher is the network that it says it is, and lessons carry what it said to the right step."""

import numpy as np
import pytest
import torch

from attnd_training import lessons
from attnd_training.configuration import RecipeError
from attnd_training.lessons import Lessons
from attnd_training.manifest import FLOOR_PATH, Recording
from attnd_training.streams import Composer
from attnd_training.teacher import BANDS, HOP, REACH, SIZE, Ear, Teacher, package_models


def test_the_teacher_says_what_the_package_s_own_network_says():
    pytest.importorskip("pyopen_wakeword", reason="needs pip install '.[teacher]'")
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    interpreter = litert.Interpreter(str(package_models() / "embedding_model.tflite"))
    interpreter.allocate_tensors()
    teacher = Teacher(Ear(np.eye(40, BANDS)))
    rng = np.random.default_rng(3)
    for _ in range(3):
        bands = rng.normal(0, 2, (1, REACH, BANDS)).astype(np.float32)
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], bands[..., None])
        interpreter.invoke()
        wanted = interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).ravel()
        with torch.no_grad():
            found = teacher._network(torch.from_numpy(bands)).numpy().ravel()
        np.testing.assert_allclose(found, wanted, atol=2e-3)


def test_the_ear_hears_eighty_decibels_below_the_loudest():
    ear = Ear(np.eye(40, BANDS))
    rows = np.full((1, 10, 40), 1e-9, np.float32)
    rows[0, 5] = 1e10
    bands = ear.bands(rows).numpy()
    assert bands[0, 5].max() == pytest.approx(12)
    assert bands[0, 0].max() == pytest.approx(4)


class Counting:
    """In the teacher's place: says the number of the last row that it has heard, scaled."""

    def embeddings(self, rows):
        count = rows.shape[1] // HOP
        said = np.arange(count, dtype=np.float32)[None, :, None] * HOP + HOP - 1
        return np.broadcast_to(said, (len(rows), count, SIZE)).copy()


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
    configuration.lessons.update(sessions=11)
    configuration.streams.update(keyword_sources={"recorded": 1.0})
    return Composer(configuration, own, bank, tmp_path)


def test_a_step_is_taught_what_the_teacher_said_when_it_was_taken(
    composer, configuration, tmp_path
):
    lessons.make(tmp_path / "lessons", configuration, composer, Counting())
    told = Lessons(tmp_path / "lessons", configuration, composer)
    said = HOP * np.arange(configuration.streams["session_rows"] // HOP) + HOP - 1.0
    heard = said[REACH // HOP + 1 :]
    _, truth = told.with_truth(0, 0)
    steps = np.flatnonzero(truth.taught)
    assert len(steps) > 0.3 * len(truth.taught)
    row = truth.embedding[steps, 0] * heard.std() + heard.mean()
    # Half precision, and at most half a step between the row heard and the step's last row.
    assert np.abs(row - steps * configuration.rows_per_step).max() <= 3


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
