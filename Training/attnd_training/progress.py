"""A line that says how far something is, where somebody looks."""

import sys


def show(text: str) -> None:
    """In place of the last one; nothing where stderr isn't a terminal."""
    if sys.stderr.isatty():
        print(f"\r{text}\x1b[K", end="", file=sys.stderr, flush=True)


def end() -> None:
    if sys.stderr.isatty():
        print(file=sys.stderr)
