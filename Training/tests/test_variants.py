"""Every cell, score, stem and output: trained form, equations and attnd itself agree."""

import json
import os
import subprocess
from dataclasses import replace

import numpy as np
import pytest
import torch

from attnd_training import model_file, reference
from attnd_training.configuration import Configuration, RecipeError
from attnd_training.network import KeywordNetwork
from attnd_training.streams import Truth
from attnd_training.training import losses

from conftest import RECIPE

SEPARABLE = {"kind": "separable", "channels": 12, "kernel": 3, "stride": 1}
FULL = {"kind": "full", "channels": 10, "kernel": 4, "stride": 2}
# cell, score, memory, value size, keyword heads, decoder's input, output, stem
VARIANTS = [
    ("rnn-tanh", "dot", "x", None, True, "context", "sigmoid", []),
    ("rnn-relu", "scaled-dot", "h", 3, False, "context+hidden", "softmax", [FULL]),
    ("gru", "additive", "x", 5, True, "context+hidden", "linear", [SEPARABLE]),
    ("lstm", "aligned", "h", None, False, "context", "sigmoid", [FULL, SEPARABLE]),
    ("lstm", "static", "x", 4, True, "context+hidden", "softmax", []),
    ("gru", "dot", "h", 4, False, "context", "linear", [SEPARABLE, FULL]),
    ("rnn-relu", "aligned", "x", 3, True, "context+hidden", "sigmoid", []),
]
PROVENANCE = dict.fromkeys(["data", "recipe", "command", "licence", "figures"], "none") | {"seed": 1}


def variant(configuration, cell, score, memory, value_size, keyword_heads, joined, output, stem):
    attention = {
        "score": score, "memory": memory, "value": "separate" if value_size else "key",
        **({"value_size": value_size} if value_size else {}),
        "heads": 6 if keyword_heads else 2, "keyword_heads": keyword_heads, "key_size": 4,
        "window": 7,
    }
    architecture = {
        **({"stem": stem} if stem else {}), "stack": 3, "stride": 3,
        "encoder": {"cell": cell, "layers": 2, "units": 8}, "attention": attention,
        "decoder": {"cell": cell, "layers": 1, "units": 7, "input": joined}, "output": output,
    }
    return replace(configuration, architecture=architecture)


@pytest.fixture(params=VARIANTS, ids=["-".join(map(str, v[:3])) for v in VARIANTS])
def model(request, configuration):
    configuration = variant(configuration, *request.param)
    configuration._check("variant")
    torch.manual_seed(5)
    network = KeywordNetwork(configuration).eval()
    with torch.no_grad():
        network.feature.mean.uniform_(0.1, 0.4)
        network.feature.scale.uniform_(1, 3)
        network.output.bias.zero_()
    return configuration, network


def test_the_network_agrees_with_the_file_run_step_by_step(model, energy, tmp_path):
    configuration, network = model
    path = tmp_path / "model.safetensors"
    thresholds = dict.fromkeys(configuration.names, 0.5)
    model_file.write(path, network, configuration, thresholds, PROVENANCE)
    expected, alpha = reference.posteriors(path, energy)
    found, _ = network.posteriors(torch.from_numpy(energy)[None])
    steps = len(energy) // configuration.rows_per_step
    assert found.shape == (1, steps, 6)
    assert expected.std() > 0.003, "posteriors that don't move prove nothing"
    np.testing.assert_allclose(found[0], expected[:steps], atol=3e-5)
    np.testing.assert_allclose(alpha.sum(axis=2), 1, atol=1e-12)


def test_posteriors_do_not_depend_on_how_the_stream_is_cut(model, energy):
    configuration, network = model
    rows = torch.from_numpy(energy)[None]
    whole, _ = network.posteriors(rows)
    for segments in (1, 2, 11):
        cut, _ = network.posteriors(rows, rows_at_once=segments * configuration.rows_per_step)
        torch.testing.assert_close(cut, whole, atol=1e-5, rtol=0)


def test_a_stream_that_restarts_forgets_all(model, energy):
    _, network = model
    rows = torch.from_numpy(energy[30:210]).expand(2, -1, -1)
    first, state = network(rows, network.start(2))
    state.restart(torch.tensor([True, False]))
    second, _ = network(rows, state)
    torch.testing.assert_close(second.logits[0], first.logits[0], atol=1e-5, rtol=0)
    assert (second.logits[1] - first.logits[1]).abs().max() > 1e-4


def test_both_losses_reach_every_parameter(model, energy):
    configuration, network = model
    rows = torch.from_numpy(energy[:240])[None]
    _, state = network(rows[:, :120], network.start(1))
    output, _ = network(rows[:, 120:], state)
    steps = output.logits.shape[1]
    word, span = torch.full((1, steps), -1), torch.zeros(1, steps, 2, dtype=torch.long)
    word[0, 15], span[0, 15] = 4, torch.tensor([10, 13])
    target = torch.zeros(1, steps, 6)
    target[0, 15, 4] = 1
    truth = Truth(
        target=target, weight=torch.ones(1, steps, 6), word=word, span=span,
        embedding=torch.zeros(1, steps, 96), taught=torch.zeros(1, steps, dtype=torch.bool),
    )
    answer, guide = losses(
        output, truth, network.attention.window, configuration.architecture["output"]
    )
    head = 4 if configuration.architecture["attention"]["keyword_heads"] else 0
    # Step 15 sees steps 9 ... 15.
    if network.attention.has_query:
        z = output.scores[0, 15, 15:22, head]
    else:
        z = output.scores[0, 15:22, head]
    expected = -torch.log_softmax(z, dim=0)[1:5].mean()
    assert guide.item() * steps == pytest.approx(expected.item(), abs=1e-4)
    (answer + guide).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name


def attnd_model(path):
    """What attnd says is in a model file."""
    if not (attnd := os.environ.get("ATTND")):
        pytest.skip("ATTND is not set")
    run = subprocess.run([attnd, "model", "--json", str(path)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)["document"]


def test_attnd_reads_what_was_written(model, tmp_path):
    configuration, network = model
    path = tmp_path / "model.safetensors"
    silence = {"silence_seconds": 5.0, "below_dbfs": -60.0}
    thresholds = dict.fromkeys(configuration.names, 0.5)
    model_file.write(path, network, replace(configuration, reset=silence), thresholds, PROVENANCE)
    document = attnd_model(path)
    assert document["architecture"] == configuration.architecture
    assert document["reset"] == silence
    assert document["detector"] == configuration.detector


def test_attnd_computes_a_model_of_rows_as_the_equations_say(model, tmp_path):
    configuration, network = model
    path = tmp_path / "rows.safetensors"
    document = model_file.document(
        configuration, dict.fromkeys(configuration.names, 0.5), PROVENANCE
    )
    del document["front_end"]
    document["rows"] = {"length": 40, "per_second": 100}
    tensors = {name: t.detach().numpy() for name, t in network.state_dict().items()}
    model_file.save(path, document, tensors)
    assert attnd_model(path)["rows"] == document["rows"]
    rows = np.random.default_rng(4).standard_normal((200, 40)).astype(np.float32)
    np.save(tmp_path / "rows.npy", rows)
    run = subprocess.run(
        [os.environ["ATTND"], "batch", "--features", "--frames", "--model", str(path),
         str(tmp_path / "rows.npy")],
        check=True, stdout=subprocess.PIPE, text=True,
    )
    steps = [json.loads(line) for line in run.stdout.splitlines()]
    steps = [step["posterior"] for step in steps if "posterior" in step]
    found = np.array([[step[name] for name in configuration.names] for step in steps])
    expected, _ = reference.posteriors(path, rows)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize("old, new, message", [
    ('cell = "gru", layers = 2', 'cell = "sru", layers = 2',
     "architecture.encoder.cell is 'sru', expected rnn-tanh, rnn-relu, gru, lstm"),
    ('score = "static"', 'score = "cosine"', "expected dot, scaled-dot, additive, aligned, static"),
    ("heads = 6", "heads = 5", "architecture.attention.heads is 5, expected 6"),
    ('output = "sigmoid"', 'output = "none"', "expected sigmoid, softmax, linear"),
])
def test_a_choice_that_is_not_known_is_named(old, new, message, tmp_path):
    text = RECIPE.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "recipe.toml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(RecipeError, match=message):
        Configuration.read(path)
