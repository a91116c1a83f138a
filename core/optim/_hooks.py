"""Hooks of an optimiser: before and after ``step``, ``state_dict`` and ``load_state_dict``.

``step`` of every subclass is wrapped once, when the class is made, so that an optimiser that defines
a ``step`` of its own has hooks as well. Follows ``torch.optim.optimizer``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from ..errors import OpError
from ..nn._hooks import RemovableHandle, add_hook

Hook = Callable[..., Any]

KINDS = ("step_pre", "step_post", "state_pre", "state_post", "load_pre", "load_post")
_everywhere: dict[str, dict[int, Hook]] = {"step_pre": {}, "step_post": {}}


def register_optimizer_step_pre_hook(hook: Hook) -> RemovableHandle:
    """Call hook(optimizer, args, kwargs) before every step of every optimiser."""
    return add_hook(_everywhere["step_pre"], hook)


def register_optimizer_step_post_hook(hook: Hook) -> RemovableHandle:
    """Call hook(optimizer, args, kwargs) after every step of every optimiser."""
    return add_hook(_everywhere["step_post"], hook)


def hooked(step: Callable[..., Any]) -> Callable[..., Any]:
    """step between its hooks; a step that is called by another (super().step()) runs bare."""

    @wraps(step)
    def wrapper(self: Any, *args: Any, **options: Any) -> Any:
        if self._stepping:
            return step(self, *args, **options)
        hooks = self._hooks
        if hooks["step_pre"] or _everywhere["step_pre"]:
            args, options = _prepared(self, args, options)
        self._stepping = True
        try:
            out = step(self, *args, **options)
        finally:
            self._stepping = False
        self._opt_called = True
        if hooks["step_post"] or _everywhere["step_post"]:
            for hook in [*hooks["step_post"].values(), *_everywhere["step_post"].values()]:
                hook(self, (self, *args), options)
        return out

    wrapper.hooked = True  # type: ignore[attr-defined]
    return wrapper


def _prepared(self: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """What step is called with after the hooks, each of which may replace it."""
    for hook in [*_everywhere["step_pre"].values(), *self._hooks["step_pre"].values()]:
        changed = hook(self, (self, *args), options)
        if changed is None:
            continue
        if not isinstance(changed, tuple) or len(changed) != 2:
            raise OpError(
                f"{type(self).__name__}.step: a pre-hook must return None or (args, kwargs), got "
                f"{type(changed).__name__}"
            )
        (_, *rest), options = changed  # the optimiser itself comes first
        args = tuple(rest)
    return args, options


class HookMethods:
    """The part of Optimizer that registers and runs hooks."""

    _hooks: dict[str, dict[int, Hook]]

    def register_step_pre_hook(self, hook: Hook) -> RemovableHandle:
        """Call hook(optimizer, args, kwargs) before every step; args begins with the optimiser.

        It may return (args, kwargs) for step to use instead.
        """
        return add_hook(self._hooks["step_pre"], hook)

    def register_step_post_hook(self, hook: Hook) -> RemovableHandle:
        """Call hook(optimizer, args, kwargs) after every step."""
        return add_hook(self._hooks["step_post"], hook)

    def register_state_dict_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call hook(optimizer) before ``state_dict``."""
        return add_hook(self._hooks["state_pre"], hook, prepend)

    def register_state_dict_post_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call hook(optimizer, state_dict) after ``state_dict``; it may return another dict."""
        return add_hook(self._hooks["state_post"], hook, prepend)

    def register_load_state_dict_pre_hook(
        self, hook: Hook, prepend: bool = False
    ) -> RemovableHandle:
        """Call hook(optimizer, state_dict) before loading; it may return another dict."""
        return add_hook(self._hooks["load_pre"], hook, prepend)

    def register_load_state_dict_post_hook(
        self, hook: Hook, prepend: bool = False
    ) -> RemovableHandle:
        """Call hook(optimizer) after ``load_state_dict``."""
        return add_hook(self._hooks["load_post"], hook, prepend)

    def _through(self, kind: str, state_dict: dict[str, Any]) -> dict[str, Any]:
        """state_dict as the hooks of this kind leave it."""
        for hook in list(self._hooks[kind].values()):
            changed = hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        return state_dict


def no_hooks() -> dict[str, dict[int, Hook]]:
    """Room for the hooks of one optimiser."""
    return {kind: {} for kind in KINDS}
