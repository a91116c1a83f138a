"""When a graph may be used again: shapes, types, modules, weights, surroundings."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import sensorium as sn
import sensorium.nn.functional as F
from sensorium import nn
from sensorium.errors import TraceError
from sensorium.jit import Compiled, compile

TABLE = nn.Linear(3, 2)


def _net():
    sn.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(128, 5)
    ).eval()


def _x(n=2):
    return sn.from_numpy(np.random.default_rng(n).normal(size=(n, 3, 4, 4)).astype("float32"))


def _agree(quick, net, *args):
    with sn.no_grad():
        got, want = quick(*args), net(*args)
    np.testing.assert_allclose(got.array, want.array, rtol=2e-5, atol=2e-6)
    return got


# -- arguments -----------------------------------------------------------------------------------
def test_batch_sizes_and_memory_orders_each_have_a_graph():
    net = _net()
    quick = compile(net)
    for n in (1, 2, 5, 1, 2):
        _agree(quick, net, _x(n))
    assert len(quick.graphs) == 3
    last = sn.from_numpy(np.ascontiguousarray(_x(2).array.transpose(0, 2, 3, 1))).permute(
        0, 3, 1, 2
    )
    _agree(quick, net, last)
    assert len(quick.graphs) == 4


def test_types_each_have_a_graph():
    quick = compile(lambda x: x * 2 + 1)
    for dtype in (sn.float32, sn.float64, sn.int32, sn.uint8, sn.float16):
        assert quick(sn.ones(3, dtype=dtype)).dtype == dtype
    assert len(quick.graphs) == 5


def test_no_more_graphs_are_kept_than_the_limit():
    quick = Compiled(lambda x: x + 1, limit=4)
    for n in range(10):
        assert quick(sn.ones(n)).shape == (n,)
    assert len(quick.graphs) == 4
    assert quick(sn.ones(0)).shape == (0,)


def test_the_graph_in_use_longest_is_not_the_first_to_go():
    quick = Compiled(lambda x: x + 1, limit=3)
    for n in (1, 2, 3, 1, 4):
        quick(sn.ones(n))
    assert [g.inputs[0].shape for g in quick.graphs] == [(3,), (1,), (4,)]


# -- modules -------------------------------------------------------------------------------------
def test_train_and_eval():
    sn.manual_seed(1)
    net = nn.Sequential(nn.Linear(4, 50), nn.Dropout(0.5))
    net.eval()
    quick = compile(net)
    x = sn.ones(2, 4)
    with sn.no_grad():
        _agree(quick, net, x)
        net.train()
        first, second = quick(x), quick(x)
        assert (first == 0).any()
        assert not sn.equal(first, second)
        net.eval()
        assert not (quick(x) == 0).any()
    assert len(quick.graphs) == 2


def test_dropout_draws_from_the_generator_at_every_call():
    net = nn.Dropout(0.5).train()
    quick, x = compile(net), sn.ones(1000)
    with sn.no_grad():
        quick(x)
        sn.manual_seed(3)
        a, b = quick(x), quick(x)
        sn.manual_seed(3)
        assert sn.equal(quick(x), a)
        assert not sn.equal(a, b)
        sn.manual_seed(3)
        assert sn.equal(net(x), a)


def test_random_numbers_in_the_function_are_never_frozen():
    for function in (lambda x: x + sn.randn(5), lambda x: x + sn.rand_like(x), lambda x: x.clone().normal_(),
                     lambda x: sn.bernoulli(x * 0 + 0.5), lambda x: x[sn.randperm(5)]):  # fmt: skip
        quick = compile(function, fallback=True)
        with sn.no_grad():
            try:
                first = quick(sn.zeros(5))
            except RuntimeWarning:  # refused: it runs as it is
                continue
            results = {tuple(quick(sn.zeros(5)).tolist()) for _ in range(8)}
            assert len(results | {tuple(first.tolist())}) > 1


def test_running_statistics_move_once_a_call():
    net, quick_net = _net().train(), _net().train()
    quick = compile(quick_net)
    for n in (2, 2, 3):
        _agree(quick, net, _x(n))
        for a, b in zip(quick_net.buffers(), net.buffers()):
            np.testing.assert_allclose(a.array, b.array, rtol=1e-5, atol=1e-6)
    assert quick_net[1].num_batches_tracked.item() == 3


def test_a_replaced_layer():
    net = _net()
    quick = compile(net)
    _agree(quick, net, _x())
    net[2] = nn.Tanh()
    _agree(quick, net, _x())
    del net[2]
    _agree(quick, net, _x())


def test_a_changed_option():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale, self.act = 2.0, F.relu
            self.table = {"a": 1.0}

        def forward(self, x):
            return self.act(x) * self.scale + self.table["a"]

    net = Scaled()
    quick, x = compile(net), sn.tensor([-1.0, 1.0])
    assert quick(x).tolist() == [1, 3]
    net.scale = 3.0
    assert quick(x).tolist() == [1, 4]
    net.act = F.silu
    _agree(quick, net, x)
    net.table = {"a": 2.0}
    _agree(quick, net, x)


def test_hooks_come_and_go():
    net = _net()
    quick = compile(net)
    _agree(quick, net, _x())
    handle = net[0].register_forward_hook(lambda module, args, out: out * 2)
    _agree(quick, net, _x())
    handle.remove()
    _agree(quick, net, _x())
    handle = net.register_forward_pre_hook(lambda module, args: (args[0] + 1,))
    _agree(quick, net, _x())
    handle.remove()
    _agree(quick, net, _x())


def test_modules_that_a_function_reaches():
    inner = nn.Sequential(nn.Dropout(0.9))
    holder = {"net": inner.eval()}

    def helper(x):
        return holder["net"](TABLE(x))

    class Pipeline:
        def __init__(self):
            self.stages = [inner]

        def run(self, x):
            return self.stages[0](x)

    for function in (lambda x: inner(x), helper, lambda x: helper(x), Pipeline().run):
        quick, x = compile(function), sn.ones(4, 3)
        inner.eval()
        _agree(quick, function, x)
        inner.train()
        with sn.no_grad():
            assert (quick(x) == 0).any()


def test_a_copy_of_a_compiled_module_is_independent():
    net = _net()
    quick = compile(net)
    _agree(quick, net, _x())
    other = copy.deepcopy(quick)
    with sn.no_grad():
        net[4].weight.zero_()
        assert not sn.equal(other(_x()), quick(_x()))


# -- gradients -----------------------------------------------------------------------------------
def test_where_a_gradient_is_wanted_it_comes():
    net = _net()
    quick = compile(net)
    x = _x().requires_grad_()
    quick(x).square().sum().backward()
    got = [p.grad.array.copy() for p in (x, *net.parameters())]
    for p in (x, *net.parameters()):
        p.grad = None
    net(x).square().sum().backward()
    for g, p in zip(got, (x, *net.parameters())):
        np.testing.assert_array_equal(g, p.grad.array)
    assert not quick.graphs


def test_without_a_wish_for_gradients_the_graph_runs_while_recording():
    net = _net().requires_grad_(False)
    quick = compile(net)
    _agree(quick, net, _x())
    assert not quick(_x()).requires_grad
    assert len(quick.graphs) == 1


def test_inference_mode():
    net = _net()
    quick = compile(net)
    with sn.inference_mode():
        assert sn.equal(quick(_x()), quick(_x()))


# -- what a function may do to its surroundings --------------------------------------------------
def test_weights_of_another_type_or_shape():
    net = nn.Linear(4, 3)
    quick, x = compile(net), sn.ones(2, 4)
    _agree(quick, net, x)
    net.double()
    with sn.no_grad(), pytest.raises(RuntimeError):
        quick(x)
    _agree(quick, net, x.double())
    net.float()
    _agree(quick, net, x)
    net.weight.data = sn.ones(5, 4)
    net.bias.data = sn.zeros(5)
    assert _agree(quick, net, x).shape == (2, 5)
    net.weight.data = sn.arange(20.0).reshape(4, 5).t()
    _agree(quick, net, x)


def test_lazy_layers():
    net = nn.Sequential(nn.LazyLinear(4), nn.ReLU())
    quick, x = compile(net), sn.ones(2, 3)
    with sn.no_grad():
        quick(x)
    for _ in range(2):
        _agree(quick, net, x)
    assert len(quick.graphs) == 1


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return x * self.calls


class Keeping(nn.Module):
    def forward(self, x):
        self.last = x * 2
        return self.last + 1


@pytest.mark.parametrize("build", [Counting, Keeping])
def test_assigning_to_the_module_is_refused(build):
    with pytest.raises(TraceError, match="assigns"):
        compile(build())(sn.ones(2))


def test_assigning_to_the_module_runs_as_it_is_with_fallback():
    net = Counting()
    quick = compile(net, fallback=True)
    with pytest.warns(RuntimeWarning, match="assigns"):
        first = quick(sn.ones(1)).item()
    assert [quick(sn.ones(1)).item() for _ in range(3)] == [first + 1, first + 2, first + 3]


def test_a_buffer_written_in_place_counts_calls():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("calls", sn.zeros(1))

        def forward(self, x):
            self.calls.add_(1)
            return x * self.calls + sn.arange(2)

    net = Net()
    quick = compile(net)
    assert [quick(sn.ones(2)).tolist() for _ in range(3)] == [[1, 2], [2, 3], [3, 4]]
    assert net.calls.item() == 3
    assert len(quick.graphs) == 1


def test_an_input_that_is_a_buffer():
    buffer = sn.zeros(2)

    def function(x):
        buffer.add_(1)
        return x * 2

    quick = compile(function)
    assert quick(sn.ones(2)).tolist() == [2, 2]
    assert quick(buffer).tolist() == [4, 4]


def test_names_that_stand_for_something_else_by_now():
    net, scale = nn.Linear(2, 2), 2.0

    def function(x):
        return net(x) * scale

    quick, x = compile(function), sn.ones(1, 2)
    _agree(quick, function, x)
    scale = 3.0
    _agree(quick, function, x)
    net = nn.Linear(2, 2)
    _agree(quick, function, x)
