"""What an op is: one declaration holding its formula, gradient, fast paths, samples and docs.

    @op(promote="float")
    def softplus(x: Array, beta: float = 1.0, threshold: float = 20.0):
        \"\"\"log(1 + exp(beta x)) / beta, elementwise.\"\"\"
        ...                                    # raw arrays, NumPy or CuPy: written once

    @softplus.grad                             # parameter names say what forward must keep
    def _(g, x, beta): return g * sigmoid(beta * x)

    @softplus.fast("onednn", when=...)         # a guarded shortcut, never a second meaning
    def _(x, beta=1.0, threshold=20.0): ...

    @softplus.samples(reference=...)           # an independent implementation to compare with
    def _(rng): yield rng.normal(size=(3, 4)),

    @softplus.keywords                         # keyword-only arguments that few calls give
    def _(x, beta=1.0, threshold=20.0, *, alpha=1): ...

Above ``@op`` goes ``@with_out`` where PyTorch has ``out=``.

Parameters annotated ``Array`` (or ``Array | None``, or ``Arrays`` for a list of them) are tensors;
the rest are options. A gradient receives ``g`` and, by name, inputs, options, ``y`` (the output, or
the names given by ``outputs=``), ``needs`` (which inputs want a gradient) and ``shapes`` (of the
inputs). ``@f.grad`` returns one gradient or a tuple; ``@f.grad("a")`` is the gradient of one input and
runs, and keeps its values, only when that input wants one. Gradients are written with operators and
ops, which take raw arrays (an ordinary backward) and Tensors (a recorded one) alike; the engine sums
a gradient down to the shape that broadcasting grew, and casts it to the input's type.

Each declaration becomes one Python function with the op's own signature (``_template``), so a call
repacks nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from . import _template

Array = Any
Arrays = Any

OPS: dict[str, Op] = {}


@dataclass
class Fast:
    """A vendor routine for an op, and the test that says when it may stand in for the formula."""

    vendor: str
    when: Callable[..., bool]
    least: int
    run: Callable[..., Any]


@dataclass
class Op:
    """The parts of one declaration. ``call`` is the function users see."""

    name: str
    formula: Callable[..., Any]
    signature: inspect.Signature
    promote: str | None = None
    numbers: str = "either"
    view: bool = False
    outputs: tuple[str, ...] = ("y",)
    differentiable: int = 1
    warns: bool = True
    call: Any = field(init=False, repr=False)
    hot: Any = field(init=False, repr=False)
    aside: Callable[..., Any] | None = None
    out: bool = False
    backward: dict[str | None, Callable[..., Any]] = field(default_factory=dict)
    keeps: tuple[str, ...] = ()
    pull: Callable[..., Any] | None = None
    fast_paths: list[Fast] = field(default_factory=list)
    sample_fn: Callable[..., Iterator[Any]] | None = None
    reference: Callable[..., Any] | None = None
    tolerance: float = 1e-12
    smooth: bool = True

    def __post_init__(self) -> None:
        kinds = {p.name: str(p.annotation) for p in self.signature.parameters.values()}
        self.lists = tuple(n for n, kind in kinds.items() if kind == "Arrays")
        self.inputs = tuple(n for n, kind in kinds.items() if kind.startswith("Array"))
        self.options = tuple(n for n in kinds if n not in self.inputs)

    # -- the decorators a declaration uses -------------------------------------------------------
    def grad(self, target: Any) -> Any:
        """Attach the gradient: of every input (``@f.grad``) or of one (``@f.grad("a")``)."""
        if isinstance(target, str):
            return lambda fn: self._attach_grad(target, fn)
        return self._attach_grad(None, target)

    def _attach_grad(self, target: str | None, fn: Callable[..., Any]) -> Callable[..., Any]:
        if target in self.backward or (target is not None and target not in self.inputs):
            raise TypeError(f"{self.name}: {target!r} has a gradient already or is no input")
        self.backward[target] = fn
        _template.reset(self)
        return fn

    def fast(self, vendor: str, *, when: Callable[..., bool], least: int = 0) -> Callable[..., Any]:
        """Attach a vendor routine, tried before the formula wherever ``when`` holds.

        least: do not even ask for a last input of fewer elements, which costs small tensors less.
        """

        def attach(fn: Callable[..., Any]) -> Callable[..., Any]:
            self.fast_paths.append(Fast(vendor, when, least, fn))
            _template.reset(self)
            return fn

        return attach

    def keywords(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """Attach keyword-only arguments: ``fn`` is the call when one of them is not its default.

        Operators call ``hot``, which has none of them: ``a + b`` does not pay for ``alpha=``.
        """
        self.aside = fn
        _template.reset(self)
        return fn

    def take_out(self) -> None:
        """Give the call the keyword ``out`` (``with_out``)."""
        self.out = True
        _template.reset(self)

    @property
    def keyword_defaults(self) -> dict[str, Any]:
        """The keyword-only arguments of the call beside its parameters."""
        given = inspect.signature(self.aside).parameters.values() if self.aside else ()
        found = {p.name: p.default for p in given if p.kind is p.KEYWORD_ONLY}
        return {**found, "out": None} if self.out else found

    def samples(
        self, *, reference: Callable[..., Any], tolerance: float = 1e-12, smooth: bool = True
    ) -> Callable[..., Any]:
        """Attach sample inputs and an independent implementation; smooth: gradients are checkable."""

        def attach(fn: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
            self.sample_fn, self.reference = fn, reference
            self.tolerance, self.smooth = tolerance, smooth
            return fn

        return attach

    @property
    def namespace(self) -> dict[str, Any]:
        """What the generated functions look their names up in."""
        return self.call.__globals__

    def compute(self, *args: Any) -> Any:
        """Run on raw arrays: the first fast path that applies, else the formula."""
        if self.fast_paths and self.namespace["compute"] is self.formula:
            _template.build_call(self)
        return self.namespace["compute"](*args)


def op(
    formula: Callable[..., Any] | None = None,
    *,
    kernel: Callable[..., Any] | None = None,
    promote: str | None = None,
    numbers: str = "either",
    view: bool = False,
    outputs: tuple[str, ...] = ("y",),
    differentiable: int = 1,
    warns: bool = True,
) -> Any:
    """Declare an op by its formula on raw arrays.

    kernel: an array function that is the formula, called directly; the declaration has only docs.
    promote: "common" brings the inputs to PyTorch's common type first, "float" to a float type, None
    leaves them. numbers: which of two inputs may be Python numbers: "both", "either", "other" (the
    second) or "none". view: the result shares memory with the first input. outputs: names of the results
    when there are several; the first ``differentiable`` of them have gradients (0: none has). warns:
    False where no floating-point warning can arise, which spares switching them off.
    """

    def declare(fn: Callable[..., Any]) -> Callable[..., Any]:
        name = fn.__name__
        if name in OPS:
            raise TypeError(f"op {name!r} is declared twice")
        made = Op(
            name, kernel or fn, inspect.signature(fn), promote, numbers, view, outputs,
            differentiable, warns,
        )  # fmt: skip
        OPS[name] = made
        made.call, made.hot = _template.new_calls(made, fn)
        return made.call

    return declare if formula is None else declare(formula)
