"""Writing on: tokens appended one by one to what a model was given, the likeliest or by chance.

``generate`` is the loop; the model is a function from all the ids so far to the logits of the next
one, so it decides itself whether it keeps a ``nn.cache.KVCache``. The other functions change logits
(N, K) or draw from them, and can be used alone. Semantics and order follow ``generate`` of Hugging
Face transformers. Left out: beam search (it belongs to its model), streaming.

>>> import sensorium as sn
>>> table = sn.eye(10).roll(1, 1)  # after token i comes i + 1
>>> generate(lambda ids: table[ids[:, -1]], sn.tensor([[3]]), max_new_tokens=4)
tensor([[3, 4, 5, 6, 7]])
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from . import random
from .autograd import inference_mode
from .errors import DTypeError, OptionError, ShapeError
from .generator import Generator
from .ops import cat, softmax, where
from .tensor import Tensor, wrap

Step = Callable[[Tensor], Tensor]  # ids so far (N, T) -> logits of the next (N, K)
Rule = Callable[[Tensor, Tensor], Tensor]  # ids so far (N, T), logits (N, K) -> logits (N, K)


# -- what changes logits -------------------------------------------------------------------------
def penalise_repetition(
    logits: Tensor, ids: Tensor, penalty: float, padding: Tensor | None = None
) -> Tensor:
    """Logits (N, K) of tokens that stand in ids (N, T): over penalty if positive, else times it.

    penalty > 1 discourages. padding (N): so many ids at the left of a row do not count. Source:
    Keskar et al. (2019), "CTRL", section 4.1.

    >>> import sensorium as sn
    >>> penalise_repetition(sn.tensor([[1.0, -1.0, 1.0]]), sn.tensor([[0, 1]]), 2.0)
    tensor([[ 0.5000, -2.0000,  1.0000]])
    """
    n, size = logits.shape
    columns = np.minimum(ids.cpu().array, size)  # column K takes what does not count
    if padding is not None:
        places = np.arange(ids.shape[1])  # (T)
        columns = np.where(places < padding.cpu().array[:, None], size, columns)
    seen = np.zeros((n, size + 1), bool)
    seen[np.arange(n)[:, None], columns] = True
    changed = where(logits < 0, logits * penalty, logits / penalty)
    return where(wrap(seen[:, :size]).to(logits.device), changed, logits)


def suppress(logits: Tensor, tokens: Sequence[int]) -> Tensor:
    """Logits (N, K) with -inf for these tokens, so that none is chosen; others than 0 .. K-1 never are.

    >>> import sensorium as sn
    >>> suppress(sn.zeros(1, 3), [1])
    tensor([[0., -inf, 0.]])
    """
    array = logits.array.copy()
    array[:, [token for token in tokens if 0 <= token < array.shape[1]]] = -math.inf
    return wrap(array)


def keep_top_k(logits: Tensor, k: int) -> Tensor:
    """-inf for all but the k largest of a row (more where values tie with the k-th).

    >>> import sensorium as sn
    >>> keep_top_k(sn.tensor([[1.0, 3.0, 2.0]]), 2)
    tensor([[-inf, 3., 2.]])
    """
    if k >= logits.shape[-1]:
        return logits
    least = np.partition(logits.array, -k, axis=-1)[..., -k, None]  # (N, 1)
    return wrap(np.where(logits.array < least, logits.dtype.type(-math.inf), logits.array))


def keep_top_p(logits: Tensor, p: float) -> Tensor:
    """-inf for all but the likeliest tokens of a row whose chances first add up to p.

    At least one stays. Source: Holtzman et al. (2020), "The curious case of neural text degeneration".

    >>> import sensorium as sn
    >>> keep_top_p(sn.tensor([[0.5, 0.3, 0.2]]).log(), 0.6).exp()
    tensor([[0.5000, 0.3000, 0.0000]])
    """
    order = logits.array.argsort(axis=-1)  # the least likely first
    chances = softmax(wrap(np.take_along_axis(logits.array, order, -1)), -1).array
    drop = chances.cumsum(axis=-1) <= 1 - p
    drop[..., -1] = False
    drop = np.take_along_axis(drop, order.argsort(axis=-1), -1)
    return wrap(np.where(drop, logits.dtype.type(-math.inf), logits.array))


def sample(logits: Tensor, generator: Generator | None = None) -> Tensor:
    """A token for every row of logits (N, K), with the chances softmax(logits): int64 (N).

    >>> import sensorium as sn
    >>> sample(sn.tensor([[0.0, 1000.0]]))
    tensor([1])
    """
    return random.multinomial(softmax(logits, -1), 1, replacement=True, generator=generator)[:, 0]


# -- the loop ------------------------------------------------------------------------------------
@inference_mode()
def generate(
    step: Step,
    ids: Tensor,
    *,
    max_new_tokens: int = 20,
    min_new_tokens: int = 0,
    do_sample: bool = False,
    temperature: float = 1.0,
    top_k: int | None = 50,
    top_p: float = 1.0,
    repetition_penalty: float = 1.0,
    eos_token_id: int | Sequence[int] | None = None,
    pad_token_id: int | None = None,
    padding: Tensor | None = None,
    processors: Sequence[Rule] = (),
    generator: Generator | None = None,
) -> Tensor:
    """ids (N, T) and up to max_new_tokens more: (N, T + new), int64.

    step
        called with all ids so far (N, T'), returns the logits of the next token (N, K)
    do_sample
        draw with the chances softmax(logits / temperature) among the top_k likeliest (0 or None:
        all) and the fewest that have top_p of the chance together; else take the likeliest
    repetition_penalty, padding
        as in ``penalise_repetition``: how many ids at the left of a row are none of its own
    min_new_tokens
        how many tokens must come before one that ends a row
    eos_token_id, pad_token_id
        what ends a row, and what fills it up then (the first eos_token_id if not given)
    processors
        functions of (ids, logits) applied before temperature, top_k and top_p
    """
    _check(ids, max_new_tokens, temperature, top_k, top_p, repetition_penalty)
    ends = _as_list(eos_token_id)
    filler = pad_token_id if pad_token_id is not None else (ends[0] if ends else 0)
    least = ids.shape[1] + min_new_tokens
    rules = [*_penalties(repetition_penalty, padding, least, ends), *processors]
    rules += _warpers(temperature, top_k, top_p) if do_sample else []
    done = np.zeros(len(ids), bool)
    for _ in range(max_new_tokens):
        logits = _checked(step(ids), ids)
        for rule in rules:
            logits = rule(ids, logits)
        chosen = sample(logits, generator) if do_sample else logits.argmax(-1)
        new = np.where(done, filler, chosen.cpu().array)
        ids = cat([ids, wrap(new[:, None]).to(ids.device)], 1)
        done |= np.isin(new, ends)
        if done.all():
            break
    return ids


# -- helpers -------------------------------------------------------------------------------------
def _penalties(penalty: float, padding: Tensor | None, least: int, ends: list[int]) -> list[Rule]:
    rules: list[Rule] = []
    if penalty != 1:
        rules.append(lambda ids, logits: penalise_repetition(logits, ids, penalty, padding))
    if ends:
        rules.append(lambda ids, logits: suppress(logits, ends) if ids.shape[1] < least else logits)
    return rules


def _warpers(temperature: float, top_k: int | None, top_p: float) -> list[Rule]:
    rules: list[Rule] = []
    if temperature != 1:
        rules.append(lambda _, logits: logits / temperature)
    if top_k:
        rules.append(lambda _, logits: keep_top_k(logits, top_k))
    if top_p < 1:
        rules.append(lambda _, logits: keep_top_p(logits, top_p))
    return rules


def _as_list(tokens: int | Sequence[int] | None) -> list[int]:
    if tokens is None:
        return []
    return [tokens] if isinstance(tokens, int) else [int(token) for token in tokens]


def _check(
    ids: Tensor, new: int, temperature: float, top_k: int | None, top_p: float, penalty: float
) -> None:
    if ids.ndim != 2 or not ids.shape[1]:
        raise ShapeError(f"generate: ids are (N, T) with T at least 1, got {tuple(ids.shape)}")
    if ids.dtype.kind not in "iu":
        raise DTypeError(f"generate: ids are integers, got {ids.dtype}")
    rules = {
        f"max_new_tokens of at least 1, got {new}": new >= 1,
        f"a positive temperature, got {temperature}": temperature > 0,
        f"top_k of at least 1, or 0 or None for all, got {top_k}": (top_k or 0) >= 0,
        f"top_p in (0, 1], got {top_p}": 0 < top_p <= 1,
        f"a positive repetition_penalty, got {penalty}": penalty > 0,
    }
    for rule, holds in rules.items():
        if not holds:
            raise OptionError(f"generate: wants {rule}")


def _checked(logits: Tensor, ids: Tensor) -> Tensor:
    if logits.ndim != 2 or len(logits) != len(ids):
        raise ShapeError(
            f"generate: step must return logits (N, K) for ids {tuple(ids.shape)}, "
            f"got {tuple(logits.shape)}"
        )
    return logits
