"""``sensorium.array_api``: special cases, promotion, gradients, errors of the array API standard.

Whether all of the standard is there, and gives another implementation's numbers, is checked in
``test_array_api_peer.py``.
"""

import math

import numpy as np
import pytest

import sensorium as sn
from sensorium import array_api as xp
from sensorium.errors import DTypeError, OutOfBoundsError, SensoriumError, ShapeError

INF, NAN = math.inf, math.nan
SPECIAL = [
    ("acos", 2.0, NAN), ("acosh", 0.5, NAN), ("acosh", 1.0, 0.0), ("asin", -0.0, -0.0),
    ("asinh", -INF, -INF), ("atan", INF, math.pi / 2), ("atanh", 1.0, INF), ("atanh", 2.0, NAN),
    ("ceil", -0.5, -0.0), ("cos", INF, NAN), ("cosh", -INF, INF), ("exp", -INF, 0.0),
    ("expm1", -0.0, -0.0), ("expm1", -INF, -1.0), ("floor", -0.0, -0.0), ("log", 0.0, -INF),
    ("log", -1.0, NAN), ("log1p", -1.0, -INF), ("log2", 1.0, 0.0), ("log10", INF, INF),
    ("round", 2.5, 2.0), ("round", -0.5, -0.0), ("round", 3.5, 4.0), ("sign", NAN, NAN),
    ("sign", -0.0, 0.0), ("sin", -0.0, -0.0), ("sin", INF, NAN), ("sinh", -0.0, -0.0),
    ("sqrt", -0.0, -0.0), ("sqrt", -1.0, NAN), ("tan", INF, NAN), ("tanh", -INF, -1.0),
    ("trunc", -0.9, -0.0), ("abs", -INF, INF), ("signbit", -0.0, True), ("reciprocal", -0.0, -INF),
]  # fmt: skip
SPECIAL_PAIRS = [
    ("atan2", 0.0, -0.0, math.pi), ("atan2", -0.0, 1.0, -0.0), ("atan2", INF, INF, math.pi / 4),
    ("copysign", 1.0, -0.0, -1.0), ("divide", 1.0, -0.0, -INF), ("divide", INF, INF, NAN),
    ("floor_divide", INF, 2.0, INF), ("floor_divide", -INF, 2.0, -INF),
    ("floor_divide", 1.0, -INF, -0.0), ("floor_divide", 0.0, 0.0, NAN), ("hypot", INF, NAN, INF),
    ("logaddexp", -INF, -INF, -INF), ("maximum", NAN, 1.0, NAN), ("minimum", 1.0, NAN, NAN),
    ("multiply", 0.0, INF, NAN), ("nextafter", NAN, 1.0, NAN), ("pow", NAN, 0.0, 1.0),
    ("pow", 1.0, NAN, 1.0), ("pow", 0.5, INF, 0.0), ("pow", -0.0, -3.0, -INF),
    ("pow", -2.0, 0.5, NAN), ("remainder", -0.0, 3.0, 0.0), ("remainder", 1.0, 0.0, NAN),
    ("subtract", INF, INF, NAN), ("add", -0.0, -0.0, -0.0),
]  # fmt: skip
SPECIAL_COMPLEX = [
    ("expm1", complex(INF, 0.0), complex(INF, 0.0)), ("expm1", complex(-INF, NAN), complex(-1, 0)),
    ("tanh", complex(INF, 2.0), complex(1.0, 0.0)), ("exp", complex(-INF, INF), complex(0, 0)),
    ("sqrt", complex(-0.0, 0.0), complex(0, 0)), ("acosh", complex(0, 0), complex(0, math.pi / 2)),
]  # fmt: skip


def is_value(got, want):
    """Equal to the last bit or so, the sign of zero included; NaN for NaN."""
    if isinstance(want, complex):
        return is_value(got.real, want.real) and is_value(got.imag, want.imag)
    if math.isnan(want):
        return math.isnan(got)
    if want == 0:
        return got == 0 and math.copysign(1, got) == math.copysign(1, want)
    return got == want or math.isclose(got, want, rel_tol=1e-12)


@pytest.mark.parametrize("name,x,want", SPECIAL)
def test_special_value(name, x, want):
    assert is_value(getattr(xp, name)(xp.asarray([x], dtype=xp.float64)).item(), want)


@pytest.mark.parametrize("name,x,want", SPECIAL_COMPLEX)
def test_special_complex_value(name, x, want):
    assert is_value(getattr(xp, name)(xp.asarray([x], dtype=xp.complex128)).item(), want)


@pytest.mark.parametrize("name,a,b,want", SPECIAL_PAIRS)
def test_special_value_of_a_pair(name, a, b, want):
    a, b = (xp.asarray([v], dtype=xp.float64) for v in (a, b))
    assert is_value(getattr(xp, name)(a, b).item(), want)


def test_zero_dimensional_tensors_count_fully_and_numbers_are_weak():
    one = xp.ones((2,), dtype=xp.float32)
    assert xp.add(one, xp.asarray(1.0, dtype=xp.float64)).dtype == xp.float64
    assert xp.add(one, 1.0).dtype == xp.float32
    assert xp.multiply(xp.ones((2,), dtype=xp.int8), 3).dtype == xp.int8
    assert xp.result_type(xp.int8, xp.uint8) == xp.int16
    assert xp.result_type(one, 1j) == xp.complex64


def test_sums_of_small_integers_are_taken_wide():
    x = xp.full((300,), 200, dtype=xp.uint8)
    assert xp.sum(x).item() == 60000
    assert xp.sum(x).dtype == xp.uint64
    assert xp.prod(xp.full((3,), 100, dtype=xp.int8)).item() == 1_000_000


def test_gradients_pass_through_the_namespace():
    x = sn.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    y = xp.sum(xp.permute_dims(xp.multiply(x, x), (1, 0)), axis=0)
    xp.mean(xp.concat([y, y]), axis=None).backward()
    assert np.array_equal(x.grad.numpy(), x.detach().numpy())  # d mean(2 of 2 sums) = 2 x / 2


def test_the_namespace_belongs_to_every_tensor():
    assert sn.ones(1).__array_namespace__() is xp
    assert sn.ones(1).__array_namespace__(api_version="2024.12") is xp
    with pytest.raises(ShapeError, match="api_version"):
        sn.ones(1).__array_namespace__(api_version="1999.01")


def test_code_written_for_the_standard_runs_on_tensors():
    def standardised(x):
        xp = x.__array_namespace__()
        return (x - xp.mean(x, axis=0)) / xp.std(x, axis=0, correction=1)

    a = np.random.default_rng(0).normal(size=(5, 3))
    ours = standardised(sn.from_numpy(a)).numpy()
    assert np.allclose(ours, (a - a.mean(0)) / a.std(0, ddof=1), rtol=1e-14)


def test_info_names_types_and_devices():
    info = xp.__array_namespace_info__()
    types = set(info.dtypes())
    assert len(types) == 13
    assert set(info.dtypes(kind="integral")) == {t for t in types if "int" in t}
    assert info.default_dtypes()["real floating"] == xp.float32
    assert info.default_device() in info.devices()
    assert info.capabilities()["boolean indexing"] is True


def test_unique_keeps_every_nan_and_the_shape_of_the_inverse():
    x = xp.asarray([[NAN, 1.0], [NAN, 1.0]])
    found = xp.unique_all(x)
    assert found.values.shape == (3,)
    assert found.inverse_indices.shape == (2, 2)
    assert found.counts.tolist() == [2, 1, 1]


BAD = [
    (lambda: xp.sum([1.0]), DTypeError, "sum: want a Tensor, got list"),
    (lambda: xp.add(1, 2), DTypeError, "add: at least one operand"),
    (lambda: xp.isdtype(xp.int8, "whole"), DTypeError, "'whole'"),
    (lambda: xp.squeeze(xp.ones((2, 1)), 0), ShapeError, "dimension 0 has size 2"),
    (lambda: xp.sum(xp.ones((2,)), axis=2), OutOfBoundsError, "axis|dim 2"),
    (lambda: xp.max(xp.ones((2,)), axis=(0, 0)), ShapeError, "twice"),
    (lambda: xp.take(xp.ones((3,)), xp.asarray([3])), OutOfBoundsError, "size 3"),
    (lambda: xp.cumulative_sum(xp.ones((2, 2))), ShapeError, "wants axis="),
    (lambda: xp.asarray([1.0], copy=False), ShapeError, "copy=False"),
    (lambda: xp.clip(xp.ones((2,), dtype=xp.int32), 0.5, 1), DTypeError, "does not fit"),
    (lambda: xp.concat([xp.ones((2,)), xp.ones((2, 2))]), ShapeError, "equal numbers"),
    (lambda: xp.tensordot(xp.ones((2, 3)), xp.ones((2, 3)), axes=1), ShapeError, "summed sizes"),
    (lambda: xp.vecdot(xp.ones((2,)), xp.ones((2,)), axis=0), ShapeError, "axis 0 must be -1"),
    (lambda: xp.searchsorted(xp.ones((2,)), xp.ones((2,)), side="mid"), ShapeError, "'mid'"),
    (lambda: xp.nonzero(xp.asarray(1.0)), ShapeError, "at least one dimension"),
    (lambda: xp.mean(xp.ones((2,), dtype=xp.int64)), SensoriumError, "mean"),
    (lambda: xp.reshape(xp.permute_dims(xp.ones((2, 3)), (1, 0)), (6,), copy=False), SensoriumError, "view"),
]  # fmt: skip


@pytest.mark.parametrize("call,error,text", BAD)
def test_bad_input_names_function_and_rule(call, error, text):
    with pytest.raises(error, match=text):
        call()
