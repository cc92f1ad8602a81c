#!/usr/bin/env python3
"""Behaves to a daemon as Home Assistant does, again and again, and looks for what is left over.

    sessions.py PID HOST PORT CLIP.wav SESSIONS

Every session is a new TCP connection: detect, audio-start, audio in chunks without waiting, never an
audio-stop; on the detection it is closed at once, by FIN or by RST, with chunks still under way. Some
sessions in between only ask for info, which must come within a second. At the end the daemon must have as many
descriptors and threads as after the first hundred, and not more memory than a few megabytes above.
"""
import socket
import struct
import sys
import time
import wave

import wire
from wire import event

pid, host, port, clip, sessions = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], int(sys.argv[5])
WARM_UP = 100
FORMAT = {"rate": 16000, "width": 2, "channels": 1}


def read(stream):
    found = wire.read(stream)
    if found is None:
        sys.exit("sessions.py: the daemon closed a session")
    return found


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


def state(least=None):
    """What the process holds; once nobody is connected any more."""
    wire.wait_for(5, lambda: least is None or wire.Resources.of(pid).descriptors <= least)
    return wire.Resources.of(pid)


for number in range(WARM_UP):
    session(number)
time.sleep(0.2)
before = state()
slowest = 0
for number in range(WARM_UP, WARM_UP + sessions):
    slowest = max(slowest, session(number))
after = state(before.descriptors)
if (after.descriptors > before.descriptors or after.threads > before.threads
        or after.kilobytes > before.kilobytes + 4096):
    sys.exit(f"sessions.py: {before} after {WARM_UP} sessions, {after} after {sessions} more")
print(f"sessions.sh: {sessions} sessions as Home Assistant's, info within {1000 * slowest:.0f} ms; "
      f"descriptors {before.descriptors} -> {after.descriptors}, threads {before.threads} -> {after.threads}, "
      f"memory {before.kilobytes} -> {after.kilobytes} kB")
