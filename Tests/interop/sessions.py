#!/usr/bin/env python3
"""Behaves to a daemon as Home Assistant does, again and again, and looks for what is left over.

    sessions.py PID HOST PORT CLIP.wav SESSIONS

Every session is a new TCP connection: detect, audio-start, audio in chunks without waiting, never an
audio-stop; on the detection it is closed at once, by FIN or by RST, with chunks still under way. Some
sessions in between only ask for info, which must come within a second. At the end the daemon must have as many
descriptors and threads as after the first hundred, and not more memory than a few megabytes above.
"""
import json
import os
import socket
import struct
import sys
import time
import wave

pid, host, port, clip, sessions = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], int(sys.argv[5])
WARM_UP = 100
FORMAT = {"rate": 16000, "width": 2, "channels": 1}


def event(kind, data=None, payload=b""):
    data = json.dumps(data).encode() if data else b""
    header = {"type": kind}
    if data:
        header["data_length"] = len(data)
    if payload:
        header["payload_length"] = len(payload)
    return json.dumps(header).encode() + b"\n" + data + payload


def read(stream):
    line = stream.readline()
    if not line:
        sys.exit("sessions.py: the daemon closed a session")
    header = json.loads(line)
    data = stream.read(header.get("data_length", 0))
    stream.read(header.get("payload_length", 0))
    return header["type"], json.loads(data) if data else {}


with wave.open(clip) as file:
    pcm = file.readframes(2 * 16000 + 8000)
request = event("detect", {"names": ["alexa"]}) + event("audio-start", FORMAT)
for start in range(0, len(pcm), 2048):
    request += event("audio-chunk", dict(FORMAT, timestamp=start // 32), pcm[start:start + 2048])
tail = event("audio-chunk", dict(FORMAT, timestamp=2500), pcm[:2048])


def session(number):
    with socket.create_connection((host, port), 5) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = connection.makefile("rb")
        if number % 10 == 0:
            began = time.monotonic()
            connection.sendall(event("describe"))
            kind, _ = read(stream)
            took = time.monotonic() - began
            if kind != "info" or took > 1:
                sys.exit(f"sessions.py: {kind} after {took:.2f} s in place of info within 1 s")
            return took
        connection.sendall(request)
        kind, data = read(stream)
        if (kind, data.get("name")) != ("detection", "alexa"):
            sys.exit(f"sessions.py: {kind} {data} in place of the detection")
        # Chunks under way when the connection ends, the last one torn.
        connection.sendall(tail + tail[: 1 + 37 * number % len(tail)])
        if number % 2:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return 0


def state():
    """Descriptors, threads, resident kilobytes; once nobody is connected any more."""
    deadline = time.monotonic() + 5
    while True:
        files = len(os.listdir(f"/proc/{pid}/fd"))
        threads = len(os.listdir(f"/proc/{pid}/task"))
        with open(f"/proc/{pid}/status") as status:
            resident = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
        if not state.files or files <= state.files or time.monotonic() > deadline:
            return files, threads, resident
        time.sleep(0.05)


state.files = 0
for number in range(WARM_UP):
    session(number)
time.sleep(0.2)
before = state()
state.files = before[0]
slowest = 0
for number in range(WARM_UP, WARM_UP + sessions):
    slowest = max(slowest, session(number))
after = state()
if after[0] > before[0] or after[1] > before[1] or after[2] > before[2] + 4096:
    sys.exit(f"sessions.py: descriptors, threads, kB were {before} after {WARM_UP} sessions, are {after} after {sessions} more")
print(f"sessions.sh: {sessions} sessions as Home Assistant's, info within {1000 * slowest:.0f} ms; descriptors {before[0]} -> "
      f"{after[0]}, threads {before[1]} -> {after[1]}, memory {before[2]} -> {after[2]} kB")
