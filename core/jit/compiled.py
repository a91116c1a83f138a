"""``compile``: a module or function that runs as a graph of fused steps.

The first call with new shapes traces, optimises and binds; later ones copy the inputs into place, run
a flat list of calls, and copy the results out. Follows the calling convention of ``torch.compile``.
A deviation: there are no partial graphs. What cannot be traced raises ``TraceError``, or with
``fallback=True`` runs as it is. Where a gradient is wanted the function runs as it is, too: a training
step is compiled as a whole by ``training_step``.
"""

from __future__ import annotations

import functools
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from ..amp import _gates
from ..autograd.mode import mode
from ..backends.cpu.library import hold_across_fork
from ..errors import CompileError, OptionError, TraceError
from ..nn.module import Module
from ..tensor import Tensor
from . import trees
from .graph import Graph
from .guards import Looked, Modules, key_of
from .passes import optimise
from .passes.precision import PRECISIONS, lower
from .prepared import Store
from .program import Program
from .state import is_tracing
from .tracing import Traced, trace

_lock = threading.RLock()  # one trace at a time
hold_across_fork(_lock, outermost=True)  # a child would find every op watched


class _Variant:
    """A program for one kind of call."""

    def __init__(self, traced: Traced, precision: str, store: Store) -> None:
        self.traced = traced
        graph = optimise(traced.graph)
        lower(graph, precision)
        self.program = Program(graph, store)
        found = traced.graph.constants
        self.tables = any(v.fresh for v in found)  # they may have been made from the others
        written = [target for target, _ in traced.graph.writes]
        kept = [v for v in found if self.tables and not v.fresh and v not in written]
        self.looked = Looked(traced.looked, [v.tensor for v in kept if v.tensor is not None])

    def holds(self) -> bool:
        """Whether it is right as it stands: the constants are those of the trace, and those that went
        into numbers or tables have not been written."""
        return self.program.fits() and not self.looked.changed()

    def renew(self) -> bool:
        """Bind to other arrays in place of the constants; False if that takes another trace."""
        if self.tables or not self.program.matches() or self.looked.changed():
            return False
        self.program.store.clear()  # what is left there may be of arrays that are gone
        self.program = Program(self.program.graph, self.program.store)
        return True


class Compiled:
    """What ``compile`` returns: callable as the function itself; attributes are the module's."""

    def __init__(
        self,
        function: Callable[..., Any],
        precision: str = "float32",
        fallback: bool = False,
        check: bool = True,
        limit: int = 64,
    ) -> None:
        if not callable(function):
            raise OptionError(f"compile: want a module or a function, got {function!r}")
        if precision not in PRECISIONS:
            raise OptionError(f"compile: precision {precision!r} is not one of {list(PRECISIONS)}")
        self._function, self._precision = function, precision
        self._fallback, self._check, self._limit = fallback, check, limit
        self._modules, self._store = Modules(function), Store()
        self._assigns = False  # to names that it reads: then every call is another kind
        self._variants: OrderedDict[Any, _Variant | None] = OrderedDict()
        if not isinstance(function, Module):
            functools.update_wrapper(self, function)

    # -- calling ---------------------------------------------------------------------------------
    def __call__(self, *args: Any, **options: Any) -> Any:
        if is_tracing() or _gates.state.on or (self._assigns and self._fallback):
            return self._function(*args, **options)
        if not options and len(args) == 1 and isinstance(args[0], Tensor):
            tensors, shape = list(args), None
        else:
            tensors, shape = trees.flatten((args, options))
        if mode.enabled and self._wants_gradient(tensors):
            return self._function(*args, **options)
        if not all(t.array.__class__.__module__ == "numpy" for t in tensors):
            raise CompileError(
                "compile: only tensors on the CPU can be given to a compiled function"
            )
        variant = self._variant(tensors, shape, args, options)
        if variant is None or self._aliased(variant, tensors):
            return self._function(*args, **options)
        leaves = variant.program.run(tensors)
        form = variant.traced.result
        return leaves[0] if form is trees.LEAF else trees.unflatten(form, leaves)

    def _wants_gradient(self, tensors: list[Tensor]) -> bool:
        return any(t.needs_grad for t in tensors) or self._modules.wants_gradient()

    def _variant(self, tensors: Any, shape: Any, args: Any, options: Any) -> _Variant | None:
        """The program for this kind of call; None if it runs as it is."""
        key = (key_of(tensors), shape, self._modules.number())
        found = self._variants.get(key)
        if found is None:
            found = None if key in self._variants else self._compile(key, args, options)
        elif not found.holds() and not found.renew():
            self._store.clear()
            found = self._compile(key, args, options)
        if len(self._variants) == self._limit:  # the one that was not used for longest goes first
            with suppress(KeyError):
                self._variants.move_to_end(key)
        return found

    def _compile(self, key: Any, args: Any, options: Any) -> _Variant | None:
        made: _Variant | None = None
        refusal: TraceError | None = None
        with _lock:
            if (found := self._variants.get(key)) is not None and found.holds():
                return found  # another thread was quicker
            try:
                key, made = self._traced(key, args, options)
            except TraceError as error:
                if not self._fallback:
                    raise
                refusal = error
            self._variants[key] = made
            while len(self._variants) > self._limit:
                self._variants.popitem(last=False)
        if refusal is not None:
            warnings.warn(f"{refusal}; it runs uncompiled", RuntimeWarning, stacklevel=4)
        return made

    def _traced(self, key: Any, args: Any, options: Any) -> tuple[Any, _Variant]:
        """The program, and the key by which it is found: a first call may make lazy parameters."""
        for _ in range(2):
            made = refusal = None
            try:
                traced = trace(self._function, args, options, self._check)
                made = _Variant(traced, self._precision, self._store)
            except TraceError as error:
                refusal = error
            now = self._modules.number()
            if made is not None and now == key[2]:
                return key, made
            if refusal is not None and now == key[2]:
                raise refusal
            key = (*key[:2], now)
        self._assigns = True
        raise TraceError(
            "compile: every call assigns to a module, or to a name that the function reads; a graph "
            "would not. Return what is to be kept, or write it into a buffer in place"
        )

    def _aliased(self, variant: _Variant, tensors: list[Tensor]) -> bool:
        """Whether inputs share memory with others where something is written: a graph would not know."""
        if not variant.program.graph.writes:
            return False
        arrays = [t.array for t in tensors]
        others = [array for _, array in variant.program.held]
        return any(
            np.may_share_memory(a, b) for i, a in enumerate(arrays) for b in (*arrays[:i], *others)
        )

    # -- looking inside --------------------------------------------------------------------------
    @property
    def graphs(self) -> list[Graph]:
        """The graphs of all kinds of calls so far, as they run."""
        return [v.program.graph for v in self._variants.values() if v is not None]

    def graph(self, *args: Any, **options: Any) -> Graph:
        """The graph of such a call, compiled if need be."""
        tensors, shape = trees.flatten((args, options))
        single = not options and len(args) == 1 and isinstance(args[0], Tensor)
        variant = self._variant(tensors, None if single else shape, args, options)
        if variant is None:
            raise CompileError("graph: this call runs uncompiled")
        return variant.program.graph

    def __reduce__(self) -> Any:
        """Copies and pickles are of the function; they compile for themselves."""
        return type(self), (
            self._function,
            self._precision,
            self._fallback,
            self._check,
            self._limit,
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_function"], name)

    def __repr__(self) -> str:
        return f"Compiled({self._function!r}, precision={self._precision!r})"


def compile(
    function: Callable[..., Any] | None = None,
    *,
    precision: str = "float32",
    fallback: bool = False,
    check: bool = True,
) -> Any:
    """The module or function as one graph of fused steps for each kind of call; also a decorator.

    precision: "float32" computes as eager does (1e-5 relative); "bfloat16" multiplies in bfloat16 and
    keeps sums in float32 (about 1e-2), where the CPU has AVX512-BF16. fallback: run what cannot be
    traced as it is, with a warning, instead of raising TraceError. check: trace a second time with
    other values, which finds control flow and constants that depend on them.

    Shapes are part of a graph; another batch size makes another. Weights may be trained, loaded or
    replaced in the meantime. In-place writes on inputs and buffers are done, views among the results
    stay views. With gradients wanted the function runs as it is.

    >>> import sensorium as sn
    >>> net = sn.nn.Sequential(sn.nn.Linear(3, 4), sn.nn.ReLU()).eval()
    >>> quick = sn.compile(net)
    >>> with sn.no_grad():
    ...     quick(sn.ones(2, 3)).shape
    sensorium.Size([2, 4])
    """
    if function is None:
        return functools.partial(compile, precision=precision, fallback=fallback, check=check)
    return Compiled(function, precision, fallback, check)
