"""The profiler: what it counts is what ran, its times add up, and off it leaves no trace."""

from __future__ import annotations

import json
import threading
import time
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import sensorium as sn
from sensorium import nn, optim, profiler
from sensorium.amp import _gates
from sensorium.autograd import engine, handover
from sensorium.backends.cpu import onednn
from sensorium.backends.cpu.memory import Primitive
from sensorium.errors import OpError, OptionError, ShapeError
from sensorium.nn import functional as F
from sensorium.ops import OPS, _template
from sensorium.profiler import ProfilerAction, _probes, profile, record_function, schedule

needs_onednn = pytest.mark.skipif(not onednn.available(), reason="no oneDNN here")


def names(p, kind="op"):
    return [event.name for event in p.events() if event.kind == kind]


def codes():
    """The code of every function that the profiler may exchange."""
    functions = [f for op in OPS.values() for f in (op.call, op.hot)]
    functions += [engine.backward, engine.grad, handover.accumulate, handover.deposit]
    functions += [Primitive.__call__, nn.Module.__call__, optim.SGD.step, _template.build_call]
    functions += [_gates._open_gates, _gates._close_gates]
    functions += [sn.autograd.Function.apply.__func__]
    return {id(f): f.__code__ for f in functions}


def is_probe(code):
    return any(isinstance(constant, _probes.Probe) for constant in code.co_consts)


def probed():
    return [key for key, code in codes().items() if is_probe(code)]


@pytest.fixture(autouse=True)
def off():
    """Every test begins and ends without a probe anywhere."""
    assert not probed()
    yield
    assert not probed()
    assert not engine.watchers


def mlp():
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    return model, sn.randn(4, 6)


# -- what is counted -----------------------------------------------------------------------------
def test_every_call_is_an_event_in_order():
    x = sn.ones(3)
    with profile() as p:
        y = x * 2
        y = sn.add(y, 1, alpha=1)
        y.exp()
    assert names(p) == ["mul", "add", "exp"]
    assert [row.count for row in p.key_averages()] == [1, 1, 1]


def test_averages_count_and_add_up():
    x = sn.ones(3)
    with profile() as p:
        for _ in range(5):
            x = x * 1.5
    (row,) = p.key_averages()
    assert (row.key, row.count) == ("mul", 5)
    assert row.cpu_time_total == pytest.approx(sum(e.cpu_time_total for e in p.events()))
    assert row.cpu_time == pytest.approx(row.cpu_time_total / 5)


def test_an_op_first_called_while_profiling_is_recorded_and_then_restored():
    op = OPS["heaviside"] if "heaviside" in OPS else OPS["sinh"]
    _template.reset(op)
    x = sn.ones(2)
    call = (lambda: op.call(x, x)) if len(op.inputs) == 2 else (lambda: op.call(x))
    with profile() as p:
        call()
        call()
    assert names(p).count(op.name) == 2
    assert op.call.__code__ is not _template._first_call.__code__


def test_an_op_that_is_declared_while_profiling_is_recorded():
    from sensorium.ops._declare import Array, op

    try:
        with profile() as p:

            @op
            def profiled_only_here(x: Array):
                """x twice."""
                return x + x

            profiled_only_here(sn.ones(2))
        assert names(p) == ["profiled_only_here"]
    finally:
        del OPS["profiled_only_here"]


def test_operators_methods_and_functions_are_the_same_op():
    x = sn.ones(2, 2)
    with profile() as p:
        x @ x
        x.matmul(x)
        sn.matmul(x, x)
    assert names(p) == ["matmul"] * 3


def test_results_are_the_same_while_profiled():
    model, x = mlp()
    plain = model(x).detach().numpy()
    with profile(record_shapes=True, profile_memory=True, with_stack=True, with_modules=True):
        assert np.array_equal(model(x).detach().numpy(), plain)


# -- nesting and time ----------------------------------------------------------------------------
def test_self_times_sum_to_the_time_of_the_outermost():
    model, x = mlp()
    with profile(with_modules=True) as p:
        with record_function("all"):
            model(x).sum().backward()
        model(x)
    events = p.events()
    roots = sum(e.end_ns - e.start_ns for e in events if e.cpu_parent is None)
    assert sum(e.end_ns - e.start_ns - e.children_ns for e in events) == roots
    assert all(e.self_cpu_time_total >= 0 for e in events)
    assert events.self_cpu_time_total == pytest.approx(roots / 1000)


def test_an_event_lies_within_its_parent():
    model, x = mlp()
    with profile(with_modules=True) as p, record_function("all"):
        model(x).sum().backward()
    for event in p.events():
        parent = event.cpu_parent
        if parent is not None:
            assert parent.start_ns <= event.start_ns <= event.end_ns <= parent.end_ns
    linear = next(e for e in p.events() if e.name == "linear")
    line = []
    while linear is not None:
        line.append(linear.name)
        linear = linear.cpu_parent
    assert line == ["linear", "nn.Module: Linear", "nn.Module: Sequential", "all"]


def test_a_sleep_is_measured():
    with profile() as p, record_function("outer"), record_function("inner"):
        time.sleep(0.02)
    outer, inner = p.events()
    assert 20_000 <= inner.cpu_time_total <= outer.cpu_time_total
    assert outer.self_cpu_time_total < 10_000


def test_time_of_a_name_inside_itself_is_counted_once():
    @record_function("f")
    def f(n):
        time.sleep(0.002)
        return n if n == 0 else f(n - 1)

    with profile() as p:
        f(3)
    (row,) = p.key_averages()
    assert row.count == 4
    assert row.cpu_time_total == pytest.approx(p.events()[0].cpu_time_total)
    assert row.self_cpu_time_total == pytest.approx(row.cpu_time_total)


# -- shapes, bytes, memory, lines ----------------------------------------------------------------
def test_shapes_and_bytes_of_a_product():
    a, b = sn.ones(2, 3), sn.ones(3, 4)
    with profile(record_shapes=True) as p:
        a @ b
    (event,) = p.events()
    assert event.input_shapes == [[2, 3], [3, 4]]
    assert event.bytes_in == 4 * (6 + 12)
    assert event.bytes_out == 4 * 8
    assert event.cpu_memory_usage == 0  # not asked for


def test_shapes_of_lists_and_options():
    with profile(record_shapes=True) as p:
        sn.cat([sn.ones(2), sn.ones(3)], dim=0)
    event = next(e for e in p.events() if e.name == "cat")
    assert event.input_shapes == [[[2], [3]], []]
    assert event.bytes_in == event.bytes_out == 20


def test_a_view_moves_no_bytes():
    x = sn.ones(2, 3)
    with profile(record_shapes=True, profile_memory=True) as p:
        x.reshape(3, 2)
        x.t()
    assert all(e.bytes_in == e.bytes_out == e.cpu_memory_usage == 0 for e in p.events())


def test_memory_is_that_of_new_results_and_negative_where_it_was_freed():
    x = sn.ones(1000)
    with profile(profile_memory=True) as p, record_function("all"):
        y = x * 2
        y + y
    events = {e.name: e for e in p.events()}
    assert events["mul"].cpu_memory_usage == events["add"].cpu_memory_usage == 4000
    assert events["all"].cpu_memory_usage == 8000
    assert events["all"].self_cpu_memory_usage == 0
    assert events["mul"].input_shapes == []  # not asked for


def test_rows_by_shape():
    with profile(record_shapes=True) as p:
        for n in (2, 3, 3):
            sn.ones(n).exp()
    rows = p.key_averages(group_by_input_shape=True)
    assert [(row.input_shapes, row.count) for row in rows] == [([[2]], 1), ([[3]], 2)]
    assert [row.count for row in p.key_averages()] == [3]


def test_lines_are_the_callers():
    def here(x):
        return x.exp()

    with profile(with_stack=True) as p:
        here(sn.ones(2))
    first, second, *_ = p.events()[0].stack
    assert first.startswith(__file__) and first.endswith(": here")
    assert second.endswith(": test_lines_are_the_callers")
    (row,) = p.key_averages(group_by_stack_n=1)
    assert row.stack == [first]
    assert first in p.key_averages(group_by_stack_n=1).table()


# -- primitives ----------------------------------------------------------------------------------
@needs_onednn
def test_a_convolution_names_its_primitive():
    x, w = sn.randn(1, 8, 12, 12), sn.randn(16, 8, 3, 3)
    with profile() as p:
        F.conv2d(x, w)
    event = next(e for e in p.events() if e.kernels)
    assert event.name == "conv"
    longest = max(event.kernels, key=lambda kernel: kernel.duration_ns)
    assert event.primitive == longest.implementation != "numpy"
    assert any("conv" in kernel.name for kernel in event.kernels)
    assert 0 < event.primitive_time_total <= event.cpu_time_total
    for kernel in event.kernels:
        assert event.start_ns <= kernel.start_ns
        assert kernel.start_ns + kernel.duration_ns <= event.end_ns
    assert "inside oneDNN primitives" in p.key_averages().table()


def test_what_numpy_computes_says_so():
    with profile() as p:
        sn.ones(3).cumsum(0)
    assert [e.primitive for e in p.events()] == ["numpy"]


@needs_onednn
def test_a_caller_shows_the_primitive_of_what_it_calls():
    x, w = sn.randn(1, 8, 12, 12), sn.randn(16, 8, 3, 3)
    with profile() as p, record_function("mine"):
        F.conv2d(x, w)
    mine = p.events()[0]
    inner = next(e for e in p.events() if e.kernels)
    assert mine.primitive == inner.primitive
    assert mine.primitive_time_total == inner.primitive_time_total
    assert mine.self_primitive_time_total == 0


@needs_onednn
def test_a_primitive_outside_of_any_op_is_an_event_of_its_own():
    x = np.random.default_rng(0).normal(size=(1, 8, 12, 12)).astype(np.float32)
    w = np.random.default_rng(1).normal(size=(16, 8, 3, 3)).astype(np.float32)
    args = x, w, (1, 1), (0, 0), (1, 1), 1
    with profile() as p:
        OPS["_conv"].compute(*args)
    assert {e.kind for e in p.events()} == {"primitive"}
    assert all(len(e.kernels) == 1 for e in p.events())


# -- backward ------------------------------------------------------------------------------------
def test_backward_has_the_names_of_its_nodes():
    x = sn.ones(3, requires_grad=True)
    y = (x * 2).sum()
    with profile(record_shapes=True) as p:
        y.backward()
    assert names(p, "backward") == [y.grad_fn.name(), "MulBackward0"]
    assert names(p, "autograd") == ["backward", "AccumulateGrad"]
    whole = p.events()[0]
    mul = next(e for e in p.events() if e.name == "MulBackward0")
    assert mul.cpu_parent is whole
    assert mul.input_shapes == [[3]]
    assert mul.bytes_out == 12


def test_grad_is_a_pass_too_and_second_derivatives_are_recorded():
    x = sn.tensor(2.0, requires_grad=True)
    with profile() as p:
        (g,) = sn.autograd.grad(x**3, x, create_graph=True)
        sn.autograd.grad(g, x)
    assert names(p, "autograd").count("grad") == 2
    assert "PowBackward0" in names(p, "backward")
    assert g.item() == 12


def test_a_function_of_ones_own_has_its_name_and_backward():
    class Twice(sn.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = sn.ones(2, requires_grad=True)
    with profile(record_shapes=True) as p:
        y = Twice.apply(x)
        y.sum().backward()
    assert names(p)[:2] == ["Twice", "mul"]
    assert p.events()[0].input_shapes == [[2]]
    assert p.events()[1].cpu_parent is p.events()[0]
    assert y.grad_fn.name() in names(p, "backward")


def test_optimizer_steps_say_whose():
    model, x = mlp()
    steps = [optim.SGD(model.parameters(), lr=0.1), optim.AdamW(model.parameters())]
    with profile() as p:
        model(x).sum().backward()
        for optimizer in steps:
            optimizer.step()
    assert names(p, "optimizer") == ["Optimizer.step#SGD.step", "Optimizer.step#AdamW.step"]


def test_backward_memory_leaves_out_gradients_that_are_passed_on():
    a, b = (sn.ones(1000, requires_grad=True) for _ in range(2))
    y = (a + b) * 1
    with profile(profile_memory=True) as p:
        y.backward(sn.ones(1000))
    used = {e.name: e.cpu_memory_usage for e in p.events() if e.kind == "backward"}
    assert used == {"MulBackward0": 4000, "AddBackward0": 0}


# -- off -----------------------------------------------------------------------------------------
def test_off_means_the_original_code_is_back():
    model, x = mlp()
    model(x).sum().backward()
    before = codes()
    with profile(record_shapes=True, with_modules=True):
        assert len(probed()) > 10
        model(x).sum().backward()
    after = codes()
    assert all(after[key] is before[key] for key in before)


def test_off_after_an_exception():
    before = codes()
    with pytest.raises(ZeroDivisionError), profile() as p:
        sn.ones(2).exp()
        raise ZeroDivisionError
    assert names(p) == ["exp"]
    assert codes() == before


@pytest.mark.parametrize("inner_first", [True, False])
def test_autocast_and_profile_may_overlap_in_any_order(inner_first):
    a = sn.ones(4, 4)
    with sn.autocast("cpu", dtype=sn.bfloat16):  # compiles what it lists
        a @ a
    before = codes()
    p, cast = profile(), sn.autocast("cpu", dtype=sn.bfloat16)
    outer, inner = (p, cast) if inner_first else (cast, p)
    outer.__enter__()
    inner.__enter__()
    assert (a @ a).dtype == sn.bfloat16
    outer.__exit__(None, None, None)  # not the order of a `with`
    assert (a @ a).dtype == (sn.bfloat16 if inner_first else sn.float32)
    inner.__exit__(None, None, None)
    assert (a @ a).dtype == sn.float32
    assert "matmul" in names(p)
    assert codes() == before


def test_a_probe_that_others_put_back_removes_itself():
    op = sn.exp.op
    sn.exp(sn.ones(1))
    own = op.call.__code__
    with profile():
        probe = op.call.__code__
        op.call.__code__ = own  # as somebody would who exchanges code too
    op.call.__code__ = probe
    assert sn.exp(sn.zeros(1)).item() == 1
    assert op.call.__code__ is own


def test_record_function_does_nothing_while_off():
    with record_function("nobody listens"):
        pass
    with profile() as p:
        pass
    assert len(p.events()) == 0


# -- exceptions ----------------------------------------------------------------------------------
def test_a_failing_op_is_an_event_that_failed():
    with profile(record_shapes=True) as p:
        with pytest.raises(ShapeError, match="matmul"):
            sn.ones(2, 3) @ sn.ones(2, 3)
        sn.ones(2).exp()
    bad, good = p.events()
    assert (bad.name, bad.failed, bad.input_shapes) == ("matmul", True, [[2, 3], [2, 3]])
    assert (good.name, good.failed, good.cpu_parent) == ("exp", False, None)


def test_a_failing_backward_closes_its_events():
    class Bad(sn.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            raise ZeroDivisionError

    x = sn.ones(2, requires_grad=True)
    with profile() as p:
        with pytest.raises(ZeroDivisionError):
            Bad.apply(x).sum().backward()
        sn.ones(2).exp()
    assert next(e for e in p.events() if e.name == "backward").failed
    assert p.events()[-1].cpu_parent is None


# -- threads -------------------------------------------------------------------------------------
def test_threads_have_their_own_lines():
    def work(n):
        with record_function(f"thread {n}"):
            for _ in range(20):
                sn.ones(3).exp()

    with profile() as p:
        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    tops = [e for e in p.events() if e.kind == "user"]
    assert len({e.thread for e in tops}) == 4
    for event in p.events():
        if event.kind == "op":
            assert event.cpu_parent.thread == event.thread
    assert [row.count for row in p.key_averages() if row.key == "exp"] == [80]


def test_a_thread_that_outlives_the_profile_goes_on():
    begun, over = threading.Event(), threading.Event()
    found = []

    def work():
        with record_function("never ends in time"):
            begun.set()
            over.wait(10)
            found.append(sn.ones(2).exp())

    thread = threading.Thread(target=work)
    with profile() as p:
        thread.start()
        begun.wait(10)
    over.set()
    thread.join()
    assert len(found) == 1
    assert len(p.events()) == 0


def test_one_profile_at_a_time():
    with profile() as p:
        with pytest.raises(OpError, match="another profile is on"):
            profile().start()
        sn.ones(2).exp()
    assert names(p) == ["exp"]


# -- record_function -----------------------------------------------------------------------------
def test_record_function_as_context_and_decorator():
    @record_function("twice")
    def twice(x):
        """x twice."""
        return x + x

    with profile() as p, record_function("outer", "with a note"):
        twice(sn.ones(2))
    assert [(e.name, e.kind) for e in p.events()] == [
        ("outer", "user"),
        ("twice", "user"),
        ("add", "op"),
    ]
    assert p.events()[0].note == "with a note"
    assert twice.__doc__ == "x twice."


# -- steps ---------------------------------------------------------------------------------------
def test_a_schedule_records_its_active_steps():
    handed = []

    def ready(p):
        handed.append([e.name for e in p.events()])

    plan = schedule(wait=1, warmup=1, active=2, repeat=2)
    with profile(schedule=plan, on_trace_ready=ready) as p:
        for _ in range(10):
            sn.ones(2).exp()
            p.step()
    assert handed == [
        ["ProfilerStep#2", "exp", "ProfilerStep#3", "exp"],
        ["ProfilerStep#6", "exp", "ProfilerStep#7", "exp"],
    ]


def test_waiting_steps_run_the_original_code():
    with profile(schedule=schedule(wait=1, warmup=0, active=1)) as p:
        assert not probed()
        p.step()
        assert probed()
        p.step()
        assert not probed()


def test_active_cycles_that_touch_are_handed_over_one_by_one():
    handed = []
    plan = schedule(wait=0, warmup=0, active=1)
    with profile(schedule=plan, on_trace_ready=lambda p: handed.append(len(p.events()))) as p:
        for n in range(3):
            for _ in range(n):
                sn.ones(2).exp()
            p.step()
    assert handed == [1, 2, 3, 1]


@pytest.mark.peer
@pytest.mark.parametrize(
    "options",
    [
        {"wait": 1, "warmup": 1, "active": 2},
        {"wait": 0, "warmup": 1, "active": 1, "repeat": 3},
        {"wait": 3, "warmup": 1, "active": 2, "skip_first": 2, "skip_first_wait": 1},
        {"wait": 2, "warmup": 1, "active": 3, "repeat": 2, "skip_first": 4},
    ],
)
def test_a_schedule_is_pytorchs(options):
    torch = pytest.importorskip("torch")
    ours, theirs = schedule(**options), torch.profiler.schedule(**options)
    assert [ours(n).name for n in range(30)] == [theirs(n).name for n in range(30)]


@pytest.mark.peer
def test_calls_and_names_of_attributes_are_pytorchs():
    torch = pytest.importorskip("torch")

    def run(lib, module):
        x = lib.ones(3, 4)
        with module.profile(record_shapes=True) as p:
            for _ in range(3):
                (x * 2).exp()
        return p

    ours, theirs = run(sn, profiler), run(torch, torch.profiler)
    counts = {row.key: row.count for row in ours.key_averages()}
    for row in theirs.key_averages():
        if row.key.removeprefix("aten::") in counts:
            assert counts[row.key.removeprefix("aten::")] == row.count
    row, other = ours.key_averages()[0], theirs.key_averages()[0]
    for name in ("key", "count", "cpu_time_total", "self_cpu_time_total", "cpu_time", "stack"):
        assert hasattr(row, name) and hasattr(other, name)
    by_shape = ours.key_averages(group_by_input_shape=True)[0].input_shapes
    assert by_shape == theirs.key_averages(group_by_input_shape=True)[0].input_shapes


# -- what is made of it --------------------------------------------------------------------------
@pytest.fixture
def trained():
    model, x = mlp()
    with profile(record_shapes=True, profile_memory=True, with_modules=True) as p:
        with record_function("forward <1>"):
            loss = model(x).sum()
        loss.backward()
    return p


def test_a_chrome_trace_is_json_with_every_event(trained, tmp_path):
    trained.export_chrome_trace(tmp_path / "trace.json")
    document = json.loads((tmp_path / "trace.json").read_text())
    rows = [row for row in document["traceEvents"] if row["ph"] == "X"]
    calls = [row for row in rows if row["cat"] != "primitive"]
    assert len(calls) == len(trained.events())
    for row, event in zip(calls, trained.events()):
        assert row["name"] == event.name
        assert row["tid"] == event.thread
        assert row["ts"] >= 0
        assert row["dur"] == pytest.approx(event.cpu_time_total)
    titles = [row for row in document["traceEvents"] if row["ph"] == "M"]
    assert {"process_name", "thread_name"} == {row["name"] for row in titles}
    assert calls[1]["args"]["Input Dims"] == [[4, 6]]


def test_a_flame_is_svg_whose_boxes_lie_on_their_callers(trained, tmp_path):
    trained.export_flame(tmp_path / "flame.svg")
    root = ET.parse(tmp_path / "flame.svg").getroot()
    assert root.tag.endswith("svg")
    assert "http" not in ET.tostring(root, "unicode").replace("http://www.w3.org/2000/svg", "")
    boxes = {}
    for group in root.iter("{http://www.w3.org/2000/svg}g"):
        title, box, *_ = group
        boxes[title.text.split(":")[0]] = [float(box.get(k)) for k in ("x", "width", "y")]
    outer, inner = boxes["forward <1>"], boxes["nn.Module"]
    assert outer[0] <= inner[0]
    assert inner[0] + inner[1] <= outer[0] + outer[1] + 0.1
    assert inner[2] < outer[2]
    assert boxes["all"][1] == pytest.approx(1180)


def test_stacks_add_up_to_the_whole(trained, tmp_path):
    trained.export_stacks(tmp_path / "stacks.txt")
    lines = (tmp_path / "stacks.txt").read_text().splitlines()
    total = sum(int(line.rpartition(" ")[2]) for line in lines)
    assert total == pytest.approx(trained.events().self_cpu_time_total, abs=len(lines))
    assert any(line.startswith("forward <1>;nn.Module: Sequential;") for line in lines)


def test_a_table_is_sorted_and_cut(trained):
    rows = trained.key_averages()
    text = rows.table(sort_by="count", row_limit=2, header="here")
    lines = text.splitlines()
    assert lines[0] == "here"
    shown = [line.split("  ")[0].strip() for line in lines[4:6]]
    counts = {row.key: row.count for row in rows}
    assert [counts[name] for name in shown] == sorted(counts.values(), reverse=True)[:2]
    for head in ("Self CPU %", "Bytes in", "CPU Mem", "Primitive", "# of Calls"):
        assert head in lines[2]
    assert "Self CPU time total" in lines[-1]


def test_percentages_of_self_time_are_of_the_whole(trained):
    text = trained.key_averages().table(row_limit=-1)
    shares = [float(line.split("%")[0].split()[-1]) for line in text.splitlines()[3:-2]]
    assert sum(shares) == pytest.approx(100, abs=0.01 * len(shares))


def test_total_average_is_the_sum(trained):
    total = trained.events().total_average()
    assert total.count == len(trained.events())
    assert total.cpu_time_total == pytest.approx(trained.events().self_cpu_time_total)


# -- refusals ------------------------------------------------------------------------------------
def test_what_is_wrong_is_said(tmp_path):
    with pytest.raises(OpError, match="nothing is recorded yet"):
        profile().events()
    with pytest.raises(OptionError, match=r"schedule: active must be 1 or more, got 0"):
        schedule(wait=1, warmup=1, active=0)
    with pytest.raises(OptionError, match=r"schedule: wait must be 0 or more, got -1"):
        schedule(wait=-1, warmup=1, active=1)
    with pytest.raises(OptionError, match="activities"):
        profile(activities=["cuda"])
    with profile(activities=[profiler.ProfilerActivity.CPU]) as p:
        sn.ones(2).exp()
    with pytest.raises(OptionError, match="sort_by must be one of"):
        p.key_averages().table(sort_by="beauty")
    with pytest.raises(OptionError, match="export_stacks"):
        p.export_stacks(tmp_path / "x", "beauty")
    assert ProfilerAction.NONE.value == 0
