"""Misuse: every message names the operation, the rule and both values; nothing is changed by it."""

import numpy as np
import pytest

import sensorium as sn
from sensorium.errors import (
    AutogradError,
    DeviceError,
    DTypeError,
    OpError,
    OutOfBoundsError,
    SensoriumError,
    ShapeError,
)

X, V, N, B = (lambda: sn.ones(2, 3)), (lambda: sn.ones(4)), (lambda: sn.tensor([1, 2])), (
    lambda: sn.tensor([True, False])
)  # fmt: skip
CASES = [  # what is tried, the error, and what its message must hold
    (lambda: X() + V(), ShapeError, ["add", "(2, 3)", "(4,)"]),
    (lambda: X() * V(), ShapeError, ["mul", "(2, 3)", "(4,)"]),
    (lambda: X() < V(), ShapeError, ["lt", "(2, 3)", "(4,)"]),
    (lambda: X() @ V(), ShapeError, ["matmul", "3 columns", "4 rows"]),
    (lambda: X() @ sn.ones(3, 2).double(), DTypeError, ["matmul", "float32", "float64"]),
    (lambda: sn.mm(X(), V()), ShapeError, ["mm", "(4,)"]),
    (lambda: sn.bmm(X(), X()), ShapeError, ["bmm", "(2, 3)"]),
    (lambda: sn.dot(X(), X()), ShapeError, ["dot", "(2, 3)"]),
    (lambda: sn.einsum("ij,jk->ik", X(), V()), ShapeError, ["einsum", "jk", "(4,)"]),
    (lambda: sn.einsum("ij,jk->ik", X()), ShapeError, ["einsum", "2 operands", "1"]),
    (lambda: X().reshape(4, 2), ShapeError, ["reshape", "(4, 2)", "(2, 3)"]),
    (lambda: X().reshape(-1, -1), ShapeError, ["reshape", "(-1, -1)"]),
    (lambda: X().T.view(6), ShapeError, ["view", "(3, 2)", "(6,)"]),
    (lambda: X().expand(4, 3), ShapeError, ["expand", "(2, 3)", "(4, 3)"]),
    (lambda: X().permute(0, 0), ShapeError, ["permute", "(0, 0)"]),
    (lambda: X().transpose(0, 2), OutOfBoundsError, ["transpose", "dim 2", "2 dimensions"]),
    (lambda: X().squeeze(5), OutOfBoundsError, ["squeeze", "dim 5"]),
    (lambda: X().unsqueeze(4), OutOfBoundsError, ["unsqueeze", "dim 4"]),
    (lambda: X().flatten(1, 0), ShapeError, ["flatten", "1", "0"]),
    (lambda: X().sum(2), OutOfBoundsError, ["sum", "dim 2"]),
    (lambda: X().sum((0, 0)), ShapeError, ["sum", "twice"]),
    (lambda: X().sum("a"), SensoriumError, ["sum", "'a'"]),
    (lambda: N().mean(), DTypeError, ["mean", "int64"]),
    (lambda: N().std(), DTypeError, ["std|var", "int64"]),
    (lambda: sn.zeros(0, 3).amax(), ShapeError, ["amax", "(0, 3)"]),
    (lambda: sn.zeros(0, 3).max(), ShapeError, ["max", "(0, 3)|(0,)"]),
    (lambda: sn.zeros(0, 3).argmax(0), ShapeError, ["argmax", "(0, 3)"]),
    (lambda: X().topk(4), ShapeError, ["topk", "4", "3"]),
    (lambda: X()[2], OutOfBoundsError, ["index 2", "size 2"]),
    (lambda: X()[0, 0, 0], OutOfBoundsError, ["3 indices", "2 dimensions"]),
    (lambda: X()[sn.tensor([0, 5])], OutOfBoundsError, ["index 5", "size 2"]),
    (lambda: X()[sn.tensor([True, False, True])], OutOfBoundsError, ["mask", "(3,)"]),
    (lambda: X()[sn.tensor([0.5])], DTypeError, ["index", "float32"]),
    (lambda: X()[::-1], ShapeError, ["step", "flip"]),
    (lambda: X()["a"], DTypeError, ["index"]),
    (lambda: X().__setitem__(3, 1.0), OutOfBoundsError, ["setitem", "index 3", "size 2"]),
    (lambda: X().__setitem__(0, V()), ShapeError, ["setitem|expand", "(4,)", "(3,)"]),
    (lambda: N().__setitem__(0, 1j), DTypeError, ["setitem|tensor", "complex", "int64"]),
    (lambda: X().gather(0, sn.tensor([[0, 2]])), OutOfBoundsError, ["gather", "index 2", "size 2"]),
    (lambda: X().gather(0, V()), DTypeError, ["gather", "float32"]),
    (lambda: X().index_select(0, sn.tensor([3])), OutOfBoundsError, ["index 3", "size 2"]),
    (lambda: X().masked_fill(X(), 1), DTypeError, ["masked_fill", "bool", "float32"]),
    (lambda: sn.where(X(), 1.0, 2.0), DTypeError, ["where", "bool", "float32"]),
    (lambda: sn.cat([]), ShapeError, ["cat", "empty"]),
    (lambda: sn.cat([X(), V()]), ShapeError, ["cat", "(2, 3)", "(4,)"]),
    (lambda: sn.cat([X(), 3]), DTypeError, ["cat", "int"]),
    (lambda: sn.stack([X(), V()]), ShapeError, ["stack", "(2, 3)", "(4,)"]),
    (lambda: X().split(0), ShapeError, ["split", "0"]),
    (lambda: X().split([1, 5]), ShapeError, ["split", "[1, 5]", "2"]),
    (lambda: X().chunk(0), ShapeError, ["chunk", "0"]),
    (lambda: X().repeat(2), ShapeError, ["repeat", "(2,)"]),
    (lambda: X().narrow(0, 1, 5), OutOfBoundsError, ["narrow", "5", "size 2"]),
    (lambda: B() - B(), DTypeError, ["sub", "bool"]),
    (lambda: N() // 0, DTypeError, ["floor_divide", "zero"]),
    (lambda: N() % 0, DTypeError, ["remainder", "zero"]),
    (lambda: N() ** -1, DTypeError, ["pow", "-1"]),
    (lambda: X() & X(), DTypeError, ["bitwise_and", "float32"]),
    (lambda: ~X(), DTypeError, ["bitwise_not", "float32"]),
    (lambda: X().clamp(), DTypeError, ["clamp", "min", "max"]),
    (lambda: X().softmax(3), OutOfBoundsError, ["softmax", "dim 3"]),
    (lambda: X().add_(sn.ones(5, 2, 3)), ShapeError, ["add_", "(5, 2, 3)", "(2, 3)"]),
    (lambda: N().add_(1.5), DTypeError, ["add_", "float32", "int64"]),
    (lambda: X().copy_(V()), ShapeError, ["copy_|expand", "(4,)", "(2, 3)"]),
    (lambda: sn.ones(1).expand(3).add_(1), ShapeError, ["add_", "(3,)", "clone"]),
    (lambda: bool(X()), ShapeError, ["bool", "6 values", "(2, 3)"]),
    (lambda: X().item(), ShapeError, ["item", "(2, 3)"]),
    (lambda: len(sn.tensor(1)), TypeError, ["len", "zero-dimensional"]),
    (lambda: list(sn.tensor(1)), TypeError, ["iter", "zero-dimensional"]),
    (lambda: [1, 2][sn.tensor(0.5)], TypeError, ["index", "float32"]),
    (lambda: X().size(2), OutOfBoundsError, ["size", "dim 2"]),
    (lambda: X().requires_grad_().numpy(), AutogradError, ["numpy", "detach"]),
    (lambda: N().requires_grad_(), DTypeError, ["requires_grad", "int64"]),
    (lambda: setattr(X(), "grad", V()), ShapeError, ["grad", "(4,)", "(2, 3)"]),
    (lambda: setattr(X(), "grad", 3), DTypeError, ["grad", "int"]),
    (lambda: X().to("gpu"), DTypeError, ["gpu"]),
    (lambda: X().to("cuda:x"), DeviceError, ["cuda:x"]),
    (lambda: X().to("float33"), DTypeError, ["float33"]),
    (lambda: sn.device("tpu"), DeviceError, ["tpu", "cpu"]),
    (lambda: sn.tensor([[1, 2], [3]]), ShapeError, ["tensor", "ragged"]),
    (lambda: sn.tensor("a"), DTypeError, ["tensor", "str"]),
    (lambda: sn.tensor(None), DTypeError, ["tensor", "NoneType"]),
    (lambda: sn.tensor(1j, dtype=sn.float32), DTypeError, ["tensor", "complex", "float32"]),
    (lambda: sn.zeros(-1), ShapeError, ["zeros", "-1"]),
    (lambda: sn.zeros(2.5), ShapeError, ["zeros", "2.5"]),
    (lambda: sn.arange(0, 1, 0), ShapeError, ["arange", "0"]),
    (lambda: sn.arange(5, 1), ShapeError, ["arange", "5", "1"]),
    (lambda: sn.from_numpy([1]), DTypeError, ["from_numpy", "list"]),
    (lambda: sn.as_tensor(np.array(["a"])), DTypeError, ["str|<U1"]),
    (lambda: sn.tril(V()), ShapeError, ["tril", "(4,)"]),
    (lambda: sn.relu("a"), DTypeError, ["relu", "str"]),
    (lambda: sn.exp([1.0]), DTypeError, ["exp", "list"]),
    (lambda: X() + "a", (DTypeError, TypeError), ["operands must be tensors", "str"]),
    (lambda: X() + None, (DTypeError, TypeError), ["operands must be tensors", "NoneType"]),
    (lambda: sn.linspace(0, 1, -1), ShapeError, ["linspace", "-1"]),
    (lambda: sn.imag(X()), DTypeError, ["imag", "float32"]),
    (lambda: sn.set_default_dtype(sn.int64), DTypeError, ["set_default_dtype", "int64"]),
    (lambda: sn.nonexistent, AttributeError, ["nonexistent"]),
]  # fmt: skip
NUMPYS_WORDS = ["numpy", "ufunc", "operands could not", "could not broadcast", "setting an array",
                "Cannot cast", "axes don't match", "shape mismatch", "ndarray'"]  # fmt: skip


@pytest.mark.parametrize("number", range(len(CASES)))
def test_message_names_operation_rule_and_values(number):
    attempt, error, needles = CASES[number]
    with pytest.raises(error) as caught:
        attempt()
    text = str(caught.value)
    for needle in needles:
        assert any(option in text for option in needle.split("|")), f"{needle!r} not in {text!r}"
    leaks = [word for word in NUMPYS_WORDS if word in text and "numpy" not in needles[0]]
    assert not leaks, text
    assert caught.value.__cause__ is None


FAILING_WRITES = [
    lambda x: x.add_(sn.ones(7)),
    lambda x: x.mul_(sn.ones(2, 2, 3)),
    lambda x: x.copy_(sn.ones(7)),
    lambda x: x.__setitem__(0, sn.ones(7)),
    lambda x: x.__setitem__((slice(None), 9), 1.0),
    lambda x: x.__setitem__(sn.tensor([0, 4]), 1.0),
    lambda x: x.masked_fill_(sn.ones(2, 3), 0.0),
    lambda x: x.clamp_(),
    lambda x: x.index_add_(0, sn.tensor([5]), sn.ones(1, 3)),
    lambda x: x.scatter_(0, sn.tensor([[3]]), sn.ones(1, 1)),
]


@pytest.mark.parametrize("number", range(len(FAILING_WRITES)))
def test_a_failed_write_changes_nothing(number):
    x = sn.arange(6).reshape(2, 3).float()
    version = x._version
    with pytest.raises((OpError, OutOfBoundsError)):
        FAILING_WRITES[number](x)
    assert x.tolist() == [[0, 1, 2], [3, 4, 5]] and x._version == version


def test_a_failing_op_leaves_numpys_warnings_as_they_were():
    before = np.geterr()
    with pytest.raises(ShapeError):
        sn.ones(2) + sn.ones(3)
    assert np.geterr() == before
    with pytest.warns(RuntimeWarning):
        np.ones(1) / np.zeros(1)


def test_division_by_zero_is_silent():
    assert (sn.tensor([1.0, -1.0]) / 0).tolist() == [float("inf"), float("-inf")]
    assert sn.log(sn.tensor([0.0])).item() == float("-inf")
