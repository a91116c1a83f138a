"""A web page that shows what was seen, read and heard: one self-contained file, no scripts.

    page      the three sections and the frame around them, as HTML
    _charts   bars, heat map, waveform and probability curve, as SVG
    _colours  numbers to colours, pictures to data addresses

Everything that comes from outside is escaped where it is written; the page loads nothing.
"""

from __future__ import annotations

from .page import (
    Heard as Heard,
    ReadTexts as ReadTexts,
    Seen as Seen,
    page as page,
)
