#!/usr/bin/env python3
"""Makes the reference models and what PyTorch computes with them in double precision.

    python Tests/Reference/generate.py            writes Tests/Reference/models
    python Tests/Reference/generate.py --check    makes them anew and compares with what is there

README.md says what is in the files.  Needs the packages of requirements.txt.
"""

import argparse
import json
import math
import pathlib
import sys

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import load, save

import models
from network import Network

FOLDER = pathlib.Path(__file__).resolve().parent / "models"

# Largest difference between two machines' doubles, relative to 1 or to the element: sums of at most
# a hundred products in another order, through eight layers.
AGREEMENT = 1e-12


def network(index):
    """A model with random weights that are float32 numbers, held in double."""
    document = models.document(index)
    torch.manual_seed(models.seed(index))
    net = Network(
        document["architecture"], document["rows"]["length"], len(document["keywords"])
    )
    with torch.no_grad():
        for layer in (net.encoder, net.decoder):
            for name, weight in layer.named_parameters():
                if name.startswith("weight_ih"):
                    weight *= 2  # PyTorch's own halve a signal from layer to layer
        for name, weight in net.attention.named_parameters():
            inputs = weight.shape[1] if name.startswith("w_") else 1
            weight.uniform_(-2 / inputs**0.5, 2 / inputs**0.5)
        net.output.weight *= 3
        # Fractions of few bits, as the rows are: (row - mean) scale is exact in float32.
        net.feature.mean.copy_(torch.randint(-32, 33, net.feature.mean.shape) / 64)
        net.feature.scale.copy_(torch.randint(32, 129, net.feature.scale.shape) / 64)
    return net.double()


def spread(net, rows):
    """Scales the scores so that weights alpha are neither equal nor all or nothing.

    By a power of two, after which the weights are float32 numbers still.
    """
    scores = net(rows)["z"]
    factor = 2.0 ** round(math.log2(1.5 / scores.std(0).mean().item()))
    attention = net.attention
    (attention.v if hasattr(attention, "v") else attention.w_e).mul_(factor)


def model(index):
    """Bytes of a model file, and of the file with what it gives."""
    net = network(index)
    length = net.feature.mean.numel()
    rows = torch.randint(-512, 513, (models.rows(index), length)) / 256
    with torch.no_grad():
        spread(net, rows.double())
        results = net(rows.double())
    if len(results["completed"]) != models.STEPS:
        raise SystemExit(f"{models.name(index)}: {len(results['completed'])} steps")
    weights = {
        name: tensor.to(torch.float32).numpy() for name, tensor in net.state_dict().items()
    }
    metadata = {"attnd": json.dumps(models.document(index))}
    expected = {name: np.ascontiguousarray(value.numpy()) for name, value in results.items()}
    return save(weights, metadata), save({"rows": rows.numpy()} | expected)


def differences(name, made, stored):
    """Where a file with results differs from the stored one; PyTorch's sums vary in the last bits."""
    made, stored = load(made), load(stored)
    if made.keys() != stored.keys():
        yield f"{name}: tensors {sorted(made)}, stored are {sorted(stored)}"
        return
    for tensor, values in made.items():
        reference = stored[tensor]
        if values.shape != reference.shape:
            yield f"{name}, {tensor}: shape {values.shape}, stored is {reference.shape}"
            continue
        error = np.abs(values - reference) / np.maximum(1, np.abs(reference))
        if error.size and not error.max() <= AGREEMENT:
            place = np.unravel_index(error.argmax(), error.shape)
            yield (
                f"{name}, {tensor}{[int(i) for i in place]}: {values[place]}, "
                f"stored is {reference[place]}"
            )


def check(index, weights, expected):
    """Compares one model with the stored one; weights and document to the bit."""
    name = models.name(index)
    path = FOLDER / f"{name}.safetensors"
    if path.read_bytes() != weights:
        made = load(weights)
        with safe_open(path, "numpy") as file:
            if file.metadata() != {"attnd": json.dumps(models.document(index))}:
                yield f"{name}: the document differs"
            for tensor in sorted(made.keys() | set(file.keys())):
                if tensor not in file.keys() or tensor not in made:
                    yield f"{name}: weights {tensor} are in one file only"
                elif not np.array_equal(made[tensor], file.get_tensor(tensor)):
                    yield f"{name}: weights {tensor} differ"
    yield from differences(name, expected, (FOLDER / f"{name}.expected.safetensors").read_bytes())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    models.check_coverage()
    faults = []
    for index in range(len(models.TABLE)):
        weights, expected = model(index)
        if arguments.check:
            faults += check(index, weights, expected)
            continue
        FOLDER.mkdir(exist_ok=True)
        name = models.name(index)
        (FOLDER / f"{name}.safetensors").write_bytes(weights)
        (FOLDER / f"{name}.expected.safetensors").write_bytes(expected)
    for fault in faults:
        print(fault, file=sys.stderr)
    if faults:
        raise SystemExit(1)
    done = "agree with" if arguments.check else "written by"
    print(f"reference: {len(models.TABLE)} models {done} PyTorch {torch.__version__}")


if __name__ == "__main__":
    main()
