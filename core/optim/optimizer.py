"""Optimizer: parameter groups, per-parameter state, state dicts in PyTorch's layout.

A subclass gives its defaults and updates one group in ``_update``, or defines ``step`` as with
PyTorch. Follows ``torch.optim.Optimizer``. There is one implementation of each: ``foreach`` and
``fused`` are taken and change nothing, ``capturable`` and ``differentiable`` are refused.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

import numpy as np

from ..autograd import enable_grad, no_grad
from ..backends.quiet import loud, quiet
from ..dtypes import FLOATING
from ..errors import StateDictError
from ..inplace import wrote
from ..nn._state import beside
from ..tensor import Tensor, wrap
from ._blocks import Blocks, Update
from ._checks import Group, check_named, check_params, split_names
from ._formulas import as_real
from ._hooks import (
    HookMethods,
    hooked,
    no_hooks,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from ._passes import Step

__all__ = [
    "Optimizer",
    "register_optimizer_step_post_hook",
    "register_optimizer_step_pre_hook",
    "required",
]

required: Any = object()  # as a default: every group must say it

SCALARS = frozenset({"step", "mu_product", "eta", "mu"})  # one number for a parameter, on the host


class Optimizer(HookMethods):
    """Changes parameters by their gradients, with options that may differ between groups.

    params: tensors, (name, tensor) pairs, or dicts with "params" and the options of that group.
    """

    _shaped: tuple[str, ...] = ()  # the names of the state that has the shape of its parameter
    _temporaries = 2
    _stepping = _opt_called = _scheduled = False

    def __init_subclass__(cls) -> None:
        if "step" in cls.__dict__ and not hasattr(cls.__dict__["step"], "hooked"):
            cls.step = hooked(cls.__dict__["step"])  # type: ignore[method-assign]

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        if isinstance(params, (Tensor, dict, str)):
            raise TypeError(
                f"{type(self).__name__}: params must be several tensors or groups, got one "
                f"{type(params).__name__}"
            )
        self.defaults = defaults
        self.state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[Group] = []
        self._hooks = no_hooks()
        self._blocks = Blocks(self._temporaries)
        groups = list(params)
        if not groups:
            raise ValueError(f"{type(self).__name__}: got no parameters")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def add_param_group(self, param_group: Group) -> None:
        """Add parameters with options of their own; what is not given is the default."""
        name = type(self).__name__
        if not isinstance(param_group, dict) or "params" not in param_group:
            raise TypeError(
                f'{name}: a group must be a dict with "params", got {param_group!r:.60}'
            )
        params = param_group["params"]
        if isinstance(params, set):
            raise TypeError(f"{name}: parameters must be in an order, got a set")
        params = [params] if isinstance(params, Tensor) else list(params)
        params, names = split_names(name, params)
        check_params(name, params, self.param_groups)
        group = {**self.defaults, **param_group, "params": params}
        missing = [option for option, value in group.items() if value is required]
        if missing:
            raise ValueError(f"{name}: the group does not say {', '.join(missing)}")
        if names:
            group["param_names"] = names
        check_named(name, group, self.param_groups)
        self.param_groups.append(group)

    # -- stepping --------------------------------------------------------------------------------
    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop every gradient, or with set_to_none=False make it zero."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p._grad = None
                elif p._grad is not None:
                    p.grad = p._grad.detach().zero_()

    @hooked
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; closure, if given, computes the loss first."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        token = quiet()
        try:
            with no_grad():
                for group in self.param_groups:
                    self._update(group, [p for p in group["params"] if p._grad is not None])
        finally:
            loud(token)
        return loss

    def _update(self, group: Group, params: list[Tensor]) -> None:
        """Update these parameters of a group, all of which have gradients."""
        raise TypeError(f"{type(self).__name__} defines no _update()")

    def _state_of(self, p: Tensor, *names: str) -> dict[str, Any]:
        """The state of p, with a count of steps and these arrays of zeros where they are not yet."""
        state = self.state[p]
        if not state:
            state["step"] = scalar(0)
        for name in names:
            if name not in state:
                state[name] = zeros_like(p)
        return state

    def _by_step(
        self, params: list[Tensor], names: Iterable[str]
    ) -> dict[float, list[tuple[Tensor, ...]]]:
        """Count a step of each; parameters and their state by the number of the step."""
        found: dict[float, list[tuple[Tensor, ...]]] = {}
        for p in params:
            state = self._state_of(p, *names)
            found.setdefault(count(state), []).append((p, *[state[name] for name in names]))
        return found

    def _run(self, update: Update, p: Tensor, *states: Tensor) -> None:
        """Call update on blocks of p, its gradient and the state, complex ones as pairs of reals."""
        self._blocks.run(update, _arrays(p, states))
        wrote(p)

    def _run_all(self, update: Step, params: list[tuple[Tensor, ...]]) -> None:
        """Update parameters, each followed by its state, in one go."""
        arrays = [_arrays(p, states) for p, *states in params]
        try:
            self._blocks.run_all(update, arrays)
        finally:
            for p, *_ in params:
                wrote(p)

    # -- state -----------------------------------------------------------------------------------
    def state_dict(self) -> dict[str, Any]:
        """{"state": {number: ...}, "param_groups": [...]}, parameters by their number.

        Interchangeable with PyTorch's; the tensors share memory with the optimiser's.
        """
        for hook in list(self._hooks["state_pre"].values()):
            hook(self)
        numbers = {id(p): i for i, p in enumerate(self._all())}
        found = {
            "state": {
                numbers.get(id(p), p): s
                for p, s in self.state.items()
                if id(p) in numbers or not isinstance(p, Tensor)
            },
            "param_groups": [
                {**group, "params": [numbers[id(p)] for p in group["params"]]}
                for group in self.param_groups
            ],
        }
        return self._through("state_post", found)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the options and a copy of the state; raises StateDictError and changes nothing if
        the groups or shapes differ. Tensors take the type and device of their parameters."""
        state_dict = self._through("load_pre", state_dict.copy())
        saved_groups = state_dict["param_groups"]
        _check_groups(self, saved_groups)
        params = dict(zip((n for g in saved_groups for n in g["params"]), self._all()))
        state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        problems: list[str] = []
        for number, saved in state_dict["state"].items():
            if number in params:
                p = params[number]
                state[p] = {k: self._fitted(number, k, v, p, problems) for k, v in saved.items()}
            else:
                state[number] = saved
        if problems:
            raise StateDictError(
                f"{type(self).__name__}.load_state_dict: the state does not fit: {'; '.join(problems)}"
            )
        groups = [
            {**ours, **{k: _copied(v) for k, v in saved.items() if k != "params"}}
            for ours, saved in zip(self.param_groups, saved_groups)
        ]
        self.__setstate__({"state": state, "param_groups": groups})
        for hook in list(self._hooks["load_post"].values()):
            hook(self)

    def _fitted(self, number: Any, key: str, value: Any, p: Tensor, problems: list[str]) -> Any:
        """A copy of a saved value, as the optimiser of p wants it."""
        if isinstance(value, (list, tuple)):
            return type(value)(self._fitted(number, key, v, p, problems) for v in value)
        if not hasattr(value, "dtype"):
            return deepcopy(value)
        array = value.array if isinstance(value, Tensor) else np.asarray(value)
        wanted = self._wanted_shape(key, p)
        if wanted is not None and tuple(array.shape) != tuple(wanted):
            problems.append(
                f"{key} of parameter {number} is {tuple(array.shape)}, wanted {tuple(wanted)}"
            )
            return None
        if key in SCALARS or p.dtype not in FLOATING:
            return wrap(np.array(array) if isinstance(array, np.ndarray) else array.copy())
        return wrap(_like(beside(array, p), p.array))

    def _wanted_shape(self, key: str, p: Tensor) -> tuple[int, ...] | None:
        """The shape that this part of p's state must have, or None if any will do."""
        return tuple(p.array.shape) if key in self._shaped else None

    def _all(self) -> list[Tensor]:
        return [p for group in self.param_groups for p in group["params"]]

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_hooks"}  # they stay behind

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__dict__.setdefault("_hooks", no_hooks())

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines += [f"Parameter Group {i}"]
            lines += [f"    {k}: {group[k]}" for k in sorted(group) if k != "params"]
        return "\n".join([*lines, ")"])


def _arrays(p: Tensor, states: Iterable[Tensor]) -> list[Any]:
    """p, its gradient and its state as arrays, complex ones as pairs of reals."""
    own = p.array
    if isinstance(own, np.ndarray) and not own.flags.writeable:  # a file map, say
        p.array = own = own.copy()
    arrays = [own, p._grad.array, *[s.array for s in states]]  # type: ignore[union-attr]
    return [as_real(a) for a in arrays] if own.dtype.kind == "c" else arrays


def _check_groups(optimizer: Optimizer, saved: list[Group]) -> None:
    ours = [len(g["params"]) for g in optimizer.param_groups]
    theirs = [len(g["params"]) for g in saved]
    if ours != theirs:
        raise StateDictError(
            f"{type(optimizer).__name__}.load_state_dict: groups of {theirs} parameters in the dict, "
            f"{ours} in the optimiser"
        )


def _copied(option: Any) -> Any:
    """A copy of an option of a saved group; a tensor of any library becomes one of ours."""
    if hasattr(option, "dtype") and not isinstance(option, Tensor):
        return wrap(np.array(np.asarray(option)))
    return deepcopy(option)


def _like(array: Any, p: Any) -> Any:
    """A copy in p's type and, so that updates run through both in order, p's memory layout."""
    out = np.empty_like(p, shape=array.shape) if array.shape != p.shape else np.empty_like(p)
    out[...] = array
    return out


# -- state ---------------------------------------------------------------------------------------
def zeros_like(p: Tensor) -> Tensor:
    """Zeros of p's shape, type, device and memory layout."""
    return wrap(np.zeros_like(p.array))


def full_like(p: Tensor, value: float) -> Tensor:
    """value everywhere, and in both parts of a complex number."""
    array = np.empty_like(p.array)
    array[...] = complex(value, value) if array.dtype.kind == "c" else value
    return wrap(array)


def scalar(value: float) -> Tensor:
    """A number of the state, kept in float32 as PyTorch does."""
    return wrap(np.asarray(value, np.float32))


def count(state: dict[str, Any]) -> float:
    """Count a step in the state of a parameter; the number of the step, from 1."""
    step = float(state["step"]) + 1
    state["step"] = scalar(step)
    return step
