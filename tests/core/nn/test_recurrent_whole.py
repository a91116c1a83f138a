"""LSTM and GRU: all steps at once by oneDNN give the numbers, gradients and graphs of step by step."""

import numpy as np
import pytest

import sensorium as sn
from sensorium import nn
from sensorium.backends.cpu import library, onednn

needs_onednn = pytest.mark.skipif(not library.available(), reason="oneDNN is not installed")
FORMS = [
    {},
    {"bias": False},
    {"num_layers": 2, "bidirectional": True},
    {"batch_first": True},
]


def numbers(*shape, seed=0, dtype="float32"):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


KINDS = pytest.mark.parametrize("kind", ["LSTM", "GRU"])


def flat(found):
    """Outputs and last states as one list."""
    y, last = found
    return [y, *(last if isinstance(last, tuple) else [last])]


def run(net, x, *, grad=True):
    """Outputs, last states, and every gradient of a weighted sum of them."""
    net.zero_grad()
    x = sn.tensor(x, requires_grad=grad)
    with sn.set_grad_enabled(grad):
        results = flat(net(x))
        if not grad:
            return [r.numpy() for r in results]
        total = sum((r * sn.tensor(numbers(*r.shape, seed=i))).sum() for i, r in enumerate(results))
    total.backward()
    return [r.detach().numpy() for r in results] + [v.grad.numpy() for v in (x, *net.parameters())]


@pytest.fixture
def calls(monkeypatch):
    """How often the primitive ran."""
    seen, plain = [], onednn.rnn_forward

    def counted(*args):
        seen.append(args[0].name)
        return plain(*args)

    monkeypatch.setattr(onednn, "rnn_forward", counted)
    return seen


@needs_onednn
@KINDS
@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("options", FORMS, ids=str)
def test_it_is_taken_and_equals_the_steps(kind, options, grad, calls, monkeypatch):
    sn.manual_seed(0)
    net, x = getattr(nn, kind)(5, 7, **options), numbers(4, 3, 5)
    found = run(net, x, grad=grad)
    assert len(calls) == net.num_layers * (1 + net.bidirectional)
    monkeypatch.setattr(library, "available", lambda: False)
    wanted = run(net, x, grad=grad)
    assert len(calls) == net.num_layers * (1 + net.bidirectional)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6, rtol=1e-5)


@needs_onednn
@KINDS
def test_changed_weights_are_seen(kind):
    net, x = getattr(nn, kind)(3, 4), sn.tensor(numbers(5, 2, 3))
    optimizer = sn.optim.SGD(net.parameters(), lr=0.5)
    before = [net(x)[0] for _ in range(3)][-1]  # packed by now
    before.sum().backward()
    optimizer.step()
    fresh = getattr(nn, kind)(3, 4)
    fresh.load_state_dict(net.state_dict())
    after = net(x)[0]
    assert sn.equal(after, fresh(x)[0]) and not sn.allclose(after, before)


@needs_onednn
@KINDS
def test_gradients_of_gradients_go_through_the_steps(kind):
    sn.manual_seed(1)
    net = getattr(nn, kind)(3, 4)
    exact = getattr(nn, kind)(3, 4).double()
    exact.load_state_dict({k: v.double() for k, v in net.state_dict().items()})
    found = []
    for model, dtype in ((net, sn.float32), (exact, sn.float64)):
        x = sn.tensor(numbers(3, 2, 3), dtype=dtype, requires_grad=True)
        (g,) = sn.autograd.grad(model(x)[0].pow(2).sum(), x, create_graph=True)
        parts = sn.autograd.grad(g.pow(2).sum(), [x, *model.parameters()])
        found.append([v.numpy() for v in (g.detach(), *parts)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@needs_onednn
@pytest.mark.parametrize(
    "make",
    [
        lambda: (nn.LSTM(3, 4).double(), sn.ones(2, 1, 3, dtype=sn.float64)),
        lambda: (nn.LSTM(3, 4, proj_size=2), sn.ones(2, 1, 3)),
        lambda: (nn.LSTM(3, 4), nn.utils.rnn.pack_sequence([sn.ones(3, 3), sn.ones(2, 3)])),
        lambda: (nn.LSTM(3, 4), sn.ones(2, 0, 3)),
    ],
    ids=["float64", "projection", "lengths that differ", "no batch"],
)
def test_other_forms_go_step_by_step(make, calls):
    net, x = make()
    net(x)
    assert calls == []


@needs_onednn
@KINDS
def test_an_input_changed_before_backward_is_noticed(kind):
    net, x = getattr(nn, kind)(3, 4), sn.tensor(numbers(2, 2, 3), requires_grad=True)
    given = x * 1
    y, _ = net(given)
    given.add_(1)
    with pytest.raises(sn.errors.AutogradError, match="changed by an in-place operation"):
        y.sum().backward()


@pytest.mark.peer
@needs_onednn
@KINDS
@pytest.mark.parametrize("options", FORMS, ids=str)
def test_it_gives_pytorchs_numbers(kind, options):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    theirs, x = getattr(torch.nn, kind)(6, 5, **options), numbers(7, 3, 6)
    ours = getattr(nn, kind)(6, 5, **options)
    ours.load_state_dict({k: sn.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    t = torch.tensor(x, requires_grad=True)
    results = flat(theirs(t))
    weights = [torch.tensor(numbers(*r.shape, seed=i)) for i, r in enumerate(results)]
    sum((r * w).sum() for r, w in zip(results, weights)).backward()
    wanted = [*results, t.grad, *(p.grad for p in theirs.parameters())]
    for a, b in zip(run(ours, x), wanted, strict=True):
        np.testing.assert_allclose(a, b.detach().numpy(), rtol=1e-5, atol=2e-6)
