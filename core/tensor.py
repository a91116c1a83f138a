"""The Tensor: an array, whether it wants a gradient, and the node that made it.

The class is thin on purpose. ``array`` is a ``numpy.ndarray`` or a ``cupy.ndarray``; everything a
tensor can compute comes from ``sensorium.ops`` and is attached as methods and operators by
``sensorium.methods``. What is here: the slots, identity (shape, dtype, device), the gradient's place,
hooks, and conversion to NumPy and Python. Follows ``torch.Tensor``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ._extra import Extra, Handle
from .autograd.node import Node, Pick, cell_of
from .device import Device, device_of
from .dtypes import FLOATING, DType
from .errors import AutogradError, DTypeError, OutOfBoundsError, ShapeError
from .size import Size

if TYPE_CHECKING:
    from ._typing import AttachedMethods as _Attached
else:
    _Attached = object


class Tensor(_Attached):
    """An n-dimensional array that can be differentiated.

    Made by ``sn.tensor``, ``sn.zeros``, ... ; ``Tensor(array)`` wraps an array without a copy.

    >>> import sensorium as sn
    >>> x = sn.tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """

    __slots__ = ("__weakref__", "_grad", "array", "cell", "extra", "needs_grad", "node")

    array: Any
    needs_grad: bool
    node: Node | None
    cell: list[int] | None
    extra: Extra | None
    _grad: Tensor | None

    # NumPy must hand `ndarray * tensor` to our operators instead of looping over the tensor.
    __array_ufunc__ = None
    __array_priority__ = 1000

    def __init__(self, array: Any, requires_grad: bool = False) -> None:
        if isinstance(array, Tensor):
            array = array.array
        if not hasattr(array, "dtype") or not hasattr(array, "strides"):
            array = np.asarray(array)
        self.array = array
        self.needs_grad = False
        self.node = self._grad = self.cell = self.extra = None
        if requires_grad:
            self.requires_grad = True

    # -- identity --------------------------------------------------------------------------------
    @property
    def shape(self) -> Size:
        """The sizes of the dimensions."""
        return Size(self.array.shape)

    @property
    def dtype(self) -> DType:
        """The element type, a ``numpy.dtype``."""
        return self.array.dtype

    @property
    def device(self) -> Device:
        """Where the memory is."""
        return device_of(self.array)

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self.array.ndim

    def dim(self) -> int:
        """The number of dimensions."""
        return self.array.ndim

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one dimension."""
        return self.shape if dim is None else self.shape[_check_dim("size", dim, self.ndim)]

    def numel(self) -> int:
        """The number of elements."""
        return self.array.size

    nelement = numel

    def element_size(self) -> int:
        """Bytes an element."""
        return self.array.itemsize

    @property
    def itemsize(self) -> int:
        """Bytes an element."""
        return self.array.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.array.nbytes

    def stride(self, dim: int | None = None) -> Any:
        """Steps in memory between neighbours, in elements; of every dimension or of one."""
        steps = tuple(s // self.array.itemsize for s in self.array.strides)
        return steps if dim is None else steps[_check_dim("stride", dim, self.ndim)]

    def data_ptr(self) -> int:
        """The address of the first element."""
        array = self.array
        return array.ctypes.data if isinstance(array, np.ndarray) else array.data.ptr

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Whether the elements lie in row-major order (in memory_format) without gaps."""
        if memory_format is None:
            return bool(self.array.flags.c_contiguous)
        from .memory import follows

        return follows(self.array, memory_format)

    def is_floating_point(self) -> bool:
        """Whether the element type is a real float type."""
        return self.array.dtype in FLOATING and self.array.dtype.kind != "c"

    def is_complex(self) -> bool:
        """Whether the element type is complex."""
        return self.array.dtype.kind == "c"

    @property
    def is_cuda(self) -> bool:
        """Whether the memory is a GPU's."""
        return self.device.type == "cuda"

    # -- gradient --------------------------------------------------------------------------------
    @property
    def requires_grad(self) -> bool:
        """Whether gradients with respect to this tensor are, or will be, computed."""
        return self.needs_grad

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        if self.node is not None:
            if not wanted:
                raise AutogradError(
                    "requires_grad: can be set to False only on leaf tensors, this one was made by "
                    f"{self.node.op.name}; use detach() instead"
                )
            return
        if wanted and self.array.dtype not in FLOATING:
            raise DTypeError(
                f"requires_grad: only floating-point tensors have gradients, this is {self.dtype}"
            )
        self.needs_grad = bool(wanted)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set ``requires_grad`` in place and return the tensor."""
        self.requires_grad = requires_grad
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made this tensor."""
        return self.node is None

    @property
    def grad_fn(self) -> Node | None:
        """The node that made this tensor, or None for a leaf."""
        node = self.node
        return node if node is None or node.op is not Pick else node.edges[0]

    @property
    def grad(self) -> Tensor | None:
        """The accumulated gradient, a tensor of the same shape, or None."""
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise DTypeError(f"grad: want a Tensor or None, got {type(value).__name__}")
            if value.shape != self.shape:
                raise ShapeError(
                    f"grad: shape {tuple(value.shape)} is not the tensor's {tuple(self.shape)}"
                )
            if value.dtype != self.dtype:
                raise DTypeError(f"grad: type {value.dtype} is not the tensor's {self.dtype}")
        self._grad = value

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Add d(self)/d(leaf), weighted by gradient, to ``leaf.grad`` of every leaf it depends on."""
        from .autograd.engine import backward

        backward(self, gradient, retain_graph, create_graph, inputs=inputs)

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> Handle:
        """Call hook with this tensor's gradient; what it returns, if not None, replaces it.

        >>> import sensorium as sn
        >>> x = sn.ones(1, requires_grad=True)
        >>> handle = x.register_hook(lambda g: g * 10)
        >>> x.sum().backward(); x.grad
        tensor([10.])
        """
        from .autograd import hooks

        return hooks.add(self, hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> Handle:
        """Call hook with this leaf each time a backward pass has added to its ``grad``.

        >>> import sensorium as sn
        >>> x = sn.ones(1, requires_grad=True)
        >>> handle = x.register_post_accumulate_grad_hook(lambda x: print(x.grad))
        >>> (x * 2).backward()
        tensor([2.])
        """
        from .autograd import hooks

        return hooks.add_accumulated(self, hook)

    def retain_grad(self) -> None:
        """Keep this non-leaf tensor's gradient in ``grad`` during backward, after its hooks."""
        from .autograd import hooks

        hooks.retain(self)

    @property
    def retains_grad(self) -> bool:
        """Whether ``retain_grad`` was called on this non-leaf tensor."""
        return self.extra is not None and self.extra.retains

    @property
    def _version(self) -> int:
        """How many in-place writes this memory has seen."""
        return cell_of(self)[0]

    def detach(self) -> Tensor:
        """The same memory and version count, outside the graph."""
        out = wrap(self.array)
        out.cell = cell_of(self)
        return out

    def detach_(self) -> Tensor:
        """Leave the graph in place: becomes a leaf without gradient."""
        self.node, self.needs_grad = None, False
        return self

    @property
    def data(self) -> Tensor:
        """The same memory, outside the graph and with a version count of its own."""
        return wrap(self.array)

    @data.setter
    def data(self, value: Tensor) -> None:
        self.array = value.array

    # -- to Python and NumPy ---------------------------------------------------------------------
    def numpy(self, *, force: bool = False) -> np.ndarray:
        """The elements as a NumPy array that shares this memory (CPU) or is a copy (force, GPU)."""
        from .interop import as_numpy

        return as_numpy(self, force)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        from .interop import array_protocol

        return array_protocol(self, dtype, copy)

    def item(self) -> Any:
        """The one element as a Python number."""
        if self.array.size != 1:
            raise ShapeError(f"item: want one element, got shape {tuple(self.shape)}")
        return self.array.item()

    def tolist(self) -> Any:
        """The elements as nested Python lists."""
        return self.array.tolist()

    def __bool__(self) -> bool:
        if self.array.size != 1:
            raise ShapeError(
                f"bool: the truth of {self.array.size} values (shape {tuple(self.shape)}) is "
                "ambiguous; use any() or all()"
            )
        return bool(self.array.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __index__(self) -> int:
        if self.array.size != 1 or self.array.dtype.kind not in "iub":
            raise DTypeError(
                "index: only one integer is an index, this is "
                f"{self.dtype} of shape {tuple(self.shape)}"
            )
        return int(self.array.item())

    def __len__(self) -> int:
        if self.array.ndim == 0:
            raise DTypeError("len: a zero-dimensional tensor has no length")
        return self.array.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if self.array.ndim == 0:
            raise DTypeError("iter: a zero-dimensional tensor cannot be iterated over")
        return (self[i] for i in range(self.array.shape[0]))

    def __contains__(self, value: Any) -> bool:
        return bool((self.array == (value.array if isinstance(value, Tensor) else value)).any())

    __hash__ = object.__hash__  # by identity; == compares elements

    def __repr__(self) -> str:
        from ._printing import tensor_text

        return tensor_text(self)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if self.array.ndim == 0 else format(str(self), spec)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        from .copying import deepcopied

        return deepcopied(self, memo)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        from .copying import reduced

        return reduced(self)

    def _rewrapped(self, array: Any) -> Tensor:
        """A leaf of the same class and gradient flag around another array."""
        return type(self)(array, self.needs_grad)


_new = Tensor.__new__


def wrap(array: Any) -> Tensor:
    """A plain tensor around an array, as operations make it."""
    out = _new(Tensor)
    out.array = array
    out.needs_grad = False
    out.node = out._grad = out.cell = out.extra = None
    return out


def extra_of(tensor: Tensor) -> Extra:
    """The tensor's Extra, made on first need."""
    if tensor.extra is None:
        tensor.extra = Extra()
    return tensor.extra


def _check_dim(op: str, dim: int, ndim: int) -> int:
    """dim as a non-negative index, or an error that names the range."""
    if not -max(ndim, 1) <= dim < max(ndim, 1):
        raise OutOfBoundsError(
            f"{op}: dim {dim} is out of range for {ndim} dimensions "
            f"(want {-max(ndim, 1)} to {max(ndim, 1) - 1})"
        )
    return dim % ndim if ndim else 0
