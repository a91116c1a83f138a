"""Switches, questions about kinds, pinned memory: what a PyTorch program sets and asks."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

import sensorium as sn
from sensorium.backends import cuda
from sensorium.data import DataLoader
from sensorium.data.pinning import pin_memory
from sensorium.errors import DeviceError, OptionError

FALSE = ["is_sparse", "is_sparse_csr", "is_quantized", "is_nested", "is_meta", "is_mkldnn", "is_mps",
         "is_xpu", "is_ipu", "is_xla", "is_vulkan", "is_maia", "is_mtia"]  # fmt: skip


@pytest.fixture(autouse=True)
def as_it_was():
    yield
    sn.use_deterministic_algorithms(False)
    sn.set_float32_matmul_precision("highest")
    sn.set_warn_always(False)


@pytest.fixture
def gpu(monkeypatch):
    """A machine that has one, as far as pinned memory goes."""

    class PinnedMemoryPointer(bytearray):
        """What CuPy's arrays of this kind stand on."""

    def empty_pinned(shape, dtype):
        size = int(np.prod(shape, dtype=int)) * np.dtype(dtype).itemsize
        return np.ndarray(shape, dtype, PinnedMemoryPointer(size))

    monkeypatch.setitem(sys.modules, "cupyx", SimpleNamespace(empty_pinned=empty_pinned))
    monkeypatch.setattr(cuda, "why_not", lambda: "")


def test_determinism_is_remembered():
    sn.use_deterministic_algorithms(True, warn_only=True)
    assert sn.are_deterministic_algorithms_enabled()
    assert sn.is_deterministic_algorithms_warn_only_enabled()
    sn.set_deterministic_debug_mode("error")
    assert sn.get_deterministic_debug_mode() == 2
    with pytest.raises(OptionError, match="got 'loud'"):
        sn.set_deterministic_debug_mode("loud")


def test_precision_is_remembered_and_products_stay_exact():
    x = sn.randn(64, 64)
    exact = x @ x
    sn.set_float32_matmul_precision("medium")
    assert sn.get_float32_matmul_precision() == "medium" and sn.equal(x @ x, exact)
    with pytest.raises(OptionError, match="got 'low'"):
        sn.set_float32_matmul_precision("low")


def test_threads_denormals_and_warnings():
    sn.set_num_interop_threads(4)
    assert sn.get_num_interop_threads() == 1 and sn.set_flush_denormal(True) is False
    sn.set_warn_always(True)
    assert sn.is_warn_always_enabled()


def test_kinds():
    x = sn.ones(2)
    assert x.is_cpu and x.layout is sn.strided and [n for n in FALSE if getattr(x, n)] == []
    assert not sn.is_conj(x) and not x.is_neg()
    assert sn.typename(x.long()) == "sensorium.LongTensor" and sn.typename(3) == "int"


def test_powers_in_columns_and_outer_products():
    x = sn.tensor([1, 2, 3])
    assert sn.vander(x, 4, increasing=True).tolist() == np.vander([1, 2, 3], 4, True).tolist()
    assert sn.vander(x).tolist() == np.vander([1, 2, 3]).tolist()
    assert sn.ger(x, x).tolist() == np.outer([1, 2, 3], [1, 2, 3]).tolist()


# -- pinned memory -------------------------------------------------------------------------------
def test_without_a_gpu_nothing_can_be_pinned():
    if not cuda.why_not():
        pytest.skip("there is a GPU")
    with pytest.raises(DeviceError, match="pin_memory: CuPy"):
        sn.ones(2).pin_memory()
    with pytest.warns(UserWarning, match="pins nothing"):
        assert [b.tolist() for b in DataLoader([1, 2], pin_memory=True)] == [[1], [2]]


def test_batches_are_pinned_part_by_part(gpu):
    data = [{"x": np.full(3, i, np.float32), "name": str(i)} for i in range(4)]
    for i, batch in enumerate(DataLoader(data, 2, pin_memory=True)):
        assert batch["x"].is_pinned() and batch["x"][:, 0].tolist() == [2.0 * i, 2 * i + 1.0]
        assert list(batch["name"]) == [str(2 * i), str(2 * i + 1)]
    pair = pin_memory((sn.ones(2), [sn.zeros(1), "text"]))
    assert type(pair) is tuple and pair[0].is_pinned() and pair[1][1] == "text"
    assert pair[0].pin_memory() is pair[0] and not sn.ones(2).is_pinned()
