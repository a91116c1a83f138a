"""Convolution, matrix products, errors and predicates of the CPU engine against slow loops."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import sensorium as sn
from sensorium.backends.cpu import constants, library, memory, onednn, prepack
from sensorium.errors import OpError

pytestmark = pytest.mark.skipif(not onednn.available(), reason=onednn.why_not())
TOLERANCE = 1e-5  # relative to the largest element, float32 against float64


@pytest.fixture
def rng():
    return np.random.default_rng(20)


def normal(rng, *shape):
    return rng.standard_normal(shape, np.float32)


def close(got, want, tolerance=TOLERANCE):
    assert got.shape == want.shape
    error = np.abs(got.astype(np.float64) - want).max() / max(np.abs(want).max(), 1e-30)
    assert error <= tolerance, f"relative error {error:.1e}"


def channels_last(x):
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


def with_gaps(x):
    """The same values with strides that belong to no layout."""
    big = np.zeros([n + 3 for n in x.shape], x.dtype)
    view = big[tuple(slice(1, n + 1) for n in x.shape)]
    view[...] = x
    return view


LAYOUTS = {
    "nchw": np.ascontiguousarray,
    "channels_last": channels_last,
    "gaps": with_gaps,
    "reversed": lambda x: np.ascontiguousarray(x[..., ::-1])[..., ::-1],
}


# -- references: loops over the kernel's elements in float64 -------------------------------------
def windows(x, k, stride, pads, dilation, size):
    """The elements of padded x that kernel element k meets, one per element of the result."""
    padded = np.pad(x, [(0, 0), (0, 0), *pads])
    cut = [
        slice(i * d, i * d + s * (n - 1) + 1, s) for i, d, s, n in zip(k, dilation, stride, size)
    ]
    return padded[(slice(None), slice(None), *cut)], cut


def out_size(x_shape, kernel, stride, pads, dilation):
    return [
        (n + sum(p) - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(x_shape[2:], kernel, stride, pads, dilation)
    ]


def slow_conv(x, w, b, stride, pads, dilation, groups):
    x, w = x.astype(np.float64), w.astype(np.float64)
    size = out_size(x.shape, w.shape[2:], stride, pads, dilation)
    y = np.zeros((x.shape[0], groups, w.shape[0] // groups, *size))
    wg = w.reshape(groups, -1, *w.shape[1:])
    for k in np.ndindex(*w.shape[2:]):
        part, _ = windows(x, k, stride, pads, dilation, size)
        part = part.reshape(x.shape[0], groups, -1, *size)
        y += np.einsum("ngc...,goc->ngo...", part, wg[(..., *k)])
    y = y.reshape(x.shape[0], w.shape[0], *size)
    return y if b is None else y + b.reshape(-1, *[1] * len(size))


def flat(x):
    return x.reshape(*x.shape[:3], -1)


def slow_conv_gradients(g, x, w, stride, pads, dilation, groups):
    g, x, w = (a.astype(np.float64) for a in (g, x, w))
    size, n = g.shape[2:], x.shape[0]
    gg, wg = g.reshape(n, groups, -1, *size), w.reshape(groups, -1, *w.shape[1:])
    dx, dw = np.zeros_like(np.pad(x, [(0, 0), (0, 0), *pads])), np.zeros_like(wg)
    for k in np.ndindex(*w.shape[2:]):
        part, cut = windows(x, k, stride, pads, dilation, size)
        part = part.reshape(n, groups, -1, *size)
        dw[(..., *k)] = np.einsum("ngop,ngcp->goc", flat(gg), flat(part))
        back = np.einsum("ngo...,goc->ngc...", gg, wg[(..., *k)])
        dx[(slice(None), slice(None), *cut)] += back.reshape(n, x.shape[1], *size)
    inside = tuple(slice(lo, lo + m) for (lo, _), m in zip(pads, x.shape[2:]))
    return dx[(slice(None), slice(None), *inside)], dw.reshape(w.shape)


CONVOLUTIONS = {  # x, weight, stride, padding, dilation, groups
    "plain": ((2, 16, 14, 13), (32, 16, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    "first layer": ((1, 3, 33, 32), (16, 3, 7, 7), (2, 2), (3, 3), (1, 1), 1),
    "odd channels": ((2, 5, 9, 8), (7, 5, 3, 2), (2, 1), (0, 1), (1, 2), 1),
    "asymmetric padding": ((2, 8, 9, 9), (8, 8, 3, 3), (2, 2), ((0, 1), (2, 1)), (1, 1), 1),
    "dilated": ((1, 16, 15, 15), (16, 16, 3, 3), (1, 1), (2, 2), (2, 2), 1),
    "grouped": ((2, 32, 7, 7), (64, 8, 3, 3), (1, 1), (1, 1), (1, 1), 4),
    "depthwise": ((2, 24, 12, 12), (24, 1, 3, 3), (2, 2), (1, 1), (1, 1), 24),
    "depthwise x2": ((1, 6, 9, 9), (12, 1, 5, 5), (1, 1), (2, 2), (1, 1), 6),
    "1x1": ((3, 64, 5, 5), (32, 64, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    "1x1 strided": ((1, 64, 9, 9), (32, 64, 1, 1), (2, 2), (0, 0), (1, 1), 1),
    "one pixel": ((2, 64, 1, 1), (48, 64, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    "kernel as large as x": ((2, 8, 4, 4), (16, 8, 4, 4), (1, 1), (0, 0), (1, 1), 1),
    "one channel in": ((1, 1, 12, 12), (8, 1, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    "one channel out": ((2, 16, 9, 9), (1, 16, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    "1d": ((2, 12, 31), (20, 12, 5), (2,), (2,), (1,), 1),
    "1d grouped": ((1, 12, 31), (12, 3, 3), (1,), ((2, 0),), (2,), 4),
    "3d": ((2, 8, 6, 7, 8), (16, 8, 3, 3, 3), (1, 2, 1), (1, 1, 1), (1, 1, 1), 1),
    "3d depthwise": ((1, 8, 5, 5, 5), (8, 1, 3, 3, 3), (1, 1, 1), (1, 1, 1), (1, 1, 1), 8),
}


def pairs(padding):
    return [(p, p) if isinstance(p, int) else p for p in padding]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_conv_forward_equals_the_sum_over_the_kernel(rng, case, layout):
    xs, ws, stride, padding, dilation, groups = CONVOLUTIONS[case]
    x, w, b = normal(rng, *xs), normal(rng, *ws), normal(rng, ws[0])
    y = onednn.conv_forward(LAYOUTS[layout](x), w, b, stride, padding, dilation, groups)
    close(y, slow_conv(x, w, b, stride, pairs(padding), dilation, groups))
    assert onednn.is_channels_last(y)


@pytest.mark.parametrize("layout", ["nchw", "channels_last", "gaps"])
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_conv_gradients_equal_the_transposed_sums(rng, case, layout):
    xs, ws, stride, padding, dilation, groups = CONVOLUTIONS[case]
    x, w, to = normal(rng, *xs), normal(rng, *ws), LAYOUTS[layout]
    size = out_size(xs, ws[2:], stride, pairs(padding), dilation)
    g = normal(rng, xs[0], ws[0], *size)
    dx = onednn.conv_backward_data(to(g), w, xs, stride, padding, dilation, groups)
    dw, db = onednn.conv_backward_weights(to(g), to(x), ws, stride, padding, dilation, groups, True)
    want_dx, want_dw = slow_conv_gradients(g, x, w, stride, pairs(padding), dilation, groups)
    close(dx, want_dx)
    close(dw, want_dw)
    close(db, g.astype(np.float64).sum(axis=(0, *range(2, g.ndim))))
    assert dw.flags.c_contiguous and onednn.is_channels_last(dx)


def test_conv_backward_weights_without_a_bias_gives_none(rng):
    x, g = normal(rng, 1, 4, 5, 5), normal(rng, 1, 6, 5, 5)
    dw, db = onednn.conv_backward_weights(g, x, (6, 4, 1, 1), (1, 1), (0, 0), (1, 1), 1, False)
    assert db is None and dw.shape == (6, 4, 1, 1)


def test_a_repeated_gradient_is_read_as_what_it_stands_for(rng):
    g = np.broadcast_to(np.float32(1), (2, 6, 5, 5))  # the gradient of a sum
    w = normal(rng, 6, 4, 3, 3)
    args = ((2, 4, 5, 5), (1, 1), (1, 1), (1, 1), 1)
    got = onednn.conv_backward_data(g, w, *args)
    assert np.array_equal(got, onednn.conv_backward_data(np.ascontiguousarray(g), w, *args))


ACTIVATIONS = ["relu", "relu6", "silu", "gelu", "gelu_tanh", "hardswish", "sigmoid", "tanh"]


def activated(kind, x):
    """The elementwise function on its own, which test_onednn_layers checks against its formula."""
    return x if kind is None else onednn.eltwise(kind, x.astype(np.float32))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("case", ["plain", "1x1", "depthwise", "grouped", "1d"])
def test_conv_adds_the_residual_before_the_activation(rng, case, activation):
    xs, ws, stride, padding, dilation, groups = CONVOLUTIONS[case]
    x, w, b = normal(rng, *xs), normal(rng, *ws), normal(rng, ws[0])
    plain = slow_conv(x, w, b, stride, pairs(padding), dilation, groups)
    residual = normal(rng, *plain.shape)
    for r in (residual, channels_last(residual)):
        y = onednn.conv_forward(
            x, w, b, stride, padding, dilation, groups, activation=activation, residual=r
        )
        close(y, activated(activation, plain + residual))


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_conv_never_takes_the_slow_loops(rng, case):
    xs, ws, *args = CONVOLUTIONS[case]
    x, w = channels_last(normal(rng, *xs)), normal(rng, *ws)
    memory.forget_plans()
    g = onednn.conv_forward(x, w, None, *args)
    onednn.conv_backward_data(g, w, xs, *args)
    onednn.conv_backward_weights(g, x, ws, *args, False)
    assert len(memory.plans) == 3
    assert not [p for p in memory.plans.values() if p.run.implementation.startswith("ref")]


def test_conv_reads_channels_last_in_place(rng):
    x, w = channels_last(normal(rng, 1, 8, 6, 6)), normal(rng, 8, 8, 1, 1)
    memory.forget_plans()
    onednn.conv_forward(x, w, None, (1, 1), (0, 0), (1, 1), 1)
    (plan,) = memory.plans.values()
    assert plan.copy_x is None


def test_a_strided_bias_is_read_by_its_strides(rng):
    x, w, b = normal(rng, 1, 4, 5, 5), normal(rng, 6, 4, 1, 1), normal(rng, 12)[::2]
    y = onednn.conv_forward(x, w, b, (1, 1), (0, 0), (1, 1), 1)
    close(y, slow_conv(x, w, b, (1, 1), [(0, 0)] * 2, (1, 1), 1))


@pytest.mark.parametrize("activation", ["relu", "silu", "gelu", "tanh", "sigmoid", "hardswish"])
def test_nan_survives_a_fused_activation(activation):
    x, w = np.full((1, 16, 3, 3), np.nan, np.float32), np.ones((16, 16, 1, 1), np.float32)
    y = onednn.conv_forward(x, w, None, (1, 1), (0, 0), (1, 1), 1, activation=activation)
    assert np.isnan(y).all()
    a = np.full((20, 20), np.nan, np.float32)
    assert np.isnan(onednn.matmul(a, a, activation=activation)).all()


# -- matmul --------------------------------------------------------------------------------------
BATCHES = [
    ((), ()), ((3,), (3,)), ((3,), ()), ((), (3,)), ((2, 3), (2, 3)), ((2, 1), (1, 3)),
    ((2, 3), (3,)), ((2, 1, 2), (3, 1)), ((1,), (4,)), ((2, 3, 1, 2), (2, 3, 1, 2)),
]  # fmt: skip


def orders(shape):
    """C order, matrices transposed in memory, and rows outermost (attention heads)."""
    batch, last = list(range(len(shape) - 2)), len(shape) - 1
    return [*batch, last - 1, last], [*batch, last, last - 1], [last - 1, *batch, last]


def laid_out(rng, shape, order):
    return normal(rng, *(shape[i] for i in order)).transpose(np.argsort(order))


@pytest.mark.parametrize("sizes", [(4, 5, 6), (1, 5, 6), (4, 1, 6), (4, 5, 1), (17, 33, 18)])
@pytest.mark.parametrize("batches", BATCHES, ids=str)
def test_matmul_reads_every_layout_and_broadcast(rng, batches, sizes):
    (m, k, n), (left, right) = sizes, batches
    shape_a, shape_b = (*left, m, k), (*right, k, n)
    for order_a in orders(shape_a):
        for order_b in orders(shape_b):
            a, b = laid_out(rng, shape_a, order_a), laid_out(rng, shape_b, order_b)
            close(onednn.matmul(a, b), np.einsum("...ij,...jk->...ik", *wide(a, b)))


def wide(*arrays):
    return [a.astype(np.float64) for a in arrays]


def test_matmul_copies_only_what_it_cannot_read(rng):
    base = normal(rng, 2, 3, 20, 40)
    cases = [
        (base[:, :, ::2, ::3], normal(rng, 14, 7)),
        (base[:, ::-1], normal(rng, 40, 7)),
        (np.broadcast_to(base[0, 0], (3, 20, 40)), normal(rng, 40, 4)),
        (np.lib.stride_tricks.sliding_window_view(normal(rng, 50), 10), normal(rng, 10, 3)),
        (np.broadcast_to(normal(rng, 1, 6), (5, 6)), normal(rng, 6, 4)),
        (base[1, 2, :, 5:25], base[0, 1, :, 3:15]),
    ]
    for a, b in cases:
        close(onednn.matmul(a, b), np.einsum("...ij,...jk->...ik", *wide(a, b)))


def test_matmul_never_takes_the_slow_loops(rng):
    memory.forget_plans()
    for left, right in BATCHES:
        onednn.matmul(normal(rng, *left, 9, 8), normal(rng, *right, 8, 7))
    assert not [p for p in memory.plans.values() if p.run.implementation.startswith("ref")]


@pytest.mark.parametrize("activation", [None, *ACTIVATIONS])
def test_matmul_adds_the_bias_then_activates(rng, activation):
    a, b, bias = normal(rng, 3, 10, 12), normal(rng, 12, 9), normal(rng, 9)
    want = np.matmul(*wide(a, b)) + bias
    close(onednn.matmul(a, b, bias, activation=activation), activated(activation, want))


@pytest.mark.parametrize("out", ["packed", "rows apart", "columns first", "gaps"])
def test_matmul_writes_into_out(rng, out):
    a, b = normal(rng, 10, 5), normal(rng, 5, 7)
    place = {
        "packed": np.empty((10, 7), np.float32),
        "rows apart": np.empty((10, 20), np.float32)[:, 5:12],
        "columns first": np.empty((7, 10), np.float32).T,
        "gaps": np.empty((20, 14), np.float32)[::2, ::2],
    }[out]
    assert onednn.matmul(a, b, out=place) is place
    close(place, np.matmul(*wide(a, b)))


def test_linear_is_right_before_and_after_packing_and_sees_writes(rng):
    x, w, b = normal(rng, 2, 8, 40), normal(rng, 24, 40), normal(rng, 24)
    before = prepack.kept()
    for _ in range(3):
        close(onednn.linear(x, w, b), np.einsum("nti,oi->nto", *wide(x, w)) + b)
    assert prepack.kept() == before + 1
    w *= 2
    onednn.written(w)
    assert prepack.kept() == before
    for _ in range(3):
        close(
            onednn.linear(x, w, b, "relu"), np.maximum(np.einsum("nti,oi->nto", *wide(x, w)) + b, 0)
        )


# -- bfloat16 ------------------------------------------------------------------------------------
@pytest.mark.skipif(not onednn.has_bfloat16(), reason="no AVX512-BF16")
def test_bfloat16_is_within_its_rounding(rng):
    def low(*shape):
        return normal(rng, *shape).astype(ml_dtypes.bfloat16)

    a, b, bias = low(20, 32), low(32, 24), low(24)
    want = np.matmul(*wide(a, b)) + bias.astype(np.float64)
    close(onednn.matmul(a, b, bias), want, 1e-2)
    close(onednn.matmul(a, b, bias.astype(np.float32)), want, 1e-2)
    x, w = low(1, 16, 6, 6), low(16, 16, 3, 3)
    want = slow_conv(x, w, None, (1, 1), [(1, 1)] * 2, (1, 1), 1)
    close(onednn.conv_forward(x, w, None, (1, 1), (1, 1), (1, 1), 1), want, 1e-2)
    assert np.array_equal(onednn.eltwise("relu", x), np.maximum(x, 0))


# -- errors --------------------------------------------------------------------------------------
def test_refusals_name_the_primitive_and_the_shapes(rng):
    x, w = normal(rng, 1, 4, 5, 5), normal(rng, 6, 3, 1, 1)
    with pytest.raises(onednn.EngineError, match=r"convolution_forward.*\(1, 4, 5, 5\)"):
        onednn.conv_forward(x, w, None, (1, 1), (0, 0), (1, 1), 1)
    with pytest.raises(OpError, match="must be the same"):
        onednn.conv_forward(x, w.astype(np.float16), None, (1, 1), (0, 0), (1, 1), 1)
    with pytest.raises(OpError, match=r"bias \(5,\)"):
        onednn.conv_forward(x, normal(rng, 6, 4, 1, 1), x[0, 0, 0], (1, 1), (0, 0), (1, 1), 1)
    with pytest.raises(OpError, match="must be the same"):
        onednn.binary("add", x, x[:, :2])
    with pytest.raises(OpError, match=r"linear: x \(5, 5\)"):
        onednn.linear(x[0, 0], normal(rng, 3, 4), None)


def test_what_onednn_lacks_can_be_told_from_what_is_wrong():
    with pytest.raises(onednn.Unsupported, match="unimplemented for here"):
        library.raise_for(constants.UNIMPLEMENTED, "matmul", "here")
    with pytest.raises(onednn.EngineError, match="out of memory") as caught:
        library.raise_for(constants.OUT_OF_MEMORY, "matmul", "here")
    assert not isinstance(caught.value, onednn.Unsupported)


# -- predicates ----------------------------------------------------------------------------------
def test_predicates_want_large_float_arrays_of_numpy(rng):
    class Foreign(np.ndarray):
        pass

    small, large = normal(rng, 4, 4), normal(rng, 400, 400)
    assert onednn.takes_matmul(large, large) and not onednn.takes_matmul(small, small)
    assert not onednn.takes_matmul(large.astype(np.float64), large.astype(np.float64))
    assert not onednn.takes_matmul(large.view(Foreign), large)
    assert not onednn.takes_matmul(large, large[:7])  # the op's own error is better
    assert onednn.takes_linear(large, large, large[0])
    assert not onednn.takes_linear(large, large, large[0, :3])
    assert onednn.takes_eltwise(large) and not onednn.takes_eltwise(small)
    assert onednn.takes_eltwise(large.T) and not onednn.takes_eltwise(large[:, ::2])
    assert onednn.takes_eltwise_backward(large, large)
    assert not onednn.takes_eltwise_backward(large, large.T)
    assert onednn.takes_binary(large, large) and not onednn.takes_binary(large, large.T)
    assert onednn.takes_softmax(large, -1) and onednn.takes_softmax_backward(large, large, 0)
    empty = np.empty((0, 3, 8, 8), np.float32)
    assert not onednn.takes_conv(empty, empty) and not onednn.takes_pool(empty)
    assert onednn.takes_conv(large.reshape(1, 16, 100, 100), small.reshape(1, 16, 1, 1))


# -- the same network elsewhere ------------------------------------------------------------------
@pytest.mark.peer
def test_convolution_equals_pytorch_on_the_shapes_of_resnet(rng):
    torch = pytest.importorskip("torch")
    shapes = [((1, 64, 14, 14), (64, 64, 3, 3), 1), ((1, 64, 14, 14), (128, 64, 1, 1), 2)]
    for xs, ws, stride in shapes:
        x, w, b, pad = normal(rng, *xs), normal(rng, *ws), normal(rng, ws[0]), ws[-1] // 2
        given = [torch.tensor(v, requires_grad=True) for v in (x, w, b)]
        want = torch.nn.functional.conv2d(*given, stride, pad)
        g = normal(rng, *want.shape)
        want.backward(torch.tensor(g))
        args = ((stride, stride), (pad, pad), (1, 1), 1)
        close(onednn.conv_forward(x, w, b, *args), want.detach().numpy())
        close(onednn.conv_backward_data(g, w, xs, *args), given[0].grad.numpy())
        dw, db = onednn.conv_backward_weights(g, x, ws, *args, True)
        close(dw, given[1].grad.numpy())
        close(db, given[2].grad.numpy())


def test_a_number_before_a_large_tensor_is_no_array(rng):
    x = normal(rng, 400, 1000)
    close((0.5 + sn.tensor(x)).numpy(), 0.5 + x.astype(np.float64))
    close((sn.tensor(x) + 0.5).numpy(), 0.5 + x.astype(np.float64))
