"""Connectionist temporal classification: the loss of labels whose places in time are not known.

Follows Graves et al., "Connectionist temporal classification" (2006). The labels of a sample become
S = 2 L + 1 states: a blank before, between and after them. A path stays in its state, moves to the
next or skips a blank between different labels; the likelihood sums over all paths by the
forward-backward recursion, in logarithms, for the whole batch and all states at once.

The gradient is exp(log_probs) - posterior, as PyTorch's: with ``log_softmax`` before it that is the
derivative; alone it differs from it by exp(log_probs). It is written with ops, so it can be
differentiated, which PyTorch's cannot.
"""

from __future__ import annotations

import itertools
import math
from functools import reduce
from typing import Any

import numpy as np

from ..device import device_of, move
from ..dtypes import FLOATING
from ..errors import DTypeError, OutOfBoundsError, ShapeError
from ..tensor import Tensor, wrap
from ._declare import Array, op
from .arithmetic import maximum
from .cast import cast
from .exponential import exp, log
from .index import _add_at, _take
from .join import _pad_constant, _stack
from .loss import reduced, reduction_of
from .reduce import _wide
from .select import clamp, where

_NEVER = -1e30
"""The logarithm of probability 0; finite, so that differences of two are no nan."""


# -- the recursion, on arrays and on tensors -----------------------------------------------------
def _still(x: Any) -> Any:
    return x.detach() if isinstance(x, Tensor) else x


def _log_sum(*terms: Any) -> Any:
    """log(exp(a) + exp(b) + ...), without overflow."""
    if not isinstance(terms[0], Tensor):
        return reduce(np.logaddexp, terms)
    top = _still(terms[0])
    for term in terms[1:]:
        top = maximum(top, _still(term))
    total = exp(terms[0] - top)
    for term in terms[1:]:
        total = total + exp(term - top)
    return top + log(total)


def _moved(score: Any, k: int) -> Any:
    """(N, S) moved k states on, or -k back; nothing comes in."""
    n = score.shape[1]
    put, kept = slice(max(k, 0), n + min(k, 0)), slice(max(-k, 0), n - max(k, 0))
    if isinstance(score, Tensor):
        width = (min(max(k, 0), n), min(max(-k, 0), n))
        return _pad_constant(score[:, kept], ((0, 0), width), _NEVER)
    y = np.full_like(score, _NEVER)  # the padding of arrays takes NumPy many times as long
    y[:, put] = score[:, kept]
    return y


def _rows(states: Any) -> Any:
    return np.arange(states.shape[0], like=states)[:, None]


def _emissions(log_probs: Any, states: Any) -> Any:
    """(T, N, K) -> (T, N, S): the log-probability of every state's label."""
    return clamp(_take(log_probs, (slice(None), _rows(states), states)), _NEVER)


def _forward(emit: Any, skip: Any, steps: Any) -> list[Any]:
    """For each time the log-probability (N, S) of all paths up to it; after a sample's end the last."""
    kind = emit.dtype.type
    first = np.arange(skip.shape[1], like=skip) == 0
    score = np.where(first, kind(0), kind(_NEVER)) + np.zeros(skip.shape, emit.dtype, like=skip)
    scores = []
    for t in range(emit.shape[0]):
        skipped = where(skip, _moved(score, 2), _NEVER)
        ahead = emit[t] + _log_sum(score, _moved(score, 1), skipped)
        score = where((t < steps)[:, None], ahead, score)
        scores.append(score)
    return scores


def _backward(emit: Any, skip: Any, steps: Any, last: Any) -> list[Any]:
    """For each time the log-probability (N, S) of what follows, from every state."""
    kind = emit.dtype.type
    place = np.arange(skip.shape[1], like=skip)
    end = np.where((place == last[:, None]) | (place == last[:, None] - 1), kind(0), kind(_NEVER))
    scores = [end]
    for t in range(emit.shape[0] - 1, 0, -1):
        ahead = scores[-1] + emit[t]
        skipped = _moved(where(skip, ahead, _NEVER), -2)
        before = _log_sum(ahead, _moved(ahead, -1), skipped)
        scores.append(where((t < steps)[:, None], before, end))
    return scores[::-1]


def _likelihood(score: Any, last: Any) -> Any:
    """The log-probability (N) of ending in the last label or in the blank after it."""
    rows = np.arange(last.shape[0], like=last)
    label = where(last > 0, _take(score, (rows, np.maximum(last - 1, 0))), _NEVER)
    return _log_sum(_take(score, (rows, last)), label)


def _posterior(log_probs: Any, states: Any, skip: Any, steps: Any, last: Any) -> tuple[Any, Any]:
    """How probable each label is at each time, given all labels (T, N, K); and which fit no path."""
    emit = _emissions(log_probs, states)
    scores = _forward(emit, skip, steps)
    whole = _likelihood(scores[-1], last)
    lost = whole < _NEVER / 2
    whole = where(lost, 0.0, whole)[:, None]
    ahead = _backward(emit, skip, steps, last)
    shares = _stack([exp(a + b - whole) for a, b in zip(scores, ahead)], 0)  # (T, N, S)
    place = (slice(None), _rows(states), states)
    return _add_at(shares, tuple(log_probs.shape), place), lost


# -- the op --------------------------------------------------------------------------------------
@op
def _ctc(
    log_probs: Array, states: Any, skip: Any, steps: Any, last: Any, zero_infinity: bool
) -> Array:
    """-log of the probability of the labels (N): inf, or 0 if zero_infinity, where they do not fit.

    log_probs (T, N, K); states (N, S), skip (N, S) whether a state may follow the one two before;
    steps (N) times, last (N) the last state of each sample.
    """
    wide = log_probs.astype(_wide(log_probs.dtype), copy=False)
    whole = _likelihood(_forward(_emissions(wide, states), skip, steps)[-1], last)
    kind = whole.dtype.type
    loss = np.where(whole < _NEVER / 2, kind(0 if zero_infinity else math.inf), -whole)
    return loss.astype(log_probs.dtype, copy=False)


@_ctc.grad
def _(g, log_probs, states, skip, steps, last, zero_infinity):
    wide = cast(log_probs, _wide(log_probs.dtype))
    posterior, lost = _posterior(wide, states, skip, steps, last)
    share = where(lost[None, :, None], 0.0 if zero_infinity else math.nan, exp(wide) - posterior)
    times = np.arange(log_probs.shape[0], like=steps)[:, None]
    return where((times < steps)[:, :, None], g[None, :, None] * share, 0.0)


def _all_paths(x: Any, states: Any, skip: Any, steps: Any, last: Any, zero_infinity: bool) -> Any:
    """Every path of labels, collapsed and compared, one by one."""
    losses = []
    for n in range(x.shape[1]):
        wanted = [int(s) for s in states[n, 1 : last[n] : 2]]
        total = 0.0
        for path in itertools.product(range(x.shape[2]), repeat=int(steps[n])):
            merged = [k for k, _ in itertools.groupby(path)]
            if [k for k in merged if k != states[n, 0]] == wanted:
                total += math.exp(math.fsum(x[t, n, k] for t, k in enumerate(path)))
        losses.append(-math.log(total) if total else 0.0 if zero_infinity else math.inf)
    return np.array(losses)


@_ctc.samples(reference=_all_paths, smooth=False)  # not a derivative without log_softmax, see above
def _(rng):
    x = rng.normal(size=(5, 3, 3))
    x = x - np.log(np.exp(x).sum(2, keepdims=True))
    labels = np.array([[1, 1], [2, 1], [2, 0]])
    states, skip = _lattice(labels, np.array([2, 2, 1]), 0)
    yield x, states, skip, np.array([5, 4, 2]), np.array([4, 4, 2]), False
    yield x, states, skip, np.array([2, 0, 5]), np.array([4, 0, 2]), True


def _lattice(labels: Any, counts: Any, blank: int) -> tuple[Any, Any]:
    """The states (N, S) of labels (N, L), blank beyond their counts, and which may be skipped to."""
    states = np.full((labels.shape[0], 2 * labels.shape[1] + 1), blank, np.int64)
    inside = np.arange(labels.shape[1]) < counts[:, None]
    states[:, 1::2] = np.where(inside, labels, blank)
    skip = np.zeros(states.shape, np.bool_)
    skip[:, 2:] = states[:, 2:] != states[:, :-2]
    return states, skip


# -- the loss ------------------------------------------------------------------------------------
def ctc_loss(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Any:
    """-log of the probability that log_probs (T, N, K) yields the labels, summed over all alignments.

    targets (N, L) padded with anything, or all labels in a row; one sample: (T, K) and (L). The
    lengths count the times and the labels of every sample. "mean" divides each loss by its number of
    labels (at least 1) first. A sample with too few times for its labels has loss inf, or 0 with
    zero_infinity. Errors: lengths or labels out of range, shapes that do not fit.
    Source: Graves et al. (2006).

    >>> import sensorium as sn
    >>> x = sn.log_softmax(sn.zeros(2, 1, 2), 2)
    >>> sn.nn.functional.ctc_loss(x, sn.tensor([[1]]), [2], [1])  # 3 of 4 paths
    tensor(0.2877)
    """
    reduction = reduction_of("ctc_loss", reduction, None, None)
    x = _batch(log_probs)
    if not 0 <= blank < x.shape[2]:
        raise OutOfBoundsError(f"ctc_loss: blank {blank} is out of range for {x.shape[2]} classes")
    steps = _lengths("input_lengths", input_lengths, x.shape[1], x.shape[0])
    counts = _lengths("target_lengths", target_lengths, x.shape[1], None)
    states, skip = _lattice(_padded(targets, counts, x, log_probs.ndim == 2), counts, blank)
    where_to = device_of(x.array)
    facts = (move(a, where_to) for a in (states, skip, steps, 2 * counts))
    loss = _ctc(x, *facts, zero_infinity)
    if reduction == "mean":
        loss = loss / wrap(move(np.maximum(counts, 1).astype(loss.dtype), where_to))
    if log_probs.ndim == 2 and reduction == "none":
        return loss.reshape(())
    return reduced(loss, reduction)


def _batch(log_probs: Any) -> Any:
    """(T, K) as (T, 1, K), checked."""
    shape = tuple(log_probs.shape)
    if log_probs.dtype not in FLOATING or log_probs.dtype.kind == "c":
        raise DTypeError(f"ctc_loss: log_probs must be real and floating, got {log_probs.dtype}")
    if len(shape) not in (2, 3) or 0 in shape:
        raise ShapeError(f"ctc_loss: want log_probs (T, N, K) or (T, K), not empty, got {shape}")
    return log_probs if len(shape) == 3 else log_probs.reshape(shape[0], 1, shape[1])


def _host(value: Any) -> Any:
    return value.cpu().array if isinstance(value, Tensor) else np.asarray(value)


def _lengths(name: str, value: Any, batch: int, most: int | None) -> Any:
    """Lengths (N) as int64, checked against the batch and the largest possible."""
    lengths = _host(value).reshape(-1)
    if lengths.dtype.kind not in "iu":
        raise DTypeError(f"ctc_loss: {name} must be integers, got {lengths.dtype}")
    if len(lengths) != batch:
        raise ShapeError(f"ctc_loss: {name} has {len(lengths)} values for a batch of {batch}")
    if lengths.min() < 0 or (most is not None and lengths.max() > most):
        worst = lengths.min() if lengths.min() < 0 else lengths.max()
        limit = "at least 0" if most is None else f"in [0, {most}]"
        raise ShapeError(f"ctc_loss: {name} must be {limit}, got {int(worst)}")
    return lengths.astype(np.int64)


def _padded(targets: Any, counts: Any, x: Any, single: bool) -> Any:
    """The labels as (N, L) with L the largest count, checked."""
    labels = _host(targets)
    if labels.dtype.kind not in "iu":
        raise DTypeError(f"ctc_loss: targets must be integers, got {labels.dtype}")
    most = int(counts.max())
    if single and labels.ndim == 1:
        labels = labels[None]
    if labels.ndim == 1:
        labels = _unrolled(labels, counts, most)
    elif labels.ndim != 2 or len(labels) != len(counts) or labels.shape[1] < most:
        raise ShapeError(
            f"ctc_loss: want targets ({len(counts)}, at least {most}), got {labels.shape}"
        )
    used = labels[:, :most]
    bad = ((used < 0) | (used >= x.shape[2])) & (np.arange(most) < counts[:, None])
    if bad.any():
        raise OutOfBoundsError(
            f"ctc_loss: label {int(used[bad][0])} is out of range for {x.shape[2]} classes"
        )
    return used


def _unrolled(labels: Any, counts: Any, most: int) -> Any:
    """All labels in a row as (N, most), padded with 0."""
    if len(labels) != counts.sum():
        raise ShapeError(
            f"ctc_loss: targets has {len(labels)} labels but target_lengths add up to "
            f"{int(counts.sum())}"
        )
    rows = np.zeros((len(counts), most), labels.dtype)
    rows[np.arange(most) < counts[:, None]] = labels
    return rows
