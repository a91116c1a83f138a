"""What goes in and comes out of a compiled function: structures, aliases, in-place writes."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import sensorium as sn
from sensorium.errors import TraceError
from sensorium.jit import compile

Pair = namedtuple("Pair", "first second")


@dataclass
class Output:
    logits: Any
    loss: Any = None


@pytest.fixture(autouse=True)
def _no_gradients():
    with sn.no_grad():
        yield


def _both(function, *args, **options):
    """(eager, compiled, compiled again)."""
    quick = compile(function)
    return [f(*args, **options) for f in (function, quick, quick)]


# -- structures ----------------------------------------------------------------------------------
def test_nested_arguments_and_results_keep_their_classes():
    def function(a, *, more):
        return {
            "pair": Pair(a + 1, more["b"] * 2),
            "list": [a, None, "text", 3],
            "out": Output(a * 2),
        }

    want, *got = _both(function, sn.ones(2), more={"b": sn.arange(3), "c": None})
    for g in got:
        assert type(g["pair"]) is Pair
        assert g["list"][1:] == [None, "text", 3]
        assert isinstance(g["out"], Output)
        assert g["out"].loss is None
        assert sn.equal(g["pair"].second, want["pair"].second)
        assert sn.equal(g["out"].logits, want["out"].logits)


def test_constants_among_the_arguments_count_by_value():
    quick = compile(lambda x, scale, how, *, on=True: (x * scale if on else -x) + len(how))
    x = sn.ones(2)
    assert quick(x, 2, "ab").tolist() == [4, 4]
    assert quick(x, 3, "ab").tolist() == [5, 5]
    assert quick(x, 3, "a").tolist() == [4, 4]
    assert quick(x, 3, "a", on=False).tolist() == [0, 0]
    assert quick(x, 2, "ab").tolist() == [4, 4]
    assert len(quick.graphs) == 4


def test_one_and_true_and_one_half_are_different_numbers():
    quick = compile(lambda x, n: x * n)
    x = sn.tensor([2, 3])
    assert quick(x, 1).dtype == sn.int64
    assert quick(x, 1.0).dtype == sn.float32
    assert quick(x, True).dtype == sn.int64


def test_no_tensors_at_all():
    assert compile(lambda n: sn.arange(n) + 1)(3).tolist() == [1, 2, 3]
    assert compile(lambda x: None)(sn.ones(1)) is None
    assert compile(lambda x: ())(sn.ones(1)) == ()


def test_as_a_decorator_it_keeps_name_and_docs():
    @compile
    def double(x):
        """Twice x."""
        return x * 2

    assert double.__name__ == "double"
    assert double.__doc__ == "Twice x."
    assert double(sn.ones(1)).item() == 2


# -- who is who among the results ----------------------------------------------------------------
def test_an_input_that_is_returned_is_itself():
    quick = compile(lambda x, y: (y, x + 1, x))
    for _ in range(2):
        x, y = sn.ones(2), sn.zeros(2)
        a, b, c = quick(x, y)
        assert a is y
        assert c is x
        assert b is not x


def test_the_same_result_twice_is_one_tensor_equal_results_are_two():
    quick = compile(lambda x: ((y := x + 1), y, x + 1))
    a, b, c = quick(sn.ones(2))
    assert a is b
    c.add_(1)
    assert a.tolist() == [2, 2]


def test_equal_copies_are_two_tensors():
    a, b = compile(lambda x: (x.clone(), x.clone()))(sn.ones(2))
    b.add_(1)
    assert a.tolist() == [1, 1]


def test_views_among_the_results_stay_views_of_one_another():
    quick = compile(lambda x: ((y := x * 2), y[0], y.t()))
    for _ in range(2):
        y, row, turned = quick(sn.ones(2, 3))
        row.fill_(7)
        assert y[0].tolist() == turned[:, 0].tolist() == [7, 7, 7]


def test_a_view_of_an_input_writes_into_the_input():
    quick = compile(lambda x: x[1:])
    for _ in range(2):
        x = sn.zeros(3)
        quick(x).fill_(4)
        assert x.tolist() == [0, 4, 4]


def test_a_parameter_that_is_returned_is_itself():
    weight = sn.ones(2)
    quick = compile(lambda x: (weight, weight[0], x + weight))
    for _ in range(2):
        found, part, _ = quick(sn.ones(2))
        assert found is weight
        assert np.shares_memory(part.array, weight.array)


def test_a_copy_of_an_input_is_not_the_input():
    def function(x):
        y = sn.zeros(2)
        y.copy_(x)
        return y, y[:1]

    quick = compile(function)
    for _ in range(2):
        x = sn.ones(2)
        y, part = quick(x)
        part.fill_(9)
        assert x.tolist() == [1, 1]
        assert y.tolist() == [9, 1]


def test_what_the_function_makes_anew_is_new_at_every_call():
    quick = compile(lambda x: (sn.zeros(2), x + 1))
    first, _ = quick(sn.ones(2))
    first.fill_(5)
    second, _ = quick(sn.ones(2))
    assert second.tolist() == [0, 0]
    assert first.tolist() == [5, 5]


def test_a_result_is_not_overwritten_by_the_next_call():
    quick = compile(lambda x: sn.exp(x).cumsum(0))
    first = quick(sn.zeros(3))
    quick(sn.ones(3))
    assert first.tolist() == [1, 2, 3]


def test_memory_order_of_results_is_that_of_eager():
    conv = sn.nn.Conv2d(3, 4, 1)
    want, *got = _both(lambda x: (conv(x), x.permute(0, 2, 3, 1) * 2), sn.ones(2, 3, 4, 5))
    for g in got:
        assert [t.stride() for t in g] == [t.stride() for t in want]


# -- in-place writes -----------------------------------------------------------------------------
def test_writes_into_inputs_are_done_once_a_call():
    def function(x, y):
        x.add_(y)
        x[0] = 10
        return x * 2

    quick = compile(function)
    x, y = sn.ones(3), sn.ones(3)
    assert quick(x, y).tolist() == [20, 4, 4]
    assert x.tolist() == [10, 2, 2]
    assert quick(x, y).tolist() == [20, 6, 6]
    assert x.tolist() == [10, 3, 3]
    assert y.tolist() == [1, 1, 1]


def test_a_written_input_that_is_returned_is_itself():
    quick = compile(lambda x: x.mul_(2))
    for _ in range(2):
        x = sn.ones(2)
        assert quick(x) is x
        assert x.tolist() == [2, 2]


def test_a_view_of_a_written_input_is_a_view_of_it():
    quick = compile(lambda x: x.mul_(2)[1:])
    for _ in range(2):
        x = sn.ones(2)
        quick(x).fill_(0)
        assert x.tolist() == [2, 0]


def test_exchanging_two_inputs():
    def swap(a, b):
        old = a.clone()
        a.copy_(b)
        b.copy_(old)
        return a, b

    quick = compile(swap)
    for _ in range(2):
        a, b = sn.zeros(2), sn.ones(2)
        x, y = quick(a, b)
        assert x is a
        assert y is b
        assert (a.tolist(), b.tolist()) == ([1, 1], [0, 0])


def test_writes_into_strided_inputs():
    quick = compile(lambda x: x.add_(1))
    for _ in range(2):
        whole = sn.zeros(3, 4)
        quick(whole[:, 1])
        assert whole.sum(0).tolist() == [0, 3, 0, 0]


def test_inputs_that_share_memory_are_as_in_eager():
    def function(x, y):
        x.add_(1)
        return y * 2

    quick = compile(function)
    assert quick(sn.zeros(2), sn.zeros(2)).tolist() == [0, 0]
    x = sn.zeros(2)
    assert quick(x, x).tolist() == [2, 2]
    whole = sn.zeros(3)
    assert quick(whole[:2], whole[1:]).tolist() == [2, 0]


def test_the_same_tensor_twice_without_writes():
    quick = compile(lambda x, y: x @ y.t())
    x = sn.arange(6.0).reshape(2, 3)
    assert sn.equal(quick(x, x), x @ x.t())


def test_the_version_of_a_written_input_counts_up():
    quick = compile(lambda x: x.add_(1))
    x = sn.ones(2)
    quick(x)
    before = x._version
    quick(x)
    assert x._version > before


def test_writing_a_part_through_a_view_is_right_or_refused():
    def function(x):
        y = x * 1
        y[:, 0].fill_(5)
        return y

    x = sn.ones(2, 2)
    try:
        got = compile(function)(x)
    except TraceError as error:
        assert "in place" in str(error)
    else:
        assert sn.equal(got, function(x))


def test_a_read_only_input_is_refused_as_in_eager():
    quick = compile(lambda x: x.add_(1))
    quick(sn.ones(2))
    fixed = sn.ones(1).expand(2)
    for f in (quick, lambda x: x.add_(1)):
        with pytest.raises(ValueError, match=r"read-only|expanded|in place"):
            f(fixed)


def test_overlapping_inputs_are_read_as_they_are():
    quick = compile(lambda x: x * 2 + x.sum())
    x = sn.arange(3.0).expand(4, 3)
    assert sn.equal(quick(x), x * 2 + x.sum())
    y = sn.arange(8.0)[::3]
    assert sn.equal(quick(y), y * 2 + y.sum())
