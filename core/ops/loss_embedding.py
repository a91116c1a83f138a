"""Losses of distances between embeddings: triplets, with a distance of one's own too, and angles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import OptionError, ShapeError
from .arithmetic import minimum
from .distance import pairwise_distance
from .exponential import sqrt
from .loss import reduced, reduction_of
from .reduce import sum
from .select import clamp, where


# -- triplets ------------------------------------------------------------------------------------
def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """max(margin + d(anchor, positive) - d(anchor, negative), 0), d the p-norm of the difference.

    All (N, E) or (E). swap takes d(positive, negative) where that is the smaller distance to the
    negative. Source: Balntas et al. (2016).

    >>> import sensorium as sn
    >>> a, b = sn.zeros(1, 2), sn.tensor([[3.0, 4.0]])
    >>> sn.nn.functional.triplet_margin_loss(a, b, a)
    tensor(6.0000)
    """
    name = "triplet_margin_loss"
    reduction = reduction_of(name, reduction, size_average, reduce)

    def distance(a: Any, b: Any) -> Any:
        return pairwise_distance(a, b, p, eps)

    return _triplet(name, (anchor, positive, negative), distance, margin, swap, reduction)


def triplet_margin_with_distance_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    *,
    distance_function: Callable[[Any, Any], Any] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Any:
    """``triplet_margin_loss`` with a distance of one's own; ``pairwise_distance`` if None.

    >>> import sensorium as sn
    >>> a, b = sn.zeros(1, 2), sn.ones(1, 2)
    >>> loss = sn.nn.functional.triplet_margin_with_distance_loss
    >>> loss(a, b, b, distance_function=lambda x, y: (x - y).abs().sum(-1))
    tensor(1.)
    """
    name = "triplet_margin_with_distance_loss"
    reduction = reduction_of(name, reduction, None, None)
    distance = pairwise_distance if distance_function is None else distance_function
    return _triplet(name, (anchor, positive, negative), distance, margin, swap, reduction)


def _triplet(
    name: str, three: tuple[Any, Any, Any], distance: Any, margin: float, swap: bool, reduction: str
) -> Any:
    anchor, positive, negative = three
    if not margin > 0:
        raise OptionError(f"{name}: margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        shapes = ", ".join(str(tuple(x.shape)) for x in three)
        raise ShapeError(
            f"{name}: anchor, positive and negative must have equally many dimensions, got {shapes}"
        )
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = minimum(far, distance(positive, negative))
    return reduced(clamp(margin + near - far, 0), reduction)


# -- angles --------------------------------------------------------------------------------------
def cosine_embedding_loss(
    input1: Any,
    input2: Any,
    target: Any,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """1 - cos(input1, input2) where target is 1, max(cos - margin, 0) where it is -1.

    Inputs (N, E) with target (N), or (E) with ().

    >>> import sensorium as sn
    >>> x = sn.tensor([[1.0, 0.0]])
    >>> sn.nn.functional.cosine_embedding_loss(x, x, sn.tensor([-1]), margin=0.25)
    tensor(0.7500)
    """
    reduction = reduction_of("cosine_embedding_loss", reduction, size_average, reduce)
    if target.ndim > 1 or input1.ndim != target.ndim + 1 or input2.ndim != target.ndim + 1:
        raise ShapeError(
            "cosine_embedding_loss: want inputs (N, E) and target (N), or (E) and (), got "
            f"{tuple(input1.shape)}, {tuple(input2.shape)} and {tuple(target.shape)}"
        )
    tiny = 1e-12  # keeps the cosine of a zero vector at 0
    product = _last(input1 * input2)
    cosine = product / sqrt((_last(input1 * input1) + tiny) * (_last(input2 * input2) + tiny))
    near = where(target == 1, 1 - cosine, 0.0)
    return reduced(near + where(target == -1, clamp(cosine - margin, 0), 0.0), reduction)


def _last(x: Any) -> Any:
    return sum(x, -1)
