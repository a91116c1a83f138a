"""nn.utils.rnn: packing and padding lose nothing and mix nothing."""

from __future__ import annotations

import numpy as np
import pytest

import sensorium as sn
from sensorium.errors import OptionError, ShapeError
from sensorium.nn.utils import rnn

LENGTHS = [[3, 2, 2], [1, 4, 2], [1]]


def draw(*shape, seed=0):
    return sn.from_numpy(np.random.default_rng(seed).normal(size=shape))


def ragged(lengths, *rest):
    return [draw(n, *rest, seed=i) for i, n in enumerate(lengths)]


@pytest.mark.parametrize("lengths", LENGTHS)
def test_a_packed_batch_holds_step_after_step(lengths):
    sequences = ragged(lengths, 2)
    packed = rnn.pack_sequence(sequences, enforce_sorted=False)
    order = sorted(range(len(lengths)), key=lambda n: -lengths[n])
    rows = [sequences[n][t] for t in range(max(lengths)) for n in order if lengths[n] > t]
    assert packed.data.tolist() == [row.tolist() for row in rows]
    assert packed.batch_sizes.tolist() == [sum(n > t for n in lengths) for t in range(max(lengths))]
    assert packed.sorted_indices.tolist() == order
    assert [packed.sorted_indices.tolist()[i] for i in packed.unsorted_indices.tolist()] == list(
        range(len(lengths))
    )


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("rest", [(), (2,), (2, 3)])
@pytest.mark.parametrize("batch_first", [False, True])
def test_there_and_back(lengths, rest, batch_first):
    sequences = ragged(lengths, *rest)
    padded = rnn.pad_sequence(sequences, batch_first)
    packed = rnn.pack_padded_sequence(padded, lengths, batch_first, enforce_sorted=False)
    back, found = rnn.pad_packed_sequence(packed, batch_first)
    assert found.tolist() == lengths and back.tolist() == padded.tolist()
    for unpadded in (
        rnn.unpack_sequence(packed),
        rnn.unpad_sequence(padded, sn.tensor(lengths), batch_first),
    ):
        assert [u.tolist() for u in unpadded] == [s.tolist() for s in sequences]


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_stands_at_the_side_asked_for(side):
    padded = rnn.pad_sequence(ragged([3, 1, 2]), True, 9.0, side)
    for row, sequence in zip(padded.tolist(), ragged([3, 1, 2])):
        filler = [9.0] * (3 - len(sequence))
        kept = sequence.tolist()
        assert row == (filler + kept if side == "left" else kept + filler)


def test_padding_to_a_total_length_with_a_value():
    packed = rnn.pack_sequence([sn.tensor([1, 2]), sn.tensor([3])])
    padded, lengths = rnn.pad_packed_sequence(packed, True, -1, total_length=4)
    assert padded.tolist() == [[1, 2, -1, -1], [3, -1, -1, -1]] and lengths.tolist() == [2, 1]
    with pytest.raises(OptionError, match=r"total_length must be at least 2.*got 1"):
        rnn.pad_packed_sequence(packed, total_length=1)


def test_the_gradient_of_filler_goes_nowhere():
    sequences = [s.requires_grad_() for s in ragged([1, 3])]
    packed = rnn.pack_sequence(sequences, enforce_sorted=False)
    padded, _ = rnn.pad_packed_sequence(packed, padding_value=5.0)
    (padded * 2).sum().backward()
    assert [s.grad.tolist() for s in sequences] == [[2.0], [2.0, 2.0, 2.0]]


def test_a_packed_batch_changes_type_and_stays_itself_otherwise():
    packed = rnn.pack_sequence(ragged([2, 3]), enforce_sorted=False)
    assert packed.to(sn.float64) is packed and packed.cpu() is packed and not packed.is_cuda
    for name, dtype in [
        ("float", sn.float32),
        ("half", sn.float16),
        ("long", sn.int64),
        ("int", sn.int32),
        ("short", sn.int16),
        ("char", sn.int8),
        ("byte", sn.uint8),
        ("double", sn.float64),
    ]:
        changed = getattr(packed, name)()
        assert changed.data.dtype == dtype
        assert changed.unsorted_indices.tolist() == packed.unsorted_indices.tolist()
    assert packed.to(dtype=sn.float32).data.dtype == sn.float32


@pytest.mark.parametrize(
    "lengths, text",
    [
        ([1, 2], "lengths must not rise"),
        ([3, 0], "every length must lie in 1 to 3"),
        ([4, 1], r"every length must lie in 1 to 3.*got \[4, 1\]"),
        ([3], "got 1 lengths for an input of"),
        ([[3, 1]], "one dimension"),
    ],
)
def test_lengths_that_cannot_be(lengths, text):
    with pytest.raises(ShapeError, match=text):
        rnn.pack_padded_sequence(sn.zeros(3, 2), lengths)


def test_sequences_that_cannot_be():
    with pytest.raises(ShapeError, match="at least one sequence"):
        rnn.pad_sequence([])
    with pytest.raises(ShapeError, match="alike in all but their first"):
        rnn.pad_sequence([sn.zeros(2, 3), sn.zeros(2, 4)])
    with pytest.raises(OptionError, match="'left' or 'right', got 'up'"):
        rnn.pad_sequence([sn.zeros(2)], padding_side="up")
    with pytest.raises(ShapeError, match="got 1 lengths for 2 sequences"):
        rnn.unpad_sequence(sn.zeros(3, 2), [1])


# -- PyTorch ---------------------------------------------------------------------------------------
@pytest.mark.peer
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "int64", "bool"])
def test_every_field_is_pytorchs(lengths, batch_first, dtype):
    torch = pytest.importorskip("torch")
    theirs = torch.nn.utils.rnn
    arrays = [s.numpy().astype(dtype) for s in ragged(lengths, 2)]
    mine, other = [sn.from_numpy(a) for a in arrays], [torch.from_numpy(a) for a in arrays]
    for side in ("left", "right"):
        a = rnn.pad_sequence(mine, batch_first, 1.0, side)
        b = theirs.pad_sequence(other, batch_first, 1.0, side)
        assert a.tolist() == b.tolist() and str(a.dtype) == str(b.dtype).removeprefix("torch.")
    a = rnn.pack_padded_sequence(a, sn.tensor(lengths), batch_first, False)
    b = theirs.pack_padded_sequence(b, torch.tensor(lengths), batch_first, False)
    for name in b._fields:
        x, y = getattr(a, name), getattr(b, name)
        assert x.tolist() == y.tolist()
        assert str(x.dtype) == str(y.dtype).removeprefix("torch.")
    a, n = rnn.pad_packed_sequence(a, batch_first, 1, 6)
    b, m = theirs.pad_packed_sequence(b, batch_first, 1, 6)
    assert a.tolist() == b.tolist() and n.tolist() == m.tolist()
    assert str(a.dtype) == str(b.dtype).removeprefix("torch.")
