"""MultiheadAttention and its function against PyTorch's: outputs, weights, gradients, states."""

from __future__ import annotations

import inspect
import itertools

import numpy as np
import pytest

import sensorium as sn

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
pytestmark = [
    pytest.mark.peer,
    pytest.mark.filterwarnings("ignore:Support for mismatched"),  # PyTorch's, of mixed masks
]

L, S, N, E, H = 3, 5, 2, 6, 2


def pair(*args, dtype="float64", **kwargs):
    """The module here and in PyTorch, with the same random state."""
    ours = sn.nn.MultiheadAttention(*args, **kwargs).to(dtype)
    theirs = torch.nn.MultiheadAttention(*args, **kwargs).to(getattr(torch, dtype))
    rng = np.random.default_rng(0)
    state = {k: rng.normal(size=v.shape) for k, v in theirs.state_dict().items()}
    theirs.load_state_dict({k: torch.tensor(v) for k, v in state.items()})
    ours.load_state_dict({k: v.double().numpy() for k, v in theirs.state_dict().items()})
    return ours, theirs


def close(got, want, what, tolerance=1e-9):
    got, want = got.detach().numpy(), want.detach().numpy()
    assert got.dtype == want.dtype, what
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance, err_msg=what)


def both(arrays, grad=True):
    """The arrays as tensors here and there; what was one array stays one tensor."""
    ours = {id(a): sn.tensor(a, requires_grad=grad) for a in arrays}
    theirs = {id(a): torch.tensor(a, requires_grad=grad) for a in arrays}
    return [ours[id(a)] for a in arrays], [theirs[id(a)] for a in arrays]


def check(ours, theirs, arrays, masks, **options):
    """Outputs, weights and every gradient of the two modules agree."""
    mine, others = both(arrays)
    y, w = ours(*mine, **{k: sn.tensor(m) for k, m in masks.items()}, **options)
    z, v = theirs(*others, **{k: torch.tensor(m) for k, m in masks.items()}, **options)
    close(y, z, "output")
    assert (w is None) == (v is None)
    total, wanted = (y * y).sum(), (z * z).sum()
    if w is not None:
        close(w, v, "weights")
        total, wanted = total + (w * w).sum(), wanted + (v * v).sum()
    total.backward(), wanted.backward()
    for a, b in zip(mine, others):
        close(a.grad, b.grad, "gradient of an input")
    for (key, p), (name, q) in zip(ours.named_parameters(), theirs.named_parameters()):
        assert key == name
        close(p.grad, q.grad, f"gradient of {key}")


def inputs(kind, batch_first, kdim=E, vdim=E, dtype="float64"):
    """query, key and value: one tensor, two, or three; with a batch or without."""
    rng = np.random.default_rng(1)
    shape = {True: (N, S), False: (S, N)}[batch_first]
    if kind == "self":
        return [rng.normal(size=(*shape, E)).astype(dtype)] * 3
    if kind == "alone":
        return [
            rng.normal(size=(n, size)).astype(dtype) for n, size in ((L, E), (S, kdim), (S, vdim))
        ]
    of_query = (N, L) if batch_first else (L, N)
    key = rng.normal(size=(*shape, kdim)).astype(dtype)
    value = key if kind == "memory" else rng.normal(size=(*shape, vdim)).astype(dtype)
    return [rng.normal(size=(*of_query, E)).astype(dtype), key, value]


def masks(kind, arrays, batch_first):
    """attn_mask and key_padding_mask of a kind; each query and each sample keeps a key."""
    rng = np.random.default_rng(2)
    single = arrays[0].ndim == 2
    length, keys = ((0, 0) if single else (1, 1)) if batch_first else (0, 0)
    length, keys = arrays[0].shape[length], arrays[1].shape[keys]
    samples = 1 if single else N
    found = {}
    for part in kind.split("+"):
        name = "key_padding_mask" if part.startswith("padding") else "attn_mask"
        shape = (samples, keys) if name == "key_padding_mask" else (length, keys)
        shape = (samples * H, *shape) if part == "heads" else shape
        barred = rng.random(shape) < 0.4
        barred[..., 0] = False
        mask = np.where(barred, -np.inf, rng.normal(size=shape)) if "float" in part else barred
        found[name] = mask[0] if single and name == "key_padding_mask" else mask
    return found


MASKS = ["bool", "float", "heads", "padding", "padding_float", "bool+padding",
         "float+padding_float", "heads+padding", "float+padding"]  # fmt: skip
OPTIONS = [
    {},
    {"batch_first": True},
    {"bias": False},
    {"add_bias_kv": True},
    {"add_zero_attn": True, "batch_first": True},
    {"add_bias_kv": True, "add_zero_attn": True, "batch_first": True},
    {"kdim": 4, "vdim": 7},
    {"kdim": 4, "bias": False, "batch_first": True, "add_bias_kv": True},
]


@pytest.mark.parametrize("kind", ["self", "memory", "three", "alone"])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_outputs_weights_and_gradients(options, kind):
    sizes = {k: options[k] for k in ("kdim", "vdim") if k in options}
    if sizes and kind in ("self", "memory"):
        kind = "three"
    ours, theirs = pair(E, H, **options)
    arrays = inputs(kind, options.get("batch_first", False), **sizes)
    check(ours, theirs, arrays, {})
    check(ours, theirs, arrays, {}, average_attn_weights=False)
    check(ours, theirs, arrays, {}, need_weights=False)


@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("extra", [{}, {"add_bias_kv": True, "add_zero_attn": True}], ids=str)
def test_masks(extra, kind):
    for shape, first in itertools.product(["self", "three", "alone"], [True, False]):
        ours, theirs = pair(E, H, batch_first=first, **extra)
        arrays = inputs(shape, first)
        found = masks(kind, arrays, first)
        for options in ({}, {"need_weights": False}):
            check(ours, theirs, arrays, found, **options)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["bool", "float", "padding", "bool+padding"])
def test_evaluation_without_gradients(kind, dtype):
    ours, theirs = pair(E, H, batch_first=True, dtype=dtype)
    ours.eval(), theirs.eval()
    arrays = inputs("self", True, dtype=dtype)
    mine, others = both(arrays, grad=False)
    found = {
        k: m if m.dtype == bool else m.astype(dtype) for k, m in masks(kind, arrays, True).items()
    }
    with sn.no_grad(), torch.no_grad():
        for needed in (True, False):
            y = ours(*mine, **{k: sn.tensor(m) for k, m in found.items()}, need_weights=needed)
            z = theirs(
                *others, **{k: torch.tensor(m) for k, m in found.items()}, need_weights=needed
            )
            close(y[0], z[0], "output", 1e-5 if dtype == "float32" else 1e-9)
            if needed:
                close(y[1], z[1], "weights", 1e-6)


@pytest.mark.parametrize("needed", [True, False])
@pytest.mark.parametrize("kind", ["attn_mask", "key_padding_mask"])
def test_fully_barred_queries(kind, needed):
    ours, theirs = pair(E, H)
    arrays = inputs("self", False)
    mask = np.zeros((S, S) if kind == "attn_mask" else (N, S), bool)
    mask[1] = True
    mine, others = both(arrays)
    y, w = ours(*mine, **{kind: sn.tensor(mask)}, need_weights=needed)
    z, v = theirs(*others, **{kind: torch.tensor(mask)}, need_weights=needed)
    close(y, z, "output")
    if needed:
        close(w, v, "weights")
        return
    y.sum().backward(), z.sum().backward()
    close(mine[0].grad, others[0].grad, "gradient")


def test_the_causal_hint():
    ours, theirs = pair(E, H, batch_first=True)
    arrays = inputs("self", True)
    causal = {"attn_mask": np.triu(np.ones((S, S), bool), 1)}
    for needed in (True, False):
        check(ours, theirs, arrays, causal, is_causal=True, need_weights=needed)
        padding = {"key_padding_mask": np.array([[False] * S, [False] * 3 + [True] * 2])}
        check(ours, theirs, arrays, causal | padding, is_causal=True, need_weights=needed)


def test_a_mask_has_a_gradient():
    ours, theirs = pair(E, H)
    mine, others = both(inputs("self", False))
    mask = np.random.default_rng(3).normal(size=(S, S))
    for needed in (True, False):
        a, b = sn.tensor(mask, requires_grad=True), torch.tensor(mask, requires_grad=True)
        ours(*mine, attn_mask=a, need_weights=needed)[0].square().sum().backward()
        theirs(*others, attn_mask=b, need_weights=needed)[0].square().sum().backward()
        close(a.grad, b.grad, "gradient of the mask")


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_states_exchange_and_start_alike(options):
    ours = sn.nn.MultiheadAttention(E, H, **options)
    theirs = torch.nn.MultiheadAttention(E, H, **options)
    mine = [(k, tuple(v.shape), str(v.dtype)) for k, v in ours.state_dict().items()]
    want = [(k, tuple(v.shape), str(v.dtype)[6:]) for k, v in theirs.state_dict().items()]
    assert mine == want
    theirs.load_state_dict({k: torch.tensor(v.numpy()) for k, v in ours.state_dict().items()})
    x = [a.astype("float32") for a in inputs("three", options.get("batch_first", False),
         options.get("kdim", E), options.get("vdim", E))]  # fmt: skip
    close(ours(*map(sn.tensor, x))[0], theirs(*map(torch.tensor, x))[0], "output", 1e-5)


def test_names_and_defaults():
    for a, b in [
        (sn.nn.MultiheadAttention, torch.nn.MultiheadAttention),
        (sn.nn.MultiheadAttention.forward, torch.nn.MultiheadAttention.forward),
        (sn.nn.functional.multi_head_attention_forward,
         torch.nn.functional.multi_head_attention_forward),
    ]:  # fmt: skip
        found = [
            [(p.name, p.default) for p in inspect.signature(f).parameters.values()] for f in (a, b)
        ]
        assert found[0] == found[1]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision(dtype):
    ours, theirs = pair(E, H, dtype=dtype)
    x = inputs("self", False, dtype="float32")[0]
    a, b = sn.tensor(x).to(dtype), torch.tensor(x).to(getattr(torch, dtype))
    for needed in (True, False):
        y, z = ours(a, a, a, need_weights=needed)[0], theirs(b, b, b, need_weights=needed)[0]
        assert str(y.dtype) == dtype
        close(y.float(), z.float(), "output", 0.2 if dtype == "bfloat16" else 0.02)


def test_bias_k_may_be_a_vector():
    rng = np.random.default_rng(4)
    shapes = ((S, N, E), (3 * E, E), (3 * E,), (E,), (E,), (E, E), (E,))
    drawn = [rng.normal(size=shape) for shape in shapes]
    mine, others = both(drawn)
    found = []
    for F, (x, w, b, k, v, out, c) in (
        (sn.nn.functional, mine), (torch.nn.functional, others),
    ):  # fmt: skip
        y, weights = F.multi_head_attention_forward(
            x, x, x, E, H, w, b, k, v, False, 0.0, out, c, training=False
        )
        (y.sum() + (weights * weights).sum()).backward()
        found.append((y, weights))
    for a, b in zip(*found):
        close(a, b, "result")
    for a, b in zip(mine, others):
        close(a.grad, b.grad, "gradient")


def test_what_pytorch_refuses_is_refused():
    x = np.zeros((S, N, E))
    cases = [
        ((x, x[:, 0], x[:, 0]), {}),
        ((x[..., :4], x, x), {}),
        ((x, x, x[:2]), {}),
        ((x, x[:, :1], x[:, :1]), {}),
        ((x, x, x), {"attn_mask": np.zeros((S, S + 1))}),
        ((x, x, x), {"attn_mask": np.zeros((3, S, S))}),
        ((x, x, x), {"attn_mask": np.zeros((S, S), "int64")}),
        ((x, x, x), {"key_padding_mask": np.zeros((S, N))}),
        ((x, x, x), {"key_padding_mask": np.zeros(S)}),
    ]
    ours, theirs = pair(E, H)
    for args, options in cases:
        with pytest.raises((RuntimeError, AssertionError)):
            theirs(*map(torch.tensor, args), **{k: torch.tensor(v) for k, v in options.items()})
        with pytest.raises(RuntimeError, match="multi_head_attention_forward: "):
            ours(*map(sn.tensor, args), **{k: sn.tensor(v) for k, v in options.items()})


@pytest.mark.parametrize("needed", [True, False])
def test_second_derivatives(needed):
    """PyTorch's fused attention has none, so it is told to take the plain one."""
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        check_second_derivatives(needed)


def check_second_derivatives(needed):
    ours, theirs = pair(E, H)
    arrays = inputs("three", False)
    mask = masks("bool", arrays, False)["attn_mask"]
    mine, others = both(arrays)
    found = []
    for library, module, leaves, barred in (
        (sn, ours, mine, sn.tensor(mask)),
        (torch, theirs, others, torch.tensor(mask)),
    ):
        y = module(*leaves, attn_mask=barred, need_weights=needed)[0]
        wanted = [*leaves, *module.parameters()]
        pull = library.autograd.grad((y**3).sum(), wanted, create_graph=True)
        found.append(library.autograd.grad(sum((g * g).sum() for g in pull), wanted))
    for a, b in zip(*found, strict=True):
        scale = 1 + b.abs().max().item()
        close(a / scale, b / scale, "second derivative")
