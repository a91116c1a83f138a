"""The ops that passes make: a product, convolution or elementwise step with what follows it.

They stand in a graph as ops do, but nobody calls them: a kernel runs them, and ``hot`` says what they
mean in ops of ``sensorium.ops``, which is also how they run where no kernel takes them.

``post`` is what happens to a result on its way to memory: steps such as ``("relu",)``,
``("linear", 0.5, 0.0)`` or ``("add", value)``, each taking the result of the one before.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .. import ops
from ..dtypes import bfloat16, float32
from ..nn import functional as F
from ..ops.batch_norms import _normalise
from ..ops.conv import _conv

Step = tuple[Any, ...]


@dataclass(eq=False)
class FusedOp:
    """What a node needs to know of its op."""

    name: str
    hot: Callable[..., Any]
    view: bool = False


# -- steps ---------------------------------------------------------------------------------------
UNARY: dict[str, Callable[..., Any]] = {
    "relu": ops.relu,
    "relu6": ops.relu6,
    "gelu": ops.gelu,
    "gelu_tanh": lambda x: ops.gelu(x, "tanh"),
    "silu": ops.silu,
    "tanh": ops.tanh,
    "sigmoid": ops.sigmoid,
    "hardswish": F.hardswish,
    "elu": ops.elu,
    "leaky_relu": ops.leaky_relu,
    "mish": F.mish,
    "abs": ops.abs,
    "sqrt": ops.sqrt,
    "square": ops.square,
    "log": ops.log,
    "linear": lambda x, a, b: x * a + b,
}
"""Steps of one array; their names are those of the engine's elementwise functions."""

BINARY: dict[str, Callable[..., Any]] = {
    "add": ops.add,
    "sub": ops.sub,
    "mul": ops.mul,
    "div": ops.true_divide,
}
"""Steps with a second operand, which is never larger than the first."""


def applied(x: Any, post: tuple[Step, ...]) -> Any:
    """x after the steps."""
    for name, *rest in post:
        x = (UNARY.get(name) or BINARY[name])(x, *rest)
    return x


# -- the ops -------------------------------------------------------------------------------------
def _in_float32(formula: Callable[..., Any]) -> Callable[..., Any]:
    """The formula, in float32 where x is bfloat16; who stores the result casts it."""

    @functools.wraps(formula)
    def compute(x: Any, *rest: Any) -> Any:
        if x.dtype != bfloat16:
            return formula(x, *rest)
        return formula(*_wide((x, *rest)))

    return compute


def _wide(argument: Any) -> Any:
    if type(argument) in (list, tuple):
        return type(argument)(map(_wide, argument))
    return argument.astype(float32) if getattr(argument, "dtype", None) == bfloat16 else argument


@_in_float32
def _conv_post(x: Any, weight: Any, bias: Any, norm: Any, geometry: Any, post: Any) -> Any:
    y = _conv.op.hot(x, weight, *geometry)
    if bias is not None:
        y = ops.add(y, bias.reshape(-1, *(1,) * (y.ndim - 2)))
    if norm:
        scale, shift, mean, var, eps = norm
        y = _normalise.op.hot(y, mean, var, scale, shift, eps)
    return applied(y, post)


@_in_float32
def _product_post(x: Any, weight: Any, bias: Any, post: Any) -> Any:
    y = ops.matmul(x, weight)
    return applied(y if bias is None else ops.add(y, bias), post)


CONV = FusedOp("conv", _conv_post)
"""post(norm(convolution of x with weight + bias)); norm is () or (scale, shift, mean, var, eps)."""

PRODUCT = FusedOp("product", _product_post)
"""post(x @ weight + bias): weight (K, N), or matrices in batches."""

CHAIN = FusedOp("chain", _in_float32(applied))
"""post(x), elementwise."""

MEAN = FusedOp(
    "spatial_mean", _in_float32(lambda x: x.mean(axis=(2, 3), keepdims=True, dtype=x.dtype))
)
"""The mean over H and W: (N, C, H, W) -> (N, C, 1, 1)."""
