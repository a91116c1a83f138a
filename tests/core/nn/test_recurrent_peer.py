"""RNN, LSTM, GRU beside PyTorch's: keys, values, gradients, forms of input, signatures."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import sensorium as sn
from sensorium import nn
from sensorium.nn.utils import rnn

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.peer
torch.set_num_threads(1)

OPTIONS = [
    {},
    {"num_layers": 2, "bidirectional": True},
    {"bias": False, "batch_first": True},
    {"num_layers": 3, "batch_first": True, "bidirectional": True},
]
CASES = [(kind, o) for kind in ("RNN", "LSTM", "GRU") for o in OPTIONS]
CASES += [("LSTM", {**o, "proj_size": 2}) for o in OPTIONS]
CASES += [("RNN", {**o, "nonlinearity": "relu"}) for o in OPTIONS]
each_case = pytest.mark.parametrize("kind, options", CASES)


def pair(kind, options, dtype="float64"):
    """The same layer twice, with the same weights."""
    theirs = getattr(torch.nn, kind)(3, 4, dtype=getattr(torch, dtype), **options)
    ours = getattr(nn, kind)(3, 4, dtype=getattr(sn, dtype), **options)
    state = {k: sn.from_numpy(v.numpy().copy()) for k, v in theirs.state_dict().items()}
    assert list(ours.state_dict()) == list(state)
    ours.load_state_dict(state)
    return ours, theirs


def both(*shape, seed=0):
    values = np.random.default_rng(seed).normal(size=shape)
    return sn.from_numpy(values).requires_grad_(), torch.from_numpy(values.copy()).requires_grad_()


def start(options, kind, n):
    """Initial states for both sides, each a list."""
    count = options.get("num_layers", 1) * (1 + options.get("bidirectional", False))
    middle = () if n is None else (n,)
    widths = [options.get("proj_size", 4)] + [4] * (kind == "LSTM")
    made = [both(count, *middle, w, seed=7 + i) for i, w in enumerate(widths)]
    return [a for a, _ in made], [b for _, b in made]


def hidden(found):
    return list(found) if isinstance(found, tuple) else [found]


def given(kind, parts):
    return tuple(parts) if kind == "LSTM" else parts[0]


def close(a, b, relative=1e-8):
    a, b = a.detach().numpy(), b.detach().numpy()
    assert a.shape == b.shape and a.dtype == b.dtype
    np.testing.assert_allclose(a, b, rtol=0, atol=relative * max(np.abs(b).max(initial=0), 1e-3))


def compare(ours, theirs, results, inputs):
    """Values, then gradients of a weighted sum by inputs and parameters."""
    for a, b in results:
        close(a, b)
    sum((a * a.cos()).sum() for a, _ in results).backward()
    sum((b * b.cos()).sum() for _, b in results).backward()
    pairs = [*inputs, *zip(ours.parameters(), theirs.parameters(), strict=True)]
    for a, b in pairs:
        close(a.grad, b.grad)


@each_case
@pytest.mark.parametrize("n", [None, 2])
@pytest.mark.parametrize("started", [False, True])
def test_padded_and_single_sequences(kind, options, n, started):
    ours, theirs = pair(kind, options)
    shape = (5, 3) if n is None else (n, 5, 3) if options.get("batch_first") else (5, n, 3)
    x, y = both(*shape)
    a, b = start(options, kind, n) if started else ([], [])
    found, last = ours(x, given(kind, a) if a else None)
    wanted, wanted_last = theirs(y, given(kind, b) if b else None)
    results = [(found, wanted), *zip(hidden(last), hidden(wanted_last), strict=True)]
    compare(ours, theirs, results, [(x, y), *zip(a, b, strict=True)])


@each_case
@pytest.mark.parametrize("lengths", [[5, 3, 3, 1], [2, 5, 1, 4]])
def test_packed_sequences(kind, options, lengths):
    ours, theirs = pair(kind, options)
    x, y = both(5, 4, 3)
    a, b = start(options, kind, 4)
    ordered = lengths == sorted(lengths, reverse=True)
    mine = rnn.pack_padded_sequence(x, sn.tensor(lengths), enforce_sorted=ordered)
    other = torch.nn.utils.rnn.pack_padded_sequence(
        y, torch.tensor(lengths), enforce_sorted=ordered
    )
    found, last = ours(mine, given(kind, a))
    wanted, wanted_last = theirs(other, given(kind, b))
    assert found.batch_sizes.tolist() == wanted.batch_sizes.tolist()
    results = [(found.data, wanted.data)]
    results += zip(hidden(last), hidden(wanted_last), strict=True)
    compare(ours, theirs, results, [(x, y), *zip(a, b, strict=True)])


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_second_derivatives(kind):
    ours, theirs = pair(kind, {"num_layers": 2, "bidirectional": True})
    x, y = both(4, 2, 3)
    (g,) = sn.autograd.grad(ours(x)[0].sin().sum(), x, create_graph=True)
    (h,) = torch.autograd.grad(theirs(y)[0].sin().sum(), y, create_graph=True)
    close(g, h)
    (g * g).sum().backward()
    (h * h).sum().backward()
    for a, b in [(x, y), *zip(ours.parameters(), theirs.parameters(), strict=True)]:
        if b.grad is not None:
            close(a.grad, b.grad)


@each_case
@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported:UserWarning")
def test_float32(kind, options):
    ours, theirs = pair(kind, options, "float32")
    values = np.random.default_rng(0).normal(size=(5, 2, 3)).astype(np.float32)
    found, wanted = ours(sn.from_numpy(values))[0], theirs(torch.from_numpy(values))[0]
    close(found, wanted, 1e-5)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_attributes_and_repr(kind):
    options = {"num_layers": 2, "batch_first": True, "dropout": 0.25, "bidirectional": True}
    ours, theirs = pair(kind, options)
    assert repr(ours) == repr(theirs)
    for name in ("mode", "input_size", "hidden_size", "num_layers", "bias", "batch_first"):
        assert getattr(ours, name) == getattr(theirs, name)
    shapes = [[tuple(w.shape) for w in weights] for weights in ours.all_weights]
    assert shapes == [[tuple(w.shape) for w in weights] for weights in theirs.all_weights]


def test_arguments_of_the_base():
    ours = inspect.signature(nn.RNNBase.__init__).parameters
    theirs = inspect.signature(torch.nn.RNNBase.__init__).parameters
    assert list(ours) == list(theirs)
    assert [p.default for p in ours.values()] == [p.default for p in theirs.values()]
    for kind in ("RNN", "LSTM", "GRU"):
        fourth = "relu" if kind == "RNN" else False
        assert repr(getattr(nn, kind)(3, 4, 2, fourth)) == repr(
            getattr(torch.nn, kind)(3, 4, 2, fourth)
        )


@pytest.mark.parametrize(
    "build",
    [
        lambda m: m.LSTM(3, 0),
        lambda m: m.LSTM(3, 4, proj_size=4),
        lambda m: m.RNN(3, 4, nonlinearity="elu"),
        lambda m: m.GRU(3, 4, dropout=2),
        lambda m: m.GRU(3, 4, bias="yes"),
    ],
)
def test_what_pytorch_refuses_is_refused(build):
    with pytest.raises((ValueError, TypeError)) as wanted:
        build(torch.nn)
    with pytest.raises(wanted.type):
        build(nn)


@pytest.mark.parametrize("shape", [(5,), (2, 2, 2, 3), (5, 2, 4), (0, 2, 3)])
def test_inputs_that_pytorch_refuses_are_refused(shape):
    for kind in ("RNN", "LSTM", "GRU"):
        with pytest.raises((ValueError, RuntimeError)) as wanted:
            getattr(torch.nn, kind)(3, 4)(torch.zeros(shape))
        with pytest.raises(wanted.type):
            getattr(nn, kind)(3, 4)(sn.zeros(*shape))
