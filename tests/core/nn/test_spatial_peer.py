"""Fold, shuffle, unpool, lp and fractional pools, grid_sample, response norm: PyTorch's numbers.

Values, types, shapes, first and (where PyTorch has them) second gradients, in float64.
"""

import inspect

import numpy as np
import pytest

import sensorium as sn

F = sn.nn.functional
pytestmark = pytest.mark.peer
torch = pytest.importorskip("torch")
torch.set_num_threads(1)
TF = torch.nn.functional
RNG = np.random.default_rng(5)


def rand(*shape):
    return RNG.normal(size=shape)


def positive(*shape):
    return RNG.uniform(0.5, 2.0, size=shape)


CASES = {  # name, arrays, options
    "unfold": ("unfold", [rand(2, 3, 7, 6)], {"kernel_size": (2, 3)}),
    "unfold all": ("unfold", [rand(2, 3, 9, 8)],
                   {"kernel_size": (2, 3), "dilation": (2, 1), "padding": (1, 2), "stride": 2}),
    "unfold single": ("unfold", [rand(3, 7, 6)], {"kernel_size": 3, "stride": 3}),
    "fold": ("fold", [rand(2, 12, 12)], {"output_size": (4, 5), "kernel_size": 2}),
    "fold all": ("fold", [rand(2, 12, 10)],
                 {"output_size": (9, 8), "kernel_size": (2, 3), "dilation": (2, 1),
                  "padding": (1, 0), "stride": (2, 3)}),
    "fold single": ("fold", [rand(12, 12)], {"output_size": (4, 5), "kernel_size": 2}),
    "pixel_shuffle": ("pixel_shuffle", [rand(2, 18, 2, 3)], {"upscale_factor": 3}),
    "pixel_unshuffle": ("pixel_unshuffle", [rand(2, 2, 6, 4)], {"downscale_factor": 2}),
    "channel_shuffle": ("channel_shuffle", [rand(2, 6, 2, 3)], {"groups": 3}),
    "lp 1": ("lp_pool1d", [positive(2, 3, 8)], {"norm_type": 3, "kernel_size": 2}),
    "lp 2": ("lp_pool2d", [positive(2, 3, 8, 7)],
             {"norm_type": 2, "kernel_size": (3, 2), "stride": 2, "ceil_mode": True}),
    "lp 2 half": ("lp_pool2d", [positive(3, 8, 7)], {"norm_type": 1.5, "kernel_size": 3}),
    "lp 3": ("lp_pool3d", [positive(1, 2, 4, 4, 5)], {"norm_type": 2.0, "kernel_size": 2}),
    "lp inf": ("lp_pool2d", [rand(2, 3, 8, 7)], {"norm_type": float("inf"), "kernel_size": 2}),
    "lp -inf": ("lp_pool1d", [rand(2, 3, 8)], {"norm_type": -float("inf"), "kernel_size": 2}),
    "lrn": ("local_response_norm", [rand(2, 5, 4, 3)], {"size": 3, "alpha": 0.5}),
    "lrn even": ("local_response_norm", [rand(2, 5, 4)],
                 {"size": 4, "alpha": 0.5, "beta": 0.3, "k": 2.0}),
    "lrn 5": ("local_response_norm", [rand(1, 3, 2, 2, 2)], {"size": 2}),
}  # fmt: skip


def both(function, theirs, arrays, options):
    """Results of both, and the tensors they came from."""
    x = [sn.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
    t = [torch.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
    return x, t, function(*x, **options), theirs(*t, **options)


def close(ours, theirs, tolerance=1e-8):
    ours, theirs = ours.detach().numpy(), theirs.detach().numpy()
    assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
    scale = np.abs(theirs).max(initial=1e-30)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * scale)


def check(function, theirs, arrays, options, second=True):
    """Values, gradients and gradients of a function of the gradients are PyTorch's."""
    x, t, y, wanted = both(function, theirs, arrays, options)
    close(y, wanted)
    w = rand(*wanted.shape)
    x, t = ([v for v in inputs if v.requires_grad] for inputs in (x, t))
    g = sn.autograd.grad((y * sn.tensor(w)).sum(), x, create_graph=second)
    h = torch.autograd.grad((wanted * torch.tensor(w)).sum(), t, create_graph=second)
    for a, b in zip(g, h):
        close(a, b)
    if not second or not any(b.requires_grad for b in h):
        return
    g2 = sn.autograd.grad(sum((a.sin() * a).sum() for a in g), x, allow_unused=True)
    h2 = torch.autograd.grad(sum((b.sin() * b).sum() for b in h), t, allow_unused=True)
    for a, b in zip(g2, h2):
        if b is not None and (a is not None or b.abs().max() > 0):
            close(a, b)


@pytest.mark.parametrize("name", CASES)
def test_function_equals_torch(name):
    function, arrays, options = CASES[name]
    check(getattr(F, function), getattr(TF, function), arrays, options)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "complex128", "bool"])
def test_fold_and_unfold_keep_the_type(dtype):
    x = torch.tensor(rand(1, 2, 4, 4) > 0).to(getattr(torch, dtype))
    y = F.unfold(sn.tensor(x.tolist(), dtype=getattr(sn, dtype)), 2)
    wanted = TF.unfold(x, 2)
    assert str(wanted.dtype) == f"torch.{y.dtype}"
    np.testing.assert_array_equal(y.to(sn.complex128).numpy(), wanted.to(torch.complex128).numpy())


@pytest.mark.parametrize("size", [(10, 10), [7, 6], 4])
@pytest.mark.parametrize("kernel", [2, (3, 2)])
def test_fractional_max_pool2d_with_given_samples(size, kernel):
    samples = RNG.uniform(size=(2, 3, 2))
    options = {"kernel_size": kernel, "output_size": size, "return_indices": True}
    x = rand(2, 3, 14, 12)
    y, places = F.fractional_max_pool2d(
        sn.tensor(x), **options, _random_samples=sn.tensor(samples))  # fmt: skip
    wanted, theirs = TF.fractional_max_pool2d(
        torch.tensor(x), **options, _random_samples=torch.tensor(samples))  # fmt: skip
    close(y, wanted)
    close(places, theirs)


def test_fractional_max_pool_gradients():
    for n, sizes in ((2, (9, 8)), (3, (7, 8, 9))):
        samples = RNG.uniform(size=(2, 3, n))
        x = rand(2, 3, *sizes)
        ours, theirs = (getattr(m, f"fractional_max_pool{n}d") for m in (F, TF))
        check(
            lambda v, f=ours, s=samples: f(v, 2, output_size=5, _random_samples=sn.tensor(s)),
            lambda v, f=theirs, s=samples: f(v, 2, output_size=5, _random_samples=torch.tensor(s)),
            [x],
            {},
            second=False,
        )


def test_fractional_max_pool_unbatched_and_by_ratio():
    samples = RNG.uniform(size=(1, 3, 2)).astype(np.float32)
    x = rand(3, 9, 11).astype(np.float32)
    options = {"kernel_size": 2, "output_ratio": (0.5, 0.7), "return_indices": True}
    ours = F.fractional_max_pool2d(sn.tensor(x), **options, _random_samples=sn.tensor(samples))
    theirs = TF.fractional_max_pool2d(
        torch.tensor(x), **options, _random_samples=torch.tensor(samples)
    )
    for a, b in zip(ours, theirs):
        close(a, b)


@pytest.mark.parametrize("n, shape", [(1, (2, 3, 9)), (2, (2, 3, 9, 7)), (3, (1, 2, 5, 7, 5)),
                                      (2, (3, 7, 9))])  # fmt: skip
@pytest.mark.parametrize(
    "pool", [{"kernel_size": 2}, {"kernel_size": 3, "stride": 2, "padding": 1}]
)
def test_max_unpool_equals_torch(n, shape, pool):
    x = RNG.permutation(np.prod(shape)).reshape(shape) * 0.1
    y, places = getattr(TF, f"max_pool{n}d")(torch.tensor(x), **pool, return_indices=True)
    _, our_places = getattr(F, f"max_pool{n}d")(sn.tensor(x), **pool, return_indices=True)
    close(our_places, places)
    for size in (None, tuple(shape[-n:])):
        if size is None and pool["kernel_size"] == 2:
            continue  # the usual size is even: too small for these indices
        check(
            lambda v, i, s=size: getattr(F, f"max_unpool{n}d")(v, i, **pool, output_size=s),
            lambda v, i, s=size: getattr(TF, f"max_unpool{n}d")(v, i, **pool, output_size=s),
            [y.numpy(), places.numpy()],
            {},
            second=False,
        )


# -- grid_sample -----------------------------------------------------------------------------------
@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_grid_sample_2d_equals_torch(mode, padding, align):
    arrays = [rand(2, 3, 5, 4), RNG.uniform(-2.2, 2.2, size=(2, 6, 3, 2))]
    options = {"mode": mode, "padding_mode": padding, "align_corners": align}
    check(F.grid_sample, TF.grid_sample, arrays, options, second=False)
    arrays = [rand(1, 2, 1, 3), RNG.uniform(-1.2, 1.2, size=(1, 4, 3, 2))]
    check(F.grid_sample, TF.grid_sample, arrays, options, second=False)


@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_grid_sample_3d_equals_torch(mode, padding, align):
    arrays = [rand(2, 3, 4, 5, 3), RNG.uniform(-1.8, 1.8, size=(2, 3, 2, 4, 3))]
    options = {"mode": mode, "padding_mode": padding, "align_corners": align}
    check(F.grid_sample, TF.grid_sample, arrays, options, second=False)


def test_grid_sample_in_float32_at_exact_corners():
    x = rand(1, 2, 4, 4).astype(np.float32)
    line = np.linspace(-1, 1, 7, dtype=np.float32)
    grid = np.stack(np.meshgrid(line, line), -1)[None]
    for align in (False, True):
        for mode in ("bilinear", "nearest", "bicubic"):
            options = {"mode": mode, "align_corners": align}
            _, _, y, wanted = both(F.grid_sample, TF.grid_sample, [x, grid], options)
            close(y, wanted, 1e-6)


@pytest.mark.filterwarnings("ignore:Since version 1.3.0")
@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("size", [(2, 3, 4, 5), (2, 3, 1, 4), (2, 1, 3, 4, 2)])
def test_affine_grid_equals_torch(size, align):
    d = len(size) - 2
    options = {"size": size, "align_corners": align}
    check(F.affine_grid, TF.affine_grid, [rand(2, d, d + 1)], options)


# -- layers ----------------------------------------------------------------------------------------
LAYERS = {
    "Unfold": ((3,), {"padding": 1}, (2, 3, 5, 6)),
    "Fold": (((4, 5), 2), {}, (2, 12, 12)),
    "PixelShuffle": ((2,), {}, (2, 8, 3, 3)),
    "PixelUnshuffle": ((2,), {}, (2, 2, 4, 6)),
    "ChannelShuffle": ((2,), {}, (2, 4, 3, 3)),
    "LPPool1d": ((2, 3), {}, (2, 3, 9)),
    "LPPool2d": ((2, 3), {"stride": (2, 1)}, (2, 3, 9, 8)),
    "LPPool3d": ((2, 2), {}, (1, 2, 4, 4, 4)),
    "LocalResponseNorm": ((3,), {"alpha": 0.2}, (2, 5, 4, 4)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layer_equals_torch(name):
    args, options, shape = LAYERS[name]
    ours, theirs = getattr(sn.nn, name)(*args, **options), getattr(torch.nn, name)(*args, **options)
    assert repr(ours) == repr(theirs)
    check(ours, theirs, [positive(*shape)], {}, second=False)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_unpool_layer_equals_torch(n):
    x = rand(2, 3, *(7, 6, 5)[:n])
    ours, theirs = (getattr(m, f"MaxUnpool{n}d")(3, 2, 1) for m in (sn.nn, torch.nn))
    assert repr(ours) == repr(theirs)
    pooled = getattr(TF, f"max_pool{n}d")(torch.tensor(x), 3, 2, 1, return_indices=True)
    wanted = theirs(*pooled, output_size=x.shape)
    y = ours(*(sn.tensor(p.numpy()) for p in pooled), output_size=x.shape)
    close(y, wanted)


NAMES = """Unfold Fold PixelShuffle PixelUnshuffle ChannelShuffle LPPool1d LPPool2d LPPool3d
    MaxUnpool1d MaxUnpool2d MaxUnpool3d FractionalMaxPool2d FractionalMaxPool3d LocalResponseNorm EmbeddingBag
    LazyLinear LazyConv1d LazyConv2d LazyConv3d LazyConvTranspose1d LazyConvTranspose2d
    LazyConvTranspose3d LazyBatchNorm1d LazyBatchNorm2d LazyBatchNorm3d LazyInstanceNorm1d
    LazyInstanceNorm2d LazyInstanceNorm3d"""


@pytest.mark.parametrize("name", NAMES.split())
def test_arguments_and_defaults_of_layers(name):
    found, wanted = (inspect.signature(getattr(m, name)).parameters for m in (sn.nn, torch.nn))
    assert [(p.name, p.default, p.kind) for p in found.values()] == [
        (p.name, p.default, p.kind) for p in wanted.values()
    ]


FUNCTIONS = """unfold fold lp_pool1d lp_pool2d lp_pool3d max_unpool1d max_unpool2d max_unpool3d
    grid_sample affine_grid local_response_norm embedding_bag"""


@pytest.mark.parametrize("name", FUNCTIONS.split())
def test_arguments_and_defaults_of_functions(name):
    found, wanted = (inspect.signature(getattr(m, name)).parameters for m in (F, TF))
    assert [(p.name, p.default) for p in found.values()] == [
        (p.name, p.default) for p in wanted.values()
    ]


# -- interpolate -----------------------------------------------------------------------------------
@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_uint8_images_are_resampled_to_the_bit(mode, antialias):
    for shape, size in (((2, 3, 30, 21), (17, 40)), ((1, 6, 9, 8), (9, 3)), ((1, 1, 5, 5), 11)):
        x = RNG.integers(0, 256, size=shape).astype(np.uint8)
        options = {"size": size, "mode": mode, "antialias": antialias}
        _, _, y, wanted = both(F.interpolate, TF.interpolate, [x], options)
        assert y.dtype == sn.uint8
        np.testing.assert_array_equal(y.numpy(), wanted.numpy())


@pytest.mark.parametrize("name", ["upsample", "upsample_nearest", "upsample_bilinear"])
@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_older_names_of_interpolate(name):
    assert list(inspect.signature(getattr(F, name)).parameters) == list(
        inspect.signature(getattr(TF, name)).parameters
    )
    check(
        getattr(F, name), getattr(TF, name), [rand(1, 2, 4, 3)], {"scale_factor": 2}, second=False
    )


@pytest.mark.parametrize("n", [1, 2, 3])
def test_integer_means_round_towards_zero(n):
    x = RNG.integers(-9, 10, size=(2, 3, *(7, 6, 5)[:n]))
    for options in ({"padding": 1}, {"count_include_pad": False, "padding": 1}):
        ours = getattr(F, f"avg_pool{n}d")(sn.tensor(x), 3, 2, **options)
        close(ours, getattr(TF, f"avg_pool{n}d")(torch.tensor(x), 3, 2, **options), 0)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize("widths", [(-1, 1, -2, 1), (2, -1, 0, 0), (0, 0, 2, -2), (-2, 2, 1, -1)])
def test_padding_that_crops_on_one_side(mode, widths):
    options = {"pad": widths, "mode": mode}
    check(F.pad, TF.pad, [rand(2, 3, 4, 5)], options, second=False)
