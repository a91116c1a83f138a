"""sensorium.signal.windows: closed forms, symmetry, refusals; PyTorch and SciPy are the peers."""

import inspect
import math

import numpy as np
import pytest

import sensorium as sn
from sensorium.errors import SensoriumError
from sensorium.signal import windows

NAMES = windows.__all__
NEEDS = {"general_cosine": {"a": [0.5, 0.3, 0.2]}}


def make(name, m, library=windows, **options):
    return getattr(library, name)(m, **NEEDS.get(name, {}), **options)


@pytest.mark.parametrize("name", NAMES)
def test_symmetric_windows_and_periodic_ones(name):
    for m in (2, 7, 8):
        whole = make(name, m + 1, dtype=sn.float64).numpy()
        np.testing.assert_allclose(whole, whole[::-1], atol=1e-15)
        periodic = make(name, m, sym=False, dtype=sn.float64).numpy()
        np.testing.assert_allclose(periodic, whole[:-1], atol=1e-15)
    assert make(name, 0).shape == (0,) and make(name, 1).tolist() == [1.0]
    leaf = make(name, 3, requires_grad=True)
    assert leaf.is_leaf and leaf.requires_grad and leaf.dtype == sn.float32


def test_closed_forms():
    k = np.arange(9)
    exact = {
        "hann": 0.5 - 0.5 * np.cos(k * math.pi / 4), "bartlett": 1 - np.abs(k - 4) / 4,
        "cosine": np.sin((k + 0.5) * math.pi / 9), "gaussian": np.exp(-((k - 4) ** 2) / 2),
        "exponential": np.exp(-np.abs(k - 4.0)), "hamming": 0.54 - 0.46 * np.cos(k * math.pi / 4),
    }  # fmt: skip
    for name, wanted in exact.items():
        np.testing.assert_allclose(make(name, 9, dtype=sn.float64).numpy(), wanted, atol=1e-15)
    moved = windows.exponential(4, center=1.0, tau=2.0, sym=False, dtype=sn.float64)
    np.testing.assert_allclose(moved.numpy(), np.exp([-0.5, 0, -0.5, -1]))
    assert windows.exponential(1, center=2.0, sym=False).item() == pytest.approx(math.exp(-2))


def test_hann_is_one_idea_in_two_places():
    both = windows.hann(16, sym=False), sn.hann_window(16)
    assert both[0].tolist() == both[1].tolist()
    assert windows.hann(5).tolist() == [0.0, 0.5, 1.0, 0.5, 0.0]  # the ends exactly


@pytest.mark.parametrize(
    "name, options",
    [
        ("hann", {"M": -1}),
        ("hann", {"M": 3, "dtype": sn.int64}),
        ("hann", {"M": 3, "dtype": sn.float16}),
        ("gaussian", {"M": 3, "std": 0.0}),
        ("exponential", {"M": 3, "tau": -1}),
        ("exponential", {"M": 3, "center": 1.0}),
        ("kaiser", {"M": 3, "beta": -1}),
        ("general_cosine", {"M": 3, "a": []}),
    ],
)
def test_misuse_is_a_value_error_that_names_the_window(name, options):
    with pytest.raises(ValueError, match=name) as info:
        getattr(windows, name)(**options)
    assert isinstance(info.value, SensoriumError)


@pytest.mark.peer
@pytest.mark.parametrize("name", NAMES)
def test_pytorch_s_values_and_signatures(name):
    torch = pytest.importorskip("torch")
    theirs = inspect.signature(getattr(torch.signal.windows, name)).parameters.values()
    ours = inspect.signature(getattr(windows, name)).parameters.values()
    assert [(p.name, p.kind) for p in ours] == [(p.name, p.kind) for p in theirs]
    for m in (1, 2, 6, 33):
        for sym in (True, False):
            wanted = make(name, m, torch.signal.windows, sym=sym, dtype=torch.float64).numpy()
            found = make(name, m, sym=sym, dtype=sn.float64).numpy()
            np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)
