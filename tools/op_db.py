"""PyTorch's operator database run against sensorium.

    python tools/op_db.py [--only GLOB ...] [--dtypes NAME ...] [--jobs N] [--json FILE]
        [--variants] [--second] [--quiet]

The yardstick is ``torch.testing._internal.common_methods_invocations.op_db``: operators with their
sample inputs, inputs that must be refused, and which element types and gradients they support. An
entry passes when, for every sample of every type (float32, float64, int64, bool, complex128 as
PyTorch supports them), structure, shape, type and value are PyTorch's; when every refused input is
refused; and when on float64 the gradient for random cotangents agrees within 1e-8. The function is
the one of the same dotted path; a method only where PyTorch has no function. Entries that cannot
apply are in ``ASIDE``, each with its reason. How two results are compared: ``op_db_compare.py``.
Methods, in-place and ``out=`` forms (``--variants``: ``op_db_variants.py``) are counted apart.
Second derivatives (``--second``) join the checks when asked for.
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
from itertools import repeat
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple

import op_db_compare as compare
import op_db_gradient as gradient
import op_db_variants as variants
import torch
from op_db_compare import Mismatch
from torch_twin import OURS, MissingName, Seeded, rebuilt, resolved, rewritable, to_ours, to_torch

import sensorium as sn

DTYPES = ("float32", "float64", "int64", "bool", "complex128")
SECONDS = 60
"""What one entry may take, PyTorch's part included."""

PRIVATE = "the name begins with an underscore: no public operator"
JITERATOR = "jiterator: compiles CUDA source"
SPARSE = "sparse storage"
STRIDED = "strided storage internals: what lies behind a tensor's elements"
ATEN = "only in torch.ops.aten: no public Python name"
ASIDE = {
    "_chunk_cat": PRIVATE,
    "_softmax_backward_data": PRIVATE,
    "_native_batch_norm_legit": PRIVATE,
    "_batch_norm_with_update": PRIVATE,
    "_upsample_bilinear2d_aa": PRIVATE,
    "_unsafe_masked_index": PRIVATE,
    "_unsafe_masked_index_put_accumulate": PRIVATE,
    "_segment_reduce": PRIVATE,
    "torch._scaled_mm": PRIVATE,
    "torch._scaled_mm_v2": PRIVATE,
    "torch.ops.aten._safe_softmax.default": PRIVATE,
    "torch.ops.aten._flash_attention_forward": PRIVATE,
    "torch.ops.aten._efficient_attention_forward": PRIVATE,
    "jiterator_unary": JITERATOR,
    "jiterator_binary": JITERATOR,
    "jiterator_4inputs_with_extra_args": JITERATOR,
    "jiterator_binary_return_by_ref": JITERATOR,
    "jiterator_2inputs_2outputs": JITERATOR,
    "sparse.sampled_addmm": SPARSE,
    "sparse.mm": SPARSE,
    "to_sparse": SPARSE,
    "as_strided": STRIDED,
    "as_strided_copy": STRIDED,
    "as_strided_scatter": STRIDED,
    "empty_strided": STRIDED,
    "new_empty_strided": STRIDED,
    "empty_permuted": STRIDED,
    "resize_": STRIDED,
    "resize_as_": STRIDED,
    "slice": ATEN,
    "native_dropout_backward": ATEN,
    "max_pool2d_with_indices_backward": ATEN,
}
NO_TYPE = "defined for none of the five types on a CPU"


class Plan(NamedTuple):
    """What to check of every entry."""

    dtypes: tuple[str, ...] = DTYPES
    variants: bool = False
    second: bool = False


class TimeLimit(BaseException):
    """An entry took too long."""


# -- one operator --------------------------------------------------------------------------------
class Case:
    """An entry of the database with PyTorch's function and ours."""

    def __init__(self, op: Any) -> None:
        self.op = op
        self.seeds = Seeded(torch), Seeded(sn)
        self.seeded = isinstance(op.op, FunctionType) and (
            "wrapper_set_seed" in op.op.__code__.co_names
        )
        self.theirs = rebuilt(op.op, torch, self.seeds[0]) if self.seeded else op.op
        self.foreign: list[str] = []  # errors that are none of sensorium's own

    @property
    def dtypes(self) -> list[str]:
        """The types of ours that PyTorch supports here."""
        known = self.op.supported_dtypes("cpu")
        return [name for name in DTYPES if getattr(torch, name) in known]

    def find(self) -> None:
        """Look our function up; MissingName if there is none."""
        op = self.op
        if rewritable(op.op):
            self.ours = rebuilt(op.op, OURS, self.seeds[1])
        elif op.name.startswith("__") or not callable(attribute(torch, op.name)):
            self.ours = resolved(f"Tensor.{op.name}")
        else:
            self.ours = resolved(op.name)

    def seed(self, seed: int) -> None:
        """Draw other numbers from now on."""
        for seeded in self.seeds:
            seeded.seed = seed

    def call(self, ours: bool, sample: Any) -> Any:
        """One library's result for a sample."""
        copier = to_ours() if ours else to_torch()
        args = copier((sample.input, *sample.args))
        kwargs = copier(dict(sample.kwargs))
        with (sn if ours else torch).no_grad():
            return (self.ours if ours else self.theirs)(*args, **kwargs)


def attribute(value: Any, path: str) -> Any:
    """What a dotted path names, or None."""
    for name in path.split("."):
        value = getattr(value, name, None)
    return value


def guarded(case: Case, sample: Any) -> Any:
    """Our result; whatever it raises is a Mismatch that says so."""
    try:
        return case.call(True, sample)
    except Exception as error:
        raise reason_of(error) from error


def reason_of(error: Exception) -> Mismatch:
    """The mismatch that an exception of our side stands for."""
    if isinstance(error, Mismatch):
        return error
    if isinstance(error, MissingName):
        return Mismatch("missing name", str(error))
    if isinstance(error, AttributeError) and isinstance(error.obj, (sn.Tensor, type)):
        return Mismatch("missing name", f"Tensor.{error.name}")
    return Mismatch("raises", f"{type(error).__name__}: {error}")


# -- the checks ----------------------------------------------------------------------------------
def check_samples(case: Case, dtype: str, tally: Counter[str]) -> None:
    """Structure, shape, type and value of every sample."""
    for sample in case.op.sample_inputs("cpu", getattr(torch, dtype), requires_grad=False):
        try:
            wanted = case.call(False, sample)
        except Exception:  # noqa: BLE001  (whatever it is, there is nothing to compare with)
            tally["samples PyTorch refuses"] += 1
            continue
        tally["samples"] += 1
        try:
            compare.check(case, sample, guarded(case, sample), wanted)
        except Mismatch as mismatch:
            raise mismatch.at(sample.summary()) from mismatch


def check_errors(case: Case, tally: Counter[str]) -> None:
    """Every input that PyTorch refuses is refused."""
    if case.op.error_inputs_func is None:
        return
    for refused in case.op.error_inputs("cpu"):
        sample = refused.sample_input
        try:
            case.call(False, sample)
        except Exception as error:  # noqa: BLE001  (any refusal will do)
            wanted = f"{type(error).__name__}: {error}"
        else:
            continue  # refused on other devices, or by other checks, only
        try:
            found = case.call(True, sample)
        except MissingName:
            tally["error inputs of types that are not here"] += 1
        except Exception as error:  # noqa: BLE001  (any refusal will do; foreign ones are noted)
            tally["error inputs"] += 1
            if not isinstance(error, (sn.errors.SensoriumError, TypeError)):
                case.foreign.append(f"{type(error).__name__}: {error}"[:200])
        else:
            detail = f"{sample.summary()} gave {compare.short(found)}; PyTorch: {wanted[:160]}"
            raise Mismatch("no error", detail)


def check_gradients(case: Case, tally: Counter[str]) -> None:
    """The gradient on float64 for random cotangents."""
    for sample in case.op.sample_inputs("cpu", torch.float64, requires_grad=True):
        try:
            gradient.check(case, sample, tally)
        except Exception as error:
            raise reason_of(error).under("gradient").at(sample.summary()) from error


def check_second(case: Case, tally: Counter[str]) -> None:
    """The second derivatives on float64."""
    for sample in case.op.sample_inputs("cpu", torch.float64, requires_grad=True):
        try:
            gradient.check_second(case, sample, tally)
        except Exception as error:
            raise reason_of(error).under("second").at(sample.summary()) from error


def checks_of(case: Case, plan: Plan) -> Iterator[tuple[str, Any, tuple[Any, ...]]]:
    """(name, check, arguments) of everything an entry must pass."""
    for dtype in case.dtypes:
        if dtype in plan.dtypes:
            yield dtype, check_samples, (case, dtype)
    yield "errors", check_errors, (case,)
    if case.op.supports_autograd and "float64" in {*plan.dtypes} & {*case.dtypes}:
        yield "gradient", check_gradients, (case,)
        if plan.second and case.op.supports_gradgrad and not case.seeded:
            yield "second", check_second, (case,)


def failures(case: Case, plan: Plan, tally: Counter[str]) -> Iterator[tuple[str, list[str]]]:
    """(check, [kind, detail]) of every check that fails; nothing is checked without a function."""
    try:
        case.find()
    except MissingName as missing:
        yield "name", ["missing name", str(missing)]
        return
    for name, check, args in checks_of(case, plan):
        try:
            check(*args, tally)
        except Mismatch as mismatch:
            yield name, [mismatch.kind, mismatch.detail]
            if mismatch.kind == "missing name":
                return
        except Exception as error:  # noqa: BLE001  (one entry must not end the run)
            yield name, ["harness", f"{type(error).__name__}: {error}"]


def run_entry(index: int, plan: Plan) -> dict[str, Any]:
    """One entry: its status, the first reason against it, and every check that failed."""
    case = Case(database()[index])
    entry: dict[str, Any] = {"name": case.op.name, "variant": case.op.variant_test_name}
    aside = ASIDE.get(case.op.name) or (None if case.dtypes else NO_TYPE)
    if aside:
        return entry | {"status": "aside", "reason": aside, "detail": ""}
    tally: Counter[str] = Counter()
    failed: dict[str, list[str]] = {}
    start = time.perf_counter()
    try:
        with warnings.catch_warnings(), time_limit():
            warnings.simplefilter("ignore")
            for name, why in failures(case, plan, tally):
                failed[name] = why
            if plan.variants and "name" not in failed:
                entry["forms"] = variants.check(case)
    except TimeLimit:
        failed["time"] = ["time limit", f"more than {SECONDS} s"]
    reason, detail = next(iter(failed.values()), ["", ""])
    entry |= {"status": "fail" if failed else "pass", "reason": reason, "detail": detail}
    seconds = round(time.perf_counter() - start, 2)
    return entry | {
        "failed": failed,
        "seconds": seconds,
        "tally": dict(tally),
        "foreign": case.foreign,
    }


class time_limit:
    """Raises TimeLimit after ``SECONDS`` (where the system has alarm signals)."""

    def __enter__(self) -> None:
        signal.signal(signal.SIGALRM, self.stop)
        signal.setitimer(signal.ITIMER_REAL, SECONDS)

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)

    @staticmethod
    def stop(*_: Any) -> None:
        """The alarm."""
        raise TimeLimit


# -- the database, and the report ----------------------------------------------------------------
@cache
def database() -> list[Any]:
    """The entries, loaded once a process."""
    from torch.testing._internal.common_methods_invocations import op_db

    torch.set_num_threads(1)
    return op_db


def run(only: Sequence[str], plan: Plan, jobs: int) -> list[dict[str, Any]]:
    """Every entry whose name matches one of the patterns."""
    chosen = [
        i for i, op in enumerate(database()) if any(fnmatch(op.name, p) for p in only or ["*"])
    ]
    if jobs == 1:
        return [run_entry(i, plan) for i in chosen]
    with ProcessPoolExecutor(jobs) as pool:
        return list(pool.map(run_entry, chosen, repeat(plan), chunksize=4))


def report(entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Counts by status and reason, and the share that passes of those not set aside."""
    status = Counter(e["status"] for e in entries)
    counted = len(entries) - status["aside"]
    reasons = Counter(e["reason"] for e in entries if e["status"] == "fail")
    tally: Counter[str] = sum((Counter(e.get("tally", {})) for e in entries), Counter())
    return {
        "torch": torch.__version__,
        "entries": len(entries),
        "aside": status["aside"],
        "counted": counted,
        "pass": status["pass"],
        "percent": round(100 * status["pass"] / max(counted, 1), 2),
        "reasons": dict(reasons.most_common()),
        "forms": forms_of(entries),
        "tally": dict(tally) | {"foreign errors": sum(len(e.get("foreign", ())) for e in entries)},
    }


def forms_of(entries: Sequence[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """form -> reason -> how many entries; the reason is "pass" where there is none."""
    counts: dict[str, Counter[str]] = {}
    for e in entries:
        for form, failed in e.get("forms", {}).items():
            counts.setdefault(form, Counter())[failed[0] if failed else "pass"] += 1
    return {form: dict(count.most_common()) for form, count in counts.items()}


def show(summary: dict[str, Any], entries: Sequence[dict[str, Any]], details: bool) -> None:
    """Print the figures; with details, every entry that fails."""
    for e in entries:
        if details and e["status"] == "fail":
            name = f"{e['name']} {e['variant']}".strip()
            for check, (kind, detail) in e["failed"].items():
                print(f"{name:40s} {check:10s} {kind:14s} {detail[:400]}")
    counted, share = summary["counted"], summary["percent"]
    print(f"op_db {summary['torch']}: {summary['pass']} of {counted} pass, {share}%")
    print(f"set aside: {summary['aside']} of {summary['entries']}")
    for reason, count in summary["reasons"].items():
        print(f"  {reason:16s} {count:4d}  {100 * count / max(counted, 1):5.1f}%")
    for form, counts in summary["forms"].items():
        print(f"{form}: " + ", ".join(f"{count} {reason}" for reason, count in counts.items()))
    print("; ".join(f"{count} {name}" for name, count in summary["tally"].items()))


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description="PyTorch's operator database against sensorium.")
    parser.add_argument("--only", nargs="*", default=[], metavar="GLOB")
    parser.add_argument("--dtypes", nargs="*", default=DTYPES, choices=DTYPES)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--variants", action="store_true")
    parser.add_argument("--second", action="store_true")
    parser.add_argument("--quiet", action="store_true")
    options = parser.parse_args()
    start = time.perf_counter()
    plan = Plan(tuple(options.dtypes), options.variants, options.second)
    entries = run(options.only, plan, options.jobs)
    summary = report(entries) | {"dtypes": list(options.dtypes)}
    summary["seconds"] = round(time.perf_counter() - start, 1)
    show(summary, entries, not options.quiet)
    if options.json:
        options.json.write_text(json.dumps({"summary": summary, "entries": entries}, indent=1))


if __name__ == "__main__":
    main()
