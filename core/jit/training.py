"""A training step as one graph: forward, loss and every gradient; then the optimizer.

The function is traced with its backward pass, whose formulas are ops as well. What is computed from
trained parameters is computed at every step; frozen weights are constants, packed once. Gradients stay
where the graph computes them, so a step allocates nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

from ..autograd.engine import grad_by_ops
from ..autograd.mode import enable_grad
from ..errors import CompileError, OptionError, ShapeError
from ..optim import Optimizer
from ..tensor import Tensor
from . import trees
from .compiled import _lock
from .graph import Graph
from .guards import Looked, Modules, key_of
from .passes import optimise
from .prepared import Store
from .program import Program
from .tracing import trace


class _Step(NamedTuple):
    """A program, the parameters whose gradients it returns, and what its trace read into Python."""

    program: Program
    reached: list[Tensor]
    looked: Looked


class TrainingStep:
    """What ``training_step`` returns: ``step(*args)`` trains once and returns the loss."""

    def __init__(
        self,
        function: Callable[..., Any],
        optimizer: Optimizer,
        before: Callable[[], Any] | None,
        check: bool,
    ) -> None:
        if not callable(function) or not isinstance(optimizer, Optimizer):
            raise OptionError(
                "training_step: want a function that returns the loss and an Optimizer, got "
                f"{function!r} and {optimizer!r}"
            )
        self.function, self.optimizer = function, optimizer
        self.before, self.check = before, check
        self._modules = Modules(function)
        self._programs: OrderedDict[Any, _Step] = OrderedDict()

    def __call__(self, *args: Any, **options: Any) -> Tensor:
        tensors, shape = trees.flatten((args, options))
        parameters = self._parameters()
        key = (key_of(tensors), shape, self._modules.number(), tuple(map(id, parameters)))
        found = self._programs.get(key)
        if found is None or not found.program.fits() or found.looked.changed():
            found = self._programs[key] = self._compiled(parameters, args, options)
            while len(self._programs) > 8:
                self._programs.popitem(last=False)
        loss, *gradients = found.program.run(tensors)
        for p in parameters:
            p.grad = None
        for p, g in zip(found.reached, gradients):
            p.grad = g
        if self.before is not None:
            self.before()
        self.optimizer.step()
        return loss

    def _parameters(self) -> list[Tensor]:
        groups = self.optimizer.param_groups
        return [p for group in groups for p in group["params"] if p.requires_grad]

    def _compiled(self, parameters: list[Tensor], args: Any, options: Any) -> _Step:
        """The program for such a call."""
        reached: list[Tensor] = []

        def with_gradients(*args: Any, **options: Any) -> list[Tensor]:
            with enable_grad():
                loss = self.function(*args, **options)
                _check_loss(loss)
                found = grad_by_ops(loss, parameters)
            reached[:] = [p for p, g in zip(parameters, found) if g is not None]
            return [loss.detach(), *(g for g in found if g is not None)]

        with _lock:
            traced = trace(with_gradients, args, options, self.check)
        graph = traced.graph
        graph.name = f"{getattr(self.function, '__name__', 'function')}_with_gradients"
        trained = {id(p) for p in parameters}
        for value in graph.constants:
            if id(value.tensor) in trained:
                value.kind = "state"
        program = Program(optimise(graph), Store(), lasting=False)
        return _Step(program, reached, Looked(traced.looked, []))

    @property
    def graphs(self) -> list[Graph]:
        """The graphs so far, as they run."""
        return [step.program.graph for step in self._programs.values()]


def _check_loss(loss: Any) -> None:
    if not isinstance(loss, Tensor):
        raise CompileError(f"training_step: the function must return the loss, got {loss!r}")
    if loss.numel() != 1:
        raise ShapeError(f"training_step: the loss must be one number, got {tuple(loss.shape)}")
    if not loss.requires_grad:
        raise CompileError("training_step: the loss does not depend on any trained parameter")


def training_step(
    function: Callable[..., Any],
    optimizer: Optimizer,
    *,
    before: Callable[[], Any] | None = None,
    check: bool = True,
) -> TrainingStep:
    """A function that computes loss and gradients as one graph, steps the optimizer, returns the loss.

    function(*args) returns a scalar loss that depends on the optimizer's parameters. before is called
    when the gradients are there and the optimizer has not stepped yet, to clip them for instance.
    ``grad`` of the parameters is overwritten at every step, never added to, and lies in memory that the
    next step overwrites. Shapes are part of the graph: the last, smaller batch of an epoch makes a
    second one. Raises TraceError for what a graph cannot hold; see ``compile``.

    >>> import sensorium as sn
    >>> net = sn.nn.Linear(3, 1)
    >>> def loss(x, y):
    ...     return sn.nn.functional.mse_loss(net(x), y)
    >>> step = training_step(loss, sn.optim.SGD(net.parameters(), lr=0.1))
    >>> x, y = sn.ones(2, 3), sn.ones(2, 1)
    >>> first, second = step(x, y).item(), step(x, y).item()
    >>> second < first
    True
    """
    return TrainingStep(function, optimizer, before, check)
