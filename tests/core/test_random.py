"""Random numbers: seeds reproduce, states continue, distributions are what they say."""

import threading

import numpy as np
import pytest

import sensorium as sn
from sensorium.errors import AutogradError, DTypeError, OpError, OutOfBoundsError, ShapeError
from sensorium.ops import alpha_dropout, dropout, dropout1d, dropout2d, dropout3d

DRAWS = {
    "rand": lambda g: sn.rand(3, 4, generator=g),
    "rand float64": lambda g: sn.rand(7, dtype=sn.float64, generator=g),
    "rand bfloat16": lambda g: sn.rand(7, dtype=sn.bfloat16, generator=g),
    "randn": lambda g: sn.randn(3, 4, generator=g),
    "randn complex": lambda g: sn.randn(3, dtype=sn.complex64, generator=g),
    "randint": lambda g: sn.randint(0, 10, (5,), generator=g),
    "randperm": lambda g: sn.randperm(9, generator=g),
    "normal": lambda g: sn.normal(sn.zeros(3), 2.0, generator=g),
    "bernoulli": lambda g: sn.bernoulli(sn.full((20,), 0.5), generator=g),
    "multinomial": lambda g: sn.multinomial(sn.ones(9), 4, generator=g),
    "uniform_": lambda g: sn.zeros(5).uniform_(-1, 1, generator=g),
    "normal_": lambda g: sn.zeros(5).normal_(1, 2, generator=g),
    "exponential_": lambda g: sn.zeros(5).exponential_(generator=g),
    "random_": lambda g: sn.zeros(5).random_(generator=g),
    "bernoulli_": lambda g: sn.zeros(50).bernoulli_(0.3, generator=g),
}


@pytest.mark.parametrize("name", DRAWS)
def test_a_seed_reproduces_and_streams_go_on(name):
    draw = DRAWS[name]
    g = sn.Generator().manual_seed(5)
    first, second = draw(g), draw(g)
    assert sn.equal(draw(g.manual_seed(5)), first)
    assert not sn.equal(first, second)
    assert not sn.equal(draw(g.manual_seed(6)), first)


@pytest.mark.parametrize("name", DRAWS)
def test_a_state_continues(name):
    g = sn.Generator().manual_seed(3)
    sn.rand(3, generator=g)
    sn.randint(0, 5, (3,), dtype=sn.int16, generator=g)
    state = g.get_state()
    wanted = [DRAWS[name](g) for _ in range(2)]
    other = sn.Generator().set_state(state)
    assert other.initial_seed() == 3
    assert all(sn.equal(DRAWS[name](other), w) for w in wanted)


def test_default_generator_and_its_state():
    assert sn.manual_seed(11) is sn.default_generator and sn.initial_seed() == 11
    state = sn.get_rng_state()
    a = sn.rand(4)
    sn.set_rng_state(state)
    assert sn.equal(sn.rand(4), a)
    assert sn.seed() != sn.seed()


def test_numbers_of_a_seed_never_change():
    """Written down once: what a seed gives is a promise to every saved experiment."""
    g = sn.Generator().manual_seed(0)
    np.testing.assert_allclose(
        sn.rand(3, dtype=sn.float64, generator=g).numpy(), SEED_0, rtol=1e-12
    )


SEED_0 = [0.014067035665647709, 0.2577672456246177, 0.47156538101528966]


@pytest.mark.parametrize("dtype", [sn.float16, sn.bfloat16, sn.float32, sn.float64])
def test_uniform_values_stay_below_1_and_cover_the_interval(dtype):
    x = sn.rand(20_000, dtype=dtype, generator=sn.Generator().manual_seed(1)).double().numpy()
    assert 0 <= x.min() < 0.01 and 0.99 < x.max() < 1
    counts = np.histogram(x, 10, (0, 1))[0]
    assert abs(counts - 2000).max() < 6 * np.sqrt(2000)


def test_normal_values_have_their_moments():
    x = sn.randn(50_000, generator=sn.Generator().manual_seed(1)).numpy()
    assert abs(x.mean()) < 0.03 and abs(x.std() - 1) < 0.02 and abs((x**4).mean() - 3) < 0.2
    mean, std = sn.tensor([0.0, 5.0]), sn.tensor([1.0, 0.0])
    assert sn.normal(mean, std)[1].item() == 5.0
    assert sn.normal(0.0, 1.0, (2, 3)).shape == (2, 3)


def test_integers_cover_their_range():
    x = sn.randint(-3, 4, (2000,))
    assert sorted(set(x.tolist())) == list(range(-3, 4)) and x.dtype == sn.int64
    assert sn.randint(2, (5,), dtype=sn.uint8).dtype == sn.uint8
    assert sn.randint_like(sn.zeros(3), 2, 5).dtype == sn.float32


def test_permutation_holds_every_number_once():
    assert sorted(sn.randperm(100).tolist()) == list(range(100))


def test_coins_fall_by_their_chance():
    p = sn.tensor([0.0, 0.25, 1.0]).expand(4000, 3)
    mean = sn.bernoulli(p, generator=sn.Generator().manual_seed(1)).mean(0)
    assert mean[0] == 0 and mean[2] == 1 and abs(mean[1].item() - 0.25) < 0.03


def test_multinomial_follows_the_weights():
    g = sn.Generator().manual_seed(2)
    w = sn.tensor([[1.0, 0.0, 3.0], [0.0, 1.0, 0.0]])
    x = sn.multinomial(w, 4000, replacement=True, generator=g)
    counts = np.bincount(x[0].numpy(), minlength=3)
    assert counts[1] == 0 and abs(counts[2] / 4000 - 0.75) < 0.04 and bool((x[1] == 1).all())
    first = np.array([sn.multinomial(w[0], 2, generator=g).tolist() for _ in range(800)])
    assert all(sorted(row) == [0, 2] for row in first)
    assert abs((first[:, 0] == 2).mean() - 0.75) < 0.06


def test_like_forms_take_shape_and_type():
    x = sn.zeros(2, 3, dtype=sn.float64)
    for made in (sn.rand_like(x), sn.randn_like(x), sn.randint_like(x, 5)):
        assert made.shape == x.shape and made.dtype == x.dtype
    assert sn.rand(size=(2, 2), requires_grad=True).requires_grad


def test_overwriting_cuts_the_graph():
    x = sn.ones(3, requires_grad=True)
    y = x * 2
    y.uniform_()
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 0.0, 0.0]
    x.grad = None
    with pytest.raises(AutogradError, match="uniform_: a leaf"):
        x.uniform_()
    z = x * 1
    z[0:1].normal_()
    z.sum().backward()
    assert x.grad.tolist() == [0.0, 1.0, 1.0]


def test_threads_share_the_generator_without_repeating():
    found = []

    def draw():
        found.extend(sn.rand(200, dtype=sn.float64).tolist())

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(set(found)) == 800


@pytest.mark.parametrize(
    "call, error, text",
    [
        (lambda: sn.rand(-1), ShapeError, "rand: sizes must not be negative"),
        (lambda: sn.rand(2, dtype=sn.int64), DTypeError, "rand: want a floating-point type, got int64"),
        (lambda: sn.randint(3, 3, (2,)), OutOfBoundsError, "low 3 and high 3"),
        (lambda: sn.randint(0, 300, (2,), dtype=sn.uint8), OutOfBoundsError, "does not fit uint8"),
        (lambda: sn.randint(3), ShapeError, "say the size"),
        (lambda: sn.normal(0.0, -1.0, (2,)), OutOfBoundsError, "std must be at least 0, got -1"),
        (lambda: sn.bernoulli(sn.tensor([1.5])), OutOfBoundsError, "got 1.5"),
        (lambda: sn.multinomial(sn.tensor([1.0, 0.0]), 2), OutOfBoundsError, "1 categories of positive"),
        (lambda: sn.multinomial(sn.tensor([-1.0, 2.0]), 1), OutOfBoundsError, "finite and at least 0"),
        (lambda: sn.manual_seed(2**64), OutOfBoundsError, "manual_seed"),
        (lambda: sn.set_rng_state(sn.zeros(3, dtype=sn.uint8)), ShapeError, "112 bytes"),
        (lambda: sn.zeros(2, dtype=sn.int64).uniform_(), DTypeError, "uniform_: want a floating"),
        (lambda: dropout(sn.ones(2), 1.5), OutOfBoundsError, r"dropout: p must lie in \[0, 1\], got 1.5"),
        (lambda: dropout2d(sn.ones(2)), ShapeError, r"dropout2d: want 3 or 4 dimensions"),
    ],
)  # fmt: skip
def test_misuse_is_named(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_a_broken_state_is_refused():
    state = sn.default_generator.get_state()
    state[88:96] = 255
    with pytest.raises(OpError, match="no state of a generator"):
        sn.set_rng_state(state)


# -- dropout -------------------------------------------------------------------------------------
def test_dropout_scales_what_it_keeps_and_its_gradient_alike():
    sn.manual_seed(0)
    x = sn.ones(20_000, requires_grad=True)
    y = dropout(x, 0.2)
    y.sum().backward()
    assert sn.equal(x.grad, y.detach())
    assert sorted(set(y.tolist())) == [0.0, 1.25]
    assert abs((y == 0).double().mean().item() - 0.2) < 0.02


@pytest.mark.parametrize("function, shape", [(dropout1d, (50, 40, 3)), (dropout2d, (50, 40, 2, 3)),
                                             (dropout3d, (50, 40, 2, 1, 3)), (dropout2d, (40, 2, 3))])  # fmt: skip
def test_channels_fall_whole(function, shape):
    sn.manual_seed(0)
    y = function(sn.ones(*shape), 0.5).numpy()
    channels = y.reshape(*shape[: 2 if len(shape) > 3 or function is dropout1d else 1], -1)
    assert (channels == channels[..., :1]).all() and 0 < (channels == 0).mean() < 1


def test_dropout_at_rest_and_at_the_ends():
    x = sn.ones(5)
    assert dropout(x, 0.5, training=False) is x
    assert dropout(x, 1.0).tolist() == [0.0] * 5 and dropout(x, 0.0) is x
    y = sn.ones(5)
    assert dropout(y, 1.0, inplace=True) is y and y.sum() == 0


def test_dropout_keeps_memory_layout_and_type():
    x = sn.from_numpy(np.ones((2, 4, 5, 3), np.float16).transpose(0, 3, 1, 2))
    y = dropout(x, 0.5)
    assert y.array.strides == x.array.strides and y.dtype == sn.float16


def test_alpha_dropout_keeps_mean_and_variance():
    sn.manual_seed(0)
    y = alpha_dropout(sn.randn(100_000), 0.3, training=True)
    assert abs(y.mean().item()) < 0.02 and abs(y.std().item() - 1) < 0.02
