"""SVG written by hand: the few shapes that the profiler's and the graphs' pictures are made of.

A picture is one text without scripts, style sheets or fonts to fetch: any browser shows it, and so does
a page that embeds it.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

PAPER, INK, DARK = "#fbf8f3", "#3c344a", "#1d1a24"
LETTER = 6.6  # pixels of a letter of the font at size 11


def document(width: int, height: int, title: str, parts: Iterable[str]) -> str:
    """A whole picture: its parts on paper.

    >>> picture = document(20, 10, "a < b", [])
    >>> picture.splitlines()[1]
    '<title>a &lt; b</title>'
    """
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="monospace" font-size="11">'
    )
    paper = f'<rect width="{width}" height="{height}" fill="{PAPER}"/>'
    return "\n".join([head, f"<title>{escape(title)}</title>", paper, *parts, "</svg>", ""])


def caption(x: float, text: str) -> str:
    """The line at the top of a picture."""
    return f'<text x="{x}" y="26" font-size="16" fill="{INK}">{escape(text)}</text>'


def cut(text: str, letters: int) -> str:
    """The text, or its beginning with two dots.

    >>> cut("convolution", 6), cut("relu", 6)
    ('conv..', 'relu')
    """
    return text if len(text) <= letters else text[: letters - 2] + ".."
