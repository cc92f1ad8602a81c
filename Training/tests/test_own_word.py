"""A folder of recordings becomes a recipe's recordings, or one line says why it can't."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from attnd_training import own_word
from attnd_training.configuration import RecipeError
from attnd_training.manifest import Recording
from attnd_training.model_file import read
from attnd_training.surroundings import made_noises, write_sound

HERE = Path(own_word.__file__).resolve().parent.parent


def recording(kind, path, speaker="", seconds=2.0, start=0.5, end=1.0):
    return Recording(path, "train", kind, "", speaker, seconds, start, end, "", "")


@pytest.mark.parametrize(
    "word, name", [("Lighthouse", "lighthouse"), ("Hey, Ada!", "hey_ada"), ("  o  k 2 ", "o_k_2")]
)
def test_a_word_is_called_by_its_letters(word, name):
    assert own_word.keyword_name(word) == name


def test_a_word_without_letters_is_refused():
    with pytest.raises(RecipeError, match=r"word '\?!'.*expected what one says"):
        own_word.keyword_name("?!")


def test_the_recipe_has_one_head_and_the_front_end_of_the_model_it_begins_with():
    made = own_word.recipe(HERE / "own-word.toml", "Hey Ada", 5)
    start, _ = read(HERE / "../Models/default.safetensors")
    assert made.names == ["hey_ada"] and made.keywords[0]["phrase"] == "Hey Ada"
    assert made.front_end == start["front_end"]
    assert made.architecture["attention"]["heads"] == 1
    assert made.architecture["encoder"] == start["architecture"]["encoder"]
    made._check("own-word.toml")


def test_a_voice_is_a_folder_or_else_a_file(tmp_path):
    for place in ("ann/1.wav", "ann/more/2.FLAC", "bob.wav", "notes.txt"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).touch()
    found = own_word.listed("keyword", tmp_path, "hey")
    assert [(r.path, r.speaker, r.word) for r in found] == [
        ("keyword/ann/1.wav", "ann", "hey"),
        ("keyword/ann/more/2.FLAC", "ann", "hey"),
        ("keyword/bob.wav", "bob", "hey"),
    ]


@pytest.mark.parametrize(
    "files, said",
    [
        (None, "not a folder; expected recordings"),
        ([], "no sound files in it; expected .*.wav"),
        (["a.wav", "a.flac"], "two files are named speech/a, apart from the ending; rename one"),
        (["a\nb.wav"], "line break in its name; rename it"),
    ],
)
def test_a_folder_that_is_no_use_is_refused_with_a_line(tmp_path, files, said):
    folder = tmp_path / "recordings"
    if files is not None:
        folder.mkdir()
        for file in files:
            (folder / file).touch()
    with pytest.raises(RecipeError, match=said) as caught:
        own_word.listed("speech", folder, "hey")
    assert str(folder) in str(caught.value)


def test_the_word_is_where_most_is_said():
    rng = np.random.default_rng(3)
    rows = rng.uniform(0.5, 1.5, (300, 40)).astype(np.float32)
    rows[40:45] += 1e4  # a click
    rows[120:150] += 1e3
    rows[158:190] += 1e5  # after a stop that is shorter than 0.2 s, the same word
    first, last = own_word.loudest_run(rows)
    assert abs(first - 120) <= 2 and abs(last - 189) <= 2


def test_nothing_said_is_a_run_of_something():
    assert own_word.loudest_run(np.zeros((0, 40), np.float32)) == (0, 0)
    first, last = own_word.loudest_run(np.zeros((50, 40), np.float32))
    assert 0 <= first <= last < 50


def test_recordings_that_hold_no_word_are_left_out_and_named(capsys):
    words = [recording("keyword", f"keyword/{n}.wav", f"v{n}") for n in range(4)]
    long = recording("keyword", "keyword/story.wav", "v9", 20.0, 0.0, 19.0)
    speech = [recording("speech", f"speech/{n}.wav", seconds=40.0) for n in range(2)]
    recordings = [*words, long, *speech]
    own_word.check(recordings, {"keyword": Path("P"), "speech": Path("N")})
    assert long not in recordings and len(recordings) == 6
    assert "left out: keyword/story.wav: what is loud in it lasts 19.00 s" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words, seconds, said",
    [(2, 40.0, "P: 2 recordings hold .* at least 3"), (3, 10.0, "N: 2 files, 20 s; expected at least")],
)
def test_too_little_is_refused(words, seconds, said):
    recordings = [recording("keyword", f"keyword/{n}.wav", f"v{n}") for n in range(words)]
    recordings += [recording("speech", f"speech/{n}.wav", seconds=seconds) for n in range(2)]
    with pytest.raises(RecipeError, match=said):
        own_word.check(recordings, {"keyword": Path("P"), "speech": Path("N")})


@pytest.mark.parametrize("voices, spared", [(4, 0), (20, 4)])
def test_whole_voices_are_held_out_where_there_are_enough(voices, spared):
    recordings = [
        recording("keyword", f"keyword/{v}-{n}.wav", f"v{v}") for v in range(voices) for n in range(3)
    ]
    recordings += [recording("speech", f"speech/{n}.wav", seconds=10.0) for n in range(20)]
    rules = {"held_out_share": 0.2, "least_to_hold_out": 10}
    train, held = own_word.parted(recordings, rules)
    kept = {r.speaker for r in train if r.kind == "keyword"}
    away = {r.speaker for r in held if r.kind == "keyword"}
    assert not kept & away and len(away) == spared
    assert sum(r.kind == "speech" for r in held) == 4
    more = recordings + [recording("keyword", "keyword/new.wav", "somebody new")]
    moved = away ^ {r.speaker for r in own_word.parted(more, rules)[1] if r.kind == "keyword"}
    assert len(moved) <= 2, "one voice more moved many others"


def test_made_noise_is_made_once_and_differs(tmp_path):
    made = made_noises(tmp_path / "made-noise")
    sounds = [(tmp_path / r.path).read_bytes() for r in made]
    assert len(set(sounds)) == len(made) == 12
    before = (tmp_path / made[0].path).stat().st_mtime_ns
    assert made_noises(tmp_path / "made-noise") == made
    assert (tmp_path / made[0].path).stat().st_mtime_ns == before


def test_other_recordings_are_not_gone_on_with(tmp_path):
    configuration = own_word.recipe(HERE / "own-word.toml", "hey", 1)
    one, other = [recording("speech", "a")], [recording("speech", "b")]
    own_word.forget_if_changed(tmp_path, configuration, one)
    (tmp_path / "checkpoint.pt").touch()
    own_word.forget_if_changed(tmp_path, configuration, one)
    assert (tmp_path / "checkpoint.pt").exists()
    own_word.forget_if_changed(tmp_path, configuration, other)
    assert not (tmp_path / "checkpoint.pt").exists()


def chirps(rng, count, folder, low, high):
    """Rising tones, each a voice of its own: a word that the smallest model learns."""
    folder.mkdir()
    for number in range(count):
        time = np.arange(8000) / 16000
        pitch = rng.uniform(low, high)
        tone = np.sin(2 * np.pi * (pitch * time + 600 * time**2)) * np.hanning(8000)
        sound = np.concatenate([np.zeros(6000), tone, np.zeros(8000)]) * 0.3
        write_sound(folder / f"{number}.wav", sound + rng.normal(0, 1e-3, len(sound)))


@pytest.mark.skipif("ATTND" not in os.environ, reason="ATTND names no attnd")
def test_a_folder_becomes_a_model_that_attnd_hears_the_word_with(tmp_path):
    rng = np.random.default_rng(5)
    chirps(rng, 12, tmp_path / "positives", 300, 500)
    (tmp_path / "negatives").mkdir()
    for number in range(6):
        sound = rng.normal(0, 0.05, 16000 * 15) * np.repeat(rng.uniform(0, 1, 150), 1600)
        write_sound(tmp_path / "negatives" / f"{number}.wav", sound)
    recipe = (HERE / "own-word.toml").read_text(encoding="utf-8")
    recipe = recipe.replace('"../Models', f'"{HERE}/../Models').replace("updates = 400", "updates = 60")
    recipe = recipe.replace("cool_down = 300", "cool_down = 30").replace("streams = 32", "streams = 12")
    (tmp_path / "recipe.toml").write_text(recipe, encoding="utf-8")
    command = [
        sys.executable, "-m", "attnd_training.own_word", "--word", "Chirp",
        "--positives", "positives", "--negatives", "negatives", "--recipe", "recipe.toml",
        "--work", "work", "--out", "chirp.safetensors",
    ]
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    heard = subprocess.run(
        [os.environ["ATTND"], "batch", "--model", "chirp.safetensors", "--threshold", "0.5",
         *map(str, sorted((tmp_path / "positives").iterdir()))],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )
    events = [json.loads(line) for line in heard.stdout.splitlines()]
    found = {event["file"] for event in events if event.get("keyword") == "chirp"}
    assert len(found) >= 10, f"heard {len(found)} of 12 in the recordings it was trained on"
