"""What the tape is made of: one ``Node`` for every recorded operation.

A tensor that was computed under recording holds the node that made it; a node holds *edges*, one for
each differentiable input: the node that made that input, the input itself where it is a leaf that
wants a gradient, or None. So the tape keeps no tensor alive: an activation lives only as long as a
gradient formula has it in ``saved``.

Saved arrays are guarded by *version cells*. A cell is a one-item list shared by a tensor and all its
views; every in-place write counts it up. A node remembers the sum of the counts it saw (they only
grow, so an equal sum means nothing was written) and refuses to use values that changed.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import AutogradError

if TYPE_CHECKING:
    from .._extra import Handle

next_sequence = count().__next__
"""Nodes are numbered as they are made: every consumer of a value is younger than its producer."""


class _Released:
    """What ``saved`` becomes once a backward pass has used a node and the graph was not retained."""

    def unpack(self, node: Node) -> Any:
        """Always an error: the values are gone."""
        raise AutogradError(
            f"backward of {node.op.name.strip('_')}: the graph was already used and released; "
            "pass retain_graph=True to the first backward to go through it twice"
        )


RELEASED: Any = _Released()


class Node:
    """One recorded operation: how to turn the gradient of its output into those of its inputs."""

    __slots__ = (
        "__weakref__",
        "cells",
        "dtype",
        "edges",
        "hooks",
        "op",
        "saved",
        "sequence",
        "shape",
        "stamp",
    )

    op: Any
    edges: tuple[Any, ...]
    saved: Any
    cells: tuple[list[int], ...]
    stamp: int
    shape: Any
    dtype: Any
    sequence: int
    hooks: list[Callable[..., Any]] | None

    def __init__(self, op: Any, edges: tuple[Any, ...], saved: Any, shape: Any, dtype: Any) -> None:
        self.op, self.edges, self.saved, self.shape, self.dtype = op, edges, saved, shape, dtype
        self.cells, self.stamp, self.hooks = (), 0, None
        self.sequence = next_sequence()

    def name(self) -> str:
        """The name of the operation, as PyTorch spells it: ``MulBackward0``."""
        words = self.op.name.strip("_").split("_")
        return "".join(w[:1].upper() + w[1:] for w in words) + "Backward0"

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """The edges as PyTorch shows them: pairs of a node (None: no gradient) and an output number.

        A leaf is shown as its ``AccumulateGrad`` node.
        """
        from .hooks import shown

        return tuple(map(shown, self.edges))

    def register_hook(self, fn: Callable[..., Any]) -> Handle:
        """Call fn(grad_inputs, grad_outputs) when this node's gradients are computed.

        Both are tuples; a tuple that fn returns replaces grad_inputs.

        >>> import sensorium as sn
        >>> x = sn.ones(1, requires_grad=True)
        >>> y = x * 3
        >>> handle = y.grad_fn.register_hook(lambda inputs, outputs: (inputs[0] * 2, None))
        >>> y.backward(); x.grad
        tensor([6.])
        """
        from .hooks import hooked

        return hooked(self).add_after(fn)

    def register_prehook(self, fn: Callable[..., Any]) -> Handle:
        """Call fn(grad_outputs) before this node's gradients are computed; a tuple replaces them."""
        from .hooks import hooked

        return hooked(self).add_before(fn)

    def refuse_changed(self, writes: int) -> None:
        """Raise because a value this node saved was overwritten since."""
        raise AutogradError(
            f"backward of {self.op.name.strip('_')}: a value it needs (one of {', '.join(self.op.keeps)}) was "
            f"changed by an in-place operation: {writes} writes, {self.stamp} when it was saved. "
            "Use the operation without the trailing underscore, or clone the value first"
        )

    def __repr__(self) -> str:
        return f"<{self.name()}>"


def cell_of(value: Any) -> list[int]:
    """The version cell of a tensor, made on first need; a fresh one for anything else."""
    try:
        cell = value.cell
    except AttributeError:
        return [0]
    if cell is None:
        cell = value.cell = [0]
    return cell


class Pick:
    """The op of a node that stands for one of several outputs; ``saved`` is its number."""

    name, keeps = "pick", ()


class Identity:
    """The op of a node that passes its gradient on as it is."""

    name, keeps, inputs, outputs, lists = "alias", (), ("x",), ("y",), ()

    @staticmethod
    def pull(g: Any, saved: Any, edges: Any) -> tuple[Any, ...]:
        """The gradient itself."""
        return (g,)


class GradientEdge(NamedTuple):
    """A place of the graph without its values: node and number of its output.

    ``get_gradient_edge(x)`` makes it; ``grad`` and ``backward`` take it in place of ``x``.
    """

    node: Any
    output_nr: int
    ownership_token: Any = None

    def edge(self) -> Any:
        """What the engine calls this place: a node, or the leaf itself."""
        if self.ownership_token is not None:
            return self.ownership_token
        if not isinstance(self.node, Node):
            return self.node.variable
        if isinstance(self.node.shape, list):
            raise AutogradError(
                f"GradientEdge: {self.node.op.name} has {len(self.node.shape)} outputs; "
                "get_gradient_edge(tensor) names one of them"
            )
        return self.node
