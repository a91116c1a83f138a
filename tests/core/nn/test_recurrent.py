"""RNN, LSTM, GRU: a sequence is its cell applied over and over, padded, packed, stacked, both ways."""

from __future__ import annotations

import copy
import itertools
import pickle

import numpy as np
import pytest

import sensorium as sn
from sensorium import nn
from sensorium.errors import DTypeError, OptionError, ShapeError
from sensorium.nn.utils import rnn

KINDS = ["RNN", "LSTM", "GRU"]


def draw(*shape, seed=0):
    return sn.from_numpy(np.random.default_rng(seed).normal(size=shape))


def cell_of(layer, k, suffix):
    """The cell with the weights of one layer and direction."""
    kind = type(layer).__name__
    weights = {
        n: getattr(layer, f"{n}_l{k}{suffix}", None)
        for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    }
    cell = getattr(nn, f"{kind}Cell")(
        weights["weight_ih"].shape[1], layer.hidden_size, layer.bias, dtype=sn.float64
    )
    cell.load_state_dict({n: w for n, w in weights.items() if w is not None})
    return cell


def slow(layer, x):
    """Outputs (T, D H) and last states for one sequence (T, I), step by step with cells."""
    pair, lasts = isinstance(layer, nn.LSTM), []
    for k in range(layer.num_layers):
        ways = []
        for suffix in ("", "_reverse") if layer.bidirectional else ("",):
            cell, state, outputs = cell_of(layer, k, suffix), None, []
            for row in list(x.flip(0)) if suffix else list(x):
                state = cell(row[None], state)
                outputs.append((state[0] if pair else state)[0])
            ways.append(sn.stack(outputs[::-1] if suffix else outputs))
            lasts.append([s[0] for s in state] if pair else [state[0]])
        x = sn.cat(ways, -1)
    return x, [sn.stack(parts) for parts in zip(*lasts)]


def states(found):
    return list(found) if isinstance(found, tuple) else [found]


def same(a, b, tolerance=1e-12):
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), atol=tolerance, rtol=0)


def make(kind, *sizes, **options):
    sn.manual_seed(1)
    return getattr(nn, kind)(*sizes, dtype=sn.float64, **options)


# -- values --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "kind, layers, both, bias", list(itertools.product(KINDS, [1, 2], [False, True], [False, True]))
)
def test_a_layer_is_its_cells_in_a_loop(kind, layers, both, bias):
    layer = make(kind, 3, 4, num_layers=layers, bidirectional=both, bias=bias)
    x = draw(5, 2, 3)
    output, last = layer(x)
    for n in range(2):
        wanted, ends = slow(layer, x[:, n])
        same(output[:, n], wanted)
        for a, b in zip(states(last), ends, strict=True):
            same(a[:, n], b)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("enforce_sorted", [True, False])
def test_packed_sequences_do_not_feel_each_other(kind, enforce_sorted):
    layer = make(kind, 3, 4, num_layers=2, bidirectional=True)
    lengths = [5, 3, 3, 1] if enforce_sorted else [3, 5, 1, 3]
    sequences = [draw(n, 3, seed=i) for i, n in enumerate(lengths)]
    output, last = layer(rnn.pack_sequence(sequences, enforce_sorted))
    for n, (x, found) in enumerate(zip(sequences, rnn.unpack_sequence(output), strict=True)):
        wanted, ends = slow(layer, x)
        same(found, wanted)
        for a, b in zip(states(last), ends, strict=True):
            same(a[:, n], b)


@pytest.mark.parametrize("kind", KINDS)
def test_batch_first_and_a_single_sequence_are_other_forms_of_the_same(kind):
    layer, x = make(kind, 3, 4, bidirectional=True), draw(5, 2, 3)
    first = make(kind, 3, 4, bidirectional=True, batch_first=True)
    first.load_state_dict(layer.state_dict())
    output, last = layer(x)
    turned, same_last = first(x.transpose(0, 1))
    same(turned.transpose(0, 1), output)
    for any_layer in (layer, first):
        alone, alone_last = any_layer(x[:, 1])
        same(alone, output[:, 1])
        for a, b, c in zip(states(last), states(same_last), states(alone_last), strict=True):
            same(a, b)
            same(a[:, 1], c)


@pytest.mark.parametrize("kind", KINDS)
def test_states_carry_a_sequence_on(kind):
    layer, x = make(kind, 3, 4, num_layers=2), draw(6, 2, 3)
    whole, end = layer(x)
    head, middle = layer(x[:2])
    tail, last = layer(x[2:], middle)
    same(sn.cat([head, tail]), whole)
    for a, b in zip(states(last), states(end), strict=True):
        same(a, b)


def test_a_projection_narrows_the_state_and_keeps_the_cell():
    layer = make("LSTM", 3, 4, proj_size=2, num_layers=2, bidirectional=True)
    output, (h, c) = layer(draw(5, 2, 3))
    assert output.shape == (5, 2, 4) and h.shape == (4, 2, 2) and c.shape == (4, 2, 4)
    assert layer.weight_hr_l0.shape == (2, 4) and layer.weight_ih_l1.shape == (16, 4)
    eye = make("LSTM", 3, 4, proj_size=3)
    plain = make("LSTM", 3, 4)
    with sn.no_grad():  # a projection that drops the last feature, which then feeds nothing back
        eye.weight_hr_l0.copy_(sn.eye(3, 4, dtype=sn.float64))
        state = {k: v for k, v in eye.state_dict().items() if "weight_h" not in k}
        plain.load_state_dict(state, strict=False)
        plain.weight_hh_l0.zero_()
        plain.weight_hh_l0[:, :3] = eye.weight_hh_l0
    same(eye(draw(5, 2, 3))[0], plain(draw(5, 2, 3))[0][..., :3])


def test_relu_in_place_of_tanh():
    layer = make("RNN", 2, 3, nonlinearity="relu")
    x = draw(1, 2, 2)
    total = x[0] @ layer.weight_ih_l0.T + layer.bias_ih_l0 + layer.bias_hh_l0
    same(layer(x)[0][0], total.clamp(min=0))


def test_dropout_acts_between_layers_in_training_only():
    layer, x = make("GRU", 3, 64, num_layers=2, dropout=0.5), draw(4, 2, 3)
    wanted = layer.eval()(x)[0]
    same(layer(x)[0], wanted)
    sn.manual_seed(0)
    assert not np.allclose(layer.train()(x)[0].detach().numpy(), wanted.detach().numpy())
    layer.dropout = 1.0  # everything between the layers is dropped: the second sees zeros
    second = slow_second = layer.train()(x)[0]
    same(second, layer.train()(x * 7)[0])
    assert np.isfinite(slow_second.detach().numpy()).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_of_no_sequences(kind):
    output, last = make(kind, 3, 4, num_layers=2, bidirectional=True)(draw(5, 0, 3))
    assert output.shape == (5, 0, 8)
    assert all(s.shape == (4, 0, 4) for s in states(last))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [sn.float16, sn.bfloat16])
def test_half_precision_stays_half(kind, dtype):
    layer = getattr(nn, kind)(3, 4, dtype=dtype)
    output, last = layer(draw(5, 2, 3).to(dtype))
    output.sum().backward()
    kinds = {t.dtype for t in [output, *states(last), layer.weight_hh_l0.grad]}
    assert kinds == {output.dtype} and output.dtype == dtype


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_on_a_second_array_library(kind, fake_cupy):
    here, x = make(kind, 3, 4, bidirectional=True), draw(5, 2, 3)
    there = copy.deepcopy(here)
    there._apply(lambda t: sn.Tensor(fake_cupy.Array(t.array)))
    start = [draw(2, 2, 4, seed=5)] * (1 + (kind == "LSTM"))
    for layer, put in ((here, lambda a: a), (there, fake_cupy.Array)):
        values, *given = (sn.Tensor(put(t.array)) for t in (x, *start))
        layer(values, tuple(given) if kind == "LSTM" else given[0])[0].sum().backward()
    for a, b in zip(here.parameters(), there.parameters(), strict=True):
        np.testing.assert_allclose(fake_cupy.to_host(b.grad.array), a.grad.array, atol=1e-12)


def test_layers_are_copied_and_pickled():
    layer, x = make("GRU", 3, 4), draw(5, 2, 3)
    for again in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        same(again(x)[0], layer(x)[0])


def test_a_parametrized_weight_is_used():
    layer, x = make("LSTM", 3, 4), draw(5, 2, 3)
    wanted = layer(x)[0]
    nn.utils.parametrizations.weight_norm(layer, "weight_hh_l0")
    same(layer(x)[0], wanted)
    with sn.no_grad():
        layer.parametrizations.weight_hh_l0.original0.zero_()
    fresh = make("LSTM", 3, 4)
    with sn.no_grad():
        fresh.weight_hh_l0.zero_()
    same(layer(x)[0], fresh(x)[0])


# -- gradients -----------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("second", [False, True])
def test_gradients_of_everything_against_differences(kind, second):
    layer = make(kind, 2, 2, bidirectional=True)
    lengths = [3, 2]
    hidden = [draw(2, 2, 2, seed=5 + i).requires_grad_() for i in range(1 + (kind == "LSTM"))]
    names = [name for name, _ in layer.named_parameters()]

    def run(x, *rest):
        starts, weights = rest[: len(hidden)], rest[len(hidden) :]
        for name, weight in zip(names, weights):
            layer.__dict__[name] = weight
        packed = rnn.pack_padded_sequence(x, lengths)
        output, last = layer(packed, tuple(starts) if len(starts) > 1 else starts[0])
        return (rnn.pad_packed_sequence(output)[0], *states(last))

    weights = [p.detach().clone().requires_grad_() for p in layer.parameters()]
    inputs = (draw(3, 2, 2).requires_grad_(), *hidden, *weights)
    check = sn.autograd.gradgradcheck if second else sn.autograd.gradcheck
    if second:
        inputs = inputs[: 1 + len(hidden)] + tuple(w.detach() for w in weights[2:])
        names[:] = names[2:]
    assert check(run, inputs)


# -- the surface ---------------------------------------------------------------------------------
def test_keys_repr_and_the_parts_that_do_nothing():
    layer = nn.LSTM(3, 4, 2, batch_first=True, bidirectional=True, proj_size=2)
    assert list(layer.state_dict())[5:10] == [
        f"{n}_l0_reverse" for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
    ]
    assert [len(weights) for weights in layer.all_weights] == [5, 5, 5, 5]
    assert repr(layer) == (
        "LSTM(3, 4, proj_size=2, num_layers=2, batch_first=True, bidirectional=True)"
    )
    assert layer.flatten_parameters() is None
    bound = 1 / 2
    assert all(abs(p).max() <= bound for p in layer.parameters())


def test_dropout_with_one_layer_warns():
    with pytest.warns(UserWarning, match="between layers"):
        nn.GRU(2, 3, dropout=0.5)


@pytest.mark.parametrize(
    "options, text",
    [
        ({"num_layers": 0}, "num_layers must be a positive integer, got 0"),
        ({"hidden_size": 0}, "hidden_size must be a positive integer"),
        ({"dropout": 1.5}, r"dropout must be a number in \[0, 1\], got 1.5"),
        ({"proj_size": 4}, "proj_size must lie in 0"),
        ({"proj_size": -1}, "proj_size must lie in 0"),
        ({"bias": 1}, "bias must be a bool, got int"),
    ],
)
def test_options_that_cannot_be(options, text):
    with pytest.raises(OptionError, match=text):
        nn.LSTM(**{"input_size": 3, "hidden_size": 4, **options})


def test_a_nonlinearity_that_is_not_there():
    with pytest.raises(OptionError, match="'tanh' or 'relu', got 'sigmoid'"):
        nn.RNN(2, 3, nonlinearity="sigmoid")


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_that_do_not_fit(kind):
    layer = getattr(nn, kind)(3, 4)
    pair = (lambda h: (h, h)) if kind == "LSTM" else (lambda h: h)
    with pytest.raises(ShapeError, match=r"with I 3, got \(5, 2, 4\)"):
        layer(sn.zeros(5, 2, 4))
    with pytest.raises(ShapeError, match=r"h_0 must be \(1, 2, 4\).*got \(1, 3, 4\)"):
        layer(sn.zeros(5, 2, 3), pair(sn.zeros(1, 3, 4)))
    with pytest.raises(ShapeError, match=r"wants states \(K D, H\), got \(1, 1, 4\)"):
        layer(sn.zeros(5, 3), pair(sn.zeros(1, 1, 4)))
    with pytest.raises(ShapeError, match="at least one step"):
        layer(sn.zeros(0, 2, 3))
    with pytest.raises(DTypeError, match="input is float64 but the weights are float32"):
        layer(draw(5, 2, 3))


def test_an_lstm_wants_both_states():
    with pytest.raises(ShapeError, match="the pair"):
        nn.LSTM(3, 4)(sn.zeros(5, 2, 3), sn.zeros(1, 2, 4))
