"""Hostile pickles: nothing they name is touched, nothing they ask for is spent."""

import json

import pytest

from sensorium.errors import FormatError, UnsafeContentError
from sensorium.io.torch_checkpoint import read_object

# What scanners of pickles have missed or what runs code, reads files or opens sockets when called.
GADGETS = [
    ("os", "system"), ("posix", "system"), ("nt", "system"), ("os", "popen"), ("os", "execv"),
    ("builtins", "eval"), ("builtins", "exec"), ("builtins", "compile"), ("builtins", "open"),
    ("builtins", "__import__"), ("builtins", "getattr"), ("builtins", "setattr"),
    ("builtins", "print"), ("builtins", "map"), ("builtins", "apply"), ("builtins", "type"),
    ("__builtin__", "eval"), ("__builtin__", "execfile"), ("__builtin__", "file"),
    ("subprocess", "Popen"), ("subprocess", "check_output"), ("_posixsubprocess", "fork_exec"),
    ("commands", "getoutput"), ("pty", "spawn"), ("socket", "socket"), ("ssl", "SSLContext"),
    ("runpy", "run_path"), ("runpy", "_run_code"), ("code", "InteractiveInterpreter.runcode"),
    ("bdb", "Bdb.run"), ("pdb", "Pdb.run"), ("cProfile", "run"), ("profile", "Profile.run"),
    ("trace", "Trace.run"), ("timeit", "timeit"), ("doctest", "debug_script"),
    ("idlelib.run", "Executive.runcode"), ("lib2to3.pgen2.pgen", "ParserGenerator.make_label"),
    ("asyncio.unix_events", "_UnixSubprocessTransport._start"), ("ensurepip", "_run_pip"),
    ("pip", "main"), ("pydoc", "pipepager"), ("pydoc", "locate"), ("pkgutil", "resolve_name"),
    ("importlib", "import_module"), ("imp", "load_source"), ("ctypes", "CDLL"),
    ("functools", "partial"), ("functools", "reduce"), ("operator", "attrgetter"),
    ("operator", "methodcaller"), ("_operator", "itemgetter"), ("copyreg", "_reconstructor"),
    ("copyreg", "__newobj__"), ("types", "FunctionType"), ("types", "CodeType"),
    ("marshal", "loads"), ("pickle", "loads"), ("_pickle", "Unpickler"), ("dill", "loads"),
    ("cloudpickle", "loads"), ("joblib", "load"), ("shutil", "rmtree"), ("pathlib", "Path"),
    ("webbrowser", "open"), ("smtplib", "SMTP"), ("urllib.request", "urlopen"),
    ("requests", "get"), ("http.client", "HTTPSConnection"), ("logging.config", "dictConfig"),
    ("sys", "modules"), ("_sys", "exit"), ("collections", "_sys.modules"),
    ("signal", "raise_signal"),
    ("collections", "OrderedDict.__init__"), ("collections", "namedtuple"),
    ("numpy.testing._private.utils", "runstring"), ("numpy", "load"), ("numpy", "fromfile"),
    ("numpy.f2py.crackfortran", "getlincoef"), ("numpy.core.multiarray", "fromfile"),
    ("numpy", "memmap"), ("numpy", "dtype.__new__"), ("numpy.lib.npyio", "load"),
    ("torch", "load"), ("torch", "_utils"), ("torch", "_utils._rebuild_tensor_v2"),
    ("torch.hub", "_load_local"), ("torch.storage", "_load_from_bytes"), ("torch", "from_file"),
    ("torch.utils.collect_env", "run"), ("torch.serialization", "load"),
    ("torch.ops", "load_library"),
    ("torch.jit", "load"), ("torch.utils._config_module", "load_config"),
    ("torch.fx", "Interpreter"),
    ("torch.utils.data.datapipes.utils.decoder", "basichandlers"),
    ("torch._inductor.codecache", "compile_file"), ("torch._dynamo.guards", "GuardBuilder.get"),
    ("torch.utils.bottleneck.__main__", "run_cprofile"), ("torch.nn.modules.linear", "Linear"),
    ("torch.distributed.rpc", "rpc_sync"), ("torch._utils", "_import_dotted_name"),
    ("torch._utils", "_rebuild_tensor_v2 "), (" torch._utils", "_rebuild_tensor_v2"),
    ("torch._UTILS", "_rebuild_tensor_v2"), ("", ""), ("torch", ""), ("os\nsystem", ""),
    ("argparse", "Namespace"), ("sensorium.io.atomic", "atomic_write"), ("__main__", "Model"),
]  # fmt: skip

MODULES_AND_NAMES = [pair for pair in GADGETS if "\n" not in pair[0]]


def load(build, body):
    """The value of a pickle whose body is given, inside a zip."""
    return read_object(memoryview(build.torch_zip(build.pkl(body), {})))


def strings(build, module, name):
    return build.text(module) + build.text(name) + b"\x93"


SPELLINGS = {
    "GLOBAL": lambda b, m, n: b.name(m, n),
    "GLOBAL REDUCE": lambda b, m, n: b.name(m, n) + b.tup(b.text("echo")) + b"R",
    "GLOBAL NEWOBJ": lambda b, m, n: b.name(m, n) + b")\x81",
    "STACK_GLOBAL": lambda b, m, n: strings(b, m, n),
    "INST": lambda b, m, n: b"(i" + m.encode() + b"\n" + n.encode() + b"\n",
    "OBJ": lambda b, m, n: b"(" + b.name(m, n) + b"o",
    "in a list": lambda b, m, n: b"](" + b.name(m, n) + b"e",
    "as rebuild function": lambda b, m, n: (
        b.name("torch._tensor", "_rebuild_from_type_v2")
        + b.tup(b.name(m, n), b.name("torch", "Tensor"), b")", b"N")
        + b"R"
    ),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_gadget_is_refused_in_every_spelling(spelling, build):
    for module, name in MODULES_AND_NAMES:
        with pytest.raises(UnsafeContentError, match="only tensors"):
            load(build, SPELLINGS[spelling](build, module, name))


def test_refusal_names_the_global_and_its_place(build):
    with pytest.raises(UnsafeContentError) as caught:
        load(build, b"}(" + build.text("x") + build.call("os", "system", build.text("id")) + b"u")
    assert str(caught.value) == (
        "data.pkl at byte 10: global 'os.system' is not a tensor constructor; "
        "only tensors and plain containers are read"
    )


def test_unsupported_is_not_called_unsafe(build):
    with pytest.raises(FormatError, match=r"quantized tensors .* are not supported") as caught:
        load(build, build.call("torch._utils", "_rebuild_qtensor"))
    assert type(caught.value) is FormatError


AUDIT = """
import json, pickle, sys
sys.path.insert(0, sys.argv[2])
from sensorium.io.torch_checkpoint import read_object
from sensorium.errors import FormatError
import _builders as build
cases = json.loads(open(sys.argv[1]).read())
files = [memoryview(build.torch_zip(bytes.fromhex(case), {})) for case in cases]
files.append(memoryview(build.small_zip()))
seen, modules, refused = [], set(sys.modules), 0
sys.addaudithook(lambda event, _: seen.append(event))
for file in files:
    try:
        read_object(file)
    except FormatError:
        refused += 1
events = [event for event in seen if event != "builtins.id"]  # reads nothing
print(json.dumps([events, sorted(set(sys.modules) - modules), refused, len(cases)]))
"""


def test_nothing_is_executed_imported_or_opened(build, python, tmp_path):
    """An audit hook sees what the interpreter does: reading gadgets does nothing at all."""
    bodies = [spell(build, m, n) for spell in SPELLINGS.values() for m, n in MODULES_AND_NAMES]
    bodies += [b"\x82\x01", b"\x83\x01\x00", b"\x84\x01\x00\x00\x00", b"cos\nsystem\n)}\x92"]
    (tmp_path / "cases").write_text(json.dumps([build.pkl(body).hex() for body in bodies]))
    folder = build.__file__.rpartition("/")[0]
    events, modules, refused, cases = json.loads(python(AUDIT, tmp_path / "cases", folder))
    assert events == []
    assert modules == []
    assert refused == cases


# -- files of a few bytes that would cost gigabytes or hours -------------------------------------
RESOURCES = """
import json, resource, sys, time
sys.path.insert(0, sys.argv[1])
from sensorium.io.torch_checkpoint import read_object
from sensorium.errors import FormatError
import _builders as build
note = [bytes([i]) for i in range(200)]
dag = b")" + b"".join(b"q" + key + b"h" + key + b"\\x86" for key in note)
bomb = build.tensor("ByteStorage", "0", 1, 0, (2**20, 8), (0, 0))
u1 = build.call("numpy", "dtype", build.text("u1"))
cases = {
    "tuple DAG as a key": b"}" + dag + b"Ns",
    "tuple DAG in a set": b"\\x8f(" + dag + b"\\x90",
    "tuple DAG as a value": dag,
    "deep tuple as a key": b"})" + b"\\x85" * 10**6 + b"Ns",
    "deep tuple": b")" + b"\\x85" * 10**6,
    "deep list": b"]" * 300_000 + b"a" * 299_999,
    "marks": b"(" * 10**6,
    "memo 2**30": b"]r\\0\\0\\0\\x40",
    "memo 2**32-1": b"]r\\xff\\xff\\xff\\xff",
    "string of 6 GiB": b"\\x8d\\0\\0\\0\\x80\\1\\0\\0\\0abc",
    "bytearray of 6 GiB": b"\\x96\\0\\0\\0\\x80\\1\\0\\0\\0abc",
    "frame of 2**63": b"\\x95" + b"\\xff" * 8,
    "ten million lists": b"](" + b"]" * 10**7 + b"e",
    "memo entries": b"]" + b"\\x94" * 3 * 10**6,
    "billion laughs": b"]" + b"".join(
        b"q" + bytes([i]) + b"](" + (b"h" + bytes([i])) * 10 + b"e" for i in range(30)
    ),
    "stride bomb": build.tensor("ByteStorage", "0", 1, 0, (2**20, 2**20), (0, 0)),
    "stride bomb, many": b"](" + bomb * 20 + b"e",
    "array of 2**62": build.call(
        "numpy._core.numeric", "_frombuffer", b"C\\1a", u1,
        build.nums(2**62), build.text("C"),
    ),
}
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
limit = 2 << 30
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
results = {}
for name, body in cases.items():
    data = memoryview(build.torch_zip(build.pkl(body), {"0": b"x"}))
    start = time.process_time()
    try:
        read_object(data)
        outcome = "read"
    except FormatError as error:
        outcome = type(error).__name__
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    results[name] = [outcome, time.process_time() - start, len(data), (peak - base) << 10]
print(json.dumps(results))
"""
HARMLESS = {"memo 2**30", "memo 2**32-1"}


def test_resource_pickles_cost_little_and_are_refused(build, python):
    folder = build.__file__.rpartition("/")[0]
    results = json.loads(python(RESOURCES, folder))
    for name, (outcome, seconds, size, grown) in results.items():
        assert (outcome == "read") == (name in HARMLESS), name
        assert seconds < 2 + size / 2e6, name
        assert grown < (64 << 20) + 6 * 10**7 + 2 * size, name
