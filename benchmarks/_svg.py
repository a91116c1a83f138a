"""Curves over sizes as an SVG picture: both axes logarithmic, a panel for each curve's family.

Written by hand: a plot of a dozen lines needs no plotting library.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 460, 300, 60, 34, 44  # of a panel, and its margins
LEGEND = 22  # a line of it
COLOURS = ("#0b6e4f", "#3ba55d", "#8fd694", "#d1495b", "#edae49", "#30638e", "#7a5195")

Curves = Mapping[str, Sequence[float | None]]  # name -> a value for each size, None for none


def picture(panels: Sequence[tuple[str, str, Sequence[int], Curves]]) -> str:
    """Panels (title, label of sizes, sizes, curves) side by side, one legend below."""
    names = list(dict.fromkeys(name for *_, curves in panels for name in curves))
    colours = {name: COLOURS[n % len(COLOURS)] for n, name in enumerate(names)}
    width, height = WIDTH * len(panels), HEIGHT + LEGEND * math.ceil(len(names) / 3) + 10
    size = f'width="{width}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">',
        f'<rect {size} fill="white"/>',
    ]
    for n, one in enumerate(panels):
        parts.append(f'<g transform="translate({n * WIDTH},0)">')
        parts += [*panel(*one, colours), "</g>"]
    for n, name in enumerate(names):
        x, y = LEFT + n % 3 * width // 3, HEIGHT + LEGEND * (n // 3) + 14
        parts.append(f'<path d="M{x} {y - 4}h24" stroke="{colours[name]}" stroke-width="2"/>')
        parts.append(text(x + 30, y, name))
    return "\n".join([*parts, "</svg>", ""])


def panel(
    title: str, label: str, sizes: Sequence[int], curves: Curves, colours: Mapping[str, str]
) -> list[str]:
    """Axes with ticks at each size and at round values, and a line for each curve."""
    values = [value for curve in curves.values() for value in curve if value is not None]
    low, high = min(values, default=1) / 1.1, max(values, default=1) * 1.1
    right, floor = WIDTH - 20, HEIGHT - BOTTOM

    def across(size: float) -> float:
        return place(size, sizes[0], sizes[-1], LEFT, right)

    def down(value: float) -> float:
        return place(value, low, high, floor, TOP)

    parts = [text((LEFT + right) / 2, 18, title, "middle")]
    parts.append(text((LEFT + right) / 2, HEIGHT - 8, label, "middle"))
    for size in sizes:
        parts.append(line(across(size), TOP, across(size), floor))
        parts.append(text(across(size), floor + 16, f"{size}", "middle"))
    for tick in ticks(low, high):
        parts.append(line(LEFT, down(tick), right, down(tick)))
        parts.append(text(LEFT - 6, down(tick) + 4, f"{tick:g}", "end"))
    for name, curve in curves.items():
        points = [(across(s), down(v)) for s, v in zip(sizes, curve) if v is not None]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colours[name]}" stroke-width="2"/>'
        )
        parts += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colours[name]}"/>' for x, y in points
        ]
    return parts


def place(value: float, low: float, high: float, start: float, stop: float) -> float:
    """Where a value lies between start and stop, logarithmically."""
    if high == low:
        return (start + stop) / 2
    return start + (stop - start) * math.log(value / low) / math.log(high / low)


def ticks(low: float, high: float) -> list[float]:
    """1, 2, 3, 5 and 7 times the powers of ten between low and high."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [d * 10.0**p for p in powers for d in (1, 2, 3, 5, 7) if low <= d * 10.0**p <= high]


def line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="#ddd"/>'


def text(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
