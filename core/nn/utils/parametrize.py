"""Parametrizations: a parameter computed from others each time it is read.

``register_parametrization(layer, "weight", module)`` makes ``layer.weight`` equal module(original),
where original is trained in its place, under the key ``parametrizations.weight.original``; a
``right_inverse`` of module returning several tensors gives original0, original1, ... Several
parametrizations of one name are applied in order. Follows ``torch.nn.utils.parametrize``; left out:
``transfer_parametrizations_and_params``.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ...autograd import no_grad
from ...errors import OpError, OptionError, ShapeError
from ...inplace import wrote
from ...tensor import Tensor
from ..containers import ModuleDict, ModuleList
from ..module import Module
from ..parameter import Parameter

_CACHE: dict[tuple[int, str], Tensor] = {}
_DEPTH = [0]  # how many cached() are open


@contextmanager
def cached() -> Iterator[None]:
    """Within it every parametrized tensor is computed once, at its first use.

    >>> import sensorium as sn
    >>> layer = sn.nn.utils.parametrizations.weight_norm(sn.nn.Linear(2, 2))
    >>> with cached():
    ...     layer.weight is layer.weight
    True
    """
    _DEPTH[0] += 1
    try:
        yield
    finally:
        _DEPTH[0] -= 1
        if not _DEPTH[0]:
            _CACHE.clear()


# -- the list --------------------------------------------------------------------------------------
class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, with what they start from; called, it gives the tensor.

    unsafe: the result may differ from the original in shape and type.
    """

    is_tensor: bool
    ntensors: int
    unsafe: bool

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False) -> None:
        if len(modules) == 0:
            raise OptionError("ParametrizationList: want at least one module, got none")
        super().__init__(modules)
        self.unsafe = unsafe
        was = (original.dtype, tuple(original.shape))
        with no_grad():
            start: Any = original
            for module in reversed(list(self)):
                start = _inverted(module, start)
        self._take(start, original)
        if not unsafe:
            _check_kept("register_parametrization", self(), was)

    def _take(self, start: Any, original: Tensor) -> None:
        """Register what the right inverses made of the original."""
        self.is_tensor = isinstance(start, Tensor)
        if not isinstance(start, (Tensor, tuple, list)):
            raise OptionError(
                "register_parametrization: right_inverse must return a tensor or a sequence of "
                f"tensors, got {type(start).__name__}"
            )
        self.ntensors = 1 if self.is_tensor else len(start)
        if isinstance(start, Tensor):
            _check_type("right_inverse", start, original)
            _set(original, start)
            _register(self, "original", original)
            return
        for i, part in enumerate(start):
            held = part.detach()
            held = (
                Parameter(held, original.requires_grad)
                if isinstance(original, Parameter)
                else held.requires_grad_(original.requires_grad)
            )
            _register(self, f"original{i}", held)

    def _originals(self) -> list[Tensor]:
        names = ["original"] if self.is_tensor else [f"original{i}" for i in range(self.ntensors)]
        return [getattr(self, name) for name in names]

    def right_inverse(self, value: Any) -> None:
        """Set the originals so that the parametrized tensor becomes value, as far as it can."""
        with no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise OpError(
                        f"parametrize: {type(module).__name__} has no right_inverse, so the "
                        "parametrized tensor cannot be assigned"
                    )
                value = module.right_inverse(value)
        parts = [value] if self.is_tensor else list(value)
        if len(parts) != self.ntensors:
            raise ShapeError(f"right_inverse: want {self.ntensors} tensors, got {len(parts)}")
        for held, part in zip(self._originals(), parts):
            _check_type("right_inverse", part, held)
            _set(held, part)

    def forward(self) -> Tensor:
        first, *rest = list(self)
        value = first(*self._originals())
        for module in rest:
            value = module(value)
        return value


def _inverted(module: Module, value: Any) -> Any:
    """module.right_inverse(value); value itself where it has none, or says so when called."""
    inverse = getattr(module, "right_inverse", None)
    try:
        return value if inverse is None else inverse(value)
    except NotImplementedError:
        return value


def _set(held: Tensor, value: Tensor) -> None:
    """Give held the values, and if it must be the shape, of value; it stays the same object."""
    if held is value:
        return
    if held.shape == value.shape:
        np.copyto(held.array, value.array)
    else:
        held.array = value.array.copy()
    wrote(held)


def _register(module: Module, name: str, value: Tensor) -> None:
    if isinstance(value, Parameter):
        module.register_parameter(name, value)
    else:
        module.register_buffer(name, value)


def _check_type(name: str, value: Any, held: Tensor) -> None:
    if not isinstance(value, Tensor):
        raise OptionError(f"{name}: must return a tensor, got {type(value).__name__}")
    if value.dtype != held.dtype:
        raise OptionError(f"{name}: must keep the type {held.dtype}, got {value.dtype}")


def _check_kept(name: str, value: Any, was: tuple[Any, tuple[int, ...]]) -> None:
    """Refuse a result that is no tensor, or of another type or shape."""
    if not isinstance(value, Tensor):
        raise OptionError(f"{name}: a parametrization must return a tensor, got {type(value)}")
    now = (value.dtype, tuple(value.shape))
    if now != was:
        raise OptionError(
            f"{name}: a parametrization must keep type and shape {was[0]} {was[1]}, got {now[0]} "
            f"{now[1]}; unsafe=True allows the change"
        )


# -- the module's class ----------------------------------------------------------------------------
def _own_class(module: Module) -> None:
    """Give module a class of its own, on which properties can stand."""
    base: Any = type(module)

    def deep_copy(self: Any, memo: dict[int, Any]) -> Any:
        kind: Any = type(self)
        copied = kind.__new__(kind)
        memo[id(self)] = copied
        copied.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return copied

    def state(self: Any) -> Any:
        raise OpError(
            f"pickle: {type(self).__name__} is parametrized and cannot be pickled; save its "
            "state_dict()"
        )

    def join(self: Any, name: str, value: Any, kind: int) -> None:
        if is_parametrized(self, name):
            raise KeyError(
                f"{type(self).__name__}.{name} is parametrized: assign a plain Tensor, or remove "
                "the parametrization first"
            )
        base._join(self, name, value, kind)

    members: dict[str, Any] = {"__deepcopy__": deep_copy, "__getstate__": state, "_join": join}
    made: Any = type(f"Parametrized{base.__name__}", (base,), members)
    module.__class__ = made


def _computed(name: str) -> property:
    """The property that computes the tensor when read and sets the originals when assigned."""

    def get(self: Any) -> Tensor:
        parametrization = self.parametrizations[name]
        if not _DEPTH[0]:
            return parametrization()
        key = (id(self), name)
        if key not in _CACHE:
            _CACHE[key] = parametrization()
        return _CACHE[key]

    def put(self: Any, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(get, put)


# -- registering -----------------------------------------------------------------------------------
def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Make module's tensor_name the output of parametrization; returns module.

    Registered on a name that is parametrized already, it is applied after what is there. unsafe
    leaves out the check that type and shape are kept.

    >>> import sensorium as sn
    >>> class Symmetric(sn.nn.Module):
    ...     def forward(self, x):
    ...         return x.triu() + x.triu(1).T
    >>> layer = register_parametrization(sn.nn.Linear(3, 3), "weight", Symmetric())
    >>> sn.equal(layer.weight, layer.weight.T), list(layer.state_dict())
    (True, ['bias', 'parametrizations.weight.original'])
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        _append(module, tensor_name, parametrization, unsafe)
        return module
    if tensor_name not in module._parameters and tensor_name not in module._buffers:
        raise OptionError(
            f"register_parametrization: {type(module).__name__} has no parameter, buffer or "
            f"parametrized tensor {tensor_name!r}"
        )
    listed = ParametrizationList([parametrization], getattr(module, tensor_name), unsafe)
    delattr(module, tensor_name)
    if not is_parametrized(module):
        _own_class(module)
        module.parametrizations = ModuleDict()
    setattr(type(module), tensor_name, _computed(tensor_name))
    module.parametrizations[tensor_name] = listed
    return module


def _append(module: Module, name: str, parametrization: Module, unsafe: bool) -> None:
    if not unsafe:
        before = getattr(module, name)
        was = (before.dtype, tuple(before.shape))
        after = parametrization(before)
        _check_kept("register_parametrization", after, was)
        _check_kept("right_inverse", _inverted(parametrization, after), was)
    listed = module.parametrizations[name]
    listed.append(parametrization)
    listed.unsafe |= unsafe


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether module has a parametrization, or one of this name."""
    found = module.__dict__.get("parametrizations")
    if not isinstance(found, ModuleDict):
        return False
    return len(found) > 0 if tensor_name is None else tensor_name in found


def type_before_parametrizations(module: Module) -> type:
    """The class that module had before it was parametrized."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def remove_parametrizations(
    module: Module, tensor_name: str, leave_parametrized: bool = True
) -> Module:
    """Make tensor_name an ordinary parameter again; returns module.

    It keeps the computed value, or with leave_parametrized=False the value of the original.
    """
    if not is_parametrized(module, tensor_name):
        raise OptionError(
            f"remove_parametrizations: {type(module).__name__} has no parametrization of "
            f"{tensor_name!r}"
        )
    listed = module.parametrizations[tensor_name]
    if not listed.is_tensor and not leave_parametrized:
        raise OptionError(
            f"remove_parametrizations: {tensor_name!r} is made of {listed.ntensors} tensors, so "
            "leave_parametrized=False has no single one to leave"
        )
    original = _left(listed, getattr(module, tensor_name), leave_parametrized)
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    if not is_parametrized(module):
        del module.parametrizations
        module.__class__ = type(module).__bases__[0]
    _register(module, tensor_name, original)
    return module


def _left(listed: Any, computed: Tensor, leave_parametrized: bool) -> Tensor:
    """What takes the place of a parametrized tensor."""
    if not listed.is_tensor:
        value = computed.detach().clone()
        return Parameter(value) if computed.requires_grad else value
    if leave_parametrized:
        _set(listed.original, computed.detach())
    return listed.original
