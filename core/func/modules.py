"""Modules as functions of their parameters: functional_call, stack_module_state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ..errors import AutogradError, OptionError, StateDictError
from ..nn import Module
from ..tensor import Tensor

State = Mapping[str, Tensor]


# -- functional_call -----------------------------------------------------------------------------
def functional_call(
    module: Module,
    parameter_and_buffer_dicts: dict[str, Tensor] | Sequence[dict[str, Tensor]],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """``module(*args, **kwargs)`` with these tensors in place of its parameters and buffers.

    What is not named keeps the module's own. args: a tuple, or the only argument. tie_weights: a
    tensor given for one name of a shared parameter stands for all its names. strict: the names must
    be the module's, all of them.

    >>> import sensorium as sn
    >>> layer = sn.nn.Linear(2, 1)
    >>> functional_call(layer, {"weight": sn.ones(1, 2), "bias": sn.zeros(1)}, sn.ones(1, 2))
    tensor([[2.]])
    """
    state = _merged(parameter_and_buffer_dicts)
    places = _places(module)
    if strict:
        _check_names(state, places)
    given = _tied(places, state) if tie_weights else dict(state)
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    with _swapped(module, given) as owners:
        try:
            return module(*args, **(kwargs or {}))
        finally:
            for name in state:  # buffers that the module has replaced
                owner, attribute = owners[name]
                if isinstance(state, dict) and owner.__dict__[attribute] is not given[name]:
                    state[name] = owner.__dict__[attribute]


def _merged(dicts: Any) -> dict[str, Tensor]:
    if isinstance(dicts, dict):
        return dicts
    if not isinstance(dicts, Sequence) or not all(isinstance(d, dict) for d in dicts):
        raise OptionError(
            f"functional_call: want a dict or a sequence of dicts, got {type(dicts).__name__}"
        )
    found: dict[str, Tensor] = {}
    for one in dicts:
        twice = sorted(found.keys() & one.keys())
        if twice:
            raise OptionError(f"functional_call: {twice[0]!r} is in more than one dict")
        found.update(one)
    return found


def _places(module: Module) -> dict[str, Tensor]:
    """Every name of a parameter or buffer, shared ones under each of their names."""
    found: dict[str, Tensor] = dict(module.named_parameters(remove_duplicate=False))
    found.update(module.named_buffers(remove_duplicate=False))
    return found


def _check_names(state: State, places: State) -> None:
    missing, unknown = sorted(places.keys() - state.keys()), sorted(state.keys() - places.keys())
    if missing or unknown:
        raise StateDictError(
            f"functional_call: strict=True, but {missing or 'no names'} are missing and "
            f"{unknown or 'no names'} are not the module's"
        )


def _tied(places: State, state: State) -> dict[str, Tensor]:
    """state, and the same tensors for the other names of shared parameters."""
    names: dict[int, list[str]] = {}
    for name, tensor in places.items():
        names.setdefault(id(tensor), []).append(name)
    found = dict(state)
    for group in names.values():
        given = [n for n in group if n in state]
        if len({id(state[n]) for n in given}) > 1:
            raise OptionError(
                f"functional_call: {' and '.join(given)} are one parameter, but got "
                f"{len(given)} tensors; give one, or tie_weights=False"
            )
        for name in group if given else ():
            found[name] = state[given[0]]
    return found


@contextmanager
def _swapped(module: Module, given: State) -> Iterator[dict[str, tuple[Module, str]]]:
    """Inside, the members of the module have these values; yields who has each."""
    modules = dict(module.named_modules(remove_duplicate=False))
    owners: dict[str, tuple[Module, str]] = {}
    for name, tensor in given.items():
        path, _, attribute = name.rpartition(".")
        if path not in modules or attribute not in modules[path].__dict__:
            raise StateDictError(
                f"functional_call: {type(module).__name__} has no parameter or buffer {name!r}"
            )
        if not isinstance(tensor, Tensor):
            raise OptionError(
                f"functional_call: {name!r} must be a Tensor, got {type(tensor).__name__}"
            )
        owners[name] = modules[path], attribute
    before = {name: owner.__dict__[a] for name, (owner, a) in owners.items()}
    try:
        for name, (owner, attribute) in owners.items():
            owner.__dict__[attribute] = given[name]
        yield owners
    finally:
        for name, (owner, attribute) in owners.items():
            owner.__dict__[attribute] = before[name]


# -- ensembles -----------------------------------------------------------------------------------
def stack_module_state(
    models: Sequence[Module],
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The parameters and the buffers of equal models, each stacked along a new first dimension.

    The stacks are leaves, to be trained in place of the models' own.

    >>> import sensorium as sn
    >>> parameters, buffers = stack_module_state([sn.nn.Linear(2, 3) for _ in range(4)])
    >>> parameters["weight"].shape, buffers
    (sensorium.Size([4, 3, 2]), {})
    """
    if len(models) == 0:
        raise AutogradError("stack_module_state: want at least one model, got 0")
    kinds = {type(m).__name__ for m in models}
    if len({type(m) for m in models}) > 1:
        raise AutogradError(f"stack_module_state: want models of one class, got {sorted(kinds)}")
    if len({m.training for m in models}) > 1:
        raise AutogradError(
            "stack_module_state: want all models in one mode, got some in training and some not"
        )
    parameters: list[dict[str, Tensor]] = [dict(m.named_parameters()) for m in models]
    buffers: list[dict[str, Tensor]] = [dict(m.named_buffers()) for m in models]
    return _stacks(parameters), _stacks(buffers)


def _stacks(states: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    from ..ops import stack

    found = {}
    for name, first in states[0].items():
        tensors = [state[name] for state in states]
        if len({t.requires_grad for t in tensors}) > 1:
            raise AutogradError(
                f"stack_module_state: {name} requires a gradient in some models and not in others"
            )
        found[name] = stack([t.detach() for t in tensors]).requires_grad_(first.requires_grad)
    return found
