"""What was trained, what was written and what the equations say are one model."""

import json
import os
import subprocess
import wave
from pathlib import Path

import numpy as np
import pytest
import torch

from attnd_training import model_file, reference

THRESHOLDS = dict.fromkeys(
    ["alexa", "computer", "jarvis", "smart_mirror", "snowboy", "view_glass"], 0.5
)
DEFAULT_MODEL = Path(__file__).resolve().parents[2] / "Models/default.safetensors"


def network_posteriors(network, energy):
    posteriors, _ = network.posteriors(torch.from_numpy(energy)[None])
    return posteriors[0].numpy()


def write_sound(folder):
    """Two seconds of noise whose level jumps every 50 ms."""
    rng = np.random.default_rng(3)
    loud = np.repeat(10 ** rng.uniform(1, 4, 40), 800)
    samples = (rng.standard_normal(32000) * loud).clip(-32768, 32767).astype("<i2")
    path = folder / "sound.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(samples.tobytes())
    return path


def test_the_network_agrees_with_the_exported_file_run_step_by_step(
    network, configuration, energy, tmp_path
):
    path = tmp_path / "model.safetensors"
    model_file.write(path, network, configuration, THRESHOLDS, {})
    expected, alpha = reference.posteriors(path, energy)
    found = network_posteriors(network, energy)
    # 400 rows, three to a step: the network takes whole steps, and leaves the row that remains.
    assert found.shape == (133, 6) and len(expected) in (133, 134)
    expected, alpha = expected[:133], alpha[:133]
    # Both are exact but for float32's rounding: 1e-5 is what the tests of attnd allow as well.
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert expected.std() > 0.01, "posteriors that don't move prove nothing"
    np.testing.assert_allclose(alpha.sum(axis=2), 1, atol=1e-12)


def test_rows_that_attnd_wrote_give_the_same_in_both(network, configuration, tmp_path):
    attnd = os.environ.get("ATTND")
    if not attnd:
        pytest.skip("ATTND is not set")
    sound = write_sound(tmp_path)
    command = [attnd, "features", "--compression", "linear", "--out", str(tmp_path)]
    subprocess.run([*command, str(sound)], check=True)
    energy = np.load(tmp_path / "sound.npy")
    assert energy.shape == (198, 40) and energy.dtype == np.float32
    path = tmp_path / "model.safetensors"
    model_file.write(path, network, configuration, THRESHOLDS, {})
    expected, _ = reference.posteriors(path, energy)
    np.testing.assert_allclose(network_posteriors(network, energy), expected, atol=1e-5)


def test_a_model_file_is_read_back_as_it_was_written(network, configuration, tmp_path):
    path = tmp_path / "model.safetensors"
    model_file.write(path, network, configuration, THRESHOLDS, {"seed": 1})
    document, tensors = model_file.read(path)
    assert document["provenance"] == {"seed": 1}
    assert [keyword["threshold"] for keyword in document["keywords"]] == [0.5] * 6
    assert set(tensors) == set(network.state_dict())
    again = model_file.read_network(path, configuration)
    for name, tensor in network.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name


@pytest.mark.skipif(not DEFAULT_MODEL.exists(), reason="no model was trained yet")
def test_the_shipped_model_agrees_with_its_recipe_and_its_reference(configuration, energy):
    document, tensors = model_file.read(DEFAULT_MODEL)
    assert document["front_end"] == configuration.front_end
    assert document["architecture"] == configuration.architecture
    assert document["detector"] == configuration.detector
    expected, _ = reference.posteriors(DEFAULT_MODEL, energy)
    found = network_posteriors(model_file.read_network(DEFAULT_MODEL, configuration), energy)
    # Trained weights are larger than random ones, and so is what rounding does.
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.skipif(not DEFAULT_MODEL.exists(), reason="no model was trained yet")
def test_attnd_says_what_the_reference_says(configuration, tmp_path):
    attnd = os.environ.get("ATTND")
    if not attnd:
        pytest.skip("ATTND is not set")
    sound = write_sound(tmp_path)
    command = [attnd, "features", "--compression", "linear", "--out", str(tmp_path)]
    subprocess.run([*command, str(sound)], check=True)
    expected, _ = reference.posteriors(DEFAULT_MODEL, np.load(tmp_path / "sound.npy"))
    run = subprocess.run(
        [attnd, "batch", "--frames", "--model", str(DEFAULT_MODEL), str(sound)],
        check=True, stdout=subprocess.PIPE, text=True,
    )
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    steps = [line["posterior"] for line in lines if "posterior" in line]
    found = np.array([[step[name] for name in configuration.names] for step in steps])
    assert found.shape == expected.shape == (66, 6)
    np.testing.assert_allclose(found, expected, atol=1e-4)
