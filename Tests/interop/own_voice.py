#!/usr/bin/env python3
"""Plays keywords to a microphone, alone and together with the machine's own loudspeaker.

    own_voice.py ATTND ROOM FIXTURES

The microphone is the PCM "livemic" behind the sink "mic", the loudspeaker's signal "monitor" behind "speaker".
"""
import pathlib
import subprocess
import sys
import time

import wire

attnd, room, fixtures = sys.argv[1], *map(pathlib.Path, sys.argv[2:4])


def fail(text):
    sys.exit(f"own_voice.sh: {text}")


def play(**clips):
    """Plays a clip to each sink, and waits for what comes of the last of it."""
    # What comes out of a loudspeaker is quieter in the room than its signal is, and later.
    players = []
    for sink in sorted(clips, reverse=True):
        volume = 0.6 if sink == "mic" and len(clips) > 1 else 1
        players.append(subprocess.Popen(["paplay", f"--volume={round(65536 * volume)}", "-d", sink,
                                         str(fixtures / f"{clips[sink]}.flac")]))
        time.sleep(0.15)
    for player in players:
        player.wait()
    time.sleep(1.5)


def main():
    daemon = subprocess.Popen([attnd, "run", "--device", "livemic", "--reference", "monitor", "--capture-directory",
                               str(room / "clips"), "--socket", str(room / "attnd.sock"), "--log-level", "warning"])
    try:
        if not wire.wait_for(10, (room / "attnd.sock").exists):
            fail("no socket")
        listener = wire.Listener(room / "attnd.sock", events=["attention", "detection", "state", "warning"])
        for stream in ("mic", "reference"):
            listener.wait(f"a frame of {stream}", 0, 20,
                          lambda kind, data, stream=stream: kind == "attention" and data["stream"] == stream)

        def told(what, **clips):
            """Names of detections while it plays, and how many were found to be its own voice by each stream."""
            since, before = len(listener.events), own_voice()
            play(**clips)
            found = listener.of("detection", since)
            if any(data["stream"] != "mic" for data in found):
                fail(f"{what}: the reference's own detections are told: {found}")
            after = own_voice()
            return [data["name"] for data in found], {name: after[name] - before[name] for name in after}

        def own_voice():
            with wire.Peer(room / "attnd.sock") as peer:
                return {stream["name"]: stream["own_voice"] for stream in peer.ask("status")["streams"]
                        if stream["name"] != "self"}

        def is_heard(names):
            """As well as when nothing else was: what stands at its threshold may fall on either side."""
            return len(names) >= len(alone) - 2

        alone, count = told("somebody speaks", mic="keywords")
        if len(alone) < 4 or any(count.values()):
            fail(f"somebody speaks: {alone} heard, own voice {count}")
        clips = len(list((room / "clips").glob("*.json")))
        echo, count = told("the machine speaks", mic="keywords", speaker="keywords")
        if echo or count["mic"] < len(alone) - 2:
            fail(f"the machine speaks: {echo} heard, own voice {count}; somebody's were {alone}")
        if len(list((room / "clips").glob("*.json"))) != clips:
            fail("the machine speaks: clips of its own voice")
        both, count = told("somebody speaks while the machine says something else", mic="keywords", speaker="negative")
        if not is_heard(both) or count["mic"]:
            fail(f"somebody speaks while the machine says something else: {both} heard, own voice {count}; alone {alone}")
        # The sound server gives who heard the loudspeaker the microphone in its place.
        modules = subprocess.run(["pactl", "list", "short", "modules"], capture_output=True, text=True, check=True).stdout
        module = next(line.split()[0] for line in modules.splitlines() if "sink_name=speaker" in line)
        since = len(listener.events)
        subprocess.run(["pactl", "unload-module", module], check=True)
        for _ in range(3):
            gone, _ = told("the loudspeaker is gone", mic="keywords")
        if not is_heard(gone):
            fail(f"the loudspeaker is gone: {gone} heard, before it was {alone}")
        states = [data["state"] for data in listener.of("state", since) if data["stream"] == "reference"]
        warnings = [data["code"] for data in listener.of("warning", since)]
        if "recovering" not in states and "false-reference" not in warnings:
            fail(f"the loudspeaker is gone: nobody is told: {states}, {warnings}")
        print(f"own_voice.sh: {len(alone)} keywords of somebody's heard, none of the machine's own; {len(both)} while it says "
              f"something else, {len(gone)} when the loudspeaker is gone")
    finally:
        daemon.kill()


main()
