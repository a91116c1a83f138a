"""What PyTorch saves is what is read: both containers, every element type, every protocol."""

from collections import Counter, OrderedDict

import numpy as np
import pytest

from sensorium.errors import FormatError, UnsafeContentError
from sensorium.io import detect, load, load_object

pytestmark = pytest.mark.peer
torch = pytest.importorskip("torch")

CONTAINERS = [True, False]
PLAIN = [
    "float64", "float32", "float16", "bfloat16", "complex64", "complex128", "int64", "int32",
    "int16", "int8", "uint8", "bool", "uint16", "uint32", "uint64", "float8_e4m3fn",
    "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu",
]  # fmt: skip


@pytest.fixture
def saved(tmp_path):
    def save(value, new=True, **options):
        torch.save(value, tmp_path / "x.pth", _use_new_zipfile_serialization=new, **options)
        return tmp_path / "x.pth"

    return save


def raw(tensor):
    """The tensor's numbers as bytes in row-major order."""
    tensor = tensor.detach().resolve_conj().resolve_neg()
    tensor = tensor.clone(memory_format=torch.contiguous_format)
    return tensor.reshape(-1).view(torch.uint8).numpy().tobytes()


def assert_same(array, tensor):
    assert str(tensor.dtype) == f"torch.{array.dtype}"
    assert array.shape == tuple(tensor.shape)
    assert array.tobytes() == raw(tensor)


@pytest.mark.parametrize("new", CONTAINERS)
@pytest.mark.parametrize("name", PLAIN)
def test_every_element_type(name, new, saved):
    dtype = getattr(torch, name)
    tensors = {
        "matrix": (torch.arange(12) % 2).reshape(3, 4).float().to(dtype),
        "scalar": torch.tensor(1.0).to(dtype),
        "empty": torch.empty(0, 3, dtype=dtype),
    }
    arrays = load(saved(tensors, new))
    assert list(arrays) == list(tensors)
    for key, tensor in tensors.items():
        assert_same(arrays[key], tensor)


@pytest.mark.parametrize("new", CONTAINERS)
def test_views_keep_their_strides_and_their_sharing(new, saved):
    base = torch.arange(24.0).reshape(4, 6)
    images = torch.arange(48.0).reshape(2, 2, 3, 4)
    views = {
        "base": base, "transposed": base.t(), "columns": base[:, 1::2], "row": base[2],
        "diagonal": base.diagonal(), "expanded": base[:1].expand(3, 6),
        "channels_last": images.to(memory_format=torch.channels_last),
        "conj": torch.tensor([1 + 2j, 3j]).conj(), "imag": torch.tensor([1 + 2j]).conj().imag,
    }  # fmt: skip
    arrays = load(saved(views, new))
    for key, tensor in views.items():
        assert_same(arrays[key], tensor)
    assert np.shares_memory(arrays["base"], arrays["transposed"])
    strides = [s * 4 for s in views["channels_last"].stride()]
    assert list(arrays["channels_last"].strides) == strides


@pytest.mark.parametrize("new", CONTAINERS)
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_training_checkpoint(protocol, new, saved):
    net = torch.nn.Sequential(
        torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.Linear(4, 4)
    )
    net[2].weight = net[2].weight  # a parameter met twice below
    optimizer = torch.optim.Adam(net.parameters())
    net[1](net[0](torch.randn(2, 2, 5, 5))).sum().backward()
    optimizer.step()
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 3])
    checkpoint = {
        "model": net.state_dict(), "tied": net[2].weight, "parameters": list(net.parameters()),
        "optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict(), "epoch": 7,
        "loss": float("nan"), "best": np.float64(0.5), "history": np.arange(5), "note": "é",
        "none": None, "flag": True, "args": {"lr": 1e-3, "sizes": (1, 2)},
        "size": torch.Size([2, 3]),
        "device": torch.device("cuda:1"), "dtype": torch.bfloat16, "raw": b"\x00\xff",
        "mutable": bytearray(b"\x01"), "set": {1, 2}, "complex": 1 + 2j, "counter": Counter("aab"),
        "big": 2**70, "rng": torch.get_rng_state(), 5: ["int key"], (1, 2): "tuple key",
    }  # fmt: skip
    path = saved(checkpoint, new, pickle_protocol=protocol)
    tree = load_object(path)
    assert list(tree) == list(checkpoint)
    assert type(tree["model"]) is OrderedDict
    for key, tensor in net.state_dict().items():
        assert_same(tree["model"][key], tensor)
    assert np.shares_memory(tree["tied"], tree["model"]["2.weight"])
    moments = optimizer.state_dict()["state"][0]
    assert_same(tree["optimizer"]["state"][0]["exp_avg"], moments["exp_avg"])
    assert tree["optimizer"]["param_groups"][0]["betas"] == (0.9, 0.999)
    assert tree["scheduler"]["milestones"] == {2: 1, 3: 1}
    assert tree["best"] == 0.5
    assert type(tree["best"]) is np.float64
    assert np.isnan(tree["loss"])
    np.testing.assert_array_equal(tree["history"], np.arange(5))
    assert (tree["size"], tree["device"]) == ((2, 3), "cuda:1")
    same = (
        "epoch",
        "note",
        "none",
        "flag",
        "args",
        "raw",
        "mutable",
        "set",
        "complex",
        "counter",
        "big",
        5,
    )
    assert {key: tree[key] for key in same} == {key: checkpoint[key] for key in same}
    assert tree[1, 2] == "tuple key"
    assert list(load(path, key="model")) == list(net.state_dict())


def test_parameter_with_attributes(saved):
    parameter = torch.nn.Parameter(torch.ones(2))
    parameter.note = "kept by torch, dropped here"
    tensor = torch.ones(3)
    tensor.note = 1
    assert_same(load_object(saved(parameter)), parameter)
    assert_same(load_object(saved(tensor)), tensor)


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (lambda: torch.ones(2, 2).to_sparse(), "sparse"),
        (lambda: torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8), "quantized|qint8"),
        (lambda: torch.empty(2, device="meta"), "meta"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_is_left_out_is_called_unsupported(value, what, saved):
    with pytest.raises(FormatError, match=what) as caught:
        load_object(saved(value()))
    assert type(caught.value) is FormatError
    assert "not supported" in str(caught.value)


def test_whole_modules_are_refused(saved):
    with pytest.raises(UnsafeContentError, match=r"torch\.nn\.modules\.linear\.Linear"):
        load_object(saved(torch.nn.Linear(1, 1)))


@pytest.mark.filterwarnings("ignore")
def test_torchscript_is_refused_by_name(tmp_path):
    torch.jit.script(torch.nn.Linear(1, 1)).save(str(tmp_path / "x.pt"))
    assert detect(tmp_path / "x.pt") == "torchscript"
    with pytest.raises(FormatError, match="TorchScript"):
        load(tmp_path / "x.pt")


def test_same_values_as_torch_itself(saved):
    generator = torch.Generator().manual_seed(0)
    tensors = {f"layer.{i}": torch.randn(i + 1, 3, generator=generator) for i in range(50)}
    for new in CONTAINERS:
        path = saved(tensors, new)
        reference = torch.load(path, weights_only=True)
        for key, array in load(path).items():
            np.testing.assert_array_equal(array, reference[key].numpy(), strict=True)


def test_damaged_byte_that_torch_accepts_is_found(saved):
    path = saved({"a": torch.ones(1000)})
    data = bytearray(path.read_bytes())
    data[data.index(np.ones(1000, np.float32).tobytes()) + 7] ^= 1
    path.write_bytes(data)
    assert torch.load(path, weights_only=True)["a"].sum() != 1000
    with pytest.raises(FormatError, match="bad checksum"):
        load(path)


def test_checksums_switched_off_are_named(saved):
    was = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        path = saved({"a": torch.ones(3)})
    finally:
        torch.serialization.set_crc32_options(was)
    with pytest.raises(FormatError, match="set_crc32_options"):
        load(path)
