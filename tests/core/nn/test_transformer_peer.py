"""The transformer's layers, stacks and the whole against PyTorch's: outputs, gradients, states."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import sensorium as sn

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
pytestmark = [
    pytest.mark.peer,
    pytest.mark.filterwarnings("ignore:Support for mismatched"),  # PyTorch's, of mixed masks
    pytest.mark.filterwarnings("ignore:enable_nested_tensor"),
    pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors"),
]

T, S, N, E, H = 4, 5, 3, 8, 2
SMALL = {"dim_feedforward": 12, "dropout": 0.0}


def layer(library, name, **options):
    """A layer; activation may be given as a name in both libraries."""
    chosen = options.get("activation")
    if chosen in ("silu", "tanh"):
        options = {**options, "activation": getattr(library.nn.functional, chosen)}
    elif chosen == "GELU":
        options = {**options, "activation": library.nn.GELU()}
    return getattr(library.nn, name)(E, H, **{**SMALL, **options})


def with_state(ours, theirs, dtype="float64"):
    """Both in dtype, with the same random state."""
    rng = np.random.default_rng(0)
    ours.to(dtype), theirs.to(getattr(torch, dtype))
    state = {k: rng.normal(size=v.shape) / 2 for k, v in theirs.state_dict().items()}
    theirs.load_state_dict({k: torch.tensor(v) for k, v in state.items()})
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    return ours, theirs


def close(got, want, what, tolerance=1e-9):
    got, want = got.detach().numpy(), want.detach().numpy()
    assert got.dtype == want.dtype, what
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance, err_msg=what)


def check(ours, theirs, arrays, masks=None, **options):
    """Output and every gradient of the two agree."""
    masks = masks or {}
    mine = [sn.tensor(a, requires_grad=True) for a in arrays]
    others = [torch.tensor(a, requires_grad=True) for a in arrays]
    y = ours(*mine, **{k: sn.tensor(m) for k, m in masks.items()}, **options)
    z = theirs(*others, **{k: torch.tensor(m) for k, m in masks.items()}, **options)
    close(y, z, "output")
    g = np.random.default_rng(9).normal(size=y.shape)
    y.backward(sn.tensor(g)), z.backward(torch.tensor(g))
    for a, b in zip(mine, others):
        close(a.grad, b.grad, "gradient of an input", 1e-8)
    for (key, p), (name, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        assert key == name
        close(p.grad, q.grad, f"gradient of {key}", 1e-8)
        p.grad = q.grad = None


def sequence(length, batch_first=False, seed=1):
    shape = (N, length, E) if batch_first else (length, N, E)
    return np.random.default_rng(seed).normal(size=shape)


def barred(*shape, seed=2):
    """A bool mask that leaves every row its first key."""
    mask = np.random.default_rng(seed).random(shape) < 0.4
    mask[..., 0] = False
    return mask


def added(mask):
    return np.where(mask, -np.inf, 0.0)


LAYER_OPTIONS = [
    {},
    {"batch_first": True, "activation": "gelu"},
    {"norm_first": True, "activation": "GELU"},
    {"norm_first": True, "batch_first": True, "bias": False, "activation": "silu"},
    {"layer_norm_eps": 0.1, "activation": "tanh"},
]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("options", LAYER_OPTIONS, ids=str)
def test_encoder_layer(options, training):
    name = "TransformerEncoderLayer"
    ours, theirs = with_state(layer(sn, name, **options), layer(torch, name, **options))
    ours.train(training), theirs.train(training)
    x = sequence(T, options.get("batch_first", False))
    check(ours, theirs, [x])
    check(ours, theirs, [x], {"src_mask": barred(T, T)})
    check(ours, theirs, [x], {"src_mask": added(barred(N * H, T, T))})
    check(ours, theirs, [x], {"src_key_padding_mask": barred(N, T)})
    both = {"src_mask": barred(T, T), "src_key_padding_mask": added(barred(N, T, seed=3))}
    check(ours, theirs, [x], both)
    check(ours, theirs, [x], {"src_mask": np.triu(np.ones((T, T), bool), 1)}, is_causal=True)
    check(ours, theirs, [x[:, 0] if not options.get("batch_first") else x[0]])


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("options", LAYER_OPTIONS, ids=str)
def test_decoder_layer(options, training):
    name = "TransformerDecoderLayer"
    ours, theirs = with_state(layer(sn, name, **options), layer(torch, name, **options))
    ours.train(training), theirs.train(training)
    first = options.get("batch_first", False)
    tgt, memory = sequence(T, first), sequence(S, first, seed=4)
    check(ours, theirs, [tgt, memory])
    masks = {"tgt_mask": added(np.triu(np.ones((T, T), bool), 1)), "memory_mask": barred(T, S)}
    check(ours, theirs, [tgt, memory], masks)
    check(ours, theirs, [tgt, memory], masks, tgt_is_causal=True)
    padding = {"tgt_key_padding_mask": barred(N, T), "memory_key_padding_mask": barred(N, S)}
    check(ours, theirs, [tgt, memory], padding)
    check(ours, theirs, [tgt, memory], masks | padding)
    check(ours, theirs, [tgt[0], memory[0]] if first else [tgt[:, 0], memory[:, 0]])


def stack(library, kind, norm, **options):
    one = layer(library, f"Transformer{kind}Layer", **options)
    after = library.nn.LayerNorm(E) if norm else None
    return getattr(library.nn, f"Transformer{kind}")(one, 2, norm=after)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("norm", [True, False])
def test_stacks(norm, first):
    x, memory = sequence(T, first), sequence(S, first, seed=4)
    ours, theirs = with_state(
        *(stack(lib, "Encoder", norm, batch_first=first) for lib in (sn, torch))
    )
    check(ours, theirs, [x])
    causal = np.triu(np.ones((T, T), bool), 1)
    for hint in (None, True, False):
        check(ours, theirs, [x], {"mask": added(causal)}, is_causal=hint)
    check(ours, theirs, [x], {"mask": barred(T, T), "src_key_padding_mask": barred(N, T)})
    ours, theirs = with_state(
        *(stack(lib, "Decoder", norm, batch_first=first) for lib in (sn, torch))
    )
    for hint in (None, True, False):
        check(ours, theirs, [x, memory], {"tgt_mask": added(causal)}, tgt_is_causal=hint)
    check(ours, theirs, [x, memory], {"tgt_mask": causal, "memory_key_padding_mask": barred(N, S)})


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("activation", ["relu", "gelu", "silu"])
def test_evaluation_without_gradients(activation, norm_first, dtype):
    options = {"activation": activation, "norm_first": norm_first, "batch_first": True}
    ours, theirs = with_state(
        *(stack(lib, "Encoder", True, **options) for lib in (sn, torch)), dtype=dtype
    )
    ours.eval(), theirs.eval()
    x, padding = sequence(T, True).astype(dtype), barred(N, T)
    padding = np.sort(padding, -1)  # on the right, as sentences are padded
    tolerance = 2e-5 if dtype == "float32" else 1e-9
    with sn.no_grad(), torch.no_grad():
        close(ours(sn.tensor(x)), theirs(torch.tensor(x)), "output", tolerance)
        y = ours(sn.tensor(x), src_key_padding_mask=sn.tensor(padding)).numpy()[~padding]
        z = theirs(torch.tensor(x), src_key_padding_mask=torch.tensor(padding)).numpy()[~padding]
    np.testing.assert_allclose(y, z, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("options", [{}, {"batch_first": True, "norm_first": True, "bias": False}])
def test_the_whole(options):
    sizes = (E, H, 2, 1, 12, 0.0)
    ours, theirs = with_state(
        sn.nn.Transformer(*sizes, **options), torch.nn.Transformer(*sizes, **options)
    )
    first = options.get("batch_first", False)
    src, tgt = sequence(S, first), sequence(T, first, seed=4)
    check(ours, theirs, [src, tgt])
    masks = {
        "src_mask": barred(S, S), "tgt_mask": np.triu(np.ones((T, T), bool), 1),
        "memory_mask": barred(T, S), "src_key_padding_mask": barred(N, S),
        "tgt_key_padding_mask": barred(N, T), "memory_key_padding_mask": barred(N, S, seed=5),
    }  # fmt: skip
    check(ours, theirs, [src, tgt], masks)
    check(ours, theirs, [src, tgt], masks, tgt_is_causal=True)
    check(ours, theirs, [src[0], tgt[0]] if first else [src[:, 0], tgt[:, 0]])


@pytest.mark.parametrize(
    "make",
    [
        lambda library: layer(library, "TransformerEncoderLayer"),
        lambda library: layer(library, "TransformerDecoderLayer", bias=False),
        lambda library: stack(library, "Encoder", True),
        lambda library: stack(library, "Decoder", False),
        lambda library: library.nn.Transformer(E, H, 1, 2, 12),
    ],
)
def test_states_exchange(make):
    ours, theirs = make(sn), make(torch)
    mine = [(k, tuple(v.shape), str(v.dtype)) for k, v in ours.state_dict().items()]
    want = [(k, tuple(v.shape), str(v.dtype)[6:]) for k, v in theirs.state_dict().items()]
    assert mine == want
    theirs.load_state_dict({k: torch.tensor(v.numpy()) for k, v in ours.state_dict().items()})
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})


@pytest.mark.parametrize("name", ["Transformer", "TransformerEncoder", "TransformerDecoder",
                                  "TransformerEncoderLayer", "TransformerDecoderLayer"])  # fmt: skip
def test_names_and_defaults(name):
    ours, theirs = getattr(sn.nn, name), getattr(torch.nn, name)
    for a, b in [(ours, theirs), (ours.forward, theirs.forward)]:
        found = [list(inspect.signature(f).parameters.values()) for f in (a, b)]
        mine, want = ([(p.name, p.default) for p in ps if p.name != "activation"] for ps in found)
        assert mine == want
        assert [p.name for p in found[0]] == [p.name for p in found[1]]


def test_the_causal_mask():
    for dtype in ("float32", "float64"):
        mine = sn.nn.Transformer.generate_square_subsequent_mask(4, dtype=getattr(sn, dtype))
        want = torch.nn.Transformer.generate_square_subsequent_mask(4, dtype=getattr(torch, dtype))
        close(mine, want, "mask", 0)


def test_a_start_has_pytorchs_spread():
    for part in ("in_proj_weight", "out_proj.weight"):
        name = f"encoder.layers.0.self_attn.{part}"
        ours, theirs = sn.nn.Transformer(64, 2, 1, 1), torch.nn.Transformer(64, 2, 1, 1)
        a, b = ours.state_dict()[name].numpy(), theirs.state_dict()[name].numpy()
        assert abs(a.std() / b.std() - 1) < 0.05
        assert abs(np.abs(a).max() / np.abs(b).max() - 1) < 0.02


def test_a_training_run_follows_pytorchs():
    """Ten steps of gradient descent give the same losses."""
    options = {"batch_first": True}
    ours, theirs = with_state(*(stack(lib, "Encoder", True, **options) for lib in (sn, torch)))
    x, wanted = sequence(T, True), sequence(T, True, seed=7)
    losses = []
    for library, model, tensor in ((sn, ours, sn.tensor), (torch, theirs, torch.tensor)):
        step = library.optim.SGD(model.parameters(), lr=0.05)
        losses.append([])
        for _ in range(10):
            loss = ((model(tensor(x)) - tensor(wanted)) ** 2).mean()
            step.zero_grad(), loss.backward(), step.step()
            losses[-1].append(loss.item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-9)
    assert losses[0][-1] < losses[0][0]
