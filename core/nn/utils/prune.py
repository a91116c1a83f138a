"""Pruning: a parameter times a mask of zeros and ones, computed before every forward.

``l1_unstructured(layer, "weight", 0.3)`` makes ``weight_orig`` the parameter, ``weight_mask`` a buffer
and ``weight`` their product; further prunings of the same tensor choose among what is left. ``remove``
makes it permanent. Follows ``torch.nn.utils.prune``: names, keys and which elements are chosen; random
choices draw from this library's stream.
"""

from __future__ import annotations

import numbers
from collections.abc import Iterable
from typing import Any

import numpy as np

from ... import random
from ...errors import OpError, OutOfBoundsError
from ...tensor import Tensor, wrap
from ..module import Module
from ._pruning import (
    BasePruningMethod,
    PruningContainer,
    check_scores,
    checked_dim,
    drop_hook,
    hook_of,
    hooks,
)


# -- how many, and which ---------------------------------------------------------------------------
def _check_amount(amount: Any) -> None:
    if not isinstance(amount, numbers.Real):
        raise TypeError(f"prune: amount must be an int or a float, got {amount!r}")
    whole, value = isinstance(amount, numbers.Integral), float(amount)
    if value < 0 or (not whole and value > 1):
        raise OutOfBoundsError(
            f"prune: amount must be a share in [0, 1] or a number of elements, got {amount}"
        )


def _count(amount: Any, size: int) -> int:
    """How many of size elements."""
    if not isinstance(amount, numbers.Integral):
        return round(amount * size)
    if int(amount) > size:
        raise OutOfBoundsError(f"prune: amount {amount} is more than the {size} there are")
    return int(amount)


def _without_smallest(scores: Any, mask: Any, n: int) -> Tensor:
    """mask with zeros at the n smallest of as many scores."""
    found = mask.array.copy()
    found.reshape(-1)[np.argsort(scores.reshape(-1), kind="stable")[:n]] = 0
    return wrap(found)


class Identity(BasePruningMethod):
    """Prunes nothing: original and mask are made, for a mask to be set later."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return default_mask


class RandomUnstructured(BasePruningMethod):
    """Elements drawn at random; amount: a share, or how many."""

    PRUNING_TYPE = "unstructured"

    def __init__(self, amount: float) -> None:
        _check_amount(amount)
        self.amount = amount

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        drawn = random.rand(*t.shape).array
        return _without_smallest(drawn, default_mask, _count(self.amount, t.numel()))


class L1Unstructured(BasePruningMethod):
    """The elements of the smallest absolute value; amount: a share, or how many."""

    PRUNING_TYPE = "unstructured"

    def __init__(self, amount: float) -> None:
        _check_amount(amount)
        self.amount = amount

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return _without_smallest(np.abs(t.array), default_mask, _count(self.amount, t.numel()))


class RandomStructured(BasePruningMethod):
    """Slices along dim drawn at random; amount: a share, or how many."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount: float, dim: int = -1) -> None:
        _check_amount(amount)
        self.amount, self.dim = amount, dim

    def _scores(self, t: Tensor, dim: int) -> Any:
        """What the slices are chosen by: the smallest go."""
        return random.rand(t.shape[dim]).array

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        dim = checked_dim(t, self.dim)
        n = _count(self.amount, t.shape[dim])
        gone = np.argsort(self._scores(t, dim), kind="stable")[:n]
        mask = default_mask.array.copy()
        mask[(slice(None),) * dim + (gone,)] = 0
        return wrap(mask)


class LnStructured(RandomStructured):
    """The slices along dim with the smallest norm of order n; amount: a share, or how many."""

    def __init__(self, amount: float, n: Any, dim: int = -1) -> None:
        super().__init__(amount, dim)
        self.n = n

    def _scores(self, t: Tensor, dim: int) -> Any:
        from ...ops.linalg_norms import matrix_norm, vector_norm

        others = tuple(d for d in range(t.ndim) if d != dim)
        if isinstance(self.n, str) and self.n != "fro":
            return matrix_norm(t, self.n, others).array
        return vector_norm(t, 2 if self.n == "fro" else float(self.n), others).array


class CustomFromMask(BasePruningMethod):
    """A mask made by the caller."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        check_scores("the mask", default_mask, self.mask)
        return default_mask * self.mask.to(default_mask.dtype)


# -- functions -------------------------------------------------------------------------------------
def identity(module: Module, name: str) -> Module:
    """Give module a mask of ones for its parameter name; returns module."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: Module, name: str, amount: float) -> Module:
    """Prune elements drawn at random; returns module."""
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(
    module: Module, name: str, amount: float, importance_scores: Tensor | None = None
) -> Module:
    """Prune the elements of the smallest absolute value (or score); returns module.

    >>> import sensorium as sn
    >>> layer = sn.nn.utils.prune.l1_unstructured(sn.nn.Linear(4, 1), "weight", amount=0.5)
    >>> (layer.weight == 0).sum(), sorted(layer.state_dict())
    (tensor(2), ['bias', 'weight_mask', 'weight_orig'])
    """
    L1Unstructured.apply(module, name, amount, importance_scores=importance_scores)
    return module


def random_structured(module: Module, name: str, amount: float, dim: int) -> Module:
    """Prune slices along dim drawn at random; returns module."""
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(
    module: Module,
    name: str,
    amount: float,
    n: Any,
    dim: int,
    importance_scores: Tensor | None = None,
) -> Module:
    """Prune the slices along dim with the smallest norm of order n; returns module."""
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module: Module, name: str, mask: Tensor) -> Module:
    """Prune with a mask of the caller's; returns module."""
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(
    parameters: Iterable[tuple[Module, str]],
    pruning_method: type[BasePruningMethod],
    importance_scores: Any = None,
    **kwargs: Any,
) -> None:
    """Prune several (module, name) as if they were one tensor, by pruning_method(**kwargs).

    importance_scores: {(module, name): scores}.

    >>> import sensorium as sn
    >>> prune, layers = sn.nn.utils.prune, [sn.nn.Linear(2, 2), sn.nn.Linear(2, 3)]
    >>> prune.global_unstructured([(l, "weight") for l in layers], prune.L1Unstructured, amount=5)
    >>> sum((l.weight == 0).sum().item() for l in layers)
    5
    """
    if not isinstance(parameters, Iterable):
        raise TypeError(f"global_unstructured: want pairs, got {type(parameters).__name__}")
    pairs, given = list(parameters), importance_scores or {}
    tensors = [getattr(module, name) for module, name in pairs]
    if pruning_method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            f"global_unstructured: want an unstructured method, got {pruning_method.__name__}"
        )
    scores = [given.get(pair, t) for pair, t in zip(pairs, tensors)]
    masks = [
        getattr(m, n + "_mask", wrap(np.ones_like(t.array))) for (m, n), t in zip(pairs, tensors)
    ]
    whole = PruningContainer.combined(pruning_method(**kwargs), _flat(scores), _flat(masks)).array
    ends = np.cumsum([t.numel() for t in tensors])
    for (module, name), t, part in zip(pairs, tensors, np.split(whole, ends[:-1])):
        custom_from_mask(module, name, wrap(part.reshape(tuple(t.shape))))


def _flat(tensors: list[Tensor]) -> Tensor:
    return wrap(np.concatenate([t.array.reshape(-1) for t in tensors]))


def remove(module: Module, name: str) -> Module:
    """Make the pruning of name permanent: the masked tensor is the parameter again; returns module."""
    method = hook_of(module, name)
    if method is None:
        raise OpError(f"prune.remove: {name!r} of {type(module).__name__} is not pruned")
    method.remove(module)
    drop_hook(module, method)
    return module


def is_pruned(module: Module) -> bool:
    """Whether anything in module is pruned."""
    return any(hooks(part) for part in module.modules())
