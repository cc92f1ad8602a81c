"""The reference models: every variant at least once, in combinations that no other has."""

ROWS_PER_SECOND = 100

# Architectures, a model a line:
#   length of a row; stem; stack, stride; encoder; score, memory, value; heads; key size; window;
#   decoder; its input; output; number of outputs.
# A convolution is kind, channels, kernel, stride; an encoder or decoder cell, layers, units; a value
# "key" or its size; "keyword" is a head for each output.  Sizes lie around 8 and 16, where vector
# lanes end.
TABLE = [
    (5, [], 1, 1, ("gru", 1, 8), "dot", "x", "key", 1, 4, 7, ("gru", 1, 6), "context", "sigmoid", 2),
    (4, [], 1, 1, ("rnn-tanh", 1, 7), "aligned", "x", "key", 1, 3, 5, ("rnn-tanh", 1, 5), "context", "sigmoid", 1),
    (6, [], 1, 1, ("rnn-relu", 1, 9), "scaled-dot", "x", "key", 2, 8, 12, ("rnn-relu", 1, 7), "context+hidden", "linear", 3),
    (5, [], 1, 1, ("lstm", 1, 8), "additive", "x", "key", 1, 9, 1, ("lstm", 1, 8), "context", "softmax", 3),
    (3, [], 2, 1, ("gru", 2, 9), "static", "x", "key", "keyword", 5, 100, ("rnn-relu", 2, 9), "context", "sigmoid", 3),
    (8, [], 3, 3, ("rnn-tanh", 2, 16), "dot", "h", "key", "keyword", 4, 11, ("lstm", 2, 7), "context+hidden", "softmax", 2),
    (7, [], 2, 2, ("rnn-relu", 2, 8), "aligned", "h", "key", 2, 6, 100, ("gru", 2, 8), "context", "linear", 2),
    (1, [], 4, 3, ("lstm", 2, 7), "scaled-dot", "h", "key", 1, 1, 6, ("rnn-tanh", 2, 5), "context+hidden", "sigmoid", 1),
    (6, [("full", 8, 3, 1)], 1, 1, ("gru", 3, 7), "additive", "h", "key", 3, 4, 9, ("lstm", 3, 5), "context", "sigmoid", 2),
    (5, [("separable", 9, 4, 1)], 1, 1, ("lstm", 3, 8), "static", "h", "key", 2, 8, 13, ("gru", 3, 7), "context+hidden", "sigmoid", 2),
    (8, [("full", 6, 2, 2)], 1, 1, ("rnn-tanh", 3, 9), "dot", "x", 3, 2, 5, 40, ("rnn-relu", 3, 8), "context", "softmax", 4),
    (4, [("separable", 7, 5, 2)], 2, 1, ("rnn-relu", 3, 8), "scaled-dot", "x", 7, "keyword", 3, 8, ("rnn-tanh", 3, 6), "context", "linear", 2),
    (9, [("full", 8, 3, 1), ("separable", 5, 3, 2)], 1, 1, ("lstm", 4, 6), "aligned", "x", 8, 1, 7, 10, ("gru", 4, 5), "context", "sigmoid", 1),
    (6, [("separable", 8, 2, 2), ("full", 7, 3, 3)], 2, 2, ("gru", 4, 8), "static", "x", 5, 3, 4, 4, ("lstm", 4, 4), "context+hidden", "sigmoid", 2),
    (5, [], 1, 1, ("rnn-relu", 4, 8), "additive", "x", 9, 2, 3, 1, ("rnn-relu", 4, 7), "context+hidden", "softmax", 3),
    (2, [], 3, 2, ("rnn-tanh", 4, 5), "static", "h", 2, 1, 6, 1, ("rnn-tanh", 4, 9), "context", "linear", 1),
    (7, [("full", 9, 1, 1)], 1, 1, ("gru", 1, 17), "dot", "h", 16, 1, 17, 33, ("gru", 1, 15), "context", "sigmoid", 5),
    (6, [], 2, 1, ("lstm", 1, 15), "aligned", "h", 4, "keyword", 8, 16, ("lstm", 1, 16), "context+hidden", "sigmoid", 3),
    (8, [("separable", 16, 8, 1), ("separable", 8, 2, 1)], 1, 1, ("gru", 2, 16), "additive", "h", 6, "keyword", 5, 17, ("gru", 1, 9), "context", "sigmoid", 2),
    (4, [("full", 5, 4, 4)], 1, 1, ("lstm", 1, 9), "scaled-dot", "h", 5, 4, 2, 3, ("gru", 2, 6), "context+hidden", "softmax", 2),
]  # fmt: skip

# Steps of the network that a model takes.
STEPS = 40


def document(index):
    """The document of a model file."""
    (length, stem, stack, stride, encoder, score, memory, value, heads, key_size, window, decoder,
     decoder_input, output, outputs) = TABLE[index]  # fmt: skip
    attention = {"score": score, "memory": memory, "value": "key"}
    if value != "key":
        attention |= {"value": "separate", "value_size": value}
    attention |= {
        "heads": outputs if heads == "keyword" else heads,
        "keyword_heads": heads == "keyword",
        "key_size": key_size,
        "window": window,
    }
    keys = ("cell", "layers", "units")
    architecture = {"stack": stack, "stride": stride}
    if stem:
        names = ("kind", "channels", "kernel", "stride")
        architecture["stem"] = [dict(zip(names, layer)) for layer in stem]
    architecture |= {
        "encoder": dict(zip(keys, encoder)),
        "attention": attention,
        "decoder": dict(zip(keys, decoder)) | {"input": decoder_input},
        "output": output,
    }
    return {
        "format": 1,
        "name": name(index),
        "rows": {"length": length, "per_second": ROWS_PER_SECOND},
        "architecture": architecture,
        "keywords": [
            {"name": f"output_{i}", "phrase": f"output {i}", "threshold": 0.5}
            for i in range(outputs)
        ],
        "detector": {"smoothing_steps": 1, "release": 0.5, "refractory_seconds": 0},
        "reset": "never",
        "provenance": {
            "data": "none: the weights are random",
            "recipe": "PyTorch's own initialisation, made livelier (Tests/Reference/generate.py)",
            "command": "python Tests/Reference/generate.py",
            "seed": seed(index),
            "licence": "Apache-2.0",
            "figures": "none: the outputs mean nothing",
        },
    }


def name(index):
    score, memory = TABLE[index][5:7]
    return f"{index + 1:02}-{TABLE[index][4][0]}-{score}-{memory}"


def seed(index):
    return 1100 + index


def rows(index):
    """Rows that a stream of STEPS steps needs, and some more that complete no step."""
    _, stem, stack, stride, *_ = TABLE[index]
    per_output = 1
    for layer in stem:
        per_output *= layer[3]
    return ((STEPS - 1) * stride + stack - 1) * per_output + 1 + (per_output * stride - 1) // 2


def check_coverage():
    """Stops where a variant has no model."""
    columns = list(zip(*TABLE))
    cells = ("rnn-tanh", "rnn-relu", "gru", "lstm")
    scores = ("dot", "scaled-dot", "additive", "aligned", "static")
    every_layer = {(cell, layers) for cell in cells for layers in (1, 2, 3, 4)}
    wanted = {
        "encoder": ({shape[:2] for shape in columns[4]}, every_layer),
        "decoder": ({shape[:2] for shape in columns[11]}, every_layer),
        "score, memory, value": (
            {(row[5], row[6], row[7] == "key") for row in TABLE},
            {(s, m, v) for s in scores for m in "xh" for v in (True, False)},
        ),
        "heads": (set(columns[8]), {1, 2, 3, "keyword"}),
        "stem": ({layer[0] for stem in columns[1] for layer in stem}, {"full", "separable"}),
        "stem's stride": ({layer[3] for stem in columns[1] for layer in stem}, {1, 2, 3, 4}),
        "stack, stride": (set(zip(*columns[2:4])), {(1, 1), (2, 1), (2, 2), (3, 2), (3, 3)}),
        "decoder's input": (set(columns[12]), {"context", "context+hidden"}),
        "output": (set(columns[13]), {"sigmoid", "softmax", "linear"}),
        "window": (set(columns[10]), {1, STEPS, 100}),
    }
    for variant, (found, expected) in wanted.items():
        if missing := expected - found:
            raise SystemExit(f"no reference model has the {variant} {sorted(missing, key=str)}")
