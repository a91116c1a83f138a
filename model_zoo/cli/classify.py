"""``sensorium classify PATH...``: the most probable classes of images."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sensorium.errors import FormatError

from . import options
from .output import Output, ranking

MODEL = "efficientnet_lite0"


def add(commands: Any) -> None:
    """The arguments of ``classify``."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "classify", help="name what is in images", description="Name what is in images."
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="image files")
    parser.add_argument("--model", default=MODEL, metavar="M", help=f"a model's name ({MODEL})")
    parser.add_argument(
        "--weights", default="default", metavar="W", help="a set of weights, or a checkpoint"
    )
    options.top(parser, 5)
    options.device(parser)
    options.common(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, out: Output) -> int:
    """1 if an image could not be read; the others are classified all the same."""
    from sensorium import hub

    pipe: Any = hub.pipeline(args.model, weights=args.weights, device=args.device)
    began = time.perf_counter()
    images = [one(pipe, path, args.top) for path in args.paths]
    seconds = time.perf_counter() - began
    for image in images:
        show(image, out)
    card = pipe.model.card
    out.document(
        {
            "model": card.name,
            "weights": card.weights[0].name,
            "device": args.device or "cpu",
            "seconds": round(seconds, 4),
            "images": images,
        }
    )
    return int(any("error" in image for image in images))


def one(pipe: Any, path: str | Path, top: int) -> dict[str, Any]:
    """``{"path", "labels"}`` of an image, or ``{"path", "error"}``."""
    try:
        labels = pipe(path, top_k=top)
    except (FormatError, OSError) as error:
        return {"path": str(path), "error": " ".join(str(error).split())}
    return {"path": str(path), "labels": [label._asdict() for label in labels]}


def show(image: dict[str, Any], out: Output) -> None:
    """The path and its labels with bars, or what is wrong on stderr."""
    if "error" in image:
        out.note(f"sensorium: error: {image['error']}")
        return
    out.line(image["path"])
    out.lines(ranking(pairs(image["labels"])))
    out.line()


def pairs(labels: Sequence[dict[str, Any]]) -> list[tuple[str, float]]:
    """(name, score) of labels as the document has them."""
    return [(label["name"], label["score"]) for label in labels]
