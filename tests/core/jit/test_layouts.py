"""Operands that lie in memory in odd ways, or are computed where constants are usual."""

from __future__ import annotations

import numpy as np
import pytest

import sensorium as sn
import sensorium.nn.functional as F
from sensorium.backends.cpu import onednn
from sensorium.jit import compile

RNG = np.random.default_rng(0)


def _constant(*shape):
    return sn.from_numpy((RNG.normal(size=shape) * 0.1).astype("f4")).clone()


W, WIDE, K, KK, B = (
    _constant(64, 64), _constant(64, 128), _constant(16, 16, 3, 3), _constant(32, 16, 3, 3), _constant(64),
)  # fmt: skip

CASES = {}


def case(function):
    CASES[function.__name__.strip("_")] = function
    return function


def image(x):
    return x.reshape(2, 16, 12, 16)


def tokens(x):
    return x.reshape(4, 24, 64)


def both(x):
    return F.conv2d(image(x), KK, padding=1)


def one(x):
    return F.conv2d(image(x), K, padding=1)


def squares(x):
    y = tokens(x)
    return y @ y.transpose(1, 2) @ y * 0.01


# -- operands beside a result --------------------------------------------------------------------
@case
def rows_of_a_wider_matrix(x):
    a, _ = (x @ WIDE).chunk(2, -1)
    return (x @ W).relu() * a + a


@case
def every_second_column(x):
    return (x @ W) + (x @ WIDE)[:, ::2]


@case
def a_turned_matrix(x):
    return (x[:64] @ W) + (x @ W).t()[:64, :64]


@case
def a_vector_with_gaps(x):
    return (x @ W) * (x @ WIDE)[0, ::2]


@case
def a_row_with_gaps(x):
    return (x @ W) * (x @ WIDE)[0:1, ::2]


@case
def a_column(x):
    return (x @ W) * (x @ WIDE)[:, 3:4]


@case
def rows_beside_batches(x):
    return squares(x) + (tokens(x) @ WIDE).chunk(2, -1)[1]


@case
def one_row_with_gaps_beside_batches(x):
    return squares(x) * (tokens(x) @ WIDE)[:, :1, ::2]


@case
def a_column_beside_batches(x):
    return squares(x) * (tokens(x) @ WIDE)[:, :, 5:6]


@case
def half_the_channels(x):
    return one(x) + both(x).chunk(2, 1)[0]


@case
def every_second_channel(x):
    return (one(x) * both(x)[:, ::2]).relu()


@case
def a_pixel_of_every_sample(x):
    return one(x) * both(x)[:, ::2, :1, :1]


@case
def a_pixel_of_one_sample(x):
    return one(x) * both(x)[:1, ::2, :1, :1]


@case
def one_channel(x):
    return one(x) * both(x)[:, :1] + both(x)[:, :1, :, :1]


@case
def its_own_input(x):
    return one(x) + image(x)


@case
def a_product_and_its_own_input(x):
    return x @ W + x


@case
def chains_with_gaps(x):
    a = (x @ WIDE)[:, ::2]
    return sn.tanh(x) * a - (x @ WIDE)[:1, ::2] + (x @ W)[:, :1]


@case
def chains_beside_turned_values(x):
    return sn.tanh(x[:64, :64]) + (x @ W).t()[:64, :64]


@case
def twice_the_same_value(x):
    y = x @ W
    return sn.tanh(y * -1.25 + y) * y + y


@case
def norms_of_parts(x):
    a, b = (x @ WIDE).chunk(2, -1)
    return F.layer_norm(a, (64,)) + sn.softmax(b, -1) + F.log_softmax(b, -1)


# -- computed where constants are usual ----------------------------------------------------------
@case
def a_computed_bias(x):
    y = x @ W
    return F.linear(x, W, y[0])


@case
def a_computed_matrix(x):
    y = (x @ W)[:64]
    return F.linear(x, y, y[1]) + y[0]


@case
def a_computed_bias_with_gaps(x):
    return F.linear(x, W, (x @ WIDE)[0, ::2])


@case
def computed_filters(x):
    y = x @ W
    k = y[:72, :16].reshape(8, 16, 3, 3)
    return F.conv2d(image(y), k, k[:, 0, 0, 0])


@case
def filters_computed_with_gaps(x):
    k = (x @ W)[:18, ::2].reshape(4, 16, 3, 3).transpose(2, 3)
    return F.conv2d(image(x), k)


@case
def computed_statistics(x):
    y = (x @ W)[:, :16]
    return F.batch_norm(one(x), y[0], y[1].abs() + 1, y[2], y[3], False)


@case
def a_computed_layer_norm(x):
    y = x @ W
    return F.layer_norm(y, (64,), y[0], y[1])


@case
def a_computed_mask(x):
    y = tokens(x @ W)[:, None]
    return F.scaled_dot_product_attention(y, y, y, attn_mask=y @ y.transpose(-1, -2))


@case
def filters_made_of_constants(x):
    return F.conv2d(image(x), K.transpose(2, 3) * 2, B[:16] + 1, padding=1) + (W @ W)[0, :16]


def _error(function, x, precision="float32"):
    with sn.no_grad():
        want, quick = function(x), compile(function, precision=precision)
        quick(x * 0)
        got = quick(x)
    assert got.shape == want.shape
    return np.abs(got.array - want.array).max() / np.abs(want.array).max()


def _x():
    return sn.from_numpy(np.random.default_rng(1).normal(size=(96, 64)).astype("f4"))


@pytest.mark.parametrize("name", CASES)
def test_odd_operands(name):
    assert _error(CASES[name], _x()) < 1e-5


@pytest.mark.skipif(not onednn.has_bfloat16(), reason="wants AVX512-BF16")
@pytest.mark.parametrize("name", CASES)
def test_odd_operands_in_bfloat16(name):
    assert _error(CASES[name], _x(), "bfloat16") < 5e-2


# -- attention of all sizes ----------------------------------------------------------------------
LOW = np.float32(-np.inf)
MASKS = {
    "none": lambda n, h, rows, keys: None,
    "vector": lambda n, h, rows, keys: RNG.normal(size=keys).astype("f4"),
    "padding": lambda n, h, rows, keys: RNG.random((n, 1, 1, keys)) < 0.5,
    "all": lambda n, h, rows, keys: RNG.normal(size=(n, h, rows, keys)).astype("f4"),
    "dead rows": lambda n, h, rows, keys: np.where(
        RNG.random((n, 1, rows, 1)) < 0.5, LOW, 0
    ).astype("f4"),
}
SIZES = [
    (2, 3, 100, 100, 16, 16),
    (3, 5, 70, 90, 24, 8),
    (1, 2, 600, 600, 16, 16),
    (2, 3, 1, 70, 16, 16),
]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("mask", MASKS)
def test_attention(mask, size):
    n, heads, rows, keys, e, v = size
    shapes = (n, heads, rows, e), (n, heads, keys, e), (n, heads, keys, v)
    query, key, value = (sn.from_numpy(RNG.normal(size=s).astype("f4")) for s in shapes)
    given = MASKS[mask](n, heads, rows, keys)
    given = None if given is None else sn.from_numpy(given)

    def function(query, key, value, given):
        return F.scaled_dot_product_attention(query, key, value, attn_mask=given)

    with sn.no_grad():
        got = compile(function)(query, key, value, given)
        want = function(query.double(), key.double(), value.double(),
                        given if given is None or given.dtype == sn.bool_ else given.double())  # fmt: skip
    np.testing.assert_allclose(got.array, want.array, rtol=1e-4, atol=2e-5)
