"""It sees: a photograph and its labels, or, where nothing can be fetched, embedded digits."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sensorium.errors import HubError

from .. import classify, photographs
from ..output import Output, table
from ._part import Part, head, milliseconds, weights_of

MODEL, EMBEDDED = "efficientnet_lite0", "digits_resnet"
DRAWN, PER_ROW = 8, 4  # digits that are drawn, and how many stand side by side in 80 columns
_SHADES = " .:-=+*#%@"


class Picture(NamedTuple):
    """A photograph on this machine, and what is told about it."""

    path: Path
    title: str
    credit: str
    source: str


def see(args: argparse.Namespace, out: Output) -> Part:
    """Photographs if model and images can be had, else digits."""
    from sensorium import hub

    try:
        out.note(f"fetching {MODEL} and a photograph ...")
        pipe: Any = hub.pipeline(MODEL, device=args.device)
        pictures = _pictures(args.paths)
    except HubError as error:
        return _digits(args, out, error)
    return _photographs(args, out, pipe, pictures)


# -- photographs ---------------------------------------------------------------------------------
def _pictures(paths: list[str]) -> list[Picture]:
    """The user's images, or the demo's own."""
    if paths:
        return [Picture(Path(path), path, "", "this machine") for path in paths]
    photograph = photographs.PHOTOGRAPHS[0]
    path = photographs.fetch(photograph)
    return [Picture(path, photograph.what, photograph.credit, photograph.source)]


def _photographs(args: argparse.Namespace, out: Output, pipe: Any, pictures: list[Picture]) -> Part:
    from sensorium.vision.io import open_image

    from ...page import Seen

    head("it sees", pipe.model.card, out)
    began = time.perf_counter()
    images = []
    for picture in pictures:
        image = classify.one(pipe, picture.path, args.top)
        title = f"{picture.title} ({picture.credit})" if picture.credit else picture.title
        classify.show({**image, "path": title}, out)
        images.append({**image, "source": picture.source})
    seconds = time.perf_counter() - began
    each = milliseconds(seconds / len(images))
    out.line(f"{each} a photograph, decoding included\n")
    document = weights_of(pipe.model.card) | {"images": images, "seconds": round(seconds, 4)}
    found = [(p, i) for p, i in zip(pictures, images) if "labels" in i]
    section = None
    if found:
        picture, image = found[0]
        labels = classify.pairs(image["labels"])
        photo = open_image(picture.path)
        section = Seen(photo, picture.title, picture.credit, labels, pipe.model.card.name)
    return Part(document, section, failed=len(found) < len(images))


# -- digits --------------------------------------------------------------------------------------
def _digits(args: argparse.Namespace, out: Output, error: HubError) -> Part:
    """Held-out digits through the embedded model: always works."""
    from sensorium import hub

    from ... import digits

    reason = " ".join(str(error).split())
    out.note(f"{MODEL} and its photograph cannot be had now:\n  {reason}\n")
    images, truth = digits.held_out()
    pipe: Any = hub.pipeline(EMBEDDED, device=args.device)
    head("it sees (what is embedded)", pipe.model.card, out)
    out.line("handwritten digits that the model never saw,")
    out.line(f"from {digits.CREDIT}\n")
    began = time.perf_counter()
    labels = [row[0] for row in pipe(images, top_k=1)]
    seconds = time.perf_counter() - began
    out.lines(_gallery(images, labels))
    right = sum(label.name == str(digit) for label, digit in zip(labels, truth))
    out.line(f"{right} of {len(truth)} right in {milliseconds(seconds)}\n")
    read = [
        {"truth": int(digit), "label": label.name, "score": label.score}
        for label, digit in zip(labels, truth)
    ]
    document = weights_of(pipe.model.card) | {
        "missing": reason, "digits": read, "right": right, "seconds": round(seconds, 4)
    }  # fmt: skip
    section = _digit_section(pipe, images, digits.CREDIT)
    return Part(document, section, missing=f"{MODEL}: {reason}")


def _digit_section(pipe: Any, images: Any, credit: str) -> Any:
    """The first digit, large, and its labels."""
    from PIL import Image

    from ...page import Seen

    pixels = (np.asarray(images[0, 0]) * 255).astype(np.uint8)
    photo = Image.fromarray(pixels).resize((480, 480), Image.Resampling.NEAREST)
    labels = [(label.name, label.score) for label in pipe(images[0], top_k=5)]
    return Seen(photo, "a handwritten digit", credit, labels, pipe.model.card.name)


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
