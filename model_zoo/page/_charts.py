"""Charts as SVG and HTML text: bars, a heat map, a waveform, a curve of probability."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from ._colours import css, ink

WIDTH, POINTS = 1000, 500  # of a time chart in its own units, and how many points it is drawn with


def bars(rows: Sequence[tuple[str, float]]) -> str:
    """A bar for each (name, score in [0, 1]), as a list."""
    items = [
        f'<li><span class="name">{escape(name)}</span>'
        f'<span class="track"><span class="bar" style="width:{100 * score:.1f}%"></span></span>'
        f'<span class="score">{100 * score:.1f}%</span></li>'
        for name, score in rows
    ]
    return f'<ol class="bars">{"".join(items)}</ol>'


def heat_map(names: Sequence[str], matrix: Sequence[Sequence[float]]) -> str:
    """A table of coloured cells: how alike every two of the named things are, in [-1, 1]."""
    head = "".join(f"<th scope='col'>{n}</th>" for n in range(1, len(names) + 1))
    rows = [
        f"<tr><th scope='row'><b>{n}</b> {escape(name)}</th>{''.join(map(_cell, row))}</tr>"
        for n, (name, row) in enumerate(zip(names, matrix), 1)
    ]
    return f'<table class="heat"><thead><tr><td></td>{head}</tr></thead>{"".join(rows)}</table>'


def _cell(value: float) -> str:
    shade = max(0.0, min(1.0, value))
    return f'<td style="background:{css(shade)};color:{ink(shade)}">{value:.2f}</td>'


def waveform(samples: Any, height: int = 120) -> str:
    """The envelope of samples (T,) in [-1, 1]: one closed outline, louder means wider."""
    low, high = _envelope(np.asarray(samples, np.float32))
    loudest = max(float(np.abs([low, high]).max(initial=0.0)), 1e-6)
    middle = height / 2
    x = np.linspace(0, WIDTH, len(high))
    upper = [f"{a:.1f},{middle - b / loudest * middle * 0.96:.1f}" for a, b in zip(x, high)]
    lower = [f"{a:.1f},{middle - b / loudest * middle * 0.96:.1f}" for a, b in zip(x, low)]
    points = " ".join(upper + lower[::-1])
    return _svg("waveform", height, f'<polygon class="wave" points="{points}"/>')


def _envelope(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The least and the largest sample of each of POINTS stretches."""
    if not len(samples):
        return np.zeros(1), np.zeros(1)
    edges = np.linspace(0, len(samples), min(POINTS, len(samples)) + 1).astype(int)[:-1]
    return np.minimum.reduceat(samples, edges), np.maximum.reduceat(samples, edges)


def activity(
    probabilities: Any, spans: Sequence[tuple[float, float]], seconds: float, height: int = 70
) -> str:
    """A curve of probabilities (F,) over the whole time, and bands where there is speech."""
    curve = np.asarray(probabilities, np.float32).ravel()
    x = np.linspace(0, WIDTH, len(curve))
    points = " ".join(f"{a:.1f},{(1 - p) * (height - 6) + 3:.1f}" for a, p in zip(x, curve))
    scale = WIDTH / max(seconds, 1e-9)
    bands = "".join(
        f'<rect class="band" x="{a * scale:.1f}" width="{(b - a) * scale:.1f}" y="0" '
        f'height="{height}"><title>speech {a:.2f}-{b:.2f} s</title></rect>'
        for a, b in spans
    )
    return _svg("voice activity", height, f'{bands}<polyline class="curve" points="{points}"/>')


def time_axis(seconds: float) -> str:
    """Ticks of round seconds below the charts of one recording."""
    step = next(s for s in (0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 1e9) if seconds / s <= 10)
    ticks = np.arange(0, seconds + 1e-9, step)
    marks = [f'<span style="left:{100 * t / seconds:.2f}%">{t:g} s</span>' for t in ticks]
    return f'<div class="axis">{"".join(marks)}</div>'


def _svg(label: str, height: int, inside: str) -> str:
    return (
        f'<svg class="chart" role="img" aria-label="{label}" viewBox="0 0 {WIDTH} {height}" '
        f'preserveAspectRatio="none">{inside}</svg>'
    )
