#!/usr/bin/env python3
"""Holds sessions through a balancer while its daemons come and go.

    haproxy.py PORT ADMIN_SOCKET A_PID A_SOCKET B_PID B_SOCKET CLIP.wav

Twelve clients hold a session after the other. Then daemon A is drained: no session may be lost, and A must be
left by all. A is taken in again and B is killed: only sessions that B had may be lost, and new ones must be
served.
"""
import os
import signal
import socket
import sys
import threading
import time
import wave

import wire
from wire import event

port, admin, a_pid, a_path, b_pid, b_path, clip = (
    int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4], int(sys.argv[5]), sys.argv[6], sys.argv[7])
FORMAT = {"rate": 16000, "width": 2, "channels": 1}
CLIENTS = 12


def status(path):
    with wire.Peer(path, timeout=5) as peer:
        return peer.ask("status")


def fail(text):
    print(f"haproxy.py: {text}", file=sys.stderr)
    os._exit(1)


with wave.open(clip) as file:
    pcm = file.readframes(2 * 16000 + 8000)
lock = threading.Lock()
served, lost = [], []  # (time, run of the daemon)
stop = threading.Event()


def session():
    """A session of some tenths of a second; by whom it was served."""
    run = None
    try:
        with wire.Peer(("127.0.0.1", port), timeout=5) as peer:
            run = peer.ask("status")["run"]
            peer.socket.sendall(event("detect", {"names": ["alexa"]}) + event("audio-start", FORMAT))
            for start in range(0, len(pcm), 8000):
                peer.socket.sendall(event("audio-chunk", FORMAT, pcm[start:start + 8000]))
                time.sleep(0.02)
            found = peer.read()
            if found is None:
                raise ConnectionError("closed before the detection")
            if (found[0], found[1].get("name")) != ("detection", "alexa"):
                fail(f"{found} in place of a detection")
        with lock:
            served.append((time.monotonic(), run))
    except OSError:
        with lock:
            lost.append((time.monotonic(), run))
        time.sleep(0.1)


def client():
    while not stop.is_set():
        session()


def wait(seconds, what, condition):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            fail(f"not within {seconds} s: {what}; served {len(served)}, lost {len(lost)}")
        time.sleep(0.05)


def command(text):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(admin)
        connection.sendall(text.encode() + b"\n")
        return connection.makefile().read()


def since(moment, run):
    with lock:
        return sum(1 for when, by in served if when > moment and by == run)


a_run, b_run = status(a_path)["run"], status(b_path)["run"]
threads = [threading.Thread(target=client, daemon=True) for _ in range(CLIENTS)]
for thread in threads:
    thread.start()
wait(20, "both daemons serve", lambda: since(0, a_run) > 10 and since(0, b_run) > 10)

command("set server wake/attnd1 state drain")
# Its own connection to ask, and the balancer's checks that may be under way.
wait(20, "the drained daemon is left by all", lambda: status(a_path)["connections"] <= 2)
drained = time.monotonic()
wait(20, "the other serves", lambda: since(drained, b_run) > 20)
if since(drained, a_run):
    fail("the drained daemon was given a session")
if lost:
    fail(f"draining lost {lost[:20]}")

command("set server wake/attnd1 state ready")
wait(20, "it serves again", lambda: since(drained, a_run) > 10)
os.kill(b_pid, signal.SIGKILL)
killed = time.monotonic()
wait(20, "new sessions are served", lambda: since(killed + 1, a_run) > 50)
stop.set()
for thread in threads:
    thread.join(10)
foreign = [run for _, run in lost if run not in (b_run, None)]
if foreign or len(lost) > CLIENTS:
    fail(f"killing B lost sessions that it did not have: {lost[:20]}")
# Who was about to ask B when it died doesn't know that it was B.
if any(run is None and when > killed + 1 for when, run in lost):
    fail(f"a session found no daemon at all: {lost[:20]}")
print(f"haproxy.sh: {len(served)} sessions over two daemons; none lost by draining one, {len(lost)} of {CLIENTS} by killing the "
      f"other, all of them its own")
