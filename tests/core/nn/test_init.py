"""nn.init and the layers' own starts: exact values, bounds, moments; fans against PyTorch."""

from __future__ import annotations

import math

import numpy as np
import pytest

import sensorium as sn
from sensorium import nn
from sensorium.nn import init


@pytest.fixture(autouse=True)
def _seeded():
    sn.manual_seed(7)


def draw(function, shape=(400, 500), *args, **kwargs):
    t = sn.empty(*shape)
    assert function(t, *args, **kwargs) is t
    return t.numpy().astype(np.float64)


def check_moments(x, mean, std):
    n = x.size
    assert abs(x.mean() - mean) < 5 * std / math.sqrt(n)
    assert abs(x.std() - std) < 5 * std / math.sqrt(n)


def test_uniform_and_normal_have_their_moments():
    x = draw(init.uniform_, (400, 500), -2, 4)
    assert x.min() >= -2 and x.max() < 4
    check_moments(x, 1, 6 / math.sqrt(12))
    check_moments(draw(init.normal_, (400, 500), 1, 3), 1, 3)


def test_trunc_normal_stays_inside_and_has_the_cut_moments():
    x = draw(init.trunc_normal_, (400, 500), 0.5, 2.0, -1.0, 2.5)
    assert x.min() >= -1 and x.max() <= 2.5
    a, b = (-1 - 0.5) / 2, (2.5 - 0.5) / 2
    phi = lambda v: math.exp(-v * v / 2) / math.sqrt(2 * math.pi)
    mass = 0.5 * (math.erf(b / math.sqrt(2)) - math.erf(a / math.sqrt(2)))
    shift = (phi(a) - phi(b)) / mass
    var = 1 + (a * phi(a) - b * phi(b)) / mass - shift**2
    check_moments(x, 0.5 + 2 * shift, 2 * math.sqrt(var))
    with pytest.raises(ValueError, match="want a < b, got a=2, b=1"):
        init.trunc_normal_(sn.empty(2), a=2, b=1)


def test_the_normal_quantile_inverts_the_distribution():
    p = np.concatenate(
        [np.logspace(-10, -1, 40), np.linspace(0.1, 0.9, 41), 1 - np.logspace(-9, -1, 30)]
    )
    x = init._normal_quantile(p)
    back = np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in x])
    np.testing.assert_allclose(back, p, rtol=1e-5)


def test_constants_eye_and_dirac():
    assert (draw(init.constant_, (2, 3), 2.5) == 2.5).all()
    assert (draw(init.ones_, (2,)) == 1).all() and (draw(init.zeros_, (2,)) == 0).all()
    np.testing.assert_array_equal(draw(init.eye_, (2, 3)), np.eye(2, 3))
    weight = sn.empty(6, 3, 3, 3)
    init.dirac_(weight, groups=2)
    x = sn.randn(2, 6, 5, 5)
    y = nn.functional.conv2d(x, weight, padding=1, groups=2)
    np.testing.assert_allclose(y.numpy(), x.numpy(), atol=1e-6)  # an identity, group by group
    with pytest.raises(ValueError, match="5 output channels are no multiple of 2 groups"):
        init.dirac_(sn.empty(5, 2, 3), groups=2)
    with pytest.raises(ValueError, match=r"eye_: want 2 dimensions, got \(2,\)"):
        init.eye_(sn.empty(2))


def test_xavier_and_kaiming_have_their_variance():
    shape = (64, 32, 3, 5)
    fan_in, fan_out = 32 * 15, 64 * 15
    std = 2 * math.sqrt(2 / (fan_in + fan_out))
    check_moments(draw(init.xavier_normal_, shape, 2.0), 0, std)
    x = draw(init.xavier_uniform_, shape, 2.0)
    check_moments(x, 0, std)
    assert np.abs(x).max() <= math.sqrt(3) * std
    check_moments(draw(init.kaiming_normal_, shape, mode="fan_out", nonlinearity="relu"), 0,
                  math.sqrt(2 / fan_out))  # fmt: skip
    x = draw(init.kaiming_uniform_, shape, a=1)
    check_moments(x, 0, math.sqrt(1 / fan_in))
    with pytest.raises(ValueError, match=r"a fan needs at least 2 dimensions, got \(3,\)"):
        init.kaiming_uniform_(sn.empty(3))
    with pytest.raises(ValueError, match="mode must be 'fan_in' or 'fan_out', got 'in'"):
        init.kaiming_normal_(sn.empty(3, 3), mode="in")


@pytest.mark.parametrize("shape", [(8, 8), (4, 9), (9, 4), (6, 2, 5)])
def test_orthogonal_has_orthonormal_rows_or_columns(shape):
    flat = draw(init.orthogonal_, shape, 3.0).reshape(shape[0], -1)
    gram = flat @ flat.T if flat.shape[0] <= flat.shape[1] else flat.T @ flat
    np.testing.assert_allclose(gram, 9 * np.eye(len(gram)), atol=1e-5)


def test_sparse_leaves_a_share_of_zeros_in_every_column():
    x = draw(init.sparse_, (40, 300), 0.3, 0.5)
    assert ((x == 0).sum(0) == 12).all()
    check_moments(x[x != 0], 0, 0.5)


def test_gains():
    assert init.calculate_gain("relu") == math.sqrt(2)
    assert init.calculate_gain("tanh") == 5 / 3
    assert init.calculate_gain("leaky_relu", 0) == math.sqrt(2)
    with pytest.raises(ValueError, match="no gain is known for 'swish'"):
        init.calculate_gain("swish")
    with pytest.raises(ValueError, match="negative_slope must be a number"):
        init.calculate_gain("leaky_relu", True)


def test_starting_counts_a_write_and_records_nothing():
    p = nn.Parameter(sn.zeros(4, 4))
    for function in (init.normal_, init.eye_, init.orthogonal_, init.ones_):
        before = p._version
        function(p)
        assert p._version > before and p.is_leaf and p.requires_grad


@pytest.mark.parametrize("layer", [nn.Linear(48, 900), nn.Conv2d(16, 90, 3), nn.Conv1d(16, 200, 3)])
def test_linear_and_convolution_start_uniform_in_the_inverse_root_of_the_fan(layer):
    bound = 1 / math.sqrt(layer.weight[0].numel())
    w, b = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    assert np.abs(w).max() <= bound and np.abs(b).max() <= bound
    check_moments(w, 0, bound / math.sqrt(3))
    assert np.abs(b).max() > 0.8 * bound


def test_a_seed_makes_a_start_repeatable():
    starts = []
    for _ in range(2):
        sn.manual_seed(3)
        starts.append(nn.Linear(3, 3).weight.tolist())
    assert starts[0] == starts[1]


def test_embedding_starts_normal_with_a_zero_padding_row():
    table = nn.Embedding(2000, 20, padding_idx=-1).weight.detach().numpy()
    assert (table[-1] == 0).all()
    check_moments(table[:-1], 0, 1)


@pytest.mark.peer
def test_fans_and_gains_are_pytorchs():
    torch = pytest.importorskip("torch")
    for shape in [(3, 4), (3, 4, 5), (6, 2, 3, 5)]:
        ours = init._calculate_fan_in_and_fan_out(sn.empty(*shape))
        assert ours == torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(*shape))
    for name in [*init._GAINS, "leaky_relu"]:
        assert init.calculate_gain(name) == torch.nn.init.calculate_gain(name)


@pytest.mark.peer
@pytest.mark.parametrize(
    ("name", "args"),
    [("ConvTranspose2d", (8, 400, 3)), ("Bilinear", (6, 5, 400)), ("Linear", (30, 400))],
)
def test_layers_start_with_pytorchs_spread(name, args):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    ours, theirs = getattr(nn, name)(*args), getattr(torch.nn, name)(*args)
    for (key, p), (_, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        a, b = p.detach().numpy(), q.detach().numpy()
        assert abs(np.abs(a).max() / np.abs(b).max() - 1) < 0.15, key
        assert abs(a.std() / b.std() - 1) < 0.25, key
