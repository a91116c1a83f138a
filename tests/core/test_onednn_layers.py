"""Pooling, normalisation, softmax and elementwise functions of the CPU engine, from formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest

import sensorium as sn
from sensorium.backends.cpu import constants, onednn

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


LAYOUTS = {
    "nchw": np.ascontiguousarray,
    "channels_last": channels_last,
    "gaps": lambda x: np.pad(x, 2)[(slice(2, -2),) * x.ndim],
}


def pairs(padding):
    return [(p, p) if isinstance(p, int) else p for p in padding]


def out_size(x_shape, kernel, stride, pads, dilation):
    return [
        (n + sum(p) - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(x_shape[2:], kernel, stride, pads, dilation)
    ]


# -- pooling -------------------------------------------------------------------------------------
POOLS = {  # x, kernel, stride, padding, dilation
    "2x2": ((2, 16, 8, 8), (2, 2), (2, 2), (0, 0), (1, 1)),
    "3x3 overlapping": ((2, 16, 9, 11), (3, 3), (2, 2), (1, 1), (1, 1)),
    "asymmetric": ((1, 5, 9, 7), (3, 2), (2, 1), ((1, 0), (0, 1)), (1, 1)),
    "dilated": ((1, 8, 12, 12), (3, 3), (1, 1), (1, 1), (2, 2)),
    "global": ((2, 32, 7, 7), (7, 7), (1, 1), (0, 0), (1, 1)),
    "large window": ((1, 4, 40, 40), (20, 20), (10, 10), (0, 0), (1, 1)),
    "1d": ((2, 6, 21), (3,), (2,), (1,), (1,)),
    "3d": ((1, 8, 6, 6, 6), (2, 3, 2), (2, 2, 2), (0, 1, 0), (1, 1, 1)),
}


def slow_pool(kind, x, g, kernel, stride, padding, dilation):
    """Result, gradient of x for g, and flat indices of the winners, window by window."""
    pads = pairs(padding)
    size = out_size(x.shape, kernel, stride, pads, dilation)
    y, dx = np.zeros((*x.shape[:2], *size)), np.zeros(x.shape)
    places = np.zeros(y.shape, np.int64)
    for i in np.ndindex(*y.shape):
        n, c, *at = i
        cells = [
            tuple(a * s + k * d - p[0] for a, s, k, d, p in zip(at, stride, ks, dilation, pads))
            for ks in np.ndindex(*kernel)
        ]
        cells = [q for q in cells if all(0 <= v < m for v, m in zip(q, x.shape[2:]))]
        values = np.array([x[(n, c, *q)] for q in cells], np.float64)
        if kind == "max":
            best = int(values.argmax())
            y[i], places[i] = values[best], np.ravel_multi_index(cells[best], x.shape[2:])
            dx[(n, c, *cells[best])] += g[i]
            continue
        count = math.prod(kernel) if kind == "avg" else len(cells)
        y[i] = values.sum() / count
        for q in cells:
            dx[(n, c, *q)] += g[i] / count
    return y, dx, places


@pytest.mark.parametrize("layout", ["nchw", "channels_last"])
@pytest.mark.parametrize(
    ("kind", "case"),
    [(k, p) for k in constants.POOLING for p in POOLS if k == "max" or p != "dilated"],
)
def test_pooling_equals_a_loop_over_windows(rng, case, kind, layout):
    shape, *options = POOLS[case]
    x = normal(rng, *shape)
    to = LAYOUTS[layout]
    y, workspace = onednn.pool_forward(kind, to(x), *options, True)
    g = normal(rng, *y.shape)
    dx = onednn.pool_backward(kind, to(g), shape, *options, workspace)
    want_y, want_dx, places = slow_pool(kind, x, g, *options)
    close(y, want_y)
    close(dx, want_dx)
    assert onednn.is_channels_last(y) and onednn.is_channels_last(dx)
    plain, none = onednn.pool_forward(kind, x, *options, False)
    assert none is None and np.array_equal(plain, y)
    if kind == "max":
        assert np.array_equal(onednn.pool_indices(workspace, shape, *options), places)


def test_the_first_of_equal_elements_wins():
    x, options = np.zeros((1, 16, 4, 4), np.float32), ((2, 2), (2, 2), (0, 0), (1, 1))
    _, workspace = onednn.pool_forward("max", x, *options, True)
    assert not workspace.any()


@pytest.mark.parametrize("train", [False, True])
def test_max_pooling_keeps_nan_and_only_where_it_was(rng, train):
    shape, *options = POOLS["3x3 overlapping"]
    x = normal(rng, *shape)
    clean, _ = onednn.pool_forward("max", x, *options, train)
    x[0, 3, 4, 4] = x[1, 0, 0, 0] = np.nan
    y, _ = onednn.pool_forward("max", x, *options, train)
    hit = np.zeros(y.shape, bool)
    hit[0, 3, 2, 2] = hit[1, 0, 0, 0] = True  # padding 1, stride 2: row 4 is in window 2 alone
    assert np.array_equal(np.isnan(y), hit) and np.array_equal(y[~hit], clean[~hit])


# -- normalisation -------------------------------------------------------------------------------
def slow_norm(x, axes, scale, shift, eps):
    x = x.astype(np.float64)
    mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    return (x - mean) / np.sqrt(var + eps), mean, var


def slow_norm_backward(g, hat, var, axes, scale, eps):
    """dx = scale / std (g - mean(g) - hat mean(g hat)) with g scaled first."""
    gs = g * scale
    inner = gs - gs.mean(axes, keepdims=True) - hat * (gs * hat).mean(axes, keepdims=True)
    return inner / np.sqrt(var + eps)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize(
    "shape", [(4, 16, 7, 9), (4, 5, 7, 9), (8, 16), (4, 16, 11), (2, 8, 3, 4, 5)]
)
def test_batch_norm_and_its_gradient(rng, shape, relu, affine):
    x, g, eps = normal(rng, *shape) + 3, normal(rng, *shape), 1e-3
    scale, shift = (normal(rng, shape[1]), normal(rng, shape[1])) if affine else (None, None)
    axes, wide_shape = (0, *range(2, len(shape))), (1, -1, *[1] * (len(shape) - 2))
    s, b = (v.reshape(wide_shape) if affine else d for v, d in ((scale, 1.0), (shift, 0.0)))
    hat, mean, var = slow_norm(x, axes, s, b, eps)
    want = hat * s + b
    y, got_mean, got_var, workspace = onednn.batch_norm_forward_train(
        x, scale, shift, eps, relu=relu
    )
    close(y, np.maximum(want, 0) if relu else want)
    close(got_mean, mean.ravel())
    close(got_var, var.ravel())
    assert (workspace is not None) == relu
    z = onednn.batch_norm_inference(x, got_mean, got_var, scale, shift, eps, relu=relu)
    close(z, np.maximum(want, 0) if relu else want)
    dx, dscale, dshift = onednn.batch_norm_backward(
        g, x, got_mean, got_var, scale, eps, relu_workspace=workspace
    )
    passed = g * (want > 0) if relu else g.astype(np.float64)
    close(dx, slow_norm_backward(passed, hat, var, axes, s, eps))
    if affine:
        close(dscale, (passed * hat).sum(axes))
        close(dshift, passed.sum(axes))
    else:
        assert dscale is None and dshift is None


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("shape", [(3, 5, 96), (7, 33), (2, 3, 4, 8)])
def test_layer_norm_and_its_gradient(rng, shape, affine):
    x, g, eps = normal(rng, *shape) - 2, normal(rng, *shape), 1e-5
    scale, shift = (normal(rng, shape[-1]), normal(rng, shape[-1])) if affine else (None, None)
    s, b = (scale, shift) if affine else (1.0, 0.0)
    hat, mean, var = slow_norm(x, -1, s, b, eps)
    y, got_mean, got_var = onednn.layer_norm_forward(LAYOUTS["gaps"](x), scale, shift, eps)
    close(y, hat * s + b)
    close(got_mean, mean[..., 0])
    close(got_var, var[..., 0])
    dx, dscale, dshift = onednn.layer_norm_backward(g, x, got_mean, got_var, scale, eps)
    close(dx, slow_norm_backward(g.astype(np.float64), hat, var, -1, s, eps))
    if affine:
        rows = tuple(range(len(shape) - 1))
        close(dscale, (g * hat).sum(rows))
        close(dshift, g.astype(np.float64).sum(rows))


# -- softmax, elementwise, arithmetic ------------------------------------------------------------
ACTIVATIONS = {
    "relu": lambda v: np.maximum(v, 0),
    "relu6": lambda v: np.clip(v, 0, 6),
    "silu": lambda v: v / (1 + np.exp(-v)),
    "gelu": lambda v: v * 0.5 * (1 + np.vectorize(math.erf)(v / math.sqrt(2))),
    "gelu_tanh": lambda v: v * 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v**3))),
    "hardswish": lambda v: v * np.clip(v + 3, 0, 6) / 6,
    "sigmoid": lambda v: 1 / (1 + np.exp(-v)),
    "tanh": np.tanh,
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_softmax_and_its_gradient(rng, axis, log, layout):
    x, g = normal(rng, 4, 7, 5, 6) * 30, normal(rng, 4, 7, 5, 6)
    off = x.astype(np.float64) - x.max(axis, keepdims=True)
    logs = off - np.log(np.exp(off).sum(axis, keepdims=True))
    p = np.exp(logs)
    y = onednn.softmax(LAYOUTS[layout](x), axis, log)
    close(y, logs if log else p)
    got = onednn.softmax_backward(LAYOUTS[layout](g), y, axis, log)
    total = (g if log else g * p).sum(axis, keepdims=True, dtype=np.float64)
    close(got, g - p * total if log else p * (g - total), 1e-5)


DERIVATIVES = {  # of x, by hand
    "relu": lambda v: (v > 0) * 1.0,
    "tanh": lambda v: 1 - np.tanh(v) ** 2,
    "sigmoid": lambda v: np.exp(-v) / (1 + np.exp(-v)) ** 2,
    "silu": lambda v: (1 + np.exp(-v) * (1 + v)) / (1 + np.exp(-v)) ** 2,
    "gelu": lambda v: (
        0.5 * (1 + np.vectorize(math.erf)(v / math.sqrt(2)))
        + v * np.exp(-v * v / 2) / math.sqrt(2 * math.pi)
    ),
    "relu6": lambda v: ((v > 0) & (v < 6)) * 1.0,
}


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_eltwise_keeps_values_layout_and_nan(rng, kind):
    x = normal(rng, 3, 8, 5, 6) * 4
    for to in (np.ascontiguousarray, channels_last, np.transpose):
        given = to(x)
        y = onednn.eltwise(kind, given)
        close(y, ACTIVATIONS[kind](given.astype(np.float64)))
        assert y.strides == given.strides
    flat = np.array([np.nan] * 40, np.float32)
    assert np.isnan(onednn.eltwise(kind, flat)).all()


def test_relu_clip_and_their_kin_are_exact_over_block_borders(rng):
    x = normal(rng, (1 << 18) + 77) * 5
    x[[0, 1 << 18]], x[[5, -1]], x[7] = np.nan, -np.inf, np.inf
    want = np.maximum(x, 0)
    assert np.array_equal(onednn.eltwise("relu", x), want, equal_nan=True)
    assert np.array_equal(onednn.eltwise("relu6", x), np.minimum(want, 6), equal_nan=True)
    want = np.minimum(np.maximum(x, -2), 3)
    for limit in range(10):  # the blocks of constants are bounded too
        onednn.eltwise("clip", x, -2.0, float(limit))
    assert np.array_equal(onednn.eltwise("clip", x, -2.0, 3.0, out=x), want, equal_nan=True)


@pytest.mark.parametrize("kind", DERIVATIVES)
def test_eltwise_backward_is_g_times_the_derivative(rng, kind):
    x, g = normal(rng, 3, 8, 5, 6) * 4, normal(rng, 3, 8, 5, 6)
    given = onednn.eltwise(kind, x) if kind in constants.FROM_RESULT else x
    want = g * DERIVATIVES[kind](x.astype(np.float64))
    close(onednn.eltwise_backward(kind, g, given), want)
    assert onednn.eltwise_backward(kind, g, given, out=g) is g
    close(g, want)


def test_relu_backward_reads_the_result_as_well(rng):
    x, g = normal(rng, 1000), normal(rng, 1000)
    assert np.array_equal(
        onednn.eltwise_backward("relu", g, x), onednn.eltwise_backward("relu", g, np.maximum(x, 0))
    )


@pytest.mark.parametrize("kind", ["add", "sub", "mul", "div", "max", "min"])
def test_binary_is_arithmetic(rng, kind):
    ufunc = {"sub": np.subtract, "mul": np.multiply, "div": np.divide, "max": np.maximum,
             "min": np.minimum, "add": np.add}[kind]  # fmt: skip
    a, b = (channels_last(normal(rng, 2, 8, 5, 5)) for _ in range(2))
    want = ufunc(a, b)
    y = onednn.binary(kind, a, b)
    assert np.allclose(y, want, rtol=1e-6) and y.strides == a.strides
    assert onednn.binary(kind, a, b, out=a) is a and np.allclose(a, want, rtol=1e-6)


def test_a_max_pools_gradient_is_differentiated_on_the_fast_path():
    """d/dx sum(g^2), g the gradient of sum(pool(x)^2) / 2: twice the winner's value, elsewhere 0."""
    x = sn.tensor(np.random.default_rng(0).permutation(256).reshape(1, 4, 8, 8).astype(np.float32))
    x.requires_grad = True
    y = sn.nn.functional.max_pool2d(x, 2)
    (g,) = sn.autograd.grad((y * y).sum() / 2, x, create_graph=True)
    (second,) = sn.autograd.grad((g * g).sum(), x)
    winner = np.isin(x.detach().numpy(), y.detach().numpy())
    np.testing.assert_allclose(second.numpy(), np.where(winner, 2 * x.detach().numpy(), 0))
