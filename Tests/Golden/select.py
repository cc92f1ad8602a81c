#!/usr/bin/env python3
"""Selects the committed reference vectors from the full set.

    python3 Tests/Golden/select.py FULL_SET [DESTINATION]

FULL_SET is a folder that holds the full set (README.md says what that is); DESTINATION is this
script's own folder unless named.  The result depends on the bytes of FULL_SET alone: whole
tensors are copied, widest elements first, then by name, and SHA256SUMS lists what was written.
Needs the standard library only.
"""

import hashlib
import json
import pathlib
import re
import struct
import sys

# Path -> pattern of the tensors to keep (a full match), or None for the whole file.
SELECTION = {
    "fft/small.safetensors":
        r"(r|ir)?fft\.([1-9]|[12].|3[02]|64|75|100|12[58]|24[03]|256|400|480|5..|600|625|1200)"
        r"|r?fft\.(1024|2048)",
    "fft/large.safetensors": r"rfft\.(4096|8192)",
    "fft/special.safetensors": r".*",
    "frontend/kaldi_fbank_16k.safetensors":
        r"fbank40_povey_(no)?snip\..*"
        r"|fbank40_(hamming|hann|rectangular)_snip\.(sine|speechlike)_16k"
        r"|fbank80_povey_snip\.(chirp|dc|noise|speechlike)_16k"
        r"|fbank80_povey_nosnip\.speechlike_16k"
        r"|fbank40_povey_snip_nopow2\.speechlike_16k",
    "frontend/kaldi_fbank_8k_48k.safetensors":
        r"fbank40_povey_(no)?snip\.(noise|sine|speechlike)_8k"
        r"|fbank(40|80)_povey_snip\.(noise|speechlike)_48k"
        r"|fbank40_povey_snip_nopow2\.speechlike_48k",
    "frontend/kaldi_mfcc.safetensors":
        r".*\.(noise|silence|speechlike)_16k|.*\.speechlike_8k|mfcc13_energy\.utterance_16k",
    "frontend/librosa.safetensors":
        r"mel40_fft400_reflect\.(chirp|dc|impulses|noise|silence|speechlike|square)_16k"
        r"|mel40_fft512_constant\.(noise|speechlike)_16k"
        r"|(mel40_fft400_constant|mel80_fft512_reflect|mfcc20.*)\.speechlike_16k"
        r"|mel40_fft256_constant\.speechlike_8k|mel40_fft1200_constant\.speechlike_48k",
    "frontend/pcen.safetensors": r".*\.(in|published_init_first)|impulses\.librosa_default",
    "frontend/deltas.safetensors": r".*",
    "frontend/running_norm.safetensors": r".*",
    "rnn/small.safetensors": r".*",
    "rnn/gru.safetensors": r"gru\.(40-64\.x2|40-20\.x4|63-63\.x1)/.*",
    "rnn/lstm.safetensors": r"lstm\.(40-24\.x2|40-20\.x4)/.*",
    "rnn/rnn_relu.safetensors": r"rnn_relu\.(63-63\.x2|40-20\.x4)/.*",
    "rnn/rnn_tanh.safetensors": r"rnn_tanh\.(63-63\.x1|40-20\.x4)/.*",
    "attention/small.safetensors": r".*",
    "attention/long.safetensors": r"[xh]|.*\.heads[12]/((w_.|v|b)|window10(0|00)/.*)",
    "attention/hard.safetensors": r".*",
    "attention/hard_projected.safetensors": r".*",
    "attention/textbook.json": None,
    "model/gru_dot_x.weights.safetensors": r".*",
    "model/gru_dot_x.tensors.safetensors": r".*",
    "model/lstm2_static_h.weights.safetensors": r".*",
    # Its features and x are those of gru_dot_x.
    "model/lstm2_static_h.tensors.safetensors": r"h|e|a|z|lse|c|d|logits|posteriors",
    "elementary/exp.npy": None,
    "elementary/log.npy": None,
    "elementary/tanh.npy": None,
    "elementary/sigmoid.npy": None,
    **{f"signals/{name}_16k.npy": None for name in (
        "chirp", "dc", "impulses", "noise", "silence", "sine", "speechlike", "square",
        "utterance")},
    **{f"signals/{name}_8k.npy": None for name in ("noise", "sine", "speechlike")},
    **{f"signals/{name}_48k.npy": None for name in ("noise", "speechlike")},
}

# The transforms of up to 8192 points read no further into fft/input.npy than this.
FFT_INPUT_ELEMENTS = 8192

WIDTH = {"F32": 4, "F64": 8, "I32": 4}


def select_tensors(source, pattern):
    """A safetensors file that holds only the tensors whose names match the pattern."""
    (length,) = struct.unpack("<Q", source[:8])
    header = json.loads(source[8:8 + length])
    body = source[8 + length:]
    header.pop("__metadata__", None)
    kept = [name for name in header if re.fullmatch(pattern, name)]
    if not kept:
        raise SystemExit(f"no tensor matches {pattern}")
    kept.sort(key=lambda name: (-WIDTH[header[name]["dtype"]], name))
    new_header, blocks, offset = {}, [], 0
    for name in kept:
        begin, end = header[name]["data_offsets"]
        blocks.append(body[begin:end])
        new_header[name] = {
            "dtype": header[name]["dtype"], "shape": header[name]["shape"],
            "data_offsets": [offset, offset + end - begin]}
        offset += end - begin
    text = json.dumps(new_header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(blocks)


def shorten_array(source, elements):
    """The first elements of a one-dimensional float32 array, as .npy version 1.0."""
    if source[:8] != b"\x93NUMPY\x01\x00":
        raise SystemExit("fft/input.npy is not a .npy file of version 1.0")
    (length,) = struct.unpack("<H", source[8:10])
    body = source[10 + length:10 + length + 4 * elements]
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({elements},), }}".encode()
    text += b" " * (-(10 + len(text) + 1) % 64) + b"\n"
    return source[:8] + struct.pack("<H", len(text)) + text + body


def main():
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    full_set = pathlib.Path(sys.argv[1])
    here = pathlib.Path(__file__).resolve().parent
    destination = pathlib.Path(sys.argv[2]) if len(sys.argv) == 3 else here

    written = {}
    for path, pattern in SELECTION.items():
        source = (full_set / path).read_bytes()
        written[path] = source if pattern is None else select_tensors(source, pattern)
    written["fft/input.npy"] = shorten_array(
        (full_set / "fft/input.npy").read_bytes(), FFT_INPUT_ELEMENTS)

    sums = []
    for path in sorted(written):
        (destination / path).parent.mkdir(parents=True, exist_ok=True)
        (destination / path).write_bytes(written[path])
        sums.append(f"{hashlib.sha256(written[path]).hexdigest()}  {path}\n")
    (destination / "SHA256SUMS").write_text("".join(sums))
    print(f"{len(written)} files, {sum(map(len, written.values()))} bytes")


if __name__ == "__main__":
    main()
