"""gradcheck and gradgradcheck: gradients of a function against finite differences.

For every input element the function is evaluated at x + eps and x - eps; the quotient is a column of
the Jacobian matrix, which is compared with what backward says. Meant for float64. Follows
``torch.autograd.gradcheck``; complex inputs are checked along their real and imaginary parts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..dtypes import FLOATING, float64
from ..errors import AutogradError, DTypeError
from ..tensor import Tensor, wrap
from .engine import grad


class GradcheckError(AutogradError):
    """A gradient that differs from finite differences."""


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """Whether backward of func(*inputs) agrees with central differences within atol + rtol |d|.

    inputs: a tensor or several; those that require a gradient are checked, and should be float64.

    >>> import sensorium as sn
    >>> x = sn.tensor([1.0, 2.0], dtype=sn.float64, requires_grad=True)
    >>> gradcheck(lambda x: x * x, x)
    True
    """
    given = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    checked = [i for i, x in enumerate(given) if isinstance(x, Tensor) and x.needs_grad]
    if not checked:
        raise AutogradError("gradcheck: no input requires a gradient")
    results = _results(func(*given))
    try:
        for k, y in enumerate(results):
            for i in checked:
                _compare(func, given, k, i, y, eps, atol, rtol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _results(value: Any) -> list[Tensor]:
    """The outputs that have gradients."""
    values = value if isinstance(value, (tuple, list)) else (value,)
    return [v for v in values if isinstance(v, Tensor) and v.needs_grad]


def _steps(x: Tensor) -> list[Any]:
    """The directions of one element: real, and imaginary for complex types."""
    return [1.0, 1j] if x.dtype.kind == "c" else [1.0]


def _compare(
    func: Any, given: Any, k: int, i: int, y: Tensor, eps: float, atol: float, rtol: float
) -> None:
    """Both Jacobian matrices of output k by input i."""
    x = given[i]
    numeric = np.stack([_difference(func, given, k, i, at, way, eps) for at, way in _places(x)])
    analytic = _by_backward(y, x)
    if not np.allclose(analytic, numeric, rtol, atol, equal_nan=True):
        worst = np.unravel_index(np.argmax(np.abs(analytic - numeric)), numeric.shape)
        raise GradcheckError(
            f"gradcheck: the gradient of output {k} by input {i} is {analytic[worst]:.6g} by "
            f"backward but {numeric[worst]:.6g} by differences (input element "
            f"{worst[0] // len(_steps(x))}, output element {worst[1] // len(_steps(y))})"
        )


def _places(x: Tensor) -> list[tuple[tuple[int, ...], Any]]:
    return [(at, way) for at in np.ndindex(*x.shape) for way in _steps(x)]


def _parts(y: np.ndarray) -> np.ndarray:
    """Complex values as pairs of real ones, flat."""
    flat = y.reshape(-1)
    return np.stack([flat.real, flat.imag], -1).reshape(-1) if y.dtype.kind == "c" else flat


def _difference(
    func: Any, given: Any, k: int, i: int, at: tuple[int, ...], way: Any, eps: float
) -> np.ndarray:
    """d output k / d (element at of input i along way), by central differences."""
    ends = []
    for step in (eps * way, -eps * way):
        array = np.array(given[i].array)
        array[at] += step
        moved = wrap(array)
        moved.requires_grad = True
        value = _results(func(*given[:i], moved, *given[i + 1 :]))[k]
        ends.append(_parts(np.asarray(value.array)))
    return (ends[0] - ends[1]) / (2 * eps)


def _by_backward(y: Tensor, x: Tensor) -> np.ndarray:
    """d y / d x, one row for every part of x, one column for every part of y."""
    columns = []
    for at, way in _places(y):
        start = np.zeros_like(y.array)
        start[at] = way
        (g,) = grad(y, x, wrap(start), retain_graph=True, allow_unused=True)
        columns.append(_parts(np.zeros_like(x.array) if g is None else np.asarray(g.array)))
    return np.stack(columns, -1)


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Sequence[Tensor] | Tensor | None = None,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """``gradcheck`` of the gradient of func, by the inputs and by the gradient it starts from.

    >>> import sensorium as sn
    >>> x = sn.tensor([1.0, 2.0], dtype=sn.float64, requires_grad=True)
    >>> gradgradcheck(lambda x: x**3, x)
    True
    """
    given = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    starts = _starts(_results(func(*given)), grad_outputs)
    count = len(given)

    def first(*args: Any) -> tuple[Any, ...]:
        xs = [x for x in args[:count] if isinstance(x, Tensor) and x.needs_grad]
        ys = _results(func(*args[:count]))
        return grad(ys, xs, args[count:], create_graph=True, materialize_grads=True)

    return gradcheck(first, (*given, *starts), eps, atol, rtol, raise_exception)


def _starts(results: list[Tensor], grad_outputs: Any) -> list[Tensor]:
    """Gradients to start from: those given, or random ones of each output's shape."""
    if grad_outputs is not None:
        listed = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)
        if len(listed) != len(results):
            raise AutogradError(
                f"gradgradcheck: {len(results)} outputs but {len(listed)} grad_outputs"
            )
        return listed
    source, starts = np.random.default_rng(0), []
    for y in results:
        if y.dtype not in FLOATING:
            raise DTypeError(f"gradgradcheck: want floating-point outputs, got {y.dtype}")
        start = wrap(np.asarray(source.standard_normal(y.shape), float64).astype(y.dtype))
        start.requires_grad = True
        starts.append(start)
    return starts
