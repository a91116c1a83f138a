"""``sensorium bench MODEL``: how long a model takes on this machine, and where the time goes.

The weights are random: speed does not depend on them, and nothing is downloaded.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import sensorium
from sensorium.errors import OptionError

from . import options
from .output import Output, size as bytes_text, table

ROWS = 10  # of the profile


def add(commands: Any) -> None:
    """The arguments of ``bench``."""
    text = "time a model with random weights"
    parser: argparse.ArgumentParser = commands.add_parser(
        "bench", help=text, description=f"{text.capitalize()}, and show where the time goes."
    )
    parser.add_argument("model", metavar="MODEL", help="a model's name, such as resnet50")
    parser.add_argument(
        "--batch", type=options.positive, default=1, metavar="N", help="inputs a call (1)"
    )
    parser.add_argument(
        "--size", type=options.positive, metavar="S", help="side of an image, or number of tokens"
    )
    parser.add_argument(
        "--threads", type=options.positive, metavar="N", help="threads (those of `doctor`)"
    )
    parser.add_argument(
        "--runs", type=options.positive, default=10, metavar="N", help="calls that are timed (10)"
    )
    parser.add_argument(
        "--train", action="store_true", help="forward, backward and an SGD step instead"
    )
    parser.add_argument(
        "--compile", action="store_true", help="run it as one graph, as sn.compile(model) does"
    )
    parser.add_argument(
        "--precision",
        choices=("float32", "bfloat16"),
        help="what the graph multiplies in (float32)",
    )
    options.common(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, out: Output) -> int:
    """The figures, then a table of operations."""
    from ._subjects import subject

    _check(args)
    found = subject(args.model, args.batch, args.size)
    with _threads(args.threads):
        call = _training(found, args) if args.train else _inference(found, args)
        facts = _facts(args, found) | _timed(call, args, found.items)
        rows = _profiled(call)
    _show(facts, rows, out)
    out.document(facts | {"profile": [_row(row) for row in rows]})
    return 0


def _check(args: argparse.Namespace) -> None:
    """Options that need or exclude each other."""
    if args.precision and not args.compile:
        raise OptionError(f"bench: --precision {args.precision} is a graph's; add --compile")
    if args.precision and args.train:
        raise OptionError(
            f"bench: --precision {args.precision} is for inference; leave --train out"
        )


@contextlib.contextmanager
def _threads(number: int | None) -> Iterator[None]:
    """So many threads inside; as they are for None."""
    if number is None:
        yield
        return
    before = sensorium.get_num_threads()
    sensorium.set_num_threads(number)
    try:
        yield
    finally:
        sensorium.set_num_threads(before)


# -- what is timed -------------------------------------------------------------------------------
def _inference(found: Any, args: argparse.Namespace) -> Callable[[], Any]:
    model = found.model.eval()
    if args.compile:
        model = sensorium.compile(model, precision=args.precision or "float32")

    def call() -> Any:
        with sensorium.inference_mode():
            return model(**found.inputs)

    return call


def _training(found: Any, args: argparse.Namespace) -> Callable[[], Any]:
    """A step towards an output of zeros: as much work as towards anything else."""
    from sensorium import optim
    from sensorium.jit import training_step

    model = found.model.train()
    optimizer = optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)

    def loss(**inputs: Any) -> Any:
        return _output(model(**inputs)).square().mean()

    def call() -> None:
        optimizer.zero_grad()
        loss(**found.inputs).backward()
        optimizer.step()

    if not args.compile:
        return call
    step = training_step(loss, optimizer)
    return lambda: step(**found.inputs)


def _output(result: Any) -> Any:
    """The tensor among what a model returns that its loss would be made of."""
    for name in ("logits", "last_hidden_state"):
        if hasattr(result, name):
            return getattr(result, name)
    return result[0] if isinstance(result, tuple) else result


def _timed(call: Callable[[], Any], args: argparse.Namespace, items: str) -> dict[str, Any]:
    from sensorium.utils.benchmark import Timer

    measured = Timer(call, num_threads=sensorium.get_num_threads()).repeat(args.runs, 1)
    return {
        "ms": round(1e3 * measured.median, 4),
        "ms_iqr": round(1e3 * measured.iqr, 4),
        "ms_each": [round(1e3 * time, 4) for time in measured.times],
        "per_second": round(args.batch / measured.median, 3),
        "items": items,
        "peak_memory": _peak_memory(),
    }


def _peak_memory() -> int | None:
    """The most bytes that this process has had in memory; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


def _profiled(call: Callable[[], Any]) -> Any:
    from sensorium.profiler import profile

    with profile(record_shapes=True) as p:
        call()
    return p.key_averages()


# -- what is said --------------------------------------------------------------------------------
def _facts(args: argparse.Namespace, found: Any) -> dict[str, Any]:
    return {
        "model": args.model,
        "parameters": sum(p.numel() for p in found.model.parameters()),
        "mode": "training" if args.train else "inference",
        "compiled": args.compile,
        "precision": args.precision or "float32",
        "batch": args.batch,
        "size": found.size or None,
        "threads": sensorium.get_num_threads(),
        "runs": args.runs,
    }


def _show(facts: dict[str, Any], rows: Any, out: Output) -> None:
    size = f", size {facts['size']}" if facts["size"] else ""
    threads = f"{facts['threads']} thread{'s' * (facts['threads'] > 1)}"
    how = f" (compiled, {facts['precision']})" if facts["compiled"] else ""
    out.line(
        f"{facts['model']}: {facts['mode']}{how}, batch {facts['batch']}{size}, {threads}, "
        f"{facts['parameters']:,} parameters"
    )
    peak = "unknown" if facts["peak_memory"] is None else bytes_text(facts["peak_memory"])
    runs = f"median of {facts['runs']}, middle half within {facts['ms_iqr']:.2f} ms"
    lines = [
        ["ms per call", f"{facts['ms']:.2f}", f"({runs})"],
        [f"{facts['items']}/s", f"{facts['per_second']:.1f}", ""],
        ["peak memory", peak, "(of the process)"],
    ]
    out.lines(f"  {line}" for line in table(lines, right=[1]))
    out.line()
    out.line(rows.table(sort_by="self_cpu_time_total", row_limit=ROWS, max_name_column_width=40))


def _row(row: Any) -> dict[str, Any]:
    return {
        "name": row.key,
        "calls": row.count,
        "total_us": round(row.cpu_time_total, 3),
        "self_us": round(row.self_cpu_time_total, 3),
        "in_primitives_us": round(row.self_primitive_time_total, 3),
        "primitive": row.primitive,
        "bytes_in": row.bytes_in,
        "bytes_out": row.bytes_out,
    }
