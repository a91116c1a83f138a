"""sensorium.nn.utils.rnn: sequences of different lengths, padded or packed.

Padded: one tensor (T, N, *) with filler after the shorter ones. Packed: no filler, the rows of step
0, then of step 1, ...; sequences by falling length, so that those still going on are the first ones.
Follows ``torch.nn.utils.rnn``; pinned memory is left out, and ``unpad_sequence`` leaves its argument
alone where PyTorch's transposes it. T time, N batch, S all steps of all sequences, L one length.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Self

import numpy as np

from ... import create
from ...errors import DTypeError, OptionError, ShapeError
from ...ops import cat
from ...tensor import Tensor


# -- packed ----------------------------------------------------------------------------------------
class _Fields(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Fields):
    """data (S, *), step by step; batch_sizes (T) on the CPU says how many rows each step has.

    sorted_indices puts the caller's order into falling lengths, unsorted_indices back; None: they
    were sorted. Made by ``pack_sequence`` and ``pack_padded_sequence``, not by hand.

    >>> import sensorium as sn
    >>> packed = pack_sequence([sn.tensor([1, 2, 3]), sn.tensor([4, 5])])
    >>> packed.data, packed.batch_sizes
    (tensor([1, 4, 2, 5, 3]), tensor([2, 2, 1]))
    """

    __slots__ = ()

    def __new__(
        cls,
        data: Any,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> Self:
        if batch_sizes is None:  # a pair, as pickled by early versions
            data, batch_sizes = data
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)  # type: ignore[arg-type]

    def _with(self, data: Tensor) -> PackedSequence:
        """This with other data, the indices beside it."""
        if data is self.data:
            return self
        moved = [None if i is None else i.to(data.device) for i in self[2:]]  # type: ignore[attr-defined]
        return type(self)(data, self.batch_sizes, *moved)

    def to(self, *args: Any, dtype: Any = None, device: Any = None) -> PackedSequence:
        """data in another type or on another device, as ``Tensor.to``; itself if nothing changes."""
        named = {"dtype": dtype, "device": device}
        return self._with(self.data.to(*args, **{k: v for k, v in named.items() if v is not None}))

    def cpu(self) -> PackedSequence:
        """On the CPU."""
        return self._with(self.data.cpu())

    def cuda(self, device: Any = None) -> PackedSequence:
        """On a GPU."""
        return self._with(self.data.to("cuda" if device is None else device))

    def double(self) -> PackedSequence:
        """data as float64."""
        return self._with(self.data.double())

    def float(self) -> PackedSequence:
        """data as float32."""
        return self._with(self.data.float())

    def half(self) -> PackedSequence:
        """data as float16."""
        return self._with(self.data.half())

    def long(self) -> PackedSequence:
        """data as int64."""
        return self._with(self.data.long())

    def int(self) -> PackedSequence:
        """data as int32."""
        return self._with(self.data.int())

    def short(self) -> PackedSequence:
        """data as int16."""
        return self._with(self.data.short())

    def char(self) -> PackedSequence:
        """data as int8."""
        return self._with(self.data.char())

    def byte(self) -> PackedSequence:
        """data as uint8."""
        return self._with(self.data.byte())

    @property
    def is_cuda(self) -> bool:
        """Whether data is on a GPU."""
        return self.data.device.type == "cuda"


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes this one; None of None.

    >>> import sensorium as sn
    >>> invert_permutation(sn.tensor([2, 0, 1]))
    tensor([1, 2, 0])
    """
    if permutation is None:
        return None
    order = np.argsort(permutation.cpu().numpy())
    return create.tensor(order, dtype=permutation.dtype, device=permutation.device)


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """The first lengths[n] steps of every sequence of input (T, N, *), or (N, T, *), packed.

    enforce_sorted: the lengths must fall; False sorts them and remembers the order.

    >>> import sensorium as sn
    >>> pack_padded_sequence(sn.tensor([[1, 3], [2, 0]]), [2, 1]).data
    tensor([1, 3, 2])
    """
    counts = _lengths_of("pack_padded_sequence", lengths)
    input = input.transpose(0, 1) if batch_first else input
    _check_lengths(counts, input)
    order = None if enforce_sorted else np.argsort(-counts, kind="stable")
    if order is not None:
        counts = counts[order]
    elif (counts[1:] > counts[:-1]).any():
        raise ShapeError(
            "pack_padded_sequence: lengths must not rise when enforce_sorted=True, got "
            f"{counts.tolist()}; pass enforce_sorted=False to have them sorted"
        )
    sizes = (counts[:, None] > np.arange(counts[0])).sum(0)  # (T)
    steps = np.repeat(np.arange(len(sizes)), sizes)  # (S)
    places = np.concatenate([np.arange(n) for n in sizes])
    sorted_indices = None
    if order is not None:
        sorted_indices = create.tensor(order, device=input.device)
        places = order[places]
    data = input[_index(steps, input), _index(places, input)]
    return PackedSequence(data, create.tensor(sizes), sorted_indices)


def _index(values: np.ndarray, beside: Tensor) -> Tensor:
    return create.tensor(values, device=beside.device)


def _lengths_of(name: str, lengths: Any) -> np.ndarray:
    """lengths as int64 on the CPU."""
    found = lengths.cpu().numpy() if isinstance(lengths, Tensor) else np.asarray(list(lengths))
    if found.ndim != 1:
        raise ShapeError(f"{name}: lengths must have one dimension, got shape {found.shape}")
    return found.astype(np.int64)


def _check_lengths(counts: np.ndarray, input: Tensor) -> None:
    """Refuse lengths that do not fit input (T, N, *)."""
    shape = tuple(input.shape)
    if len(shape) < 2 or len(counts) != shape[1] or not len(counts):
        raise ShapeError(
            f"pack_padded_sequence: got {len(counts)} lengths for an input of {shape} (T, N, *); "
            "want one for each of at least one sequence"
        )
    if counts.min() <= 0 or counts.max() > shape[0]:
        raise ShapeError(
            f"pack_padded_sequence: every length must lie in 1 to {shape[0]}, the steps of the "
            f"input, got {counts.tolist()}"
        )


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The padded batch (T, N, *), or (N, T, *), of a packed one, and the lengths (N).

    total_length: pad to so many steps, which must be at least those of the longest sequence.

    >>> import sensorium as sn
    >>> pad_packed_sequence(pack_sequence([sn.tensor([1, 2]), sn.tensor([3])]))
    (tensor([[1, 3],
            [2, 0]]), tensor([2, 1]))
    """
    sizes = sequence.batch_sizes.numpy()
    if total_length is not None and total_length < len(sizes):
        raise OptionError(
            f"pad_packed_sequence: total_length must be at least {len(sizes)}, the length of the "
            f"longest sequence, got {total_length}"
        )
    counts = (sizes[:, None] > np.arange(sizes[0])).sum(0)  # (N)
    order = sequence.unsorted_indices
    order = None if order is None else order.cpu().numpy()
    places = np.arange(len(counts)) if order is None else order
    counts = counts[places]
    starts = np.cumsum(sizes) - sizes
    steps = np.arange(len(sizes) if total_length is None else total_length)
    begin = np.zeros(len(steps), np.int64)
    begin[: len(starts)] = starts
    rows = np.where(steps[:, None] < counts, begin[:, None] + places, int(sizes.sum()))  # (T, N)
    padded = _gathered(sequence.data, rows.T if batch_first else rows, padding_value)
    return padded, create.tensor(counts)


def _gathered(data: Tensor, rows: np.ndarray, padding_value: float) -> Tensor:
    """data[rows], with padding where a row number is one past the end."""
    filler = create.full((1, *data.shape[1:]), padding_value, dtype=data.dtype, device=data.device)
    return cat([data, filler])[_index(np.ascontiguousarray(rows), data)]


# -- padded ----------------------------------------------------------------------------------------
def pad_sequence(
    sequences: Iterable[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Sequences (L, *) of any lengths as one (T, N, *), or (N, T, *), filled at one side.

    >>> import sensorium as sn
    >>> pad_sequence([sn.tensor([1, 2]), sn.tensor([3])], batch_first=True, padding_value=9)
    tensor([[1, 2],
            [3, 9]])
    """
    if padding_side not in ("left", "right"):
        raise OptionError(
            f"pad_sequence: padding_side must be 'left' or 'right', got {padding_side!r}"
        )
    listed = _sequences(sequences)
    counts = np.array([s.shape[0] for s in listed])
    longest, starts = int(counts.max()), np.cumsum(counts) - counts
    steps = np.arange(longest)[:, None]  # (T, 1) beside (N)
    steps = steps - (longest - counts if padding_side == "left" else 0)
    rows = np.where((steps >= 0) & (steps < counts), starts + steps, counts.sum())  # (T, N)
    joined = listed[0] if len(listed) == 1 else cat([s.to(listed[0].dtype) for s in listed])
    return _gathered(joined, rows.T if batch_first else rows, padding_value)


def _sequences(sequences: Iterable[Tensor]) -> list[Tensor]:
    """The sequences as a list, after a look at their shapes."""
    if not isinstance(sequences, Iterable):
        raise DTypeError(f"pad_sequence: want several tensors, got {type(sequences).__name__}")
    listed = list(sequences)
    if not listed:
        raise ShapeError("pad_sequence: want at least one sequence, got none")
    shapes = [tuple(s.shape) for s in listed]
    if any(not shape or shape[1:] != shapes[0][1:] for shape in shapes):
        raise ShapeError(
            f"pad_sequence: sequences must be alike in all but their first dimension, got {shapes}"
        )
    return listed


def unpad_sequence(
    padded_sequences: Tensor, lengths: Any, batch_first: bool = False
) -> list[Tensor]:
    """The sequences of (T, N, *), or (N, T, *), each cut to its length.

    >>> import sensorium as sn
    >>> unpad_sequence(sn.tensor([[1, 2], [3, 9]]), [2, 1], batch_first=True)
    [tensor([1, 2]), tensor([3])]
    """
    counts = _lengths_of("unpad_sequence", lengths).tolist()
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    if len(counts) != rows.shape[0]:
        raise ShapeError(
            f"unpad_sequence: got {len(counts)} lengths for {rows.shape[0]} sequences "
            f"(shape {tuple(padded_sequences.shape)})"
        )
    return [row[:count] for row, count in zip(rows, counts)]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Sequences (L, *) packed; see ``pack_padded_sequence``."""
    listed = _sequences(sequences)
    return pack_padded_sequence(
        pad_sequence(listed), [s.shape[0] for s in listed], enforce_sorted=enforce_sorted
    )


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences (L, *) of a packed batch, in the order they were given.

    >>> import sensorium as sn
    >>> unpack_sequence(pack_sequence([sn.tensor([1, 2]), sn.tensor([3])]))
    [tensor([1, 2]), tensor([3])]
    """
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
