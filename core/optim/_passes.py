"""Update formulas as passes over rows of numbers, which NumPy or oneDNN can run.

A ``Pass`` writes one row: it begins with an operation on two operands and goes on with links that
change the value in hand.

    "add", "sub", "mul", "max"    value + operand, value - operand, value operand, the larger
    "under"                       operand / value
    "sqrt"                        the square root, also as a beginning
    "sum", scale                  value + scale (what the row held before); scale is a float

An operand is the number of a row or the name of a number that is given for every step. The rows:

    P the parameter, G its gradient (only read), S, S + 1, ... its state, D a temporary

Said once in this form, a formula costs NumPy a pass through memory for every link and oneDNN one
for every ``Pass``. Since an update is bound by memory, that is what its time consists of.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..backends.cpu import chains
from ..backends.cpu.library import Unsupported
from ..backends.cpu.memory import pointer
from ..dtypes import float32

P, G, S, D = 0, 1, 2, -1
LEAST = 1 << 14  # elements of the shortest rows that are compiled for

Operand = int | str


def _larger(a: Any, b: Any, out: Any) -> None:
    np.maximum(a, b, out=out)  # which takes out by name alone


def _root(a: Any, _: Any, out: Any) -> None:
    np.sqrt(a, out)


_CALLS: dict[str, Any] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "max": _larger, "sqrt": _root,
}  # fmt: skip


class Pass(NamedTuple):
    """row[out] = links(kind(row[left], right)), in one go; "sqrt" does not read right."""

    out: int
    kind: str
    left: int
    right: Operand
    links: tuple[tuple[Any, ...], ...]


def to(out: int, kind: str, left: int, right: Operand, *links: tuple[Any, ...]) -> Pass:
    """A pass; the links follow as they are applied."""
    return Pass(out, kind, left, right, links)


class Passes:
    """An update of so many rows: its passes, one after the other."""

    def __init__(self, rows: int, *passes: Pass) -> None:
        self.rows, self.passes = rows, passes
        self.numbers: list[str | float] = []  # names, and the constants of NumPy's way
        self.calls = [call for one in passes for call in self._calls(one)]
        self._chains: list[Any] | None = None

    def at(self, values: Mapping[str, float]) -> Step:
        """The update with these numbers; what is not used may be among them."""
        return Step(self, [values[n] if n.__class__ is str else n for n in self.numbers])  # type: ignore[index, misc]

    def _place(self, operand: Operand | float) -> int:
        """Where an operand is among the rows, D, the value in hand and the numbers."""
        if isinstance(operand, int):
            return self.rows if operand == D else operand
        if operand not in self.numbers:
            self.numbers.append(operand)
        return self.rows + 2 + self.numbers.index(operand)

    def _calls(self, one: Pass) -> list[tuple[Any, int, int, int]]:
        """A pass for NumPy: (function, places of its operands and of its result)."""
        own, value = self._place(one.out), self.rows + 1
        calls = [(_CALLS[one.kind], self._place(one.left), self._place(one.right), value)]
        for kind, *operand in one.links:
            if kind == "sum":
                if operand[0] != 1:
                    calls.append((np.multiply, own, self._place(float(operand[0])), own))
                calls.append((np.add, own, value, value))
            elif kind == "under":
                calls.append((np.divide, self._place(operand[0]), value, value))
            else:
                other = self._place(operand[0]) if operand else value
                calls.append((_CALLS[kind], value, other, value))
        calls[-1] = (*calls[-1][:3], own)
        return calls

    # -- with oneDNN ---------------------------------------------------------------------------
    def chains(self) -> list[Any]:
        """(first, links, places) of every pass; none where oneDNN has no such primitives."""
        if self._chains is None:
            self._chains = [self._chain(one) for one in self.passes]
            if not all(_there_is(first, links) for first, links, _ in self._chains):
                self._chains = []
        return self._chains

    def _chain(self, one: Pass) -> tuple[Any, ...]:
        places: list[int] = [self._place(one.left)]

        def operand(which: Operand) -> str:
            places.append(self._place(which))
            return chains.ROW if isinstance(which, int) else chains.NUMBER

        links = one.links
        if one.kind == "sqrt":  # a chain begins with two operands: the larger of x and x is x
            first, links = ("max", operand(one.left)), (("sqrt",), *links)
        else:
            first = (one.kind, operand(one.right))
        links = tuple(k if k[0] in ("sqrt", "sum") else (k[0], operand(k[1])) for k in links)
        return first, links, [*places, self._place(one.out)]


def _there_is(first: tuple[str, str], links: Any) -> bool:
    try:
        chains.chain(LEAST, first, links)
    except Unsupported:
        return False
    return True


class Step:
    """An update with its numbers. Calling it runs it with NumPy (or CuPy)."""

    __slots__ = ("_arrays", "numbers", "passes")

    def __init__(self, passes: Passes, numbers: list[float]) -> None:
        self.passes, self.numbers = passes, numbers
        self._arrays: dict[Any, list[Any]] = {}

    def __call__(self, rows: list[Any], t: list[Any]) -> None:
        """Update the rows in place; t are two temporaries of their shape and type."""
        like = rows[0]
        numbers = self._typed(like.dtype) if isinstance(like, np.ndarray) else self.numbers
        place = [*rows, t[0], t[1], *numbers]
        for function, left, right, out in self.passes.calls:
            function(place[left], place[right], place[out])

    def _typed(self, dtype: Any) -> list[Any]:
        """The numbers as arrays: a call then takes half the time on short rows."""
        found = self._arrays.get(dtype)
        if found is None:
            found = self._arrays[dtype] = [np.array(n, dtype) for n in self.numbers]
        return found

    def run(self, size: int, addresses: list[int]) -> None:
        """Update float32 rows of this many elements with oneDNN; the last address is D's."""
        numbers = self._arrays.get("row")
        if numbers is None:
            numbers = self._arrays["row"] = [np.array(self.numbers, float32)]
        start = pointer(numbers[0])
        place = [*addresses, 0, *range(start, start + 4 * len(self.numbers), 4)]
        for first, links, places in self.passes.chains():
            chains.chain(size, first, links)(*[place[i] for i in places])
