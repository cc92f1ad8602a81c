#!/usr/bin/env python3
"""Takes a live microphone away from a daemon, in every way that happens, and gives it back.

    device.py ATTND ROOM CLIP SINK

ROOM holds server.pa and the environment points to it (pulse.bash); SINK are the words of load-module for the
sink whose monitor the daemon listens to. The daemon is started before there is any sound server.
"""
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

attnd, room, clip, sink = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3], sys.argv[4].split()
children = []


def fail(text):
    sys.exit(f"device.sh: {text}")


def start(*command, **options):
    children.append(subprocess.Popen(command, **options))
    return children[-1]


def start_server():
    server = start(
        "pulseaudio", "-n", "-F", str(room / "server.pa"), "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no",
        f"--log-target=file:{room / 'server.log'}")
    for _ in range(100):
        if subprocess.run(["pactl", "info"], capture_output=True).returncode == 0:
            return server
        time.sleep(0.1)
    fail(f"PulseAudio does not start: {(room / 'server.log').read_text()}")


def pactl(*words):
    return subprocess.run(["pactl", *words], capture_output=True, check=True, text=True).stdout.strip()


class Listener(threading.Thread):
    """Everything that the daemon says, with the time at which it came."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.stream = self.socket.makefile("rb")
        self.told = threading.Condition()
        self.events = []

    def ask(self, kind, data):
        data = json.dumps(data).encode()
        self.socket.sendall(json.dumps({"type": kind, "data_length": len(data)}).encode() + b"\n" + data)

    def run(self):
        while line := self.stream.readline():
            header = json.loads(line)
            data = json.loads(self.stream.read(header.get("data_length", 0)) or b"{}")
            self.stream.read(header.get("payload_length", 0))
            with self.told:
                self.events.append((header["type"], data, time.time()))
                self.told.notify_all()

    def wait(self, what, since, seconds, matches):
        """The first event since a number that matches."""
        with self.told:
            def found():
                return next((e for e in self.events[since:] if matches(*e[:2])), None)
            if not self.told.wait_for(found, seconds):
                last = [f"{kind} {data}" for kind, data, _ in self.events if kind != "attention"][-4:]
                fail(f"{what}: not in {seconds} s; the last events are {last}")
            return found()

    def state(self, name, since, seconds=20):
        return self.wait(f"state {name}", since, seconds, lambda kind, data: kind == "state" and data["state"] == name)[1]


def resources(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    values = dict(line.split(":", 1) for line in status.splitlines())
    return (len(os.listdir(f"/proc/{process.pid}/fd")), int(values["Threads"]), int(values["VmRSS"].split()[0]))


def main():
    daemon = start(attnd, "run", "--device", "livemic", "--socket", str(room / "attnd.sock"), "--log-level", "warning",
                   stderr=(room / "log").open("w"))
    for _ in range(100):
        if (room / "attnd.sock").exists():
            break
        time.sleep(0.1)
    listener = Listener(room / "attnd.sock")
    listener.ask("subscribe", {"id": 1, "events": ["attention", "detection", "state", "discontinuity"], "every": 5})
    listener.start()
    waiting = listener.state("waiting", 0)
    if waiting["reason"] != "device-lost" or "attempt" not in waiting:
        fail(f"before there is a device: {waiting}")

    server = start_server()
    listener.state("running", 0)
    playing = True

    def play():
        # A server that is gone, or has no sink, takes nothing: then again a little later.
        while playing:
            player = subprocess.Popen(["paplay", "-d", "mic", clip], stderr=subprocess.DEVNULL)
            children.append(player)
            player.wait()
            time.sleep(0.2)
    threading.Thread(target=play, daemon=True).start()

    def in_step():
        """Seconds by which stream time and the clock are apart, from the newest frame."""
        kind, data, _ = [e for e in listener.events if e[0] == "attention"][-1]
        return data["captured"] - data["sample"] / 16_000

    def hear(what, since):
        listener.wait(f"{what}: a keyword", since, 25, lambda kind, data: kind == "detection")

    hear("at first", 0)
    origin, before = in_step(), resources(daemon)
    report = []

    def trouble(what, reasons, lost, act):
        """Does something to the daemon; afterwards it hears, and has said what it missed."""
        since = len(listener.events)
        began = time.time()
        act(since)
        if reasons:
            hole = listener.wait(f"{what}: a discontinuity", since, 20, lambda kind, data: kind == "discontinuity")[1]
            took = time.time() - began
            seconds = hole["lost_samples"] / 16_000
            if hole["reason"] not in reasons or not lost <= seconds <= took:
                fail(f"{what}: {hole}, after {took:.2f} s")
        hear(what, len(listener.events))
        said = sum(e[1]["lost_samples"] for e in listener.events[since:] if e[0] == "discontinuity") / 16_000
        apart = in_step() - origin
        if abs(apart) > 0.15:
            fail(f"{what}: stream time and the clock are {apart:.3f} s apart")
        after = resources(daemon)
        if after[0] > before[0] or after[1] > before[1] or after[2] > before[2] + 4_096:
            fail(f"{what}: descriptors, threads, memory were {before}, are {after}")
        samples = [(e[1]["epoch"], e[1]["sample"]) for e in listener.events if e[0] == "attention"]
        if samples != sorted(samples):
            fail(f"{what}: stream time ran back")
        report.append(f"{what} {said:.1f} s")

    def kill_server(since):
        nonlocal server
        server.kill()
        server.wait()
        lost = listener.state("recovering", since)
        if lost["reason"] != "device-lost":
            fail(f"the server killed: {lost}")
        time.sleep(2)
        server = start_server()
        listener.state("running", since)

    def unload(since):
        module = next(line.split()[0] for line in pactl("list", "short", "modules").splitlines() if "null-sink" in line)
        pactl("unload-module", module)
        listener.state("recovering", since)
        time.sleep(1)
        pactl("load-module", *sink)
        pactl("set-default-source", "mic.monitor")
        listener.state("running", since)

    def stop_daemon(since):
        daemon.send_signal(signal.SIGSTOP)
        time.sleep(3)
        daemon.send_signal(signal.SIGCONT)
        # What the server dropped without a word is found out within two seconds.
        time.sleep(2.5)

    trouble("the server killed", ["device-lost"], 1.5, kill_server)
    trouble("the device gone", ["device-lost"], 0.8, unload)
    # What came meanwhile may have been kept by the server: then nothing is missing.
    trouble("the daemon stopped", [], 0, stop_daemon)
    trouble("the server killed again", ["device-lost"], 1.5, kill_server)
    playing = False
    daemon.send_signal(signal.SIGTERM)
    if daemon.wait(5) != 0:
        fail(f"SIGTERM ended it with {daemon.returncode}")
    log = (room / "log").read_text().strip().splitlines()
    if not 4 <= len(log) <= 12:
        fail(f"the log has {len(log)} lines: {log}")
    print(f"device.sh: missed and said: {', '.join(report)}; heard again after each, stream time keeps step, nothing leaked")


try:
    main()
finally:
    for child in reversed(children):
        child.kill()
