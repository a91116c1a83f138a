"""Threads, forked children, the bounded cache, and how the CPU engine is found and hidden."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest

from sensorium.backends.cpu import library, memory, onednn, threads
from sensorium.errors import OpError

pytestmark = pytest.mark.skipif(not onednn.available(), reason=onednn.why_not())


@pytest.fixture
def rng():
    return np.random.default_rng(20)


def normal(rng, *shape):
    return rng.standard_normal(shape, np.float32)


def close(got, want, tolerance=1e-5):
    assert got.shape == want.shape
    error = np.abs(got.astype(np.float64) - want).max() / max(np.abs(want).max(), 1e-30)
    assert error <= tolerance, f"relative error {error:.1e}"


# -- threads and processes -----------------------------------------------------------------------
@pytest.fixture
def two_threads():
    before = onednn.get_num_threads()
    yield
    onednn.set_num_threads(before)


def test_the_number_of_threads_does_not_change_results(rng, two_threads):
    x, w = normal(rng, 2, 16, 20, 20), normal(rng, 32, 16, 3, 3)
    a = normal(rng, 100, 300)

    def run():
        y = onednn.conv_forward(x, w, None, (1, 1), (1, 1), (1, 1), 1)
        dw, _ = onednn.conv_backward_weights(y, x, w.shape, (1, 1), (1, 1), (1, 1), 1, False)
        return y, dw, onednn.matmul(a, a.T)

    results = []
    for n in (1, 2, 5):
        onednn.set_num_threads(n)
        assert onednn.get_num_threads() == n
        results.append(run())
        again = run()
        assert all(np.array_equal(p, q) for p, q in zip(results[-1], again))  # bitwise
    for one, other in zip(results[0], results[1]):
        close(one, other.astype(np.float64), 1e-6)


def test_numpy_follows_the_number_of_threads():
    code = IMPORT + (
        "import ctypes; from sensorium.backends.cpu import threads; onednn.set_num_threads(1); "
        "blas = [ctypes.CDLL(p) for p in threads._mapped('openblas')]; "
        "names = ('scipy_openblas_get_num_threads64_', 'openblas_get_num_threads'); "
        "print([getattr(b, n)() for b in blas for n in names if hasattr(b, n)])"
    )
    assert set(python(code)) <= set("[1, ]")


@pytest.mark.parametrize("n", [0, -1, 1.5, True, "2"])
def test_a_number_of_threads_is_a_positive_integer(n):
    with pytest.raises(OpError, match="positive integer"):
        onednn.set_num_threads(n)


def test_many_python_threads_get_their_own_results(rng):
    xs, w = [normal(rng, 1, 32, 12, 12) for _ in range(4)], normal(rng, 32, 32, 3, 3)

    def conv(x):
        return onednn.conv_forward(x, w, None, (1, 1), (1, 1), (1, 1), 1, activation="relu")

    want, wrong = [conv(x) for x in xs], []

    def work(i):
        for _ in range(60):
            if not np.array_equal(conv(xs[i]), want[i]):
                wrong.append(i)

    crew = [threading.Thread(target=work, args=(i % 4,)) for i in range(8)]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    assert not wrong


def run_forked(function):
    """The exit status of a forked child that runs a function; it must end within 20 s."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns where there are threads
        child = multiprocessing.get_context("fork").Process(target=function)
        child.start()
    child.join(20)
    if child.exitcode is None:
        child.kill()
    return child.exitcode


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_computes_on_one_thread(rng):
    x, w = normal(rng, 2, 32, 20, 20), normal(rng, 32, 32, 3, 3)
    want = onednn.conv_forward(x, w, None, (1, 1), (1, 1), (1, 1), 1)

    def child():
        close(onednn.conv_forward(x, w, None, (1, 1), (1, 1), (1, 1), 1), want)
        assert onednn.get_num_threads() == 1
        with pytest.raises(OpError, match="forked"):
            onednn.set_num_threads(2)
        assert run_forked(lambda: onednn.eltwise("gelu", x)) == 0  # and its own children

    assert run_forked(child) == 0
    assert np.array_equal(onednn.conv_forward(x, w, None, (1, 1), (1, 1), (1, 1), 1), want)


def test_plans_are_bounded(rng, monkeypatch):
    monkeypatch.setattr(memory, "CAPACITY", 4)
    memory.forget_plans()
    for n in range(9):
        assert onednn.eltwise("tanh", normal(rng, 10 + n)).shape == (10 + n,)
    assert len(memory.plans) == 4


# -- loading -------------------------------------------------------------------------------------
def python(code, **environment):
    env = {k: v for k, v in os.environ.items() if k != "SENSORIUM_ONEDNN"} | environment
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=env,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


IMPORT = "from sensorium.backends.cpu import onednn; import numpy as np, os; "


def test_importing_and_asking_about_small_arrays_loads_nothing():
    code = IMPORT + (
        "x = np.ones((4, 4), np.float32); onednn.takes_matmul(x, x); onednn.written(x); "
        "print('libdnnl' in open('/proc/self/maps').read())"
    )
    assert python(code) == "False"


def test_the_engine_can_be_hidden():
    code = IMPORT + (
        "x = np.ones((400, 400), np.float32); "
        "print(onednn.available(), onednn.takes_matmul(x, x), repr(onednn.version()), "
        "onednn.has_bfloat16(), onednn.get_num_threads() > 0, onednn.why_not())"
    )
    out = python(code, SENSORIUM_ONEDNN="0")
    assert out == "False False '' False True hidden by SENSORIUM_ONEDNN=0"


def test_loading_leaves_the_environment_as_it_was():
    code = IMPORT + "b = dict(os.environ); onednn.available(); print(b == dict(os.environ))"
    assert python(code) == "True"


def test_omp_num_threads_is_respected():
    assert python(IMPORT + "print(onednn.get_num_threads())", OMP_NUM_THREADS="1") == "1"


def test_a_missing_library_is_a_reason_not_a_crash(monkeypatch):
    monkeypatch.setattr(library, "_loaded", None)
    monkeypatch.setattr(library, "_problem", None)
    monkeypatch.setattr(library, "_candidates", lambda: iter(()))
    assert not library.available() and "pip install onednn-cpu-gomp" in library.why_not()
    with pytest.raises(onednn.Unsupported, match="not available"):
        library.load()


def test_narrower_instruction_sets_give_the_same_results():
    code = IMPORT + (
        "r = np.random.default_rng(0); x, w = (r.standard_normal(s, np.float32) for s in "
        "((2, 16, 9, 9), (16, 16, 3, 3))); x[0, 0, 0, 0] = np.nan; "
        "y = onednn.conv_forward(x, w, None, (1, 1), (1, 1), (1, 1), 1, activation='relu'); "
        "print(onednn.max_isa().replace(' ', '-'), int(np.isnan(y).sum()), float(np.nansum(y))); "
        "print(int(np.isnan(onednn.eltwise('relu', x)).sum()))"
    )
    full, narrow = (python(code, ONEDNN_MAX_CPU_ISA=isa).split() for isa in ("ALL", "AVX2"))
    assert narrow[0] == "AVX2" and narrow[1] == full[1] == "64" and narrow[-1] == full[-1] == "1"
    assert float(full[-2]) == pytest.approx(float(narrow[-2]), rel=1e-5)


def test_threads_know_nothing_before_they_are_asked():
    assert threads.get_num_threads() >= 1
