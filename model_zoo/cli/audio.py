"""``sensorium transcribe``, ``vad`` and ``pitch``: what is said in recordings, where, how high."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from typing import Any

from sensorium.errors import FormatError

from . import options
from .output import Output

SPEECH, ACTIVITY, PITCH = "whisper-tiny.en", "silero-vad", "crepe_tiny"


def add(commands: Any) -> None:
    """The arguments of the three commands."""
    transcribe = _command(commands, "transcribe", "write down what is said", SPEECH, run_transcribe)
    transcribe.add_argument("--srt", action="store_true", help="print subtitles (SubRip)")
    transcribe.add_argument("--language", metavar="L", help="such as de, for multilingual models")
    transcribe.add_argument(
        "--beams", type=options.positive, default=1, metavar="N", help="width of the search (1)"
    )
    vad = _command(commands, "vad", "find where somebody speaks", ACTIVITY, run_vad)
    vad.add_argument(
        "--threshold", type=float, default=0.5, metavar="P", help="probability of speech (0.5)"
    )
    pitch = _command(commands, "pitch", "follow the pitch of a voice", PITCH, run_pitch)
    pitch.add_argument("--plot", metavar="PNG", help="draw it; for one file")
    pitch.add_argument(
        "--hop", type=float, default=0.01, metavar="S", help="seconds between two values (0.01)"
    )


def _command(
    commands: Any, name: str, what: str, model: str, run: Callable[..., int]
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=f"{what} in recordings", description=f"{what.capitalize()} in recordings."
    )
    parser.add_argument("paths", nargs="+", metavar="FILE", help="wav, flac, ogg, mp3 ...")
    options.model(parser, model)
    options.device(parser)
    options.common(parser)
    parser.set_defaults(run=run)
    return parser


def _each(
    args: argparse.Namespace, out: Output, one: Callable[[Any, str], dict[str, Any]]
) -> tuple[int, list[dict[str, Any]]]:
    """The result for every file with the path, or what is wrong with it; 1 if a file was wrong."""
    from sensorium import hub

    pipe: Any = hub.pipeline(args.model, device=args.device)
    found = []
    for path in args.paths:
        began = time.perf_counter()
        try:
            result = one(pipe, path)
        except (FormatError, OSError) as error:
            result = {"error": " ".join(str(error).split())}
            out.note(f"sensorium: error: {result['error']}")
        seconds = round(time.perf_counter() - began, 4)
        found.append({"path": path, **result, "seconds": seconds})
    card = pipe.model.card
    facts = {"model": card.name, "weights": card.weights[0].name, "device": args.device or "cpu"}
    out.document(facts | {"recordings": found})
    return int(any("error" in row for row in found)), found


def _heading(args: argparse.Namespace, path: str, out: Output) -> None:
    if len(args.paths) > 1:
        out.line(f"{path}:")


# -- transcribe ----------------------------------------------------------------------------------
def run_transcribe(args: argparse.Namespace, out: Output) -> int:
    """The text of every recording, or its subtitles."""

    def one(pipe: Any, path: str) -> dict[str, Any]:
        found = pipe(path, timestamps=args.srt, language=args.language, num_beams=args.beams)
        segments = [segment._asdict() for segment in found.segments]
        _heading(args, path, out)
        out.lines(_subtitles(segments) if args.srt else [found.text])
        return {"text": found.text, "segments": segments, "duration": round(found.duration, 4)}

    return _each(args, out, one)[0]


def _subtitles(segments: Iterable[dict[str, Any]]) -> list[str]:
    """SubRip: a number, from when to when, the text, an empty line."""
    lines = []
    for n, segment in enumerate(segments, 1):
        span = f"{clock(segment['start'])} --> {clock(segment['end'])}"
        lines += [str(n), span, segment["text"], ""]
    return lines


def clock(seconds: float) -> str:
    """A time as SubRip writes it.

    >>> clock(3661.5)
    '01:01:01,500'
    """
    minutes, milliseconds = divmod(round(seconds * 1000), 60_000)
    rest, thousandths = divmod(milliseconds, 1000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest:02},{thousandths:03}"


# -- vad -----------------------------------------------------------------------------------------
def run_vad(args: argparse.Namespace, out: Output) -> int:
    """A line for every stretch of speech."""

    def one(pipe: Any, path: str) -> dict[str, Any]:
        spans = pipe(path, threshold=args.threshold)
        _heading(args, path, out)
        for span in spans:
            out.line(f"{span.start:9.2f} s  {span.end:9.2f} s  {span.end - span.start:7.2f} s")
        if not spans:
            out.line("nobody speaks")
        return {"speech": [span._asdict() for span in spans]}

    return _each(args, out, one)[0]


# -- pitch ---------------------------------------------------------------------------------------
def run_pitch(args: argparse.Namespace, out: Output) -> int:
    """Time, frequency and periodicity in columns; with --plot a picture."""
    if args.plot and len(args.paths) > 1:
        out.note("sensorium: error: --plot draws one recording, several are given")
        return 2

    def one(pipe: Any, path: str) -> dict[str, Any]:
        track = pipe(path, hop=args.hop)
        _heading(args, path, out)
        columns = [values.tolist() for values in track]
        out.lines(f"{t:9.3f} s  {f:8.2f} Hz  {p:5.2f}" for t, f, p in zip(*columns))
        if args.plot:
            from .pitch_plot import plot

            plot(track, args.plot)
            out.note(f"drawn to {args.plot}")
        names = ("time", "frequency", "periodicity")
        return {name: [round(v, 4) for v in column] for name, column in zip(names, columns)}

    return _each(args, out, one)[0]
