"""The sound that the peers work on: noise of many levels under chirps, the same in each run.

No front end here is faster or slower for what it hears; what matters is that no bin is ever empty, so
that rows of different libraries can be held against one another.
"""

import numpy as np


def chirps(seconds: float, seed: int, rate: int = 16_000) -> np.ndarray:
    """Mono float32 samples of 16-bit resolution in -1 ..< 1."""
    generator = np.random.default_rng(seed)
    count = int(seconds * rate)
    sound = generator.normal(0, 0.02, count)
    time = np.arange(count) / rate
    for _ in range(max(1, round(2 * seconds))):
        start, length = generator.uniform(0, seconds), generator.uniform(0.2, 1.0)
        low, high = generator.uniform(80, 7_000, 2)
        t = time - start
        inside = (t >= 0) & (t < length)
        phase = 2 * np.pi * (low * t + (high - low) / (2 * length) * t**2)
        sound += np.where(inside, 0.15 * np.sin(phase) * np.sin(np.pi * t / length) ** 2, 0)
    steps = np.clip(np.round(sound * 32_768), -32_768, 32_767)
    return (steps / 32_768).astype(np.float32)
