"""Convolution in one, two and three dimensions.

y[n, o, i] = sum over c, k of x[n, c, stride i + dilation k - padding] w[o, c, k] + b[o]

The formula walks the taps of the kernel: each adds the product of a shifted slice of x with the tap's
matrix. Its two gradients are ops of the same kind: one spreads the taps back (that is a transposed
convolution), one correlates x with g. Each is linear in both operands and the gradient of the others,
so any number of derivatives closes on these three. Results are channels-last in memory.

Source: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning" (2016).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from ..backends.cpu import onednn
from ..errors import DTypeError, ShapeError
from ._declare import Array, op
from ._dims import pair_up

Pairs = tuple[tuple[int, int], ...]


# -- geometry --------------------------------------------------------------------------------------
def out_size(n: int, k: int, s: int, p: tuple[int, int], d: int) -> int:
    """How many windows of k taps, d apart, fit into n + padding in steps of s."""
    return (n + p[0] + p[1] - d * (k - 1) - 1) // s + 1


def _out_sizes(x: Any, w: Any, stride: Any, padding: Any, dilation: Any) -> tuple[int, ...]:
    return tuple(
        out_size(n, k, s, p, d) for n, k, s, p, d in zip(x[2:], w[2:], stride, padding, dilation)
    )


def _pad_spatial(x: Any, padding: Pairs) -> Any:
    if not any(a or b for a, b in padding):
        return x
    return np.pad(x, [(0, 0), (0, 0), *padding])


def taps(
    kernel: tuple[int, ...], out: tuple[int, ...], stride: Any, dilation: Any
) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:
    """Every place in the kernel with the slice of the padded input it meets."""
    for place in product(*map(range, kernel)):
        yield place, (
            slice(None),
            slice(None),
            *(slice(i * d, i * d + (n - 1) * s + 1, s)
              for i, n, s, d in zip(place, out, stride, dilation)),
        )  # fmt: skip


def _grouped(x: Any, groups: int) -> Any:
    """(N, C, *out) as rows of channels for every group: (G, N * out, C / G)."""
    n, c = x.shape[:2]
    last = x.reshape(n, groups, c // groups, -1)
    return last.transpose(1, 0, 3, 2).reshape(groups, -1, c // groups)


def _ungrouped(rows: Any, n: int, out: tuple[int, ...]) -> Any:
    """(G, N * out, C / G) back to (N, C, *out), channels-last in memory."""
    groups, _, c = rows.shape
    last = rows.transpose(1, 0, 2).reshape(n, *out, groups * c)
    return last.transpose(0, last.ndim - 1, *range(1, last.ndim - 1))


def _tap_matrices(weight: Any, groups: int, place: tuple[int, ...]) -> Any:
    """The tap's matrix for every group: (G, C / G, O / G)."""
    tap = weight[(slice(None), slice(None), *place)]  # (O, C / G)
    return tap.reshape(groups, -1, tap.shape[1]).transpose(0, 2, 1)


def _wide(*arrays: Any) -> list[Any]:
    """Half types as float32, in which their products add up; integers are exact as they are."""
    half = arrays[0].dtype.itemsize == 2 and arrays[0].dtype.kind not in "iu"
    return [a.astype(np.float32) for a in arrays] if half else list(arrays)


# -- the three ops ---------------------------------------------------------------------------------
@op
def _conv(
    input: Array, weight: Array, stride: Any, padding: Pairs, dilation: Any, groups: int
) -> Array:
    """The convolution of (N, C, *n) with (O, C / groups, *k)."""
    kind, (input, weight) = input.dtype, _wide(input, weight)
    out = _out_sizes(input.shape, weight.shape, stride, padding, dilation)
    padded = _pad_spatial(input, padding)
    total: Any = 0
    for place, where in taps(weight.shape[2:], out, stride, dilation):
        total = total + _grouped(padded[where], groups) @ _tap_matrices(weight, groups, place)
    return _ungrouped(total, input.shape[0], out).astype(kind, copy=False)


@_conv.grad("input")
def _(g, weight, shapes, stride, padding, dilation, groups):
    return _conv_input_grad(g, weight, shapes[0], stride, padding, dilation, groups)


@_conv.grad("weight")
def _(g, input, shapes, stride, padding, dilation, groups):
    return _conv_weight_grad(g, input, shapes[1], stride, padding, dilation, groups)


@op
def _conv_input_grad(
    g: Array, weight: Array, shape: Any, stride: Any, padding: Pairs, dilation: Any, groups: int
) -> Array:
    """What g (N, O, *out) sends back to an input of the given shape: the transposed convolution."""
    kind, (g, weight) = g.dtype, _wide(g, weight)
    padded = [n + a + b for n, (a, b) in zip(shape[2:], padding)]
    total = np.zeros((shape[0], *padded, shape[1]), g.dtype, like=g)  # channels last
    total = total.transpose(0, total.ndim - 1, *range(1, total.ndim - 1))
    rows = _grouped(g, groups)
    for place, where in taps(weight.shape[2:], g.shape[2:], stride, dilation):
        back = rows @ _tap_matrices(weight, groups, place).transpose(0, 2, 1)
        total[where] += _ungrouped(back, g.shape[0], g.shape[2:])
    inside = tuple(slice(a, a + n) for n, (a, _) in zip(shape[2:], padding))
    return total[(slice(None), slice(None), *inside)].astype(kind, copy=False)


@_conv_input_grad.grad("g")
def _(h, weight, stride, padding, dilation, groups):
    return _conv(h, weight, stride, padding, dilation, groups)


@_conv_input_grad.grad("weight")
def _(h, g, shapes, stride, padding, dilation, groups):
    return _conv_weight_grad(g, h, shapes[1], stride, padding, dilation, groups)


@op
def _conv_weight_grad(
    g: Array, input: Array, shape: Any, stride: Any, padding: Pairs, dilation: Any, groups: int
) -> Array:
    """The correlation of g (N, O, *out) with the input: the gradient of a weight of that shape."""
    kind, (g, input) = g.dtype, _wide(g, input)
    padded = _pad_spatial(input, padding)
    total: Any = np.zeros(shape, g.dtype, like=g)
    rows = _grouped(g, groups).transpose(0, 2, 1)  # (G, O / G, N * out)
    for place, where in taps(shape[2:], g.shape[2:], stride, dilation):
        tap = rows @ _grouped(padded[where], groups)  # (G, O / G, C / G)
        total[(..., *place)] = tap.reshape(shape[:2])
    return total.astype(kind, copy=False)


@_conv_weight_grad.grad("g")
def _(h, input, stride, padding, dilation, groups):
    return _conv(input, h, stride, padding, dilation, groups)


@_conv_weight_grad.grad("input")
def _(h, g, shapes, stride, padding, dilation, groups):
    return _conv_input_grad(g, h, shapes[1], stride, padding, dilation, groups)


# -- fast paths ------------------------------------------------------------------------------------
@_conv.fast("onednn", when=onednn.takes_conv)
def _(input, weight, stride, padding, dilation, groups):
    return onednn.conv_forward(input, weight, None, stride, padding, dilation, groups)


@_conv_input_grad.fast("onednn", when=onednn.takes_conv)
def _(g, weight, shape, stride, padding, dilation, groups):
    return onednn.conv_backward_data(g, weight, shape, stride, padding, dilation, groups)


@_conv_weight_grad.fast("onednn", when=onednn.takes_conv)
def _(g, input, shape, stride, padding, dilation, groups):
    return onednn.conv_backward_weights(
        g, input, shape, stride, padding, dilation, groups, False
    )[0]  # fmt: skip


# -- samples ---------------------------------------------------------------------------------------
def _slow_conv(x: Any, w: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """The definition, one output element at a time."""
    padded = np.pad(x, [(0, 0), (0, 0), *padding])
    out = _out_sizes(x.shape, w.shape, stride, padding, dilation)
    y = np.zeros((x.shape[0], w.shape[0], *out))
    per_out, per_in = w.shape[0] // groups, w.shape[1]
    for n, o, *i in np.ndindex(*y.shape):
        first = (o // per_out) * per_in
        for c, *k in np.ndindex(*w.shape[1:]):
            at = [a * s + b * d for a, s, b, d in zip(i, stride, k, dilation)]
            y[(n, o, *i)] += padded[(n, first + c, *at)] * w[(o, c, *k)]
    return y


def _slow_input_grad(g: Any, w: Any, shape: Any, *rest: Any) -> Any:
    """By linearity: the response to every unit input."""
    x = np.zeros(shape)
    y = np.zeros(shape)
    for index in np.ndindex(*shape):
        x[index] = 1
        y[index] = (_slow_conv(x, w, *rest) * g).sum()
        x[index] = 0
    return y


def _slow_weight_grad(g: Any, x: Any, shape: Any, *rest: Any) -> Any:
    w, y = np.zeros(shape), np.zeros(shape)
    for index in np.ndindex(*shape):
        w[index] = 1
        y[index] = (_slow_conv(x, w, *rest) * g).sum()
        w[index] = 0
    return y


_CASES = [  # x, w, stride, padding, dilation, groups
    ((2, 3, 5), (4, 3, 2), (1,), ((0, 0),), (1,), 1),
    ((1, 2, 5, 4), (2, 2, 3, 2), (2, 1), ((1, 1), (0, 1)), (1, 2), 1),
    ((1, 4, 4, 4), (4, 1, 3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 4),
    ((1, 2, 3, 3, 3), (2, 1, 2, 2, 2), (1, 2, 1), ((0, 0), (1, 0), (0, 0)), (1, 1, 1), 2),
]


@_conv.samples(reference=_slow_conv, tolerance=1e-11)
def _(rng):
    for x, w, *rest in _CASES:
        yield rng.normal(size=x), rng.normal(size=w), *rest


@_conv_input_grad.samples(reference=_slow_input_grad, tolerance=1e-11)
def _(rng):
    for x, w, *rest in _CASES[:3]:
        out = _out_sizes(x, w, *rest[:3])
        yield rng.normal(size=(x[0], w[0], *out)), rng.normal(size=w), x, *rest


@_conv_weight_grad.samples(reference=_slow_weight_grad, tolerance=1e-11)
def _(rng):
    for x, w, *rest in _CASES[:3]:
        out = _out_sizes(x, w, *rest[:3])
        yield rng.normal(size=(x[0], w[0], *out)), rng.normal(size=x), w, *rest


# -- what users call -------------------------------------------------------------------------------
def _check_conv(
    name: str, n: int, input: Any, weight: Any, bias: Any, groups: int, cin: int
) -> None:
    shapes = f"(x {tuple(input.shape)}, weight {tuple(weight.shape)})"
    if weight.ndim != n + 2 or input.ndim != n + 2:
        raise ShapeError(
            f"{name}: want x of {n + 1} or {n + 2} and weight of {n + 2} dimensions {shapes}"
        )
    if groups < 1 or weight.shape[0] % groups:
        raise ShapeError(
            f"{name}: {groups} groups do not divide weight's {weight.shape[0]} filters {shapes}"
        )
    if input.shape[1] != cin:
        raise ShapeError(f"{name}: x has {input.shape[1]} channels but weight wants {cin} {shapes}")
    if input.dtype != weight.dtype:
        raise DTypeError(f"{name}: x is {input.dtype} but weight {weight.dtype}")
    if input.dtype.kind == "b":
        raise DTypeError(f"{name}: bool is not multiplied: want numbers")


def _check_bias(name: str, input: Any, bias: Any, channels: int) -> None:
    if bias is None:
        return
    if tuple(bias.shape) != (channels,):
        raise ShapeError(f"{name}: bias {tuple(bias.shape)} does not fit {channels} filters")
    if bias.dtype != input.dtype:
        raise DTypeError(f"{name}: x is {input.dtype} but bias {bias.dtype}")


def resolve_padding(name: str, padding: Any, kernel: Any, stride: Any, dilation: Any) -> Pairs:
    """Padding as given (int, one a dimension, "same", "valid") as pairs (before, after)."""
    n = len(kernel)
    if padding == "valid":
        return ((0, 0),) * n
    if padding == "same":
        if any(s != 1 for s in stride):
            raise ShapeError(f"{name}: padding 'same' needs stride 1, got {stride}")
        totals = [d * (k - 1) for k, d in zip(kernel, dilation)]
        return tuple((t // 2, t - t // 2) for t in totals)
    if isinstance(padding, str):
        raise DTypeError(f"{name}: padding must be numbers, 'same' or 'valid', got {padding!r}")
    return tuple((p, p) for p in pair_up(name, "padding", padding, n))


def _along_channels(bias: Any, n: int) -> Any:
    return bias.reshape(-1, *(1,) * n)


def _convolve(
    name: str,
    n: int,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Any:
    if input.ndim == n + 1:  # one image without a batch
        y = _convolve(name, n, input[None], weight, bias, stride, padding, dilation, groups)
        return y[0]
    _check_conv(name, n, input, weight, bias, groups, weight.shape[1] * groups)
    _check_bias(name, input, bias, weight.shape[0])
    steps = pair_up(name, "stride", stride, n, least=1)
    apart = pair_up(name, "dilation", dilation, n, least=1)
    pads = resolve_padding(name, padding, tuple(weight.shape[2:]), steps, apart)
    out = _out_sizes(input.shape, weight.shape, steps, pads, apart)
    if min(out) < 1:
        raise ShapeError(
            f"{name}: the kernel {tuple(weight.shape[2:])} (dilation {apart}) does not fit into x "
            f"{tuple(input.shape)} with padding {padding}"
        )
    y = _conv(input, weight, steps, pads, apart, groups)
    return y if bias is None else y + _along_channels(bias, n)


def conv1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """The convolution of (N, C, T) or (C, T) with weight (O, C / groups, K), plus bias (O).

    padding is a number of zeros at both ends, "same" (output as long as the input) or "valid" (none).

    >>> import sensorium as sn
    >>> sn.nn.functional.conv1d(sn.ones(1, 1, 4), sn.ones(1, 1, 2))
    tensor([[[2., 2., 2.]]])
    """
    return _convolve("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """The convolution of (N, C, H, W) or (C, H, W) with weight (O, C / groups, KH, KW), plus bias (O).

    Options are one number or one a dimension; padding also "same" or "valid".

    >>> import sensorium as sn
    >>> sn.nn.functional.conv2d(sn.ones(1, 1, 2, 3), sn.ones(1, 1, 2, 2))
    tensor([[[[4., 4.]]]])
    """
    return _convolve("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """The convolution of (N, C, D, H, W) with weight (O, C / groups, KD, KH, KW), plus bias (O).

    >>> import sensorium as sn
    >>> sn.nn.functional.conv3d(sn.ones(1, 1, 2, 2, 2), sn.ones(1, 1, 2, 2, 2)).item()
    8.0
    """
    return _convolve("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)
