"""``sensorium hub``: models by name, and the cache their files are kept in."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from sensorium.errors import NotFoundError

from . import options
from .output import Output, size, table

Run = Callable[[argparse.Namespace, Output], int]


def add(commands: Any) -> None:
    """The arguments of ``hub`` and of its sub-commands."""
    text = "pretrained models: what there is, and what is on this machine"
    parser = commands.add_parser("hub", help=text, description=text.capitalize() + ".")
    parts = parser.add_subparsers(dest="part", required=True, metavar="WHAT")
    listing = _part(parts, "list", _list, "models, their size and accuracy")
    listing.add_argument(
        "pattern", nargs="?", default="*", metavar="PATTERN", help="e.g. 'resnet*'"
    )
    listing.add_argument("--task", metavar="T", help="e.g. image-classification")
    _part(parts, "info", _info, "a model's card", "NAME")
    pull = _part(parts, "pull", _pull, "download a model's weights", "NAME")
    pull.add_argument("--weights", default="default", metavar="W", help="a set of weights")
    _part(parts, "verify", _verify, "hash cached files again", "?NAME")
    _part(parts, "rm", _rm, "remove cached files", "NAME")
    _part(parts, "path", _path, "the cache folder, or where a model's weights lie", "?NAME")


def _part(parts: Any, name: str, run: Run, text: str, argument: str = "") -> Any:
    parser = parts.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    if argument:
        nargs = "?" if argument.startswith("?") else None
        parser.add_argument("name", nargs=nargs, metavar="NAME", help="a model")
    options.common(parser)
    parser.set_defaults(run=run)
    return parser


# -- what there is -------------------------------------------------------------------------------
def _list(args: argparse.Namespace, out: Output) -> int:
    from sensorium.hub import registry

    cards = registry.cards(args.pattern, task=args.task)
    if not cards:
        raise NotFoundError(
            f"no model matches {args.pattern!r}{f' for {args.task}' * bool(args.task)}"
        )
    have = _digests()
    models = [_row(card, have) for card in cards]
    out.lines(table([_HEAD, *map(_cells, models)], right=[1, 3]))
    out.document(models)
    return 0


_HEAD = ["model", "params", "weights", "bytes", "metric", "here"]
_WIDE = 20  # the most of a weights' name in the table; ``--json`` and ``info`` have all of it


def _row(card: Any, have: list[str]) -> dict[str, Any]:
    weights = [
        {
            "name": entry.name,
            "default": entry.default,
            "bytes": entry.bytes,
            "licence": entry.licence,
            "metrics": entry.metrics,
            "sources": entry.sources,
            "here": _is_here(entry, have),
        }
        for entry in card.weights
    ]
    return {
        "name": card.name,
        "task": card.task,
        "num_params": card.num_params,
        "gmacs": card.gmacs,
        "weights": weights,
    }


def _cells(model: dict[str, Any]) -> list[str]:
    default = next((entry for entry in model["weights"] if entry["default"]), None)
    count = f"{model['num_params'] / 1e6:.1f} M" if model["num_params"] else ""
    if default is None:
        return [model["name"], count, "", "", "", ""]
    metric = next((f"{name} {value:g}" for name, value in default["metrics"].items()), "")
    bytes_ = size(default["bytes"]) if default["bytes"] else ""
    here = "yes" if default["here"] else ""
    weights = default["name"]
    weights = weights if len(weights) <= _WIDE else weights[: _WIDE - 1] + "…"
    return [model["name"], count, weights, bytes_, metric, here]


def _digests() -> list[str]:
    from sensorium import hub

    return [entry.sha256 for entry in hub.cache.list()]


def _is_here(entry: Any, have: list[str]) -> bool:
    """Whether no network is needed for these weights."""
    embedded = any(source.startswith("file:") for source in entry.sources)
    return embedded or any(digest.startswith(entry.expect.digits) for digest in have)


def _info(args: argparse.Namespace, out: Output) -> int:
    from sensorium import hub

    out.line(hub.help(args.name))
    out.document(_row(hub.card(args.name), _digests()))
    return 0


# -- what is on this machine ---------------------------------------------------------------------
def _pull(args: argparse.Namespace, out: Output) -> int:
    """The paths of the weights, then of what comes with them."""
    from sensorium import hub

    paths = {name: str(path) for name, path in hub.pull(args.name, weights=args.weights).items()}
    out.lines(paths.values())
    out.document({"path": next(iter(paths.values())), "files": paths})
    return 0


def _pattern(name: str | None) -> str:
    """Cache entries of a model are called ``model.weights.suffix``; anything else is a pattern."""
    from sensorium.hub import registry

    if name is None:
        return "*"
    return f"{name}.*" if registry.cards(name) and "*" not in name else name


def _verify(args: argparse.Namespace, out: Output) -> int:
    from sensorium import hub

    found = hub.cache.verify(_pattern(args.name))
    if args.name and not found:
        raise _nothing(args.name)
    rows = [["right" if right else "WRONG", size(entry.size), entry.name] for entry, right in found]
    wrong = sum(not right for _, right in found)
    out.lines(table(rows, right=[1]))
    out.line(f"{len(found)} files, {wrong} wrong" + " (moved aside; pull again)" * bool(wrong))
    out.document(
        [{"name": e.name, "sha256": e.sha256, "size": e.size, "right": ok} for e, ok in found]
    )
    return int(wrong > 0)


def _rm(args: argparse.Namespace, out: Output) -> int:
    from sensorium import hub

    pattern = _pattern(args.name)
    if not hub.cache.list(pattern):
        raise _nothing(args.name)
    freed = hub.cache.remove(pattern)
    out.line(f"{size(freed)} freed")
    out.document({"freed": freed})
    return 0


def _path(args: argparse.Namespace, out: Output) -> int:
    from sensorium import hub

    if args.name is None:
        paths = [hub.cache.path()]
    else:
        paths = [entry.path for entry in hub.cache.list(_pattern(args.name))]
        paths += _embedded(args.name)
        if not paths:
            raise _nothing(args.name)
    out.lines(map(str, paths))
    out.document([str(path) for path in paths])
    return 0


def _embedded(name: str) -> list[Any]:
    """Files of the installation itself that a model's weights are."""
    from sensorium.hub import registry, sources

    found = [entry.sources[0] for card in registry.cards(name) for entry in card.weights]
    return [sources.local_path(source) for source in found if source.startswith("file:")]


def _nothing(name: str) -> NotFoundError:
    return NotFoundError(f"nothing in the cache belongs to {name!r}")
