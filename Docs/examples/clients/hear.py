#!/usr/bin/env python3
"""Let attnd listen to a WAV file, as a Wyoming client would: python3 -m pip install wyoming

    python3 hear.py URI FILE.wav [KEYWORD ...]

URI is unix:///path/to/attnd.sock, or tcp://host:port.
"""
import asyncio
import sys
import wave

from wyoming.audio import AudioStart, AudioStop, wav_to_chunks
from wyoming.client import AsyncClient
from wyoming.wake import Detect, Detection, NotDetected


async def send(client, path, names):
    """Say what to listen for, then send the file, 64 ms a chunk."""
    await client.write_event(Detect(names=names or None).event())
    with wave.open(path) as recording:
        for part in wav_to_chunks(recording, 1024, start_event=True, stop_event=True):
            await client.write_event(part.event())
    # A Wyoming server says nothing at the end of audio in which it has detected something. One more
    # audio, without a sample in it, is answered with not-detected, after all that came before.
    await client.write_event(AudioStart(rate=16000, width=2, channels=1).event())
    await client.write_event(AudioStop().event())


async def main(uri, path, *names):
    async with AsyncClient.from_uri(uri) as client:
        sending = asyncio.create_task(send(client, path, list(names)))
        while event := await client.read_event():
            if Detection.is_type(event.type):
                detection = Detection.from_event(event)
                # attnd tells more than Wyoming's own fields; event.data has it all.
                score = event.data["score"]
                print(f"{detection.timestamp} ms  {detection.name}  {score:.2f}", flush=True)
            elif event.type == "error":
                sys.exit(event.data["text"])
            elif NotDetected.is_type(event.type):
                break
        await sending


if len(sys.argv) < 3:
    sys.exit(__doc__)
asyncio.run(main(*sys.argv[1:]))
