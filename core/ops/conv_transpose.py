"""Transposed convolution in one, two and three dimensions: the input gradient of a convolution."""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from ._dims import pair_up
from .conv import _along_channels, _check_bias, _check_conv, _conv_input_grad


# -- transposed ------------------------------------------------------------------------------------
def _transposed(
    name: str,
    n: int,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Any:
    if input.ndim == n + 1:
        y = _transposed(name, n, input[None], weight, bias, stride, padding, output_padding, groups,
                        dilation)  # fmt: skip
        return y[0]
    _check_conv(name, n, input, weight, bias, groups, weight.shape[0])
    _check_bias(name, input, bias, weight.shape[1] * groups)
    steps = pair_up(name, "stride", stride, n, least=1)
    apart = pair_up(name, "dilation", dilation, n, least=1)
    pads = pair_up(name, "padding", padding, n)
    more = pair_up(name, "output_padding", output_padding, n)
    if any(m >= max(s, d) for m, s, d in zip(more, steps, apart)):
        raise ShapeError(
            f"{name}: output_padding {more} must be smaller than stride {steps} or dilation {apart}"
        )
    out = tuple(
        (i - 1) * s - 2 * p + d * (k - 1) + m + 1
        for i, k, s, p, m, d in zip(input.shape[2:], weight.shape[2:], steps, pads, more, apart)
    )
    if min(out) < 1:
        raise ShapeError(f"{name}: padding {pads} leaves no output of x {tuple(input.shape)}")
    shape = (input.shape[0], weight.shape[1] * groups, *out)
    pairs = tuple((p, p - m) for p, m in zip(pads, more))
    if min(b for _, b in pairs) < 0:  # computed larger, then cut: no negative padding needed
        return _cut_transposed(input, weight, bias, shape, steps, pads, more, apart, groups)
    y = _conv_input_grad(input, weight, shape, steps, pairs, apart, groups)
    return y if bias is None else y + _along_channels(bias, n)


def _cut_transposed(
    input: Any,
    weight: Any,
    bias: Any,
    shape: Any,
    steps: Any,
    pads: Any,
    more: Any,
    apart: Any,
    groups: int,
) -> Any:
    from .join import pad

    n = len(steps)
    full = tuple(
        (i - 1) * s + d * (k - 1) + 1
        for i, k, s, d in zip(input.shape[2:], weight.shape[2:], steps, apart)
    )
    y = _conv_input_grad(input, weight, (*shape[:2], *full), steps, ((0, 0),) * n, apart, groups)
    widths = [w for p, m in reversed(list(zip(pads, more))) for w in (-p, m - p)]
    y = pad(y, widths)
    return y if bias is None else y + _along_channels(bias, n)


def conv_transpose1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """The transposed convolution of (N, C, T) with weight (C, O / groups, K), plus bias (O).

    >>> import sensorium as sn
    >>> sn.nn.functional.conv_transpose1d(sn.ones(1, 1, 2), sn.ones(1, 1, 2))
    tensor([[[1., 2., 1.]]])
    """
    return _transposed("conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding,
                       groups, dilation)  # fmt: skip


def conv_transpose2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """The transposed convolution of (N, C, H, W) with weight (C, O / groups, KH, KW), plus bias (O).

    >>> import sensorium as sn
    >>> sn.nn.functional.conv_transpose2d(sn.ones(1, 1, 1, 1), sn.ones(1, 1, 2, 2), stride=2)
    tensor([[[[1., 1.],
              [1., 1.]]]])
    """
    return _transposed("conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding,
                       groups, dilation)  # fmt: skip


def conv_transpose3d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """The transposed convolution of (N, C, D, H, W) with weight (C, O / groups, KD, KH, KW).

    >>> import sensorium as sn
    >>> sn.nn.functional.conv_transpose3d(sn.ones(1, 1, 1, 1, 1), sn.ones(1, 1, 2, 2, 2)).shape
    sensorium.Size([1, 1, 2, 2, 2])
    """
    return _transposed("conv_transpose3d", 3, input, weight, bias, stride, padding, output_padding,
                       groups, dilation)  # fmt: skip
