"""Gradients and products with Jacobians: grad, grad_and_value, vjp, jvp, linearize."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..autograd.mode import enable_grad, mode
from ..errors import AutogradError, DTypeError, ShapeError
from ..tensor import Tensor, wrap
from ._level import Level, depends_outside, gradients
from ._tree import flatten, unflatten

ArgNums = int | tuple[int, ...]


# -- arguments and results -----------------------------------------------------------------------
def chosen(name: str, args: tuple[Any, ...], argnums: ArgNums) -> tuple[list[int], Any]:
    """The places of the arguments to differentiate by, and these as one tree."""
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    if not numbers:
        raise AutogradError(f"{name}: argnums is empty, want at least one of {len(args)}")
    for n in numbers:
        if not -len(args) <= n < len(args):
            raise AutogradError(
                f"{name}: argnums {n} is out of range for {len(args)} positional arguments"
            )
    places = [n % len(args) for n in numbers]
    if len(set(places)) < len(places):
        raise AutogradError(f"{name}: argnums {numbers} names an argument twice")
    return places, args[places[0]] if isinstance(argnums, int) else tuple(args[p] for p in places)


def put(args: tuple[Any, ...], places: list[int], tree: Any, argnums: ArgNums) -> list[Any]:
    """The arguments with the chosen ones replaced."""
    new = list(args)
    for place, value in zip(places, (tree,) if isinstance(argnums, int) else tree):
        new[place] = value
    return new


def with_aux(name: str, result: Any, has_aux: bool) -> tuple[Any, Any]:
    """What the function returned: its output, and the rest it was told to return beside it."""
    if not has_aux:
        return result, None
    if not isinstance(result, tuple) or len(result) != 2:
        got = f"{len(result)} values" if isinstance(result, tuple) else type(result).__name__
        raise AutogradError(
            f"{name}: with has_aux=True the function must return (output, aux), got {got}"
        )
    return result


def all_tensors(name: str, tree: Any, what: str) -> tuple[list[Tensor], Any]:
    """The leaves, which must be tensors, and the structure."""
    leaves, structure = flatten(tree)
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            raise DTypeError(f"{name}: {what} must be tensors, got {type(leaf).__name__}")
    if not leaves:
        raise DTypeError(f"{name}: {what} must be tensors, got {tree!r}")
    return leaves, structure


def _alike(name: str, what: str, found: Any, like: list[Tensor], structure: Any) -> list[Tensor]:
    """The leaves of found, which must have the structure and shapes of like."""
    leaves, shape = all_tensors(name, found, what)
    if shape != structure:
        raise AutogradError(f"{name}: {what} have the structure {shape}, want {structure}")
    for a, b in zip(leaves, like):
        if a.shape != b.shape:
            raise ShapeError(f"{name}: {what} have shape {tuple(a.shape)}, want {tuple(b.shape)}")
    return leaves


# -- gradients -----------------------------------------------------------------------------------
def grad(func: Callable[..., Any], argnums: ArgNums = 0, has_aux: bool = False) -> Any:
    """The function that computes d func / d argument, for a func of one value.

    argnums: which positional arguments, trees of tensors; a tuple gives a tuple. has_aux: func
    returns (output, aux), and the new function (gradient, aux).

    >>> import sensorium as sn
    >>> grad(grad(lambda x: x**3))(sn.tensor(2.0))
    tensor(12.)
    """
    both = _grad_and_value("grad", func, argnums, has_aux)

    @functools.wraps(func)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        found, value = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return gradient


def grad_and_value(func: Callable[..., Any], argnums: ArgNums = 0, has_aux: bool = False) -> Any:
    """``grad`` whose function returns (gradient, output), or (gradient, (output, aux)).

    >>> import sensorium as sn
    >>> grad_and_value(lambda x: x * x)(sn.tensor(3.0))
    (tensor(6.), tensor(9.))
    """
    return _grad_and_value("grad_and_value", func, argnums, has_aux)


def _grad_and_value(
    name: str, func: Callable[..., Any], argnums: ArgNums, has_aux: bool
) -> Callable[..., Any]:
    @functools.wraps(func)
    def both(*args: Any, **kwargs: Any) -> Any:
        places, wanted = chosen(name, args, argnums)
        with Level(name) as level:
            tree, xs, structure = level.aliases(wanted)
            result = func(*put(args, places, tree, argnums), **kwargs)
            y, aux = with_aux(name, result, has_aux)
            _check_value(name, y)
        recorded = level.outside and depends_outside([y])
        with enable_grad():
            found = gradients([y], xs, [None], recorded, False)
        value = level.close((y, aux) if has_aux else y)
        return level.close(unflatten(found, structure)), value

    return both


def _check_value(name: str, y: Any) -> None:
    if not isinstance(y, Tensor):
        raise AutogradError(f"{name}: the function must return a Tensor, got {type(y).__name__}")
    if y.ndim:
        raise AutogradError(
            f"{name}: the function must return one value of no dimensions, got shape "
            f"{tuple(y.shape)}; vjp and jacrev take any"
        )


# -- products ------------------------------------------------------------------------------------
def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """func(*primals), and the function that takes v to v^T J; with has_aux also aux.

    That function takes a tree like the output and returns a tuple like primals; it may be called
    again and again.

    >>> import sensorium as sn
    >>> y, pull = vjp(lambda x: x * x, sn.tensor([1.0, 2.0]))
    >>> y, pull(sn.tensor([1.0, 10.0]))
    (tensor([1., 4.]), (tensor([ 2., 40.]),))
    """
    with Level("vjp") as level:
        tree, xs, structure = level.aliases(primals)
        y, aux = with_aux("vjp", func(*tree), has_aux)
        ys, shape = all_tensors("vjp", y, "outputs")

    def pull(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        vs = _alike("vjp", "cotangents", cotangents, ys, shape)
        outside = mode.enabled if create_graph is None else create_graph
        recorded = outside and depends_outside([*ys, *vs])
        with enable_grad():
            found = gradients(ys, xs, vs, recorded, retain_graph)
        closed = found if recorded else [g.detach() for g in found]
        return unflatten(closed, structure)

    return (level.close(y), pull, level.close(aux)) if has_aux else (level.close(y), pull)


class Linear:
    """A function at a point: its outputs, and the gradients g(v) by which it goes forward.

    g is linear in v, the weights of the outputs, and the transpose of its matrix is the Jacobian.
    """

    def __init__(self, ys: list[Tensor], xs: list[Tensor]) -> None:
        self.ys, self.weights = ys, [_zeros(y) for y in ys]
        self.gs = gradients(ys, xs, list(self.weights), True, True)

    def along(self, tangents: list[Tensor], recorded: bool) -> list[Tensor]:
        """The change of the outputs when the inputs move along the tangents."""
        return gradients(self.gs, self.weights, list(tangents), recorded, True)


def _zeros(y: Tensor) -> Tensor:
    """Zeros that are recorded, though no leaf outside."""
    return Level("weights").alias(wrap(np.zeros_like(y.array)))


def _check_tangents(name: str, primals: Any, tangents: Any) -> list[Tensor]:
    if not isinstance(primals, tuple) or not isinstance(tangents, tuple):
        kinds = f"{type(primals).__name__} and {type(tangents).__name__}"
        raise AutogradError(f"{name}: primals and tangents must be tuples, got {kinds}")
    xs, structure = all_tensors(name, primals, "primals")
    return _alike(name, "tangents", tangents, xs, structure)


def jvp(
    func: Callable[..., Any],
    primals: Any,
    tangents: Any,
    *,
    strict: bool = False,
    has_aux: bool = False,
) -> Any:
    """func(*primals), and J v for v = tangents; with has_aux also aux. Goes backward twice.

    strict: an output that does not depend on the primals is an error instead of a zero.

    >>> import sensorium as sn
    >>> jvp(lambda x: x * x, (sn.tensor([1.0, 2.0]),), (sn.tensor([1.0, 10.0]),))
    (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    vs = _check_tangents("jvp", primals, tangents)
    with Level("jvp") as level:
        tree, xs, _ = level.aliases(primals)
        y, aux = with_aux("jvp", func(*tree), has_aux)
        ys, shape = all_tensors("jvp", y, "outputs")
        for i, out in enumerate(ys):
            if strict and not out.needs_grad:
                raise AutogradError(
                    f"jvp: output {i} (shape {tuple(out.shape)}) does not depend on the inputs; "
                    "strict=True wants that it does"
                )
        linear = Linear(ys, xs)
    recorded = level.outside and depends_outside([*ys, *vs])
    with enable_grad():
        found = linear.along(vs, recorded)
    out = level.close((y, unflatten(found, shape), aux))
    return out if has_aux else out[:2]


def linearize(func: Callable[..., Any], *primals: Any) -> Any:
    """func(*primals), and the function that takes tangents like primals to J v.

    For many products at one point: func runs once.

    >>> import sensorium as sn
    >>> y, push = linearize(lambda x: x * x, sn.tensor([1.0, 2.0]))
    >>> y, push(sn.tensor([1.0, 10.0]))
    (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    with Level("linearize") as level:
        tree, xs, structure = level.aliases(primals)
        y = func(*tree)
        ys, shape = all_tensors("linearize", y, "outputs")
        linear = Linear(ys, xs)

    def push(*tangents: Any) -> Any:
        vs = _alike("linearize", "tangents", tangents, xs, structure)
        recorded = mode.enabled and depends_outside([*ys, *vs])
        with enable_grad():
            found = linear.along(vs, recorded)
        return unflatten(found if recorded else [t.detach() for t in found], shape)

    return level.close(y), push
