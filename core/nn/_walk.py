"""Going through a tree of modules: parameters, buffers, children, modules, and their dotted names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..tensor import Tensor
from ._registry import BUFFER, KIND_NAMES, MODULE, PARAMETER, TRANSIENT
from .parameter import Parameter

BUFFERS = (BUFFER, TRANSIENT)


class WalkMethods:
    """The part of Module that iterates and looks up by name."""

    _kinds: dict[str, int]

    # -- iteration -------------------------------------------------------------------------------
    def named_children(self) -> Iterator[tuple[str, Any]]:
        """Pairs of name and direct sub-module, each module once."""
        seen = set()
        for name, kind in list(self._kinds.items()):
            module = self.__dict__[name] if kind == MODULE else None
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Any]:
        """The direct sub-modules, each once."""
        return (module for _, module in self.named_children())

    def named_modules(
        self, memo: set[Any] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Any]]:
        """Pairs of dotted name and module: this one (under prefix), then all below it, depth first."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, kind in list(self._kinds.items()):
            module = self.__dict__[name] if kind == MODULE else None
            if module is not None:
                yield from module.named_modules(memo, _join(prefix, name), remove_duplicate)

    def modules(self) -> Iterator[Any]:
        """This module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Pairs of dotted name and parameter; a shared one once, under its first name.

        >>> import sensorium as sn
        >>> [name for name, _ in sn.nn.Sequential(sn.nn.Linear(2, 3)).named_parameters()]
        ['0.weight', '0.bias']
        """
        return self._named((PARAMETER,), prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, each once; recurse=False: of this module alone."""
        return (p for _, p in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Pairs of dotted name and buffer; a shared one once, under its first name."""
        return self._named(BUFFERS, prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers, each once."""
        return (b for _, b in self.named_buffers(recurse=recurse))

    def _named(
        self, kinds: tuple[int, ...], prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        modules = (
            self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
            if recurse
            else [(prefix, self)]
        )
        for path, module in modules:
            for name, kind in list(module._kinds.items()):
                member = module.__dict__[name] if kind in kinds else None
                if member is None or id(member) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(member))
                yield _join(path, name), member

    def apply(self, fn: Callable[[Any], None]) -> Any:
        """Call fn with every module below this one, then with this one; returns self."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    # -- look-up ---------------------------------------------------------------------------------
    def get_submodule(self, target: str) -> Any:
        """The module with this dotted name; "" is this one.

        >>> import sensorium as sn
        >>> sn.nn.Sequential(sn.nn.Sequential(sn.nn.ReLU())).get_submodule("0.0")
        ReLU()
        """
        found: Any = self
        for name in target.split(".") if target else ():
            if found._kinds.get(name) != MODULE or found.__dict__[name] is None:
                raise AttributeError(
                    f"get_submodule: {type(found).__name__} has no module {name!r} "
                    f"(of {target!r}); it has {_listing(found, (MODULE,))}"
                )
            found = found.__dict__[name]
        return found

    def set_submodule(self, target: str, module: Any, strict: bool = False) -> None:
        """Put module at this dotted name, whose owner exists; strict: only where a module is now.

        >>> import sensorium as sn
        >>> net = sn.nn.Sequential(sn.nn.Sequential(sn.nn.ReLU()))
        >>> net.set_submodule("0.0", sn.nn.Tanh())
        >>> net[0][0]
        Tanh()
        """
        path, _, name = target.rpartition(".")
        if not name or not isinstance(module, WalkMethods):
            raise ValueError(
                f"set_submodule: want a name and a Module, got {target!r} and "
                f"{type(module).__name__}"
            )
        owner = self.get_submodule(path)
        before = getattr(owner, name, None)
        if (strict and before is None) or not isinstance(before, (WalkMethods, type(None))):
            raise AttributeError(
                f"set_submodule: {type(owner).__name__} has no module {name!r} (of {target!r}); "
                f"it has {_listing(owner, (MODULE,))}"
            )
        owner.add_module(name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter with this dotted name."""
        return self._member("get_parameter", target, (PARAMETER,))

    def get_buffer(self, target: str) -> Tensor:
        """The buffer with this dotted name."""
        return self._member("get_buffer", target, BUFFERS)

    def _member(self, function: str, target: str, kinds: tuple[int, ...]) -> Any:
        path, _, name = target.rpartition(".")
        owner = self.get_submodule(path)
        if owner._kinds.get(name) not in kinds:
            raise AttributeError(
                f"{function}: {type(owner).__name__} has no {KIND_NAMES[kinds[0]]} {name!r}; "
                f"it has {_listing(owner, kinds)}"
            )
        return owner.__dict__[name]


def _listing(module: Any, kinds: tuple[int, ...]) -> str:
    return ", ".join(n for n, kind in module._kinds.items() if kind in kinds) or "none"


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name
