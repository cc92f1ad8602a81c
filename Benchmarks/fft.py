"""Real transforms by libraries that Python users have: SciPy (pocketfft) and ducc0. 128 transforms go
into one call, so that the call itself costs little. One thread.

    python3 fft.py [ROUNDS]
"""

import sys
from importlib.metadata import version

import numpy as np

from rounds import Case, measure, peer, report

SIZES = (256, 400, 512, 1024)
BATCH = 128


def cases() -> list[Case]:
    """One for each size and library that is there."""
    found = []
    for size in SIZES:
        samples = np.random.default_rng(size).uniform(-1, 1, (BATCH, size)).astype(np.float32)
        name = f"fft.real.{size}.eight"
        with peer("scipy"):
            import scipy.fft

            label = f"SciPy {version('scipy')}, 128 a call"
            found.append(Case(name, label, lambda x=samples: scipy.fft.rfft(x), BATCH))
        with peer("ducc0"):
            import ducc0

            label = f"ducc0 {version('ducc0')}, 128 a call"
            bins = np.empty((BATCH, size // 2 + 1), np.complex64)

            def ducc(x=samples, out=bins):
                return ducc0.fft.r2c(x, axes=(1,), out=out, nthreads=1)

            found.append(Case(name, label, ducc, BATCH))
    return found


def main() -> None:
    """Measures and prints."""
    found = cases()
    measure(found, rounds=int(sys.argv[1]) if len(sys.argv) > 1 else 21)
    for case in found:
        report(case, "us/transform")


if __name__ == "__main__":
    main()
