"""Where a Module keeps its parameters, buffers and sub-modules: one place, several views.

A member is an ordinary entry of the instance's ``__dict__``, so reading ``module.weight`` costs what
any attribute costs. What kind of member a name is, in the order of registration, stands in the dict
``_kinds``. ``module._parameters``, ``_buffers`` and ``_modules`` are views of the two, made on demand:
they cannot disagree with the attributes.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

PARAMETER, BUFFER, TRANSIENT, MODULE = range(4)  # TRANSIENT: a buffer outside the state dict

edits = [0]
"""Counts assignments to modules anywhere in the process: while it stands still, no module changed."""

KIND_NAMES = ("parameter", "buffer", "buffer", "module")


class Registry(MutableMapping[str, Any]):
    """The members of some kinds, by name; writing registers, deleting unregisters."""

    __slots__ = ("_kinds", "_members", "_shown")

    def __init__(self, members: dict[str, Any], kinds: dict[str, int], shown: tuple[int, ...]):
        self._members, self._kinds, self._shown = members, kinds, shown

    def __getitem__(self, name: str) -> Any:
        if self._kinds.get(name) not in self._shown:
            raise KeyError(name)
        return self._members[name]

    def __setitem__(self, name: str, value: Any) -> None:
        if self._kinds.get(name) not in self._shown:
            self._kinds.pop(name, None)
            self._kinds[name] = self._shown[0]
        self._members[name] = value
        edits[0] += 1

    def __delitem__(self, name: str) -> None:
        if self._kinds.get(name) not in self._shown:
            raise KeyError(name)
        del self._kinds[name], self._members[name]
        edits[0] += 1

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, kind in self._kinds.items() if kind in self._shown])

    def __len__(self) -> int:
        return sum(kind in self._shown for kind in self._kinds.values())

    def __repr__(self) -> str:
        return repr(dict(self))
