"""The graph from outside: nodes, edges, hooks on several tensors, what is kept for backward.

Follows ``torch.autograd.graph``. Left out: ``allow_mutation_on_saved_tensors``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

from ..errors import AutogradError, OptionError
from ..inplace import wrote
from ..tensor import Tensor
from . import saving
from .hooks import MultiHook, accumulator, add_multi
from .node import GradientEdge, Node

__all__ = [
    "GradientEdge",
    "Node",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "increment_version",
    "register_multi_grad_hook",
    "save_on_cpu",
    "saved_tensors_hooks",
]


# -- what is kept --------------------------------------------------------------------------------
class saved_tensors_hooks:
    """Inside, operations keep pack_hook(tensor) for backward, which calls unpack_hook on it.

    Of nested pairs the innermost acts. pack_hook gets detached tensors that it must not change;
    unpack_hook returns one of the same values.

    >>> import sensorium as sn
    >>> x = sn.ones(2, requires_grad=True)
    >>> with saved_tensors_hooks(lambda t: t.numpy().tobytes(), lambda b: sn.tensor([1.0, 1.0])):
    ...     y = x * x
    >>> y.sum().backward(); x.grad
    tensor([2., 2.])
    """

    def __init__(
        self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]
    ) -> None:
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self) -> None:
        saving.enter((self.pack_hook, self.unpack_hook))

    def __exit__(self, *_: object) -> None:
        saving.leave()


class save_on_cpu(saved_tensors_hooks):
    """Inside, what is kept for backward lies in the CPU's memory and returns to its device for use.

    pin_memory: a copy even of what is there already. device_type: where tensors would come from.

    >>> import sensorium as sn
    >>> x = sn.ones(2, requires_grad=True)
    >>> with save_on_cpu():
    ...     y = x.exp()
    >>> y.sum().backward()
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        def pack(tensor: Tensor) -> Any:
            kept = tensor.cpu()
            return tensor.device, kept.clone() if pin_memory and kept is tensor else kept

        super().__init__(pack, lambda packed: packed[1].to(packed[0]))


class disable_saved_tensors_hooks:
    """Inside, ``saved_tensors_hooks`` is an error with this message.

    >>> with disable_saved_tensors_hooks("not here"):
    ...     save_on_cpu().__enter__()
    Traceback (most recent call last):
    sensorium.errors.AutogradError: not here
    """

    def __init__(self, error_message: str) -> None:
        self.message = error_message
        self._before: list[str | None] = []

    def __enter__(self) -> None:
        if saving.stack.pairs:
            raise AutogradError(self.message)
        self._before.append(saving.stack.refusal)
        saving.stack.refusal = self.message

    def __exit__(self, *_: object) -> None:
        saving.stack.refusal = self._before.pop()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        import functools

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with disable_saved_tensors_hooks(self.message):
                return function(*args, **kwargs)

        return wrapped


# -- places --------------------------------------------------------------------------------------
def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """The place where the gradient of tensor is computed; keeps the graph, not the values.

    >>> import sensorium as sn
    >>> x = sn.ones(1, requires_grad=True)
    >>> y = x * 2
    >>> sn.autograd.grad(y * y, get_gradient_edge(y))
    (tensor([4.]),)
    """
    if not tensor.needs_grad:
        raise AutogradError(
            f"get_gradient_edge: the tensor (shape {tuple(tensor.shape)}) requires no gradient"
        )
    node = tensor.node
    if node is None:
        return GradientEdge(accumulator(tensor), 0, tensor)
    if node is not tensor.grad_fn:  # one of several outputs
        return GradientEdge(tensor.grad_fn, node.saved, node)
    return GradientEdge(node, 0, node)


def increment_version(tensor: Tensor | Iterable[Tensor]) -> None:
    """Count a write to the memory of tensor, one or several, that was made behind its back.

    >>> import sensorium as sn
    >>> x = sn.ones(1)
    >>> increment_version(x); x._version
    1
    """
    for x in (tensor,) if isinstance(tensor, Tensor) else tensor:
        wrote(x)


def register_multi_grad_hook(
    tensors: Sequence[Tensor], fn: Callable[..., None], *, mode: Literal["all", "any"] = "all"
) -> MultiHook:
    """Call fn with the gradients of several tensors in a backward pass; returns a handle.

    "all": fn(list) once every tensor that the pass reaches has its gradient, None for the others.
    "any": fn(gradient) at the first. fn cannot change the gradients.

    >>> import sensorium as sn
    >>> x, y = sn.ones(1, requires_grad=True), sn.ones(1, requires_grad=True)
    >>> handle = register_multi_grad_hook([x, y], lambda gs: print(gs))
    >>> (x * 2 + y * 3).backward()
    [tensor([2.]), tensor([3.])]
    """
    if mode not in ("all", "any"):
        raise OptionError(f"register_multi_grad_hook: mode must be 'all' or 'any', got {mode!r}")
    return add_multi(MultiHook(tensors, fn, mode == "any"))
