"""How parameters start: uniform, normal, Xavier, Kaiming, orthogonal, Dirac, sparse, ...

Every function overwrites its tensor in place, outside the graph, and returns it. Names, arguments and
distributions are those of ``torch.nn.init``; the random streams are NumPy's.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .. import random
from ..autograd import no_grad
from ..errors import ShapeError
from ..inplace import fill_, wrote
from ..tensor import Tensor, wrap

SQRT2 = math.sqrt(2.0)


class _Skipping(threading.local):
    on = False


_skipping = _Skipping()


@contextmanager
def skip_random() -> Iterator[None]:
    """Inside, random starts leave the memory as it is: for modules whose weights are loaded next.

    >>> with skip_random():
    ...     weight = kaiming_uniform_(wrap(np.zeros((2, 2), np.float32)))
    >>> weight
    tensor([[0., 0.],
            [0., 0.]])
    """
    before, _skipping.on = _skipping.on, True
    try:
        yield
    finally:
        _skipping.on = before


# -- constants -----------------------------------------------------------------------------------
@no_grad()
def constant_(tensor: Tensor, val: float) -> Tensor:
    """Every element val.

    >>> import sensorium as sn
    >>> constant_(sn.empty(2), 0.5)
    tensor([0.5000, 0.5000])
    """
    return fill_(tensor, val)


def ones_(tensor: Tensor) -> Tensor:
    """Every element 1."""
    return constant_(tensor, 1)


def zeros_(tensor: Tensor) -> Tensor:
    """Every element 0."""
    return constant_(tensor, 0)


def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix, so that a linear layer keeps as many inputs as it can.

    >>> import sensorium as sn
    >>> eye_(sn.empty(2, 3))
    tensor([[1., 0., 0.],
            [0., 1., 0.]])
    """
    _check_dims("eye_", tensor, 2, 2)
    return _fill(tensor, np.eye(*tensor.shape))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Weights of a convolution that passes on as many input channels as it can, in each group.

    >>> import sensorium as sn
    >>> dirac_(sn.empty(1, 1, 3)).tolist()
    [[[0.0, 1.0, 0.0]]]
    """
    _check_dims("dirac_", tensor, 3, 5)
    if tensor.shape[0] % groups:
        raise ShapeError(
            f"dirac_: {tensor.shape[0]} output channels are no multiple of {groups} groups"
        )
    per_group = tensor.shape[0] // groups
    values = np.zeros(tensor.shape)
    centre = tuple(n // 2 for n in tensor.shape[2:])
    for g in range(groups):
        for d in range(min(per_group, tensor.shape[1])):
            values[(g * per_group + d, d, *centre)] = 1
    return _fill(tensor, values)


# -- distributions -------------------------------------------------------------------------------
@no_grad()
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Tensor:
    """Every element from the uniform distribution on [a, b).

    >>> import sensorium as sn
    >>> bool((uniform_(sn.empty(100), -1, 1).abs() <= 1).all())
    True
    """
    return tensor if _skipping.on else random.uniform_(tensor, a, b, generator=generator)


@no_grad()
def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Tensor:
    """Every element from the normal distribution."""
    return tensor if _skipping.on else random.normal_(tensor, mean, std, generator=generator)


@no_grad()
def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Any = None,
) -> Tensor:
    """Every element from the normal distribution, drawn again while it lies outside [a, b].

    std is the deviation before cutting, as in PyTorch. Values come by the inverse of the cut
    distribution function where its mass allows, so a far-away [a, b] costs no more draws.
    """
    if not a < b:
        raise ShapeError(f"trunc_normal_: want a < b, got a={a}, b={b}")
    if _skipping.on:
        return tensor
    low, high = (0.5 * (1 + math.erf((v - mean) / (std * SQRT2))) for v in (a, b))
    u = np.array(
        random.uniform_(wrap(np.empty(tensor.shape)), low, high, generator=generator).array
    )
    return _fill(tensor, np.clip(mean + std * _normal_quantile(u), a, b))


def _normal_quantile(p: np.ndarray) -> np.ndarray:
    """The inverse of the standard normal distribution function, by Newton's method.

    Source of the start: Abramowitz & Stegun 26.2.23 (error below 4.5e-4); each step squares it.
    """
    tail = np.minimum(p, 1 - p).clip(1e-300)
    t = np.sqrt(-2 * np.log(tail))
    x = t - (2.515517 + t * (0.802853 + t * 0.010328)) / (
        1 + t * (1.432788 + t * (0.189269 + t * 0.001308))
    )
    x = np.where(p < 0.5, -x, x)
    for _ in range(2):
        error = _normal_cdf(x) - p
        x = x - error * math.sqrt(2 * math.pi) * np.exp(np.minimum(x * x / 2, 600))
    return x


def _normal_cdf(x: np.ndarray) -> np.ndarray:
    from ..ops import erf

    return 0.5 * (1 + erf(x / SQRT2))


# -- scaled to the fans --------------------------------------------------------------------------
_GAINS = {
    "linear": 1.0, "conv1d": 1.0, "conv2d": 1.0, "conv3d": 1.0, "conv_transpose1d": 1.0,
    "conv_transpose2d": 1.0, "conv_transpose3d": 1.0, "sigmoid": 1.0, "tanh": 5 / 3,
    "relu": SQRT2, "selu": 3 / 4,
}  # fmt: skip


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that keeps the variance through a non-linearity; param: leaky_relu's slope.

    >>> calculate_gain("leaky_relu", 0.2) == math.sqrt(2 / 1.04)
    True
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ValueError(f"calculate_gain: negative_slope must be a number, got {param!r}")
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity not in _GAINS:
        raise ValueError(
            f"calculate_gain: no gain is known for {nonlinearity!r}; want leaky_relu, "
            f"{', '.join(_GAINS)}"
        )
    return _GAINS[nonlinearity]


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """Inputs of one output and outputs of one input: weight is (out, in, *kernel)."""
    if tensor.ndim < 2:
        raise ShapeError(f"init: a fan needs at least 2 dimensions, got {tuple(tensor.shape)}")
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Uniform with variance gain^2 2 / (fan_in + fan_out). Source: Glorot and Bengio (2010)."""
    bound = math.sqrt(3.0) * gain * math.sqrt(2.0 / sum(_calculate_fan_in_and_fan_out(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Normal with variance gain^2 2 / (fan_in + fan_out). Source: Glorot and Bengio (2010)."""
    std = gain * math.sqrt(2.0 / sum(_calculate_fan_in_and_fan_out(tensor)))
    return normal_(tensor, 0.0, std, generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode.lower() not in ("fan_in", "fan_out"):
        raise ValueError(f"kaiming: mode must be 'fan_in' or 'fan_out', got {mode!r}")
    fan = _calculate_fan_in_and_fan_out(tensor)[mode.lower() == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    """Uniform with variance gain^2 / fan, gain of leaky_relu with slope a. Source: He et al. (2015)."""
    if 0 in tensor.shape:
        return tensor
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    """Normal with variance gain^2 / fan, gain of leaky_relu with slope a. Source: He et al. (2015)."""
    if 0 in tensor.shape:
        return tensor
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


# -- structured ----------------------------------------------------------------------------------
def orthogonal_(tensor: Tensor, gain: float = 1, generator: Any = None) -> Tensor:
    """gain times a random matrix with orthonormal rows or columns, uniform over all of them.

    More than two dimensions: rows are the first, columns the rest. Source: Saxe et al. (2013), with
    the signs of R's diagonal fixed (Mezzadri, 2007).
    """
    if tensor.ndim < 2:
        raise ShapeError(f"orthogonal_: want at least 2 dimensions, got {tuple(tensor.shape)}")
    if tensor.numel() == 0:
        return tensor
    rows = tensor.shape[0]
    columns = tensor.numel() // rows
    shape = (max(rows, columns), min(rows, columns))
    with no_grad():
        flat = random.normal_(wrap(np.empty(shape)), 0.0, 1.0, generator=generator).array
    q, r = np.linalg.qr(flat)
    q = q * np.sign(np.diagonal(r))
    return _fill(tensor, gain * (q if rows >= columns else q.T).reshape(tensor.shape))


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Any = None) -> Tensor:
    """Normal with deviation std, and in every column a share of sparsity zeros. (Martens, 2010)"""
    _check_dims("sparse_", tensor, 2, 2)
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    with no_grad():
        keys = random.uniform_(wrap(np.empty((rows, columns))), 0.0, 1.0, generator=generator).array
        normal_(tensor, 0.0, std, generator)
    values = np.array(tensor.data.cpu().array)
    np.put_along_axis(values, np.argsort(keys, axis=0)[:zeros], 0, axis=0)
    return _fill(tensor, values)


def _fill(tensor: Tensor, values: np.ndarray) -> Tensor:
    """Overwrite with an array from the CPU, cast to the tensor's type."""
    from ..device import move

    array = tensor.array
    array[...] = move(np.asarray(values).astype(array.dtype), tensor.device)
    wrote(tensor)
    return tensor


def _check_dims(name: str, tensor: Tensor, least: int, most: int) -> None:
    if not least <= tensor.ndim <= most:
        wanted = f"{least}" if least == most else f"{least} to {most}"
        raise ShapeError(f"{name}: want {wanted} dimensions, got {tuple(tensor.shape)}")
