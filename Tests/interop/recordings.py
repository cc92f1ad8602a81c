#!/usr/bin/env python3
"""Streams real recordings to a wake-word service and compares with what `attnd batch` finds in them.

    recordings.py ATTND DATA ROOM

One service on standard streams hears them all, one after another on one connection. DATA is a folder with a
manifest.tsv (Training/README.md); its development recordings of keywords, of speech that resembles them, of noise
and of music are decoded into ROOM, so that both sides have the same samples.
"""
import asyncio
import csv
import json
import pathlib
import subprocess
import sys
import time

import soundfile
from wake_service import StdioService, need, read, send_audio
from wyoming.ping import Ping, Pong
from wyoming.wake import Detect, Detection, NotDetected

KINDS = ("keyword", "tts-hard-negative", "noise", "music")
RATE = 16_000
FOUND_WITHIN, SILENT_WITHIN = 5, 1  # seconds after the last of the audio


def decode(data, room):
    with open(data / "manifest.tsv", newline="", encoding="utf-8") as manifest:
        rows = [row for row in csv.DictReader(manifest, delimiter="\t") if row["split"] == "dev" and row["kind"] in KINDS]
    decoded = {}
    for number, row in enumerate(rows):
        samples, rate = soundfile.read(data / row["path"], dtype="int16", always_2d=True)
        if rate == RATE:
            path = room / f"{number:04}.wav"
            soundfile.write(path, samples[:, 0], RATE, subtype="PCM_16")
            decoded[str(path)] = (row["path"], samples[:, 0].tobytes())
    return decoded


def batch(attnd, paths):
    found = {path: [] for path in paths}
    ran = subprocess.run([attnd, "batch", "-"], input="\n".join(paths) + "\n", capture_output=True, text=True)
    need(ran.returncode == 0, f"attnd batch ended with {ran.returncode}: {ran.stderr}")
    for line in ran.stdout.splitlines():
        line = json.loads(line)
        found[line["file"]].append((line["keyword"], line["start"], line["end"]))
    return found


async def main(attnd, data, room):
    decoded = decode(pathlib.Path(data), pathlib.Path(room))
    need(decoded, f"{data} has no development recordings at {RATE} Hz")
    expected = batch(attnd, list(decoded))
    slowest = {Detection: 0.0, NotDetected: 0.0}
    async with StdioService(attnd) as client:
        await client.write_event(Detect(names=None).event())
        for path, (name, pcm) in decoded.items():
            ended = None

            async def send():
                nonlocal ended
                await send_audio(client, pcm)
                ended = time.monotonic()

            sending = asyncio.create_task(send())
            heard = []
            for wanted in expected[path] or [None]:
                event = await read(client, 60)
                kind = Detection if wanted else NotDetected
                need(kind.is_type(event.type), f"{name}: {event.type} {event.data} in place of {wanted or 'nothing'}")
                if wanted:
                    heard.append((event.data["name"].lower().replace(" ", "_"), event.data["start"], event.data["end"]))
                if ended:
                    slowest[kind] = max(slowest[kind], time.monotonic() - ended)
            await sending
            need(heard == expected[path], f"{name}: heard {heard}, batch {expected[path]}")
        await client.write_event(Ping(text="end").event())
        event = await read(client, 5)
        need(Pong.is_type(event.type), f"{event.type} {event.data} after the last recording")
    need(slowest[Detection] < FOUND_WITHIN, f"a keyword came {slowest[Detection]:.1f} s after its recording")
    need(slowest[NotDetected] < SILENT_WITHIN, f"not-detected came {slowest[NotDetected]:.1f} s after its recording")
    number = sum(map(len, expected.values()))
    print(f"recordings.sh: {number} detections in {len(decoded)} real recordings over stdio, the same as batch; "
          f"not-detected within {1000 * slowest[NotDetected]:.0f} ms of the end")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
