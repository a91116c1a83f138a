"""KVCache: the keys and values that attention has seen, so that a decoder computes a token once.

Buffers are made at the first update with room to spare and grow by doubling, so T appended tokens
cost O(T) copies, not O(T^2). Keys and values are stored without their graphs: a cache belongs to
inference. Left out: sliding windows and quantised storage.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import AutogradError, DTypeError, OutOfBoundsError, ShapeError
from ..tensor import Tensor, wrap

_ROOM = 32  # positions of the smallest buffer


class KVCache:
    """Keys and values (N, H, length, E) of every layer of a decoder.

    >>> import sensorium as sn
    >>> cache = KVCache(layers=1)
    >>> step = sn.ones(1, 2, 3, 4)
    >>> for _ in range(2):
    ...     key, value = cache.update(0, step, step)
    >>> key.shape, cache.length
    (sensorium.Size([1, 2, 6, 4]), 6)
    """

    def __init__(self, layers: int) -> None:
        if layers < 1:
            raise OutOfBoundsError(f"KVCache: layers must be at least 1, got {layers}")
        self.layers = layers
        self._stores: list[tuple[Any, Any] | None] = [None] * layers
        self._lengths = [0] * layers

    @property
    def length(self) -> int:
        """The positions that every layer holds: it grows when the last layer was updated."""
        return min(self._lengths)

    def update(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Append key (N, H, L, E) and value (N, H, L, V); returns all of the layer's so far.

        What is returned is a view of the buffer: read it before the next ``trim`` or ``reorder``.
        ``AutogradError`` for tensors that want a gradient, ``ShapeError`` where N, H or E changed.
        """
        if not 0 <= layer < self.layers:
            raise OutOfBoundsError(f"KVCache: layer {layer} is not one of {self.layers}")
        if key.needs_grad or value.needs_grad:
            raise AutogradError("KVCache: stores no graphs; call the model under sn.no_grad()")
        if key.array.ndim == 4 and key.array.shape[:3] != value.array.shape[:3]:
            raise ShapeError(
                f"KVCache: wants as many values as keys, got {tuple(key.shape)} and "
                f"{tuple(value.shape)}"
            )
        start = self._lengths[layer]
        stop = start + key.array.shape[-2]
        stores = self._stores[layer]
        if stores is None:
            stores = (_room_for(key.array, stop), _room_for(value.array, stop))
        else:
            stores = (_grown(stores[0], key.array, start), _grown(stores[1], value.array, start))
        for store, new in zip(stores, (key.array, value.array)):
            store[:, :, start:stop] = new
        self._stores[layer], self._lengths[layer] = stores, stop
        return wrap(stores[0][:, :, :stop]), wrap(stores[1][:, :, :stop])

    def reorder(self, index: Any) -> None:
        """Sequence n becomes what sequence index[n] was: index (M,) picks, repeats and drops.

        >>> import sensorium as sn
        >>> cache = KVCache(1)
        >>> _ = cache.update(0, sn.tensor([[[[1.0]]], [[[2.0]]]]), sn.zeros(2, 1, 1, 1))
        >>> cache.reorder([1, 1, 0])
        >>> cache.update(0, sn.zeros(3, 1, 0, 1), sn.zeros(3, 1, 0, 1))[0].flatten()
        tensor([2., 2., 1.])
        """
        rows = np.asarray(index.numpy() if isinstance(index, Tensor) else index)
        if rows.ndim != 1 or rows.dtype.kind not in "iu":
            raise ShapeError(
                f"KVCache: reorder wants a list of integers, got {rows.dtype} {rows.shape}"
            )
        for stores in self._stores:
            if (
                stores is not None
                and len(rows)
                and not 0 <= rows.min() <= rows.max() < len(stores[0])
            ):
                raise OutOfBoundsError(
                    f"KVCache: reorder to {rows.tolist()}, there are {len(stores[0])} sequences"
                )
        self._stores = [
            stores if stores is None else (stores[0][rows], stores[1][rows])
            for stores in self._stores
        ]

    def trim(self, length: int) -> None:
        """Forget every position from length on; ``length`` must not exceed what is there."""
        if not 0 <= length <= self.length:
            raise OutOfBoundsError(f"KVCache: cannot trim {self.length} positions to {length}")
        self._lengths = [length] * self.layers


# -- helpers -------------------------------------------------------------------------------------
def _room_for(new: Any, length: int) -> Any:
    """An uninitialised buffer (N, H, at least length, E) of new's kind."""
    if new.ndim != 4:
        raise ShapeError(f"KVCache: keys and values are (N, H, L, E), got {tuple(new.shape)}")
    n, heads, _, size = new.shape
    room = max(_ROOM, 1 << (length - 1).bit_length() if length else 0)
    return np.empty_like(new, shape=(n, heads, room, size), order="C")


def _grown(store: Any, new: Any, start: int) -> Any:
    """The buffer itself where new fits behind start, else one of twice the room."""
    fits = new.ndim == 4 and new.shape[:2] == store.shape[:2] and new.shape[3] == store.shape[3]
    if not fits:
        n, heads, _, size = store.shape
        raise ShapeError(f"KVCache: holds {(n, heads, start, size)}, got {tuple(new.shape)}")
    if new.dtype != store.dtype:
        raise DTypeError(f"KVCache: holds {store.dtype}, got {new.dtype}")
    if start + new.shape[2] <= store.shape[2]:
        return store
    larger = _room_for(new, start + new.shape[2])
    larger[:, :, :start] = store[:, :, :start]
    return larger
