"""From a list of samples to a batch: ``default_collate``; ``default_convert`` for single samples.

The rules are those of ``torch.utils.data``: tensors and arrays are stacked, numbers become a tensor,
strings stay a list, and dicts, named tuples and sequences are collated part by part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..create import from_numpy, tensor
from ..dtypes import float64
from ..errors import DTypeError, ShapeError
from ..ops import stack
from ..tensor import Tensor
from ._shared import stacked


def default_collate(batch: Sequence[Any]) -> Any:
    """A batch of samples of one kind.

    >>> default_collate([(np.zeros(2), 1, "a"), (np.ones(2), 2, "b")])
    [tensor([[0., 0.],
            [1., 1.]], dtype=float64), tensor([1, 2]), ('a', 'b')]
    """
    if not batch:
        raise ShapeError("default_collate: an empty batch")
    first = batch[0]
    if isinstance(first, Tensor):
        return _tensors(batch)
    if isinstance(first, (np.ndarray, np.generic)):
        return _arrays(batch)
    if isinstance(first, float):
        return tensor(list(batch), dtype=float64)
    if isinstance(first, int):
        return tensor(list(batch))
    if isinstance(first, (str, bytes)):
        return batch
    return _parts(batch, first)


def _tensors(batch: Sequence[Tensor]) -> Tensor:
    """Stacked; in a worker into shared memory, where that says the same."""
    arrays = [t.array for t in batch if isinstance(t, Tensor) and not t.requires_grad]
    same = len(arrays) == len(batch) and len({(a.shape, a.dtype) for a in arrays}) == 1
    if same and all(type(a) is np.ndarray for a in arrays):
        return from_numpy(stacked(arrays))
    return stack(list(batch), 0)


def _arrays(batch: Sequence[Any]) -> Tensor:
    if batch[0].dtype.kind not in "biufcV":
        raise DTypeError(f"default_collate: arrays of {batch[0].dtype} cannot be tensors")
    shapes = {np.shape(a) for a in batch}
    if len(shapes) > 1:
        raise ShapeError(f"default_collate: arrays of different shapes: {sorted(shapes)}")
    return from_numpy(stacked([np.asarray(a) for a in batch]))


def _parts(batch: Sequence[Any], first: Any) -> Any:
    """Batches of the parts of containers."""
    if isinstance(first, Mapping):
        collated = {key: default_collate([sample[key] for sample in batch]) for key in first}
        return _same_type(first, collated)
    if not isinstance(first, Sequence):
        raise DTypeError(
            "default_collate: samples must hold tensors, arrays, numbers, strings, dicts or lists, "
            f"got {type(first).__name__}"
        )
    lengths = {len(sample) for sample in batch}
    if len(lengths) > 1:
        raise ShapeError(f"default_collate: samples have different lengths: {sorted(lengths)}")
    parts = [default_collate(column) for column in zip(*batch)]
    if hasattr(first, "_fields"):  # a named tuple
        return type(first)(*parts)
    return parts if isinstance(first, (tuple, list)) else _same_type(first, parts)


def _same_type(first: Any, made: Any) -> Any:
    """made as the container type of the samples, if that can be made from it."""
    try:
        return made if type(first) is type(made) else type(first)(made)
    except TypeError:
        return made


def default_convert(data: Any) -> Any:
    """A single sample with its arrays as tensors."""
    if isinstance(data, (np.ndarray, np.generic)):
        return from_numpy(np.asarray(data)) if data.dtype.kind in "biufcV" else data
    if isinstance(data, Mapping):
        return _same_type(data, {key: default_convert(value) for key, value in data.items()})
    if hasattr(data, "_fields"):
        return type(data)(*map(default_convert, data))
    if isinstance(data, (tuple, list)):
        return [default_convert(value) for value in data]
    return data
