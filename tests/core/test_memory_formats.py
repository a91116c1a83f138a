"""Memory formats, creation, limits and small questions: PyTorch's strides, values and errors."""

import itertools
import pickle

import numpy as np
import pytest

import sensorium as sn
from sensorium.errors import DTypeError, SensoriumError, ShapeError

SHAPES = [
    (2, 3, 4, 5), (1, 3, 4, 5), (2, 1, 4, 5), (2, 3, 1, 1), (2, 1, 1, 1), (2, 3, 4, 5, 6), (3, 4), (),
    (5,), (1, 1, 1, 1),
]  # fmt: skip
FORMATS = ["contiguous_format", "preserve_format", "channels_last", "channels_last_3d"]
CALLS = {
    "clone": lambda lib, x, m: x.clone(memory_format=m),
    "contiguous": lambda lib, x, m: x.contiguous(memory_format=m),
    "to": lambda lib, x, m: x.to(memory_format=m),
    "to type": lambda lib, x, m: x.to(lib.float64, memory_format=m),
    "to copy": lambda lib, x, m: x.to(lib.float32, copy=True, memory_format=m),
    "double": lambda lib, x, m: x.double(memory_format=m),
    "empty_like": lambda lib, x, m: lib.empty_like(x, memory_format=m),
    "zeros_like": lambda lib, x, m: lib.zeros_like(x, memory_format=m),
    "ones_like": lambda lib, x, m: lib.ones_like(x, memory_format=m),
    "full_like": lambda lib, x, m: lib.full_like(x, 2.0, memory_format=m),
    "is_contiguous": lambda lib, x, m: x.is_contiguous(memory_format=m),
    "empty": lambda lib, x, m: lib.empty(x.shape, memory_format=m),
}


# -- formats -------------------------------------------------------------------------------------
def test_channels_last_is_channels_innermost():
    x = sn.arange(120).reshape(2, 3, 4, 5)
    y = x.contiguous(memory_format=sn.channels_last)
    assert y.stride() == (60, 1, 15, 3)
    assert y.permute(0, 2, 3, 1).is_contiguous()
    assert y.is_contiguous(memory_format=sn.channels_last)
    assert not y.is_contiguous()
    assert y.tolist() == x.tolist()
    z = sn.zeros(2, 3, 4, 5, 6).to(memory_format=sn.channels_last_3d)
    assert z.stride() == (360, 1, 90, 18, 3)


def test_a_tensor_that_lies_right_comes_back_itself():
    x = sn.ones(2, 3, 4, 5).contiguous(memory_format=sn.channels_last)
    assert x.contiguous(memory_format=sn.channels_last) is x
    assert x.to(memory_format=sn.channels_last) is x
    assert x.clone().stride() == x.stride()
    assert x.clone(memory_format=sn.contiguous_format).is_contiguous()


def test_gradients_pass_through_a_change_of_format():
    x = sn.arange(24.0).reshape(1, 2, 3, 4).requires_grad_()
    (x.contiguous(memory_format=sn.channels_last) * x.detach()).sum().backward()
    assert np.array_equal(x.grad.numpy(), x.detach().numpy())


@pytest.mark.parametrize(
    "call,text",
    [
        (
            lambda: sn.ones(2, 3).contiguous(memory_format=sn.channels_last),
            "wants 4 dimensions, got 2",
        ),
        (lambda: sn.ones(2).clone(memory_format=sn.channels_last_3d), "wants 5 dimensions, got 1"),
        (lambda: sn.empty(2, memory_format=sn.preserve_format), "preserve_format is not one"),
        (lambda: sn.ones(2, 3).T.contiguous(memory_format=sn.preserve_format), "not one"),
        (lambda: sn.ones(2).clone(memory_format="channels_last"), "memory_format must be"),
        (lambda: sn.zeros(2, layout="sparse"), "layout must be sensorium.strided"),
        (lambda: sn.empty_permuted((2, 3), (0, 0)), r"\(0, 0\) is no order of the 2"),
        (lambda: sn.empty_strided((2, 3), (1,)), r"2 sizes \(2, 3\) want as many strides"),
        (lambda: sn.empty_strided((2,), (-1,)), "must not be negative"),
    ],
)
def test_a_format_that_does_not_fit_is_refused(call, text):
    with pytest.raises((ShapeError, DTypeError), match=text):
        call()


def test_formats_are_constants_of_two_classes():
    assert isinstance(sn.channels_last, sn.memory_format)
    assert isinstance(sn.strided, sn.layout)
    assert repr(sn.channels_last) == "sensorium.channels_last"
    assert pickle.loads(pickle.dumps(sn.channels_last)) is sn.channels_last


def test_strides_as_given():
    assert sn.empty_permuted((2, 3, 5, 7), (0, 2, 3, 1)).stride() == (105, 1, 21, 3)
    x = sn.empty_strided((2, 3), (1, 4), dtype=sn.int64)
    assert (x.stride(), x.dtype) == ((1, 4), sn.int64)
    assert sn.ones(1, dtype=sn.int8).new_empty_strided((2, 2), (2, 1)).dtype == sn.int8
    assert sn.empty_strided((0, 3), (3, 1)).shape == (0, 3)


def laid(lib, shape, how):
    x = lib.arange(int(np.prod(shape)), dtype=lib.float32).reshape(shape)
    if how == "reversed":
        return x.permute(tuple(reversed(range(len(shape)))))
    if how == "channels last" and len(shape) > 3:
        last = lib.channels_last if len(shape) == 4 else lib.channels_last_3d
        return x.contiguous(memory_format=last)
    return x[:, ::2] if how == "sliced" and len(shape) > 1 else x


def seen(call, lib, x, name):
    """What a call gives: strides of the dimensions that have some, and whether it is x itself."""
    try:
        y = call(lib, x, getattr(lib, name))
    except RuntimeError:
        return "refused"
    if isinstance(y, bool):
        return y
    return [s for s, n in zip(y.stride(), y.shape) if n > 1], y.is_contiguous(), y is x


@pytest.mark.peer
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("how", ["plain", "reversed", "channels last", "sliced"])
def test_strides_equal_torch(name, how):
    torch = pytest.importorskip("torch")
    for shape, call in itertools.product(SHAPES, CALLS):
        ours, theirs = (seen(CALLS[call], lib, laid(lib, shape, how), name) for lib in (sn, torch))
        assert ours == theirs, (shape, call)


# -- creation ------------------------------------------------------------------------------------
def test_new_tensors_take_type_and_device_of_theirs():
    x = sn.ones(2, dtype=sn.int16)
    assert x.new_zeros(2, 3).dtype == sn.int16
    assert x.new_ones(size=(2,)).tolist() == [1, 1]
    assert x.new_full((2,), 7).tolist() == [7, 7]
    assert x.new_tensor([1.5]).dtype == sn.int16
    assert x.new_empty((2, 0), dtype=sn.float64, requires_grad=True).requires_grad


def test_linspace_counts_either_half_from_its_own_end():
    x = sn.linspace(0.1, 0.7, 7, dtype=sn.float64)
    assert (x[0].item(), x[-1].item()) == (0.1, 0.7)
    assert sn.linspace(4.3, -3, 3, dtype=sn.int64).tolist() == [4, 0, -3]
    assert sn.linspace(sn.tensor(1.0), sn.tensor(2.0), 2).tolist() == [1.0, 2.0]
    assert sn.logspace(0, 3, 4, base=2).tolist() == [1.0, 2.0, 4.0, 8.0]
    assert sn.linspace(0, 1, 0).shape == (0,)
    assert sn.linspace(3, 5, 1).tolist() == [3.0]


def test_creation_writes_into_out():
    x = sn.empty(3)
    assert sn.linspace(0, 1, 3, out=x) is x
    assert x.tolist() == [0.0, 0.5, 1.0]
    assert sn.zeros(3, out=x).tolist() == [0.0, 0.0, 0.0]
    assert sn.arange(3, out=sn.empty(3, dtype=sn.int64)).tolist() == [0, 1, 2]


def test_scalar_tensor_is_of_the_default_type():
    assert sn.scalar_tensor(3).dtype == sn.float32
    assert sn.scalar_tensor(3, dtype=sn.int8).shape == ()


@pytest.mark.parametrize(
    "call,text",
    [
        (lambda: sn.full((2,), 1j, dtype=sn.float32), "complex value"),
        (lambda: sn.full((2,), 300, dtype=sn.uint8), "300 is out of range for uint8"),
        (lambda: sn.linspace(0, 1, -1), "steps must be an integer of at least 0, got -1"),
        (lambda: sn.linspace(sn.ones(2), 1, 2), r"start must be a number or 0-dimensional"),
        (lambda: sn.eye(-1), "n -1"),
        (lambda: sn.arange(float("inf")), "must be finite"),
        (lambda: sn.arange(1j), "must be real numbers"),
        (lambda: sn.zeros(2, -1), r"got \(2, -1\)"),
    ],
)
def test_creation_names_the_rule(call, text):
    with pytest.raises(SensoriumError, match=text):
        call()


@pytest.mark.peer
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", "int8", "complex64"])
@pytest.mark.parametrize(
    "args", [(0, 1, 5), (-2.5, 7.25, 10), (4.3, -3, 7), (1, 1, 3), (0, 100, 51)]
)
def test_linspace_equals_torch(dtype, args):
    torch = pytest.importorskip("torch")
    ours = sn.linspace(*args, dtype=getattr(sn, dtype)).numpy()
    theirs = torch.linspace(*args, dtype=getattr(torch, dtype)).numpy()
    assert np.allclose(ours, theirs, rtol=1e-6 if dtype != "float16" else 5e-3)


def test_complex_numbers_are_true_where_they_are_not_zero():
    assert sn.tensor([0j, 1j, 1 + 0j]).bool().tolist() == [False, True, True]


# -- limits and questions ------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["float16", "float32", "float64"])
def test_finfo_equals_numpy(name):
    ours, theirs = sn.finfo(getattr(sn, name)), np.finfo(name)
    for fact in ("bits", "eps", "max", "min", "tiny", "smallest_normal", "resolution"):
        assert getattr(ours, fact) == pytest.approx(float(getattr(theirs, fact)), rel=1e-3)


@pytest.mark.peer
def test_limits_print_like_torch():
    torch = pytest.importorskip("torch")
    for name in ("float16", "bfloat16", "float32", "float64", "complex64", "complex128"):
        assert repr(sn.finfo(getattr(sn, name))) == repr(torch.finfo(getattr(torch, name)))
    for name in ("uint8", "int8", "int16", "int32", "int64"):
        ours, theirs = sn.iinfo(getattr(sn, name)), torch.iinfo(getattr(torch, name))
        assert all(getattr(ours, f) == getattr(theirs, f) for f in ("bits", "min", "max", "dtype"))


def test_limits_refuse_the_other_kind():
    with pytest.raises(DTypeError, match="want a float or complex type, got int64"):
        sn.finfo(sn.int64)
    with pytest.raises(DTypeError, match="want an integer type, got float32"):
        sn.iinfo(sn.float32)
    assert sn.finfo().dtype == "float32"


def test_small_questions():
    x = sn.ones(2, 3)
    assert (sn.numel(x), sn.is_tensor(x), sn.is_tensor(1)) == (6, True, False)
    assert (sn.is_floating_point(x), sn.is_complex(x), sn.is_signed(x)) == (True, False, True)
    assert sn.is_complex(sn.cdouble)
    assert isinstance(sn.float32, sn.dtype)
    assert (sn.pi, sn.newaxis) == (np.pi, None)
    assert sn.is_nonzero(sn.tensor([[2]]))
    with pytest.raises(RuntimeError, match=r"is_nonzero: want one element, got shape \(2, 3\)"):
        sn.is_nonzero(x)
    with pytest.raises(TypeError, match="numel: input must be a Tensor, got int"):
        sn.numel(3)


def test_the_default_device_is_the_cpu():
    sn.set_default_device("cpu")
    assert sn.get_default_device() == sn.device("cpu")
    with pytest.raises(RuntimeError, match="'cuda'"):
        sn.set_default_device("cuda")
