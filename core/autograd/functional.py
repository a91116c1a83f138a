"""Jacobian and Hessian matrices and their products with vectors: jacobian, vjp, jvp, hessian, vhp, hvp.

Rows of a Jacobian are backward passes over one recorded graph. Products from the right (jvp, hvp) go
backward twice: the gradient g(v) of the outputs weighted by v is linear in v, and its transpose is
the product; so they cost two passes, and every differentiable operation supports them. Follows
``torch.autograd.functional``. The options that choose among its strategies (vectorize, strategy) are
taken and change nothing: the numbers are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..errors import AutogradError, DTypeError, OptionError, ShapeError
from ..tensor import Tensor, wrap
from .engine import grad
from .mode import enable_grad

Tensors = tuple[Tensor, ...]
Maybe = tuple[Tensor | None, ...]


# -- arguments and results -----------------------------------------------------------------------
def _tupled(op: str, what: str, value: Any) -> tuple[bool, Tensors]:
    """Whether value is a tuple, and it as one."""
    values = value if isinstance(value, tuple) else (value,)
    for i, v in enumerate(values):
        if not isinstance(v, Tensor):
            raise DTypeError(
                f"{op}: {what} must be a Tensor or a tuple of Tensors, got {type(v).__name__} at "
                f"index {i}"
            )
    return isinstance(value, tuple), values


def _fresh(inputs: Tensors, create_graph: bool, wanted: bool = True) -> Tensors:
    """New tensors of the inputs' values: behind the inputs if that graph is wanted, else leaves."""
    return tuple(
        x.view_as(x) if create_graph and x.requires_grad else x.detach().requires_grad_(wanted)
        for x in inputs
    )


def _results(op: str, func: Callable[..., Any], inputs: Tensors, strict: bool) -> Any:
    """Whether func returned a tuple, and its outputs."""
    many, outputs = _tupled(op, "what the function returns", func(*inputs))
    if strict:
        for i, y in enumerate(outputs):
            if not y.requires_grad:
                raise AutogradError(
                    f"{op}: output {i} (shape {tuple(y.shape)}) requires no gradient, so it does "
                    "not depend on the inputs; strict=True wants that it does"
                )
    return many, outputs


def _scalar(op: str, func: Callable[..., Any], inputs: Tensors, strict: bool) -> Tensor:
    """The one value that func must return."""
    many, outputs = _results(op, func, inputs, strict)
    if many or outputs[0].numel() != 1:
        got = f"{len(outputs)} in a tuple" if many else f"shape {tuple(outputs[0].shape)}"
        raise AutogradError(f"{op}: the function must return one Tensor of one element, got {got}")
    return outputs[0]


def _vector(op: str, v: Any, like: Tensors, what: str, create_graph: bool) -> Tensors:
    """v, which must look like the tensors it is multiplied with; ones for a single value."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise AutogradError(
                f"{op}: v can be left out only for {what} of one element, got "
                f"{', '.join(str(tuple(x.shape)) for x in like)}"
            )
        return (wrap(np.ones_like(like[0].array)),)
    vs = _tupled(op, "v", v)[1]
    if len(vs) != len(like):
        raise AutogradError(f"{op}: v has {len(vs)} tensors, {what} {len(like)}")
    for i, (a, b) in enumerate(zip(vs, like)):
        if a.shape != b.shape:
            raise ShapeError(
                f"{op}: entry {i} of v has shape {tuple(a.shape)}, that of {what} {tuple(b.shape)}"
            )
    return _fresh(vs, create_graph, False)


def _grads(
    outputs: Maybe, inputs: Tensors, starts: Maybe, create_graph: bool, retain: bool | None = None
) -> Maybe:
    """``grad`` that skips outputs without a gradient; None for inputs they do not depend on."""
    pairs = [(y, v) for y, v in zip(outputs, starts) if y is not None and y.requires_grad]
    if not pairs:
        return (None,) * len(inputs)
    ys, vs = [y for y, _ in pairs], [v for _, v in pairs]
    return grad(ys, inputs, vs, retain, create_graph, allow_unused=True)


def _check_depends(op: str, values: Maybe, what: str) -> None:
    """strict: every one of these must itself depend on the inputs."""
    for i, v in enumerate(values):
        if v is None or not v.requires_grad:
            raise AutogradError(
                f"{op}: the {what} by input {i} is independent of the inputs; strict=True wants "
                "that it depends on them"
            )


def _filled(
    op: str, found: Maybe, like: Tensors, what: str, strict: bool, create_graph: bool
) -> Tensors:
    """found with zeros for None; with strict an error for these, and for constants."""
    for i, g in enumerate(found):
        if strict and (g is None or (create_graph and not g.requires_grad)):
            raise AutogradError(
                f"{op}: {what} {i} {'is zero' if g is None else 'is constant'}: it does not depend "
                "on the inputs; strict=True wants that it does"
            )
    return tuple(wrap(np.zeros_like(x.array)) if g is None else g for g, x in zip(found, like))


def _finish(values: Any, many: bool, create_graph: bool) -> Any:
    """Detached unless the graph is wanted; bare if what it belongs to was."""
    values = tuple(v if create_graph else v.detach() for v in values)
    return values if many else values[0]


def _weights(like: Tensors) -> Tensors:
    """Zeros that want a gradient: the v of the linear function g(v)."""
    return tuple(wrap(np.zeros_like(x.array)).requires_grad_() for x in like)


# -- products with Jacobians ---------------------------------------------------------------------
def vjp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """func(*inputs), and v^T J: the gradient of the outputs weighted by v.

    >>> import sensorium as sn
    >>> vjp(lambda x: x * x, sn.tensor([1.0, 2.0]), sn.tensor([1.0, 10.0]))
    (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    with enable_grad():
        many_in, xs = _tupled("vjp", "inputs", inputs)
        xs = _fresh(xs, create_graph)
        many_out, ys = _results("vjp", func, xs, strict)
        vs = _vector("vjp", v, ys, "the outputs", create_graph)
        found = _grads(ys, xs, vs, create_graph)
    g = _filled("vjp", found, xs, "the gradient by input", strict, create_graph)
    return _finish(ys, many_out, create_graph), _finish(g, many_in, create_graph)


def jvp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """func(*inputs), and J v: how the outputs change along v. Goes backward twice.

    >>> import sensorium as sn
    >>> jvp(lambda x: x * x, sn.tensor([1.0, 2.0]), sn.tensor([1.0, 10.0]))
    (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    with enable_grad():
        xs = _tupled("jvp", "inputs", inputs)[1]
        vs = _vector("jvp", v, xs, "the inputs", create_graph)
        xs = _fresh(xs, create_graph)
        many, ys = _results("jvp", func, xs, strict)
        weights = _weights(ys)
        gs = _grads(ys, xs, weights, True)
        if strict:
            _check_depends("jvp", gs, "gradient")
        found = _grads(gs, weights, vs, create_graph)
    out = _filled("jvp", found, ys, "the product for output", strict, create_graph)
    return _finish(ys, many, create_graph), _finish(out, many, create_graph)


# -- products with Hessians ----------------------------------------------------------------------
def vhp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """func(*inputs), one value, and v^T H.

    >>> import sensorium as sn
    >>> vhp(lambda x: (x**3).sum(), sn.tensor([1.0, 2.0]), sn.tensor([1.0, 10.0]))
    (tensor(9.), tensor([  6., 120.]))
    """
    with enable_grad():
        many, xs = _tupled("vhp", "inputs", inputs)
        vs = _vector("vhp", v, xs, "the inputs", create_graph)
        xs = _fresh(xs, create_graph)
        y = _scalar("vhp", func, xs, strict)
        gs = _grads((y,), xs, (None,), True)
        if strict:
            _check_depends("vhp", gs, "gradient")
        found = _grads(gs, xs, vs, create_graph)
    out = _filled("vhp", found, xs, "the product for input", strict, create_graph)
    return _finish((y,), False, create_graph), _finish(out, many, create_graph)


def hvp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """func(*inputs), one value, and H v. Goes backward three times; vhp is quicker and H symmetric.

    >>> import sensorium as sn
    >>> hvp(lambda x: (x**3).sum(), sn.tensor([1.0, 2.0]), sn.tensor([1.0, 10.0]))
    (tensor(9.), tensor([  6., 120.]))
    """
    with enable_grad():
        many, xs = _tupled("hvp", "inputs", inputs)
        vs = _vector("hvp", v, xs, "the inputs", create_graph)
        xs = _fresh(xs, create_graph)
        y = _scalar("hvp", func, xs, strict)
        gs = _grads((y,), xs, (None,), True)
        if strict:
            _check_depends("hvp", gs, "gradient")
        weights = _weights(xs)
        seconds = _grads(gs, xs, weights, True)
        if strict:
            _check_depends("hvp", seconds, "second derivative")
        found = _grads(seconds, weights, vs, create_graph)
    out = _filled("hvp", found, xs, "the product for input", strict, create_graph)
    return _finish((y,), False, create_graph), _finish(out, many, create_graph)


# -- whole matrices ------------------------------------------------------------------------------
def unit_starts(y: Tensor) -> Iterator[Tensor]:
    """For every element of y a tensor like y that is 1 there and 0 elsewhere."""
    for i in range(y.numel()):
        start = np.zeros(y.array.shape, y.array.dtype)
        start.reshape(-1)[i] = 1
        yield wrap(start) if isinstance(y.array, np.ndarray) else wrap(start).to(y.device)


def _rows(i: int, y: Tensor, xs: Tensors, create_graph: bool, strict: bool) -> tuple[Tensor, ...]:
    """d y / d x for every x, each of shape (*y.shape, *x.shape)."""
    from ..ops import stack

    columns: list[list[Tensor]] = [[] for _ in xs]
    for start in unit_starts(y):
        found = _grads((y,), xs, (start,), create_graph, True)
        gs = _filled(
            "jacobian", found, xs, f"the derivative of output {i} by input", strict, create_graph
        )
        for column, g in zip(columns, gs):
            column.append(g)
    shapes = [(*y.shape, *x.shape) for x in xs]
    return tuple(
        stack(c).reshape(shape) if c else wrap(np.zeros(shape, x.dtype, like=x.array))
        for c, shape, x in zip(columns, shapes, xs)
    )


def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """d func(*inputs) / d inputs: for every output and input a Tensor of shape (*output, *input).

    Outputs are the outer tuple, inputs the inner one; what is single is bare. strict: an output that
    does not depend on an input is an error instead of zeros.

    >>> import sensorium as sn
    >>> jacobian(lambda x: x * x.sum(), sn.tensor([1.0, 2.0]))
    tensor([[4., 1.],
            [2., 5.]])
    """
    _check_strategy("jacobian", strategy, vectorize, create_graph, strict)
    with enable_grad():
        many_in, xs = _tupled("jacobian", "inputs", inputs)
        xs = _fresh(xs, create_graph)
        many_out, ys = _results("jacobian", func, xs, strict)
        rows = [_rows(i, y, xs, create_graph, strict) for i, y in enumerate(ys)]
    matrices = tuple(_finish(row, many_in, create_graph) for row in rows)
    return matrices if many_out else matrices[0]


def _check_strategy(
    op: str, strategy: str, vectorize: bool, create_graph: bool, strict: bool
) -> None:
    if strategy not in ("forward-mode", "reverse-mode"):
        raise OptionError(
            f"{op}: strategy must be 'forward-mode' or 'reverse-mode', got {strategy!r}"
        )
    if vectorize and strict:
        raise AutogradError(f"{op}: vectorize=True cannot be strict, got strict=True")
    if strategy == "forward-mode" and (create_graph or not vectorize):
        raise AutogradError(
            f"{op}: strategy 'forward-mode' wants vectorize=True and create_graph=False, got "
            f"{vectorize} and {create_graph}"
        )


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The second derivatives of func(*inputs), one value, by every pair of inputs.

    >>> import sensorium as sn
    >>> hessian(lambda x: (x**3).sum(), sn.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    _check_strategy("hessian", outer_jacobian_strategy, vectorize, create_graph, strict)
    many, xs = _tupled("hessian", "inputs", inputs)

    def first(*xs: Tensor) -> Tensors:
        y = _scalar("hessian", func, xs, strict)
        found = _grads((y,), xs, (None,), True)
        gs = _filled("hessian", found, xs, "the gradient by input", strict, False)
        if strict:
            _check_depends("hessian", gs, "gradient")
        return gs

    found = jacobian(first, xs, create_graph, strict)
    return found if many else found[0][0]
