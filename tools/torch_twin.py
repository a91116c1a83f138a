"""Code and values written for PyTorch, rewritten to run on sensorium.

What is here: ``Namespace`` (``torch.linalg.det`` looked up as ``sensorium.linalg.det``; a name that
is not there is a ``MissingName``), ``rebuilt`` (a function whose global ``torch`` is another
library: the operator database writes many of its operators as lambdas), and ``Copier`` (tensors,
types, devices, layouts and generators of PyTorch as ours, or as fresh ones of PyTorch). Left out:
sparse, quantized and meta tensors, for which ``MissingName`` is raised too.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

import ml_dtypes
import numpy as np
import torch

import sensorium as sn

WRITTEN_FOR_TORCH = "torch.testing._internal"
"""Where the functions live that ``rebuilt`` may rewrite."""


class MissingName(Exception):
    """A name of PyTorch that sensorium does not have; ``str(error)`` is the dotted name."""


class Namespace:
    """A module of ours in the place of PyTorch's."""

    def __init__(self, module: Any, path: str = "") -> None:
        self._module, self._path = module, path

    def __getattr__(self, name: str) -> Any:
        path = f"{self._path}.{name}" if self._path else name
        try:
            value = getattr(self._module, name)
        except AttributeError:
            raise MissingName(path) from None
        return Namespace(value, path) if isinstance(value, ModuleType) else value


OURS = Namespace(sn)


def resolved(path: str) -> Any:
    """What the dotted path names in sensorium."""
    value: Any = OURS
    try:
        for name in path.split("."):
            value = getattr(value, name)
    except (MissingName, AttributeError):
        raise MissingName(path) from None
    return value


# -- functions -----------------------------------------------------------------------------------
class Seeded:
    """Calls a function after seeding its library: stands where the database seeds PyTorch."""

    def __init__(self, library: Any) -> None:
        self.library, self.seed = library, 42

    def __call__(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.library.manual_seed(self.seed)
        return function(*args, **kwargs)


def names_in(code: CodeType) -> set[str]:
    """The global names that a function and the functions inside it may read."""
    inner = [names_in(c) for c in code.co_consts if isinstance(c, CodeType)]
    return set(code.co_names).union(*inner)


def rewritable(value: Any) -> bool:
    """Whether value is a Python function of PyTorch's test package."""
    return isinstance(value, FunctionType) and value.__module__.startswith(WRITTEN_FOR_TORCH)


def rebuilt(function: Any, library: Any, seeded: Seeded) -> Any:
    """The function with ``torch`` meaning library and ``wrapper_set_seed`` meaning seeded.

    Helpers of the same package that it calls, by name or from its closure, are rebuilt as well.
    """
    used = function.__globals__
    names = dict(used) | {"torch": library, "wrapper_set_seed": seeded}
    if "F" in used:
        names["F"] = library.nn.functional
    for name in names_in(function.__code__) - {"wrapper_set_seed"}:
        if rewritable(used.get(name)) and used[name] is not function:
            names[name] = rebuilt(used[name], library, seeded)
    cells = tuple(
        CellType(rebuilt(c.cell_contents, library, seeded)) if rewritable(c.cell_contents) else c
        for c in function.__closure__ or ()
    )
    made = FunctionType(function.__code__, names, function.__name__, function.__defaults__, cells)
    made.__kwdefaults__ = function.__kwdefaults__
    return made


# -- values --------------------------------------------------------------------------------------
def array_of(tensor: torch.Tensor) -> np.ndarray:
    """A PyTorch tensor's elements, with its strides where it has gaps; its memory is shared."""
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_meta:
        raise MissingName(f"{tensor.layout} tensors")
    plain = tensor.detach().resolve_conj().resolve_neg()
    if plain.dtype is torch.bfloat16:
        return plain.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    try:
        return plain.numpy()
    except TypeError:
        raise MissingName(name_of(plain.dtype)) from None


def torch_of(array: np.ndarray) -> torch.Tensor:
    """A copy of an array as a PyTorch tensor."""
    if array.dtype == ml_dtypes.bfloat16:
        return torch.tensor(array.view(np.int16)).view(torch.bfloat16)
    return torch.tensor(array)


def name_of(constant: Any) -> str:
    """``float32`` of ``torch.float32``; also of layouts and memory formats."""
    return str(constant).removeprefix("torch.")


class Copier:
    """Copies a nest of arguments; ``leaves`` are the copies that want a gradient, in order."""

    def __init__(
        self,
        copied: Callable[[torch.Tensor], Any],
        constant: Callable[[Any], Any],
        gradients: bool = False,
    ) -> None:
        self.copied, self.constant, self.gradients = copied, constant, gradients
        self.leaves: list[Any] = []

    def __call__(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return self.tensor(value)
        if isinstance(value, torch.Size):
            return self.constant(value)
        if isinstance(value, (list, tuple)):
            return type(value)(map(self, value))
        if isinstance(value, dict):
            return {key: self(v) for key, v in value.items()}
        if isinstance(value, slice):
            return slice(self(value.start), self(value.stop), self(value.step))
        return self.constant(value)

    def tensor(self, value: torch.Tensor) -> Any:
        """One tensor: a leaf of its library's graph if a gradient is wanted."""
        made = self.copied(value)
        if self.gradients and value.requires_grad:
            made.requires_grad = True
            self.leaves.append(made)
        return made


def to_torch(gradients: bool = False) -> Copier:
    """Fresh tensors of PyTorch: what one call writes into, the next does not see."""
    return Copier(lambda t: t.detach().clone(), lambda value: value, gradients)


def to_ours(gradients: bool = False) -> Copier:
    """The same arguments for sensorium, in memory of their own."""
    return Copier(lambda t: sn.Tensor(np.array(array_of(t), order="K")), our_constant, gradients)


def our_constant(value: Any) -> Any:
    """What is no tensor: types, devices, layouts, generators, layers, functions, plain values."""
    if isinstance(value, torch.Size):
        return tuple(value)
    if isinstance(value, (torch.dtype, torch.layout, torch.memory_format)):
        return resolved(name_of(value))
    if isinstance(value, torch.device):
        return resolved("device")(str(value))
    if isinstance(value, torch.Generator):
        return sn.Generator().manual_seed(value.initial_seed())
    if isinstance(value, torch.nn.Module):
        return resolved(f"nn.{type(value).__name__}")()
    return our_function(value) if callable(value) else value


def our_function(value: Any) -> Any:
    """A callable argument: rebuilt if it was written for PyTorch, ours if it is PyTorch's."""
    if rewritable(value):
        return rebuilt(value, OURS, Seeded(sn))
    module = getattr(value, "__module__", None) or ""
    if module.partition(".")[0] == "torch":
        return resolved(f"{module}.{value.__name__}".partition(".")[2])
    return value
