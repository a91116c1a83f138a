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


def top(parser: argparse.ArgumentParser, default: int, what: str = "labels each") -> None:
    """``--top K``."""
    parser.add_argument(
        "--top", type=positive, default=default, metavar="K", help=f"{what} ({default})"
    )


def model(parser: argparse.ArgumentParser, default: str) -> None:
    """``--model M``."""
    parser.add_argument(
        "--model",
        default=default,
        metavar="M",
        help=f"a model's name, folder or hf:// address ({default})",
    )


def device(parser: argparse.ArgumentParser) -> None:
    """``--device D``."""
    parser.add_argument("--device", metavar="D", help="cpu or cuda (default: cpu)")
