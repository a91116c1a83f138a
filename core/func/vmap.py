"""vmap: a function of one sample as a function of a batch.

The function is called once for every slice, and the results are stacked: as quick as the loop it
replaces, and with its freedom (values may be looked at, branches may differ), where PyTorch batches
every operation and refuses what it cannot batch. Results, their gradients and the errors for wrong
dimensions are the same.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import OpError, OptionError, OutOfBoundsError
from ..generator import default_generator
from ..tensor import Tensor
from ._tree import Branch, flatten, spread, unflatten


def check_randomness(name: str, randomness: str) -> None:
    """Refuse what is no way of drawing random numbers."""
    if randomness not in ("error", "different", "same"):
        raise OpError(
            f"{name}: randomness must be 'error', 'different' or 'same', got {randomness!r}"
        )


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """The function that maps func over a dimension of its arguments and stacks what it returns.

    in_dims: the dimension for every argument, None for one that every call gets whole; an int for
    all, or nested like the arguments. out_dims: where the new dimension stands, likewise; None for
    what is the same in every call. Keyword arguments are not mapped. randomness: of the default
    generator; "same" draws the same numbers in every call, "error" refuses to draw. chunk_size is
    taken and changes nothing: calls are made one at a time.

    >>> import sensorium as sn
    >>> vmap(sn.dot, (0, None))(sn.tensor([[1.0, 2.0], [3.0, 4.0]]), sn.ones(2))
    tensor([3., 7.])
    """
    check_randomness("vmap", randomness)
    if chunk_size is not None and chunk_size <= 0:
        raise OptionError(f"vmap: chunk_size must be None or greater than 0, got {chunk_size}")

    @functools.wraps(func)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        leaves, dims, structure = _inputs(func, in_dims, args)
        size = _batch_size(leaves, dims)
        _check_out_dims(func, out_dims)

        def call(i: int) -> Any:
            at = [x if d is None else _slice(x, d, i) for x, d in zip(leaves, dims)]
            return func(*unflatten(at, structure), **kwargs)

        results = _calls(call, max(size, 1), randomness)
        return _stacked(func, results, out_dims, size == 0)

    return mapped


def _name(func: Callable[..., Any]) -> str:
    return getattr(func, "__name__", None) or repr(func)


# -- inputs --------------------------------------------------------------------------------------
def _inputs(
    func: Callable[..., Any], in_dims: Any, args: tuple[Any, ...]
) -> tuple[list[Any], list[int | None], Any]:
    """The leaves of the arguments, the dimension of each that is mapped, and the structure."""
    name = f"vmap({_name(func)}, in_dims={in_dims})"
    if not isinstance(in_dims, (int, tuple)):
        raise OptionError(
            f"{name}: in_dims must be an int or a tuple, got {type(in_dims).__name__}"
        )
    if not args:
        raise OptionError(f"{name}: got no positional arguments, want at least one")
    leaves, structure = flatten(args)
    dims = spread(in_dims, structure)
    if dims is None:
        raise OptionError(
            f"{name}: in_dims have the structure {flatten(in_dims)[1]}, the arguments {structure}"
        )
    return leaves, [_in_dim(name, x, d) for x, d in zip(leaves, dims)], structure


def _in_dim(name: str, x: Any, dim: Any) -> int | None:
    if dim is None:
        return None
    if not isinstance(dim, int):
        raise OptionError(f"{name}: a dimension must be an int or None, got {dim!r}")
    if not isinstance(x, Tensor):
        raise OptionError(
            f"{name}: dimension {dim} of an argument that is no Tensor but {type(x).__name__}; "
            "give None for it"
        )
    if not -x.ndim <= dim < x.ndim:
        raise OptionError(
            f"{name}: dimension {dim} is out of range for an argument of shape {tuple(x.shape)}"
        )
    return dim % x.ndim


def _batch_size(leaves: list[Any], dims: list[int | None]) -> int:
    sizes = [x.shape[d] for x, d in zip(leaves, dims) if d is not None]
    if not sizes:
        raise OptionError(f"vmap: want at least one Tensor to map over, got in_dims {dims}")
    if len(set(sizes)) > 1:
        raise OptionError(f"vmap: the mapped dimensions must have one size, got {sizes}")
    return sizes[0]


def _slice(x: Tensor, dim: int, i: int) -> Tensor:
    """One slice; of an empty batch one of zeros, for the shape of its result."""
    if x.shape[dim] == 0:
        return x.new_zeros([n for k, n in enumerate(x.shape) if k != dim])
    return x[(slice(None),) * dim + (i,)]


# -- calls ---------------------------------------------------------------------------------------
def _calls(call: Callable[[int], Any], size: int, randomness: str) -> list[Any]:
    """The results of all calls; the random stream as the mode wants it."""
    if randomness == "different":
        return [call(i) for i in range(size)]
    start, results = default_generator.get_state(), []
    for i in range(size):
        if randomness == "same":
            default_generator.set_state(start)
        results.append(call(i))
        if randomness == "error" and (default_generator.get_state().array != start.array).any():
            default_generator.set_state(start)
            raise OpError(
                "vmap: the function drew random numbers and randomness is 'error'; give 'same' or "
                "'different', or draw outside"
            )
    return results


# -- outputs -------------------------------------------------------------------------------------
def _check_out_dims(func: Callable[..., Any], out_dims: Any) -> None:
    for d in flatten(out_dims)[0]:
        if d is not None and not isinstance(d, int):
            raise OptionError(
                f"vmap({_name(func)}, out_dims={out_dims}): a dimension must be an int or None, "
                f"got {d!r}"
            )


def _stacked(func: Callable[..., Any], results: list[Any], out_dims: Any, empty: bool) -> Any:
    """The results of all calls as one, stacked leaf by leaf."""
    name = f"vmap({_name(func)}, out_dims={out_dims})"
    flat = [flatten(r) for r in results]
    structure = flat[0][1]
    for _, other in flat:
        if other != structure:
            raise OptionError(f"{name}: one call returned {structure}, another {other}")
    if not isinstance(structure, Branch) and isinstance(out_dims, tuple) and len(out_dims) == 1:
        out_dims = out_dims[0]
    dims = spread(out_dims, structure)
    if dims is None:
        raise OptionError(
            f"{name}: out_dims have the structure {flatten(out_dims)[1]}, the outputs {structure}"
        )
    leaves = zip(*(values for values, _ in flat))
    return unflatten([_joined(name, list(v), d, empty) for v, d in zip(leaves, dims)], structure)


def _joined(name: str, values: list[Any], dim: int | None, empty: bool) -> Any:
    if dim is None:
        return _same(name, values)
    for v in values:
        if not isinstance(v, Tensor):
            raise OptionError(
                f"{name}: the function must return tensors, got {type(v).__name__}; give None in "
                "out_dims for what is no tensor"
            )
    if len({v.shape for v in values}) > 1:
        shapes = sorted({tuple(v.shape) for v in values})
        raise OptionError(f"{name}: calls returned different shapes: {shapes}")
    rank = values[0].ndim + 1
    if not -rank <= dim < rank:
        raise OutOfBoundsError(
            f"{name}: dimension {dim} is out of range for results of {rank} dimensions"
        )
    from ..ops import stack

    joined = stack(values, dim % rank)
    return joined[(slice(None),) * (dim % rank) + (slice(0),)] if empty else joined


def _same(name: str, values: list[Any]) -> Any:
    """What every call returned, which must be one and the same."""
    first = values[0]
    for v in values:
        if v is not first and not (
            np.array_equal(v.array, first.array, equal_nan=True)
            if isinstance(v, Tensor) and isinstance(first, Tensor)
            else not isinstance(v, Tensor) and v == first
        ):
            raise OptionError(f"{name}: calls returned different values where out_dims is None")
    return first
