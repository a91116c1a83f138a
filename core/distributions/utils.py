"""What the distributions share: broadcasting parameters, probabilities and logits, lazy properties."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import ops
from ..autograd import enable_grad
from ..create import tensor
from ..dtypes import get_default_dtype, int64
from ..errors import OptionError
from ..limits import finfo
from ..random import randn
from ..tensor import Tensor

euler_constant = 0.57721566490153286060  # Euler and Mascheroni's


def broadcast_all(*values: Any) -> tuple[Tensor, ...]:
    """Numbers and tensors as tensors of one shape; numbers take the first tensor's type.

    >>> import sensorium as sn
    >>> [v.shape for v in broadcast_all(sn.zeros(2), 1.0)]
    [sensorium.Size([2]), sensorium.Size([2])]
    """
    for value in values:
        if not isinstance(value, (Tensor, int, float, complex)):
            raise OptionError(
                f"broadcast_all: parameters must be numbers or tensors, got {type(value).__name__}"
            )
    first = next((v for v in values if isinstance(v, Tensor)), None)
    dtype = get_default_dtype() if first is None else first.dtype
    device = None if first is None else first.device
    made = [v if isinstance(v, Tensor) else tensor(v, dtype=dtype, device=device) for v in values]
    shape = ops.broadcast_shapes(*(tuple(v.shape) for v in made))
    # a parameter that has the shape stays itself: a distribution made once serves many backwards
    return tuple(v if tuple(v.shape) == tuple(shape) else ops.expand(v, shape) for v in made)


def all_numbers(*values: Any) -> bool:
    """Whether no value is a tensor: then a distribution's batch shape is ()."""
    return not any(isinstance(v, Tensor) for v in values)


def standard_normal(shape: Any, like: Tensor) -> Tensor:
    """Values of the standard normal distribution in the type and on the device of like."""
    return randn(*shape, dtype=like.dtype, device=like.device)


def sum_rightmost(value: Tensor, count: int) -> Tensor:
    """The sum over the last count dimensions.

    >>> import sensorium as sn
    >>> sum_rightmost(sn.ones(2, 3, 4), 2)
    tensor([12., 12.])
    """
    return value.sum(tuple(range(-count, 0))) if count else value


def logits_to_probs(logits: Tensor, is_binary: bool = False) -> Tensor:
    """softmax over the last dimension; of binary logits the sigmoid."""
    return ops.sigmoid(logits) if is_binary else ops.softmax(logits, -1)


def clamp_probs(probs: Tensor) -> Tensor:
    """Probabilities kept an epsilon away from 0 and 1.

    >>> import sensorium as sn
    >>> bool(clamp_probs(sn.zeros(1)) > 0)
    True
    """
    eps = float(finfo(probs.dtype).eps)
    return ops.clamp(probs, eps, 1 - eps)


def probs_to_logits(probs: Tensor, is_binary: bool = False) -> Tensor:
    """log probs; of binary probabilities log(probs / (1 - probs)). Clamped away from infinity."""
    kept = clamp_probs(probs)
    return ops.log(kept) - ops.log1p(-kept) if is_binary else ops.log(kept)


class lazy_property:
    """A property computed once, on first use, and kept in the object's ``__dict__``."""

    def __init__(self, wrapped: Callable[[Any], Any]) -> None:
        self.wrapped = wrapped
        self.__doc__ = wrapped.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        with enable_grad():
            value = self.wrapped(instance)
        instance.__dict__[self.name] = value
        return value


def tril_matrix_to_vec(mat: Tensor, diag: int = 0) -> Tensor:
    """The lower triangles (..., D, D) row by row, from diagonal diag on, as vectors.

    >>> import sensorium as sn
    >>> tril_matrix_to_vec(sn.tensor([[1.0, 0.0], [2.0, 3.0]]))
    tensor([1., 2., 3.])
    """
    n = mat.shape[-1]
    if not -n <= diag < n:
        raise OptionError(f"tril_matrix_to_vec: diag ({diag}) must lie in [{-n}, {n - 1}]")
    places = [i * n + j for i in range(n) for j in range(n) if j <= i + diag]
    flat = mat.reshape(*mat.shape[:-2], n * n)
    return ops.index_select(flat, -1, tensor(places, dtype=int64, device=mat.device))


def vec_to_tril_matrix(vec: Tensor, diag: int = 0) -> Tensor:
    """Vectors (..., D (D + 1) / 2) as lower triangles (..., D, D), row by row.

    >>> import sensorium as sn
    >>> vec_to_tril_matrix(sn.tensor([1.0, 2.0, 3.0]))
    tensor([[1., 0.],
            [2., 3.]])
    """
    m = vec.shape[-1]
    root = ((1 + 2 * diag) ** 2 + 8 * m + 4 * abs(diag) * (diag + 1)) ** 0.5
    n = round((root - (1 + 2 * diag)) / 2)
    places = [(i, j) for i in range(n) for j in range(n) if j <= i + diag]
    if len(places) != m:
        raise OptionError(f"vec_to_tril_matrix: {m} values make no triangle of diagonal {diag}")
    where = [m] * (n * n)
    for k, (i, j) in enumerate(places):
        where[i * n + j] = k
    padded = ops.cat([vec, ops.mul(vec[..., :1], 0)], -1)
    flat = ops.index_select(padded, -1, tensor(where, dtype=int64, device=vec.device))
    return flat.reshape(*vec.shape[:-1], n, n)
