"""A picture of a pitch track: time to the right, octaves upwards, what is periodic in colour."""

from __future__ import annotations

import os
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageDraw

from sensorium.io import atomic_write

from ..page._colours import colours

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 1000, 420, 70, 40, 20
_PAPER, _INK, _LINE = (251, 248, 243), (60, 52, 74), (228, 220, 209)


def plot(track: Any, path: str | os.PathLike[str]) -> None:
    """Write the track as a PNG of 1000 x 420 pixels."""
    time, frequency, periodicity = (np.asarray(values.numpy()) for values in track)
    image = Image.new("RGB", (WIDTH, HEIGHT), _PAPER)
    draw = ImageDraw.Draw(image)
    low, high = _octaves(frequency)
    seconds = float(time[-1]) if len(time) else 1.0
    _grid(draw, low, high, seconds)
    x = LEFT + time / max(seconds, 1e-9) * (WIDTH - LEFT - 20)
    y = _height(frequency, low, high)
    paint = colours(0.9 - 0.75 * periodicity)
    for place, level, colour, certain in zip(x, y, paint, periodicity):
        size = 1 + 2.5 * float(certain)
        box = (place - size, level - size, place + size, level + size)
        draw.ellipse(box, fill=tuple(int(c) for c in colour))

    def write(file: BinaryIO) -> None:
        image.save(file, "PNG")

    atomic_write(path, write)


def _octaves(frequency: np.ndarray) -> tuple[float, float]:
    """Powers of two around the track, of 55 Hz."""
    if not len(frequency):
        return 55.0, 880.0
    steps = np.log2(np.array([frequency.min(), frequency.max()]) / 55)
    low, high = np.floor(steps[0]), np.ceil(steps[1])
    return 55 * 2.0**low, 55 * 2.0 ** max(high, low + 1)


def _height(frequency: Any, low: float, high: float) -> Any:
    share = np.log2(np.asarray(frequency) / low) / np.log2(high / low)
    return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)


def _grid(draw: Any, low: float, high: float, seconds: float) -> None:
    """A line an octave with its frequency, and the time in ten steps."""
    for octave in range(round(float(np.log2(high / low))) + 1):
        hertz = low * 2.0**octave
        level = float(_height(hertz, low, high))
        draw.line((LEFT, level, WIDTH - 20, level), fill=_LINE)
        draw.text((8, level - 6), f"{hertz:.0f} Hz", fill=_INK)
    for tick in range(11):
        place = LEFT + tick / 10 * (WIDTH - LEFT - 20)
        draw.text((place - 10, HEIGHT - BOTTOM + 12), f"{seconds * tick / 10:.2g} s", fill=_INK)
