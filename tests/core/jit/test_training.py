"""A compiled training step does what forward, backward and the optimizer do one after the other."""

import numpy as np
import pytest

import sensorium as sn
from sensorium import nn, optim
from sensorium.errors import CompileError, OptionError, ShapeError, TraceError
from sensorium.jit import training_step
from sensorium.jit.kernels.generic import Generic
from sensorium.jit.passes.norm_relu import NORM_RELU, NORM_RELU_BACKWARD
from sensorium.nn import functional as F


def convolutions():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.BatchNorm2d(16), nn.SiLU(), nn.Dropout(0.2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 5),
    )  # fmt: skip


class Block(nn.Module):
    """relu(norm(conv(x))) twice with a residual, written with functions."""

    def __init__(self):
        super().__init__()
        self.first, self.one = nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.second, self.two = nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8)

    def forward(self, x):
        y = self.one.normalise(self.first(x), sn.ops.batch_norm_relu)
        return F.relu(self.two(self.second(y)) + x)


def residual():
    return nn.Sequential(nn.Conv2d(3, 8, 3), Block(), Block(), nn.Flatten(), nn.Linear(8 * 196, 5))


class Words(nn.Module):
    """An embedding, a transformer block with dropout, and a linear layer."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(30, 32, padding_idx=0)
        self.block = nn.TransformerEncoderLayer(32, 4, 64, activation="gelu", batch_first=True)
        self.head = nn.Linear(32, 5)

    def forward(self, ids):
        return self.head(self.block(self.table(ids)).mean(1))


def images(rng, count=4):
    return sn.tensor(rng.normal(size=(count, 3, 16, 16)).astype(np.float32))


def words(rng, count=4):
    return sn.tensor(rng.integers(0, 30, (count, 12)))


OPTIMIZERS = {
    "sgd": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=1e-3),
    "adamw": lambda p: optim.AdamW(p, lr=1e-3, eps=1e-2),
}
NETS = {
    "convolutions": (convolutions, images),
    "residual": (residual, images),
    "words": (Words, words),
}


def trained(make, batches, optimizer, compiled, before=lambda model: None):
    """The losses and the state after training on the batches, from one seed."""
    sn.manual_seed(3)
    model = make().train()
    rule = optimizer(model.parameters())

    def loss(x, y):
        return F.cross_entropy(model(x), y)

    def eager(x, y):
        rule.zero_grad()
        value = loss(x, y)
        value.backward()
        before(model)
        rule.step()
        return value.detach()

    step = training_step(loss, rule, before=lambda: before(model)) if compiled else eager
    losses = [step(x, y).item() for x, y in batches]
    return losses, {name: value.numpy() for name, value in model.state_dict().items()}


def assert_same(got, wanted, limit=2e-5):
    np.testing.assert_allclose(got[0], wanted[0], rtol=limit, atol=1e-6)
    for name, value in wanted[1].items():
        scale = max(np.abs(value).max(), 1e-2)
        assert np.abs(got[1][name] - value).max() <= limit * scale, name


def batches_of(data, count=3, seed=0):
    rng = np.random.default_rng(seed)
    return [(x := data(rng), sn.tensor(rng.integers(0, 5, len(x)))) for _ in range(count)]


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("rule", OPTIMIZERS)
def test_steps_train_as_eager_ones_do(net, rule):
    make, data = NETS[net]
    batches = batches_of(data)
    wanted = trained(make, batches, OPTIMIZERS[rule], False)
    assert_same(trained(make, batches, OPTIMIZERS[rule], True), wanted)


def test_random_numbers_are_those_that_eager_would_draw():
    """Dropout draws at every step, in the same order."""
    batches = batches_of(images, 2)
    make = lambda: nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(768, 5))
    wanted = trained(make, batches[:1] * 3, OPTIMIZERS["sgd"], False)
    got = trained(make, batches[:1] * 3, OPTIMIZERS["sgd"], True)
    assert_same(got, wanted)


def test_another_shape_makes_another_graph():
    rng = np.random.default_rng(1)
    batches = [(images(rng, n), sn.tensor(rng.integers(0, 5, n))) for n in (4, 2, 4, 3)]
    wanted = trained(residual, batches, OPTIMIZERS["sgd"], False)
    assert_same(trained(residual, batches, OPTIMIZERS["sgd"], True), wanted)


def test_gradients_can_be_clipped_before_the_optimizer_steps():
    batches = batches_of(images)

    def clip(model):
        nn.utils.clip_grad_norm_(model.parameters(), 0.1)

    wanted = trained(residual, batches, OPTIMIZERS["sgd"], False, clip)
    assert_same(trained(residual, batches, OPTIMIZERS["sgd"], True, clip), wanted)


def test_the_learning_rate_may_change_without_a_new_graph():
    weight = nn.Parameter(sn.ones(3))
    rule = optim.SGD([weight], lr=1.0)
    step = training_step(lambda x: (weight * x).sum(), rule)
    step(sn.ones(3))
    rule.param_groups[0]["lr"] = 0.5
    step(sn.ones(3))
    assert weight.tolist() == [-0.5] * 3 and len(step.graphs) == 1


def test_frozen_and_unused_parameters_get_no_gradient():
    sn.manual_seed(0)
    used, frozen, unused = nn.Linear(4, 4), nn.Linear(4, 1), nn.Linear(4, 4)
    frozen.requires_grad_(False)
    before = frozen.weight.numpy().copy()
    rule = optim.SGD([*used.parameters(), *frozen.parameters(), *unused.parameters()], lr=0.1)
    step = training_step(lambda x: frozen(used(x)).sum(), rule)
    step(sn.ones(2, 4))
    assert used.weight.grad is not None
    assert frozen.weight.grad is None and unused.weight.grad is None
    assert np.array_equal(frozen.weight.numpy(), before)


def test_weights_that_change_between_steps_are_seen():
    layer = nn.Linear(64, 64)
    step = training_step(lambda x: layer(x).square().mean(), optim.SGD(layer.parameters(), lr=0.0))
    x = sn.randn(64, 64)
    first = step(x).item()
    with sn.no_grad():
        layer.weight.mul_(2.0)
        layer.bias.mul_(2.0)
    assert step(x).item() == pytest.approx(4 * first, rel=1e-5)
    layer.load_state_dict({name: value / 4 for name, value in layer.state_dict().items()})
    assert step(x).item() == pytest.approx(first / 4, rel=1e-5)


def test_a_frozen_weight_that_is_written_is_packed_anew():
    fixed, trained_layer = nn.Linear(64, 64), nn.Linear(64, 64)
    fixed.requires_grad_(False)
    rule = optim.SGD(trained_layer.parameters(), lr=0.0)
    step = training_step(lambda x: trained_layer(fixed(x)).sum(), rule)
    x = sn.randn(64, 64)
    step(x)
    with sn.no_grad():
        fixed.weight.zero_()
        fixed.bias.zero_()
    assert step(x).item() == pytest.approx(64 * trained_layer.bias.sum().item(), rel=1e-4)


def test_running_statistics_move_once_a_step():
    norm = nn.BatchNorm1d(3)
    step = training_step(lambda x: norm(x).square().mean(), optim.SGD(norm.parameters(), lr=0.1))
    step(sn.randn(8, 3))
    step(sn.randn(8, 3))
    assert norm.num_batches_tracked.item() == 2


def test_relu_behind_a_norm_leaves_its_bits():
    """The backward norm reads where relu let through, and no node cuts the gradient."""
    sn.manual_seed(0)
    model = residual().train()
    step = training_step(
        lambda x, y: F.cross_entropy(model(x), y), optim.SGD(model.parameters(), lr=0.1)
    )
    for batch in batches_of(images, 1):
        step(*batch)
    names = [node.name for node in step.graphs[0].nodes]
    if NORM_RELU.name in names:  # where oneDNN is
        assert names.count(NORM_RELU.name) == names.count(NORM_RELU_BACKWARD.name) == 2
        program = next(iter(step._programs.values())).program
        left = {kernel.node.name for kernel in program.kernels if type(kernel) is Generic}
        assert not left & {"_conv_weight_grad", "_conv_input_grad", "_batch_norm_backward"}


def test_nan_in_the_batch_reaches_the_loss():
    batches = batches_of(images, 1)
    batches[0][0][0, 0, 0, 0] = float("nan")
    losses, _ = trained(residual, batches, OPTIMIZERS["sgd"], True)
    assert np.isnan(losses[0])


@pytest.mark.parametrize(
    "function, error, text",
    [
        (lambda w, x: w * x, ShapeError, "one number"),
        (lambda w, x: x.sum(), CompileError, "does not depend"),
        (lambda w, x: 3.0, CompileError, "must return the loss"),
        (lambda w, x: (w * x).sum() if x.sum() > 0 else w.sum(), TraceError, "__bool__"),
    ],
)
def test_what_is_no_loss_is_refused(function, error, text):
    weight = nn.Parameter(sn.ones(2))
    step = training_step(lambda x: function(weight, x), optim.SGD([weight], lr=0.1))
    with pytest.raises(error, match=text):
        step(sn.ones(2))
    assert weight.tolist() == [1.0, 1.0]


def test_wants_a_function_and_an_optimizer():
    with pytest.raises(OptionError, match="an Optimizer"):
        training_step(lambda x: x, [nn.Parameter(sn.ones(1))])


def test_gradients_stay_until_the_next_step():
    weight = nn.Parameter(sn.ones(2))
    step = training_step(lambda x: (weight * x).sum(), optim.SGD([weight], lr=0.1))
    step(sn.tensor([2.0, 3.0]))
    assert weight.grad.tolist() == [2.0, 3.0]
    step(sn.tensor([5.0, 7.0]))
    assert weight.grad.tolist() == [5.0, 7.0]


def test_a_number_read_from_a_buffer_is_read_again_once_it_is_written():
    layer = nn.Linear(2, 1)
    layer.register_buffer("scale", sn.tensor(2.0))
    rule = optim.SGD(layer.parameters(), lr=0.0)
    step = training_step(lambda x: layer(x).sum() * layer.scale.item(), rule)
    first = step(sn.ones(1, 2)).item()
    layer.scale.fill_(6.0)
    assert step(sn.ones(1, 2)).item() == pytest.approx(3 * first, rel=1e-6)
