"""Weights that change after compiling, in whatever way, are picked up: never a stale result."""

from __future__ import annotations

import numpy as np
import pytest

import sensorium as sn
import sensorium.nn.functional as F
from sensorium import nn
from sensorium.backends.cpu import onednn
from sensorium.jit import compile


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


# -- ways to change them -------------------------------------------------------------------------------------
def _by_optimizer(net):
    sn.optim.SGD(net.parameters(), lr=0.5).zero_grad()
    net(_x()).square().mean().backward()
    sn.optim.SGD(net.parameters(), lr=0.5).step()


def _by_adam(net):
    net(_x()).square().mean().backward()
    sn.optim.AdamW(net.parameters(), lr=0.5).step()


def _by_load(net):
    net.load_state_dict({k: v + 1 for k, v in net.state_dict().items()})


def _by_copy(net):
    with sn.no_grad():
        for p in net.parameters():
            p.copy_(p + 0.5)


def _by_data(net):
    for p in net.parameters():
        p.data = p.data + 0.5


def _by_data_write(net):
    for p in net.parameters():
        p.data.mul_(2)


def _by_new_parameter(net):
    net[4].weight = nn.Parameter(sn.ones(5, 128))
    net[0].bias = None


def _by_view_of_state_dict(net):
    net.state_dict()["0.weight"][0].fill_(3)


def _by_init(net):
    sn.nn.init.constant_(net[0].weight, 0.25)


def _by_statistics(net):
    net.train()
    net(_x(7))
    net.eval()


def _by_buffer(net):
    net[1].running_var = net[1].running_var * 4


CHANGES = [
    _by_optimizer, _by_adam, _by_load, _by_copy, _by_data, _by_data_write, _by_new_parameter,
    _by_view_of_state_dict, _by_init, _by_statistics, _by_buffer,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda f: f.__name__[4:])
def test_changed_weights_are_never_stale(change):
    net = _net()
    quick = compile(net)
    first = _agree(quick, net, _x())
    for _ in range(2):
        change(net)
        assert not sn.allclose(_agree(quick, net, _x()), first)


def test_weights_written_by_numpy():
    net = _net()
    quick = compile(net)
    _agree(quick, net, _x())
    bare = [p.detach().numpy() for p in net.parameters()]
    for _ in range(2):
        for array in bare:
            array *= 1.5
        _agree(quick, net, _x())


def test_weights_that_numpy_owns():
    memory = np.ones((4, 3), np.float32)
    weight = sn.from_numpy(memory)
    quick = compile(lambda x: sn.relu(F.linear(x, weight)) + weight.sum())
    for _ in range(3):
        _agree(quick, lambda x: sn.relu(F.linear(x, weight)) + weight.sum(), sn.ones(2, 3))
        memory *= 2


def test_numbers_read_from_weights_are_read_again():
    gate = sn.tensor(1.0)
    memory = np.ones(1, np.float32)
    other = sn.from_numpy(memory)

    def function(x):
        return (x if gate.item() > 0 else -x) * float(other)

    quick, x = compile(function), sn.ones(2)
    assert quick(x).tolist() == [1, 1]
    gate.fill_(-1)
    assert quick(x).tolist() == [-1, -1]
    memory[0] = 4
    assert quick(x).tolist() == [-4, -4]
    gate.data = sn.tensor(1.0)
    assert quick(x).tolist() == [4, 4]


def test_tables_made_from_weights_by_numpy_are_made_again():
    weight = nn.Parameter(sn.ones(3))

    def function(x):
        return x + sn.tensor(weight.detach().numpy() * 2) + sn.arange(3)

    quick = compile(function)
    _agree(quick, function, sn.ones(3))
    with sn.no_grad():
        weight.add_(1)
    _agree(quick, function, sn.ones(3))


def test_weights_shared_by_two_layers():
    a, b = nn.Linear(3, 3), nn.Linear(3, 3)
    b.weight = a.weight
    net = nn.Sequential(a, b).eval()
    quick = compile(net)
    _agree(quick, net, sn.ones(2, 3))
    with sn.no_grad():
        a.weight.mul_(-1)
    _agree(quick, net, sn.ones(2, 3))


@pytest.mark.skipif(not onednn.available(), reason=onednn.why_not())
def test_graphs_of_several_batch_sizes_share_packed_weights():
    net = sn.nn.Sequential(
        sn.nn.Conv2d(3, 16, 3, bias=False),
        sn.nn.BatchNorm2d(16),
        sn.nn.Flatten(),
        sn.nn.Linear(576, 8),
    ).eval()
    quick, x = sn.compile(net), sn.randn(4, 3, 8, 8)
    with sn.no_grad():
        quick(x)
        quick(x[:2])
        first, second = (variant.program.prepared for variant in quick._variants.values())
        assert first & second
        net[0].weight.mul_(2.0)
        for part in (x, x[:2]):
            assert sn.allclose(quick(part), net(part), atol=1e-5)
        net[3].weight.data = net[3].weight * 3
        for part in (x, x[:2]):
            assert sn.allclose(quick(part), net(part), atol=1e-4)
