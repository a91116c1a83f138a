"""Modules that hold others: Sequential, ModuleList, ModuleDict, ParameterList, ParameterDict.

Follows ``torch.nn.modules.container``. A deviation: ParameterList and ParameterDict hold parameters
and other tensors (as buffers) only, not arbitrary objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, Self

from ..errors import OutOfBoundsError
from ..tensor import Tensor
from ._registry import BUFFER, MODULE, PARAMETER, TRANSIENT
from .module import Module
from .parameter import Buffer, Parameter

TENSORS = (PARAMETER, BUFFER, TRANSIENT)


class _Numbered(Module):
    """What lists of modules and of parameters share: members named "0", "1", ..."""

    _held: tuple[int, ...] = (MODULE,)

    def _names(self) -> list[str]:
        return [name for name, kind in self._kinds.items() if kind in self._held]

    def _place(self, index: Any) -> int:
        """index, possibly negative, as a position."""
        n = len(self)
        index = index.__index__()
        if not -n <= index < n:
            raise OutOfBoundsError(
                f"{type(self).__name__}: index {index} is out of range for {n} members"
            )
        return index % n

    def _replace_all(self, members: Iterable[Any]) -> None:
        """Hold exactly these, numbered from 0."""
        for name in self._names():
            delattr(self, name)
        for i, member in enumerate(members):
            self._hold(str(i), member)

    def _hold(self, name: str, member: Any) -> None:
        self.add_module(name, member)

    def _members(self) -> list[Any]:
        return [self.__dict__[name] for name in self._names()]

    def __len__(self) -> int:
        return len(self._names())

    def __iter__(self) -> Iterator[Any]:
        return iter(self._members())

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            alike: Any = type(self)
            return alike(self._members()[index])
        return self.__dict__[self._names()[self._place(index)]]

    def __setitem__(self, index: int, member: Any) -> None:
        self._hold(self._names()[self._place(index)], member)

    def __delitem__(self, index: Any) -> None:
        members = self._members()
        del members[index if isinstance(index, slice) else self._place(index)]
        self._replace_all(members)

    def append(self, member: Any) -> Any:
        """Add one at the end; returns self."""
        self._hold(str(len(self)), member)
        return self

    def insert(self, index: int, member: Any) -> Any:
        """Put one before the position index; returns self."""
        n = len(self)
        if not -n <= index <= n:
            raise OutOfBoundsError(
                f"{type(self).__name__}.insert: index {index} is out of range for {n} members"
            )
        members = self._members()
        members.insert(index, member)
        self._replace_all(members)
        return self

    def extend(self, members: Iterable[Any]) -> Any:
        """Add several at the end; returns self."""
        if not isinstance(members, Iterable):
            raise TypeError(
                f"{type(self).__name__}.extend: want several members, got {type(members).__name__}"
            )
        for member in list(members):
            self.append(member)
        return self

    def pop(self, index: int) -> Any:
        """Take one out and return it."""
        member = self[index]
        del self[index]
        return member

    def __iadd__(self, members: Iterable[Any]) -> Any:
        return self.extend(members)

    def __add__(self, other: Iterable[Any]) -> Any:
        alike: Any = type(self)
        return alike([*self, *other])


class Sequential(_Numbered):
    """The output of each module is the input of the next; also from an OrderedDict of named ones.

    >>> import sensorium as sn
    >>> sn.nn.Sequential(sn.nn.Flatten(), sn.nn.ReLU())
    Sequential(
      (0): Flatten(start_dim=1, end_dim=-1)
      (1): ReLU()
    )
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            for i, module in enumerate(args):
                self.add_module(str(i), module)

    def forward(self, input: Any) -> Any:
        own = self.__dict__
        for name, kind in self._kinds.items():
            if kind == MODULE:
                input = own[name](input)
        return input

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            names = self._names()[index]
            return type(self)({name: self.__dict__[name] for name in names})
        return super().__getitem__(index)

    def __add__(self, other: Iterable[Any]) -> Sequential:
        return Sequential(*self, *other)

    def __mul__(self, times: int) -> Sequential:
        if not isinstance(times, int) or times < 1:
            raise ValueError(
                f"Sequential: can be repeated a positive number of times, not {times!r}"
            )
        return Sequential(*list(self) * times)

    __rmul__ = __mul__

    def __delitem__(self, index: Any) -> None:
        names = (
            self._names()[index]
            if isinstance(index, slice)
            else [self._names()[self._place(index)]]
        )
        kept = [(n, self.__dict__[n]) for n in self._names() if n not in names]
        numbered = all(n.isdigit() for n in self._names())
        self._replace_all(())
        for i, (name, module) in enumerate(kept):
            self.add_module(str(i) if numbered else name, module)


class ModuleList(_Numbered):
    """Modules in a list; they are registered but not called.

    >>> import sensorium as sn
    >>> len(sn.nn.ModuleList([sn.nn.ReLU(), sn.nn.ReLU()]))
    2
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(modules if modules is not None else ())

    def __repr__(self) -> str:
        """Equal neighbours are shown once, with their number."""
        lines, first = [], 0
        for text, equal in groupby(map(repr, self)):
            n = sum(1 for _ in equal)
            place = f"({first}): " if n == 1 else f"({first}-{first + n - 1}): {n} x "
            lines.append("\n  " + place + text.replace("\n", "\n  "))
            first += n
        return f"{self._get_name()}(" + "".join(lines) + ("\n)" if lines else ")")


class ParameterList(_Numbered):
    """Parameters in a list; a Tensor becomes a Parameter, a Buffer a buffer.

    >>> import sensorium as sn
    >>> [p.shape for p in sn.nn.ParameterList([sn.ones(2), sn.ones(3)])]
    [sensorium.Size([2]), sensorium.Size([3])]
    """

    _held = TENSORS

    def __init__(self, values: Iterable[Tensor] | None = None) -> None:
        super().__init__()
        self.extend(values if values is not None else ())

    def _hold(self, name: str, member: Any) -> None:
        setattr(self, name, _parameter(self, member))

    def extra_repr(self) -> str:
        lines = (f"  ({name}): {_described(self.__dict__[name])}" for name in self._names())
        return "\n".join(lines)


class _Named(Module):
    """What dictionaries of modules and of parameters share."""

    _held: tuple[int, ...] = (MODULE,)

    def _names(self) -> list[str]:
        return [name for name, kind in self._kinds.items() if kind in self._held]

    def _hold(self, name: str, member: Any) -> None:
        self.add_module(name, member)

    def __getitem__(self, key: str) -> Any:
        if key not in self:
            raise KeyError(f"{type(self).__name__}: no {key!r}; it has {', '.join(self) or 'none'}")
        return self.__dict__[key]

    def __setitem__(self, key: str, member: Any) -> None:
        self._hold(key, member)

    def __delitem__(self, key: str) -> None:
        self[key]
        delattr(self, key)

    def __len__(self) -> int:
        return len(self._names())

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._kinds.get(key) in self._held

    def clear(self) -> None:
        """Take everything out."""
        for key in self:
            delattr(self, key)

    def pop(self, key: str) -> Any:
        """Take one out and return it."""
        member = self[key]
        delattr(self, key)
        return member

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._names()

    def values(self) -> Iterable[Any]:
        """The members."""
        return [self.__dict__[key] for key in self]

    def items(self) -> Iterable[tuple[str, Any]]:
        """Pairs of name and member."""
        return [(key, self.__dict__[key]) for key in self]

    def update(self, members: Any) -> None:
        """Add or replace members from a dict or from pairs."""
        for key, member in members.items() if hasattr(members, "items") else members:
            self[key] = member


class ModuleDict(_Named):
    """Modules by name; they are registered but not called.

    >>> import sensorium as sn
    >>> sn.nn.ModuleDict({"act": sn.nn.ReLU()})["act"]
    ReLU()
    """

    def __init__(self, modules: Any = None) -> None:
        super().__init__()
        self.update(modules if modules is not None else ())


class ParameterDict(_Named):
    """Parameters by name; a Tensor becomes a Parameter, a Buffer a buffer."""

    _held = TENSORS

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        self.update(parameters if parameters is not None else ())

    def _hold(self, name: str, member: Any) -> None:
        if not isinstance(name, str) or (hasattr(self, name) and name not in self._kinds):
            raise KeyError(f"ParameterDict: {name!r} is no name or one of its own attributes")
        setattr(self, name, _parameter(self, member))

    def get(self, key: str, default: Any = None) -> Any:
        """The member of this name, or default."""
        return self.__dict__[key] if key in self else default

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The member of this name, after adding default under it if there was none."""
        if key not in self:
            self[key] = default
        return self[key]

    def popitem(self) -> tuple[str, Any]:
        """Take the last one out and return its name and it."""
        if not len(self):
            raise KeyError("ParameterDict.popitem: there is nothing in it")
        key = self._names()[-1]
        return key, self.pop(key)

    def copy(self) -> ParameterDict:
        """Another one with the same members."""
        return ParameterDict(dict(self.items()))

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        """A new one with default under each of the names."""
        return ParameterDict(dict.fromkeys(keys, default))

    def __or__(self, other: Any) -> ParameterDict:
        return ParameterDict({**dict(self.items()), **dict(other.items())})

    def __ior__(self, other: Any) -> Self:
        self.update(other)
        return self

    extra_repr = ParameterList.extra_repr


def _parameter(owner: Module, value: Any) -> Tensor:
    if isinstance(value, (Parameter, Buffer)):
        return value
    if isinstance(value, Tensor):
        return Parameter(value)
    raise TypeError(
        f"{type(owner).__name__}: want Parameters or Tensors, got {type(value).__name__}"
    )


def _described(value: Tensor) -> str:
    size = "x".join(map(str, value.shape))
    return f"{type(value).__name__} containing: [{value.dtype} of size {size}]"
