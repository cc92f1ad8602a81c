#!/usr/bin/env python3
"""A cold store's log, and a small model that learns which door was the cause of an alarm.

    python3 Docs/examples/sensor/train.py        writes rows.npy and sensor.safetensors beside it

The log is simulated, a row a second.  Three doors open and close; now and then one doesn't seal, which
shows as a dip of the seal's pressure when it closes.  From then on the store warms, and half a minute
to more than a minute later, after other doors have been opened, the alarm rings.  The model is told at
the alarm which door it was, and nothing else: that it must look back, and where, it finds out.

Takes a minute on one core.  Needs torch, numpy and safetensors.
"""

import json
import pathlib

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import nn

HERE = pathlib.Path(__file__).resolve().parent
SEED = 11
CHANNELS = ["temperature", "humidity", "compressor", "door 1", "door 2", "door 3", "seal"]
LIMIT = -15.0  # degrees Celsius, where the alarm rings
ALARM = 10  # seconds that it rings
LOGS, LENGTH = 160, 320  # to learn from, seconds each
STEPS, BATCH = 250, 16

ARCHITECTURE = {
    "stack": 6,
    "stride": 1,
    "encoder": {"cell": "gru", "layers": 1, "units": 12},
    "attention": {
        "score": "scaled-dot",
        "memory": "x",
        "value": "separate",
        "value_size": 6,
        "heads": 1,
        "keyword_heads": False,
        "key_size": 8,
        "window": 100,
    },
    "decoder": {"cell": "gru", "layers": 1, "units": 12, "input": "context+hidden"},
    "output": "sigmoid",
}


def log(random, seconds):
    """A log [seconds, 7], which doors were to blame [seconds, 3], and (failure, alarm, door) each."""
    rows, blame, incidents = np.zeros((seconds, 7)), np.zeros((seconds, 3)), []
    temperature, humidity, warming = -18.0, 60.0, 0.0
    phase, next_opening, next_failure = random.integers(60), 5, random.integers(20, 60)
    door, closes, failed, culprit, alarm_ends = None, 0, None, None, None
    for t in range(seconds):
        seal = 1.0
        if door is None and t >= next_opening and alarm_ends is None:
            door, closes = random.integers(3), t + random.integers(2, 5)
        elif door is not None and t >= closes:
            seal = 0.85  # every door sighs
            if failed is None and t >= next_failure:
                seal, failed, culprit = 0.6, t, door
                warming = 3.5 / random.integers(30, 80)
            door, next_opening = None, t + random.integers(4, 25)
        if failed is not None and alarm_ends is None and temperature > LIMIT:
            alarm_ends = t + ALARM
            incidents.append((failed, t, int(culprit)))
        if alarm_ends is not None:
            blame[t, culprit] = 1
            if t >= alarm_ends:  # somebody has shut the door
                failed, alarm_ends, warming = None, None, 0.0
                next_failure = t + random.integers(40, 80)
        temperature += warming if failed is not None else 0.2 * (-18.0 - temperature)
        humidity += 0.1 * (60 - humidity) + (1.5 if door is not None else 0) + random.normal(0, 0.5)
        compressor = 1.1 if (t + phase) % 60 < 25 else 0.4
        contacts = [float(door == i) for i in range(3)]
        noise = random.normal(0, [0.1, 0.3, 0.02, 0.02, 0.02, 0.02, 0.02])
        rows[t] = np.array([temperature, humidity, compressor, *contacts, seal]) + noise
    return rows.astype(np.float32), blame.astype(np.float32), incidents


class Normalisation(nn.Module):
    def __init__(self, rows):
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(rows.mean(0)))
        self.register_buffer("scale", torch.from_numpy(1 / rows.std(0)))


class Attention(nn.Module):
    """scaled-dot over the last steps; the parameters have the names of the model file."""

    def __init__(self, shape, hidden, memory):
        super().__init__()
        self.shape = shape
        keys, values = shape["heads"] * shape["key_size"], shape["heads"] * shape["value_size"]
        self.w_e = nn.Parameter(torch.randn(keys, hidden) / hidden**0.5)
        self.w_a = nn.Parameter(torch.randn(keys, memory) / memory**0.5)
        self.w_v = nn.Parameter(torch.randn(values, memory) / memory**0.5)

    def forward(self, hidden, memory):
        streams, steps, _ = hidden.shape

        def heads(values):
            return values.view(streams, steps, self.shape["heads"], -1).transpose(1, 2)

        e, a, v = heads(hidden @ self.w_e.T), heads(memory @ self.w_a.T), heads(memory @ self.w_v.T)
        age = torch.arange(steps)[:, None] - torch.arange(steps)[None, :]
        window = (age >= 0) & (age < self.shape["window"])
        context = nn.functional.scaled_dot_product_attention(e, a, v, attn_mask=window)
        return context.transpose(1, 2).flatten(2)


class Network(nn.Module):
    def __init__(self, rows):
        super().__init__()
        encoder, decoder = ARCHITECTURE["encoder"], ARCHITECTURE["decoder"]
        attention, stack = ARCHITECTURE["attention"], ARCHITECTURE["stack"]
        inputs = len(CHANNELS) * stack
        self.feature = Normalisation(rows)
        self.encoder = nn.GRU(inputs, encoder["units"], batch_first=True)
        self.attention = Attention(attention, encoder["units"], inputs)
        contexts = attention["heads"] * attention["value_size"]
        self.decoder = nn.GRU(contexts + encoder["units"], decoder["units"], batch_first=True)
        self.output = nn.Linear(decoder["units"], 3)

    def forward(self, rows):
        """[streams, rows, 7] -> logits [streams, rows - 3, 3]."""
        rows = (rows - self.feature.mean) * self.feature.scale
        x = rows.unfold(1, ARCHITECTURE["stack"], 1).transpose(2, 3).flatten(2)
        h, _ = self.encoder(x)
        c = self.attention(h, x)
        d, _ = self.decoder(torch.cat([c, h], dim=2))
        return self.output(d)


def logs(random, count, seconds):
    made = [log(random, seconds) for _ in range(count)]
    return [torch.from_numpy(np.stack([m[i] for m in made])) for i in (0, 1)] + [
        [m[2] for m in made]
    ]


def right_doors(logits, incidents):
    """How many alarms the model blamed on the right door, of how many."""
    lead = ARCHITECTURE["stack"] - 1
    right = 0
    for stream, found in enumerate(incidents):
        for _, alarm, door in found:
            during = logits[stream, alarm - lead + 3 : alarm - lead + ALARM].mean(0)
            right += int(during.argmax() == door and during[door] > 0)
    return right, sum(map(len, incidents))


def train():
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    random = np.random.default_rng(SEED)
    network = Network(log(random, 5_000)[0])
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1.5e-2, STEPS)
    rows, blame, incidents = logs(random, LOGS, LENGTH)
    for step in range(STEPS):
        some = random.permutation(LOGS)[:BATCH]
        logits = network(rows[some])
        target = blame[some, ARCHITECTURE["stack"] - 1 :]
        loss = nn.functional.binary_cross_entropy_with_logits(
            logits, target, pos_weight=torch.tensor(3.0)
        )
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if step % 25 == 24:
            right, of = right_doors(logits.detach(), [incidents[i] for i in some])
            print(f"step {step + 1}: loss {loss:.4f}, {right} of {of} alarms blamed on the right door")
    with torch.no_grad():
        rows, _, incidents = logs(np.random.default_rng(SEED + 1), 100, LENGTH)
        return network, right_doors(network(rows), incidents)


def write(network, right, of):
    document = {
        "format": 1,
        "name": "cold-store",
        "rows": {"length": len(CHANNELS), "per_second": 1},
        "architecture": ARCHITECTURE,
        "keywords": [
            {"name": f"door_{i + 1}", "phrase": f"door {i + 1} didn't seal", "threshold": 0.5}
            for i in range(3)
        ],
        "detector": {"smoothing_steps": 5, "release": 0.5, "refractory_seconds": 20},
        "reset": "never",
        "provenance": {
            "data": "a simulated cold store (train.py)",
            "recipe": f"{STEPS} steps of {BATCH} logs, each of {LENGTH} s",
            "command": "python3 Docs/examples/sensor/train.py",
            "seed": SEED,
            "licence": "Apache-2.0",
            "figures": f"{right} of {of} alarms in 100 unseen logs blamed on the right door",
        },
    }
    tensors = {
        name: np.ascontiguousarray(tensor.numpy()) for name, tensor in network.state_dict().items()
    }
    save_file(tensors, HERE / "sensor.safetensors", metadata={"attnd": json.dumps(document)})
    (HERE / "sensor.safetensors").chmod(0o644)


def main():
    network, (right, of) = train()
    print(f"unseen logs: {right} of {of} alarms blamed on the right door")
    write(network, right, of)
    rows, _, incidents = log(np.random.default_rng(SEED + 2), LENGTH)
    np.save(HERE / "rows.npy", rows)
    for failed, alarm, door in incidents:
        print(f"rows.npy: door {door + 1} didn't seal at {failed} s, the alarm rang at {alarm} s")


if __name__ == "__main__":
    main()
