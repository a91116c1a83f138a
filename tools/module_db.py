"""PyTorch's module database run against sensorium.

    python tools/module_db.py [--only GLOB ...] [--jobs N] [--json FILE] [--quiet]

The yardstick is ``torch.testing._internal.common_modules.module_db``: modules with constructor and
forward arguments, and arguments that must be refused. An entry passes when, for every sample, in
training and in evaluation mode, on float32, float64 and complex128 as PyTorch supports them: our
class takes the same arguments; its ``repr``, the names, order, shapes, types and ``requires_grad`` of
its parameters and buffers, and the keys of its state dict are PyTorch's; PyTorch's state loads
strictly, and ours into PyTorch's module; output and buffers afterwards agree (``WITHIN``), on float64
also the gradients by parameters and inputs; pickled and deep copies give the same output; ``half``,
``bfloat16``, ``double`` and ``to`` change what PyTorch's do. Every refused argument must be refused.

No entry is set aside and no sample skipped. None of them draws random numbers: the database has no
dropout layer, and turns dropout off in the others.
"""

from __future__ import annotations

import argparse
import json
import signal
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

import op_db_compare as compare
import torch
from module_db_checks import CHECKS, Pair, to_ours
from op_db import TimeLimit, reason_of, report, time_limit
from op_db_compare import Mismatch
from torch_twin import Copier, MissingName, resolved, to_torch

import sensorium as sn

DTYPES = ("float32", "float64", "complex128")
SECONDS = 300
"""What one entry may take: the largest has 2000 samples."""


# -- one entry -------------------------------------------------------------------------------------
def samples(info: Any, dtype: str, training: bool) -> list[Any]:
    """The database's samples; the same numbers every time."""
    torch.manual_seed(0)
    kind = getattr(torch, dtype)
    wanted = {"device": "cpu", "dtype": kind, "requires_grad": True, "training": training}
    return list(info.module_inputs_func(info, **wanted))


def pairs(info: Any, tally: Counter[str]) -> Iterator[tuple[str, Any]]:
    """(where, pair or the error that making it raised) for every type, mode and sample."""
    for dtype in DTYPES:
        if getattr(torch, dtype) not in info.dtypes:
            continue
        for training in (True, False):
            for i, sample in enumerate(samples(info, dtype, training)):
                tally["samples"] += 1
                where = f"{dtype} {'train' if training else 'eval'} sample {i} {sample.desc}"
                try:
                    yield where, Pair(info, sample, dtype, training)
                except Exception as error:  # noqa: BLE001  (a failure of the entry)
                    yield where, error


def failures(info: Any, tally: Counter[str]) -> Iterator[tuple[str, Mismatch]]:
    """(check, mismatch) for everything that fails."""
    for where, pair in pairs(info, tally):
        if not isinstance(pair, Pair):
            yield "construct", reason_of(pair).at(where)
            continue
        for name, check in CHECKS.items():
            try:
                check(pair)
                tally[name] += 1
            except Exception as error:  # noqa: BLE001  (likewise)
                yield name, reason_of(error).at(f"{where}: {described(pair)}")
    yield from refusals(info, tally)


def described(pair: Pair) -> str:
    """The constructor's arguments in short."""
    given = pair.sample.constructor_input
    parts = [*map(compare.short, given.args)]
    return ", ".join([*parts, *(f"{k}={compare.short(v)}" for k, v in given.kwargs.items())])


def refusals(info: Any, tally: Counter[str]) -> Iterator[tuple[str, Mismatch]]:
    """Arguments that PyTorch refuses and we take."""
    if info.module_error_inputs_func is None:
        return
    wanted = {"device": "cpu", "dtype": torch.float64, "requires_grad": False}
    for refused in info.module_error_inputs_func(info, training=True, **wanted):
        sample = refused.module_error_input
        called = refused.error_on.name == "FORWARD_ERROR"
        try:
            attempt(info.module_cls, sample, to_torch(), called)
            continue  # refused on other devices only
        except Exception as error:  # noqa: BLE001  (any refusal will do)
            theirs = f"{type(error).__name__}: {error}"
        try:
            attempt(resolved(info.name), sample, to_ours(), called)
        except MissingName:
            tally["error inputs of types that are not here"] += 1
        except Exception as error:  # noqa: BLE001  (any refusal will do; foreign ones are noted)
            tally["error inputs"] += 1
            if not isinstance(error, (sn.errors.SensoriumError, TypeError)):
                tally["foreign errors"] += 1
        else:
            given = sample.constructor_input
            yield "errors", Mismatch("no error", f"{given.args} {given.kwargs}; {theirs[:160]}")


def attempt(cls: Any, sample: Any, copier: Copier, called: bool) -> None:
    """Make the module in float64, and call it if that is what is refused."""
    given, forward = sample.constructor_input, sample.forward_input
    module = cls(*copier(given.args), **copier(given.kwargs)).double()
    if called:
        module(*copier(forward.args), **copier(forward.kwargs))


class patient(time_limit):
    """``time_limit`` of this file's ``SECONDS``."""

    def __enter__(self) -> None:
        super().__enter__()
        signal.setitimer(signal.ITIMER_REAL, SECONDS)


def run_entry(index: int) -> dict[str, Any]:
    """One entry: its status, the first reason against it, and every check that failed."""
    info = database()[index]
    tally: Counter[str] = Counter()
    failed: dict[str, list[str]] = {}
    start = time.perf_counter()
    try:
        with warnings.catch_warnings(), patient():
            warnings.simplefilter("ignore")
            resolved(info.name)
            for check, mismatch in failures(info, tally):
                failed.setdefault(check, [mismatch.kind, mismatch.detail])
    except MissingName as missing:
        failed["name"] = ["missing name", str(missing)]
    except TimeLimit:
        failed["time"] = ["time limit", "too slow"]
    reason, detail = next(iter(failed.values()), ["", ""])
    return {
        "name": info.name,
        "status": "fail" if failed else "pass",
        "reason": reason,
        "detail": detail,
        "failed": failed,
        "seconds": round(time.perf_counter() - start, 2),
        "tally": dict(tally),
    }


# -- the database, and the report ------------------------------------------------------------------
@cache
def database() -> list[Any]:
    """The entries, loaded once a process."""
    from torch.testing._internal.common_modules import module_db

    torch.set_num_threads(1)
    return module_db


def run(only: Sequence[str], jobs: int) -> list[dict[str, Any]]:
    """Every entry whose name matches one of the patterns."""
    chosen = [
        i for i, info in enumerate(database()) if any(fnmatch(info.name, p) for p in only or ["*"])
    ]
    if jobs == 1:
        return [run_entry(i) for i in chosen]
    with ProcessPoolExecutor(jobs) as pool:
        return list(pool.map(run_entry, chosen, chunksize=2))


def show(summary: dict[str, Any], entries: Sequence[dict[str, Any]], details: bool) -> None:
    """Print the figures; with details, every entry that fails."""
    for e in entries if details else ():
        for check, (kind, detail) in e["failed"].items():
            print(f"{e['name']:28s} {check:10s} {kind:14s} {detail[:400]}")
    share = summary["percent"]
    print(f"module_db {summary['torch']}: {summary['pass']} of {summary['counted']} pass, {share}%")
    for reason, count in summary["reasons"].items():
        print(f"  {reason:16s} {count:4d}")
    print("; ".join(f"{count} {name}" for name, count in summary["tally"].items()))


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description="PyTorch's module database against sensorium.")
    parser.add_argument("--only", nargs="*", default=[], metavar="GLOB")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quiet", action="store_true")
    options = parser.parse_args()
    entries = run(options.only, options.jobs)
    summary = report(entries)
    show(summary, entries, not options.quiet)
    if options.json:
        options.json.write_text(json.dumps({"summary": summary, "entries": entries}, indent=1))


if __name__ == "__main__":
    main()
