#!/usr/bin/env python3
"""Uses a daemon as Wyoming's own clients do, by the PyPI package wyoming.

    wake_service.py stdio ATTND CLIP.wav NAME@START-END...
    wake_service.py URI CLIP.wav NAME@START-END...

Plays the shape of a wake-word service's test: describe and info, detect, audio in chunks, detection,
not-detected, ping, several rounds on one connection. The clip is 16 kHz, 16 bit, mono; what is behind it
are the detections that `attnd batch` finds there. Over stdio the service is started here, and the end
of its input must end it, exit 0.
"""
import asyncio
import sys
import time
import wave

from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncClient
from wyoming.event import async_read_event, async_write_event
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong
from wyoming.wake import Detect, Detection, NotDetected

FORMAT = {"rate": 16000, "width": 2, "channels": 1}
CHUNK = 2048


def need(condition, text):
    if not condition:
        sys.exit(f"wake_service.py: {text}")


class StdioService:
    """A service that is started for us, spoken to over its standard streams."""

    def __init__(self, attnd):
        self.attnd = attnd

    async def __aenter__(self):
        self.process = await asyncio.create_subprocess_exec(
            self.attnd, "run", "--socket", "stdio://", "--log-level", "error",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
        return self

    async def __aexit__(self, *error):
        self.process.stdin.close()
        if error[0] is None:
            status = await asyncio.wait_for(self.process.wait(), 5)
            need(status == 0, f"the end of its input ended the service with {status}")

    async def write_event(self, event):
        await async_write_event(event, self.process.stdin)

    async def read_event(self):
        return await async_read_event(self.process.stdout)


async def read(client, seconds):
    event = await asyncio.wait_for(client.read_event(), seconds)
    while event is not None and event.type in ("hello", "state"):
        event = await asyncio.wait_for(client.read_event(), seconds)
    need(event is not None, "the service closed the connection")
    return event


async def send_audio(client, pcm, stop=True):
    await client.write_event(AudioStart(**FORMAT).event())
    for start in range(0, len(pcm), CHUNK):
        chunk = AudioChunk(audio=pcm[start:start + CHUNK], timestamp=start // 32, **FORMAT)
        await client.write_event(chunk.event())
    if stop:
        await client.write_event(AudioStop(timestamp=len(pcm) // 32).event())


async def describe(client):
    began = time.monotonic()
    await client.write_event(Describe().event())
    event = await read(client, 1)
    need(Info.is_type(event.type), f"{event.type} in place of info")
    need(time.monotonic() - began < 1, "info took over a second")
    return Info.from_event(event)


async def converse(client, pcm, expected):
    info = await describe(client)
    models = {model.name for model in info.wake[0].models}
    need(len(info.wake) == 1 and info.wake[0].installed, "one wake program, installed")
    need({name for name, _, _ in expected} <= models, f"{models} lack a keyword of the clip")

    # Each word alone asked for, as a test of a wake-word service does it: within five seconds. The clip
    # from its beginning: what was before a word is part of how it is heard.
    for name, start, end in expected:
        spelling = name.replace("_", " ").title()
        await client.write_event(Detect(names=[spelling]).event())
        cut = pcm[:2 * int(16000 * (end + 1))]
        await send_audio(client, cut, stop=False)
        event = await read(client, 5)
        need(Detection.is_type(event.type), f"{event.type} in place of {name}")
        found = Detection.from_event(event)
        need(found.name == spelling, f"{found.name!r} in place of {spelling!r}")
        need(0 <= found.timestamp <= len(cut) // 32, f"timestamp {found.timestamp} of {name}")
        need((event.data["start"], event.data["end"]) == (start, end), f"span of {name}: {event.data}")

    # All of them, in one piece.
    await client.write_event(Detect(names=None).event())
    await send_audio(client, pcm)
    names = []
    while len(names) < len(expected):
        event = await read(client, 5)
        need(Detection.is_type(event.type), f"{event.type} after {names}")
        names.append(Detection.from_event(event).name)
    need(names == [name for name, _, _ in expected], f"heard {names}")

    # Nothing to hear, twice on the connection: not-detected within a second.
    for _ in range(2):
        await send_audio(client, bytes(64000))
        event = await read(client, 1)
        need(NotDetected.is_type(event.type), f"{event.type} in place of not-detected")
    for text in ("abc", None):
        await client.write_event(Ping(text=text).event())
        event = await read(client, 1)
        need(Pong.is_type(event.type) and Pong.from_event(event).text == text, f"{event}")


async def main(arguments):
    where, arguments = arguments[0], arguments[1:]
    client = StdioService(arguments.pop(0)) if where == "stdio" else AsyncClient.from_uri(where)
    with wave.open(arguments[0]) as clip:
        need((clip.getframerate(), clip.getsampwidth(), clip.getnchannels()) == (16000, 2, 1), "format")
        pcm = clip.readframes(clip.getnframes())
    expected = []
    for argument in arguments[1:]:
        name, span = argument.split("@")
        start, end = span.split("-")
        expected.append((name, float(start), float(end)))
    need(expected, "no keyword is expected")
    async with client:
        await converse(client, pcm, expected)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
