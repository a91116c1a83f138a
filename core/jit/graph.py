"""The graph that ``compile`` works on: values, the operations between them, and how it prints.

A ``Value`` is an array that is not there yet: its type, shape and strides are known, its elements are
not. A ``Node`` is one op of ``sensorium.ops`` with its arguments; values stand among them as they are.
A ``Graph`` is a list of nodes in the order in which they run, every value being made once. Python
numbers, shapes and strings are constants of the graph: that is what makes it static.

    graph(input: float32[2, 3])
      %1 = matmul(%input, %weight): float32[2, 4]
      %2 = relu(%1): float32[2, 4]
      return %2
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..tensor import Tensor


class Value:
    """One array of the graph: what an input holds, a constant is, or a node makes."""

    __slots__ = ("base", "dtype", "fresh", "kind", "maker", "name", "shape", "strides", "tensor")

    def __init__(self, array: Any, kind: str = "temp", name: str = "") -> None:
        self.shape, self.dtype, self.strides = array.shape, array.dtype, array.strides
        self.kind, self.name = kind, name  # kind: "input", "constant" or "temp"
        self.maker: Node | None = None
        self.base: Value | None = None  # whose memory it looks at
        self.tensor: Tensor | None = None  # of a constant: where its array is found
        self.fresh = False  # of a constant: made while tracing, not found

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def type(self) -> str:
        """Such as ``float32[2, 3]``."""
        return f"{self.dtype.name}[{', '.join(map(str, self.shape))}]"

    def __repr__(self) -> str:
        return f"%{self.name}"


@dataclass(eq=False)
class Node:
    """outs = op(args): an op's call with every argument in its place.

    ``line`` is the place in the user's code that led to it.
    """

    op: Any
    args: tuple[Any, ...]
    outs: tuple[Value | None, ...]
    line: str = ""
    single: bool = True  # whether the op returns one array, not a tuple of them

    def __post_init__(self) -> None:
        for value in self.made():
            value.maker = self

    @property
    def name(self) -> str:
        """The op's name."""
        return self.op.name

    @property
    def out(self) -> Value:
        """The first result."""
        assert self.outs[0] is not None
        return self.outs[0]

    def made(self) -> Iterator[Value]:
        """The values that it makes."""
        return (value for value in self.outs if value is not None)

    def uses(self) -> Iterator[Value]:
        """The values that it reads, as often as they stand among the arguments."""
        return values_in(self.args)

    def __repr__(self) -> str:
        outs = ", ".join(map(repr, self.outs))
        given = ", ".join(map(_argument_text, self.args))
        types = ", ".join(value.type for value in self.made())
        return f"{outs} = {self.name.strip('_')}({given}): {types}"


def root_of(value: Value) -> Value:
    """The value in whose memory a view lies."""
    while value.base is not None:
        value = value.base
    return value


def values_in(argument: Any) -> Iterator[Value]:
    """The values in an argument: itself, or those in its lists and tuples."""
    if isinstance(argument, Value):
        yield argument
    elif isinstance(argument, (list, tuple)):
        for item in argument:
            yield from values_in(item)


def replaced(argument: Any, change: Callable[[Value], Any]) -> Any:
    """The argument with every value exchanged."""
    if isinstance(argument, Value):
        return change(argument)
    if type(argument) in (list, tuple):
        return type(argument)(replaced(item, change) for item in argument)
    return argument


def _argument_text(argument: Any) -> str:
    if isinstance(argument, list):
        return f"[{', '.join(map(_argument_text, argument))}]"
    text = repr(argument)
    return text if len(text) <= 40 else f"{text[:37]}..."


@dataclass
class Graph:
    """Nodes in running order, what goes in, what comes out, and what is written on the way.

    ``writes`` are pairs (target, value): an input or a constant whose memory takes a value once all
    nodes have run. ``homes`` says for each output which input or constant is that very tensor.
    """

    name: str
    inputs: list[Value]
    nodes: list[Node]
    outputs: list[Value]
    constants: list[Value] = field(default_factory=list)
    writes: list[tuple[Value, Value]] = field(default_factory=list)
    homes: list[Value | None] = field(default_factory=list)

    def users(self) -> dict[Value, list[Node]]:
        """Who reads each value; results and writes are no nodes."""
        found: dict[Value, list[Node]] = {}
        for node in self.nodes:
            for value in dict.fromkeys(node.uses()):
                found.setdefault(value, []).append(node)
        return found

    def kept(self) -> set[Value]:
        """The values that leave the graph: results, and what is written into others."""
        return {*self.outputs, *(value for _, value in self.writes)}

    def renumber(self) -> None:
        """Name the values that nodes make by their place: %1, %2, ..."""
        count = 0
        for node in self.nodes:
            for value in node.made():
                if value.kind == "temp":
                    count += 1
                    value.name = str(count)

    def __str__(self) -> str:
        self.renumber()
        given = ", ".join(f"{value.name}: {value.type}" for value in self.inputs)
        lines = [f"graph {self.name}({given})"]
        lines += [f"  {node}" for node in self.nodes]
        lines += [f"  write {target!r} = {value!r}" for target, value in self.writes]
        return "\n".join([*lines, f"  return {', '.join(map(repr, self.outputs))}"])

    def __len__(self) -> int:
        return len(self.nodes)

    # -- drawing ---------------------------------------------------------------------------------
    def draw(self, path: str | os.PathLike[str]) -> None:
        """Write a picture of it: SVG, or Graphviz's text where the name ends in .dot or .gv."""
        from .draw import save

        save(self, path)

    def _repr_svg_(self) -> str:
        """The picture in a notebook."""
        from .draw import draw

        return draw(self)
