"""Timing for the peers that are called from Python, the way fft.c does it: cases take turns, round by
round, and a line of JSON for each says the best and the median round.

What cannot be measured here goes to standard error: `left out: PEER: why`. `compare` repeats these lines.
"""

import contextlib
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

# CPU time of this process: equal to wall time for one busy thread on an idle machine, and free of
# the waiting on a shared one.
now = time.process_time


@dataclass
class Case:
    """Something to call; one call does `units` units of work."""

    name: str
    peer: str
    call: Callable[[], object]
    units: float
    seconds_per_unit: list[float] = field(default_factory=list)


@contextlib.contextmanager
def peer(name: str) -> Iterator[None]:
    """Leaves a peer out, by name, that is not installed. Anything else that goes wrong is an error."""
    try:
        yield
    except ImportError as error:
        print(f"left out: {name}: {error}", file=sys.stderr)


def measure(cases: list[Case], rounds: int, slice_seconds: float = 5e-3) -> None:
    """Times all cases in turn, each for `slice_seconds` or one call in a round."""
    calls: list[int] = []
    for case in cases:
        case.call()  # imports, compiles, plans
        start = now()
        case.call()
        calls.append(max(1, int(slice_seconds / max(now() - start, 1e-9))))
    for _ in range(rounds):
        for case, count in zip(cases, calls):
            call = case.call
            start = now()
            for _ in range(count):
                call()
            case.seconds_per_unit.append((now() - start) / (count * case.units))


def report(case: Case, unit: str) -> None:
    """Prints a case's line. `unit` is "us/..." for times, ".../s" for rates, of which more is better."""
    figures = case.seconds_per_unit
    if unit.endswith("/s"):
        figures = [1 / seconds for seconds in figures]
        best = max(figures)
    else:
        figures = [seconds * 1e6 for seconds in figures]
        best = min(figures)
    line = {
        "name": case.name,
        "best": float(f"{best:.5g}"),
        "median": float(f"{statistics.median(figures):.5g}"),
        "unit": unit,
        "peer": case.peer,
    }
    print(json.dumps(line, separators=(",", ":")), flush=True)
