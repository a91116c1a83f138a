"""Options that several commands share."""

from __future__ import annotations

import argparse


def common(parser: argparse.ArgumentParser) -> None:
    """``--json`` and ``--debug``."""
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--debug", action="store_true", help="show where an error comes from")


def positive(text: str) -> int:
    """A whole number of at least 1, as an argparse type."""
    number = int(text)  # argparse words the ValueError
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def top(parser: argparse.ArgumentParser, default: int) -> None:
    """``--top K``."""
    parser.add_argument(
        "--top", type=positive, default=default, metavar="K", help=f"labels each ({default})"
    )


def device(parser: argparse.ArgumentParser) -> None:
    """``--device D``."""
    parser.add_argument("--device", metavar="D", help="cpu or cuda (default: cpu)")
