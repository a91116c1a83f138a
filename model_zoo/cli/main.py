"""Arguments to exit code: the parser, the call, and what becomes of errors."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence

import sensorium
from sensorium.errors import SensoriumError

from . import audio, bench, classify, demo, doctor, hub, text
from .output import Output

COMMANDS = (demo, classify, text, audio, hub, bench, doctor)


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command."""
    top = argparse.ArgumentParser(
        prog="sensorium", description="Pretrained models that see, read and hear, without PyTorch."
    )
    top.add_argument("--version", action="version", version=f"sensorium {sensorium.__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in COMMANDS:
        module.add(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` (default: this process's own); returns the exit code."""
    try:
        args = parser().parse_args(argv)
    except SystemExit as stop:  # argparse has printed help, the version or what is wrong
        return stop.code if isinstance(stop.code, int) else 2
    return _run(args)


def _run(args: argparse.Namespace) -> int:
    out = Output(json=args.json)
    try:
        code = args.run(args, out)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        out.note("sensorium: interrupted")
        return 130
    except BrokenPipeError:  # `sensorium hub list | head`: the reader has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001 - the last resort: say it in one line
        if args.debug:
            traceback.print_exc()
        out.note(f"sensorium: error: {_one_line(error)}")
        return 1


def _one_line(error: Exception) -> str:
    """What went wrong; the class of the error too where it is not one we raise on purpose."""
    text = " ".join(str(error).split())
    if isinstance(error, SensoriumError) or (isinstance(error, OSError) and text):
        return text
    return f"{type(error).__name__}: {text} (--debug shows where)"
