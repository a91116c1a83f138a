"""Finding and loading oneDNN: ``libdnnl.so.3`` through ctypes, lazily, with its C prototypes.

Follows the C API of oneDNN 3 (``dnnl.h``). The library comes from the wheel ``onednn-cpu-gomp``
(Linux x86-64). Importing this module loads nothing: the first call that needs the engine does.
``SENSORIUM_ONEDNN=0`` hides it, as do systems without the library or without ``libgomp``. Left
out: GPUs, SYCL, and the primitives that no op of ours uses.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

from ...errors import OpError, OutOfMemoryError
from . import constants as c
from .allocator import keep_freed_memory

FILE = "libdnnl.so.3"
WHEEL = "onednn-cpu-gomp"
Dims = ctypes.c_int64 * 12


class ExecArg(ctypes.Structure):
    """dnnl_exec_arg_t: what an argument is and where it lies."""

    _fields_ = (("arg", ctypes.c_int), ("memory", ctypes.c_void_p))


class EngineError(OpError):
    """oneDNN refused or failed; the message names the primitive and the shapes."""


class Unsupported(EngineError):
    """oneDNN has no implementation of this combination: the caller takes another way."""


class OutOfMemory(EngineError, OutOfMemoryError):
    """oneDNN, or a scratchpad of its, found no memory. Nothing that was there is lost."""


# -- prototypes: one letter per argument ---------------------------------------------------------
# p handle or pointer, o handle to fill in, d dims array, i int, u unsigned, f float, l int64
_TYPES = {
    "p": ctypes.c_void_p, "o": ctypes.POINTER(ctypes.c_void_p), "d": ctypes.POINTER(ctypes.c_int64),
    "i": ctypes.c_int, "u": ctypes.c_uint, "f": ctypes.c_float, "l": ctypes.c_int64,
}  # fmt: skip
_PROTOTYPES = {
    "engine_create": "oil",
    "stream_create": "opu",
    "memory_create": "oppp",
    "memory_destroy": "p",
    "memory_set_data_handle": "pp",
    "memory_desc_create_with_strides": "oidid",
    "memory_desc_create_with_tag": "oidii",
    "memory_desc_clone": "op",
    "memory_desc_destroy": "p",
    "memory_desc_query": "pip",
    "primitive_attr_create": "o",
    "primitive_attr_set_scratchpad_mode": "pi",
    "primitive_attr_set_post_ops": "pp",
    "primitive_attr_destroy": "p",
    "post_ops_create": "o",
    "post_ops_destroy": "p",
    "post_ops_append_eltwise": "piff",
    "post_ops_append_binary": "pip",
    "post_ops_append_sum": "pfii",
    "primitive_desc_query": "piip",
    "primitive_desc_destroy": "p",
    "primitive_create": "op",
    "primitive_destroy": "p",
    "primitive_execute": "ppip",
    "reorder_primitive_desc_create": "oppppp",
    "matmul_primitive_desc_create": "opppppp",
    "convolution_forward_primitive_desc_create": "opiippppddddp",
    "convolution_backward_data_primitive_desc_create": "opipppddddpp",
    "convolution_backward_weights_primitive_desc_create": "opippppddddpp",
    "pooling_forward_primitive_desc_create": "opiippdddddp",
    "pooling_backward_primitive_desc_create": "opippdddddpp",
    "batch_normalization_forward_primitive_desc_create": "opippfup",
    "batch_normalization_backward_primitive_desc_create": "opipppfupp",
    "layer_normalization_forward_primitive_desc_create": "opipppfup",
    "layer_normalization_backward_primitive_desc_create": "opippppfupp",
    "softmax_forward_primitive_desc_create": "opiippip",
    "softmax_backward_primitive_desc_create": "opipppipp",
    "eltwise_forward_primitive_desc_create": "opiippffp",
    "eltwise_backward_primitive_desc_create": "opipppffpp",
    "binary_primitive_desc_create": "opipppp",
    "lstm_forward_primitive_desc_create": "opii" + "p" * 11 + "up",
    "lstm_backward_primitive_desc_create": "opii" + "p" * 22 + "upp",
    "lbr_gru_forward_primitive_desc_create": "opii" + "p" * 7 + "up",
    "lbr_gru_backward_primitive_desc_create": "opii" + "p" * 14 + "upp",
    "set_max_cpu_isa": "i",
    "set_primitive_cache_capacity": "i",
}


class _Version(ctypes.Structure):
    _fields_ = (
        ("major", ctypes.c_int), ("minor", ctypes.c_int), ("patch", ctypes.c_int),
        ("hash", ctypes.c_char_p), ("cpu_runtime", ctypes.c_uint), ("gpu_runtime", ctypes.c_uint),
    )  # fmt: skip


def _declare(functions: ctypes.CDLL) -> None:
    for name, letters in _PROTOTYPES.items():
        function = getattr(functions, "dnnl_" + name)
        function.argtypes = [_TYPES[letter] for letter in letters]
        function.restype = ctypes.c_int
    functions.dnnl_memory_desc_get_size.argtypes = [ctypes.c_void_p]
    functions.dnnl_memory_desc_get_size.restype = ctypes.c_size_t
    functions.dnnl_version.restype = ctypes.POINTER(_Version)


class Library:
    """The loaded library, one CPU engine and one stream.

    Calls through ``quick`` keep the interpreter lock (they take nanoseconds); calls through
    ``slow`` release it. The CPU stream carries no state, so every thread may use the same one.
    """

    def __init__(self, path: str):
        self.path = path
        self.slow, self.quick = ctypes.CDLL(path), ctypes.PyDLL(path)
        _declare(self.slow)
        _declare(self.quick)
        self.omp = ctypes.CDLL("libgomp.so.1")  # the one libdnnl has just brought in
        # Plans are kept in memory.py. oneDNN's own cache of primitives keeps failed ones too, whose keys
        # point to descriptors that are gone: after one "out of memory" it ends the process.
        self.call("set_primitive_cache_capacity", 0)
        self.engine, self.stream = ctypes.c_void_p(), ctypes.c_void_p()
        self.call("engine_create", self.engine, c.CPU_ENGINE, 0)
        self.call("stream_create", self.stream, self.engine, c.IN_ORDER_STREAM)

    def call(self, name: str, *args: object) -> None:
        """Call ``dnnl_<name>`` and raise on any status but success."""
        status = getattr(self.quick, "dnnl_" + name)(*args)
        if status:
            raise_for(status, name, "")


def raise_for(status: int, name: str, detail: str) -> None:
    """Turn a status into Unsupported or EngineError, naming the primitive and its shapes."""
    reason = c.STATUS[status] if status < len(c.STATUS) else f"status {status}"
    kinds = {c.UNIMPLEMENTED: Unsupported, c.OUT_OF_MEMORY: OutOfMemory}
    kind: type[EngineError] = kinds.get(status, EngineError)
    raise kind(f"oneDNN {name}: {reason}{detail and ' for ' + detail}")


# -- finding -------------------------------------------------------------------------------------
def _candidates() -> Iterator[str]:
    """Where the wheel puts the file, then where the wheel says it is, then the system's own."""
    import ctypes.util  # here, because these three cost 20 ms of `import sensorium` otherwise
    import sysconfig
    from importlib import metadata

    yield os.path.join(sysconfig.get_path("data"), "lib", FILE)
    yield os.path.join(sys.prefix, "lib", FILE)
    try:
        for file in metadata.files(WHEEL) or ():
            if file.name == FILE:
                yield str(file.locate())
    except metadata.PackageNotFoundError:
        pass
    system = ctypes.util.find_library("dnnl")
    if system and system.endswith(".so.3"):
        yield system


def _find() -> str:
    for path in _candidates():
        if os.sep not in path:
            return path
        if os.path.isfile(path):
            _check_whole(path)
            return path
    raise Unsupported(f"{FILE} not found: pip install {WHEEL}")


def _check_whole(path: str) -> None:
    """Raise Unsupported unless a file is as long as its ELF header says.

    The section headers stand last. Loading a file that was cut off ends the process (SIGBUS).
    """
    with open(path, "rb") as file:
        head, size = file.read(64), os.fstat(file.fileno()).st_size
    whole = 0
    if len(head) == 64 and head.startswith(b"\x7fELF\x02"):  # 64 bits
        places = (40, 48), (58, 60), (60, 62)  # where the headers start, one's size, how many
        start, each, count = (int.from_bytes(head[a:b], "little") for a, b in places)
        whole = start + each * count
    if not 0 < whole <= size:
        raise Unsupported(
            f"{path} is damaged ({size} bytes): pip install --force-reinstall {WHEEL}"
        )


def _with_settings(path: str) -> Library:
    """Load with a moderate spin at OpenMP's barriers, unless the user has chosen one.

    A thread that waits spins for a while before it sleeps. Too short, and every small gap between two
    primitives costs waking a sleeper; too long, and where another process keeps a core busy the spinner
    holds the core that its partner needs. Measured on 2 shared cores (25 ns a spin, waking takes 25-35
    us), interleaved runs, 100000 / 10000 / 5000 / 1000 / 0 spins, ms:

    - alone, a GPT-2-like decoding step (best runs): 14.9 / 15.3 / 15.0 / 18 / 19; 20 small
      convolutions: 4.2 / 4.3 / 4.3 / 4.5 / 6.7; a small training step: 5.7 / 5.7 / 5.7 / - / -;
    - beside one busy process (medians), the first two: 356 / 75 / 42-70 / 30 / 26 and
      164 / 29 / 20 / 11 / 8. One thread alone takes 25 and 8.

    Runs of many small primitives that begin after a pause of 50 ms, alone: EfficientNet-B0 takes 33 ms (median)
    with 5000, 13 with 100000; MobileNetV2 24 and 10. So 100000 (2.5 ms) it is: who shares the machine sets
    ``GOMP_SPINCOUNT=5000``, or one thread.

    libgomp reads its variables once, while it is being loaded; they are taken back afterwards so
    that child processes do not inherit them.
    """
    ours = (
        {} if {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & set(os.environ) else {"GOMP_SPINCOUNT": SPIN}
    )
    os.environ.update(ours)
    try:
        return Library(path)
    finally:
        for name in ours:
            os.environ.pop(name, None)


SPIN = "100000"  # about 2.5 ms
_lock = threading.RLock()
_loaded: Library | None = None
_problem: str | None = None  # why loading failed, once it has


def load() -> Library:
    """The library, loaded on the first call. Raises Unsupported where it cannot be."""
    global _loaded, _problem
    if _loaded is not None:
        return _loaded
    with _lock:
        if _loaded is None and _problem is None:
            try:
                _loaded = _open()
            except (OSError, AttributeError, OpError) as error:
                _problem = str(error)
    if _loaded is None:
        raise Unsupported(f"oneDNN is not available: {_problem}")
    return _loaded


def _open() -> Library:
    if os.environ.get("SENSORIUM_ONEDNN", "1").lower() in ("0", "off", "false", "no"):
        raise Unsupported("hidden by SENSORIUM_ONEDNN=0")
    if sys.platform != "linux":
        raise Unsupported(f"the wheel {WHEEL} is for Linux on x86-64, not {sys.platform}")
    library = _with_settings(_find())
    number = library.quick.dnnl_version().contents
    if number.major != 3:
        raise Unsupported(f"{library.path} is version {number.major}, the binding is for version 3")
    keep_freed_memory()
    return library


def loaded() -> bool:
    """Whether the library is in this process already. Loads nothing."""
    return _loaded is not None


def available() -> bool:
    """Whether oneDNN can be used. Loads it if that has not been tried."""
    if _loaded is not None:
        return True
    if _problem is None:
        try:
            load()
        except Unsupported:
            return False
    return _loaded is not None


def why_not() -> str:
    """Why oneDNN cannot be used; empty where it can."""
    return "" if available() else str(_problem)


def version() -> str:
    """The library's version, such as ``3.2.0``; empty without it."""
    if not available():
        return ""
    number = load().quick.dnnl_version().contents
    return f"{number.major}.{number.minor}.{number.patch}"


def max_isa() -> str:
    """The widest instruction set oneDNN will use here; empty without it."""
    if not available():
        return ""
    return c.ISA.get(_isa(), hex(_isa()))


@functools.cache
def _isa() -> int:
    return load().quick.dnnl_get_effective_cpu_isa()


def has_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 natively (AVX512-BF16)."""
    return available() and _isa() & c.ISA_BF16 == c.ISA_BF16


# -- fork ----------------------------------------------------------------------------------------
_across_fork: list[Any] = []  # in the order in which a thread that needs several takes them


def hold_across_fork(lock: Any, *, outermost: bool = False) -> None:
    """Let no child be born while another thread holds this lock: nobody could release it there.

    outermost: a thread that has it may take the others, so that forking must begin with it too.
    """
    _across_fork.insert(0 if outermost else len(_across_fork), lock)


def _acquire_all() -> None:
    for lock in _across_fork:
        lock.acquire()


def _release_all() -> None:
    for lock in reversed(_across_fork):
        lock.release()


hold_across_fork(_lock)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_acquire_all, after_in_parent=_release_all, after_in_child=_release_all
    )
