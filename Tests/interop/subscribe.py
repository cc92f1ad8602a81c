#!/usr/bin/env python3
"""Subscribe to attnd through the PyPI package `wyoming` and print what comes as JSON lines.

    python3 subscribe.py SOCKET --seconds N [--frames] [--every N]

Prints detections, and with --frames attention frames. Ends with status 0 on the daemon's `bye` or after N
seconds; 1 when the connection breaks or the daemon refuses; 69 when it can't be reached.
"""
import argparse
import asyncio
import json
import sys

try:
    from wyoming.client import AsyncClient
    from wyoming.event import Event
except ImportError:
    sys.exit("subscribe.py needs the package wyoming: python3 -m pip install wyoming")


async def follow(client: AsyncClient, frames: bool, every: int) -> int:
    """Print events until the connection ends; return the exit status."""
    wanted = ["detection", "attention"] if frames else ["detection"]
    await client.write_event(
        Event("subscribe", {"id": 1, "events": wanted, "every": every})
    )
    while True:
        event = await client.read_event()
        if event is None:
            print("subscribe.py: the daemon closed the connection", file=sys.stderr)
            return 1
        if event.type == "bye":
            print(f"subscribe.py: bye: {event.data['text']}", file=sys.stderr)
            return 0
        if event.type == "error":
            print(f"subscribe.py: {event.data['text']}", file=sys.stderr)
            return 1
        if event.type in wanted or event.type == "dropped":
            print(json.dumps({"type": event.type, **event.data}), flush=True)


async def run(arguments: argparse.Namespace) -> int:
    """Connect, and follow for as long as was asked."""
    try:
        async with AsyncClient.from_uri(f"unix://{arguments.socket}") as client:
            async with asyncio.timeout(arguments.seconds):
                return await follow(client, arguments.frames, arguments.every)
    except TimeoutError:
        return 0
    except OSError as error:
        print(f"subscribe.py: {arguments.socket}: {error.strerror}", file=sys.stderr)
        return 69


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("socket", help="path of the daemon's socket")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--frames", action="store_true", help="attention frames too")
    parser.add_argument(
        "--every", type=int, default=1, help="frames whose index is a multiple"
    )
    return asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
