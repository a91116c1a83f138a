"""``sensorium embed TEXT...`` and ``sensorium similar QUERY FILE``: texts by what they mean."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from sensorium.errors import DecodeError, OptionError

from . import options
from .output import Output

MODEL = "all-minilm-l6-v2"


def add(commands: Any) -> None:
    """The arguments of ``embed`` and ``similar``."""
    embed: argparse.ArgumentParser = commands.add_parser(
        "embed", help="turn texts into vectors", description="Turn texts into vectors of length 1."
    )
    embed.add_argument("texts", nargs="+", metavar="TEXT", help="a text; - reads lines from stdin")
    similar: argparse.ArgumentParser = commands.add_parser(
        "similar",
        help="find the lines of a file closest to a query",
        description="Find the lines of a text file that are closest in meaning to a query.",
    )
    similar.add_argument("query", metavar="QUERY", help="what to look for")
    similar.add_argument("file", metavar="FILE", help="a text file, a text a line; - is stdin")
    options.top(similar, 5, "lines")
    for parser, run in ((embed, run_embed), (similar, run_similar)):
        options.model(parser, MODEL)
        options.device(parser)
        options.common(parser)
        parser.set_defaults(run=run)


def run_embed(args: argparse.Namespace, out: Output) -> int:
    """A line for each text: its first numbers; with --json all of them."""
    texts = [line for text in args.texts for line in (_read("-") if text == "-" else [text])]
    pipe = _pipeline(args)
    began = time.perf_counter()
    vectors = pipe.embed(texts).tolist()
    seconds = time.perf_counter() - began
    for text, vector in zip(texts, vectors):
        numbers = " ".join(f"{value:+.4f}" for value in vector[:6])
        out.line(f"{_short(text, 24):24}  [{numbers} ... {len(vector)} numbers]")
    rows = [{"text": text, "vector": vector} for text, vector in zip(texts, vectors)]
    out.document(_facts(args, pipe, seconds) | {"texts": rows})
    return 0


def run_similar(args: argparse.Namespace, out: Output) -> int:
    """The closest lines with their cosines, best first."""
    lines = _numbered(args.file)
    if not lines:
        raise OptionError(f"similar: {args.file} has no line with text in it")
    pipe = _pipeline(args)
    began = time.perf_counter()
    found = pipe(args.query, [text for _, text in lines], top_k=args.top)
    seconds = time.perf_counter() - began
    matches = [
        {"line": lines[match.place][0], "score": match.score, "text": match.text} for match in found
    ]
    for match in matches:
        out.line(f"{match['score']:6.3f}  line {match['line']:<5}  {_short(match['text'], 60)}")
    facts = {"query": args.query, "file": args.file, "lines": len(lines), "matches": matches}
    out.document(_facts(args, pipe, seconds) | facts)
    return 0


# -- helpers -------------------------------------------------------------------------------------
def _pipeline(args: argparse.Namespace) -> Any:
    from sensorium import hub

    return hub.pipeline(args.model, device=args.device)


def _facts(args: argparse.Namespace, pipe: Any, seconds: float) -> dict[str, Any]:
    card = pipe.model.card
    return {
        "model": card.name,
        "weights": card.weights[0].name,
        "device": args.device or "cpu",
        "seconds": round(seconds, 4),
    }


def _read(file: str) -> list[str]:
    """The lines of a file in UTF-8, or of stdin."""
    if file == "-":
        return [line for line in sys.stdin.read().splitlines() if line.strip()]
    data = Path(file).read_bytes()
    try:
        return data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DecodeError(
            f"{file}: is no text in UTF-8: byte {data[error.start]:#04x} at {error.start}"
        ) from None


def _numbered(file: str) -> list[tuple[int, str]]:
    """The lines that are not blank, with their numbers from 1."""
    return [(n, line) for n, line in enumerate(_read(file), 1) if line.strip()]


def _short(text: str, width: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 3]}..."
