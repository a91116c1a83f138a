"""Misuse, side by side: what PyTorch says and what we say, a row a case.

Ours names the operation, the rule and both values; PyTorch's message, which the peer test checks, is
there to read. No case changes its inputs, the random state or what NumPy would say in our place.
"""

import re
from typing import NamedTuple

import numpy as np
import pytest

import sensorium as sn
from sensorium import errors


class Case(NamedTuple):
    code: str
    theirs: str  # how PyTorch's message begins
    error: str  # our class
    holds: list[str]  # what our message holds: the operation first, then both values


# fmt: off
CASES = [
    Case("ones(2, 3) + ones(4)",
         "The size of tensor a (3) must match the size of tensor b (4) at non-si",
         "ShapeError", ["add", "(2, 3)", "float32", "(4,)"]),
    Case("ones(2, 3).add_(ones(5, 1, 3))",
         "output with shape [2, 3] doesn't match the broadcast shape [5, 2, 3]",
         "ShapeError", ["add_", "(5, 2, 3)", "(2, 3)"]),
    Case("ones(2, 3) @ ones(4, 5)", "mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)",
         "ShapeError", ["matmul", "3", "(2, 3)", "4"]),
    Case("bmm(ones(2, 3, 4), ones(3, 4, 5))",
         "Expected size for first two dimensions of batch2 tensor to be: [2, 4]",
         "ShapeError", ["bmm", "(2, 3, 4)", "(3, 4, 5)"]),
    Case("ones(2, 3) @ ones(3, 2).double()",
         "expected m1 and m2 to have the same dtype, but got: float != double",
         "DTypeError", ["matmul", "float32", "float64"]),
    Case("nn.functional.conv2d(ones(1, 3, 8, 8), ones(4, 2, 3, 3))",
         "Given groups=1, weight of size [4, 2, 3, 3], expected input[1, 3, 8, 8",
         "ShapeError", ["conv2d", "3", "2", "(1, 3, 8, 8)"]),
    Case("nn.functional.conv2d(ones(1, 3, 2, 2), ones(4, 3, 5, 5))",
         "Calculated padded input size per channel: (2 x 2). Kernel size: (5 x 5",
         "ShapeError", ["conv2d", "(5, 5)", "(1, 1)", "(1, 3, 2, 2)"]),
    Case("nn.Conv2d(3, 8, 3)(ones(1, 4, 8, 8))",
         "Given groups=1, weight of size [8, 3, 3, 3], expected input[1, 4, 8, 8",
         "ShapeError", ["conv2d", "4", "3", "(1, 4, 8, 8)"]),
    Case("nn.Conv2d(3, 8, 3, groups=2)", "in_channels must be divisible by groups",
         "ShapeError", ["Conv2d", "3", "2"]),
    Case("nn.Linear(3, 4)(ones(2, 5))", "mat1 and mat2 shapes cannot be multiplied (2x5 and 3x4)",
         "ShapeError", ["linear", "(2, 5)", "3", "(4, 3)"]),
    Case("cat([ones(2, 3), ones(2, 4)])",
         "Sizes of tensors must match except in dimension 0. Expected size 3 but",
         "ShapeError", ["cat", "0", "(2, 3)", "1"]),
    Case("cat([ones(2, 3), ones(3)], dim=1)",
         "Tensors must have same number of dimensions: got 2 and 1",
         "ShapeError", ["cat", "1", "0", "(2, 3)"]),
    Case("stack([ones(2), ones(3)])",
         "stack expects each tensor to be equal size, but got [2] at entry 0 and",
         "ShapeError", ["stack", "(2,)", "(3,)"]),
    Case("ones(2, 3).view(4, 2)", "shape '[4, 2]' is invalid for input of size 6",
         "ShapeError", ["view", "6", "(2, 3)", "(4, 2)"]),
    Case("ones(2, 3).reshape(-1, -1)", "only one dimension can be inferred",
         "ShapeError", ["reshape", "0", "1", "(-1, -1)"]),
    Case("ones(2, 3).t().view(6)",
         "view size is not compatible with input tensor's size and stride (at le",
         "ShapeError", ["view", "(3, 2)", "(1, 3)", "(6,)"]),
    Case("ones(2, 3).expand(4, 3)",
         "The expanded size of the tensor (4) must match the existing size (2) a",
         "ShapeError", ["expand", "(2, 3)", "(4, 3)"]),
    Case("ones(2, 3)[2]", "index 2 is out of bounds for dimension 0 with size 2",
         "OutOfBoundsError", ["index", "2", "0"]),
    Case("ones(2, 3)[:, 5]", "index 5 is out of bounds for dimension 1 with size 3",
         "OutOfBoundsError", ["index", "5", "1", "3"]),
    Case("ones(2, 3)[0, 0, 0]", "too many indices for tensor of dimension 2",
         "OutOfBoundsError", ["index", "3", "2", "(2, 3)"]),
    Case("ones(2, 3).sum(2)",
         "Dimension out of range (expected to be in range of [-2, 1], but got 2)",
         "OutOfBoundsError", ["sum", "2", "1"]),
    Case("ones(2, 3).transpose(0, 3)",
         "Dimension out of range (expected to be in range of [-2, 1], but got 3)",
         "OutOfBoundsError", ["transpose", "3", "2", "1"]),
    Case("ones(2, 3).squeeze(4)",
         "Dimension out of range (expected to be in range of [-2, 1], but got 4)",
         "OutOfBoundsError", ["squeeze", "4", "2", "1"]),
    Case("ones(2, 3).permute(0, 0)", "permute(): duplicate dims are not allowed.",
         "ShapeError", ["permute", "(0, 0)", "2"]),
    Case("ones(5).gather(0, tensor([7]))", "index 7 is out of bounds for dimension 0 with size 5",
         "OutOfBoundsError", ["gather", "7", "0", "5"]),
    Case("ones(2, 3).gather(0, tensor([0]))",
         "Index tensor must have the same number of dimensions as input tensor",
         "ShapeError", ["gather", "(1,)", "(2, 3)"]),
    Case("ones(3).index_select(0, tensor([5]))", "index out of range in self",
         "OutOfBoundsError", ["index_select", "5", "0", "3"]),
    Case("ones(2, 3)[ones(3, 3) > 0]",
         "The shape of the mask [3, 3] at index 0 does not match the shape of th",
         "OutOfBoundsError", ["index", "(3, 3)", "(2, 3)"]),
    Case("nn.functional.embedding(tensor([9]), ones(4, 2))", "index out of range in self",
         "OutOfBoundsError", ["embedding", "9", "4"]),
    Case("nn.functional.cross_entropy(ones(2, 3), tensor([0, 3]))", "Target 3 is out of bounds.",
         "OutOfBoundsError", ["cross_entropy", "3", "(2, 3)", "100"]),
    Case("nn.functional.cross_entropy(ones(2, 3), tensor([0, 1, 2]))",
         "Expected input batch_size (2) to match target batch_size (3).",
         "ShapeError", ["cross_entropy", "(2, 3)", "(2,)", "(3,)"]),
    Case('nn.functional.mse_loss(ones(2, 3), ones(2, 3), reduction="avg")',
         "avg is not a valid value for reduction", "OptionError", ["mse_loss", "'avg'"]),
    Case("zeros(0).max()", "max(): Expected reduction dim to be specified for input.numel() == 0.",
         "ShapeError", ["amax", "(0,)"]),
    Case("zeros(0, 3).argmax(0)", "argmax(): Expected reduction dim 0 to have non-zero size.",
         "ShapeError", ["argmax", "0", "(0, 3)"]),
    Case("nn.BatchNorm1d(3)(ones(1, 3))",
         "Expected more than 1 value per channel when training, got input size t",
         "ShapeError", ["batch_norm", "(1, 3)"]),
    Case("nn.BatchNorm2d(3)(ones(2, 4, 5, 5))", "running_mean should contain 4 elements not 3",
         "ShapeError", ["batch_norm", "(3,)", "4", "(2, 4, 5, 5)"]),
    Case("nn.GroupNorm(3, 4)", "num_channels (4) must be divisible by num_groups (3)",
         "ShapeError", ["GroupNorm", "4", "3"]),
    Case("nn.LayerNorm(4)(ones(2, 3))",
         "Given normalized_shape=[4], expected input with shape [*, 4], but got",
         "ShapeError", ["layer_norm", "(2, 3)", "(4,)"]),
    Case("ones(2, dtype=int64).requires_grad_()",
         "only Tensors of floating point dtype can require gradients",
         "DTypeError", ["requires_grad", "int64"]),
    Case("ones(2, requires_grad=True).add_(1)",
         "a leaf Variable that requires grad is being used in an in-place operat",
         "AutogradError", ["add_", "(2,)", "()"]),
    Case("(ones(2, requires_grad=True) * 2).backward()",
         "grad can be implicitly created only for scalar outputs",
         "AutogradError", ["backward", "0", "(2,)"]),
    Case("ones(2, requires_grad=True).sum().detach().backward()",
         "element 0 of tensors does not require grad and does not have a grad_fn",
         "AutogradError", ["backward", "0", "()"]),
    Case("twice(ones(2, requires_grad=True))",
         "Trying to backward through the graph a second time (or directly access",
         "AutogradError", ["backward of mul", "retain_graph=True"]),
    Case("overwritten(ones(2, requires_grad=True))",
         "one of the variables needed for gradient computation has been modified",
         "AutogradError", ["backward of mul", "2", "0"]),
    Case("ones(2, 3).item()", "a Tensor with 6 elements cannot be converted to Scalar",
         "ShapeError", ["item", "(2, 3)"]),
    Case("bool(ones(2))", "Boolean value of Tensor with more than one value is ambiguous",
         "ShapeError", ["bool", "2", "(2,)", "()"]),
    Case("tensor([[1, 2], [3]])", "expected sequence of length 2 at dim 1 (got 1)",
         "ShapeError", ["tensor", "1", "2", "3"]),
    Case("tensor([object()])", "Could not infer dtype of object", "DTypeError", ["tensor"]),
    Case("ones(2, -3)", "Trying to create tensor with negative dimension -3: [2, -3]",
         "ShapeError", ["ones", "(2, -3)"]),
    Case("linalg.inv(ones(2, 3))",
         "linalg.inv: A must be batches of square matrices, but they are 2 by 3",
         "ShapeError", ["linalg.inv", "2", "3", "(2, 3)"]),
    Case("linalg.inv(zeros(2, 2))",
         "linalg.inv: The diagonal element 1 is zero, the inversion could not be",
         "LinAlgError", ["linalg.inv", "(2, 2)"]),
    Case("linalg.cholesky(-eye(2))",
         "linalg.cholesky: The factorization could not be completed because the",
         "LinAlgError", ["linalg.cholesky", "1", "(2, 2)"]),
    Case("ones(2, requires_grad=True).numpy()",
         "Can't call numpy() on Tensor that requires grad. Use tensor.detach().n",
         "AutogradError", ["numpy", "()"]),
    Case('nn.Sequential(nn.Linear(2, 2)).load_state_dict({"0.weight": ones(3, 2), "more": ones(1)})',
         "Error(s) in loading state_dict for Sequential: Missing key(s) in state",
         "StateDictError", ["load_state_dict", "1", "0", "(3, 2)"]),
    Case("arange(0, 5, 0)", "step must be nonzero", "ShapeError", ["arange", "0", "5"]),
    Case("ones(6).chunk(0)", "chunk expects `chunks` to be greater than 0, got: 0",
         "ShapeError", ["chunk", "1", "0"]),
    Case("ones(6).split([2, 3])",
         "split_with_sizes expects split_sizes to sum exactly to 6 (input tensor",
         "ShapeError", ["split", "2", "3", "6"]),
    Case("ones(2, 3).topk(4)", "selected index k out of range",
         "ShapeError", ["topk", "0", "3", "1"]),
    Case('nn.functional.pad(ones(1, 2, 3), (1, 1, 1), mode="reflect")',
         "Padding length must be divisible by 2", "ShapeError", ["pad", "(1, 1, 1)", "3"]),
    Case("nn.functional.interpolate(ones(1, 1, 4, 4), size=(2,))",
         "Input and output must have the same number of spatial dimensions, but",
         "ShapeError", ["interpolate", "(2,)", "(4, 4)"]),
    Case("optim.SGD([], lr=0.1)", "optimizer got an empty parameter list", "ValueError", ["SGD"]),
    Case("optim.SGD([ones(2, requires_grad=True)], lr=-1.0)", "Invalid learning rate: -1.0",
         "ValueError", ["SGD", "0", "1"]),
    Case('einsum("ij,jk->ik", ones(2, 3), ones(4, 5))',
         "einsum(): subscript j has size 4 for operand 1 which does not broadcas",
         "ShapeError", ["einsum", "'j'", "4", "3"]),
    Case("attention(ones(1, 2, 3, 4), ones(1, 2, 3, 5), ones(1, 2, 3, 5))",
         "Expected size for first two dimensions of batch2 tensor to be: [2, 4]",
         "ShapeError", ["scaled_dot_product_attention", "(1, 2, 3, 4)", "(1, 2, 3, 5)"]),
    Case("nn.MultiheadAttention(10, 3)", "embed_dim must be divisible by num_heads",
         "OptionError", ["MultiheadAttention", "10", "3"]),
    Case("nn.LSTM(3, 4)(ones(5, 2, 7))",
         "input.size(-1) must be equal to input_size. Expected 3, got 7",
         "ShapeError", ["LSTM", "3", "(5, 2, 7)"]),
    Case("ones(2).masked_fill(ones(3) > 0, 1)",
         "The size of tensor a (3) must match the size of tensor b (2) at non-si",
         "ShapeError", ["where", "(3,)", "1", "0"]),
    Case("full((2,), 300, dtype=uint8).add_(0.5)",
         "value cannot be converted to type uint8_t without overflow",
         "ShapeError", ["full", "300", "uint8", "255"]),
    Case("zeros(2**62)", "Storage size calculation overflowed",
         "ShapeError", ["zeros", "4611686018427387904"]),
]
# fmt: on
NUMPYS = [
    "operands could not be",
    "setting an array",
    "inhomogeneous",
    "object arrays",
    "ufunc",
    "could not be broadcast",
    "array is too big",
    "cannot reshape",
]  # fmt: skip


def names(lib):
    """What the cases are written in."""

    def twice(x):
        y = (x * x).sum()
        y.backward()
        y.backward()

    def overwritten(x):
        y = x.exp()
        z = y * y
        y.add_(1)
        z.sum().backward()

    found = {k: getattr(lib, k) for k in ("nn", "linalg", "optim", "int64", "uint8")}
    for k in ("ones", "zeros", "full", "tensor", "eye", "arange", "cat", "stack", "bmm", "einsum"):
        found[k] = getattr(lib, k)
    attention = lib.nn.functional.scaled_dot_product_attention
    return {**found, "twice": twice, "overwritten": overwritten, "attention": attention}


def run(lib, code, **more):
    return eval(code, {**names(lib), **more})


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.code)
def test_our_message_names_operation_and_values(case):
    before = sn.get_rng_state()
    with pytest.raises(getattr(errors, case.error, ValueError)) as caught:
        run(sn, case.code)
    message = str(caught.value)
    assert message.startswith(case.holds[0])
    assert [part for part in case.holds if part not in message] == []
    assert [text for text in NUMPYS if text in message] == []
    if not re.search(r"nn\.[A-Z]", case.code):  # a layer draws its weights before it is misused
        assert sn.equal(sn.get_rng_state(), before)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.code)
def test_nothing_is_changed(case):
    """Every tensor a case makes is what it was before the failing call."""
    made = []

    def watched(function):
        def make(*args, **options):
            x = function(*args, **options)
            made.append((x, x.detach().numpy().copy(), x._version, x.grad_fn))
            return x

        return make

    makers = {k: watched(getattr(sn, k)) for k in ("ones", "zeros", "full", "eye")}
    with pytest.raises(Exception):  # noqa: B017  (the class is the other test's)
        run(sn, case.code, **makers)
    for x, values, version, node in made:
        np.testing.assert_array_equal(x.detach().numpy(), values)
        assert x._version == version and x.grad_fn is node


@pytest.mark.peer
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.code)
def test_pytorch_refuses_it_too(case):
    torch = pytest.importorskip("torch")
    with pytest.raises(Exception) as caught:
        run(torch, case.code)
    assert re.sub(r"\s+", " ", str(caught.value)).startswith(case.theirs)
