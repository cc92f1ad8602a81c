#!/usr/bin/env python3
"""Compares what a daemon hears through a live microphone with what a batch finds in the same sound.

    microphone.py ATTND ROOM FIXTURES MINUTES

The environment points to a PulseAudio server with the sink "mic", whose monitor is the PCM "livemic"
(pulse.bash). Played are development recordings of ATTND_DATA, where there is one, else the clips in FIXTURES, one after
the other with short pauses. Where the played sound lies in stream time is told by the daemon's own clips, whose
samples are looked for in it; `attnd batch` then hears the same samples in the same place of its hops.

Latency is from the capture of a frame's newest sample to the read here. It and the processor's time are told, not
judged: that depends on what else the machine does.
"""
import csv
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import numpy
import soundfile

import wire

attnd, room, fixtures, minutes = sys.argv[1], *map(pathlib.Path, sys.argv[2:4]), float(sys.argv[4])
RATE = 16_000
PERIOD = 0.010  # s, ALSA's, as the daemon asks for it
CLOSE = 0.030  # s, between a detection live and in the batch
MEMORY_ROOM = 1_024  # kB
OTHERS = ("tts-hard-negative", "speech", "noise", "music")


def fail(text):
    sys.exit(f"microphone.sh: {text}")


def recordings():
    """Paths of what is played, in an order that is always the same: two keywords, then something else."""
    data = os.environ.get("ATTND_DATA")
    if data is None:
        return [fixtures / f"{name}.flac" for name in ("keywords", "demo", "negative", "noise")]
    with open(pathlib.Path(data) / "manifest.tsv", newline="", encoding="utf-8") as manifest:
        rows = [row for row in csv.DictReader(manifest, delimiter="\t") if row["split"] == "dev"]
    draw = numpy.random.default_rng(12)

    def shuffled(kinds):
        paths = [pathlib.Path(data) / row["path"] for row in rows if row["kind"] in kinds]
        return [paths[i] for i in draw.permutation(len(paths))]
    words, others = shuffled(["keyword"]), shuffled(OTHERS)
    return [path for i in range(0, len(words), 2) for path in (*words[i:i + 2], others[i // 2 % len(others)])]


def programme():
    """The samples that are played."""
    files, parts, count = recordings(), [], 0
    while count < minutes * 60 * RATE:
        for path in files:
            samples, rate = soundfile.read(path, dtype="int16", always_2d=True)
            if rate == RATE:
                parts += [samples[:, 0], numpy.zeros(RATE // 4, numpy.int16)]
                count += len(samples) + RATE // 4
            if count >= minutes * 60 * RATE:
                break
        if not parts:
            fail(f"no recordings at {RATE} Hz")
    return numpy.concatenate(parts)


def batch(samples, name):
    """What `attnd batch` finds: (keyword, decision in s)."""
    path = room / name
    soundfile.write(path, samples, RATE, subtype="PCM_16")
    ran = subprocess.run([attnd, "batch", str(path)], capture_output=True, text=True)
    if ran.returncode:
        fail(f"attnd batch ended with {ran.returncode}: {ran.stderr}")
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    return [(line["keyword"], line["time"]) for line in lines]


def place(clip, played, last):
    """The last place, up to `last`, where a clip's samples begin in what was played; None where there is none."""
    samples, _ = soundfile.read(clip, dtype="int16")
    found = played.rfind(samples.tobytes(), 0, 2 * (last + len(samples)))
    while found >= 0 and found % 2:
        found = played.rfind(samples.tobytes(), 0, found + 2 * len(samples) - 1)
    return None if found < 0 else found // 2


def main():
    played = programme()
    soundfile.write(room / "programme.wav", played, RATE, subtype="PCM_16")
    clips = room / "clips"
    daemon = subprocess.Popen(
        [attnd, "run", "--device", "livemic", "--require-device", "--socket", str(room / "attnd.sock"), "--log-level", "error",
         "--capture-directory", str(clips), "--capture-most-clips", "100000", "--capture-most-bytes", "100GB"])
    player = None
    try:
        if not wire.wait_for(10, lambda: (room / "attnd.sock").exists() or daemon.poll() is not None) or daemon.poll():
            fail("attnd ended before it listened")
        listener = wire.Listener(room / "attnd.sock", events=["attention", "detection", "discontinuity", "state"])
        listener.wait("a frame", 0, 20, lambda kind, data: kind == "attention")
        usage = []
        player = subprocess.Popen(["paplay", "-d", "mic", str(room / "programme.wav")])

        def watch():
            ticks = os.sysconf("SC_CLK_TCK")
            while player.poll() is None:
                fields = pathlib.Path(f"/proc/{daemon.pid}/stat").read_text().rsplit(")", 1)[1].split()
                usage.append((time.monotonic(), (int(fields[11]) + int(fields[12])) / ticks, wire.Resources.of(daemon.pid)))
                time.sleep(2)
        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        player.wait()
        time.sleep(4)  # The last detection, and the sound behind it for its clip.
        daemon.send_signal(signal.SIGTERM)
        if daemon.wait(20):
            fail(f"SIGTERM ended it with {daemon.returncode}")
        listener.join(10)
    finally:
        for process in (player, daemon):
            if process and process.poll() is None:
                process.kill()
    judge(played, clips, listener, usage)


def judge(played, clips, listener, usage):
    losses = listener.of("discontinuity")
    live = [(data["name"], data["time"]) for data in listener.of("detection")]
    if not live:
        fail("nothing was heard")
    notes = [json.loads(path.read_text()) for path in sorted(clips.glob("*.json"))]
    if len(notes) != len(live):
        fail(f"{len(live)} detections, {len(notes)} clips")
    # How far stream time is ahead of what was played. A sound server that had nothing to play for a moment puts
    # silence in between: then it grows.
    pcm, offsets = played.tobytes(), []
    for note in notes:
        start = note["clip"]["start_sample"]
        where = place(clips / note["file"], pcm, start - offsets[-1] if offsets else start)
        if where is not None:
            offsets.append(start - where)
    if not offsets:
        fail("no clip's samples are those that were played")
    offset = offsets[0]
    heard = batch(numpy.concatenate([numpy.zeros(offset, numpy.int16), played]), "heard.wav")

    def is_disturbed(time):
        """Whether the sound before then wasn't what was played."""
        return any(-0.5 <= time - loss["sample"] / RATE <= 4 for loss in losses)
    shift = (offsets[-1] - offset) / RATE
    missing, strange, farthest = list(heard), [], 0.0
    for name, when in live:
        near = [other for other in missing if other[0] == name and -CLOSE <= when - other[1] <= CLOSE + shift]
        if near:
            missing.remove(near[0])
            farthest = max(farthest, abs(when - near[0][1]))
        else:
            strange.append((name, when))
    missing, strange = ([found for found in side if not is_disturbed(found[1])] for side in (missing, strange))
    told = f"{len(live)} detections live, {len(heard)} in the batch"
    if missing or strange:
        fail(f"{told}; only in the batch {missing}, only live {strange}; offsets {sorted(set(offsets))}, losses {losses}")

    behind = sorted(now - data["captured"] for kind, data, now in listener.events if kind == "attention")
    p50, p99 = (1_000 * behind[int(len(behind) * share)] for share in (0.5, 0.99))
    (began, used, settled), (ended, used_then, last) = next(entry for entry in usage if entry[0] >= usage[0][0] + 60), usage[-1]
    share = 100 * (used_then - used) / (ended - began)
    grown = last.kilobytes - settled.kilobytes
    if grown > MEMORY_ROOM or last.descriptors > settled.descriptors or last.threads > settled.threads:
        fail(f"after the first minute {settled}, at the end {last}")
    print(f"microphone.sh: {len(played) / RATE / 60:.1f} min: {told}, at most {1_000 * farthest:.0f} ms apart "
          f"({len(losses)} discontinuities, {len(set(offsets)) - 1} pauses of the server); from capture to read p50 {p50:.1f}, "
          f"p99 {p99:.1f} ms with a period of {1_000 * PERIOD:.0f}; {share:.1f} % of a core; memory {grown:+} kB after the "
          f"first minute, at the end {last.kilobytes} kB")


main()
