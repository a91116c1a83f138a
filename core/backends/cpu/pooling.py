"""Max and average pooling over windows, forward and backward, in one, two and three dimensions.

Arrays are (N, C, *spatial), channels-last in memory. Kinds: ``max``; ``avg`` counts the padding
in the divisor (PyTorch's default); ``avg_no_pad`` does not. The workspace of a training max pool
says which element of its window won; ``pool_indices`` turns it into PyTorch's flat indices. Left
out: ``ceil_mode`` beyond what padding at the high side expresses.
"""

from __future__ import annotations

import numpy as np

from . import constants as c, layout, memory
from .convolution import Padding, split_padding
from .library import EngineError
from .memory import DATA_TYPES, Primitive, PrimitiveDesc, plans, pointer


class _Geometry:
    def __init__(self, x_shape, kernel, stride, padding, dilation, data_type):
        low, high = split_padding(padding)
        spatial = tuple(
            (size + lo + hi - d * (k - 1) - 1) // s + 1
            for size, k, s, d, lo, hi in zip(x_shape[2:], kernel, stride, dilation, low, high)
        )
        self.x_shape, self.y_shape = tuple(x_shape), (*x_shape[:2], *spatial)
        self.detail = f"x {self.x_shape}, kernel {tuple(kernel)}, stride {tuple(stride)}"
        self.src, self.dst = (
            memory.describe(shape, memory.last_strides(shape), data_type)
            for shape in (self.x_shape, self.y_shape)
        )
        from_zero = [d - 1 for d in dilation]
        self.dims = tuple(map(memory.dims, (stride, kernel, from_zero, low, high)))

    def forward(self, kind: str, train: bool) -> PrimitiveDesc:
        mode = c.TRAINING if train else c.INFERENCE
        args = (mode, c.POOLING[kind], self.src, self.dst, *self.dims)
        return PrimitiveDesc("pooling_forward", self.detail, *args)


class _Forward:
    def __init__(self, kind, x, kernel, stride, padding, dilation, train):
        g = _Geometry(x.shape, kernel, stride, padding, dilation, DATA_TYPES[x.dtype.name])
        desc = g.forward(kind, train)
        space = desc.desc(c.QUERY_WORKSPACE) if train and kind == "max" else None
        self.y_shape, self.dtype, self.space = g.y_shape, x.dtype, None
        if space is not None:
            self.space = np.dtype({5: np.int8, 6: np.uint8, 4: np.int32}[space.layout()[0]])
        self.copy_x = layout.channels_last_copier(x)
        args = ((c.ARG_SRC, g.src), (c.ARG_DST, g.dst), (c.ARG_WORKSPACE, space))
        self.run = Primitive(desc, args)
        self.loses_nan = kind == "max" and x.dtype == np.float32

    def __call__(self, x):
        x = self.copy_x(x) if self.copy_x else x
        y, workspace = self._pool(x)
        if self.loses_nan and np.isnan(np.maximum.reduce(x, axis=None)):
            marks, _ = self._pool(layout.channels_last(np.isnan(x).astype(self.dtype)))
            y[marks > 0] = np.nan
        return y, workspace

    def _pool(self, x):
        y = layout.empty_channels_last(self.y_shape, self.dtype)
        if self.space is None:
            self.run(pointer(x), pointer(y))
            return y, None
        workspace = layout.empty_channels_last(self.y_shape, self.space)
        self.run(pointer(x), pointer(y), pointer(workspace))
        return y, workspace


def pool_forward(
    kind: str,
    x: np.ndarray,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: Padding,
    dilation: tuple[int, ...],
    train: bool,
) -> tuple[np.ndarray, np.ndarray | None]:
    """(y, workspace): the largest or the mean element of each window.

    The workspace (that of a max pool with ``train``, else None) has y's shape and counts the
    elements of a window row by row. Padding as in conv_forward. A float32 max pool keeps NaN, as
    PyTorch's does (oneDNN's own does not); a window of nothing but -inf gives the lowest finite
    number.
    """
    key = ("pool", kind, x.dtype, x.shape, x.strides, kernel, stride, padding, dilation, train)
    args = (kind, x, kernel, stride, padding, dilation, train)
    found = plans.get(key) or memory.plan(key, _Forward, *args)
    return found(x)


class _Backward:
    def __init__(self, kind, g, x_shape, kernel, stride, padding, dilation):
        geo = _Geometry(x_shape, kernel, stride, padding, dilation, DATA_TYPES[g.dtype.name])
        if g.shape != geo.y_shape:
            raise EngineError(f"pool: gradient {g.shape} does not fit the result {geo.y_shape}")
        hint = geo.forward(kind, train=True)
        args = (c.POOLING[kind], geo.src, geo.dst, *geo.dims, hint)
        desc = PrimitiveDesc("pooling_backward", geo.detail, *args)
        space = desc.desc(c.QUERY_WORKSPACE) if kind == "max" else None
        self.x_shape, self.dtype = geo.x_shape, g.dtype
        self.copy_g = layout.channels_last_copier(g)
        self.run = Primitive(
            desc, ((c.ARG_DIFF_DST, geo.dst), (c.ARG_DIFF_SRC, geo.src), (c.ARG_WORKSPACE, space))
        )

    def __call__(self, g, workspace):
        g = self.copy_g(g) if self.copy_g else g
        dx = layout.empty_channels_last(self.x_shape, self.dtype)
        if workspace is None:
            self.run(pointer(g), pointer(dx))
        else:
            self.run(pointer(g), pointer(dx), pointer(workspace))
        return dx


def pool_backward(
    kind: str,
    g: np.ndarray,
    x_shape: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: Padding,
    dilation: tuple[int, ...],
    workspace: np.ndarray | None,
) -> np.ndarray:
    """dx: each g goes to the winner of its window (max) or is shared by the window (avg)."""
    key = ("pool g", kind, g.dtype, g.shape, g.strides, x_shape, kernel, stride, padding, dilation)
    args = (kind, g, x_shape, kernel, stride, padding, dilation)
    found = plans.get(key) or memory.plan(key, _Backward, *args)
    return found(g, workspace)


def pool_indices(
    workspace: np.ndarray,
    x_shape: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: Padding,
    dilation: tuple[int, ...],
) -> np.ndarray:
    """PyTorch's indices: the winner's place in its flattened (*spatial) plane, int64."""
    low, _ = split_padding(padding)
    place, rest = np.zeros(workspace.shape, np.int64), workspace.astype(np.int64)
    step, ndim = 1, len(kernel)
    for axis in reversed(range(ndim)):
        rest, inside = np.divmod(rest, kernel[axis])
        starts = np.arange(workspace.shape[2 + axis]) * stride[axis] - low[axis]
        starts = starts.reshape(-1, *(1,) * (ndim - 1 - axis))
        place += (starts + inside * dilation[axis]) * step
        step *= x_shape[2 + axis]
    return place
