"""How pruning hangs in a module: the hook that multiplies by a mask, and several of them in a row.

What chooses the elements is in ``prune.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...errors import OptionError, OutOfBoundsError, ShapeError
from ...tensor import Tensor, wrap
from .._hooks import PRE
from .._registry import PARAMETER
from ..module import Module


# -- the methods' base -----------------------------------------------------------------------------
class BasePruningMethod:
    """A way of pruning: a subclass defines ``PRUNING_TYPE`` and ``compute_mask(t, default_mask)``.

    PRUNING_TYPE: "unstructured" (single elements), "structured" (slices along ``self.dim``) or "global"
    (the mask as a whole). An instance is the forward pre-hook of the module it prunes.
    """

    PRUNING_TYPE: str
    _tensor_name: str

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self._tensor_name, self.apply_mask(module))

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The new mask: default_mask with zeros where t's elements go."""
        raise TypeError(f"{type(self).__name__} defines no compute_mask()")

    def apply_mask(self, module: Module) -> Tensor:
        """The module's original tensor times its mask."""
        mask, original = (getattr(module, self._tensor_name + end) for end in ("_mask", "_orig"))
        return mask.to(original.dtype) * original

    @classmethod
    def apply(
        cls, module: Module, name: str, *args: Any, importance_scores: Any = None, **kwargs: Any
    ) -> Any:
        """Prune module's tensor name by cls(*args, **kwargs), after what pruned it before.

        importance_scores: what stands for the tensor when elements are chosen.
        """
        method, before = cls(*args, **kwargs), hook_of(module, name)
        method._tensor_name = name
        tensor = getattr(module, name)
        scores = tensor if importance_scores is None else importance_scores
        check_scores(name, tensor, scores)
        if before is None:
            mask = method.compute_mask(scores.detach(), wrap(np.ones_like(tensor.array)))
            return _start(module, name, method, mask)
        chain = before if isinstance(before, PruningContainer) else PruningContainer(before)
        old = getattr(module, name + "_mask").detach().clone()
        mask = PruningContainer.combined(method, scores.detach(), old)
        chain.add_pruning_method(method)
        drop_hook(module, before)
        return _install(module, name, chain, mask)

    def prune(self, t: Tensor, default_mask: Any = None, importance_scores: Any = None) -> Tensor:
        """t times its mask; no module is changed."""
        scores = t if importance_scores is None else importance_scores
        check_scores("t", t, scores)
        start = wrap(np.ones_like(t.array)) if default_mask is None else default_mask
        return t * self.compute_mask(scores.detach(), default_mask=start)

    def remove(self, module: Module) -> None:
        """Make the masked tensor the parameter again, and forget original and mask."""
        name = self._tensor_name
        value = self.apply_mask(module).detach()
        original = getattr(module, name + "_orig")
        for gone in (name, name + "_orig", name + "_mask"):
            delattr(module, gone)
        original.data = value
        module.register_parameter(name, original)


def check_scores(name: str, tensor: Tensor, scores: Tensor) -> None:
    if scores.shape != tensor.shape:
        raise ShapeError(
            f"prune: importance_scores {tuple(scores.shape)} must have the shape of {name} "
            f"{tuple(tensor.shape)}"
        )


def _start(module: Module, name: str, method: BasePruningMethod, mask: Tensor) -> Any:
    """The first pruning of a tensor: its parameter moves to another name."""
    if module._kinds.get(name) != PARAMETER:
        raise OptionError(f"prune: {type(module).__name__} has no parameter {name!r}")
    original = getattr(module, name)
    delattr(module, name)
    module.register_parameter(name + "_orig", original)
    return _install(module, name, method, mask)


def _install(module: Module, name: str, method: BasePruningMethod, mask: Tensor) -> Any:
    module.register_buffer(name + "_mask", mask)
    setattr(module, name, method.apply_mask(module))
    module.register_forward_pre_hook(method)
    return method


def hooks(module: Module) -> list[tuple[int, BasePruningMethod]]:
    return [
        (key, hook.call)
        for key, hook in module._hooks.items()
        if hook.kind == PRE and isinstance(hook.call, BasePruningMethod)
    ]


def hook_of(module: Module, name: str) -> BasePruningMethod | None:
    return next((m for _, m in hooks(module) if m._tensor_name == name), None)


def drop_hook(module: Module, method: BasePruningMethod) -> None:
    for key, found in hooks(module):
        if found is method:
            del module._hooks[key]


def checked_dim(t: Tensor, dim: int) -> int:
    if t.ndim < 2:
        raise ShapeError(f"prune: slices want at least 2 dimensions, got {tuple(t.shape)}")
    if not -t.ndim <= dim < t.ndim:
        raise OutOfBoundsError(f"prune: dim {dim} is out of range for shape {tuple(t.shape)}")
    return dim % t.ndim


class PruningContainer(BasePruningMethod):
    """Several methods on one tensor, in order; the last chooses among what the others left."""

    PRUNING_TYPE = "global"

    def __init__(self, *args: BasePruningMethod) -> None:
        self._pruning_methods: tuple[BasePruningMethod, ...] = ()
        if args:
            self._tensor_name = args[0]._tensor_name
        for method in args:
            self.add_pruning_method(method)

    def add_pruning_method(self, method: Any) -> None:
        """Add one that acts on a tensor of the same name."""
        if not isinstance(method, BasePruningMethod):
            raise TypeError(f"prune: want a BasePruningMethod, got {type(method).__name__}")
        if method._tensor_name != self._tensor_name:
            raise OptionError(
                f"prune: the container acts on {self._tensor_name!r}, the method on "
                f"{method._tensor_name!r}"
            )
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Iterator[BasePruningMethod]:
        return iter(self._pruning_methods)

    def __getitem__(self, idx: int) -> BasePruningMethod:
        return self._pruning_methods[idx]

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return self.combined(self._pruning_methods[-1], t, default_mask)

    @staticmethod
    def combined(method: BasePruningMethod, t: Tensor, mask: Tensor) -> Tensor:
        """mask after method chose among the elements or slices that it does not drop."""
        new, x = mask.array.astype(t.dtype), t.array
        kept: Any = slice(None)
        if method.PRUNING_TYPE == "unstructured":
            kept = new == 1
        elif method.PRUNING_TYPE == "structured":
            dim = checked_dim(t, method.dim)  # type: ignore[attr-defined]
            alive = new.any(tuple(d for d in range(new.ndim) if d != dim))
            kept = (slice(None),) * dim + (alive,)
        elif method.PRUNING_TYPE != "global":
            raise OptionError(f"prune: no PRUNING_TYPE {method.PRUNING_TYPE!r}")
        part = method.compute_mask(wrap(x[kept]), default_mask=wrap(new[kept]))
        new[kept] = part.array
        return wrap(new)
