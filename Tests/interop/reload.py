#!/usr/bin/env python3
"""Gives a running daemon new models and settings, good ones and bad ones, while it hears.

    reload.py ATTND ROOM MODEL CLIP

By SIGHUP and by a client's `reload`. Frames go on in order all the time, the bad ones change nothing, and a
hundred models in a row leave nothing behind. The daemon's service manager is this script.
"""
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import wire

attnd, room, model, clip = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]).read_bytes(), sys.argv[4]
NAME = rb'\"name\": \"six-words'
AGAIN = 300
MEMORY_ROOM = 4_096  # kB: a dozen models, of which some may be under way at a time


def fail(text):
    sys.exit(f"reload.sh: {text}")


def named(letter):
    """The same weights under another name: another file, as far as anybody can tell."""
    if model.count(NAME) != 1:
        fail("the model isn't called six-words")
    return model.replace(NAME, NAME[:-1] + letter)


def main():
    place, configuration = room / "model.safetensors", room / "attnd.yaml"

    def put(content, path=place):
        # As one does who may be read at any moment.
        (room / "new").write_bytes(content)
        os.replace(room / "new", path)

    put(model)
    put(f"model: {place}\n".encode(), configuration)
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(room / "notify"))
    manager.settimeout(20)
    daemon = subprocess.Popen(
        [attnd, "run", "--file", clip, "--loop", "--config", str(configuration), "--socket", str(room / "attnd.sock")],
        stderr=(room / "log").open("w"), env=dict(os.environ, NOTIFY_SOCKET=str(room / "notify")))
    try:
        check(daemon, manager, put, configuration)
    finally:
        daemon.kill()


def check(daemon, manager, put, configuration):
    if not wire.wait_for(10, (room / "attnd.sock").exists):
        fail("no socket")
    listener = wire.Listener(room / "attnd.sock", events=["attention", "detection", "state", "discontinuity"])
    control = wire.Peer(room / "attnd.sock")
    control.until("hello")

    def hello():
        with wire.Peer(room / "attnd.sock") as peer:
            return peer.until("hello")[1]

    notices = []

    def told(*lines):
        """What the service manager hears, other things left out."""
        heard = []
        while len(heard) < len(lines):
            said = manager.recv(4_096).decode().splitlines()
            notices.extend(said)
            heard += [line for line in said if line.split("=")[0] in ("RELOADING", "READY", "MONOTONIC_USEC", "STOPPING")]
        if [line.split("=")[0] for line in heard] != list(lines):
            fail(f"the service manager heard {heard}, not {lines}")

    def hang_up():
        daemon.send_signal(signal.SIGHUP)
        told("RELOADING", "MONOTONIC_USEC", "READY")

    told("READY")
    listener.wait("a frame", 0, 20, lambda kind, data: kind == "attention")
    digest = hello()["model"]["digest"]

    # A model by SIGHUP.
    put(named(b"A"))
    since = len(listener.events)
    hang_up()
    state = listener.wait("state reload", since, 20, lambda kind, data: kind == "state" and data["reason"] == "reload")[1]
    if state["state"] != "running":
        fail(f"after a reload: {state}")
    new = hello()["model"]
    if new["name"] != "six-wordA" or new["digest"] == digest:
        fail(f"after a reload: {new}")
    # The same once more, by the verb.
    if (reply := control.ask("reload"))["changed"] or reply["model"] != new:
        fail(f"reload of the same: {reply}")

    # Bad ones, each way.
    for bad in (b"text\n", model[:len(model) // 2], b""):
        put(bad)
        hang_up()
        control.send("reload", {"id": 7})
        kind, data = control.until("error", "reload-reply")
        if kind != "error" or data["code"] != "reload-failed" or data["id"] != 7 or str(room) not in data["text"]:
            fail(f"reload of what is no model: {kind} {data}")
        if not any(line.startswith(f"STATUS=reload failed: model {room}") for line in notices):
            fail(f"the service manager heard nothing of a bad model: {notices}")
        if hello()["model"] != new:
            fail("a bad model took a good one's place")
    put(named(b"A"))
    put(f"model: {room}/model.safetensors\nthreshold: much\n".encode(), configuration)
    control.send("reload", {"id": 8, "what": "config"})
    kind, data = control.until("error", "reload-reply")
    if kind != "error" or "attnd.yaml: line 2" not in data["text"]:
        fail(f"reload of a wrong setting: {kind} {data}")

    # A threshold, and a setting that has to wait.
    put(f"model: {room}/model.safetensors\nthreshold: 0.99\nlatency-budget: 50\n".encode(), configuration)
    if not control.ask("reload", what="config")["changed"]:
        fail("a new threshold changes nothing")
    if {keyword["threshold"] for keyword in hello()["keywords"]} != {0.99}:
        fail(f"after a reload: {hello()['keywords']}")
    put(f"model: {room}/model.safetensors\n".encode(), configuration)
    control.ask("reload", what="config")

    # Again and again.
    def change(number):
        put(named(b"BC"[number % 2:][:1]))
        if not control.ask("reload", what="model")["changed"]:
            fail("a new model changes nothing")
    for number in range(50):
        change(number)
    before = wire.Resources.of(daemon.pid)
    began = time.monotonic()
    for number in range(AGAIN):
        change(number)
    took = time.monotonic() - began
    after = wire.Resources.of(daemon.pid)
    if (after.kilobytes > before.kilobytes + MEMORY_ROOM or after.descriptors > before.descriptors
            or after.threads > before.threads):
        fail(f"{before}, after {AGAIN} reloads {after}")

    since = len(listener.events)
    listener.wait("a keyword after all that", since, 30, lambda kind, data: kind == "detection")
    frames = listener.of("attention")
    indices, samples = [frame["index"] for frame in frames], [frame["sample"] for frame in frames]
    if indices != list(range(indices[0], indices[0] + len(indices))):
        fail("frames are missing or out of order")
    if samples != sorted(set(samples)) or listener.of("discontinuity") or any(frame["epoch"] for frame in frames):
        fail("stream time did not simply go on")
    log = (room / "log").read_text()
    for words, count in (("reload failed, nothing has changed", 7), ("started anew: latency-budget", 1)):
        if log.count(words) != count:
            fail(f"'{words}' stands {log.count(words)} times in the log, not {count}:\n{log}")
    daemon.send_signal(signal.SIGTERM)
    if daemon.wait(10):
        fail(f"SIGTERM ended it with {daemon.returncode}")
    print(f"reload.sh: models and settings by SIGHUP and by a client, bad ones change nothing; {len(frames)} frames in a row; "
          f"{AGAIN} models in {took:.1f} s: memory {before.kilobytes} -> {after.kilobytes} kB, "
          f"descriptors {before.descriptors} -> {after.descriptors}")


main()
