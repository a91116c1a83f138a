"""Checkpointing: forget what a part of a model kept for backward and compute it again when needed.

Two ways, as in ``torch.utils.checkpoint``. use_reentrant=False records the graph but keeps no values
in it; the first value that backward needs runs the function again, in the random state of its first
run and under its autocast, and hands out what it keeps until all have been had. use_reentrant=True records nothing; backward
runs the function again and then a backward pass of its own. Gradients are those of the plain run, bit
for bit, if the function computes the same again. Left out: selective checkpointing.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from ..autograd.engine import backward as run_backward
from ..autograd.function import Function
from ..autograd.mode import enable_grad, mode
from ..errors import AutogradError, OptionError
from ..tensor import Tensor
from ._recompute import CheckpointError, Frame, Surroundings, set_checkpoint_early_stop

__all__ = [
    "CheckpointError",
    "checkpoint",
    "checkpoint_sequential",
    "noop_context_fn",
    "set_checkpoint_early_stop",
]

Contexts = Callable[[], tuple[Any, Any]]


def noop_context_fn() -> tuple[Any, Any]:
    """Two contexts that do nothing.

    >>> first, second = noop_context_fn()
    """
    return contextlib.nullcontext(), contextlib.nullcontext()


# -- reentrant -----------------------------------------------------------------------------------
class _Reentrant(Function):
    """A function as one node; its own graph is made and used up within backward."""

    @staticmethod
    def forward(ctx: Any, function: Callable[..., Any], preserve: bool, *args: Any) -> Any:
        """Run unrecorded; keep the arguments."""
        ctx.function = function
        ctx.around = Surroundings(preserve)
        ctx.args = [None if isinstance(a, Tensor) else a for a in args]
        ctx.places = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        ctx.save_for_backward(*(args[i] for i in ctx.places))
        return function(*args)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Run again, recorded, and go through that graph."""
        if mode.towards:
            raise AutogradError(
                "checkpoint: with use_reentrant=True only backward() without inputs= works, not "
                "grad() or backward(inputs=...); use use_reentrant=False"
            )
        args = _detached(ctx)
        with ctx.around.again(), enable_grad():
            outputs = ctx.function(*args)
        listed = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
        reached = [
            (o, g) for o, g in zip(listed, grads) if isinstance(o, Tensor) and o.requires_grad
        ]
        if not reached:
            raise AutogradError(
                f"checkpoint: none of the {len(listed)} outputs requires a gradient when the "
                "function runs again; there is nothing to checkpoint"
            )
        run_backward([o for o, _ in reached], [g for _, g in reached])
        return (None, None, *(a.grad if isinstance(a, Tensor) else None for a in args))


def _detached(ctx: Any) -> list[Any]:
    """The arguments, tensors as leaves."""
    args = list(ctx.args)
    for i, tensor in zip(ctx.places, ctx.saved_tensors):
        args[i] = tensor.detach()
        args[i].requires_grad = tensor.requires_grad
    return args


def _reentrant(function: Callable[..., Any], preserve: bool, args: tuple[Any, ...]) -> Any:
    if mode.enabled and not any(isinstance(a, Tensor) and a.requires_grad for a in args):
        warnings.warn(
            f"checkpoint: none of the {len(args)} inputs requires a gradient, so with "
            "use_reentrant=True nothing inside gets one",
            stacklevel=3,
        )
    return _Reentrant.apply(function, preserve, *args)


# -- public --------------------------------------------------------------------------------------
def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Contexts = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """``function(*args, **kwargs)``, whose values for backward are computed again when needed.

    use_reentrant should be given; False is the better way, True takes no kwargs. context_fn returns
    the contexts of the first and the second run. determinism_check "none": do not compare shapes,
    types and devices of the two runs. debug: name the operations of both in an error. Modules run
    twice, so running statistics move twice.

    >>> import sensorium as sn
    >>> x = sn.ones(2, requires_grad=True)
    >>> checkpoint(lambda x: x.exp().square(), x, use_reentrant=False).sum().backward()
    >>> x.grad
    tensor([14.7781, 14.7781])
    """
    if use_reentrant is None:
        use_reentrant = True
        warnings.warn(
            "checkpoint: pass use_reentrant explicitly; False is recommended, without it True is "
            "taken",
            stacklevel=2,
        )
    if use_reentrant:
        _refuse_options(kwargs, context_fn, debug)
        return _reentrant(function, preserve_rng_state, args)
    if determinism_check not in ("default", "none"):
        raise OptionError(
            f"checkpoint: determinism_check must be 'default' or 'none', got {determinism_check!r}"
        )
    first, second = context_fn()
    with first:
        if not mode.enabled:
            return function(*args, **kwargs)
        names: list[str] | None = [] if debug else None
        frame = Frame(
            function,
            args,
            kwargs,
            preserve_rng_state,
            second,
            determinism_check == "default",
            early_stop,
            names,
        )
        return frame.run_first(args, kwargs)


def _refuse_options(kwargs: dict[str, Any], context_fn: Contexts, debug: bool) -> None:
    if kwargs:
        raise OptionError(
            f"checkpoint: with use_reentrant=True the function takes no keyword arguments, got "
            f"{', '.join(kwargs)}"
        )
    if context_fn is not noop_context_fn or debug:
        raise OptionError("checkpoint: context_fn and debug need use_reentrant=False, got True")


def checkpoint_sequential(
    functions: Any,
    segments: int,
    input: Any,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
) -> Any:
    """A Sequential, or a list of functions, in segments that are checkpointed but for the last.

    >>> import sensorium as sn
    >>> net = sn.nn.Sequential(sn.nn.Tanh(), sn.nn.Sigmoid())
    >>> checkpoint_sequential(net, 2, sn.zeros(1, requires_grad=True), use_reentrant=False)
    tensor([0.5000], grad_fn=<SigmoidBackward0>)
    """
    steps: Sequence[Any] = list(
        functions.children() if hasattr(functions, "children") else functions
    )
    if not 1 <= segments <= len(steps):
        raise OptionError(
            f"checkpoint_sequential: want 1 to {len(steps)} segments for {len(steps)} functions, "
            f"got {segments}"
        )
    size = len(steps) // segments
    for start in range(0, size * (segments - 1), size):
        input = checkpoint(
            _in_turn(steps[start : start + size]),
            input,
            use_reentrant=use_reentrant,
            preserve_rng_state=preserve_rng_state,
        )
    return _in_turn(steps[size * (segments - 1) :])(input)


def _in_turn(steps: Sequence[Any]) -> Callable[[Any], Any]:
    def run(value: Any) -> Any:
        for step in steps:
            value = step(value)
        return value

    return run
