"""nn.utils: norms and clipping of gradients against sums over all elements, and PyTorch."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest

import sensorium as sn
from sensorium import nn
from sensorium.errors import OpError

KINDS = [0, 0.5, 1, 2, 3, math.inf, -math.inf]
VALUES = [[3.0, -4.0, 0.0], [[1.0, 2.0]]]


def parameters(values=VALUES):
    made = [nn.Parameter(sn.zeros(*np.shape(v), dtype=sn.float64)) for v in values]
    for p, v in zip(made, values):
        p.grad = sn.tensor(v, dtype=sn.float64)
    return made


def norm(values, kind):
    flat = [abs(v) for v in np.concatenate([np.ravel(v) for v in values])]
    if kind == 0:
        return sum(v != 0 for v in flat)
    if math.isinf(kind):
        return max(flat) if kind > 0 else min(flat)
    return math.fsum(v**kind for v in flat) ** (1 / kind)


@pytest.mark.parametrize("kind", [1, 2, 3, 0.5, math.inf, -math.inf])
def test_the_total_norm_is_that_of_all_elements(kind):
    grads = [p.grad for p in parameters()]
    assert nn.utils.get_total_norm(grads, kind).item() == pytest.approx(norm(VALUES, kind))
    assert nn.utils.get_total_norm([]).item() == 0


@pytest.mark.parametrize("kind", [1, 2, math.inf])
def test_clipping_by_norm_keeps_directions(kind):
    listed, total = parameters(), norm(VALUES, kind)
    found = nn.utils.clip_grad_norm_(iter(listed), 0.5, kind, foreach=True)
    assert found.item() == pytest.approx(total)
    for p, v in zip(listed, VALUES):
        assert p.grad.numpy() == pytest.approx(np.array(v) * 0.5 / (total + 1e-6))


def test_the_two_halves_are_the_whole():
    one, two = parameters(), parameters()
    nn.utils.clip_grad_norm_(one, 1.0)
    total = nn.utils.get_total_norm([p.grad for p in two])
    nn.utils.clip_grads_with_norm_(two, 1.0, total)
    assert [p.grad.tolist() for p in one] == [p.grad.tolist() for p in two]
    nn.utils.clip_grads_with_norm_(two, 5.0, sn.tensor(1.0))  # within: left alone
    assert [p.grad.tolist() for p in one] == [p.grad.tolist() for p in two]


def test_a_norm_that_is_not_finite():
    listed = parameters([[math.nan, 1.0]])
    with pytest.raises(OpError, match=r"the 2\.0-norm of the gradients is nan"):
        nn.utils.clip_grad_norm_(listed, 1.0, error_if_nonfinite=True)
    assert math.isnan(nn.utils.clip_grad_norm_(listed, 1.0).item())


@pytest.mark.peer
@pytest.mark.parametrize("kind", KINDS)
def test_norms_are_pytorchs(kind):
    torch = pytest.importorskip("torch")
    ours = parameters()
    theirs = [torch.nn.Parameter(torch.zeros(np.shape(v), dtype=torch.float64)) for v in VALUES]
    for p, v in zip(theirs, VALUES):
        p.grad = torch.tensor(v, dtype=torch.float64)
    if kind == 0:  # PyTorch counts the gradients whose count is not 0
        assert nn.utils.get_total_norm([p.grad for p in ours], 0).item() == 2
    a = nn.utils.clip_grad_norm_(ours, 0.5, kind)
    b = torch.nn.utils.clip_grad_norm_(theirs, 0.5, kind)
    assert a.item() == pytest.approx(b.item(), rel=1e-12)
    assert str(a.dtype) == str(b.dtype).removeprefix("torch.")
    for p, q in zip(ours, theirs):
        assert p.grad.numpy() == pytest.approx(q.grad.numpy(), rel=1e-12)


@pytest.mark.peer
def test_arguments_are_pytorchs():
    theirs = pytest.importorskip("torch").nn.utils
    names = ["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]
    for name in [*names, "parameters_to_vector", "vector_to_parameters"]:
        ours = inspect.signature(getattr(nn.utils, name)).parameters
        other = inspect.signature(getattr(theirs, name)).parameters
        assert [(p.name, p.default) for p in ours.values()] == [
            (p.name, p.default) for p in other.values()
        ]


@pytest.mark.peer
@pytest.mark.parametrize("part", ["rnn", "parametrize", "parametrizations"])
def test_arguments_of_the_parts_are_pytorchs(part):
    ours, theirs = getattr(nn.utils, part), getattr(pytest.importorskip("torch").nn.utils, part)
    for name, function in inspect.getmembers(ours, inspect.isfunction):
        if name[0] == "_" or function.__module__ != ours.__name__:
            continue
        mine, other = (
            [(p.name, p.default) for p in inspect.signature(f).parameters.values()]
            for f in (function, getattr(theirs, name))
        )
        assert mine == other, name
