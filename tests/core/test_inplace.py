"""In-place writes and views: the right gradient, PyTorch's, or a clear error; never a wrong one."""

import numpy as np
import pytest

import sensorium as sn
from sensorium.errors import AutogradError


def leaf(*values):
    return sn.tensor(list(values), dtype=sn.float64, requires_grad=True)


# -- detach and in-place writes ------------------------------------------------------------------
def test_detached_tensors_share_memory_but_no_graph():
    x = leaf(1.0, 2.0)
    d = (x * 2).detach()
    assert not d.requires_grad and d.is_leaf
    y = x * 1
    z = y.detach()
    z[0] = 9
    assert y.tolist() == [9.0, 2.0]


def test_overwritten_values_are_noticed():
    x = leaf(1.0, 2.0)
    y = x * 1
    z = y * y
    y.add_(1)
    with pytest.raises(AutogradError, match=r"backward of mul.*changed by an in-place operation"):
        z.sum().backward()


def test_overwriting_through_a_detached_tensor_is_noticed():
    x = leaf(1.0)
    y = x.exp()
    y.detach().zero_()
    with pytest.raises(AutogradError, match="in-place"):
        y.backward()


def test_overwriting_what_no_gradient_needs_is_fine():
    x = leaf(1.0, 2.0)
    y = x * 3
    y.add_(1)
    y.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_leaves_that_want_gradients_are_not_overwritten():
    x = leaf(1.0, 2.0)
    for write in (lambda: x.add_(1), lambda: x.zero_(), lambda: x[0:1].mul_(2)):
        with pytest.raises(AutogradError, match="leaf"):
            write()
    with pytest.raises(AutogradError, match="leaf"):
        x[0] = 1
    assert x.tolist() == [1.0, 2.0]
    with sn.no_grad():
        x.add_(1)
    assert x.tolist() == [2.0, 3.0]


PROGRAMS = {}


def program(function):
    PROGRAMS[function.__name__] = function
    return function


@program
def write_after_use(x, lib):
    y = x * 2
    z = y + 1
    y.mul_(3)
    return z + y


@program
def write_slice(x, lib):
    y = x * 1
    y[0:2] = y[1:3] * 2
    return y


@program
def write_number(x, lib):
    y = x * x
    y[1] = 5.0
    return y


@program
def write_view(x, lib):
    y = x * 2
    v = y[1:]
    v.mul_(4)
    return y * y


@program
def view_follows_base(x, lib):
    y = x * 2
    v = y[1:]
    y.mul_(3)
    return v * v


@program
def view_of_view(x, lib):
    y = (x * 1).reshape(2, 2)
    y[0][1:].add_(y[1][:1] * 3)
    return y * y


@program
def sibling_views(x, lib):
    y = x * 1
    a, b = y[:2], y[1:]
    a.mul_(2)
    return a.sum() + (b * b).sum()


@program
def write_transposed(x, lib):
    y = (x * 1).reshape(2, 2)
    y.t()[0].mul_(5)
    return y * y


@program
def copy_into(x, lib):
    y = lib.zeros(4, dtype=x.dtype)
    y[:2].copy_(x[2:] * 3)
    return y * y


@program
def mask_fill(x, lib):
    y = x * 2
    y.masked_fill_(x > 2.5, 7.0)
    return y * x


@program
def mask_assign(x, lib):
    y = x * 2
    y[x > 2.5] = (x * x)[x > 2.5]
    return y


@program
def index_assign(x, lib):
    y = x * 2
    y[[3, 0]] = x[:2] * 10
    return y * y


@program
def self_product(x, lib):
    y = x * 1
    y *= x
    y -= 1
    y /= 2
    return y


@program
def activations_in_place(x, lib):
    y = (x - 2.5).clone()
    y.relu_()
    z = x.clone().sigmoid_()
    return y * z


@program
def fill_cuts(x, lib):
    y = x * 2
    y.fill_(3.0)
    return y * x


@program
def chain_of_columns(x, lib):
    y = (x * 1).reshape(2, 2)
    y[:, 0] = y[:, 1] * 3
    y[:, 1] += y[:, 0]
    return y


@program
def expanded_source(x, lib):
    y = lib.zeros(3, 4, dtype=x.dtype)
    y += x
    y[1] = x[0]
    return y * y


@program
def unsqueezed_view(x, lib):
    y = x * 1
    v = y.unsqueeze(0)
    v.mul_(x)
    return y * 2


@pytest.mark.peer
@pytest.mark.parametrize("name", PROGRAMS)
def test_in_place_programs_equal_torch(name):
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    results = []
    for lib in (sn, torch):
        x = lib.tensor([1.0, 2.0, 3.0, 4.0], dtype=lib.float64, requires_grad=True)
        y = PROGRAMS[name](x, lib)
        (y * y).sum().backward()
        results.append((y.detach().numpy(), x.grad.numpy()))
    (y, g), (wanted_y, wanted_g) = results
    np.testing.assert_allclose(y, wanted_y, rtol=1e-12)
    np.testing.assert_allclose(g, wanted_g, rtol=1e-12)


@pytest.mark.peer
@pytest.mark.parametrize("name", PROGRAMS)
def test_in_place_programs_equal_differences(name):
    x = leaf(1.0, 2.0, 3.0, 4.0)
    assert sn.autograd.gradcheck(lambda x: PROGRAMS[name](x, sn), x)


def test_a_column_may_be_overwritten_by_a_product_that_needs_it():
    """The product keeps a copy of the old column; PyTorch refuses."""
    x = leaf(1.0, 2.0, 3.0, 4.0)
    y = (x * 1).reshape(2, 2)
    y[:, 0] = y[:, 1] * y[:, 0]
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 1.0 + 1.0, 4.0, 3.0 + 1.0]


def test_a_product_whose_column_was_overwritten_before_is_noticed():
    x = leaf(1.0, 2.0, 3.0, 4.0)
    y = (x * 1).reshape(2, 2)
    product = y[:, 1] * y[:, 0]
    y[:, 1] = 5.0
    y[:, 0] = product
    with pytest.raises(AutogradError, match="in-place"):
        y.sum().backward()


def test_views_made_under_no_grad_are_not_written_with_recording():
    """The base would miss the gradient; PyTorch refuses too."""
    y = leaf(1.0, 2.0) * 1
    with sn.no_grad():
        row = y[:1]
        element = row[0]
    for view in (row, element, row[:]):
        with pytest.raises(
            AutogradError, match=r"made under no_grad, so its base \(shape \(2,\)\)"
        ):
            view.mul_(y.sum())
    assert y.tolist() == [1.0, 2.0]
    row.mul_(3)  # nothing recorded: the value changes, as asked
    assert y.tolist() == [3.0, 2.0]


def test_views_made_under_no_grad_are_stale_after_a_recorded_write_to_the_base():
    x = leaf(1.0, 2.0)
    y = x * 1
    with sn.no_grad():
        row = y[:1]
    y.mul_(5)
    y.sum().backward(retain_graph=True)
    with pytest.raises(
        AutogradError, match="made under no_grad is used after its base was changed"
    ):
        (row * 2).sum().backward()
    with pytest.raises(
        AutogradError, match="made under no_grad is used after its base was changed"
    ):
        sn.autograd.grad((row * 2).sum(), x)


def test_an_output_that_is_a_view_of_an_input_is_not_written():
    class Part(sn.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x[:1]

        @staticmethod
        def backward(ctx, g):
            return sn.cat([g, g * 0])

    y = Part.apply(leaf(1.0, 2.0) * 1)
    with pytest.raises(AutogradError, match="made by Part"):
        y.mul_(2)
