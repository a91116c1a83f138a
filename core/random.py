"""Tensors of random values: rand, randn, randint, randperm, normal, bernoulli, multinomial, in place.

Each takes a ``generator``; without one the default generator draws (``generator.py``). Follows
``torch``'s creation functions; the numbers that belong to a seed are others than PyTorch's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .autograd.mode import mode
from .create import check_layout
from .device import as_device, device_of, move
from .dtypes import CATEGORY, COMPLEX, FLOAT, INTEGER, as_dtype, default_of, int64
from .errors import DTypeError, OutOfBoundsError, ShapeError
from .generator import Generator, coins, gauss, integers, source_of, uniform
from .ops._dims import sizes
from .tensor import Tensor, wrap


# -- new tensors ---------------------------------------------------------------------------------
def _sized(name: str, shape: tuple[Any, ...], size: Any) -> tuple[int, ...]:
    """The shape of ``f(2, 3)``, ``f((2, 3))`` or ``f(size=(2, 3))``."""
    wanted = sizes(name, shape if size is None else (tuple(size),))
    if min(wanted, default=0) < 0:
        raise ShapeError(f"{name}: sizes must not be negative, got {wanted}")
    return wanted


def _float_type(name: str, dtype: Any) -> Any:
    wanted = default_of(FLOAT) if dtype is None else as_dtype(dtype)
    if CATEGORY[wanted] < FLOAT:
        raise DTypeError(f"{name}: want a floating-point type, got {wanted}")
    return wanted


def _finish(array: Any, device: Any, requires_grad: bool) -> Tensor:
    out = wrap(move(np.asarray(array), as_device(device)))
    out.requires_grad = requires_grad
    return out


def _host(value: Any) -> Any:
    """The array of a tensor, on the CPU; a number as it is."""
    return move(value.array, as_device("cpu")) if isinstance(value, Tensor) else value


def rand(
    *shape: Any,
    size: Any = None,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Uniform values in [0, 1).

    >>> rand(2, 3).shape
    sensorium.Size([2, 3])
    """
    array = uniform(_sized("rand", shape, size), _float_type("rand", dtype), generator)
    return _finish(array, device, requires_grad)


def randn(
    *shape: Any,
    size: Any = None,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Values of the normal distribution with mean 0 and variance 1.

    >>> randn(2, 3).shape
    sensorium.Size([2, 3])
    """
    array = gauss(_sized("randn", shape, size), _float_type("randn", dtype), generator)
    return _finish(array, device, requires_grad)


def randint(
    low: int,
    high: Any = None,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Integers in [low, high), all equally likely; ``randint(high, size)`` starts at 0.

    >>> bool((randint(5, (100,)) < 5).all())
    True
    """
    if size is None and hasattr(high, "__len__"):  # randint(high, size)
        high, size = None, high
    low, high = (0, low) if high is None else (low, high)
    if size is None:
        raise ShapeError("randint: say the size, as in randint(10, (2, 3))")
    wanted = int64 if dtype is None else as_dtype(dtype)
    shape = _sized("randint", (), size)
    return _finish(
        integers("randint", int(low), int(high), shape, wanted, generator), device, requires_grad
    )


def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """The integers 0 .. n-1 in random order.

    >>> sorted(randperm(4).tolist())
    [0, 1, 2, 3]
    """
    if n < 0:
        raise ShapeError(f"randperm: n must not be negative, got {n}")
    order = source_of(generator).permutation(n).astype(as_dtype(dtype or int64))
    return _finish(order, device, requires_grad)


def rand_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``rand`` with input's shape, type and device.

    >>> rand_like(randn(2)).shape
    sensorium.Size([2])
    """
    made = rand(*input.shape, generator=generator, dtype=dtype or input.dtype)
    return _finish(made.array, device or input.device, requires_grad)


def randn_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``randn`` with input's shape, type and device.

    >>> randn_like(rand(2)).shape
    sensorium.Size([2])
    """
    made = randn(*input.shape, generator=generator, dtype=dtype or input.dtype)
    return _finish(made.array, device or input.device, requires_grad)


def randint_like(
    input: Tensor,
    low: int,
    high: int | None = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``randint`` with input's shape, type and device.

    >>> randint_like(rand(2), 7).dtype
    dtype('float32')
    """
    low, high = (0, low) if high is None else (low, high)
    made = randint(low, high, tuple(input.shape), generator=generator, dtype=dtype or input.dtype)
    return _finish(made.array, device or input.device, requires_grad)


# -- distributions -------------------------------------------------------------------------------
def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """Values of the normal distribution; mean and std are tensors that broadcast, or numbers.

    With two numbers size says the shape. The gradient of mean and std is 0, as in PyTorch.

    >>> normal(0.0, 1.0, (2, 3)).shape
    sensorium.Size([2, 3])
    """
    check_layout("normal", layout)
    given = [v for v in (mean, std) if isinstance(v, Tensor)]
    if not given and size is None:
        raise ShapeError("normal: with two numbers say the size: normal(0.0, 1.0, (2, 3))")
    if given:
        dtype, device = dtype or given[0].dtype, device or given[0].device
        size = np.broadcast_shapes(*(tuple(t.shape) for t in given)) if size is None else size
    centre, spread = map(_host, (mean, std))
    _want_spread("normal", spread)
    wanted = _float_type("normal", dtype)
    drawn = gauss(_sized("normal", (), size), wanted, generator)
    array = np.asarray(drawn * spread + centre).astype(wanted, copy=False)
    return _from(given, _finish(array, device, requires_grad))


def _from(parameters: list[Tensor], drawn: Tensor) -> Tensor:
    """What was drawn, with a gradient of 0 for parameters that want one."""
    if mode.enabled and any(t.needs_grad for t in parameters):
        from .ops.draws import _instead

        for t in parameters:
            drawn = _instead(t, drawn.array) if t.needs_grad else drawn
    return drawn


def _want_spread(name: str, std: Any) -> None:
    if np.size(std) and not np.min(std) >= 0:
        raise OutOfBoundsError(f"{name}: std must be at least 0, got {float(np.min(std))}")


def bernoulli(
    input: Tensor, p: float | None = None, *, generator: Generator | None = None
) -> Tensor:
    """1 with the chance that input holds (or with chance p), else 0; in input's shape and type.

    >>> from sensorium import tensor
    >>> bernoulli(tensor([0.0, 1.0]))
    tensor([0., 1.])
    """
    if p is None and CATEGORY[input.dtype] < FLOAT:
        raise DTypeError(f"bernoulli: chances must be of a floating-point type, got {input.dtype}")
    chance = _host(input if p is None else p)
    drawn = _toss("bernoulli", tuple(input.shape), chance, generator).astype(input.dtype)
    return _from([input], _finish(drawn, input.device, False))


def _toss(
    name: str, shape: tuple[int, ...], chance: Any, generator: Generator | None
) -> np.ndarray:
    if np.size(chance) and not 0 <= np.min(chance) <= np.max(chance) <= 1:
        worst = np.min(chance) if not np.min(chance) >= 0 else np.max(chance)
        raise OutOfBoundsError(f"{name}: chances must lie in [0, 1], got {float(worst)}")
    if isinstance(chance, np.ndarray):
        return np.asarray(source_of(generator).random(shape) < chance)
    return coins(shape, float(chance), generator)


def multinomial(
    input: Tensor,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Category numbers drawn by weight: input (K) -> (n), or (B, K) -> (B, n).

    Weights need not add up to 1. Without replacement no category comes twice; draws are made by a
    race of exponential clocks (Efraimidis and Spirakis, 2006).

    >>> from sensorium import tensor
    >>> multinomial(tensor([0.0, 1.0, 0.0]), 2, replacement=True)
    tensor([1, 1])
    """
    if input.ndim not in (1, 2) or CATEGORY[input.dtype] != FLOAT:
        raise ShapeError(
            f"multinomial: want weights (K) or (B, K) of a float type, got {tuple(input.shape)} "
            f"{input.dtype}"
        )
    from ._categories import check_weights, with_replacement, without_replacement

    weights = _host(input).astype(np.float64)
    rows = weights.reshape(-1, weights.shape[-1])
    check_weights(rows, num_samples, replacement)
    draw = with_replacement if replacement else without_replacement
    drawn = draw(rows, num_samples, source_of(generator)).astype(np.int64)
    return _finish(drawn.reshape((*weights.shape[:-1], num_samples)), input.device, False)


# -- in place ------------------------------------------------------------------------------------
def overwrite(name: str, x: Tensor, array: Any) -> Tensor:
    from .inplace import store

    drawn = np.asarray(array).astype(x.dtype, copy=False)
    return store(name, x, _from([x], wrap(move(drawn, device_of(x.array)))))


def ready(name: str, x: Tensor, least: int = FLOAT) -> Any:
    """The float type to draw in for x, after checking that x may be written."""
    from .inplace import check_writable

    check_writable(name, x)
    if CATEGORY[x.dtype] < least:
        raise DTypeError(f"{name}: want a floating-point tensor, got {x.dtype}")
    return x.dtype if CATEGORY[x.dtype] >= FLOAT else default_of(FLOAT)


def uniform_(
    self: Tensor, from_: float = 0.0, to: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Overwrite with uniform values in [from, to).

    >>> bool((rand(3).uniform_(5, 6) >= 5).all())
    True
    """
    dtype = ready("uniform_", self)
    if from_ > to:
        raise OutOfBoundsError(f"uniform_: want from <= to, got from {from_} and to {to}")
    drawn = uniform(tuple(self.shape), dtype, generator)
    if (from_, to) != (0, 1):
        drawn = drawn * dtype.type(to - from_) + _both(dtype, from_)
    return overwrite("uniform_", self, drawn)


def _both(dtype: Any, value: float) -> Any:
    """The number in this type, in both parts of a complex one."""
    return dtype.type(complex(value, value) if CATEGORY[dtype] == COMPLEX else value)


def normal_(
    self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Overwrite with values of the normal distribution; complex ones have mean in both parts.

    >>> rand(3).normal_().shape
    sensorium.Size([3])
    """
    dtype = ready("normal_", self)
    _want_spread("normal_", std)
    drawn = gauss(tuple(self.shape), dtype, generator) * dtype.type(std) + _both(dtype, mean)
    return overwrite("normal_", self, drawn)


def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Overwrite with 1 with chance p (a number, or a tensor that broadcasts), else 0.

    >>> from sensorium import ones
    >>> ones(2).bernoulli_(0.0)
    tensor([0., 0.])
    """
    ready("bernoulli_", self, 0)
    drawn = _toss("bernoulli_", tuple(self.shape), _host(p), generator)
    return overwrite("bernoulli_", self, drawn)


def random_(
    self: Tensor, from_: int = 0, to: int | None = None, *, generator: Generator | None = None
) -> Tensor:
    """Overwrite with integers in [from, to); ``random_(to)`` starts at 0.

    Without limits: up to the largest integer that the type holds exactly.

    >>> from sensorium import zeros
    >>> bool((zeros(9).random_(3) < 3).all())
    True
    """
    ready("random_", self, 0)
    if to is None:
        from_, to = (0, from_) if from_ else (0, _largest(self.dtype) + 1)
    drawn = integers("random_", int(from_), int(to), tuple(self.shape), self.dtype, generator)
    return overwrite("random_", self, drawn)


_WHOLE = {"bool": 1, "bfloat16": 2**8, "float16": 2**11, "float32": 2**24}


def _largest(dtype: Any) -> int:
    """The largest integer up to which the type holds every integer."""
    return int(np.iinfo(dtype).max) if CATEGORY[dtype] == INTEGER else _WHOLE.get(str(dtype), 2**53)


INPLACE = (uniform_, normal_, bernoulli_, random_)
