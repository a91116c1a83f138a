"""What only some tensors carry: the note of being a view, of views and hooks; and hook handles."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from .tensor import Tensor


class Extra:
    """What only some tensors have: the tensor they are a view of, live views, hooks.

    steps are the view ops, with their options, that lead from base to the view.
    """

    __slots__ = (
        "accumulated",
        "accumulator",
        "base",
        "hooks",
        "retains",
        "steps",
        "unrecorded",
        "views",
    )

    base: Tensor | None
    steps: tuple[tuple[Callable[..., Tensor], tuple[Any, ...]], ...]
    views: list[weakref.ref[Tensor]] | None
    hooks: list[Callable[[Tensor], Tensor | None]] | None
    accumulated: list[Callable[[Tensor], None]] | None  # run when a leaf's grad has been added to
    accumulator: weakref.ref[Any] | None  # what stands for a leaf in ``next_functions``
    unrecorded: Tensor | None  # of a view made under no_grad: the tensor it is a view of

    def __init__(self) -> None:
        self.base = self.views = self.hooks = self.accumulated = self.accumulator = None
        self.unrecorded = None
        self.steps, self.retains = (), False


class Handle:
    """Removes the hook it was returned for; also a context manager."""

    def __init__(self, hooks: list[Any], hook: Any) -> None:
        self._hooks, self._hook = hooks, hook

    def remove(self) -> None:
        """Unregister the hook; a second call does nothing."""
        if self._hook in self._hooks:
            self._hooks.remove(self._hook)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()
