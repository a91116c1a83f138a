"""Tensors print as PyTorch prints them, but for the name of the library in element types."""

import re

import numpy as np
import pytest

import sensorium as sn

RNG = np.random.default_rng(0)
F32 = np.float32
ARRAYS = {
    "0-d float": F32(1.5), "0-d whole": F32(3.0), "0-d int": np.int64(7), "0-d bool": np.bool_(True),
    "0-d nan": F32(np.nan), "0-d inf": F32(-np.inf), "0-d tiny": F32(1.234e-7), "0-d huge": F32(1.5e20),
    "0-d complex": np.complex64(1 + 2j),
    "empty": np.zeros(0, F32), "empty int": np.zeros(0, np.int64), "empty 2-d": np.zeros((0, 3), F32),
    "empty inner": np.zeros((2, 0), F32), "empty int 2-d": np.zeros((0, 2), np.int64),
    "empty bool": np.zeros(0, bool),
    "floats": np.array([0.1, 2.5, -3.25], F32), "whole floats": np.array([1, -20, 300], F32),
    "zeros": np.zeros(3, F32), "minus zero": np.array([-0.0, 1.0], F32),
    "range too wide": np.array([1e-3, 1e3], F32), "range just fits": np.array([1.5, 1000.0], F32),
    "range over 1000": np.array([0.5, 1000.5], F32),
    "small": np.array([1e-5, 2e-5], F32), "almost small": np.array([1.5e-4, 2e-4], F32),
    "big whole": np.array([1e8, 1], F32), "big": np.array([123456789.5, 1.5]),
    "whole below 1e8": np.array([99999999.0, 1.0]), "above": np.array([1e9, 2e9]),
    "100000.5": np.array([100000.5, 100000.25]),
    "inf and nan": np.array([np.inf, -np.inf, np.nan, 1.0], F32),
    "inf and fractions": np.array([np.inf, np.nan, 1.25], F32),
    "all nan": np.array([np.nan, np.nan], F32), "all inf": np.array([np.inf, -np.inf], F32),
    "doubles": np.array([1.0, 0.5]), "halves": np.array([0.1, 1.0], np.float16),
    "half whole": np.array([1.0, 2048.0], np.float16),
    "ints": np.array([1, -20, 300]), "int32": np.array([1, 2], np.int32), "uint8": np.array([0, 255], np.uint8),
    "int8": np.array([[-128, 1], [5, 127]], np.int8), "extreme ints": np.array([-(2**63), 2**63 - 1]),
    "bools": np.array([True, False]), "bools 2-d": np.array([[True, True], [False, True]]),
    "all true": np.array([True, True]),
    "complex": np.array([1 + 2j, -1.5 - 0.25j], np.complex64), "complex128": np.array([1 + 1j]),
    "complex whole": np.array([1 - 2j, 30 + 4j], np.complex64),
    "complex inf": np.array([complex(np.inf, -1), complex(1, np.nan)], np.complex64),
    "complex wide": np.array([1e-4 + 1j, 1e4 + 2j], np.complex64),
    "complex 2-d": np.arange(4).reshape(2, 2).astype(np.complex64) * (1 + 0.5j),
    "matrix": RNG.normal(size=(3, 4)).astype(F32), "3-d": RNG.normal(size=(2, 3, 2)).astype(F32),
    "4-d": np.arange(16, dtype=F32).reshape(2, 2, 2, 2), "5-d": np.arange(8).reshape(2, 1, 2, 1, 2),
    "1 x 1": np.ones((1, 1), F32), "column": np.arange(5.0, dtype=F32)[:, None],
    "long line": np.arange(60), "long floats": np.linspace(0, 1, 40).astype(F32),
    "long bools": np.arange(40) % 3 == 0, "long rows": RNG.normal(size=(2, 25)).astype(F32),
    "1000 elements": np.arange(1000), "1001 elements": np.arange(1001),
    "summarised floats": np.linspace(0, 1, 2000).astype(F32),
    "summarised matrix": np.arange(10000).reshape(100, 100),
    "summarised rows": np.arange(1200.0, dtype=F32).reshape(4, 300),
    "summarised columns": np.arange(1200.0, dtype=F32).reshape(300, 4),
    "summarised 3-d": np.arange(8000).reshape(20, 20, 20),
    "summarised, large in the middle": np.r_[np.ones(600), 1e9, np.ones(600)],
    "summarised bools": np.zeros((40, 40), bool), "summarised 4-d": np.zeros((8, 8, 8, 8), F32),
    "summarised complex": np.arange(1200).astype(np.complex64),
    "wide summarised": np.arange(2 * 1500).reshape(2, 1500) * 1000003,
}  # fmt: skip


def torch_text(x):
    text = repr(x)
    text = re.sub(r"torch\.(?=float|int|uint|bool|complex|bfloat)", "", text)
    return re.sub(r"(dtype=)?torch\.", r"\1", text)


@pytest.mark.peer
@pytest.mark.parametrize("name", ARRAYS)
def test_text_equals_torch(name):
    torch = pytest.importorskip("torch")
    array = np.asarray(ARRAYS[name])
    assert repr(sn.tensor(array)) == torch_text(torch.tensor(array))


@pytest.mark.peer
@pytest.mark.parametrize("values", [[0.1, 2.0], [1.0, 2.0], [1e-6, 1.0], [float("inf"), 1.0]])
def test_bfloat16_equals_torch(values):
    torch = pytest.importorskip("torch")
    ours = sn.tensor(values, dtype=sn.bfloat16)
    assert repr(ours) == torch_text(torch.tensor(values, dtype=torch.bfloat16))


@pytest.mark.peer
def test_gradient_facts_equal_torch():
    torch = pytest.importorskip("torch")
    ours, theirs = (lib.ones(2, 2) for lib in (sn, torch))
    ours.requires_grad, theirs.requires_grad = True, True
    assert repr(ours) == torch_text(theirs)
    assert repr(ours * 2) == torch_text(theirs * 2)


@pytest.mark.peer
def test_text_follows_the_default_type():
    torch = pytest.importorskip("torch")
    x = np.array([1.0, 2.5])
    sn.set_default_dtype(sn.float64)
    torch.set_default_dtype(torch.float64)
    try:
        assert repr(sn.tensor(x)) == torch_text(torch.tensor(x)) == "tensor([1.0000, 2.5000])"
        assert "dtype=float32" in repr(sn.ones(1, dtype=sn.float32))
    finally:
        sn.set_default_dtype(sn.float32)
        torch.set_default_dtype(torch.float32)


def test_layout_of_a_matrix():
    text = "tensor([[1., 2.],\n        [3., 4.]])"
    assert (
        repr(sn.tensor([[1.0, 2.0], [3.0, 4.0]]))
        == text
        == str(sn.tensor([[1.0, 2.0], [3.0, 4.0]]))
    )


def test_format_of_one_value():
    assert f"{sn.tensor(3.14159):.2f}" == "3.14"


# -- options -------------------------------------------------------------------------------------
OPTIONS = [
    {}, {"precision": 2}, {"precision": 8}, {"precision": 0}, {"threshold": 5},
    {"threshold": 5, "edgeitems": 1}, {"threshold": 3, "edgeitems": 0}, {"edgeitems": 0},
    {"linewidth": 40}, {"linewidth": 10}, {"linewidth": 120}, {"profile": "short"},
    {"profile": "full"}, {"sci_mode": True}, {"sci_mode": False}, {"profile": "short", "precision": 6},
    {"sci_mode": True, "precision": 1, "linewidth": 60},
]  # fmt: skip
SIZES = [
    (),
    (0,),
    (0, 2),
    (2, 0, 3),
    (1,),
    (7,),
    (3, 4),
    (2, 3, 4),
    (40,),
    (9, 9),
    (8, 1, 8),
    (1200,),
]
TYPES = ["float32", "float64", "float16", "int64", "uint8", "bool", "complex64", "complex128"]


@pytest.fixture
def default_printing():
    yield
    sn.set_printoptions(profile="default")


def drawn(rng, size, dtype):
    values = np.asarray(rng.normal(size=size) * rng.choice([1, 1, 1e-5, 1e4]))
    if dtype == "bool":
        return values > 0
    if dtype.startswith("complex"):
        values = values + 1j * np.asarray(rng.normal(size=size))
    return (values * 10 % 200 if "int" in dtype else values).astype(dtype)


def one_line(text):
    """Facts on one line: theirs are longer by ``torch.`` and so break earlier."""
    return re.sub(r",\s+(?=dtype|size|requires)", ", ", text)


@pytest.mark.peer
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_options_print_like_torch(options, default_printing):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    sn.set_printoptions(**options)
    torch.set_printoptions(**options)
    try:
        for size in SIZES:
            for dtype in TYPES:
                a = np.asarray(drawn(rng, size, dtype))
                ours, theirs = repr(sn.tensor(a)), torch_text(torch.tensor(a))
                assert one_line(ours) == one_line(theirs)
    finally:
        torch.set_printoptions(profile="default")


def test_options_are_read_set_and_put_back(default_printing):
    x = sn.tensor([1.23456])
    with sn.printoptions(precision=2):
        assert repr(x) == "tensor([1.23])"
        assert sn.get_printoptions()["precision"] == 2
    assert repr(x) == "tensor([1.2346])"
    sn.set_printoptions(sci_mode=True)
    assert repr(x) == "tensor([1.2346e+00])"
    sn.set_printoptions(profile="short", edgeitems=1, threshold=2)
    assert repr(sn.arange(9)) == "tensor([0,  ..., 8])"


def test_an_unknown_profile_or_a_negative_number_is_refused(default_printing):
    with pytest.raises(
        ValueError, match=r"profile 'tiny' is not one of \['default', 'short', 'full'\]"
    ):
        sn.set_printoptions(profile="tiny")
    with pytest.raises(ValueError, match="precision must be a number from 0 on, got -1"):
        sn.set_printoptions(precision=-1)


def test_a_subclass_prints_under_its_name():
    class Marked(sn.Tensor):
        """A tensor of somebody's own."""

    assert repr(Marked(np.ones(2, np.float32))) == "Marked([1., 1.])"


RECORDED = """
    abs acos acosh amax amin asinh atan ceil clone cos cosh cumsum erf exp exp2 expm1 floor log log10
    log2 neg prod reciprocal relu round rsqrt sigmoid sign sin sinh softmax sqrt tan
    tanh trunc
""".split()  # noqa: SIM905
ARGUMENTS = {"amax": (0,), "amin": (0,), "cumsum": (0,), "softmax": (0,)}


@pytest.mark.peer
@pytest.mark.parametrize("name", RECORDED)
def test_the_node_that_made_a_tensor_is_named_like_torchs(name):
    torch = pytest.importorskip("torch")
    texts = []
    for lib in (sn, torch):
        x = lib.tensor([1.25, 1.5], requires_grad=True)
        texts.append(torch_text(getattr(x, name)(*ARGUMENTS.get(name, ()))))
    assert texts[0] == texts[1]
    assert "grad_fn=<" in texts[0]
