"""The Python source behind every op's call: written once here, compiled when an op is first called.

``build_call`` makes the function users call: unwrap the inputs, promote, compute with floating-point
warnings off, wrap, record. ``build_tape`` makes the two functions of the tape: ``record`` (a node
from what a call saw) and ``pull`` (the inputs' gradients from a node). The reason for generating
source is speed on small tensors: explicit signatures, no ``*args``, no dictionaries.

Names in the generated code: ``x`` is what the caller passed, ``x_`` its array, ``x_edge`` its edge;
names of the template's own begin with an underscore.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any

from numpy import ndarray

from ..autograd.mode import mode
from ..autograd.node import Node, cell_of, next_sequence
from ..backends.quiet import loud, quiet
from ..tensor import Tensor
from . import _promote, _results

if TYPE_CHECKING:
    from ._declare import Op

_SHARED = {
    "Tensor": Tensor,
    "Node": Node,
    "new_tensor": Tensor.__new__,
    "new_node": Node.__new__,
    "ndarray": ndarray,
    "mode": mode,
    "quiet": quiet,
    "loud": loud,
    "cell_of": cell_of,
    "next_sequence": next_sequence,
    "FLOATING": _promote.FLOATING,
    **{name: getattr(_results, name) for name in _results.__all__},
}


def _compile(source: list[str], name: str, namespace: dict[str, Any]) -> Any:
    text = "\n".join(line for line in source if line)
    code = compile(text, f"<op {namespace['op'].name}: {name}>", "exec")
    exec(code, namespace)  # noqa: S102  (our own text, made from declarations)
    return namespace[name]


def _first_call(*args: Any, **options: Any) -> Any:
    return build_call(op)(*args, **options)  # type: ignore[name-defined]  # noqa: F821


def _first_hot(*args: Any, **options: Any) -> Any:
    build_call(op)  # type: ignore[name-defined]  # noqa: F821
    return op.hot(*args, **options)  # type: ignore[name-defined]  # noqa: F821


def _first_record(*args: Any) -> Any:
    return build_tape(op)(*args)  # type: ignore[name-defined]  # noqa: F821


# -- the call ------------------------------------------------------------------------------------
def new_calls(op: Op, declared: Callable[..., Any]) -> tuple[Any, Any]:
    """The function users call, with the declaration's name, docs, signature and decorators, and the
    one that operators call.

    Their code is generated when it is first called: importing 200 ops must not compile 600 functions.
    """
    call: Any = FunctionType(_first_call.__code__, _new_namespace(op), op.name)
    functools.update_wrapper(call, declared)
    call.__signature__ = op.signature
    call.op, call.grad, call.fast, call.samples = op, op.grad, op.fast, op.samples
    call.keywords = op.keywords
    hot: Any = FunctionType(_first_hot.__code__, call.__globals__, op.name)
    functools.update_wrapper(hot, declared)
    hot.__signature__, hot.op = op.signature, op
    return call, hot


def reset(op: Op) -> None:
    """Forget the generated code: the declaration has changed."""
    call, more = op.call, op.keyword_defaults
    call.__code__, op.hot.__code__ = _first_call.__code__, _first_hot.__code__
    call.__defaults__ = op.hot.__defaults__ = call.__kwdefaults__ = None
    only = inspect.Parameter.KEYWORD_ONLY
    extra = [inspect.Parameter(name, only, default=value) for name, value in more.items()]
    call.__signature__ = op.signature.replace(
        parameters=[*op.signature.parameters.values(), *extra]
    )
    op.namespace["record"] = FunctionType(_first_record.__code__, op.namespace, "record")


def _new_namespace(op: Op) -> dict[str, Any]:
    """What the generated functions of an op look their names up in."""
    namespace = {**_SHARED, "op": op, "formula": op.formula, "compute": op.formula}
    namespace["build_call"], namespace["build_tape"] = build_call, build_tape
    namespace["__name__"] = f"sensorium.ops.{op.name}"
    namespace["record"] = FunctionType(_first_record.__code__, namespace, "record")
    namespace["promote"] = _promote.RULES[op.promote] if op.promote else None
    for p in op.signature.parameters.values():
        namespace[f"default_{p.name}"] = p.default
    return namespace


def build_call(op: Op) -> Any:
    """Give the function users call its real code."""
    if op.fast_paths:
        _build_compute(op)
    parameters, body = _parameters(op), _body(op)
    hot = _compile([f"def {op.name}({parameters}):", *body], op.name, op.namespace)
    op.hot.__defaults__, op.hot.__code__ = hot.__defaults__, hot.__code__
    if more := op.keyword_defaults:
        op.namespace.update({f"default_{name}": value for name, value in more.items()})
        extra = ", ".join(f"{name}=default_{name}" for name in more)
        hot = _compile(
            [f"def {op.name}({parameters}, *, {extra}):", *_divert(op, more), *body],
            op.name,
            op.namespace,
        )
    op.call.__defaults__, op.call.__code__ = hot.__defaults__, hot.__code__
    op.call.__kwdefaults__ = hot.__kwdefaults__
    return op.call


def _parameters(op: Op) -> str:
    parameters = op.signature.parameters.values()
    return ", ".join(
        p.name if p.default is p.empty else f"{p.name}=default_{p.name}" for p in parameters
    )


def _divert(op: Op, more: dict[str, Any]) -> list[str]:
    """Go aside when a keyword-only argument is given."""
    given = " or ".join(f"{name} is not default_{name}" for name in more)
    arguments = ", ".join([*op.signature.parameters, *(f"{name}={name}" for name in more)])
    return [f"    if {given}: return aside(op, {arguments})"]


def _body(op: Op) -> list[str]:
    """What the call does: unwrap, compute, wrap, record."""
    noisy = op.warns and not op.view
    arguments = ", ".join(f"{n}_" if n in op.inputs else n for n in op.signature.parameters)
    bare = "_y"
    if len(op.inputs) == 2 and op.promote in ("common", "float"):
        bare = f"_y if _y.__class__ is ndarray else bare(op, _y, {', '.join(op.inputs)})"
    return [
        *_indent(_unwrap(op)),
        "    _token = quiet()" if noisy else "",
        "    try:",
        f"        _y = {_choice(op)}({arguments})",
        "    except Exception as _error:",
        f"        raise explain(op, _error, ({arguments},)) from None",
        "    finally: loud(_token)" if noisy else "",
        f"    if not _seen: return {bare}",
        *_indent(_wrap(op)),
    ]


def _choice(op: Op) -> str:
    """Which function computes: the formula at once where no fast path wants so few elements."""
    if not op.fast_paths:
        return "formula"
    least = min(path.least for path in op.fast_paths)
    size = f"{_sized(op)}_"
    if not least:
        return "compute"
    return f"(compute if {size}.__class__ is ndarray and {size}.size >= {least} else formula)"


def _sized(op: Op) -> str:
    """The input whose size decides about fast paths: of two operands the second."""
    return op.inputs[1] if len(op.inputs) == 2 else op.inputs[0]


def _build_compute(op: Op) -> None:
    """``compute``: the first fast path that applies, else the formula."""
    names = ", ".join(op.signature.parameters)
    source = [f"def compute({names}):"]
    for i, path in enumerate(op.fast_paths):
        op.namespace[f"when_{i}"], op.namespace[f"run_{i}"] = path.when, path.run
        size = _sized(op)
        large = f"{size}.__class__ is ndarray and {size}.size >= {path.least} and "
        source.append(
            f"    if {large if path.least else ''}when_{i}({names}): return run_{i}({names})"
        )
    _compile([*source, f"    return formula({names})"], "compute", op.namespace)


def _indent(lines: list[str], pad: str = "    ") -> list[str]:
    return [pad + line for line in lines]


def _unwrap(op: Op) -> list[str]:
    """Take the arrays out of the tensors and bring them to a common type."""
    if op.lists:
        n = op.lists[0]
        return [
            f"if isinstance({n}, Tensor): raise no_list(op.name, {n})",
            f"{n} = list({n}); {n}_, _seen, _needs = unwrap_list(op, {n}, promote)",
        ]
    if len(op.inputs) == 1:
        return _unwrap_one(op, op.inputs[0])
    arrays = ", ".join(f"{n}_" for n in op.inputs)
    each = [
        "_needs = _seen = False",
        *(line for n in op.inputs for line in _unwrap_any(n)),
        *_refusals(op),
        f"{arrays} = promote({arrays})" if op.promote else "",
    ]
    if op.promote not in ("common", "float", None) or len(op.inputs) != 2:
        return each
    a, b = op.inputs  # two tensors, the usual case of an elementwise op, go a shorter way
    floats = f" or {a}_.dtype not in FLOATING" if op.promote == "float" else ""
    return [
        f"if isinstance({a}, Tensor) and isinstance({b}, Tensor):",
        f"    {a}_ = {a}.array; {b}_ = {b}.array; _seen = True",
        f"    _needs = {a}.needs_grad or {b}.needs_grad",
        f"    if {a}_.dtype is not {b}_.dtype{floats}: {arrays} = promote({arrays})"
        if op.promote
        else "",
        "else:",
        *_indent(each),
    ]


def _refusals(op: Op) -> list[str]:
    """Refuse a Python number where PyTorch wants a tensor."""
    only = {"other": op.inputs[:1], "none": op.inputs}.get(op.numbers, ())
    return [f"if {n}.__class__ in NUMBERS: raise no_number(op, {n!r}, {n})" for n in only]


def _unwrap_one(op: Op, x: str) -> list[str]:
    return [
        f"if isinstance({x}, Tensor): {x}_ = {x}.array; _needs = {x}.needs_grad; _seen = True",
        f"else: {x}_ = as_input(op, {x}); _needs = _seen = False",
        f"if {x}_.dtype not in FLOATING: {x}_ = promote({x}_)" if op.promote == "float" else "",
    ]


def _unwrap_any(n: str) -> list[str]:
    return [
        f"if isinstance({n}, Tensor): {n}_ = {n}.array; _seen = True; _needs = _needs or {n}.needs_grad",
        f"else: {n}_ = {n}",
    ]


def _wrap(op: Op) -> list[str]:
    """Make the result a Tensor and, when wanted, record how it was made."""
    inputs = ", ".join(f"{n}_" for n in op.inputs)
    record = f"record({', '.join(op.signature.parameters)}, {inputs}, _y, _out)"
    if len(op.outputs) > 1:
        out = "_out = None"
        kept = f"{record} if _needs and mode.enabled else None" if op.differentiable else "None"
        return [out, f"return wrap_many(op, _y, {kept})"]
    untracked = "_out.needs_grad = False; _out.node = None"
    lines = [
        "if _y.__class__ is not ndarray: _y = as_array(_y)",
        "_out = new_tensor(Tensor)",
        "_out.array = _y; _out._grad = _out.cell = _out.extra = None",
        untracked,
    ]
    if op.differentiable:
        lines[-1:] = [
            f"if _needs and mode.enabled: _out.needs_grad = True; _out.node = {record}",
            f"else: {untracked}",
        ]
    if op.view:
        x = op.inputs[0]
        options = ", ".join(op.options)
        options = f"({options},)" if options else "()"
        lines.append(f"link_view(_out, {x}, {x}_, (op.call, {options}))")
    return [*lines, "return _out"]


# -- the tape ------------------------------------------------------------------------------------
def build_tape(op: Op) -> Any:
    """Make ``record`` and ``pull`` from the gradients of the declaration; return ``record``."""
    wants = {
        target: [n for n in list(inspect.signature(fn).parameters)[1:] if n != "needs"]
        for target, fn in op.backward.items()
    }
    op.keeps = tuple(dict.fromkeys(n for names in wants.values() for n in names))
    _build_pull(op, wants)
    return _build_record(op, wants)


def _build_record(op: Op, wants: dict[str | None, list[str]]) -> Any:
    inputs = [f"{n}_" for n in op.inputs]
    several = len(op.outputs) > 1
    shapes = (
        "[v.shape for v in _y[:op.differentiable]], [v.dtype for v in _y[:op.differentiable]]"
        if several
        else "_y.shape, _y.dtype"
    )
    saved = "".join(f"{_saved(op, n, wants)}, " for n in op.keeps)
    source = [
        f"def record({', '.join([*op.signature.parameters, *inputs])}, _y, _out):",
        "    _node = new_node(Node); _node.op = op; _node.hooks = None",
        *_indent(_edges(op)),
        f"    _node.saved = ({saved})",
        *_indent(_cells(op, wants)),
        f"    _node.shape, _node.dtype = {shapes}",
        "    _node.sequence = next_sequence()",
        "    return _node",
    ]
    return _compile(source, "record", op.namespace)


def _edges(op: Op) -> list[str]:
    if op.lists:
        return [f"_node.edges = tuple(map(edge_of, {op.lists[0]}))"]
    if len(op.inputs) == 1:
        x = op.inputs[0]
        return [f"_node.edges = ({x}.node or {x},)"]
    lines = [
        f"{n}_edge = ({n}.node or ({n} if {n}.needs_grad else None))"
        f" if isinstance({n}, Tensor) else None"
        for n in op.inputs
    ]
    return [*lines, f"_node.edges = ({', '.join(f'{n}_edge' for n in op.inputs)},)"]


def _condition(op: Op, name: str, wants: dict[str | None, list[str]]) -> str:
    """The test for whether any gradient that runs wants this value; empty if every one does."""
    users = [target for target, names in wants.items() if name in names]
    if None in users or len(users) == len(op.inputs):
        return ""
    return " or ".join(f"{target}_edge is not None" for target in users)


def _saved(op: Op, name: str, wants: dict[str | None, list[str]]) -> str:
    if name == "shapes":
        return f"shapes_of({', '.join(f'{n}_' for n in op.inputs)})"
    if name in op.outputs and name not in op.inputs:
        value = "_y" if len(op.outputs) == 1 else f"_y[{op.outputs.index(name)}]"
    else:
        value = f"{name}_" if name in op.inputs else name
    condition = _condition(op, name, wants)
    return f"({value} if {condition} else None)" if condition else value


def _cells(op: Op, wants: dict[str | None, list[str]]) -> list[str]:
    """Guard the kept arrays by their version cells."""
    if op.lists:
        kept = f"tuple(map(cell_of, {op.lists[0]}))" if op.lists[0] in op.keeps else "()"
        return [f"_node.cells = {kept}; _node.stamp = sum(c[0] for c in _node.cells)"]
    cells, single = [], len(op.inputs) == 1
    for n in op.keeps:
        condition = _condition(op, n, wants)
        if n in op.inputs:
            found = f"{n}.cell or cell_of({n})" if single else f"cell_of({n})"
            cells.append(found + (f" if {condition} else NO_CELL" if condition else ""))
        elif n in op.outputs and len(op.outputs) == 1:
            cells.append("out_cell")
    lines = ["out_cell = _out.cell = [0]"] if "out_cell" in cells else []
    if not cells:
        return ["_node.cells = (); _node.stamp = 0"]
    names = [f"c{i}" for i in range(len(cells))]
    lines += [f"{c} = {value}" for c, value in zip(names, cells)]
    stamp = " + ".join(f"{c}[0]" for c in names)
    return [*lines, f"_node.cells = ({', '.join(names)},); _node.stamp = {stamp}"]


def _build_pull(op: Op, wants: dict[str | None, list[str]]) -> None:
    """``pull(g, saved, edges)``: the gradients, aligned with the edges."""
    source = ["def pull(_g, _saved, _edges):"]
    if op.keeps:
        source.append(f"    {', '.join(op.keeps)}, = _saved")
    if None in op.backward:
        op.namespace["joint"] = op.backward[None]
        needs = "needs" in inspect.signature(op.backward[None]).parameters
        extra = ", needs=[e is not None for e in _edges]" if needs else ""
        call = f"joint({', '.join(['_g', *wants[None]])}{extra})"
        many = op.lists or len(op.inputs) > 1
        source.append(f"    return {call}" if many else f"    return ({call},)")
    else:
        parts = []
        for i, n in enumerate(op.inputs):
            op.namespace[f"pull_{n}"] = op.backward.get(n)
            call = f"pull_{n}({', '.join(['_g', *wants.get(n, [])])}) if _edges[{i}] is not None else None"
            parts.append(call if n in op.backward else "None")
        source.append(f"    return ({', '.join(parts)},)")
    op.pull = _compile(source, "pull", op.namespace)
