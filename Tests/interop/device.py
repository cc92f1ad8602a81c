#!/usr/bin/env python3
"""Does to a daemon with a live microphone whatever happens to one, and looks whether it still hears.

    device.py ATTND ROOM CLIP MODEL SINK [CLOCK]

ROOM holds server.pa and the environment points to it (pulse.bash); SINK are the words of load-module for the
sink whose monitor the daemon listens to. CLOCK is a library that steps the wall clock (clockstep.c). The daemon is
started before there is any sound server.
"""
import os
import pathlib
import signal
import struct
import subprocess
import sys
import threading
import time

import wire

MEMORY_ROOM = 4_096  # kB
CROWD = 200


def crowd(path):
    """Subscribes to everything, many times, and reads a little of it: until it is killed."""
    peers = [wire.Peer(path, receive_buffer=4_096) for _ in range(CROWD)]
    for number, peer in enumerate(peers):
        form = ["none", "json", "f32"][number % 3]
        peer.send("subscribe", {"id": 1, "weights": form, "spectrum": form})
    while True:
        for number, peer in enumerate(peers):
            peer.socket.recv(1 + 97 * number % 1_000)


if sys.argv[1] == "--crowd":
    crowd(sys.argv[2])
attnd, room, clip, model, sink = sys.argv[1], *map(pathlib.Path, sys.argv[2:5]), sys.argv[5].split()
clock = sys.argv[6] if len(sys.argv) > 6 else None
step, clips, listening = room / "clock-step", room / "clips", room / "model.safetensors"
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
    if not wire.wait_for(10, lambda: subprocess.run(["pactl", "info"], capture_output=True).returncode == 0):
        fail(f"PulseAudio does not start: {(room / 'server.log').read_text()}")
    return server


def pactl(*words):
    return subprocess.run(["pactl", *words], capture_output=True, check=True, text=True).stdout.strip()


def set_clock(seconds):
    """How far the daemon's wall clock is to be from the system's."""
    with step.open("r+b") as file:
        file.write(struct.pack("d", seconds))


def stepped():
    return struct.unpack("d", step.read_bytes())[0]


def mount_small_disk(path):
    return subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "attnd-clips", str(path)],
                          capture_output=True).returncode == 0


def main():
    step.write_bytes(struct.pack("d", 0))
    clips.mkdir()
    listening.write_bytes(model.read_bytes())
    is_small_disk = mount_small_disk(clips)
    environment = dict(os.environ, LD_PRELOAD=clock, CLOCK_STEP=str(step)) if clock else os.environ
    daemon = start(attnd, "run", "--device", "livemic", "--model", str(listening), "--socket", str(room / "attnd.sock"),
                   "--log-level", "warning", "--capture-directory", str(clips),
                   stderr=(room / "log").open("w"), env=environment)
    if not wire.wait_for(10, (room / "attnd.sock").exists):
        fail("no socket")
    listener = wire.Listener(
        room / "attnd.sock", events=["attention", "detection", "state", "discontinuity", "warning"], every=5)
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
        newest = listener.of("attention")[-1]
        return newest["captured"] - stepped() - newest["sample"] / 16_000

    def hear(what, since):
        listener.wait(f"{what}: a keyword", since, 25, lambda kind, data: kind == "detection")

    hear("at first", 0)
    origin, before = in_step(), wire.Resources.of(daemon.pid)
    report = []

    def trouble(what, act, reasons=(), lost=0.0):
        """Does something to the daemon; afterwards it hears, and has said what it missed."""
        since, began = len(listener.events), time.time()
        act(since)
        if reasons:
            hole = listener.wait(f"{what}: a discontinuity", since, 20, lambda kind, data: kind == "discontinuity")[1]
            took, seconds = time.time() - began, hole["lost_samples"] / 16_000
            if hole["reason"] not in reasons or not lost <= seconds <= took:
                fail(f"{what}: {hole}, after {took:.2f} s")
        hear(what, len(listener.events))
        said = sum(data["lost_samples"] for data in listener.of("discontinuity", since)) / 16_000
        apart = in_step() - origin
        if abs(apart) > 0.15:
            fail(f"{what}: stream time and the clock are {apart:.3f} s apart")
        after = wire.Resources.of(daemon.pid)
        if (after.descriptors > before.descriptors or after.threads > before.threads
                or after.kilobytes > before.kilobytes + MEMORY_ROOM):
            fail(f"{what}: {before}, now {after}")
        samples = [(data["epoch"], data["sample"]) for data in listener.of("attention")]
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

    def kill_crowd(_):
        people = start(sys.executable, __file__, "--crowd", str(room / "attnd.sock"))
        everybody = wire.wait_for(20, lambda: wire.Resources.of(daemon.pid).descriptors >= before.descriptors + CROWD)
        time.sleep(1)
        people.kill()
        people.wait()
        if not everybody or not wire.wait_for(
                10, lambda: wire.Resources.of(daemon.pid).descriptors <= before.descriptors):
            fail(f"{CROWD} subscribers killed: {before}, now {wire.Resources.of(daemon.pid)}")

    def fill_disk(since):
        with (clips / "filler").open("wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4_096))
            except OSError:
                pass
        listener.wait("the disk full: a warning", since, 40,
                      lambda kind, data: kind == "warning" and data["code"] == "no-space")
        newest = max((path.name for path in clips.glob("*.json")), default="")
        (clips / "filler").unlink()
        if not wire.wait_for(40, lambda: any(path.name > newest for path in clips.glob("*.json"))):
            fail("the disk has room again, and there is no clip")

    def step_clock(_):
        for seconds in (3_600, -3_600, 0):
            set_clock(seconds)
            since = len(listener.events)
            listener.wait("a frame after the clock was set", since, 5,
                          lambda kind, data: kind == "attention" and data["index"] % 100 == 0)
            if abs(in_step() - origin) > 0.15:
                fail(f"the clock set by {seconds} s: frames say another time of capture")

    def break_model(since):
        listening.write_bytes(model.read_bytes()[:10_000])
        daemon.send_signal(signal.SIGHUP)
        refused = wire.wait_for(10, lambda: "reload failed, nothing has changed" in (room / "log").read_text())
        if not refused or any(data["reason"] == "reload" for data in listener.of("state", since)):
            fail("a broken model was taken")

    trouble("the server killed", kill_server, ["device-lost"], 1.5)
    trouble("the device gone", unload, ["device-lost"], 0.8)
    # What came meanwhile may have been kept by the server: then nothing is missing.
    trouble("the daemon stopped", stop_daemon)
    # The first crowd takes what is taken once: room for as many connections.
    kill_crowd(0)
    before = before._replace(kilobytes=max(before.kilobytes, wire.Resources.of(daemon.pid).kilobytes))
    for _ in range(2):
        trouble(f"{CROWD} subscribers killed", kill_crowd)
    if is_small_disk:
        trouble("a full disk for clips", fill_disk)
    else:
        print("skipped: a full disk for clips (device.sh; only root may mount one)")
    if clock:
        trouble("the clock set", step_clock)
    else:
        print("skipped: a clock that is set (device.sh; no C compiler)")
    trouble("a broken model", break_model)
    trouble("the server killed again", kill_server, ["device-lost"], 1.5)
    playing = False
    after = wire.Resources.of(daemon.pid)
    daemon.send_signal(signal.SIGTERM)
    if daemon.wait(10) != 0:
        fail(f"SIGTERM ended it with {daemon.returncode}")
    log = (room / "log").read_text().strip().splitlines()
    if not 4 <= len(log) <= 20:
        fail(f"the log has {len(log)} lines: {log}")
    print(f"device.sh: missed and said: {', '.join(report)}; heard again after each, stream time keeps step, "
          f"{before.kilobytes} -> {after.kilobytes} kB, descriptors {before.descriptors} -> {after.descriptors}")


try:
    main()
finally:
    for child in reversed(children):
        child.kill()
    subprocess.run(["umount", str(clips)], capture_output=True)
