"""``sensorium demo``: real photographs through real weights; digits where there is no network."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any, NamedTuple

from sensorium.errors import HubError

from . import classify, options, photographs
from .output import Output, size, table

MODEL, EMBEDDED = "efficientnet_lite0", "digits_resnet"
DRAWN, PER_ROW = 8, 4  # digits that are drawn, and how many stand side by side in 80 columns
_SHADES = " .:-=+*#%@"


class Picture(NamedTuple):
    """A photograph on this machine, and what is told about it."""

    path: Path
    title: str
    source: str


def add(commands: Any) -> None:
    """The arguments of ``demo``."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "demo",
        help="classify photographs with pretrained weights",
        description=f"Classify photographs with {MODEL}; without a network, read digits with a "
        "model that is part of the installation.",
    )
    parser.add_argument("paths", nargs="*", metavar="PATH", help="images of your own instead")
    options.top(parser, 3)
    options.device(parser)
    options.common(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, out: Output) -> int:
    """Photographs if model and images can be had, else digits; 1 if an image cannot be read."""
    from sensorium import hub

    try:
        began = time.perf_counter()
        out.note(f"loading {MODEL} ...")
        pipe: Any = hub.pipeline(MODEL, device=args.device)
        loaded = time.perf_counter() - began
        pictures = _pictures(args.paths, out)
    except HubError as error:
        return _digits(args, out, " ".join(str(error).split()))
    return _photographs(args, out, pipe, pictures, loaded)


# -- photographs ---------------------------------------------------------------------------------
def _pictures(paths: list[str], out: Output) -> list[Picture]:
    """The user's images, or the demo's own that can be had: ``HubError`` if none can."""
    if paths:
        return [Picture(Path(path), path, "this machine") for path in paths]
    out.note("fetching photographs ...")
    found, problem = [], HubError("there are no photographs")
    for photograph in photographs.PHOTOGRAPHS:
        try:
            path = photographs.fetch(photograph)
        except HubError as error:
            problem = error
            break  # the others come from the same wheel
        title = f"{photograph.file}: {photograph.what} ({photograph.credit})"
        found.append(Picture(path, title, photograph.source))
    if not found:
        raise problem
    return found


def _photographs(
    args: argparse.Namespace, out: Output, pipe: Any, pictures: list[Picture], loaded: float
) -> int:
    _head(pipe.model.card, out)
    out.line(f"photographs from {_origin(pictures)}\n")
    began = time.perf_counter()
    images = []
    for picture in pictures:
        image = classify.one(pipe, picture.path, args.top)
        classify.show({**image, "path": picture.title}, out)
        images.append({**image, "source": picture.source})
    seconds = time.perf_counter() - began
    what = "photograph" if len(images) == 1 else "photographs"
    each = _milliseconds(seconds / len(images))
    out.line(f"{len(images)} {what} in {seconds:.2f} s ({each} each, decoding included)")
    out.line(f"model ready in {loaded:.2f} s; {_engine()}")
    facts = {"images": images, "load_seconds": round(loaded, 4), "seconds": round(seconds, 4)}
    out.document(_facts(args, pipe.model.card, online=True) | facts)
    return int(any("error" in image for image in images))


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms"


def _origin(pictures: list[Picture]) -> str:
    folders = {picture.source.rpartition("/")[0] or picture.source for picture in pictures}
    return ", ".join(sorted(folders))


def _head(card: Any, out: Output) -> None:
    weights = card.weights[0]
    file = size(weights.bytes) if weights.bytes else "size unknown"
    out.line(f"{card.name}: {card.num_params:,} parameters, weights {weights.name} ({file})")
    out.line(f"weights from {_short(weights.sources[0])}")


def _short(source: str) -> str:
    """A source without the folders of this machine or, where it is long, of the package."""
    if source.startswith("file:"):
        return "this installation"
    return source if len(source) < 66 else "/".join(source.split("/")[:3])


def _facts(args: argparse.Namespace, card: Any, *, online: bool) -> dict[str, Any]:
    """What every document of the demo begins with."""
    weights = card.weights[0]
    return {
        "online": online,
        "model": card.name,
        "weights": {"name": weights.name, "source": weights.sources[0], "licence": weights.licence},
        "device": args.device or "cpu",
    }


def _engine() -> str:
    from sensorium.backends.cpu import onednn

    name = f"oneDNN {onednn.version()}" if onednn.available() else "NumPy (no oneDNN)"
    return f"{name}, {onednn.get_num_threads()} threads"


# -- digits --------------------------------------------------------------------------------------
def _digits(args: argparse.Namespace, out: Output, reason: str) -> int:
    """Held-out digits through the embedded model: always works."""
    from sensorium import hub

    from .. import digits

    out.note(f"{MODEL} and its photographs cannot be had now:\n  {reason}")
    images, truth = digits.held_out()
    began = time.perf_counter()
    pipe: Any = hub.pipeline(EMBEDDED, device=args.device)
    loaded = time.perf_counter() - began
    out.line("No photographs this time (the package index is out of reach: see above). Here is")
    out.line("what needs no network: handwritten digits that the model never saw.\n")
    _head(pipe.model.card, out)
    out.line(f"digits from {digits.CREDIT}\n")
    began = time.perf_counter()
    labels = [row[0] for row in pipe(images, top_k=1)]
    seconds = time.perf_counter() - began
    out.lines(_gallery(images, labels))
    right = sum(label.name == str(digit) for label, digit in zip(labels, truth))
    out.line(
        f"{right} of {len(truth)} right in {_milliseconds(seconds)}; model ready in "
        f"{loaded:.2f} s; {_engine()}"
    )
    read = [
        {"truth": int(digit), "label": label.name, "score": label.score}
        for label, digit in zip(labels, truth)
    ]
    facts = {"reason": reason, "digits": read, "right": right, "seconds": round(seconds, 4)}
    out.document(_facts(args, pipe.model.card, online=False) | facts)
    return 0


def _gallery(images: Any, labels: list[Any]) -> list[str]:
    """The first digits as characters, side by side, each over its prediction."""
    lines = []
    for first in range(0, min(DRAWN, len(labels)), PER_ROW):
        some = range(first, min(first + PER_ROW, DRAWN, len(labels)))
        drawn = [draw(images[n, 0]) for n in some]
        said = [[f"{labels[n].name}  ({100 * labels[n].score:.1f}%)".ljust(16)] for n in some]
        rows = [list(row) for row in zip(*(art + below for art, below in zip(drawn, said)))]
        lines += [*table(rows), ""]
    return lines


def draw(image: Any) -> list[str]:
    """A line for each row of an image (H, W) in [0, 1], two characters for each pixel.

    >>> draw([[0.0, 1.0]])
    ['  @@']
    """
    last = len(_SHADES) - 1
    return ["".join(_SHADES[round(float(v) * last)] * 2 for v in row) for row in image]
