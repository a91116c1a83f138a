"""State dicts of modules: ``state_dict``, ``load_state_dict``, and the hooks around them.

Loading is all or nothing: every difference between the dict and the module is found first and
reported in one error; only when there is none are values written. Follows ``torch.nn.Module``, whose
loading writes what fits before it raises. Keys, metadata and hook signatures are PyTorch's.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..device import device_of, move
from ..dtypes import CATEGORY, can_cast
from ..errors import StateDictError
from ..inplace import wrote
from ..tensor import Tensor, wrap
from ._hooks import RemovableHandle, add_hook
from ._registry import MODULE, TRANSIENT
from .parameter import Parameter

EXTRA = "_extra_state"
SHOWN = 20  # differences of one kind that an error lists

SAVE_PRE, SAVE_POST, LOAD_PRE, LOAD_POST = range(4)


class IncompatibleKeys(NamedTuple):
    """What ``load_state_dict`` returns: keys the dict lacked, and keys the module has no place for."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return (
            f"IncompatibleKeys(missing_keys={self.missing_keys}, "
            f"unexpected_keys={self.unexpected_keys})"
        )


@dataclass
class Plan:
    """What loading found out and what it is going to do."""

    state: OrderedDict[str, Any]
    metadata: Mapping[str, Any]
    strict: bool
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    writes: list[tuple[Any, str, Any]] = field(default_factory=list)
    extras: list[tuple[Any, Any]] = field(default_factory=list)


class StateMethods:
    """The part of Module that saves and loads."""

    _kinds: dict[str, int]
    _state_hooks: dict[int, tuple[int, Callable[..., Any]]]
    _version: int

    # -- saving ----------------------------------------------------------------------------------
    def state_dict(
        self, *, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> Any:
        """Every parameter and persistent buffer by its dotted name; the values share memory.

        keep_vars: the parameters themselves instead of detached tensors.

        >>> import sensorium as sn
        >>> list(sn.nn.Linear(2, 3).state_dict())
        ['weight', 'bias']
        """
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = metadata
        for hook in self._hooks_of(SAVE_PRE):
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, kind in self._kinds.items():
            module = self.__dict__[name] if kind == MODULE else None
            if module is not None:
                module.state_dict(
                    destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
                )
        for hook in self._hooks_of(SAVE_POST):
            changed = hook(self, destination, prefix, metadata)
            destination = destination if changed is None else changed
        return destination

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        for name, value in _saved_members(self):
            if value is not None:
                destination[prefix + name] = value if keep_vars else value.detach()
        if self._has_extra_state():
            destination[prefix + EXTRA] = self.get_extra_state()

    def get_extra_state(self) -> Any:
        """State that is no tensor, saved under ``_extra_state``; define it with set_extra_state."""
        raise TypeError(f"{type(self).__name__} defines no get_extra_state()")

    def set_extra_state(self, state: Any) -> None:
        """Take back what get_extra_state returned."""
        raise TypeError(f"{type(self).__name__} defines no set_extra_state()")

    def _has_extra_state(self) -> bool:
        return type(self).get_extra_state is not StateMethods.get_extra_state

    # -- loading ---------------------------------------------------------------------------------
    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy the values of state_dict (Tensors or arrays) into the parameters and buffers.

        strict: missing and unexpected keys are errors; a wrong shape always is. assign: the tensors
        of state_dict take the place of the module's instead of being copied into them. Raises
        StateDictError with all differences, and then nothing has been written.

        >>> import sensorium as sn
        >>> layer = sn.nn.Linear(1, 1)
        >>> layer.load_state_dict({"weight": np.ones((1, 1)), "bias": np.zeros(1)})
        <All keys matched successfully>
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(
                f"load_state_dict: want a dict of names and tensors, got {type(state_dict).__name__}"
            )
        metadata = getattr(state_dict, "_metadata", None) or {}
        plan = Plan(OrderedDict(state_dict), metadata, strict)
        _plan_tree(self, "", plan)
        plan.unexpected = sorted(
            set(plan.unexpected) | (set(plan.state) - plan.used), key=_order(plan)
        )
        keys = IncompatibleKeys(plan.missing, plan.unexpected)
        _raise_differences(self, plan)
        for module, name, value in plan.writes:
            _write(module, name, value, assign)
        for module, value in plan.extras:
            module.set_extra_state(value)
        for module in self.modules():  # type: ignore[attr-defined]
            for hook in module._hooks_of(LOAD_POST):
                hook(module, keys)
        return keys

    def _plan_load(self, prefix: str, version: int | None, plan: Plan) -> None:
        """Compare this module's own members with the dict; version is the one that saved it."""
        for name, member in _saved_members(self):
            if member is not None:
                self._plan_member(prefix + name, name, member, plan)
        if self._has_extra_state():
            key = prefix + EXTRA
            plan.used.add(key)
            if key in plan.state:
                plan.extras.append((self, plan.state[key]))
            else:
                plan.missing.append(key)

    def _plan_member(self, key: str, name: str, member: Tensor, plan: Plan) -> None:
        plan.used.add(key)
        if key not in plan.state:
            plan.missing.append(key)
            return
        value, problem = _fitting(key, plan.state[key], member)
        if problem:
            plan.errors.append(problem)
        else:
            plan.writes.append((self, name, value))

    # -- hooks -----------------------------------------------------------------------------------
    def _hooks_of(self, kind: int) -> list[Callable[..., Any]]:
        return [hook for k, hook in list(self._state_hooks.values()) if k == kind]

    def register_state_dict_pre_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Call hook(module, prefix, keep_vars) before this module's state is collected."""
        return add_hook(self._state_hooks, (SAVE_PRE, hook))

    def register_state_dict_post_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Call hook(module, state_dict, prefix, local_metadata) after its state was collected."""
        return add_hook(self._state_hooks, (SAVE_POST, hook))

    def register_load_state_dict_pre_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Call hook before this module's part of a load; it may rename keys of the (copied) dict.

        hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys,
        error_msgs)
        """
        return add_hook(self._state_hooks, (LOAD_PRE, hook))

    def register_load_state_dict_post_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Call hook(module, incompatible_keys) after a load."""
        return add_hook(self._state_hooks, (LOAD_POST, hook))


def _saved_members(module: Any) -> list[tuple[str, Any]]:
    """Parameters, then persistent buffers, as PyTorch orders a state dict."""
    found = [(kind, n) for n, kind in module._kinds.items() if kind not in (TRANSIENT, MODULE)]
    return [(n, module.__dict__[n]) for _, n in sorted(found, key=lambda pair: pair[0])]


# -- planning ------------------------------------------------------------------------------------
def _plan_tree(module: Any, prefix: str, plan: Plan) -> None:
    local = plan.metadata.get(prefix[:-1], {})
    for hook in module._hooks_of(LOAD_PRE):
        hook(
            module, plan.state, prefix, local, plan.strict, plan.missing, plan.unexpected,
            plan.errors,
        )  # fmt: skip
    module._plan_load(prefix, local.get("version"), plan)
    for name, child in module._modules.items():
        if child is not None:
            _plan_tree(child, f"{prefix}{name}.", plan)


def _fitting(key: str, value: Any, member: Tensor) -> tuple[Any, str]:
    """The array to write into member, and what is wrong with it, if anything."""
    array = value.array if isinstance(value, Tensor) else value
    if isinstance(array, (np.generic, int, float, bool)):
        array = np.asarray(array)
    if not hasattr(array, "dtype") or not hasattr(array, "strides"):
        return None, f"{key}: want a Tensor or an array, got {type(value).__name__}"
    if array.dtype not in CATEGORY:
        return None, f"{key}: element type {array.dtype} is none that a tensor has"
    if array.shape == (1,) and member.ndim == 0:  # as PyTorch 0.3 saved numbers
        array = array.reshape(())
    if tuple(array.shape) != tuple(member.shape):
        return (
            None,
            f"{key}: shape {tuple(array.shape)} in the dict, {tuple(member.shape)} in the module",
        )
    if not can_cast(array.dtype, member.dtype):
        return None, f"{key}: type {array.dtype} in the dict, {member.dtype} in the module"
    return array, ""


def _order(plan: Plan) -> Callable[[str], int]:
    places = {key: i for i, key in enumerate(plan.state)}
    return lambda key: places.get(key, len(places))


def _raise_differences(module: Any, plan: Plan) -> None:
    groups = [("wrong shape or type", plan.errors)]
    if plan.strict:
        groups = [("missing", plan.missing), ("unexpected", plan.unexpected), *groups]
    lines = [f"  {title}: {_listed(items)}" for title, items in groups if items]
    if lines:
        raise StateDictError(
            f"load_state_dict: the state dict does not fit {type(module).__name__}, which was left "
            "as it is\n" + "\n".join(lines)
        )


def _listed(items: list[str]) -> str:
    text = (
        ", ".join(items[:SHOWN]) if not any(": " in i for i in items) else "; ".join(items[:SHOWN])
    )
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return f"{len(items)}: {text}{more}"


def beside(array: Any, tensor: Tensor) -> Any:
    """The array in the memory where tensor is; itself if it is there."""
    return array if device_of(array) == tensor.device else move(array, tensor.device)


# -- writing -------------------------------------------------------------------------------------
def _write(module: Any, name: str, array: Any, assign: bool) -> None:
    member = module.__dict__[name]
    if assign:
        _assign(module, name, member, array)
        return
    array = beside(array, member)
    writeable = not isinstance(member.array, np.ndarray) or member.array.flags.writeable
    if writeable:
        np.copyto(member.array, array, casting="unsafe")
        wrote(member)
    else:  # a member that lies in a read-only file map gets memory of its own
        member.array = np.array(array, member.dtype)


def _assign(module: Any, name: str, member: Tensor, array: Any) -> None:
    if isinstance(member, Parameter):
        wants = member.needs_grad and CATEGORY[array.dtype] >= 2
        module.__dict__[name] = Parameter(wrap(array), wants)
    else:
        module.__dict__[name] = wrap(array)
