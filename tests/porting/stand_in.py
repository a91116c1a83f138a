"""``torch`` served by Sensorium to code one does not own: an import finder with its exceptions named.

    import stand_in
    stand_in.install()
    import torch                        # torch.nn is sensorium.nn, torch.Tensor is sensorium.Tensor

A name that Sensorium has is Sensorium's. What PyTorch has and Sensorium leaves out (a compiler, process
groups, ...) is missing and says so, but for the few names of ``STAND_INS``: others' model files touch
them while they are read, so each answers what is true here, or does nothing where nothing is right.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import typing
from collections.abc import Iterator
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace

import sensorium

VERSION = "2.13.0"  # whose names and numbers Sensorium follows: libraries ask before they use a name


def unchanged(value=None, *args, **options):
    """A decorator that changes nothing, with or without arguments of its own."""
    return value if callable(value) else unchanged


def no(*args, **options) -> bool:
    return False


# torch.NAME -> (why it may stand in, its names)
STAND_INS = {
    "jit": (
        "there is no TorchScript: code runs as the Python it is, so marks for it change nothing",
        {
            "script": unchanged,
            "ignore": unchanged,
            "unused": unchanged,
            "export": unchanged,
            "interface": unchanged,
            "script_if_tracing": unchanged,
            "is_scripting": no,
            "is_tracing": no,
            "annotate": lambda kind, value: value,
            "Final": typing.Final,
        },
    ),
    "jit.annotations": ("names for TorchScript's types", {"List": list}),
    "fx": ("there is no graph tracer: a mark of what it must not enter changes nothing", {"wrap": unchanged}),
    "compiler": (
        "torch.compile has no counterpart for foreign code: nothing is ever being compiled",
        {
            "is_compiling": no,
            "is_dynamo_compiling": no,
            "is_exporting": no,
            "disable": unchanged,
            "allow_in_graph": unchanged,
        },
    ),
    "version": ("what PyTorch was built with: no CUDA of its own, no ROCm", {"cuda": None, "hip": None}),
    "_dynamo": ("marks for the compiler's tracer", {"assume_constant_result": unchanged}),
    "_dynamo._trace_wrapped_higher_order_op": (
        "for the compiler's tracing of attention masks: a block in which nothing is different",
        {"TransformGetItemToIndex": contextlib.nullcontext},
    ),
    "utils._pytree": (
        "the table by which PyTorch's tracers unpack classes: nothing reads it",
        {"register_pytree_node": unchanged, "_dict_flatten_with_keys": None, "tree_map": None},
    ),
    "distributed": (
        "there are no process groups",
        {"is_available": no, "is_initialized": no},
    ),
    "hub": (
        "imported by name to download with; sensorium.hub is what loads here, so a call fails",
        {
            "HASH_REGEX": None,
            "download_url_to_file": None,
            "get_dir": None,
            "load_state_dict_from_url": None,
            "urlparse": None,
        },
    ),
}
# Element types that are not here, with their largest numbers (OCP 8-bit floating point, 2023). Tables
# in classes nobody makes here mention them and ask finfo; a tensor of one cannot be made.
NO_DTYPES = {
    "float8_e4m3fn": 448.0,
    "float8_e4m3fnuz": 240.0,
    "float8_e5m2": 57344.0,
    "float8_e5m2fnuz": 57344.0,
    "float8_e8m0fnu": 2.0**127,
}
# torch.NAME that no module of ours is called: where its names are found
ELSEWHERE = {
    "nn.modules": "nn",
    "nn.modules.batchnorm": "nn",
    "nn.modules.transformer": "nn",
}


class _Torch(ModuleType):
    """The module ``torch``: Sensorium's names, ``__version__``, and the stand-ins."""

    __version__ = VERSION
    __path__: typing.ClassVar[list[str]] = []

    def __getattr__(self, name: str):
        if name in STAND_INS:
            return importlib.import_module(f"torch.{name}")
        if name in NO_DTYPES:
            return f"torch.{name}"
        return getattr(sensorium, name)

    def finfo(self, type=None):  # noqa: A002  (PyTorch's name)
        """sensorium.finfo, and the range of the types that are not here."""
        largest = NO_DTYPES.get(str(type).removeprefix("torch."))
        if largest is not None:
            return SimpleNamespace(max=largest, min=-largest)
        return sensorium.finfo(type)


def _ours(name: str) -> ModuleType | None:
    """The module that answers for torch.``name``, or None."""
    if name in STAND_INS:
        module = ModuleType(f"torch.{name}", STAND_INS[name][0])
        module.__dict__.update(STAND_INS[name][1])
        return module
    place = f"sensorium.{ELSEWHERE.get(name, name)}"
    try:
        return importlib.import_module(place)
    except ModuleNotFoundError as error:
        if error.name is None or not place.startswith(error.name):
            raise  # a module of ours that needs something, not one we do not have
        on_the_way = any(known.startswith(f"{name}.") for known in STAND_INS)
        return ModuleType(f"torch.{name}") if on_the_way else None


class Finder(MetaPathFinder, Loader):
    """Answers for ``torch`` and everything below it, and for nothing else."""

    def find_spec(self, fullname: str, path=None, target=None) -> ModuleSpec | None:
        top, _, rest = fullname.partition(".")
        if top != "torch" or (rest and _ours(rest) is None):
            return None
        return ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return _Torch(spec.name) if spec.name == "torch" else None

    def exec_module(self, module: ModuleType) -> None:
        """What stands in sys.modules after this is what ``import`` gives; ours keep their own spec."""
        rest = module.__name__.partition(".")[2]
        if rest:
            found = _ours(rest)
            assert found is not None
            if found.__name__.startswith("torch."):
                found.__path__ = []
            sys.modules[module.__name__] = found


def install() -> None:
    """From here on ``import torch`` gives Sensorium, in this process."""
    if "torch" in sys.modules:
        raise RuntimeError("torch is imported already: stand_in.install() comes first")
    sys.meta_path.insert(0, Finder())


def names() -> Iterator[str]:
    """Every name that stands in, for the page that lists them."""
    for module, (_, found) in STAND_INS.items():
        yield from (f"torch.{module}.{name}" for name in found)
