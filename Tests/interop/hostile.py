#!/usr/bin/env python3
"""Behaves badly to a daemon over real sockets, while another client goes on undisturbed.

    hostile.py SOCKET [--long]

Every kind of bad behaviour runs against a daemon that plays noise; beside it one client pings and reads
attention frames all the time. The daemon must answer as Docs/protocol.md says, close what can't go on, take no
more memory than its bounds allow, and keep the other client waiting for no longer than a second.
"""
import socket
import sys
import threading
import time

import wire
from wire import event

path, is_long = sys.argv[1], "--long" in sys.argv
HEADER_LIMIT, DEPTH = 65536, 16
MEMORY_ROOM = 96 << 20  # 20 readers that don't read have 4 MiB each at most


def fail(text):
    sys.exit(f"hostile.py: {text}")


class Bystander(threading.Thread):
    """A good client: what it had to wait for, and what it saw."""

    def __init__(self):
        super().__init__(daemon=True)
        self.slowest, self.pings, self.frames, self.holes, self.stopping = 0, 0, 0, 0, False
        self.peer = wire.Peer(path)
        self.peer.socket.sendall(event("subscribe", {"events": ["attention"]}))

    def run(self):
        while not self.stopping:
            began = time.monotonic()
            self.peer.socket.sendall(event("ping", {"text": str(self.pings)}))
            while True:
                kind, data = self.peer.read()
                self.frames += kind == "attention"
                self.holes += kind == "dropped"
                if kind == "pong":
                    break
            self.slowest = max(self.slowest, time.monotonic() - began)
            self.pings += 1
            time.sleep(0.02)


def status():
    with wire.Peer(path) as peer:
        return peer.ask("status")


def expect_end(name, code, data):
    """Sends bytes that end the connection with an error of a code."""
    peer = wire.Peer(path)
    try:
        peer.socket.sendall(data)
    except OSError:
        pass  # It may have been closed already.
    found = peer.until("error")
    if found is None or found[1]["code"] not in code.split("|") or found[1]["fatal"] is not True:
        fail(f"{name}: {found} in place of a fatal {code}")
    if peer.read() is not None:
        fail(f"{name}: more came after the last word")


def endless_header():
    """A gigabyte and more without a newline: it is discarded for two seconds, so that the error can be read, no longer."""
    peer = wire.Peer(path)
    block, began, taken = b'{"type":"' + b"x" * 65536, time.monotonic(), 0
    try:
        while time.monotonic() - began < 10:
            taken += peer.socket.send(block)
    except OSError:
        pass
    took = time.monotonic() - began
    if took > 5:
        fail(f"an endless header was taken for {took:.1f} s ({taken >> 20} MiB) in place of 2 s")
    return taken


def deep_data(depth):
    data = b'{"a":' * depth + b"1" + b"}" * depth
    return b'{"type":"ping","data_length":%d}\n' % len(data) + data


bystander = Bystander()
bystander.start()
before = status()["memory"]
endless = endless_header()
audio = {"rate": 16000, "width": 2, "channels": 1}
ends = [
    ("a long header", "too-large", b"{" + b" " * HEADER_LIMIT),
    ("a payload of 2^63", "too-large|bad-header", event("ping", payload_length=1 << 63)),
    ("a payload of 2^62", "too-large", event("ping", payload_length=1 << 62)),
    ("a negative length", "bad-header", event("ping", data_length=-1)),
    ("a fraction of a byte", "bad-header", event("ping", payload_length=0.5)),
    ("a length in words", "bad-header", event("ping", payload_length="many")),
    ("a length that is true", "bad-header", event("ping", data_length=True)),
    ("deep JSON", "bad-header", b'{"type":"ping","data":' + b'{"a":' * DEPTH + b"1" + b"}" * DEPTH + b"}\n"),
    ("deep data", "bad-json", deep_data(DEPTH + 1)),
    ("no UTF-8", "bad-header", b'{"type":"p\xff\xfeng"}\n'),
    ("a byte-order mark", "bad-header", b'\xef\xbb\xbf{"type":"ping"}\n'),
    ("UTF-16", "bad-header", '{"type":"ping"}\n'.encode("utf-16-le")),
    ("a blank line", "bad-header", b"\n"),
    ("a list", "bad-header", b"[1]\n"),
    ("a number for a type", "bad-header", b'{"type":7}\n'),
    ("a web browser", "bad-header", b"GET / HTTP/1.1\r\nHost: attnd\r\n\r\n"),
    ("audio at no rate", "bad-audio", event("audio-start", dict(audio, rate=0))),
    ("half a sample", "bad-audio", event("audio-chunk", audio, b"123")),
]
for name, code, data in ends:
    expect_end(name, code, data)

# Torn conversations, everything that is unknown, and whole kinds of nonsense that are no error.
peer = wire.Peer(path)
for number in range(1000):
    peer.socket.sendall(event(f"unknown-{number}", {"a": [number]}, bytes(100)))
peer.socket.sendall(event("ping", {"text": "after"}))
if peer.until("pong", "error") != ("pong", {"text": "after"}):
    fail("unknown events are passed over")
for cut in range(1, 60, 7):
    wire.Peer(path).socket.sendall(event("audio-chunk", audio, bytes(64))[:cut])

# Readers that don't read, with as much as can be had; one that is half closed.
stuck = [wire.Peer(path, 4096) for _ in range(20)]
for number, peer in enumerate(stuck):
    peer.socket.sendall(event("subscribe", {"events": ["attention"], "weights": "json", "spectrum": "json"}))
    if number % 2:
        peer.socket.sendall(b"".join(event("status", {"id": n}) for n in range(500)))
stuck[0].socket.shutdown(socket.SHUT_WR)
time.sleep(2)
after = status()
if after["memory"] > before + MEMORY_ROOM:
    fail(f"memory was {before >> 20} MiB, is {after['memory'] >> 20} MiB")

if is_long:
    slow = wire.Peer(path)
    began = time.monotonic()
    for byte in event("ping", {"text": "a byte a second"}):
        try:
            slow.socket.sendall(bytes([byte]))
        except OSError:
            break
        time.sleep(1)
    took, found = time.monotonic() - began, slow.until("error")
    if found is None or found[1]["code"] != "timeout" or not 9 < took < 16:
        fail(f"a byte a second: {found} after {took:.0f} s in place of a timeout after 10 s")

bystander.stopping = True
bystander.join(5)
if bystander.slowest > 1 or bystander.holes or not bystander.frames:
    fail(f"the good client waited {bystander.slowest:.2f} s, had {bystander.frames} frames and {bystander.holes} holes")
print(f"hostile.sh: {len(ends)} kinds of bad bytes, {endless >> 20} MiB of a header, 20 readers that don't read; memory "
      f"{before / 2**20:.0f} -> {after['memory'] / 2**20:.0f} MiB, the good client waited {1000 * bystander.slowest:.0f} ms at most "
      f"and missed none of {bystander.frames} frames")
