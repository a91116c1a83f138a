"""Elementwise functions of two values against Python's ``math``, and against PyTorch."""

from __future__ import annotations

import math

import numpy as np
import pytest

import sensorium as sn
from sensorium.errors import DTypeError, OptionError, ShapeError

NAN, INF = math.nan, math.inf
ODD = [0.0, -0.0, 1.5, -2.0, INF, -INF, NAN]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_copysign_takes_the_sign_of_a_zero_and_of_a_number():
    x = sn.tensor([1.0, -2.0, 3.0])
    assert sn.copysign(x, sn.tensor([-0.0, 0.0, -1.0])).tolist() == [-1.0, 2.0, -3.0]
    small = sn.copysign(sn.tensor([2], dtype=sn.uint8), -1)
    assert small.dtype == sn.float32 and small.tolist() == [-2.0]


def test_fmax_and_fmin_prefer_numbers_to_nan():
    a, b = sn.tensor([1.0, NAN, 3.0, NAN]), sn.tensor([2.0, 2.0, NAN, NAN])
    np.testing.assert_array_equal(sn.fmax(a, b).numpy(), [2.0, 2.0, 3.0, NAN])
    np.testing.assert_array_equal(sn.fmin(a, b).numpy(), [1.0, 2.0, 3.0, NAN])


def test_of_equal_values_fmax_moves_the_first():
    a, b = (sn.tensor([1.0, NAN], requires_grad=True) for _ in range(2))
    sn.fmax(a, sn.cat([b[:1], sn.ones(1)])).sum().backward()
    assert a.grad.tolist() == [1.0, 0.0] and b.grad.tolist() == [0.0, 0.0]


def test_frexp_and_ldexp_undo_each_other(rng):
    x = sn.tensor(rng.normal(size=20) * 10.0 ** rng.integers(-9, 9, size=20))
    mantissa, exponent = sn.frexp(x)
    assert exponent.dtype == sn.int32
    assert ((mantissa.abs() >= 0.5) & (mantissa.abs() < 1)).all()
    assert sn.equal(sn.ldexp(mantissa, exponent), x)
    assert [v.item() for v in sn.frexp(sn.tensor(0.0))] == [0.0, 0]


def test_heaviside_is_a_step():
    x = sn.tensor([-1.0, 0.0, 2.0, NAN])
    assert x.heaviside(sn.tensor(0.25)).tolist() == [0.0, 0.25, 1.0, 0.0]
    assert sn.heaviside(sn.tensor([-1, 0, 1]), sn.tensor([7])).tolist() == [0, 7, 1]


def test_float_power_is_computed_in_double():
    found = sn.float_power(sn.tensor([2, 3]), sn.tensor([-1.0, 0.5]))
    assert found.dtype == sn.float64 and found.tolist() == [0.5, math.sqrt(3)]
    assert sn.float_power(2, sn.tensor([3])).item() == 8.0
    assert sn.float_power(sn.tensor([-1.0]), 0.5j).dtype == sn.complex128


def test_shifts_move_bits_and_lose_them_at_the_ends():
    x = sn.tensor([1, -1, 5])
    assert (x << sn.tensor([64, -1, 2])).tolist() == [0, 0, 20]
    assert (x >> sn.tensor([64, 70, -2])).tolist() == [0, -1, 0]
    assert (2 << sn.tensor([1, 3])).tolist() == [4, 16] and (x >> 1).tolist() == [0, -1, 2]
    assert (sn.tensor([200], dtype=sn.uint8) << 1).tolist() == [144]
    x <<= 2
    assert x.tolist() == [4, -4, 20]
    with pytest.raises(DTypeError, match="integers"):
        sn.tensor([1.0]) << 1


def test_predicates_know_the_odd_values():
    x = sn.tensor(ODD)
    assert sn.signbit(x[:6]).tolist() == [False, True, False, True, False, True]
    assert sn.isposinf(x).tolist() == [v == INF for v in ODD]
    assert sn.isneginf(x).tolist() == [v == -INF for v in ODD]
    assert sn.isreal(x).all() and sn.isreal(sn.tensor([1j, 1 + 0j])).tolist() == [False, True]
    assert sn.signbit(sn.tensor([True])).tolist() == [False]
    assert sn.signbit(sn.tensor([-3])).tolist() == [True]


def test_negative_powers_of_integers_are_cut_or_refused():
    base = sn.tensor([2, 1, -1, -1, 0])
    assert sn.pow(base, sn.tensor([-1, -5, -2, -3, -1])).tolist() == [0, 1, 1, -1, 0]
    assert (2 ** sn.tensor([-1, 3])).tolist() == [0, 8]
    with pytest.raises(DTypeError, match="negative integer powers"):
        base**-1
    with pytest.raises(DTypeError, match="bool"):
        sn.pow(base > 0, base > 0)


def test_rounded_division_has_slope_zero():
    x = sn.tensor([7.0, -7.0], requires_grad=True)
    for mode in ("floor", "trunc"):
        y = sn.div(x, 2, rounding_mode=mode)
        assert y.requires_grad
        assert sn.autograd.grad(y.sum(), x, materialize_grads=True)[0].tolist() == [0.0, 0.0]


def test_isclose_compares_one_type_and_knows_infinity():
    x = sn.tensor([INF, INF, NAN, 1.0])
    y = sn.tensor([INF, -INF, NAN, 1.0 + 1e-6])
    assert sn.isclose(x, y).tolist() == [True, False, False, True]
    assert sn.isclose(x, y, equal_nan=True).tolist() == [True, False, True, True]
    assert sn.isclose(x > 0, y > 0).tolist() == [True, False, True, True]
    with pytest.raises(DTypeError, match="float64"):
        sn.isclose(x, y.double())
    with pytest.raises(OptionError, match="negative"):
        sn.isclose(x, y, rtol=-1)


def test_sign_of_nan_is_zero_and_squares_of_bool_count():
    assert sn.sign(sn.tensor(ODD)).tolist() == [0, 0, 1, -1, 1, -1, 0]
    assert sn.sgn(sn.tensor([True, False])).tolist() == [True, False]
    assert sn.square(sn.tensor([True])).dtype == sn.int64


def test_native_forms_also_return_their_statistics(rng):
    x = rng.normal(size=(2, 4, 3))
    y, mean, rstd = sn.native_layer_norm(sn.tensor(x), (4, 3), None, None, 1e-5)
    np.testing.assert_allclose(mean.numpy(), x.mean((1, 2), keepdims=True))
    np.testing.assert_allclose(y.numpy(), (x - mean.numpy()) * rstd.numpy())
    y, mean, rstd = sn.native_group_norm(sn.tensor(x), None, None, 2, 4, 3, 2, 1e-5)
    np.testing.assert_allclose(mean.numpy(), x.reshape(2, 2, 6).mean(2))
    y, mean, rstd = sn.native_batch_norm(sn.tensor(x), None, None, None, None, True, 0.1, 1e-5)
    np.testing.assert_allclose(rstd.numpy(), 1 / np.sqrt(x.var((0, 2)) + 1e-5))
    with pytest.raises(ShapeError, match="HxW"):
        sn.native_group_norm(sn.tensor(x), None, None, 2, 4, 5, 2, 1e-5)


@pytest.mark.parametrize("name", ["gcd", "lcm", "hypot", "nextafter", "logaddexp2", "copysign"])
def test_what_the_types_do_not_allow_is_refused(name):
    wrong = sn.tensor([1.5]) if name in ("gcd", "lcm") else sn.tensor([1j])
    with pytest.raises(DTypeError, match=name):
        getattr(sn, name)(wrong, wrong)


@pytest.mark.peer
@pytest.mark.parametrize("name", ["copysign", "fmax", "fmin", "heaviside", "hypot", "nextafter"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
def test_odd_values_are_pytorchs(name, dtype):
    torch = pytest.importorskip("torch")
    others = ODD[:-1] if name == "copysign" else ODD  # the sign of a nan is the machine's
    a, b = (v.ravel() for v in np.meshgrid(ODD, others))
    found = getattr(sn, name)(*(sn.tensor(v).to(getattr(sn, dtype)) for v in (a, b)))
    wanted = getattr(torch, name)(*(torch.tensor(v).to(getattr(torch, dtype)) for v in (a, b)))
    np.testing.assert_array_equal(found.double().numpy(), wanted.double().numpy())
