"""The photographs of ``sensorium demo``: four that scikit-image ships with its wheel.

All are CC0 or in the public domain (docstrings of ``skimage.data``). The wheel differs by
Python version and system, the files inside do not, so each is pinned by its own hash.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

WHEEL = "pypi://scikit-image==0.25.2/skimage/data"


class Photograph(NamedTuple):
    """A file of the wheel, what is on it, and whose it is."""

    file: str
    sha256: str
    bytes: int
    what: str
    credit: str

    @property
    def source(self) -> str:
        return f"{WHEEL}/{self.file}"


PHOTOGRAPHS = (
    Photograph(
        "chelsea.png",
        "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
        240512,
        "a cat",
        "Stefan van der Walt, CC0",
    ),
    Photograph(
        "coffee.png",
        "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
        466706,
        "a cup of coffee",
        "Rachel Michetti, CC0",
    ),
    Photograph(
        "rocket.jpg",
        "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
        112525,
        "a rocket on its pad",
        "SpaceX, public domain",
    ),
    Photograph(
        "camera.png",
        "b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a",
        139512,
        "a man with a camera",
        "Lav Varshney, CC0",
    ),
)


def fetch(photograph: Photograph) -> Path:
    """Where the verified copy of a photograph is; ``HubError`` if it cannot be had."""
    from sensorium import hub

    return hub.fetch(
        photograph.source,
        sha256=photograph.sha256,
        size=photograph.bytes,
        name=photograph.file,
    )
