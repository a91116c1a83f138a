"""What is a line of other ops: lerp, addcmul, diff, take, var_mean, ... and other names.

PyTorch's names and meanings; each is written with ops that have their gradients already.
"""

from __future__ import annotations

import builtins
import math
from typing import Any, NamedTuple

from ..errors import DTypeError, ShapeError
from ..tensor import Tensor
from ._dims import one_dim
from ._out import with_out
from .arithmetic import add, mul, sub, true_divide
from .cast import to_dtype
from .compare import eq, ge, gt, isinf, isnan, le, lt, ne
from .exponential import abs, exp, log1p, neg
from .extremes import amax, amin
from .gather import gather
from .join import cat
from .reduce import mean, nansum, std, sum, var
from .rounding import trunc
from .select import where
from .shape import movedim, reshape, transpose

absolute, negative, fix = abs, neg, trunc
greater, greater_equal, less, less_equal, not_equal = gt, ge, lt, le, ne
moveaxis, swapaxes, swapdims = movedim, transpose, transpose


def _want_tensor(name: str, value: Any) -> None:
    if not isinstance(value, Tensor):
        raise DTypeError(f"{name}: wants a tensor, got {type(value).__name__}")


# -- elementwise -----------------------------------------------------------------------------------
def positive(input: Any) -> Any:
    """The input itself; bool is refused, as for ``-input``.

    >>> import sensorium as sn
    >>> sn.positive(sn.tensor([-1]))
    tensor([-1])
    """
    if input.dtype.kind == "b":
        raise DTypeError("positive: bool has no sign")
    return input


def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """other - alpha * input.

    >>> import sensorium as sn
    >>> sn.rsub(sn.tensor([1.0]), 3)
    tensor([2.])
    """
    _want_tensor("rsub", input)
    return sub(other, input if alpha == 1 else mul(input, alpha))


@with_out
def frac(input: Any) -> Any:
    """input - trunc(input): what is behind the point, with input's sign.

    >>> import sensorium as sn
    >>> sn.frac(sn.tensor([1.5, -2.25]))
    tensor([ 0.5000, -0.2500])
    """
    if input.dtype.kind in "biu":
        raise DTypeError(f"frac: want floating-point values, got {input.dtype}")
    return input - trunc(input)


def _floating(input: Any) -> Any:
    from ..dtypes import default_of

    return to_dtype(input, default_of(2)) if input.dtype.kind in "biu" else input


@with_out
def deg2rad(input: Any) -> Any:
    """input * pi / 180.

    >>> import sensorium as sn
    >>> sn.deg2rad(sn.tensor([180.0]))
    tensor([3.1416])
    """
    return mul(_floating(input), math.pi / 180)


@with_out
def rad2deg(input: Any) -> Any:
    """input * 180 / pi.

    >>> import sensorium as sn
    >>> sn.rad2deg(sn.tensor([0.0]))
    tensor([0.])
    """
    return mul(_floating(input), 180 / math.pi)


@with_out
def lerp(input: Any, end: Any, weight: Any) -> Any:
    """input + weight (end - input): from input at weight 0 to end at weight 1.

    >>> import sensorium as sn
    >>> sn.lerp(sn.tensor([0.0]), sn.tensor([10.0]), 0.25)
    tensor([2.5000])
    """
    if input.dtype != end.dtype:
        raise DTypeError(f"lerp: input is {input.dtype} but end {end.dtype}")
    way = end - input
    near = input + way * weight
    if isinstance(weight, (int, float, complex)):
        return near if builtins.abs(weight) < 0.5 else end - way * (1 - weight)
    return where(abs(weight) < 0.5, near, end - way * (1 - weight))  # exact at both ends


@with_out
def addcmul(input: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Any:
    """input + value * tensor1 * tensor2.

    >>> import sensorium as sn
    >>> sn.addcmul(sn.tensor([1.0]), sn.tensor([2.0]), sn.tensor([3.0]), value=0.5)
    tensor([4.])
    """
    product = mul(tensor1, tensor2)
    return add(input, product if value == 1 else mul(product, value))


@with_out
def addcdiv(input: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Any:
    """input + value * tensor1 / tensor2, for floating-point operands.

    >>> import sensorium as sn
    >>> sn.addcdiv(sn.tensor([1.0]), sn.tensor([6.0]), sn.tensor([3.0]))
    tensor([3.])
    """
    if tensor1.dtype.kind in "biu" and tensor2.dtype.kind in "biu":
        raise DTypeError(
            f"addcdiv: integers are not divided; got {tensor1.dtype} and {tensor2.dtype}"
        )
    ratio = true_divide(tensor1, tensor2)
    return add(input, ratio if value == 1 else mul(ratio, value))


@with_out
def logaddexp(input: Any, other: Any) -> Any:
    """log(exp(input) + exp(other)) without overflow.

    >>> import sensorium as sn
    >>> sn.logaddexp(sn.tensor([0.0]), sn.tensor([0.0]))
    tensor([0.6931])
    """
    _want_tensor("logaddexp", input)
    _want_tensor("logaddexp", other)
    top = where(ge(input, other), input, other)
    below = where(ge(input, other), other, input)
    same = isinf(top) & eq(top, below)  # inf - inf is no number
    return where(same, top, top + log1p(exp(below - top)))


@with_out
def nan_to_num(
    input: Any, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> Any:
    """input with nan as 0 and the infinities as the largest finite numbers, or as given.

    >>> import sensorium as sn
    >>> sn.nan_to_num(sn.tensor([float("nan"), 1.0]))
    tensor([0., 1.])
    """
    if input.dtype.kind in "biu":
        return input.clone()
    if input.dtype.kind == "c":
        raise DTypeError("nan_to_num: want real values, got complex ones")
    import ml_dtypes

    limits = ml_dtypes.finfo(input.dtype)
    high = float(limits.max) if posinf is None else posinf
    low = float(limits.min) if neginf is None else neginf
    x = where(isnan(input), 0.0 if nan is None else nan, input)
    x = where(isinf(input) & gt(input, 0), high, x)
    return where(isinf(input) & lt(input, 0), low, x)


# -- reductions ------------------------------------------------------------------------------------
def count_nonzero(input: Any, dim: Any = None) -> Any:
    """How many values are not 0, over dim.

    >>> import sensorium as sn
    >>> sn.count_nonzero(sn.tensor([0, 3, 0, 5]))
    tensor(2)
    """
    return sum(ne(input, 0), dim)


@with_out
def nanmean(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The mean of the values that are not nan.

    >>> import sensorium as sn
    >>> sn.nanmean(sn.tensor([1.0, float("nan"), 3.0]))
    tensor(2.)
    """
    if input.dtype.kind in "biu":
        raise DTypeError(f"nanmean: want floating-point values, got {input.dtype}")
    count = sum(isnan(input).logical_not(), dim, keepdim)
    return nansum(input, dim, keepdim, dtype=dtype) / count


class _MinMax(NamedTuple):
    min: Any
    max: Any


@with_out(cast=False)
def aminmax(input: Any, *, dim: int | None = None, keepdim: bool = False) -> Any:
    """The smallest and the largest values: (min, max).

    >>> import sensorium as sn
    >>> sn.aminmax(sn.tensor([3, 1, 2])).max
    tensor(3)
    """
    dims = () if dim is None else dim
    return _MinMax(amin(input, dims, keepdim), amax(input, dims, keepdim))


def var_mean(
    input: Any,
    dim: Any = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Any, Any]:
    """``var`` and ``mean`` over dim.

    >>> import sensorium as sn
    >>> sn.var_mean(sn.tensor([1.0, 3.0]))
    (tensor(2.), tensor(2.))
    """
    dims = None if isinstance(dim, bool) else dim  # var_mean(x, unbiased), as PyTorch allows
    return var(input, dim, unbiased, keepdim, correction=correction), mean(input, dims, keepdim)


def std_mean(
    input: Any,
    dim: Any = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Any, Any]:
    """``std`` and ``mean`` over dim.

    >>> import sensorium as sn
    >>> sn.std_mean(sn.tensor([1.0, 3.0]), correction=0)
    (tensor(1.), tensor(2.))
    """
    dims = None if isinstance(dim, bool) else dim
    return std(input, dim, unbiased, keepdim, correction=correction), mean(input, dims, keepdim)


# -- along a dimension -----------------------------------------------------------------------------
@with_out
def diff(input: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """The n-th differences of neighbours along dim, of input between prepend and append.

    >>> import sensorium as sn
    >>> sn.diff(sn.tensor([1, 4, 9]))
    tensor([3, 5])
    """
    if not input.ndim or n < 0:
        raise ShapeError(f"diff: want a dimension and n of at least 0, got {input.ndim}-d, n={n}")
    d = one_dim("diff", dim, input.ndim)
    if n == 0:
        return input
    x = cat([part for part in (prepend, input, append) if part is not None], d)
    before = (slice(None),) * d
    for _ in range(min(n, x.shape[d])):
        later, earlier = x[(*before, slice(1, None))], x[(*before, slice(None, -1))]
        x = later ^ earlier if x.dtype.kind == "b" else later - earlier
    return x


@with_out(cast=False)
def take(input: Any, index: Any) -> Any:
    """The elements at these places of the flattened input, in the shape of index.

    >>> import sensorium as sn
    >>> sn.take(sn.tensor([[1, 2], [3, 4]]), sn.tensor([0, 3]))
    tensor([1, 4])
    """
    return reshape(input, (-1,))[index]


@with_out
def take_along_dim(input: Any, indices: Any, dim: int | None = None) -> Any:
    """The elements at indices along dim; both broadcast elsewhere. None: of the flattened tensors.

    >>> import sensorium as sn
    >>> x = sn.tensor([[3, 1], [2, 4]])
    >>> sn.take_along_dim(x, x.argsort(1), 1)
    tensor([[1, 3],
            [2, 4]])
    """
    if dim is None:
        return gather(reshape(input, (-1,)), 0, reshape(indices, (-1,)))
    if input.ndim != indices.ndim:
        raise ShapeError(
            f"take_along_dim: input {tuple(input.shape)} and indices {tuple(indices.shape)} must "
            "have as many dimensions"
        )
    d = one_dim("take_along_dim", dim, input.ndim)
    sizes = [
        b if k == d else builtins.max(a, b)
        for k, (a, b) in enumerate(zip(input.shape, indices.shape))
    ]
    indices = where(lt(indices, 0), indices + input.shape[d], indices)
    along = [*sizes[:d], input.shape[d], *sizes[d + 1 :]]
    return gather(input.expand(*along), d, indices.expand(*sizes))
