"""The command: its arguments, the three parts in turn, then the page and the document."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any, BinaryIO

from .. import options
from ..output import Output
from ._part import Part
from .hear import hear
from .read import read
from .see import see

PAGE = "sensorium-demo.html"


def add(commands: Any) -> None:
    """The arguments of ``demo``."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "demo",
        help="label a photograph, compare sentences, write down speech",
        description="Label a photograph, find the sentence closest to a query and write down a "
        "recorded one, with pretrained weights; then show it all on a page. What cannot be "
        "fetched is left out, and says so.",
    )
    parser.add_argument("paths", nargs="*", metavar="PATH", help="images of your own instead")
    parser.add_argument(
        "--page", metavar="FILE", default=PAGE, help=f"where the page is written ({PAGE})"
    )
    options.top(parser, 3)
    options.device(parser)
    options.common(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, out: Output) -> int:
    """See, read, hear; 1 if an image of the user's own cannot be read."""
    began = time.perf_counter()
    parts = {"seen": see(args, out), "read": read(args, out), "heard": hear(args, out)}
    seconds = time.perf_counter() - began
    _write(args.page, parts, seconds)
    out.line(f"{_engine()}; {seconds:.1f} s in all, fetching included")
    out.line(f"the page: {args.page}")
    out.document(
        {
            "online": all(part.missing is None for part in parts.values()),
            "device": args.device or "cpu",
            "page": args.page,
            "seconds": round(seconds, 4),
            **{name: part.document for name, part in parts.items()},
        }
    )
    return int(any(part.failed for part in parts.values()))


def _write(target: str, parts: dict[str, Part], seconds: float) -> None:
    import sensorium
    from sensorium.io import atomic_write

    from ...page import page

    text = page(
        seen=parts["seen"].section,
        read=parts["read"].section,
        heard=parts["heard"].section,
        facts={
            "sensorium": sensorium.__version__,
            "engine": _engine(),
            "in all": f"{seconds:.1f} s",
        },
        missing=[part.missing for part in parts.values() if part.missing],
    )

    def write(file: BinaryIO) -> None:
        file.write(text.encode())

    atomic_write(Path(target), write)


def _engine() -> str:
    from sensorium.backends.cpu import onednn

    name = f"oneDNN {onednn.version()}" if onednn.available() else "NumPy (no oneDNN)"
    return f"{name}, {onednn.get_num_threads()} threads"
