"""Optimizer: parameter groups, per-parameter state, state dicts in PyTorch's layout.

A subclass gives its defaults and updates one group in ``_update``. Follows ``torch.optim.Optimizer``.
Left out: ``foreach``, ``fused``, ``capturable`` and ``differentiable``, which choose between
implementations that do not exist here.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

import numpy as np

from ..autograd import enable_grad, no_grad
from ..dtypes import FLOATING
from ..errors import StateDictError
from ..nn._hooks import RemovableHandle, add_hook
from ..nn._state import beside
from ..tensor import Tensor, wrap

Group = dict[str, Any]


class Optimizer:
    """Changes parameters by their gradients, with options that may differ between groups.

    params: tensors, or dicts with "params" and the options of that group.
    """

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        if isinstance(params, (Tensor, dict, str)):
            raise TypeError(
                f"{type(self).__name__}: params must be several tensors or groups, got one "
                f"{type(params).__name__}"
            )
        self.defaults = defaults
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[Group] = []
        self._step_count = 0
        self._hooks: dict[int, tuple[str, Callable[..., Any]]] = OrderedDict()
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
        _check_params(name, params, self.param_groups)
        self.param_groups.append({**self.defaults, **param_group, "params": params})

    # -- stepping --------------------------------------------------------------------------------
    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop every gradient, or with set_to_none=False make it zero."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p._grad = None
                elif p._grad is not None:
                    p.grad = p._grad.detach().zero_()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; closure, if given, computes the loss first."""
        self._run_hooks("pre", closure)
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with no_grad():
            for group in self.param_groups:
                self._update(group, [p for p in group["params"] if p._grad is not None])
        self._step_count += 1
        self._run_hooks("post", closure)
        return loss

    def _update(self, group: Group, params: list[Tensor]) -> None:
        """Update these parameters of a group, all of which have gradients."""
        raise TypeError(f"{type(self).__name__} defines no _update()")

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(optimizer, args, kwargs) before every step."""
        return add_hook(self._hooks, ("pre", hook))

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(optimizer, args, kwargs) after every step."""
        return add_hook(self._hooks, ("post", hook))

    def _run_hooks(self, kind: str, closure: Any) -> None:
        for k, hook in list(self._hooks.values()):
            if k == kind:
                hook(self, () if closure is None else (closure,), {})

    # -- state -----------------------------------------------------------------------------------
    def state_dict(self) -> dict[str, Any]:
        """{"state": {number: ...}, "param_groups": [...]}, parameters by their number.

        Interchangeable with PyTorch's; the tensors share memory with the optimiser's.
        """
        numbers = {id(p): i for i, p in enumerate(self._all())}
        return {
            "state": {numbers[id(p)]: s for p, s in self.state.items() if id(p) in numbers},
            "param_groups": [
                {**group, "params": [numbers[id(p)] for p in group["params"]]}
                for group in self.param_groups
            ],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the options and a copy of the state; raises StateDictError and changes nothing if
        the groups or shapes differ. Tensors take the type and device of their parameters."""
        saved_groups = state_dict["param_groups"]
        _check_groups(self, saved_groups)
        params = dict(zip((n for g in saved_groups for n in g["params"]), self._all()))
        state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        problems: list[str] = []
        for number, saved in state_dict["state"].items():
            p = params[number]
            state[p] = {k: _fitted(number, k, v, p, problems) for k, v in saved.items()}
        if problems:
            raise StateDictError(
                f"{type(self).__name__}.load_state_dict: the state does not fit: {'; '.join(problems)}"
            )
        self.state = state
        self.param_groups = [
            {**ours, **deepcopy({k: v for k, v in saved.items() if k != "params"})}
            for ours, saved in zip(self.param_groups, saved_groups)
        ]

    def _all(self) -> list[Tensor]:
        return [p for group in self.param_groups for p in group["params"]]

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines += [f"Parameter Group {i}"]
            lines += [f"    {k}: {group[k]}" for k in sorted(group) if k != "params"]
        return "\n".join([*lines, ")"])


def _check_params(name: str, params: list[Any], groups: list[Group]) -> None:
    known = {id(p) for group in groups for p in group["params"]}
    for i, p in enumerate(params):
        if not isinstance(p, Tensor):
            raise TypeError(f"{name}: parameter {i} must be a Tensor, got {type(p).__name__}")
        if p.node is not None:
            raise ValueError(f"{name}: parameter {i} was computed by {p.node.op.name}; want a leaf")
        if id(p) in known:
            raise ValueError(f"{name}: parameter {i} (shape {tuple(p.shape)}) is there twice")
        known.add(id(p))


def _check_groups(optimizer: Optimizer, saved: list[Group]) -> None:
    ours = [len(g["params"]) for g in optimizer.param_groups]
    theirs = [len(g["params"]) for g in saved]
    if ours != theirs:
        raise StateDictError(
            f"{type(optimizer).__name__}.load_state_dict: groups of {theirs} parameters in the dict, "
            f"{ours} in the optimiser"
        )


def _fitted(number: Any, key: str, value: Any, p: Tensor, problems: list[str]) -> Any:
    """A copy of a saved value, as p's optimiser wants it."""
    if not hasattr(value, "dtype"):
        return deepcopy(value)
    array = value.array if isinstance(value, Tensor) else np.asarray(value)
    if array.ndim and array.shape != p.array.shape:
        problems.append(f"{key} of parameter {number} is {array.shape}, wanted {tuple(p.shape)}")
        return None
    if key == "step" or p.dtype not in FLOATING:
        return wrap(np.array(array) if isinstance(array, np.ndarray) else array.copy())
    return wrap(_like(beside(array, p), p.array))


def _like(array: Any, p: Any) -> Any:
    """A copy in p's type and, so that updates run through both in order, p's memory layout."""
    out = np.empty_like(p, shape=array.shape) if array.shape != p.shape else np.empty_like(p)
    out[...] = array
    return out


# -- what the optimisers share -------------------------------------------------------------------
def check_not_negative(name: str, **options: Any) -> None:
    """Raise ValueError for an option below 0 (or nan)."""
    for option, value in options.items():
        if not float(value) >= 0.0:
            raise ValueError(f"{name}: {option} must be at least 0, got {value}")


def zeros_like(p: Tensor) -> Tensor:
    """Zeros of p's shape, type, device and memory layout."""
    return wrap(np.zeros_like(p.array))


def descent(p: Any, g: Any, weight_decay: float, maximize: bool, t: list[Any]) -> Any:
    """The direction to go against: g (negated to maximise) + weight_decay p, in t[0] if not g."""
    if maximize:
        g = np.negative(g, out=t[0])
    if weight_decay:
        np.multiply(p, weight_decay, out=t[1])
        g = np.add(g, t[1], out=t[0])
    return g
