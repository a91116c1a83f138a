"""What a graph cannot hold is refused with the line, or runs as it is; errors of the user's pass."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import sensorium as sn
import sensorium.nn.functional as F
from sensorium import nn
from sensorium.errors import CompileError, OptionError, TraceError
from sensorium.jit import compile
from sensorium.ops._declare import OPS

HERE = Path(__file__).name


def _own_code():
    """The code of every op as it is now."""
    return {name: (op.call.__code__, op.hot.__code__) for name, op in OPS.items()}


@pytest.fixture(autouse=True)
def _no_probes_stay_behind():
    yield
    for codes in _own_code().values():
        for code in codes:
            assert "watcher" not in code.co_varnames
            assert not any(hasattr(c, "put_in") for c in code.co_consts)


# -- values that go into Python ------------------------------------------------------------------
def by_truth(x):
    return x * 2 if x.sum() > 0 else -x  # line


def by_item(x):
    return x * x.max().item()  # line


def by_float(x):
    return x * float(x[0])  # line


def by_int(x):
    return x[: int(x[0])]  # line


def by_index(x):
    return sn.arange(9)[x.long().sum()] + list(range(9))[x.long()[0]]  # line


def by_list(x):
    return x + sum(x.tolist())  # line


def by_numpy(x):
    return x + sn.from_numpy(x.numpy() * 2)  # line


def by_array(x):
    return x + sn.tensor(np.asarray(x))  # line


def by_elements(x):
    return sn.stack([v if v > 0 else -v for v in x])  # line


def by_membership(x):
    return x + (1.0 in x)  # line


def by_assertion(x):
    assert (x > -100).all()  # line
    return x


READS = [
    by_truth, by_item, by_float, by_int, by_index, by_list, by_numpy, by_array, by_elements,
    by_membership, by_assertion,
]  # fmt: skip


def _line(function):
    """The number of the line that is marked."""
    lines = Path(__file__).read_text().splitlines()
    start = function.__code__.co_firstlineno
    return next(i for i in range(start, start + 4) if lines[i - 1].endswith("# line"))


@pytest.mark.parametrize("function", READS, ids=lambda f: f.__name__)
def test_reading_a_computed_value_is_refused_with_its_line(function):
    with pytest.raises(TraceError, match=rf"{HERE}:{_line(function)}"):
        compile(function)(sn.tensor([1.0, 2.0]))


@pytest.mark.parametrize("function", READS, ids=lambda f: f.__name__)
def test_with_fallback_it_runs_as_it_is_and_says_so(function):
    quick, x = compile(function, fallback=True), sn.tensor([1.0, 2.0])
    with pytest.warns(RuntimeWarning, match=HERE):
        assert sn.equal(quick(x), function(x))
    y = sn.tensor([2.0, -1.0])
    assert sn.equal(quick(y), function(y))
    assert not quick.graphs


# -- what only a second look finds ---------------------------------------------------------------
def test_arrays_computed_behind_the_ops_are_found():
    def function(x):
        return x + sn.from_numpy(np.tanh(x.array))

    with pytest.raises(TraceError, match=r"add.*NumPy"):
        compile(function)(sn.tensor([1.0, 2.0]))


def test_a_result_computed_behind_the_ops_is_found():
    with pytest.raises(TraceError, match="NumPy"):
        compile(lambda x: sn.from_numpy(x.array * 2))(sn.tensor([1.0, 2.0]))


def test_options_taken_from_values_are_found():
    with pytest.raises(TraceError):
        compile(lambda x: x * float(x.array.max()))(sn.tensor([1.0, 2.0]))
    with pytest.raises(TraceError):
        compile(lambda x: x[x > 1])(sn.tensor([1.0, 2.0]))


def test_structures_that_depend_on_values_are_found():
    with pytest.raises(TraceError):
        compile(lambda x: {float(x.array[0]): x})(sn.tensor([1.0, 2.0]))


def test_shapes_that_depend_on_values_are_found():
    functions = [lambda x: x.nonzero(), lambda x: sn.unique(x), lambda x: sn.masked_select(x, x > 1),
                 lambda x: sn.histc(x), lambda x: sn.bincount(x.long()), lambda x: x[x > 1],
                 lambda x: F.one_hot(x.long())]  # fmt: skip
    for function in functions:
        with pytest.raises(TraceError):
            compile(function)(sn.tensor([1.0, 2.0, 2.0]))


def test_masks_that_are_constants_may_choose():
    mask = sn.tensor([True, False, True])
    quick = compile(lambda x: x[mask])
    x = sn.arange(3)
    assert quick(x).tolist() == [0, 2]
    mask[1] = True
    assert quick(x).tolist() == [0, 1, 2]


def test_boolean_masks_written_to_are_right_or_refused():
    def function(x):
        y = x.clone()
        y[y > 1] = 0
        return y

    quick = compile(function, fallback=True)
    x, y = sn.tensor([1.0, 2.0, 2.0]), sn.tensor([9.0, 0.0, 5.0])
    with suppress(RuntimeWarning):
        quick(x)
    assert sn.equal(quick(y), function(y))


def test_shapes_are_constants_and_may_be_asked():
    quick = compile(lambda x: x.reshape(x.shape[0], -1) / x.numel() if x.ndim > 1 else x * len(x))
    assert quick(sn.ones(2, 2)).tolist() == [[0.25, 0.25], [0.25, 0.25]]
    assert quick(sn.ones(3)).tolist() == [3, 3, 3]


# -- errors of the function itself ---------------------------------------------------------------
def test_errors_of_the_function_pass():
    class Mine(Exception):
        pass

    def function(x, fail):
        y = x + 1
        if fail:
            raise Mine("no")
        return y

    before = _own_code()
    quick = compile(function, fallback=True)
    with pytest.raises(Mine, match="no"):
        quick(sn.ones(2), True)
    assert {n: c for n, c in _own_code().items() if n in before and n in ("add",)} == {
        "add": before["add"]
    }
    assert quick(sn.ones(2), False).tolist() == [2, 2]


def test_errors_of_ops_pass_with_their_words():
    quick = compile(lambda x, y: x @ y)
    for _ in range(2):
        with pytest.raises(ValueError, match="matmul"):
            quick(sn.ones(2, 3), sn.ones(2, 3))
    assert quick(sn.ones(2, 3), sn.ones(3, 2)).shape == (2, 2)


def test_a_function_that_needs_certain_values():
    def function(x, rows):
        return F.embedding(rows, x)

    quick = compile(function)
    assert quick(sn.ones(3, 2), sn.tensor([0, 2])).shape == (2, 2)
    with pytest.raises(IndexError):
        quick(sn.ones(3, 2), sn.tensor([0, 3]))
    assert quick(sn.ones(3, 2), sn.tensor([1, 2])).shape == (2, 2)


def test_ops_of_other_threads_go_on_during_a_trace():
    net = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8)).requires_grad_(False)
    x, stop, wrong = sn.ones(4, 8), threading.Event(), []
    want = net(x).array.copy()

    def work():
        while not stop.is_set():
            if not np.array_equal(net(x).array, want):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for t in threads:
        t.start()
    for n in range(1, 30):
        graph = compile(lambda x: sn.exp(net(x)) + 1).graph(sn.ones(n, 8))
        assert graph.inputs[0].shape == (n, 8)
        assert sum(node.name == "product" for node in graph.nodes) == 2
    stop.set()
    for t in threads:
        t.join()
    assert not wrong


def test_two_threads_trace_at_once():
    got = {}

    def work(n):
        quick = compile(lambda x: sn.relu(x - n).cumsum(0) * n)
        with sn.no_grad():
            got[n] = [quick(sn.ones(size) * 5).tolist() for size in (1, 2, 3)]

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert got == {
        n: [[float((5 - n) * n * k) for k in range(1, size + 1)] for size in (1, 2, 3)]
        for n in range(4)
    }


def test_arrays_of_numpy_among_the_arguments_are_refused():
    quick, given = compile(lambda x: sn.from_numpy(x) * 2), np.ones(2)
    with pytest.raises(TraceError, match="pass a tensor"):
        quick(given)
    by_the_way = compile(lambda x, more: x + sn.from_numpy(more["a"]), fallback=True)
    with pytest.warns(RuntimeWarning, match="pass a tensor"):
        by_the_way(sn.zeros(2), {"a": given})
    given += 4
    assert by_the_way(sn.zeros(2), {"a": given}).tolist() == [5, 5]


def test_compiled_inside_compiled_is_one_graph():
    inner = compile(lambda x: sn.exp(x) * 2)
    outer = compile(lambda x: inner(x) + 1)
    x = sn.zeros(3)
    for _ in range(2):
        assert outer(x).tolist() == [3, 3, 3]
        assert outer(x + 1).tolist() == pytest.approx([2 * np.e + 1] * 3)
    assert inner(x).tolist() == [2, 2, 2]


# -- options -------------------------------------------------------------------------------------
def test_bad_options_are_named():
    with pytest.raises(OptionError, match="float33"):
        compile(lambda x: x, precision="float33")
    with pytest.raises(OptionError, match="module or a function"):
        compile(3)


def test_tensors_on_a_gpu_are_refused(fake_cupy):
    from sensorium.tensor import wrap

    there = wrap(fake_cupy.Array(np.ones(2)))
    with pytest.raises(CompileError, match="CPU"):
        compile(lambda x: x + 1)(there)
