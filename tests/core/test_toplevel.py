"""Functions that PyTorch has beside its tensors and in nn.functional: one meaning, two orders of arguments."""

import numpy as np
import pytest

import sensorium as sn
from sensorium.errors import OptionError, SensoriumError
from sensorium.nn import functional as F

RNG = np.random.default_rng(0)


def normal(*shape):
    return sn.tensor(RNG.normal(size=shape))


SAME = """
    conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d conv_tbc
    adaptive_avg_pool1d avg_pool1d max_pool1d max_pool2d max_pool3d
    max_pool1d_with_indices bilinear rms_norm celu_ relu_ rrelu_ selu_ threshold_
""".split()  # noqa: SIM905
OTHER = """
    adaptive_max_pool1d affine_grid_generator alpha_dropout alpha_dropout_ batch_norm binary_cross_entropy_with_logits
    convolution cosine_embedding_loss ctc_loss dropout dropout_ embedding embedding_renorm_
    feature_alpha_dropout feature_alpha_dropout_ feature_dropout feature_dropout_ grid_sampler
    group_norm hinge_embedding_loss instance_norm kl_div layer_norm margin_ranking_loss
    poisson_nll_loss triplet_margin_loss
""".split()  # noqa: SIM905


@pytest.mark.parametrize("name", SAME)
def test_the_same_function(name):
    assert getattr(sn, name) is getattr(F, name)


def equal(a, b):
    np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-14)


def test_losses_take_numbers_for_reductions():
    x, y, sign = normal(4, 3), normal(4, 3), sn.tensor([1.0, -1.0, 1.0, -1.0]).double()
    for number, how in enumerate(("none", "mean", "sum")):
        equal(
            sn.cosine_embedding_loss(x, y, sign, 0.1, number),
            F.cosine_embedding_loss(x, y, sign, 0.1, reduction=how),
        )
        equal(
            sn.hinge_embedding_loss(x[:, 0], sign, 1.0, number),
            F.hinge_embedding_loss(x[:, 0], sign, reduction=how),
        )
        equal(
            sn.binary_cross_entropy_with_logits(x, y.sigmoid(), None, None, number),
            F.binary_cross_entropy_with_logits(x, y.sigmoid(), reduction=how),
        )
        equal(
            sn.triplet_margin_loss(x, y, x * 0, 1.0, 2.0, 1e-6, False, number),
            F.triplet_margin_loss(x, y, x * 0, reduction=how),
        )
    equal(sn.kl_div(x, y.abs()), F.kl_div(x, y.abs(), reduction="none").mean())
    with pytest.raises(OptionError, match="reduction"):
        sn.kl_div(x, y, 3)


def test_layers_in_the_other_order():
    x, w, b = normal(4, 3, 5), normal(3), normal(3)
    equal(
        sn.batch_norm(x, w, b, None, None, True, 0.1, 1e-5, True),
        F.batch_norm(x, None, None, w, b, True),
    )
    equal(
        sn.instance_norm(x, w, b, None, None, True, 0.1, 1e-5, True),
        F.instance_norm(x, None, None, w, b),
    )
    table, rows = normal(5, 2), sn.tensor([[0, 4], [4, 1]])
    equal(sn.embedding(table, rows), F.embedding(rows, table))
    y = normal(2, 2, 6)
    equal(
        sn.convolution(y, normal(2, 1, 3) * 0 + 1, None, [2], [1], [1], False, [0], 2),
        F.conv1d(y, sn.ones(2, 1, 3, dtype=sn.float64), None, 2, 1, 1, 2),
    )
    equal(
        sn.convolution(y, sn.ones(2, 1, 3).double(), None, [2], [1], [1], True, [1], 2),
        F.conv_transpose1d(y, sn.ones(2, 1, 3).double(), None, 2, 1, 1, 2),
    )
    image, grid = normal(1, 2, 4, 4), normal(1, 3, 3, 2)
    equal(
        sn.grid_sampler(image, grid, 1, 2, True),
        F.grid_sample(image, grid, "nearest", "reflection", True),
    )
    with pytest.raises(SensoriumError, match="padding_mode"):
        sn.grid_sampler(image, grid, 1, 3, True)


def test_dropout_of_whole_channels_and_in_place():
    x = sn.ones(50, 8, 3)
    y = sn.feature_dropout(x, 0.5, True)
    whole = y.numpy().reshape(400, 3)
    assert set(whole.sum(1)) == {0.0, 6.0}
    assert sn.dropout_(x, 1.0, True) is x and not x.any()
    assert sn.feature_dropout_(sn.ones(2, 2), 0.5, False).sum() == 4


def test_conv_tbc_is_conv1d_with_time_first():
    x, w, b = normal(7, 2, 3), normal(3, 3, 4), normal(4)
    wanted = F.conv1d(x.permute(1, 2, 0), w.permute(2, 1, 0), b, padding=1).permute(2, 0, 1)
    equal(sn.conv_tbc(x, w, b, 1), wanted)


def test_pools_with_indices():
    x = normal(1, 2, 6)
    for values, places in (F.max_pool1d_with_indices(x, 2), sn.adaptive_max_pool1d(x, 3)):
        equal(x.gather(-1, places), values)
    for n in (1, 2, 3):
        x = normal(1, 2, *(4,) * n)
        for name in (f"adaptive_max_pool{n}d", f"max_pool{n}d"):
            pair = getattr(F, f"{name}_with_indices")(x, 2)
            for a, b in zip(pair, getattr(F, name)(x, 2, return_indices=True)):
                equal(a, b)
    for n in (2, 3):
        x, u = normal(1, 2, *(5,) * n), sn.full((1, 2, n), 0.3, dtype=sn.float64)
        name = f"fractional_max_pool{n}d"
        pair = getattr(F, f"{name}_with_indices")(x, 2, 3, _random_samples=u)
        for a, b in zip(pair, getattr(F, name)(x, 2, 3, None, True, u)):
            equal(a, b)


# -- integers and empty inputs -------------------------------------------------------------------
def test_integer_convolution_is_exact():
    """Beyond 2**53, where floating-point numbers have gaps; and int8 wraps as in C."""
    big = 2**55 + 1
    x, w = sn.tensor([[[big, 3, -2]]]), sn.tensor([[[1, 5]]])
    assert F.conv1d(x, w, sn.tensor([7])).tolist() == [[[big + 22, 0]]]
    assert F.conv_transpose1d(x, w).tolist() == [[[big, 5 * big + 3, 13, -10]]]
    small = sn.full((1, 1, 3), 100, dtype=sn.int8)
    assert F.conv1d(small, sn.full((1, 1, 2), 3, dtype=sn.int8)).tolist() == [[[88, 88]]]
    wide = sn.full((1, 1, 3), 100, dtype=sn.int16)
    assert F.conv1d(wide, sn.full((1, 1, 2), 300, dtype=sn.int16)).tolist() == [[[-5536] * 2]]


def test_integer_convolutions_of_more_dimensions():
    x, w = RNG.integers(-9, 9, (2, 4, 5, 6)), RNG.integers(-9, 9, (6, 2, 3, 2))
    found = F.conv2d(sn.tensor(x), sn.tensor(w), stride=(2, 1), padding=1, groups=2)
    wanted = F.conv2d(sn.tensor(x).double(), sn.tensor(w).double(), None, (2, 1), 1, 1, 2)
    assert found.dtype == sn.int64 and found.tolist() == wanted.tolist()
    x, w = RNG.integers(-9, 9, (1, 2, 3, 3, 3)), RNG.integers(-9, 9, (2, 2, 2, 2, 2))
    found = F.conv_transpose3d(sn.tensor(x), sn.tensor(w), stride=2)
    wanted = F.conv_transpose3d(sn.tensor(x).double(), sn.tensor(w).double(), stride=2)
    assert found.dtype == sn.int64 and found.tolist() == wanted.tolist()


def test_convolution_refuses_bool_and_a_bias_of_another_type():
    one = sn.ones(1, 1, 2)
    with pytest.raises(SensoriumError, match="bool"):
        F.conv1d(one.bool(), one.bool())
    with pytest.raises(SensoriumError, match="bias float64"):
        F.conv1d(one, one, sn.ones(1, dtype=sn.float64))


def test_embedding_gradient_by_frequency():
    weight = sn.zeros(4, 2, dtype=sn.float64, requires_grad=True)
    rows, g = sn.tensor([[1, 3], [1, 1]]), normal(2, 2, 2)
    (F.embedding(rows, weight, scale_grad_by_freq=True) * g).sum().backward()
    wanted = np.zeros((4, 2))
    wanted[1] = (g[0, 0] + g[1, 0] + g[1, 1]).numpy() / 3
    wanted[3] = g[0, 1].numpy()
    np.testing.assert_allclose(weight.grad.numpy(), wanted)
    with pytest.raises(SensoriumError, match="sparse"):
        F.embedding(rows, weight, sparse=True)


@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (0, 3, 4), (2, 3, 0)])
def test_norms_of_nothing_are_nothing(shape):
    x, c = sn.ones(*shape, requires_grad=True), shape[1]
    mean, var, w = sn.zeros(c), sn.ones(c), sn.ones(c, requires_grad=True)
    y = F.batch_norm(x, mean, var, w, training=True) + F.group_norm(x, 1, w)
    y.sum().backward()
    assert y.shape == x.shape == x.grad.shape
    assert not mean.any() and bool((var == 1).all()) and not w.grad.any()


@pytest.mark.peer
def test_pytorch_has_these_names_with_these_arguments():
    torch = pytest.importorskip("torch")
    import inspect

    for name in SAME + OTHER:
        assert hasattr(torch, name), name
    for name in OTHER:
        schema = torch._C._jit_get_schemas_for_operator(f"aten::{name}")[0]
        theirs = [a.name for a in schema.arguments]
        ours = list(inspect.signature(getattr(sn, name)).parameters)
        renamed = ["input" if n == "self" else n for n in theirs]
        assert ours == renamed, name
