"""The CPU engine used from many Python threads and in forked children: same results, no deadlock.

Everything that could hang runs in a process of its own, which has a time limit.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import sensorium as sn
from sensorium.backends.cpu import onednn

pytestmark = pytest.mark.skipif(not onednn.available(), reason=onednn.why_not())
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
CREW = 8


@pytest.fixture
def two_threads():
    before = sn.get_num_threads()
    sn.set_num_threads(2)
    yield
    sn.set_num_threads(before)


def run_crew(work):
    """work(i) in eight Python threads at once; what they raised."""
    with ThreadPoolExecutor(CREW) as crew:
        errors = [future.exception() for future in [crew.submit(work, i) for i in range(CREW)]]
    return [error for error in errors if error is not None]


# -- Python threads --------------------------------------------------------------------------------
def test_many_threads_share_a_model_and_have_their_own(engine_work, two_threads):
    names = engine_work.NAMES
    want = {n: engine_work.result(n) for n in names}
    shared = {n: engine_work.build(n) for n in engine_work.MODULES}
    own = [{n: engine_work.build(n) for n in engine_work.MODULES} for _ in range(CREW)]

    def work(i):
        for models in (shared, own[i]):
            for name in (*names[3 * i :], *names[: 3 * i]):  # each at another place
                got = engine_work.result(name, module=models.get(name))
                same = [a.tobytes() == b.tobytes() for a, b in zip(got, want[name])]
                assert all(same), (name, same)

    assert not run_crew(work)


def test_the_number_of_threads_may_change_meanwhile(engine_work, two_threads):
    want = engine_work.results()
    models = [{n: engine_work.build(n) for n in engine_work.MODULES} for _ in range(CREW)]
    stop = threading.Event()

    def change():
        n = 0
        while not stop.wait(0.01):
            sn.set_num_threads(1 + n % 3)
            n += 1

    def work(i):
        got = {
            f"{name} {k}": value
            for name in engine_work.NAMES
            for k, value in enumerate(engine_work.result(name, module=models[i].get(name)))
        }
        assert not engine_work.differences(got, want)

    changer = threading.Thread(target=change)
    changer.start()
    try:
        assert not run_crew(work)
    finally:
        stop.set()
        changer.join()


def test_a_primitive_made_for_some_threads_runs_on_any_number(engine_work):
    code = (
        "import sensorium as sn\n"
        "from sensorium.backends.cpu import library, memory, threads\n"
        "NAMES = [n for n in work.NAMES if n not in work.MODULES or n in ('lstm', 'convnet')]\n"
        "for n in (1, 2):\n"
        "    sn.set_num_threads(n)\n"
        "    first = work.results(names=NAMES)\n"
        "    plans = dict(memory.plans)\n"
        "    for m in (1, 2, 9):\n"
        "        library.load().omp.omp_set_num_threads(m)\n"  # behind the engine's back
        "        again = work.results(names=NAMES)\n"
        "        assert not work.differences(again, first, 1e-5, 1e-5), (n, m)\n"
        "    assert memory.plans == plans\n"
        "print('right')\n"
    )
    assert engine_work.in_child(code) == "right"


@pytest.mark.slow
def test_large_arrays_are_made_in_any_thread():
    x = sn.ones(1, 64, 400, 400)  # 41 MB: malloc serves it outside the arena of a thread

    def work(i):
        y = sn.nn.functional.relu(x * float(i - 4))
        assert float(y.max()) == max(i - 4, 0)

    assert not run_crew(work)


def test_a_scratchpad_is_never_shared_by_two_executions(engine_work, two_threads):
    rng = np.random.default_rng(1)
    xs = [rng.standard_normal((2, 16, 30 + i, 31), np.float32) for i in range(CREW)]
    w = rng.standard_normal((16, 16, 3, 3), np.float32)
    args = ((1, 1), (1, 1), (1, 1), 1)

    def gradient(i):
        g = onednn.conv_forward(xs[i], w, None, *args)
        return onednn.conv_backward_weights(g, xs[i], w.shape, *args, False)[0]

    want = [gradient(i) for i in range(CREW)]

    def work(i):
        for _ in range(30):
            assert np.array_equal(gradient(i), want[i])

    assert not run_crew(work)


# -- fork ------------------------------------------------------------------------------------------
BEGIN = (
    "import multiprocessing, signal, threading, time, warnings, sensorium as sn\n"
    "warnings.simplefilter('ignore', DeprecationWarning)\n"  # 3.12 warns where there are threads
    "from sensorium.backends.cpu import library, memory, onednn, prepack\n"
    "sn.set_num_threads(2)\n"
    "NAMES = ('conv', 'conv depthwise', 'transposed', 'linear', 'attention', 'batch norm', 'lstm',\n"
    "         'convnet', 'transformer')\n"
    "want = work.results(names=NAMES)\n"
    "def right():\n"
    "    return not work.differences(work.results(names=NAMES), want)\n"
    "def forked(function):\n"
    "    child = os.fork()\n"
    "    if not child:\n"
    "        signal.alarm(30)\n"
    "        os._exit(0 if function() else 1)\n"
    "    return os.waitpid(child, 0)[1]\n"
)


@forks
def test_a_child_and_its_child_compute_after_fork(engine_work):
    code = (
        "def child():\n"
        "    return sn.get_num_threads() == 1 and right() and forked(right) == 0\n"
        "print(forked(child), forked(child), right(), sn.get_num_threads())\n"
    )
    assert engine_work.in_child(BEGIN + code) == "0 0 True 2"


@pytest.mark.parametrize("method", [pytest.param("fork", marks=forks), "spawn"])
def test_children_of_multiprocessing_compute(engine_work, method, tmp_path):
    script = tmp_path / "script.py"  # spawn starts the main module again: it must be a file
    script.write_text(
        "import multiprocessing, sys, warnings\n"
        "warnings.simplefilter('ignore', DeprecationWarning)\n"
        f"sys.path.append({os.path.dirname(engine_work.__file__)!r})\n"
        "import engine_work as work\n"
        "NAMES = ('conv', 'linear', 'attention', 'lstm', 'convnet')\n"
        "def results(_):\n"
        "    return work.results(names=NAMES)\n"
        "if __name__ == '__main__':\n"
        "    want = results(0)\n"
        f"    with multiprocessing.get_context({method!r}).Pool(2) as pool:\n"
        "        found = pool.map_async(results, range(4)).get(60)\n"
        "    print([work.differences(got, want) for got in found])\n"
    )
    code = f"import runpy\nrunpy.run_path({str(script)!r}, run_name='__main__')\n"
    if method == "spawn":
        code = (
            "import subprocess\n"
            f"print(subprocess.run([sys.executable, {str(script)!r}], capture_output=True,\n"
            "                      text=True, timeout=100).stdout.strip())\n"
        )
    assert engine_work.in_child(code) == "[{}, {}, {}, {}]"


@forks
def test_a_child_computes_though_a_thread_was_inside_a_primitive(engine_work):
    code = (
        "stop = threading.Event()\n"
        "def busy(i):\n"
        "    models = {n: work.build(n) for n in work.MODULES}\n"
        "    while not stop.is_set():\n"
        "        if i: memory.forget_plans()\n"  # so that primitives are being made as well
        "        for name in NAMES: work.result(name, module=models.get(name))\n"
        "crew = [threading.Thread(target=busy, args=(i,)) for i in range(2)]\n"
        "for thread in crew: thread.start()\n"
        "statuses = []\n"
        "for _ in range(4):\n"
        "    time.sleep(0.02)\n"
        "    statuses.append(forked(right))\n"
        "stop.set()\n"
        "for thread in crew: thread.join()\n"
        "print(statuses, right())\n"
    )
    assert engine_work.in_child(BEGIN + code) == f"{[0] * 4} True"


@forks
def test_fork_takes_the_locks_in_the_order_of_the_others(engine_work):
    code = (
        "begun = threading.Event()\n"
        "def make():\n"  # a plan is being made; an array with packed copies dies meanwhile
        "    with memory._building:\n"
        "        begun.set()\n"
        "        time.sleep(0.3)\n"
        "        with prepack.lock: pass\n"
        "        with library._lock: pass\n"
        "thread = threading.Thread(target=make)\n"
        "thread.start()\n"
        "begun.wait()\n"
        "print(forked(right))\n"
        "thread.join()\n"
    )
    assert engine_work.in_child(BEGIN + code, timeout=30) == "0"


@forks
def test_a_primitive_made_first_thing_after_fork_is_for_one_thread(engine_work):
    code = (
        "from sensorium.backends.cpu import layout\n"
        "def copied():\n"  # not through a plan: a compiled graph makes its primitives like this
        "    shape = (4, 64, 60, 60)\n"
        "    x = np.random.default_rng(0).standard_normal(shape, np.float32)\n"
        "    plain, last = (memory.describe(shape, strides(shape), 3)\n"
        "                   for strides in (memory.c_strides, memory.last_strides))\n"
        "    y = layout.empty_channels_last(shape, x.dtype)\n"
        "    layout.reorder(plain, last, 'test')(memory.pointer(x), memory.pointer(y))\n"
        "    return np.array_equal(x, y)\n"
        "print(copied(), forked(copied))\n"
    )
    assert engine_work.in_child(BEGIN + code, timeout=60) == "True 0"
