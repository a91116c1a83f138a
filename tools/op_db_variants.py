"""The other forms of an operator: as a method, in place, with ``out=``.

Each is run on the samples of one type (float64, or the first that PyTorch supports) and compared
with PyTorch's; what is found is counted apart from the operator itself. A sample that PyTorch
refuses in place (one that would have to grow) must be refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import op_db_compare as compare
import torch
from op_db_compare import Mismatch
from torch_twin import OURS, MissingName, Seeded, rebuilt, resolved, rewritable, to_ours, to_torch

import sensorium as sn


def forms(case: Any) -> Iterator[tuple[str, Callable[[Any], None]]]:
    """(name, check of one sample) of the forms that PyTorch has."""
    op = case.op
    if case.seeded or op.has_nondeterministic_output:
        return
    if op.get_method() is not None:
        yield "method", lambda sample: same_result(op, op.get_method(), sample)
    if op.get_inplace() is not None:
        yield "in place", lambda sample: same_result(op, op.get_inplace(), sample)
    if op.supports_out:
        yield "out", lambda sample: same_out(case, sample)


def check(case: Any) -> dict[str, list[str]]:
    """form -> (kind, detail) of what it failed at; nothing where it passed."""
    found: dict[str, list[str]] = {}
    dtype = "float64" if "float64" in case.dtypes else case.dtypes[0]
    for name, one in forms(case):
        found[name] = []
        for sample in case.op.sample_inputs("cpu", getattr(torch, dtype), requires_grad=False):
            try:
                one(sample)
            except Mismatch as mismatch:
                found[name] = [mismatch.kind, mismatch.at(sample.summary()).detail]
                break
    return found


def called(function: Any, sample: Any, ours: bool) -> Any:
    """A function's result on fresh arguments."""
    copier = to_ours() if ours else to_torch()
    args = copier((sample.input, *sample.args))
    with (sn if ours else torch).no_grad():
        return function(*args, **copier(dict(sample.kwargs)))


def our_form(function: Any) -> Any:
    """Our method for PyTorch's, which is a method or a function of the test package."""
    if rewritable(function):
        return rebuilt(function, OURS, Seeded(sn))
    if isinstance(function, partial):
        return partial(our_form(function.func), *function.args, **function.keywords)
    return resolved(f"Tensor.{function.__name__}")


def same_result(op: Any, function: Any, sample: Any) -> None:
    """Raise Mismatch unless our form gives, or refuses, what PyTorch's does."""
    try:
        ours = our_form(function)
    except MissingName as missing:
        raise Mismatch("missing name", str(missing)) from None
    try:
        wanted = called(function, sample, ours=False)
    except (RuntimeError, TypeError, IndexError):
        return must_refuse(ours, sample)
    try:
        found = called(ours, sample, ours=True)
    except MissingName as missing:
        raise Mismatch("missing name", str(missing)) from None
    except Exception as error:
        raise Mismatch("raises", f"{type(error).__name__}: {error}") from error
    same_values(op, found, wanted)


def must_refuse(ours: Any, sample: Any) -> None:
    """Raise Mismatch if our form takes what PyTorch's refuses."""
    try:
        found = called(ours, sample, ours=True)
    except Exception:  # noqa: BLE001  (any refusal will do)
        return
    raise Mismatch("no error", f"gave {compare.short(found)}")


def same_values(op: Any, found: Any, wanted: Any) -> None:
    """Form, shape, type and value."""
    compare.same_form(found, wanted)
    if op.name in compare.INVARIANT:
        return
    for i, (a, b) in enumerate(zip(compare.flat(found), compare.flat(wanted))):
        if not compare.close(compare.values(a), compare.values(b)):
            raise Mismatch("value", compare.difference(i, compare.values(a), compare.values(b)))


def same_out(case: Any, sample: Any) -> None:
    """``out=`` of the right shape and type receives PyTorch's result."""
    try:
        wanted = case.call(False, sample)
    except (RuntimeError, TypeError):
        return
    results = wanted if isinstance(wanted, (tuple, list)) else [wanted]
    if not results or not all(isinstance(t, torch.Tensor) for t in results):
        return
    outs = [sn.Tensor(np.zeros_like(compare.values(t))) for t in results]
    out = tuple(outs) if isinstance(wanted, (tuple, list)) else outs[0]
    try:
        called(lambda *args, **kwargs: case.ours(*args, out=out, **kwargs), sample, ours=True)
    except MissingName as missing:
        raise Mismatch("missing name", str(missing)) from None
    except Exception as error:
        raise Mismatch("raises", f"{type(error).__name__}: {error}") from error
    same_values(case.op, outs, list(results))
