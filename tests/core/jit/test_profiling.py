"""A compiled call under a profile: every node an event, every primitive a kernel, nothing when off."""

from __future__ import annotations

import threading

import pytest

import sensorium as sn
from sensorium import nn
from sensorium.backends.cpu import onednn
from sensorium.jit.compiled import Compiled
from sensorium.jit.kernels.base import Env
from sensorium.jit.program import Instance
from sensorium.profiler import profile
from sensorium.profiler._compiled import _Noting
from sensorium.profiler._probes import Probe

needs_onednn = pytest.mark.skipif(not onednn.available(), reason="no oneDNN here")


@pytest.fixture
def net():
    layers = [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(8 * 49, 10), nn.Tanh()).eval()


@pytest.fixture
def quick(net):
    """Compiled for a batch of two, and run once."""
    compiled = sn.compile(net)
    with sn.no_grad():
        compiled(sn.randn(2, 3, 16, 16))
    return compiled


def recorded(compiled, x, **options):
    with sn.no_grad(), profile(**options) as p:
        y = compiled(x)
    return p.events(), y


def nodes(graph):
    """The names of the nodes that run: those that no constant computes."""
    skipped = {"permute"}  # the turned weight of the linear layer
    return [name for node in graph.nodes if (name := node.name.strip("_")) not in skipped]


def test_every_node_is_an_event_inside_the_run(quick):
    x = sn.randn(2, 3, 16, 16)
    events, _ = recorded(quick, x)
    whole, *inside = events
    assert (whole.name, whole.kind, whole.cpu_parent) == ("compiled Sequential", "module", None)
    assert [event.name for event in inside] == nodes(quick.graph(x))
    assert {event.kind for event in inside} == {"op"}
    assert all(event.cpu_parent is whole for event in inside)


def test_the_profiled_run_computes_the_same(quick):
    x = sn.randn(2, 3, 16, 16)
    with sn.no_grad():
        want = quick(x)
    _, got = recorded(quick, x)
    assert sn.equal(got, want)


@needs_onednn
def test_primitives_are_kernels_of_their_node(quick):
    events, _ = recorded(quick, sn.randn(2, 3, 16, 16))
    found = {event.name: [k.name for k in event.kernels] for event in events}
    assert found["conv"][-1] == "convolution_forward"
    assert found["max_pool"] == ["pooling_forward"]
    assert found["product"] == ["matmul"]
    for event in events:
        for kernel in event.kernels:
            assert kernel.implementation
            assert event.start_ns <= kernel.start_ns
            assert kernel.start_ns + kernel.duration_ns <= event.end_ns


def test_shapes_and_bytes(quick):
    events, _ = recorded(quick, sn.randn(2, 3, 16, 16), record_shapes=True)
    found = {event.name: event for event in events}
    conv = found["conv"]
    assert conv.input_shapes[:2] == [[2, 3, 16, 16], [8, 3, 3, 3]]
    assert conv.bytes_in >= 4 * (2 * 3 * 16 * 16 + 8 * 3 * 3 * 3)
    assert conv.bytes_out == 4 * 2 * 8 * 14 * 14
    assert found["compiled Sequential"].input_shapes == [[2, 3, 16, 16]]


def test_a_run_takes_no_memory_but_its_results(quick):
    events, y = recorded(quick, sn.randn(2, 3, 16, 16), profile_memory=True)
    assert events[0].cpu_memory_usage == y.array.nbytes
    assert all(event.cpu_memory_usage == 0 for event in events[1:])


def test_ops_without_a_kernel_are_one_event_each():
    """Such a node calls the op itself, which has a probe of its own."""
    quick = sn.compile(lambda x: sn.cumsum(x, 0).sum(0))
    x = sn.randn(5, 7)
    with sn.no_grad():
        quick(x)
    events, _ = recorded(quick, x)
    assert [event.name for event in events[1:]] == ["cumsum", "sum"]


def test_the_line_that_led_to_a_node():
    def twice(x):
        return x.cumsum(0)

    quick = sn.compile(twice)
    x = sn.randn(3, 4)
    with sn.no_grad():
        quick(x)
    events, _ = recorded(quick, x, with_stack=True)
    line = twice.__code__.co_firstlineno + 1
    assert events[1].stack[0] == f"{__file__}({line}): cumsum"


def test_compiling_under_a_profile_is_told_apart(net):
    events, _ = recorded(sn.compile(net), sn.randn(2, 3, 16, 16))
    tops = [event.name for event in events if event.cpu_parent is None]
    assert tops == ["compile Sequential", "bind Sequential", "compiled Sequential"]


def test_threads_at_once(quick):
    x = sn.randn(2, 3, 16, 16)
    with sn.no_grad():
        want = quick(x)
    results = []

    def work():
        with sn.no_grad():
            results.extend(quick(x) for _ in range(5))

    with profile() as p:
        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert all(sn.equal(y, want) for y in results)
    runs = [event for event in p.events() if event.name == "compiled Sequential"]
    assert len(runs) == 10


def test_an_error_ends_the_events(quick):
    def look(table, ids):
        return nn.functional.embedding(ids, table)

    compiled = sn.compile(look)
    table, ids = sn.randn(4, 2), sn.tensor([0, 3])
    with sn.no_grad():
        compiled(table, ids)
        with profile() as p, pytest.raises(IndexError):
            compiled(table, sn.tensor([0, 4]))
    assert [event.failed for event in p.events()] == [True, True]
    _, y = recorded(quick, sn.randn(2, 3, 16, 16))
    assert y.shape == (2, 10)


def test_off_it_leaves_no_trace(quick):
    functions = [Compiled._compile, Instance.__init__, Instance.run]
    before = [function.__code__ for function in functions]
    instance = next(iter(quick._variants.values())).program._idle[0]
    calls = instance.calls
    recorded(quick, sn.randn(2, 3, 16, 16))
    assert [function.__code__ for function in functions] == before
    assert instance.calls is calls
    assert not any(isinstance(c, Probe) for code in before for c in code.co_consts)


def test_kernels_find_what_they_ask_for():
    """What kernels may ask of an instance, they may ask of what stands in for it."""
    wanted = {name for name in vars(Env) if not name.startswith("_")}
    instance = type("Fake", (), {"array": 0, "prepared": 0, "is_constant": 0})()
    instance.program = type("Empty", (), {"kernels": []})()
    assert wanted <= set(dir(_Noting(instance)))
