"""From a function and example arguments to a graph that was checked against other values.

The function runs twice: on copies of the arguments, and on copies with other values of the same shapes.
Both traces must be the same, constants included; what differs depended on values in a way that no op
shows. Random generators and buffers that the function writes are left as they were.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np

from ..autograd.mode import no_grad
from ..backends.cpu import prepack
from ..errors import SensoriumError, TraceError
from ..generator import default_generator
from ..tensor import Tensor, wrap
from . import trees
from .graph import Graph, Node, Value
from .probes import watching
from .tracer import Tracer


class Traced(NamedTuple):
    """A graph, what its results were packed in, and the constants that were read into Python."""

    graph: Graph
    result: trees.Shape
    looked: list[Tensor]


def trace(
    function: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any], check: bool = True
) -> Traced:
    """The graph of function(*args, **options) without gradients, for these shapes and types.

    Raises TraceError for what a graph cannot hold; what the function itself raises passes.
    """
    tensors, shape = trees.flatten((args, options))
    if any(isinstance(value, np.ndarray) for value in trees.constants(shape)):
        raise TraceError(
            "compile: an argument is an array of NumPy, whose elements a graph would keep as they are "
            "now; pass a tensor (from_numpy shares the memory)"
        )
    names = _names(function, args, options)
    made = _once(function, [_copy(t.array) for t in tensors], shape, names)
    if check:
        second = _with_others(function, [_other(t.array) for t in tensors], shape, names)
    else:
        second = _once(function, [_copy(t.array) for t in tensors], shape, names, seed=1)
    _compare(made, second)
    _settle(made.graph, second.graph)
    return made


def _names(function: Callable[..., Any], args: Any, options: Any) -> list[str]:
    """A name for every tensor: that of an option, or the number of the argument."""
    counts = [(f"x{i}" if len(args) > 1 else "x", value) for i, value in enumerate(args)]
    names = []
    for name, value in (*counts, *options.items()):
        found = trees.flatten(value)[0]
        names += [name] if len(found) == 1 else [f"{name}_{i}" for i in range(len(found))]
    return names


def _copy(array: np.ndarray) -> np.ndarray:
    return array.copy(order="K")


def _other(array: np.ndarray) -> np.ndarray:
    """Other values in the same range, in number too: what a maximum or a sum depends on changes."""
    moved = _copy(array)
    if array.dtype == np.bool_:
        return np.logical_not(array, out=moved)
    if array.dtype.kind not in "iu":
        factors = np.random.default_rng(0).uniform(0.5, 0.9, array.shape)
        moved[...] = np.roll(array, 1) * factors.astype(array.dtype)
        return moved
    low, high = (array.min(), array.max()) if array.size else (0, 0)
    if low == high:
        moved[...] = high - np.sign(high) if high else 1
        return moved
    moved[...] = np.roll(np.where(array == high, low, array), 1)
    if low >= 0:
        moved.ravel(order="K")[::3] = 0  # padding, unknown words, the first class
    return moved


def _once(
    function: Callable[..., Any],
    arrays: list[np.ndarray],
    shape: Any,
    names: list[str],
    seed: int | None = None,
) -> Traced:
    """seed: draw other random numbers, which only ops may do."""
    tracer = Tracer(getattr(function, "__name__", type(function).__name__))
    inputs = [wrap(array) for array in arrays]
    for tensor, name in zip(inputs, names):
        tracer.input(tensor, name)
    args, options = trees.unflatten(shape, inputs)
    random = default_generator.get_state()
    if seed is not None:
        default_generator.manual_seed(default_generator.initial_seed() + seed)
    try:
        with no_grad(), prepack.without_keeping(), watching(tracer):
            result = function(*args, **options)
            leaves, form = trees.flatten(result)
            tracer.graph.outputs = [tracer.value_of(leaf) for leaf in leaves]
            tracer.graph.homes = [tracer.home_of(leaf) for leaf in leaves]
    finally:
        default_generator.set_state(random)
        tracer.restore()
    return Traced(tracer.graph, form, tracer.looked)


# -- the second look -----------------------------------------------------------------------------
def _with_others(
    function: Callable[..., Any], arrays: list[np.ndarray], shape: Any, names: Any
) -> Traced:
    try:
        return _once(function, arrays, shape, names, seed=1)
    except TraceError:
        raise
    except (SensoriumError, ValueError, IndexError, ArithmeticError) as error:
        raise TraceError(
            "compile: the function runs with these values but not with others of the same shapes "
            f"({error}); where it needs certain values, pass check=False"
        ) from error


def _settle(graph: Graph, second: Graph) -> None:
    """Find what the function made itself: nobody sees it afterwards, so it is not written either."""
    for a, b in zip(graph.constants, second.constants):
        a.fresh = a.tensor.array is not b.tensor.array  # type: ignore[union-attr]
    graph.writes = [(target, value) for target, value in graph.writes if not target.fresh]
    graph.homes = [None if home is None or home.fresh else home for home in graph.homes]


def _compare(first: Traced, second: Traced) -> None:
    """Refuse two traces that are not the same."""
    places: dict[Value, Value] = {}
    places.update(zip(first.graph.inputs, second.graph.inputs))
    for a, b in zip_longest(first.graph.nodes, second.graph.nodes):
        _same_node(a, b, places, first.graph.constants)
    if first.result != second.result:
        raise TraceError("compile: the structure of the result depends on the values")
    for x, y in zip(_ends(first.graph), _ends(second.graph)):
        if not _same_value(x, y, places):
            raise TraceError(
                "compile: a result depends on the values of the inputs, but no op computed it; compute "
                "it with ops, not NumPy"
            )


def _ends(graph: Graph) -> list[Value]:
    return [*graph.outputs, *(v for pair in graph.writes for v in pair)]


def _same_node(a: Node | None, b: Node | None, places: dict[Value, Value], known: Any) -> None:
    """Refuse two nodes that are not the same op on the same things."""
    if a is None or b is None or a.op is not b.op or len(a.args) != len(b.args):
        line = next((n.line for n in (a, b) if n is not None and n.line), "")
        raise TraceError(
            "compile: which ops run depends on the values: with others the function calls "
            f"{b and b.name} in place of {a and a.name}{line and f' (at {line})'}"
        )
    for mine, other in zip(a.args, b.args):
        _same_argument(mine, other, places, a)
    if [v and v.type for v in a.outs] != [v and v.type for v in b.outs]:
        raise TraceError(
            f"compile: the shape of the result of {a.name.strip('_')} depends on the values of the "
            f"inputs{a.line and f' (at {a.line})'}"
        )
    places.update({x: y for x, y in zip(a.outs, b.outs) if x is not None and y is not None})


def _same_argument(mine: Any, other: Any, places: dict[Value, Value], node: Node) -> None:
    if isinstance(mine, Value) and isinstance(other, Value):
        same = _same_value(mine, other, places)
    elif type(mine) in (list, tuple) and type(other) is type(mine) and len(mine) == len(other):
        for x, y in zip(mine, other):
            _same_argument(x, y, places, node)
        return
    else:
        same = trees.Constant(mine) == trees.Constant(other) or mine == other
    if not same:
        raise TraceError(
            f"compile: an argument of {node.name.strip('_')} depends on the values of the inputs, but "
            f"no op computed it{node.line and f' (at {node.line})'}; compute it with ops, not NumPy"
        )


def _same_value(mine: Value, other: Value, places: dict[Value, Value]) -> bool:
    if not mine.kind == "constant" == other.kind:
        return places.get(mine) is other
    a, b = mine.tensor.array, other.tensor.array  # type: ignore[union-attr]
    if a is b:
        return True
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()
