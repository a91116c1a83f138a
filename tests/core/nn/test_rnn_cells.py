"""RNNCell, LSTMCell, GRUCell: the equations written element by element, and PyTorch."""

from __future__ import annotations

import math

import numpy as np
import pytest

import sensorium as sn
from sensorium.errors import OptionError, ShapeError

CELLS = [sn.nn.RNNCell, sn.nn.LSTMCell, sn.nn.GRUCell]


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def rows(weight, bias, x):
    """weight x + bias, one number at a time."""
    return [math.fsum(a * b for a, b in zip(row, x)) + add for row, add in zip(weight, bias)]


def parts(cell, x, h):
    """What the input and what the hidden state give, as lists, one gate after another."""
    state = {key: value.numpy().astype(float) for key, value in cell.state_dict().items()}
    size = cell.hidden_size
    from_x = rows(state["weight_ih"], state["bias_ih"], x)
    from_h = rows(state["weight_hh"], state["bias_hh"], h)
    cut = range(0, len(from_x), size)
    return [from_x[i : i + size] for i in cut], [from_h[i : i + size] for i in cut]


def slow_rnn(cell, x, h):
    (a,), (b,) = parts(cell, x, h)
    return [math.tanh(p + q) for p, q in zip(a, b)]


def slow_lstm(cell, x, h, c):
    a, b = parts(cell, x, h)
    i, f, g, o = ([p + q for p, q in zip(u, v)] for u, v in zip(a, b))
    c = [sigmoid(f[n]) * c[n] + sigmoid(i[n]) * math.tanh(g[n]) for n in range(len(c))]
    return [sigmoid(o[n]) * math.tanh(c[n]) for n in range(len(c))], c


def slow_gru(cell, x, h):
    (r_x, z_x, n_x), (r_h, z_h, n_h) = parts(cell, x, h)
    new = []
    for k in range(len(h)):
        r, z = sigmoid(r_x[k] + r_h[k]), sigmoid(z_x[k] + z_h[k])
        new.append((1 - z) * math.tanh(n_x[k] + r * n_h[k]) + z * h[k])
    return new


def inputs(*shapes):
    rng = np.random.default_rng(0)
    return [sn.from_numpy(rng.normal(size=shape).astype(np.float32)) for shape in shapes]


def test_an_rnn_cell_is_its_equation():
    cell, (x, h) = sn.nn.RNNCell(3, 4), inputs((2, 3), (2, 4))
    want = [slow_rnn(cell, a, b) for a, b in zip(x.tolist(), h.tolist())]
    assert cell(x, h).detach().numpy() == pytest.approx(np.array(want), abs=1e-6)


def test_an_lstm_cell_is_its_equations():
    cell, (x, h, c) = sn.nn.LSTMCell(3, 4), inputs((2, 3), (2, 4), (2, 4))
    want = [slow_lstm(cell, *row) for row in zip(x.tolist(), h.tolist(), c.tolist())]
    got = np.stack([state.detach().numpy() for state in cell(x, (h, c))], 1)
    assert got == pytest.approx(np.array(want), abs=1e-6)


def test_a_gru_cell_is_its_equations():
    cell, (x, h) = sn.nn.GRUCell(3, 4), inputs((2, 3), (2, 4))
    want = [slow_gru(cell, a, b) for a, b in zip(x.tolist(), h.tolist())]
    assert cell(x, h).detach().numpy() == pytest.approx(np.array(want), abs=1e-6)


def test_relu_in_place_of_tanh():
    cell, (x, h) = sn.nn.RNNCell(3, 4, nonlinearity="relu"), inputs((2, 3), (2, 4))
    total = cell.from_input(x) + cell.from_hidden(h)
    assert sn.equal(cell(x, h), total.clamp(min=0))


def hidden(result):
    return result[0] if isinstance(result, tuple) else result


@pytest.mark.parametrize("kind", CELLS)
def test_no_state_is_a_zero_state(kind):
    cell, (x,) = kind(3, 4), inputs((2, 3))
    zero = sn.zeros(2, 4)
    state = (zero, zero) if kind is sn.nn.LSTMCell else zero
    assert sn.equal(hidden(cell(x)), hidden(cell(x, state)))


@pytest.mark.parametrize("kind", CELLS)
def test_one_input_is_a_batch_of_one(kind):
    cell, (x,) = kind(3, 4), inputs((3,))
    alone = hidden(cell(x))
    assert alone.shape == (4,)
    assert alone.detach().numpy() == pytest.approx(hidden(cell(x[None]))[0].detach().numpy())


@pytest.mark.parametrize("kind", CELLS)
def test_without_bias_there_are_two_parameters_and_zero_gives_zero(kind):
    cell = kind(3, 4, bias=False)
    assert [*cell.state_dict()] == ["weight_ih", "weight_hh"]
    assert not hidden(cell(sn.zeros(2, 3))).detach().numpy().any()


@pytest.mark.parametrize("kind", CELLS)
def test_parameters_start_within_one_over_the_root_of_hidden_size(kind):
    sn.manual_seed(0)
    values = np.concatenate([p.detach().numpy().ravel() for p in kind(50, 64).parameters()])
    assert np.abs(values).max() <= 1 / 8 and np.abs(values).max() > 0.124
    assert abs(values.mean()) < 1e-3


@pytest.mark.parametrize("kind", CELLS)
def test_gradients_are_differences(kind):
    cell, (x, h) = kind(3, 4).double(), inputs((2, 3), (2, 4))
    x, h = x.double().requires_grad_(), h.double().requires_grad_()

    def loss(x, h):
        state = (h, h) if kind is sn.nn.LSTMCell else h
        return (hidden(cell(x, state)) ** 2).sum()

    assert sn.autograd.gradcheck(loss, (x, h))
    loss(x, h).backward()
    assert all(p.grad is not None for p in cell.parameters())


def test_an_input_or_state_of_another_size_is_told():
    cell = sn.nn.LSTMCell(3, 4)
    with pytest.raises(ShapeError, match=r"LSTMCell: input must be .*\(N, 3\), got \(2, 5\)"):
        cell(sn.zeros(2, 5))
    with pytest.raises(ShapeError, match=r"input must be .* got \(1, 2, 3\)"):
        cell(sn.zeros(1, 2, 3))
    with pytest.raises(ShapeError, match=r"c must be \(2, 4\) .* got \(1, 4\)"):
        cell(sn.zeros(2, 3), (sn.zeros(2, 4), sn.zeros(1, 4)))


def test_options_that_make_no_cell_are_told():
    with pytest.raises(OptionError, match="'tanh' or 'relu', got 'selu'"):
        sn.nn.RNNCell(3, 4, nonlinearity="selu")
    with pytest.raises(OptionError, match="must not be negative, got -1 and 4"):
        sn.nn.GRUCell(-1, 4)


@pytest.mark.peer
@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("bias", [True, False])
def test_keys_values_and_gradients_are_those_of_pytorch(kind, bias):
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    theirs, ours = getattr(torch.nn, kind.__name__)(5, 7, bias), kind(5, 7, bias)
    assert repr(ours) == repr(theirs)
    state = {k: sn.from_numpy(v.numpy()) for k, v in theirs.state_dict().items()}
    ours.load_state_dict(state)
    x, h, c = (v.numpy() for v in inputs((3, 5), (3, 7), (3, 7)))

    def run(library, cell):
        tensors = [library.from_numpy(v).requires_grad_() for v in (x, h, c)]
        state = tuple(tensors[1:]) if kind is sn.nn.LSTMCell else tensors[1]
        result = cell(tensors[0], state)
        sum((r**2).sum() for r in (result if isinstance(result, tuple) else (result,))).backward()
        values = [hidden(result).detach().numpy(), tensors[0].grad.numpy(), tensors[1].grad.numpy()]
        return values + [p.grad.numpy() for p in cell.parameters()]

    for a, b in zip(run(sn, ours), run(torch, theirs)):
        assert a == pytest.approx(b, abs=2e-6)
