#!/usr/bin/env python3
"""Draws a log and where the model looked when it decided.

    attnd batch --features rows.npy --model sensor.safetensors --frames --weights |
      python3 draw.py rows.npy > sensor.svg

Needs numpy.
"""

import json
import sys

import numpy as np

LEFT, WIDTH, TOP = 110, 640, 34
INK, FAINT = "#1c2733", "#7b8794"
DOORS = ["#3d6fb4", "#c8553d", "#3f9142"]


def text(x, y, content, size=12, fill=INK, anchor="start"):
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size}' fill='{fill}' text-anchor='{anchor}' "
        f"font-family='Helvetica, Arial, sans-serif'>{content}</text>"
    )


def line(x0, y0, x1, y1, stroke=FAINT, width=1.0, dash=""):
    dash = f" stroke-dasharray='{dash}'" if dash else ""
    return (
        f"<line x1='{x0:.1f}' y1='{y0:.1f}' x2='{x1:.1f}' y2='{y1:.1f}' stroke='{stroke}' "
        f"stroke-width='{width}'{dash}/>"
    )


class Picture:
    def __init__(self, seconds):
        self.seconds, self.parts, self.y = seconds, [], TOP

    def x(self, second):
        return LEFT + WIDTH * second / self.seconds

    def curve(self, name, values, low, high, height, stroke, first=0):
        """A curve in a lane of its own; value i stands at second first + i."""
        self.parts.append(text(LEFT - 10, self.y + height / 2 + 4, name, 12, stroke, "end"))
        base = self.y + height
        points = " ".join(
            f"{self.x(first + i):.1f},{base - height * (v - low) / (high - low):.1f}"
            for i, v in enumerate(values)
        )
        self.parts.append(
            f"<polyline points='{points}' fill='none' stroke='{stroke}' stroke-width='1.3'/>"
        )
        self.y += height + 12

    def attention(self, detection, frame, height):
        """What each second weighed when a door was blamed."""
        door = int(detection["keyword"][-1]) - 1
        base, now = self.y + height, detection["time"]
        self.parts.append(text(LEFT - 10, base - 8, f"at {now:.0f} s", 12, DOORS[door], "end"))
        weights = frame["weights"][0]
        for age, weight in enumerate(reversed(weights)):
            top = base - height * weight
            x = self.x(now - 0.5 - age)
            self.parts.append(line(x, base, x, top, DOORS[door], WIDTH / self.seconds))
        self.parts.append(line(self.x(now - len(weights)), base, self.x(now), base))
        self.parts.append(line(self.x(now), TOP, self.x(now), base, DOORS[door], 1, "3 3"))
        label = f"{detection['keyword']}, {detection['score']:.2f}"
        self.parts.append(text(self.x(now) + 5, base - 8, label, 12, DOORS[door]))
        self.y += height + 14

    def seconds_axis(self):
        for second in range(0, self.seconds + 1, 40):
            self.parts.append(line(self.x(second), self.y - 6, self.x(second), self.y))
            self.parts.append(text(self.x(second), self.y + 14, f"{second}", 11, FAINT, "middle"))
        self.parts.append(text(LEFT + WIDTH, self.y + 30, "seconds", 11, FAINT, "end"))
        self.y += 40

    def svg(self):
        size = f"width='{LEFT + WIDTH + 30}' height='{self.y}'"
        return "\n".join([
            f"<svg xmlns='http://www.w3.org/2000/svg' {size} role='img'>",
            f"<rect {size} fill='#ffffff'/>",
            *self.parts,
            "</svg>",
        ])


def main():
    rows = np.load(sys.argv[1])
    lines = [json.loads(line) for line in sys.stdin]
    frames = {line["time"]: line for line in lines if "posterior" in line}
    picture = Picture(len(rows))
    picture.parts.append(text(LEFT, 20, "the log", 13))
    picture.curve("temperature", rows[:, 0], -19, -14, 70, INK)
    for door in range(3):
        picture.curve(f"door {door + 1}", rows[:, 3 + door], -0.1, 1.1, 20, DOORS[door])
    picture.curve("seal", rows[:, 6], 0.5, 1.1, 34, INK)
    picture.parts.append(text(LEFT, picture.y + 12, "what the model says", 13))
    picture.y += 22
    first = min(frames) - 1
    for door in range(3):
        values = [frame["posterior"][f"door_{door + 1}"] for frame in frames.values()]
        picture.curve(f"door_{door + 1}", values, 0, 1, 24, DOORS[door], first)
    picture.parts.append(text(LEFT, picture.y + 12, "where it looks when it says so", 13))
    picture.y += 22
    for detection in lines:
        if "keyword" in detection:
            picture.attention(detection, frames[detection["time"]], 56)
    picture.seconds_axis()
    print(picture.svg())


if __name__ == "__main__":
    main()
