"""interpolate: every mode equals PyTorch's, forward and backward, in any memory layout."""

import numpy as np
import pytest

import sensorium as sn
from sensorium.errors import DTypeError, ShapeError
from sensorium.ops import interpolate

RNG = np.random.default_rng(0)
CASES = [
    (shape, mode, target, corners, antialias)
    for shape, modes in [
        ((2, 3, 7), ["nearest", "nearest-exact", "area", "linear"]),
        ((2, 3, 6, 5), ["nearest", "nearest-exact", "area", "bilinear", "bicubic"]),
        ((1, 2, 4, 3, 5), ["nearest", "nearest-exact", "area", "trilinear"]),
    ]
    for mode in modes
    for target in [{"size": 9}, {"size": 3}, {"size": 1}, {"scale_factor": 2}, {"scale_factor": 1.7},
                   {"scale_factor": 0.6}, {"scale_factor": 1.7, "recompute_scale_factor": True}]
    for corners in ([None, True, False] if "linear" in mode or mode == "bicubic" else [None])
    for antialias in ([False, True] if mode in ("bilinear", "bicubic") else [False])
]  # fmt: skip


@pytest.mark.peer
@pytest.mark.parametrize("shape, mode, target, corners, antialias", CASES)
def test_equals_torch(shape, mode, target, corners, antialias):
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    x = RNG.normal(size=shape)
    options = {"mode": mode, "align_corners": corners, **target}
    if antialias:
        options["antialias"] = True
    ours, theirs = sn.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y = interpolate(ours, **options)
    wanted = torch.nn.functional.interpolate(theirs, **options)
    assert tuple(y.shape) == tuple(wanted.shape)
    np.testing.assert_allclose(y.detach().numpy(), wanted.detach().numpy(), rtol=1e-5, atol=2e-6)
    w = RNG.normal(size=tuple(y.shape))
    (y * sn.tensor(w)).sum().backward()
    (wanted * torch.tensor(w)).sum().backward()
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic", "area"])
def test_channels_last_memory_gives_the_same(mode):
    x = RNG.normal(size=(2, 5, 6, 3)).transpose(0, 3, 1, 2)
    a = interpolate(sn.tensor(x), size=(8, 4), mode=mode)
    b = interpolate(sn.from_numpy(x), size=(8, 4), mode=mode)
    np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("mode", ["linear", "nearest", "area"])
def test_same_size_changes_nothing(mode):
    x = sn.tensor(RNG.normal(size=(1, 2, 5)))
    assert interpolate(x, size=5, mode=mode) is x


@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "area"])
def test_a_constant_stays_constant(mode):
    y = interpolate(sn.full((1, 1, 5, 7), 3.0), size=(11, 3), mode=mode)
    np.testing.assert_allclose(y.numpy(), 3.0, rtol=1e-6)


@pytest.mark.parametrize("dtype", [sn.float16, sn.bfloat16, sn.float32])
def test_type_is_kept(dtype):
    assert interpolate(sn.ones(1, 1, 2, 2, dtype=dtype), size=3, mode="bilinear").dtype == dtype


def test_nearest_takes_integers():
    assert interpolate(sn.tensor([[[1, 2]]]), size=4).tolist() == [[[1, 1, 2, 2]]]


@pytest.mark.parametrize(
    "options, error, text",
    [
        ({"mode": "cubic", "size": 2}, DTypeError, "mode must be one of"),
        ({"mode": "linear", "size": 2}, ShapeError, r"wants 3 dimensions"),
        ({}, ShapeError, "give size or scale_factor"),
        ({"size": 2, "scale_factor": 2}, ShapeError, "give size or scale_factor"),
        ({"size": (2, 2, 2)}, ShapeError, "is not one for each of"),
        ({"size": 2, "align_corners": True}, DTypeError, "align_corners has no meaning"),
        ({"size": 0}, ShapeError, "at least 1"),
    ],
)
def test_misuse_is_named(options, error, text):
    with pytest.raises(error, match=text):
        interpolate(sn.ones(1, 1, 4, 4), **options)
