"""How a result of ours is compared with PyTorch's.

Structure (tensor, number, tuple and its field names), shape, element type, then values: integers
and bools exactly, floats within ``TOLERANCE`` (that of ``torch.testing.assert_close``). Where the
two differ by more in float32, ours may be ``SPREAD`` times as far from the value computed in
float64 as PyTorch's is. Left free: what no seed can make equal (``drawn``: then the distributions
are compared), the memory that ``empty`` returns, sign, phase and order of eigenvectors
(``INVARIANT``), and which of several equal elements is picked where PyTorch leaves that open
(``DIM``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch_twin import array_of, name_of

import sensorium as sn

TOLERANCE = {  # relative, absolute
    "float16": (1e-3, 1e-5),
    "bfloat16": (1.6e-2, 1e-5),
    "float32": (1.3e-6, 1e-5),
    "complex64": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7),
    "complex128": (1e-7, 1e-7),
}
SPREAD = 4
"""Errors of one order: what other sums and other exponentials leave in float32."""
SEEDS = 64
FARTHEST = 0.3
"""Distance of two distribution functions over 64 draws that chance exceeds once in 200 cases."""


class Mismatch(Exception):
    """A difference: its kind and what is known about it."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind, self.detail = kind, detail

    def at(self, where: str) -> Mismatch:
        """The same with the sample it was found on."""
        return Mismatch(self.kind, f"{self.detail} | {where[:400]}")

    def under(self, kind: str) -> Mismatch:
        """The same, counted under another kind; missing names stay what they are."""
        if self.kind in (kind, "missing name"):
            return self
        return Mismatch(kind, f"{self.kind}: {self.detail}")


# -- what a factorisation leaves free -----------------------------------------------------------
def _adjoint(a: np.ndarray) -> np.ndarray:
    return np.conj(np.swapaxes(a, -1, -2))


def _svd(u: Any, s: Any, v: Any) -> list[Any]:
    k = s.shape[-1]
    return [s, (u[..., :k] * s[..., None, :]) @ _adjoint(v[..., :k]), _adjoint(u) @ u]


def _eigh(w: Any, v: Any) -> list[Any]:
    return [w, (v * w[..., None, :]) @ _adjoint(v), _adjoint(v) @ v]


def order(w: np.ndarray) -> np.ndarray:
    """Places of the eigenvalues from left to right, conjugates from below."""
    return np.lexsort((w.imag.round(6), w.real.round(6)), axis=-1)


def _sorted(w: Any) -> list[Any]:
    return [np.take_along_axis(w, order(w), -1)]


def _eig(w: Any, v: Any) -> list[Any]:
    whole = (v * w[..., None, :]) @ np.linalg.inv(v) if v.size else v
    return [*_sorted(w), whole, np.linalg.norm(v, axis=-2)]


INVARIANT: dict[str, Callable[..., list[Any]]] = {
    "svd": _svd,
    "svd_lowrank": _svd,
    "pca_lowrank": _svd,
    "linalg.svd": lambda u, s, vh: _svd(u, s, _adjoint(vh)),
    "linalg.eigh": _eigh,
    "linalg.eig": _eig,
    "linalg.eigvals": _sorted,
}


DIM = {"sort": 0, "argsort": 0, "topk": 1, "kthvalue": 1, "median": 0, "nanmedian": 0, "mode": 0}
"""Where ``dim`` stands among the arguments of the operators that may pick any of equal elements."""


def tied(case: Any, sample: Any, found: Any, wanted: Any) -> bool:
    """Whether two results are indices of equal elements, where PyTorch promises no order."""
    name, options = case.op.name, sample.kwargs
    a, b, x = map(np.atleast_1d, map(values, (found, wanted, sample.input)))
    if name not in DIM or options.get("stable") or a.dtype != np.int64:
        return False
    place = DIM[name]
    dim = options.get("dim", sample.args[place] if len(sample.args) > place else -1)
    if a.ndim < x.ndim:
        a, b = np.expand_dims(a, dim), np.expand_dims(b, dim)
    if a.size and not (a.min() >= 0 and a.max() < x.shape[dim]):
        return False
    distinct = not (np.diff(np.sort(a, dim), axis=dim) == 0).any()
    return distinct and close(*(np.take_along_axis(x, i, dim) for i in (a, b)))


def determined(case: Any, result: Any) -> list[Any]:
    """The parts of a result, without what is left free."""
    parts = flat(result)
    reduce = INVARIANT.get(case.op.name)
    return reduce(*map(values, parts)) if reduce else parts


# -- comparing -----------------------------------------------------------------------------------
def check(case: Any, sample: Any, found: Any, wanted: Any) -> None:
    """Raise Mismatch unless found is what PyTorch gave."""
    same_form(found, wanted)
    if case.op.has_nondeterministic_output:
        return  # memory that nobody has written to
    if case.seeded and drawn(case, sample, wanted):
        return same_distribution(case, sample)
    for i, (a, b) in enumerate(zip(determined(case, found), determined(case, wanted))):
        if not (
            close(values(a), values(b))
            or tied(case, sample, a, b)
            or as_exact(case, sample, i, a, b)
        ):
            raise Mismatch("value", difference(i, values(a), values(b)))


def same_form(found: Any, wanted: Any, where: str = "the result") -> None:
    """The same kind of value, tensors of the same shape and type."""
    if isinstance(wanted, torch.Tensor):
        if not isinstance(found, sn.Tensor):
            raise Mismatch("structure", f"{where} is a {type(found).__name__}, want a Tensor")
        if tuple(found.shape) != tuple(wanted.shape):
            raise Mismatch("shape", f"{where}: {tuple(found.shape)}, want {tuple(wanted.shape)}")
        if str(found.dtype) != name_of(wanted.dtype):
            raise Mismatch("dtype", f"{where}: {found.dtype}, want {name_of(wanted.dtype)}")
    elif isinstance(wanted, (tuple, list)):
        if not isinstance(found, (tuple, list)) or len(found) != len(wanted):
            raise Mismatch("structure", f"{where}: {short(found)}, want {len(wanted)} parts")
        absent = [n for n in fields(wanted) if not hasattr(found, n)]
        if absent:
            raise Mismatch("structure", f"{where} has no field {', '.join(absent)}")
        for i, (a, b) in enumerate(zip(found, wanted)):
            same_form(a, b, f"{where}[{i}]")
    elif type(wanted) is not type(found):
        raise Mismatch("structure", f"{where}: {short(found)}, want {short(wanted)}")


def fields(value: Any) -> list[str]:
    """The names under which a named tuple of PyTorch holds its parts."""
    if type(value).__module__ != "torch.return_types":
        return []
    return list(type(value).__match_args__)


def flat(value: Any) -> list[Any]:
    """The tensors and numbers of a nest, in order."""
    if isinstance(value, (tuple, list)):
        return [leaf for v in value for leaf in flat(v)]
    return [value]


def values(value: Any) -> np.ndarray:
    """The elements, whichever library holds them."""
    if isinstance(value, torch.Tensor):
        return array_of(value)
    return np.asarray(value.array if isinstance(value, sn.Tensor) else value)


def close(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays agree; NaN equals NaN, and one complex infinity another."""
    if a.dtype.kind in "biuOU" or b.dtype.kind in "biuOU":
        return bool(np.array_equal(a, b))
    relative, absolute = TOLERANCE.get(str(a.dtype), (1e-7, 1e-7))
    if a.dtype.kind not in "fc":
        a, b = a.astype(np.float32), b.astype(np.float32)
    with np.errstate(all="ignore"):
        near = np.abs(a - b) <= absolute + relative * np.abs(b)
        odd = (a == b) | (np.isnan(a) & np.isnan(b))
        if a.dtype.kind == "c":
            odd |= ~np.isfinite(a) & ~np.isfinite(b)
    finite = np.isfinite(b)
    return bool(np.where(finite, near, odd).all())


def as_exact(case: Any, sample: Any, i: int, found: Any, wanted: Any) -> bool:
    """Whether a float32 result is about as near as PyTorch's to the one computed in float64."""
    if not isinstance(wanted, torch.Tensor) or wanted.dtype is not torch.float32:
        return False
    try:
        precise = sample.transform(_widened)
        truth = values(flat(case.call(False, precise))[i]).astype(np.float64)
    except Exception:  # noqa: BLE001  (PyTorch has no such operation in float64)
        return False
    ours, theirs = (np.asarray(values(v), np.float64) for v in (found, wanted))
    if not (np.isfinite(ours) == np.isfinite(theirs)).all() or truth.shape != ours.shape:
        return False
    known = np.isfinite(theirs) & np.isfinite(truth)
    limit = SPREAD * np.abs(theirs - truth)[known].max(initial=0)
    return bool((np.abs(ours - truth)[known] <= limit).all())


def _widened(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.double() if value.dtype is torch.float32 else value
    return torch.float64 if value is torch.float32 else value


# -- random numbers ------------------------------------------------------------------------------
def drawn(case: Any, sample: Any, wanted: Any) -> bool:
    """Whether PyTorch's own result for this sample depends on the seed."""
    try:
        for seed in range(43, 47):  # with few possible results, two seeds may give the same
            case.seed(seed)
            other = case.call(False, sample)
            pairs = zip(determined(case, other), determined(case, wanted))
            if not all(close(values(a), values(b)) for a, b in pairs):
                return True
    finally:
        case.seed(42)
    return False


def same_distribution(case: Any, sample: Any) -> None:
    """The same seed gives the same numbers, and the numbers follow PyTorch's distribution."""
    once, again = (flat(case.call(True, sample)) for _ in range(2))
    if not all(np.array_equal(values(a), values(b), equal_nan=True) for a, b in zip(once, again)):
        raise Mismatch("value", "two calls after one seed differ")
    ours, theirs = (np.sort(pooled(case, sample, side)) for side in (True, False))
    farthest = max(excess(ours, theirs), excess(theirs, ours))
    if farthest > FARTHEST:
        raise Mismatch("value", f"another distribution: {farthest:.2f} apart over {SEEDS} seeds")


def excess(a: np.ndarray, b: np.ndarray) -> float:
    """How far the distribution function of a rises above that of b, roundings apart."""
    slack = 1e-5 * (1 + np.abs(a))
    below = np.searchsorted(a, a, "right") / len(a)
    return float((below - np.searchsorted(b, a + slack, "right") / len(b)).max())


def pooled(case: Any, sample: Any, ours: bool) -> np.ndarray:
    """The first result's elements over many seeds."""
    draws = []
    for seed in range(SEEDS):
        case.seed(seed)
        draws.append(values(determined(case, case.call(ours, sample))[0]).ravel())
    case.seed(42)
    numbers = np.concatenate(draws)
    if numbers.dtype.kind == "c":
        numbers = np.concatenate([numbers.real, numbers.imag])
    return numbers.astype(np.float64)


# -- words ---------------------------------------------------------------------------------------
def short(value: Any) -> str:
    """A result in a few words."""
    if isinstance(value, (sn.Tensor, torch.Tensor)):
        return f"a {name_of(value.dtype)} tensor of shape {tuple(value.shape)}"
    if isinstance(value, (tuple, list)):
        return f"{len(value)} parts"
    return f"{type(value).__name__} {str(value)[:40]}"


def difference(i: int, a: np.ndarray, b: np.ndarray) -> str:
    """How many elements differ, and the first that does."""
    if a.shape != b.shape or not a.size:
        return f"output {i}: {a} is not {b}"
    same = np.array([close(x, y) for x, y in zip(a.ravel(), b.ravel())])
    if same.all():
        return f"output {i} differs"
    first = int(np.flatnonzero(~same)[0])
    place = tuple(int(k) for k in np.unravel_index(first, a.shape))
    return (
        f"output {i}: {(~same).sum()} of {a.size} differ; at {place} "
        f"{a.ravel()[first]!r}, want {b.ravel()[first]!r}"
    )
