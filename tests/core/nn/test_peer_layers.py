"""Every layer against PyTorch's: state dict, repr, output and all gradients, in float64 and float32."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import sensorium as sn

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
pytestmark = pytest.mark.peer

# (class name, positional arguments, keyword arguments, input shape)
LAYERS = [
    ("Linear", (5, 3), {}, (4, 5)),
    ("Linear", (5, 3), {"bias": False}, (2, 4, 5)),
    ("Conv1d", (4, 6, 3), {"stride": 2, "padding": 1}, (2, 4, 9)),
    ("Conv1d", (4, 6, 4), {"padding": "same", "dilation": 2}, (2, 4, 9)),
    ("Conv2d", (4, 6, 3), {"stride": (2, 1), "padding": 1, "groups": 2}, (2, 4, 9, 8)),
    ("Conv2d", (4, 6, (3, 5)), {"padding": "valid", "bias": False}, (2, 4, 9, 8)),
    ("Conv2d", (4, 4, 3), {"padding": (1, 2), "padding_mode": "reflect"}, (2, 4, 9, 8)),
    ("Conv2d", (4, 4, 4), {"padding": "same", "padding_mode": "circular"}, (2, 4, 9, 8)),
    ("Conv2d", (4, 4, 3), {"padding": 1, "padding_mode": "replicate"}, (4, 9, 8)),
    ("Conv3d", (2, 4, 2), {"dilation": (1, 2, 1)}, (1, 2, 4, 5, 4)),
    ("ConvTranspose1d", (4, 6, 3), {"stride": 2, "output_padding": 1}, (2, 4, 5)),
    ("ConvTranspose2d", (4, 6, 3), {"stride": 2, "padding": 1, "groups": 2}, (2, 4, 5, 6)),
    ("ConvTranspose3d", (2, 4, 2), {"stride": 2, "dilation": 2}, (1, 2, 3, 2, 3)),
    ("MaxPool1d", (3, 2), {}, (2, 3, 9)),
    ("MaxPool2d", (3,), {"stride": 2, "padding": 1, "ceil_mode": True}, (2, 3, 9, 8)),
    ("MaxPool3d", (2,), {}, (1, 2, 4, 4, 5)),
    ("AvgPool1d", (3,), {"padding": 1}, (2, 3, 9)),
    ("AvgPool2d", (3, 2, 1), {"count_include_pad": False}, (2, 3, 9, 8)),
    ("AvgPool3d", (2,), {"divisor_override": 3}, (1, 2, 4, 4, 5)),
    ("AdaptiveAvgPool1d", (4,), {}, (2, 3, 10)),
    ("AdaptiveAvgPool2d", ((3, None),), {}, (2, 3, 7, 5)),
    ("AdaptiveAvgPool3d", (1,), {}, (1, 2, 3, 4, 5)),
    ("AdaptiveMaxPool1d", (4,), {}, (2, 3, 10)),
    ("AdaptiveMaxPool2d", ((3, 2),), {}, (2, 3, 7, 5)),
    ("AdaptiveMaxPool3d", (2,), {}, (1, 2, 3, 4, 5)),
    ("BatchNorm1d", (3,), {}, (5, 3)),
    ("BatchNorm1d", (3,), {"momentum": None}, (5, 3, 4)),
    ("BatchNorm2d", (3,), {"eps": 1e-3, "momentum": 0.3}, (4, 3, 5, 6)),
    ("BatchNorm2d", (3,), {"affine": False}, (4, 3, 5, 6)),
    ("BatchNorm2d", (3,), {"track_running_stats": False}, (4, 3, 5, 6)),
    ("BatchNorm3d", (2,), {}, (3, 2, 2, 3, 4)),
    ("InstanceNorm1d", (3,), {}, (3, 9)),
    ("InstanceNorm2d", (3,), {"affine": True, "track_running_stats": True}, (2, 3, 4, 5)),
    ("InstanceNorm3d", (2,), {"affine": True}, (2, 2, 3, 4, 5)),
    ("LayerNorm", (6,), {}, (2, 4, 6)),
    ("LayerNorm", ((4, 6),), {"bias": False}, (2, 4, 6)),
    ("LayerNorm", ((4, 6),), {"elementwise_affine": False}, (2, 4, 6)),
    ("GroupNorm", (2, 6), {}, (3, 6, 4)),
    ("GroupNorm", (3, 6), {"affine": False}, (3, 6, 4, 2)),
    ("ReLU", (), {}, (4, 5)),
    ("ReLU6", (), {}, (4, 5)),
    ("LeakyReLU", (0.2,), {}, (4, 5)),
    ("ELU", (1.5,), {}, (4, 5)),
    ("GELU", (), {}, (4, 5)),
    ("GELU", (), {"approximate": "tanh"}, (4, 5)),
    ("SiLU", (), {}, (4, 5)),
    ("Sigmoid", (), {}, (4, 5)),
    ("Tanh", (), {}, (4, 5)),
    ("Softmax", (1,), {}, (4, 5)),
    ("LogSoftmax", (), {"dim": -1}, (4, 5)),
    ("Softplus", (2, 3), {}, (4, 5)),
    ("Hardswish", (), {}, (4, 5)),
    ("Hardsigmoid", (), {}, (4, 5)),
    ("Hardtanh", (-0.5, 0.7), {}, (4, 5)),
    ("LogSigmoid", (), {}, (4, 5)),
    ("Dropout", (0.5,), {"inplace": True}, (4, 5)),
    ("Dropout2d", (0.2,), {}, (2, 3, 4, 5)),
    ("Identity", (), {}, (4, 5)),
    ("Flatten", (), {}, (2, 3, 4)),
    ("Unflatten", (1, (2, 3)), {}, (2, 6)),
    ("Upsample", (), {"scale_factor": 2}, (1, 2, 3, 4)),
    ("Upsample", (), {"size": (5, 6), "mode": "bilinear"}, (1, 2, 3, 4)),
    ("UpsamplingNearest2d", (), {"scale_factor": 2}, (1, 2, 3, 4)),
    ("UpsamplingBilinear2d", (), {"scale_factor": 2}, (1, 2, 3, 4)),
    ("ZeroPad1d", (2,), {}, (2, 3, 4)),
    ("ZeroPad2d", ((1, 2, 0, 3),), {}, (2, 3, 4, 5)),
    ("ZeroPad3d", (1,), {}, (1, 2, 3, 4, 5)),
    ("ConstantPad1d", (1, 2.5), {}, (2, 3, 4)),
    ("ConstantPad2d", (1, 2.5), {}, (2, 3, 4, 5)),
    ("ConstantPad3d", (1, 2.5), {}, (1, 2, 3, 4, 5)),
    ("ReflectionPad1d", (2,), {}, (2, 3, 4)),
    ("ReflectionPad2d", ((1, 2, 0, 3),), {}, (2, 3, 4, 5)),
    ("ReflectionPad3d", (1,), {}, (1, 2, 3, 4, 5)),
    ("ReplicationPad1d", (2,), {}, (2, 3, 4)),
    ("ReplicationPad2d", (2,), {}, (2, 3, 4, 5)),
    ("ReplicationPad3d", (1,), {}, (1, 2, 3, 4, 5)),
    ("CircularPad1d", (2,), {}, (2, 3, 4)),
    ("CircularPad2d", (2,), {}, (2, 3, 4, 5)),
    ("CircularPad3d", (1,), {}, (1, 2, 3, 4, 5)),
]
IDS = [f"{name}{i}" for i, (name, *_) in enumerate(LAYERS)]
RANDOM = {"Dropout", "Dropout2d"}


def close(got, want, double, what):
    tolerance = double if double.__class__ is float else 1e-9 if double else 2e-5
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance, err_msg=what)


def pair(name, args, kwargs, dtype="float64"):
    """The layer here and in PyTorch, with the same random state."""
    theirs = getattr(torch.nn, name)(*args, **kwargs).to(getattr(torch, dtype))
    ours = getattr(sn.nn, name)(*args, **kwargs).to(dtype)
    rng = np.random.default_rng(3)
    state = {}
    for key, value in theirs.state_dict().items():
        drawn = rng.uniform(0.5, 1.5, value.shape) if value.dtype.is_floating_point else 0
        state[key] = np.asarray(drawn, str(value.dtype).split(".")[1])
    ours.load_state_dict(state)
    theirs.load_state_dict({k: torch.tensor(v) for k, v in state.items()})
    return ours, theirs


def check_forward_backward(ours, theirs, x, double):
    a = sn.tensor(x, requires_grad=True)
    b = torch.tensor(x, requires_grad=True)
    y, z = ours(a), theirs(b)
    close(y.detach().numpy(), z.detach().numpy(), double, "output")
    g = np.random.default_rng(4).normal(size=x.shape if y.ndim == 0 else y.shape).astype(x.dtype)
    y.backward(sn.tensor(g))
    z.backward(torch.tensor(g))
    close(a.grad.numpy(), b.grad.numpy(), double, "gradient of the input")
    for (key, p), (_, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        close(p.grad.numpy(), q.grad.numpy(), double, f"gradient of {key}")
    for (key, p), (_, q) in zip(ours.named_buffers(), theirs.named_buffers(), strict=True):
        close(p.numpy(), q.numpy(), double, key)


@pytest.mark.parametrize(("name", "args", "kwargs", "shape"), LAYERS, ids=IDS)
def test_state_dict_and_repr_are_pytorchs(name, args, kwargs, shape):
    ours, theirs = getattr(sn.nn, name)(*args, **kwargs), getattr(torch.nn, name)(*args, **kwargs)
    mine = [(k, tuple(v.shape), str(v.dtype)) for k, v in ours.state_dict().items()]
    wanted = [
        (k, tuple(v.shape), str(v.dtype).split(".")[1]) for k, v in theirs.state_dict().items()
    ]
    assert mine == wanted
    assert repr(ours) == repr(theirs)
    assert ours.state_dict()._metadata[""] == theirs.state_dict()._metadata[""]


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("name", "args", "kwargs", "shape"), LAYERS, ids=IDS)
def test_output_gradients_and_buffers(name, args, kwargs, shape, dtype, training):
    if name in RANDOM and training:
        pytest.skip("random numbers differ")
    ours, theirs = pair(name, args, kwargs, dtype)
    ours.train(training), theirs.train(training)
    x = np.random.default_rng(5).normal(size=shape).astype(dtype)
    double = dtype == "float64"
    if name == "Hardsigmoid" and double:
        double = 1e-7  # PyTorch's gradient multiplies by 1/6 in float32, also in float64
    check_forward_backward(ours, theirs, x, double)


def options(function):
    """Names and defaults of the arguments that both libraries have, in order."""
    found = inspect.signature(function).parameters
    return [(n, p.default) for n, p in found.items() if n not in ("args", "kwargs", *NOT_HERE)]


NOT_HERE = ("min_value", "max_value")  # deprecated names of Hardtanh


@pytest.mark.parametrize("name", sorted({row[0] for row in LAYERS} | {"Embedding", "Bilinear"}))
def test_arguments_are_pytorchs(name):
    assert options(getattr(sn.nn, name)) == options(getattr(torch.nn, name))


def test_bilinear_and_embedding():
    ours, theirs = pair("Bilinear", (3, 4, 2), {})
    x, z = np.random.default_rng(0).normal(size=(2, 5, 4))[..., :3], np.ones((2, 5, 4))
    got, want = ours(sn.tensor(x), sn.tensor(z)), theirs(torch.tensor(x), torch.tensor(z))
    close(got.detach().numpy(), want.detach().numpy(), True, "bilinear")
    ours, theirs = pair("Embedding", (7, 4), {"padding_idx": -2})
    assert repr(ours) == repr(theirs)
    rows = np.array([[1, 5, 5], [0, 6, 2]])
    got, want = ours(sn.tensor(rows)), theirs(torch.tensor(rows))
    got.sum().backward(), want.sum().backward()
    close(got.detach().numpy(), want.detach().numpy(), True, "embedding")
    close(ours.weight.grad.numpy(), theirs.weight.grad.numpy(), True, "embedding gradient")


def test_conv_transpose_output_size():
    ours, theirs = pair("ConvTranspose2d", (2, 3, 3), {"stride": 3})
    x = np.random.default_rng(0).normal(size=(1, 2, 4, 4))
    got = ours(sn.tensor(x), output_size=(13, 14))
    want = theirs(torch.tensor(x), output_size=(13, 14))
    close(got.detach().numpy(), want.detach().numpy(), True, "output_size")
    with pytest.raises(sn.errors.ShapeError, match="output_size"):
        ours(sn.tensor(x), output_size=(20, 20))


LOSSES = [
    ("MSELoss", {"reduction": "sum"}, "float"),
    ("L1Loss", {}, "float"),
    ("SmoothL1Loss", {"beta": 0.5}, "float"),
    ("HuberLoss", {"delta": 0.5, "reduction": "none"}, "float"),
    ("CrossEntropyLoss", {"label_smoothing": 0.1, "ignore_index": 1, "weight": "K"}, "label"),
    ("CrossEntropyLoss", {}, "label"),
    ("NLLLoss", {"weight": "K", "reduction": "sum"}, "label"),
    ("BCELoss", {}, "share"),
    ("BCEWithLogitsLoss", {"pos_weight": "K"}, "share"),
    ("KLDivLoss", {"reduction": "batchmean"}, "share"),
]


@pytest.mark.parametrize(("name", "kwargs", "kind"), LOSSES)
def test_losses(name, kwargs, kind):
    rng = np.random.default_rng(0)
    x = rng.uniform(0.1, 0.9, (6, 4)) if name == "BCELoss" else rng.normal(size=(6, 4))
    target = rng.integers(0, 4, 6) if kind == "label" else rng.uniform(0.05, 0.95, (6, 4))
    weight = rng.uniform(0.5, 2, 4)
    ours = getattr(sn.nn, name)(
        **{k: sn.tensor(weight) if v == "K" else v for k, v in kwargs.items()}
    )
    theirs = getattr(torch.nn, name)(
        **{k: torch.tensor(weight) if v == "K" else v for k, v in kwargs.items()}
    )
    a, b = sn.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, z = ours(a, sn.tensor(target)), theirs(b, torch.tensor(target))
    close(y.detach().numpy(), z.detach().numpy(), True, "loss")
    y.sum().backward(), z.sum().backward()
    close(a.grad.numpy(), b.grad.numpy(), True, "gradient")
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
