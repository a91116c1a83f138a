"""The CPU engine out of memory: an error that names the operation and the bytes, nothing else lost.

Where a limit on addresses (``RLIMIT_AS``) is wanted, a process of its own sets it.
"""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest

import sensorium as sn
from sensorium.backends.cpu import allocator, library, memory, onednn, prepack
from sensorium.errors import OutOfMemoryError
from sensorium.nn import functional as F

pytestmark = [
    pytest.mark.skipif(not onednn.available(), reason=onednn.why_not()),
    pytest.mark.slow,  # processes that run out of memory
]
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

LIMIT = """
import resource, sensorium as sn
from sensorium.errors import OutOfMemoryError
from sensorium.nn import functional as F
from sensorium.backends.cpu import memory, onednn, prepack
def used():
    with open("/proc/self/statm") as file: return int(file.read().split()[0]) * resource.getpagesize()
def limit(more):
    most = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (used() + more if more else most, most))
def refusal(call):
    try: call()
    except MemoryError as error: return str(error)
    return "none"
"""


# -- too large -------------------------------------------------------------------------------------
@linux
def test_what_is_too_large_is_refused_and_the_rest_goes_on(engine_work):
    code = (
        "want = work.results()\n"
        "image, wide = sn.ones(1, 64, 256, 256), sn.ones(4096, 64, 1, 1)\n"
        "rows, flat = sn.ones(40000, 64), sn.ones(1).expand(30000, 30000)\n"
        "query = sn.ones(1, 8, 2048, 64)\n"
        "before = list(memory.plans), prepack.kept(), sorted(map(len, memory._scratchpads))\n"
        "limit(200 << 20)\n"
        "print(refusal(lambda: F.conv2d(image, wide)))\n"
        "print(refusal(lambda: rows @ rows.T))\n"
        "print(refusal(lambda: F.linear(rows, rows)))\n"
        "print(refusal(lambda: F.softmax(flat, -1)))\n"
        "print(refusal(lambda: F.gelu(flat)))\n"
        "got = work.results()\n"
        "assert all(got[k].tobytes() == want[k].tobytes() for k in want)\n"
        "assert list(memory.plans)[:len(before[0])] == before[0] and prepack.kept() >= before[1]\n"
        "assert sorted(map(len, memory._scratchpads)) == before[2]\n"
        "assert F.conv2d(image, wide[:8]).shape == (1, 8, 256, 256)\n"
    )
    told = engine_work.in_child(LIMIT + code).splitlines()
    assert told[0].startswith(
        "conv: not enough memory for an array of 1073741824 bytes (input (1, 64"
    )
    assert told[1].startswith(
        "matmul: not enough memory for an array of 6400000000 bytes (input (400"
    )
    assert told[2].startswith(
        "linear: not enough memory for an array of 6400000000 bytes (input (400"
    )
    assert told[3].startswith("softmax: not enough memory for an array of 3600000000 bytes")
    assert "not enough memory for an array of 3600000000 bytes" in told[4]


@linux
def test_a_gradient_that_is_too_large_leaves_the_graph_usable(engine_work):
    code = (
        "x, w = (sn.ones(4000, 64, requires_grad=True) for _ in range(2))\n"
        "z = x @ w.T\n"
        "y = z.exp()\n"  # its gradient takes 64 MB more
        "memory._release()\n"
        "limit(50 << 20)\n"
        "ones = sn.ones(1).expand(4000, 4000)\n"
        "print(refusal(lambda: sn.autograd.grad(y, x, ones, retain_graph=True)))\n"
        "limit(0)\n"
        "(g,) = sn.autograd.grad(z, x, ones, retain_graph=True)\n"
        "assert (g == 4000).all()\n"
        "(g,) = sn.autograd.grad(y, x, ones)\n"
        "assert (g == g[0, 0]).all() and g[0, 0] > 0\n"
    )
    told = engine_work.in_child(LIMIT + code)
    assert "shape (4000, 4000)" in told or "64000000 bytes" in told


@linux
@pytest.mark.parametrize("room", [4, 20, 60])
def test_no_room_for_a_primitive_is_an_error_not_the_end_of_the_process(engine_work, room):
    code = (
        "sn.ones(300, 300) @ sn.ones(300, 300); np.ones((300, 300)) @ np.ones((300, 300))\n"
        f"limit({room} << 20)\n"
        "refused = 0\n"
        "for name in work.NAMES:\n"
        "    try: work.result(name)\n"
        "    except MemoryError: refused += 1\n"
        "limit(0)\n"
        "assert not work.differences(work.results(), work.results('float64'))\n"
        "print(refused)\n"
    )
    assert 0 <= int(engine_work.in_child(LIMIT + code)) <= len(engine_work.NAMES)


@linux
@pytest.mark.parametrize("also_the_second_time", [False, True])
def test_a_primitive_without_memory_spoils_none_after_it(engine_work, also_the_second_time):
    code = (
        "import threading\n"
        "from sensorium.backends.cpu import library\n"
        "slow = library.load().slow\n"
        "work.results()\n"  # what the library makes once and for all is there
        "memory.forget_plans()\n"
        "create, failing = slow.dnnl_primitive_create, []\n"
        "def without_memory(*args):\n"
        "    here = threading.current_thread() is threading.main_thread()\n"
        f"    if not failing or not (here or {also_the_second_time}): return create(*args)\n"
        "    limit(4096)\n"
        "    status = create(*args)\n"
        "    limit(0)\n"
        "    return status\n"
        "slow.dnnl_primitive_create = without_memory\n"
        "failing.append(1)\n"
        "refused = 0\n"
        "for name in ('gelu', 'silu'):\n"
        "    try: work.result(name)\n"
        "    except OutOfMemoryError: refused += 1\n"
        "failing.clear()\n"
        "assert not work.differences(work.results(), work.results('float64'))\n"
        "memory.forget_plans()\n"
        "assert not work.differences(work.results(), work.results('float64'))\n"
        "print(refused)\n"
    )
    assert engine_work.in_child(LIMIT + code) == ("2" if also_the_second_time else "0")


# -- refused by oneDNN -----------------------------------------------------------------------------
def conv(channels):
    x, w = np.ones((1, channels, 8, 8), np.float32), np.ones((8, channels, 3, 3), np.float32)
    return onednn.conv_forward(x, w, None, (1, 1), (1, 1), (1, 1), 1)


@pytest.mark.parametrize(
    "function", ["primitive_create", "convolution_forward_primitive_desc_create"]
)
def test_a_primitive_that_cannot_be_made_is_named_and_made_later(monkeypatch, function):
    side = "slow" if function == "primitive_create" else "quick"
    where = getattr(library.load(), side)
    memory.forget_plans()
    monkeypatch.setattr(memory, "_failed", threading.local())
    with monkeypatch.context() as patch:
        patch.setattr(where, "dnnl_" + function, lambda *_: 1)  # dnnl_out_of_memory
        with pytest.raises(
            onednn.EngineError, match=r"out of memory for x \(1, 23, 8, 8\), weight"
        ):
            conv(23)
        with pytest.raises(MemoryError):
            conv(23)
    assert not memory.plans
    assert conv(23)[0, 0, 4, 4] == 23 * 9


def test_an_execution_that_fails_gives_back_what_it_borrowed(monkeypatch):
    conv(24)
    (plan,) = [p for key, p in memory.plans.items() if key[0] == "conv" and key[2] == (1, 24, 8, 8)]
    monkeypatch.setattr(plan.run, "_execute", lambda *_: 1)
    idle, pads = len(plan.run._idle), len(memory._scratchpads)
    with pytest.raises(OutOfMemoryError, match=r"convolution_forward: out of memory for x \(1, 24"):
        conv(24)
    assert len(plan.run._idle) == idle and len(memory._scratchpads) == pads
    monkeypatch.undo()
    assert conv(24)[0, 0, 4, 4] == 24 * 9


def test_a_scratchpad_that_is_too_large_is_named_and_idle_ones_are_let_go(monkeypatch):
    x, w = np.ones((2, 16, 20, 20), np.float32), np.ones((16, 16, 3, 3), np.float32)

    def run():
        return onednn.conv_forward(x, w, None, (1, 1), (1, 1), (1, 1), 1)

    want, aligned = run(), memory.aligned
    pads = {p.run._scratch for k, p in memory.plans.items() if k[:3] == ("conv", x.dtype, x.shape)}
    if 0 in pads:
        pytest.skip("this convolution needs no scratchpad here")

    def none_there(size):
        raise MemoryError

    def none_at_all(size):
        return none_there(size) if size in pads else aligned(size)

    monkeypatch.setattr(memory, "_borrow_scratchpad", none_there)
    monkeypatch.setattr(memory, "_scratchpads", [aligned(100)])
    assert np.array_equal(run(), want)  # there was room once the idle ones were gone
    assert 100 not in map(len, memory._scratchpads)
    monkeypatch.setattr(memory, "aligned", none_at_all)
    with pytest.raises(OutOfMemoryError, match=r"a scratchpad of \d+ bytes wanted for x \(2, 16"):
        run()
    monkeypatch.undo()
    assert np.array_equal(run(), want)


def test_a_weight_that_could_not_be_packed_is_packed_the_next_time(monkeypatch):
    x, w = sn.ones(1, 32, 6, 6), sn.ones(32, 32, 3, 3)
    want = F.conv2d(x, w, padding=1)
    prepack.forget()
    before, aligned = prepack.kept(), memory.aligned
    monkeypatch.setattr(memory, "aligned", lambda size: np.empty(1 << 60, np.uint8))
    with pytest.raises(
        OutOfMemoryError, match=f"not enough memory for an array of {1 << 60} bytes"
    ):
        F.conv2d(x, w, padding=1)
    assert prepack.kept() == before
    monkeypatch.setattr(memory, "aligned", aligned)
    for _ in range(2):
        assert np.array_equal(F.conv2d(x, w, padding=1).numpy(), want.numpy())
    assert prepack.kept() == before + 1


def test_no_room_is_noticed_before_the_library_needs_it(monkeypatch):
    monkeypatch.setattr(allocator, "MAPPED", 1 << 62)
    with pytest.raises(
        OutOfMemoryError, match=r"convolution_forward: out of memory, \d+ bytes wanted"
    ):
        conv(25)
    monkeypatch.undo()
    assert conv(25)[0, 0, 4, 4] == 25 * 9
