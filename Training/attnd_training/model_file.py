"""The model file: weights and one JSON document in safetensors, and the check of what was written."""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import save_file

from .configuration import Configuration, RecipeError
from .network import KeywordNetwork

LARGEST_FILE = 2_000_000  # bytes; the daemon carries its default model inside


def document(configuration: Configuration, thresholds: dict[str, float], provenance: dict) -> dict:
    return {
        "format": 1,
        "name": configuration.name,
        "front_end": configuration.front_end,
        "architecture": configuration.architecture,
        "keywords": [
            {**keyword, "threshold": thresholds[keyword["name"]]}
            for keyword in configuration.keywords
        ],
        "detector": configuration.detector,
        "reset": configuration.reset,
        "provenance": provenance,
    }


def write(
    path: Path, network: KeywordNetwork, configuration: Configuration, thresholds, provenance
) -> None:
    tensors = {
        name: np.ascontiguousarray(tensor.detach().numpy(), np.float32)
        for name, tensor in network.state_dict().items()
    }
    save(path, document(configuration, thresholds, provenance), tensors)


def save(path: Path, document: dict, tensors: dict[str, np.ndarray]) -> None:
    """Writes any document and tensors, and reads them back."""
    metadata = {"attnd": json.dumps(document)}
    save_file(tensors, str(path), metadata=metadata)
    Path(path).chmod(0o644)  # safetensors leaves it to the owner alone
    if (size := Path(path).stat().st_size) > LARGEST_FILE:
        raise RecipeError(f"model {path}: {size} bytes, at most {LARGEST_FILE} allowed")
    read_document, read_tensors = read(path)
    if read_document != json.loads(metadata["attnd"]):
        raise RecipeError(f"model {path}: the document read back differs")
    for name, tensor in tensors.items():
        if not np.array_equal(read_tensors[name], tensor):
            raise RecipeError(f"model {path}: tensor {name} read back differs")


def read(path: Path) -> tuple[dict, dict[str, np.ndarray]]:
    with safe_open(str(path), framework="numpy") as file:
        metadata = json.loads(file.metadata()["attnd"])
        return metadata, {name: file.get_tensor(name) for name in file.keys()}


def network_configuration(document: dict) -> Configuration:
    """As much of a recipe as a model file holds: enough for the network, not for training."""
    empty = dict.fromkeys(["recordings", "streams", "loss", "optimiser", "thresholds"], {})
    own = ("name", "keywords", "front_end", "architecture", "detector", "reset")
    return Configuration(seed=0, phases=[], **empty, **{name: document[name] for name in own})


def read_network(path: Path, configuration: Configuration) -> KeywordNetwork:
    _, tensors = read(path)
    network = KeywordNetwork(configuration)
    network.load_state_dict({name: torch.from_numpy(t.copy()) for name, t in tensors.items()})
    return network.eval()
