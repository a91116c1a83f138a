"""Activations beyond the common ones against PyTorch's: values, types, gradients of both orders, names."""

import inspect

import numpy as np
import pytest

import sensorium as sn

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
pytestmark = pytest.mark.peer

CALLS = [
    ("celu", {}),
    ("celu", {"alpha": 2.0}),  # PyTorch's gradient rounds alpha to float32
    ("celu", {"alpha": -0.5}),
    ("selu", {}),
    ("mish", {}),
    ("softsign", {}),
    ("tanhshrink", {}),
    ("hardshrink", {}),
    ("hardshrink", {"lambd": 1.2}),
    ("hardshrink", {"lambd": -0.3}),
    ("softshrink", {"lambd": 0.3}),
    ("threshold", {"threshold": 0.3, "value": 2.5}),
    ("rrelu", {}),
    ("rrelu", {"lower": 0.2, "upper": 0.2, "training": True}),
    ("glu", {}),
    ("glu", {"dim": 0}),
]
SPECIAL = [0.0, -0.0, 0.5, -0.5, 0.3, np.inf, -np.inf, np.nan, 25.0, -25.0, 1e-9, -1e-9]


def both(name, options, x, dtype="float64"):
    """The function here and in PyTorch on the same values."""
    ours = getattr(sn.nn.functional, name)(sn.tensor(x.astype(dtype)), **options)
    theirs = getattr(torch.nn.functional, name)(torch.tensor(x.astype(dtype)), **options)
    return ours, theirs


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
@pytest.mark.parametrize(("name", "options"), CALLS)
def test_values_and_types(name, options, dtype):
    if name == "rrelu" and dtype == "float16":
        pytest.skip("PyTorch has no rrelu of float16")
    x = np.concatenate([SPECIAL, np.random.default_rng(0).normal(size=20) * 3])
    ours, theirs = both(name, options, x, dtype)
    assert str(ours.dtype) == str(theirs.dtype).split(".")[1]
    tolerance = {"float64": 1e-12, "float32": 1e-6, "float16": 2e-3}[dtype]
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=tolerance, atol=tolerance / 10)


@pytest.mark.parametrize(("name", "options"), CALLS)
def test_gradients_of_both_orders(name, options):
    x = np.random.default_rng(1).normal(size=(4, 6)) * 2
    a, b = sn.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y = getattr(sn.nn.functional, name)(a, **options)
    z = getattr(torch.nn.functional, name)(b, **options)
    (g,) = sn.autograd.grad((y * y).sum(), a, create_graph=True)
    (h,) = torch.autograd.grad((z * z).sum(), b, create_graph=True)
    np.testing.assert_allclose(g.detach().numpy(), h.detach().numpy(), rtol=1e-8, atol=1e-12)
    (g * g).sum().backward(), (h * h).sum().backward()
    np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("name", ["celu", "selu", "hardshrink", "softshrink", "threshold"])
def test_gradients_at_the_kinks(name):
    options = {"threshold": {"threshold": 0.0, "value": 1.0}}.get(name, {})
    x = np.array(SPECIAL[:5] + SPECIAL[8:])
    a, b = sn.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    getattr(sn.nn.functional, name)(a, **options).sum().backward()
    getattr(torch.nn.functional, name)(b, **options).sum().backward()
    np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-8)


@pytest.mark.parametrize("count, shape", [(1, (3,)), (1, ()), (4, (2, 4)), (4, (2, 4, 3))])
def test_prelu(count, shape):
    rng = np.random.default_rng(2)
    x, w = rng.normal(size=shape), rng.normal(size=count)
    a, b = sn.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    v, u = sn.tensor(w, requires_grad=True), torch.tensor(w, requires_grad=True)
    y, z = sn.nn.functional.prelu(a, v), torch.nn.functional.prelu(b, u)
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-12)
    (y * y).sum().backward(), (z * z).sum().backward()
    np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-8)
    np.testing.assert_allclose(v.grad.numpy(), u.grad.numpy(), rtol=1e-8)


def test_threshold_of_integers_keeps_their_type():
    ours, theirs = both("threshold", {"threshold": 1.7, "value": 9.9}, np.arange(-3, 5), "int64")
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    assert ours.dtype == sn.int64


LAYERS = [
    ("CELU", (1.5,), {}, (4, 6)),
    ("SELU", (), {}, (4, 6)),
    ("SELU", (True,), {}, (4, 6)),
    ("Mish", (), {}, (4, 6)),
    ("GLU", (), {}, (4, 6)),
    ("GLU", (0,), {}, (4, 6)),
    ("Hardshrink", (), {}, (4, 6)),
    ("Softshrink", (0.25,), {}, (4, 6)),
    ("Tanhshrink", (), {}, (4, 6)),
    ("Softsign", (), {}, (4, 6)),
    ("Threshold", (0.1, 20), {}, (4, 6)),
    ("Threshold", (0.1, 20), {"inplace": True}, (4, 6)),
    ("RReLU", (0.1, 0.3), {"inplace": True}, (4, 6)),
    ("PReLU", (), {}, (4, 6)),
    ("PReLU", (6,), {"init": 0.1}, (4, 6, 2)),
    ("AlphaDropout", (0.3,), {}, (4, 6)),
    ("FeatureAlphaDropout", (0.3,), {}, (4, 6)),
]
IDS = [f"{row[0]}{i}" for i, row in enumerate(LAYERS)]


@pytest.mark.parametrize(("name", "args", "kwargs", "shape"), LAYERS, ids=IDS)
def test_layers(name, args, kwargs, shape):
    ours, theirs = getattr(sn.nn, name)(*args, **kwargs), getattr(torch.nn, name)(*args, **kwargs)
    assert repr(ours) == repr(theirs)
    state = {k: v.numpy() for k, v in theirs.state_dict().items()}
    assert {k: v.tolist() for k, v in ours.state_dict().items()} == {
        k: v.tolist() for k, v in state.items()
    }
    x = np.random.default_rng(3).normal(size=shape).astype(np.float32)
    y, z = ours.eval()(sn.tensor(x)), theirs.eval()(torch.tensor(x))
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", sorted({row[0] for row in LAYERS}))
def test_arguments_of_layers(name):
    found, wanted = (listed(inspect.signature(getattr(m.nn, name))) for m in (sn, torch))
    assert found == [p for p in wanted if p[0] not in ("args", "kwargs")]


@pytest.mark.parametrize("name", sorted({c[0] for c in CALLS} | {"gumbel_softmax", "celu_"}))
def test_arguments_of_functions(name):
    theirs = getattr(torch.nn.functional, name)
    try:
        wanted = listed(inspect.signature(theirs))
    except ValueError:
        pytest.skip("PyTorch gives no signature")
    if wanted[0][0] != "args":
        assert listed(inspect.signature(getattr(sn.nn.functional, name))) == wanted


def listed(signature):
    return [(n, p.default) for n, p in signature.parameters.items()]


@pytest.mark.parametrize(
    "call",
    [
        lambda t: t.nn.functional.celu(t.ones(2), 0.0),
        lambda t: t.nn.functional.softshrink(t.ones(2), -1.0),
        lambda t: t.nn.functional.glu(t.ones(3)),
        lambda t: t.nn.functional.prelu(t.ones(2, 3), t.ones(2)),
        lambda t: t.nn.functional.feature_alpha_dropout(t.ones(2), 0.5, True),
    ],
)
def test_both_refuse(call):
    with pytest.raises(RuntimeError):
        call(torch)
    with pytest.raises(RuntimeError):
        call(sn)
