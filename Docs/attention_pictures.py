#!/usr/bin/env python3
"""Draws the two pictures of Docs/attention.md beside it.

    python3 Docs/attention_pictures.py

Needs the standard library only.
"""

import math
import pathlib

FONT = "font-family='Helvetica, Arial, sans-serif'"
INK, FAINT, PAPER = "#1c2733", "#7b8794", "#ffffff"
# Oldest block, blocks between, newest block.
PARTS = ("#c8553d", "#3d6fb4", "#3f9142")


def text(x, y, content, size=13, fill=INK, anchor="middle", weight="normal"):
    return (
        f"<text x='{x:g}' y='{y:g}' font-size='{size}' fill='{fill}' text-anchor='{anchor}' "
        f"font-weight='{weight}' {FONT}>{content}</text>"
    )


def box(x, y, width, height, fill, stroke=FAINT):
    return (
        f"<rect x='{x:g}' y='{y:g}' width='{width:g}' height='{height:g}' fill='{fill}' "
        f"stroke='{stroke}'/>"
    )


def picture(name, width, height, title, parts):
    lines = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' "
        f"width='{width}' height='{height}' role='img'>",
        f"<title>{title}</title>",
        box(0, 0, width, height, PAPER, "none"),
        *parts,
        "</svg>",
    ]
    path = pathlib.Path(__file__).resolve().parent / name
    path.write_text("\n".join(lines) + "\n")


def shade(alpha):
    """White for no weight, blue for all of it."""
    mixed = [round(255 + (c - 255) * alpha) for c in (0x3D, 0x6F, 0xB4)]
    return "#" + "".join(f"{c:02x}" for c in mixed)


def readings():
    """The weights of the soft example in both readings."""
    hidden, inputs = [(7, 8), (9, 10), (11, 12)], [(1, 2), (3, 4), (5, 6)]
    w_e, w_a = [(0.005, 0.01), (0.015, 0.02)], [(0.5, 0.6), (0.7, 0.8)]

    def product(row, matrix):
        return [sum(x * m[k] for x, m in zip(row, matrix)) for k in range(2)]

    e = [product(h, w_e) for h in hidden]
    a = [product(x, w_a) for x in inputs]
    cell, parts = 76, []
    for grid, (name, about, score) in enumerate([
        ("dot", "every step scores the window anew", lambda t, s: (t, s)),
        ("aligned", "every step keeps a score of its own", lambda t, s: (s, s)),
    ]):
        left, top = 100 + grid * 360, 96
        parts.append(text(left + 1.5 * cell, 30, name, 17, weight="bold"))
        parts.append(text(left + 1.5 * cell, 50, about, 12, FAINT))
        for s in range(3):
            parts.append(text(left + (s + 0.5) * cell, top - 10, f"s = {s}", 12, FAINT))
        for t in range(3):
            parts.append(text(left - 12, top + (t + 0.55) * cell, f"t = {t}", 12, FAINT, "end"))
            z = []
            for s in range(t + 1):
                i, j = score(t, s)
                z.append(sum(x * y for x, y in zip(e[i], a[j])))
            total = sum(math.exp(x) for x in z)
            for s in range(3):
                x, y = left + s * cell, top + t * cell
                if s > t:
                    parts.append(box(x, y, cell, cell, "#f4f5f7"))
                    parts.append(text(x + cell / 2, y + cell / 2 + 5, "not yet", 11, FAINT))
                    continue
                alpha = math.exp(z[s]) / total
                ink = PAPER if alpha > 0.5 else INK
                parts.append(box(x, y, cell, cell, shade(alpha)))
                parts.append(text(x + cell / 2, y + 36, f"{alpha:.2f}", 17, ink, weight="bold"))
                parts.append(text(x + cell / 2, y + 58, f"z {z[s]:.2f}", 11, ink))
    parts.append(
        text(362, 350, "weight of step s at step t; its score below. Rows add up to 1.", 12, FAINT)
    )
    picture("attention-readings.svg", 724, 370, "Weights over the window in both readings", parts)


def window():
    """A window of 16 steps, the newest 22, in blocks of 4."""
    cell, left, top, first, last = 32, 24, 74, 5, 24
    parts = [text(left, 28, "a window of N = 16 steps, in blocks of 4; step 22 is the newest", 14, INK, "start", "bold")]
    for step in range(first, last + 1):
        x = left + (step - first) * cell
        inside = 7 <= step <= 22
        part = 0 if step < 9 else 1 if step < 21 else 2
        parts.append(box(x, top, cell, cell, PARTS[part] if inside else "#f4f5f7", PAPER))
        parts.append(text(x + cell / 2, top + 22, step, 12, PAPER if inside else FAINT))
    for step in range(first, last + 2):
        if step % 4 == 1:
            x = left + (step - first) * cell
            parts.append(
                f"<line x1='{x:g}' y1='{top - 12}' x2='{x:g}' y2='{top + cell + 12}' "
                f"stroke='{INK}' stroke-width='1.5'/>"
            )
    parts.append(text(left, top - 20, "block borders", 11, FAINT, "start"))
    labels = [
        (7, 8, "suffix", "made backwards,", "ahead of time"),
        (9, 20, "middle", "whole blocks; the next middle is summed up", "while this one is in use"),
        (21, 22, "newest", "grows by", "a step a step"),
    ]
    for part, (begin, end, name, *about) in enumerate(labels):
        x0, x1 = left + (begin - first) * cell + 3, left + (end - first + 1) * cell - 3
        y = top + cell + 22
        middle = (x0 + x1) / 2
        parts.append(
            f"<path d='M{x0:g} {y} v8 H{x1:g} v-8 M{middle:g} {y + 8} v8' fill='none' "
            f"stroke='{PARTS[part]}' stroke-width='2'/>"
        )
        parts.append(text(middle, y + 34, name, 14, PARTS[part], weight="bold"))
        for line, content in enumerate(about):
            parts.append(text(middle, y + 52 + 15 * line, content, 11, FAINT))
    parts.append(
        text(left + 10 * cell, 232, "c = (suffix + middle + newest) / (their weights)", 14)
    )
    picture("attention-window.svg", 688, 250, "Three partial sums that make up a window", parts)


if __name__ == "__main__":
    readings()
    window()
