#!/usr/bin/env python3
"""Compares the first whole hour of a daemon's stream time with every later one.

    soak.py SOCKET PID HOURS

The daemon hears a clip again and again. Of each hour: mean and standard deviation of every keyword's posterior,
detections of each keyword, memory, descriptors and threads of the process.
"""
import sys
import time

from wire import Peer, Resources

path, process, hours = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
HOUR = 3_600


def fail(text):
    sys.exit(f"soak.sh: {text}")


class Hour:
    def __init__(self):
        self.frames, self.sums, self.squares, self.detections = 0, {}, {}, {}

    def take(self, posteriors):
        self.frames += 1
        for name, value in posteriors.items():
            self.sums[name] = self.sums.get(name, 0) + value
            self.squares[name] = self.squares.get(name, 0) + value * value

    def statistics(self):
        """Mean and deviation by keyword."""
        means = {name: total / self.frames for name, total in self.sums.items()}
        return {name: (mean, max(0, self.squares[name] / self.frames - mean * mean) ** 0.5) for name, mean in means.items()}


def main():
    peer = Peer(path, timeout=60)
    # An odd number: over many rounds of the clip every place of it is looked at.
    peer.send("subscribe", {"id": 1, "events": ["attention", "detection"], "every": 7})
    began, found, usage, newest = time.monotonic(), [Hour() for _ in range(hours)], {}, 0
    while True:
        next_event = peer.read()
        if next_event is None:
            fail(f"the daemon ended after {newest / HOUR:.2f} hours")
        kind, data = next_event
        if kind not in ("attention", "detection"):
            continue
        if kind == "attention":
            if data["time"] < newest:
                fail(f"stream time ran back from {newest} to {data['time']}")
            newest = data["time"]
        # The clip has played for a while before anybody can listen: the first whole hour is the second.
        hour = int(data["time"] // HOUR) - 1
        if hour < 0:
            continue
        if hour >= hours:
            break
        if kind == "detection":
            found[hour].detections[data["name"]] = found[hour].detections.get(data["name"], 0) + 1
        else:
            found[hour].take(data["posteriors"])
            minute = int(newest // 60)
            if minute and minute % 10 == 0:
                usage.setdefault(minute, Resources.of(process))
    took = time.monotonic() - began

    first = found[0].statistics()
    most = 0
    for number, hour in enumerate(found[1:], 2):
        for name, (mean, deviation) in hour.statistics().items():
            apart = max(abs(mean - first[name][0]), abs(deviation - first[name][1]))
            most = max(most, apart)
            if apart > 0.01:
                fail(f"hour {number}: the posterior of {name} is {mean:.4f} +- {deviation:.4f}, in the first {first[name]}")
        for name in set(hour.detections) | set(found[0].detections):
            # The clip doesn't divide an hour: a word more or less at its ends.
            if abs(hour.detections.get(name, 0) - found[0].detections.get(name, 0)) > 2:
                fail(f"hour {number}: {hour.detections}, in the first {found[0].detections}")
    # The first minutes take what is taken once.
    start, end = min(usage), max(usage)
    before, after = usage[start], usage[end]
    if (after.kilobytes > before.kilobytes + 1_024 or after.descriptors > before.descriptors
            or after.threads > before.threads):
        fail(f"{before} after {start} min, {after} after {end} min")
    print(f"soak.sh: {hours} hours of stream time in {took:.0f} s: posteriors of all hours alike within {most:.4f}, "
          f"{sum(found[0].detections.values())} to {sum(found[-1].detections.values())} detections an hour, "
          f"memory {before.kilobytes} -> {after.kilobytes} kB")


main()
