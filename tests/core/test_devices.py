"""``sn.device``: the class of devices, by name, index or number."""

import copy
import pickle

import pytest

import sensorium as sn
from sensorium.errors import DeviceError


@pytest.mark.parametrize(
    "given, kind, index",
    [
        (("cpu",), "cpu", None),
        (("cuda",), "cuda", None),
        (("cuda:1",), "cuda", 1),
        (("cuda", 1), "cuda", 1),
        ((2,), "cuda", 2),
        ((sn.device("cuda:3"),), "cuda", 3),
    ],
)
def test_a_device_is_named_in_any_of_pytorchs_ways(given, kind, index):
    device = sn.device(*given)
    assert (device.type, device.index) == (kind, index)


def test_it_is_a_class():
    """Annotations and questions of others' code need one."""
    assert isinstance(sn.ones(1).device, sn.device)
    assert str | sn.device
    assert sn.device(type="cuda", index=0) == sn.device("cuda:0") != sn.device("cuda")


def test_it_is_a_value():
    device = sn.device("cuda:1")
    assert copy.deepcopy(device) == pickle.loads(pickle.dumps(device)) == device
    assert hash(device) == hash(sn.device("cuda", 1)) and str(device) == "cuda:1"
    assert repr(device) == "device(type='cuda', index=1)"
    with pytest.raises(AttributeError):
        device.index = 2


@pytest.mark.parametrize("name", ["meta", "cuda:x", "tpu", "", -1, True])
def test_what_is_no_device_is_refused(name):
    with pytest.raises(DeviceError, match="is not 'cpu', 'cuda' or 'cuda:N'"):
        sn.device(name)


@pytest.mark.peer
@pytest.mark.parametrize("given", [("cpu",), ("cuda",), ("cuda:1",), ("cuda", 1)])
def test_it_prints_as_pytorchs(given):
    torch = pytest.importorskip("torch")
    ours, theirs = sn.device(*given), torch.device(*given)
    assert (str(ours), repr(ours)) == (str(theirs), repr(theirs))
