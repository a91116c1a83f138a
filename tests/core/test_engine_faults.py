"""The CPU engine where something is missing or small: no library, old instructions, few cores.

Every heavy operation and its gradients (``engine_work.py``), in a process of its own for each fault,
against the same operation in float64, which never reaches oneDNN.
"""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest

import sensorium as sn
from sensorium.backends.cpu import library, onednn

pytestmark = pytest.mark.skipif(not onednn.available(), reason=onednn.why_not())

SAVE = "np.savez(os.environ['RESULTS'], **work.results(names=NAMES))\n"
WHY = "from sensorium.backends.cpu import onednn\nprint(onednn.max_isa(), onednn.why_not())\n"


@pytest.fixture(scope="module")
def want(engine_work):
    return engine_work.results("float64")


@pytest.fixture
def run(engine_work, tmp_path):
    """Run every operation in a child after some code: (its results, what it printed)."""

    def run(code="", names=engine_work.NAMES, **environment):
        path, code = tmp_path / "results.npz", f"{code}NAMES = {names!r}\n{SAVE}{WHY}"
        told = engine_work.in_child(code, RESULTS=str(path), **environment)
        with np.load(path) as saved:
            return dict(saved), told

    return run


# -- no engine -----------------------------------------------------------------------------------
def test_without_onednn_the_formulas_give_the_same_numbers(engine_work, want, run):
    got, told = run(SENSORIUM_ONEDNN="0")
    assert not engine_work.differences(got, want)
    assert told == "hidden by SENSORIUM_ONEDNN=0"


def _absent(path):
    path.unlink()


def _empty(path):
    path.write_bytes(b"")


def _no_library(path):
    path.write_bytes(bytes(range(256)) * 400)


def _cut_off(path):  # loading half a library would end the process by SIGBUS
    os.truncate(path, path.stat().st_size // 2)


def _without_gomp(path):  # as on a system that has no libgomp: it wants one that is not there
    path.write_bytes(path.read_bytes().replace(b"libgomp.so.1\0", b"libgomp.so.9\0"))


FAULTS = {
    _absent: "pip install onednn-cpu-gomp",
    _empty: "is damaged (0 bytes)",
    _no_library: "is damaged (102400 bytes)",
    _cut_off: "is damaged",
    _without_gomp: "libgomp.so.9: cannot open shared object file",
}


@pytest.mark.parametrize("spoil", FAULTS, ids=lambda f: f.__name__.strip("_"))
def test_a_library_that_cannot_be_loaded_is_a_reason_not_a_crash(
    engine_work, want, run, tmp_path, spoil
):
    path = tmp_path / library.FILE
    shutil.copyfile(library.load().path, path)
    spoil(path)
    code = (
        "from sensorium.backends.cpu import library\n"
        f"library._candidates = lambda: iter([{str(path)!r}])\n"
    )
    got, told = run(code)
    assert not engine_work.differences(got, want)
    assert FAULTS[spoil] in told


def test_a_thread_library_that_is_gone_is_a_reason_too(engine_work):
    code = (
        "import ctypes\n"
        "class NoGomp(ctypes.CDLL):\n"
        "    def __init__(self, name, *args, **options):\n"
        "        if name and 'gomp' in name: raise OSError(name + ': no such file')\n"
        "        super().__init__(name, *args, **options)\n"
        "ctypes.CDLL = NoGomp\n"
        "assert not work.differences({'linear 0': work.result('linear')[0]},\n"
        "                            {'linear 0': work.result('linear', 'float64')[0]})\n"
    )
    assert "libgomp.so.1: no such file" in engine_work.in_child(code + WHY)


def test_the_doctor_tells_the_reason(engine_work):
    code = (
        "from sensorium.model_zoo.cli.doctor import _engines, _threads\n"
        "print(_engines()['cpu'], _threads()['used'])\n"
    )
    told = engine_work.in_child(code, SENSORIUM_ONEDNN="0", OMP_NUM_THREADS="1")
    assert told == "NumPy alone, slower: hidden by SENSORIUM_ONEDNN=0 1"


# -- older processors ----------------------------------------------------------------------------
@pytest.mark.parametrize("isa", ["AVX2", pytest.param("AVX", marks=pytest.mark.slow), "SSE41"])
def test_narrower_instructions_give_the_same_numbers(engine_work, want, run, isa):
    got, told = run(ONEDNN_MAX_CPU_ISA=isa)
    assert not engine_work.differences(got, want)
    assert told.replace(".", "") in ("SSE41", *[isa, "AVX"][: 1 + (isa == "AVX2")])


BFLOAT16 = """
import sensorium as sn
from sensorium.nn import functional as F
from sensorium.backends.cpu import onednn
def close(got, want):
    got, want = (v.float().numpy() for v in (got, want))
    assert np.abs(got - want).max() <= 5e-2 * np.abs(want).max()
calls = [(F.linear, (64, 256), (192, 256)), (F.conv2d, (2, 32, 14, 14), (48, 32, 3, 3)),
         (lambda a, b: F.softmax(a + b, -1), (8, 40, 40), (8, 40, 40)),
         (lambda a, b: F.gelu(a * b), (40, 400), (40, 400))]
rng = np.random.default_rng(0)
for call, *shapes in calls:
    full = [sn.tensor(rng.standard_normal(s, np.float32)) for s in shapes]
    low = [v.bfloat16().requires_grad_(True) for v in full]
    y = call(*low)
    assert y.dtype == sn.bfloat16
    like = [v.detach().float().requires_grad_(True) for v in low]
    z = call(*like)
    close(y.detach(), z.detach())
    (y * y).sum().backward(); (z * z).sum().backward()
    for a, b in zip(low, like): close(a.grad, b.grad)
import ml_dtypes
a = rng.standard_normal((300, 300), np.float32).astype(ml_dtypes.bfloat16)
try:
    y = onednn.matmul(a, a).astype(np.float32)
    assert np.abs(y - a.astype(np.float32) @ a.astype(np.float32)).max() <= 1
    print("computed", onednn.has_bfloat16())
except onednn.Unsupported:
    print("refused", onednn.has_bfloat16())
"""


@pytest.mark.parametrize("isa", ["ALL", "AVX512_CORE", "AVX2", "SSE41"])
def test_bfloat16_is_right_or_refused_whatever_the_instructions(engine_work, isa):
    told = engine_work.in_child(BFLOAT16, ONEDNN_MAX_CPU_ISA=isa)
    assert told in ("computed True", "computed False", "refused False")
    if isa != "ALL":
        assert told.endswith("False")


# -- few cores, many threads -----------------------------------------------------------------------
THREADS = "import sensorium as sn\nprint(sn.get_num_threads())\n"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_one_core_is_one_thread_and_gives_the_same_numbers(engine_work, want, run):
    code = "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n" + THREADS
    got, told = run(code, OMP_NUM_THREADS=None)
    assert told.split()[0] == "1"
    assert not engine_work.differences(got, want)


@pytest.mark.parametrize(
    "code, environment",
    [(THREADS, {"OMP_NUM_THREADS": "64"}), ("import sensorium as sn\nsn.set_num_threads(64)\n" + THREADS, {})],
    ids=["OMP_NUM_THREADS", "set_num_threads"],
)  # fmt: skip
def test_more_threads_than_cores_give_the_same_numbers(engine_work, run, code, environment):
    names = ("conv", "conv grouped", "transposed", "linear", "attention", "batch norm", "lstm")
    got, told = run(code, names, **environment)
    assert told.split()[0] == "64"
    assert not engine_work.differences(got, engine_work.results("float64", names))


@pytest.fixture
def number_of_threads():
    before = sn.get_num_threads()
    yield sn.set_num_threads
    sn.set_num_threads(before)


def test_results_hardly_depend_on_the_number_of_threads(engine_work, number_of_threads):
    found = {}
    for n in (1, 2, 5):
        number_of_threads(n)
        found[n] = engine_work.results()
    nets = tuple(engine_work.MODULES)
    for n in (2, 5):
        wrong = engine_work.differences(found[n], found[1], 1e-6, 1e-6)
        # in the gradients of a whole net the sums of batch norm cancel: 1.8e-6 was seen
        assert all(key.startswith(nets) and error < 5e-6 for key, error in wrong.items()), wrong


@pytest.mark.parametrize("n", [1, 2, 5])
def test_the_same_number_of_threads_gives_the_same_bytes(engine_work, number_of_threads, n):
    number_of_threads(n)
    first, second = engine_work.results(), engine_work.results()
    assert not [key for key in first if first[key].tobytes() != second[key].tobytes()]
