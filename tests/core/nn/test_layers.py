"""Layers: what their arguments refuse, and what the peers' tests cannot see."""

from __future__ import annotations

import numpy as np
import pytest

import sensorium as sn
from sensorium import nn


def test_batch_norm_follows_its_own_formula():
    x = np.random.default_rng(0).normal(2, 3, (8, 2, 4, 4))
    layer = nn.BatchNorm2d(2, momentum=0.25, dtype="float64")
    y = layer(sn.tensor(x))
    mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3))
    want = (x - mean[:, None, None]) / np.sqrt(var + 1e-5)[:, None, None]
    np.testing.assert_allclose(y.detach().numpy(), want, atol=1e-12)
    unbiased = x.var((0, 2, 3), ddof=1)
    np.testing.assert_allclose(layer.running_mean.numpy(), 0.25 * mean)
    np.testing.assert_allclose(layer.running_var.numpy(), 0.75 + 0.25 * unbiased)
    assert layer.num_batches_tracked.item() == 1
    layer.eval()
    z = layer(sn.tensor(x))
    m, v = (t.numpy()[:, None, None] for t in (layer.running_mean, layer.running_var))
    np.testing.assert_allclose(z.detach().numpy(), (x - m) / np.sqrt(v + 1e-5), atol=1e-12)
    layer.reset_running_stats()
    assert layer.running_var.tolist() == [1, 1] and layer.num_batches_tracked.item() == 0


def test_batch_norm_without_momentum_averages_all_batches():
    layer = nn.BatchNorm1d(1, momentum=None, dtype="float64")
    batches = np.random.default_rng(0).normal(size=(3, 5, 1))
    for b in batches:
        layer(sn.tensor(b))
    np.testing.assert_allclose(layer.running_mean.item(), batches.mean(), rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: nn.Conv2d(3, 4, 3, groups=2), "Conv2d: in_channels=3 is no multiple of groups=2"),
        (lambda: nn.Conv2d(4, 5, 3, groups=2), "out_channels=5 is no multiple of groups=2"),
        (lambda: nn.Conv2d(4, 4, 3, groups=0), "groups must be positive, got 0"),
        (lambda: nn.Conv2d(4, 4, (3, 3, 3)), "kernel_size wants 1 or 2 values"),
        (lambda: nn.Conv2d(4, 4, 3, padding="full"), "'same' or 'valid', got 'full'"),
        (lambda: nn.Conv2d(4, 4, 3, 2, "same"), "padding='same' wants stride 1"),
        (lambda: nn.Conv2d(4, 4, 3, padding_mode="odd"), "padding_mode must be one of"),
        (lambda: nn.ConvTranspose2d(4, 4, 3, padding_mode="reflect"), "padding_mode must be one of zeros"),
        (lambda: nn.Dropout(1.5), r"Dropout: p must lie in \[0, 1\], got 1.5"),
        (lambda: nn.GroupNorm(3, 4), "num_channels=4 is no multiple of num_groups=3"),
        (lambda: nn.Embedding(3, 2, padding_idx=3), "padding_idx 3 is out of range for 3 rows"),
        (lambda: nn.Embedding(3, 2, sparse=True), "gradients are dense"),
        (lambda: nn.ZeroPad2d((1, 2)), "padding wants 1 or 4 numbers"),
        (lambda: nn.Hardtanh(2, 1), "want min_val < max_val, got 2 and 1"),
        (lambda: nn.MSELoss(reduction="average"), "reduction must be none, mean or sum"),
        (lambda: nn.BatchNorm2d(3)(sn.ones(2, 3)), r"BatchNorm2d: want 4 dimensions, got 2 \(input \(2, 3\)\)"),
        (lambda: nn.BatchNorm1d(3)(sn.ones(1, 3)), "more than one value a channel"),
        (lambda: nn.InstanceNorm2d(3, affine=True)(sn.ones(1, 2, 4, 4)), "want 3 channels, got 2"),
        (lambda: nn.ReflectionPad1d(1)(sn.ones(3)), "want 2 or 3 dimensions"),
        (lambda: nn.Linear(3, 2)(sn.ones(4)), r"linear: input \(4,\) ends in no 3 features"),
    ],
)  # fmt: skip
def test_misuse_names_the_layer_the_rule_and_both_values(make, match):
    with pytest.raises((sn.errors.SensoriumError, ValueError), match=match):
        make()


def test_layers_are_made_in_the_wanted_type():
    for layer in (nn.Linear(2, 2, dtype="float64"), nn.Conv1d(1, 1, 1, dtype="float64"),
                  nn.BatchNorm1d(2, dtype="float64"), nn.LayerNorm(2, dtype="float64")):  # fmt: skip
        assert all(p.dtype == sn.float64 for p in layer.parameters())


def test_dropout_scales_what_it_keeps():
    sn.manual_seed(0)
    y = nn.Dropout(0.25)(sn.ones(200, 200)).numpy()
    assert set(np.unique(y)) == {0, np.float32(1 / 0.75)}
    assert abs((y == 0).mean() - 0.25) < 0.02
    channels = nn.Dropout2d(0.5)(sn.ones(50, 20, 3, 3)).numpy().reshape(1000, 9)
    assert (channels.min(1) == channels.max(1)).all()


def test_embedding_from_pretrained_and_max_norm():
    table = nn.Embedding.from_pretrained(sn.tensor([[3.0, 4.0], [0.3, 0.4]]), max_norm=1.0)
    assert not table.weight.requires_grad
    np.testing.assert_allclose(
        table(sn.tensor([0, 1])).numpy(), [[0.6, 0.8], [0.3, 0.4]], rtol=1e-5
    )


def test_utils_clip_and_flatten():
    p, q = nn.Parameter(sn.zeros(2)), nn.Parameter(sn.zeros(1, 2))
    p.grad, q.grad = sn.tensor([3.0, 0.0]), sn.tensor([[0.0, -4.0]])
    unused = nn.Parameter(sn.zeros(1))
    assert nn.utils.clip_grad_norm_([p, q, unused], 10.0).item() == 5  # small enough: left alone
    assert p.grad.tolist() == [3, 0]
    assert nn.utils.clip_grad_norm_([p, q], 2.5).item() == 5
    np.testing.assert_allclose([p.grad[0].item(), q.grad[0, 1].item()], [1.5, -2], rtol=1e-6)
    assert nn.utils.clip_grad_norm_([p, q], 100, norm_type=float("inf")).item() == pytest.approx(2)
    assert nn.utils.clip_grad_norm_(p, 100, norm_type=1).item() == pytest.approx(1.5)
    nn.utils.clip_grad_value_([p, q], 0.5)
    assert p.grad.tolist() == [0.5, 0] and q.grad.tolist() == [[0, -0.5]]
    p.grad[0] = float("nan")
    with pytest.raises(RuntimeError, match="norm of the gradients is nan"):
        nn.utils.clip_grad_norm_([p], 1.0, error_if_nonfinite=True)
    assert nn.utils.clip_grad_norm_([unused], 1.0).item() == 0
    nn.utils.vector_to_parameters(sn.tensor([1.0, 2.0, 3.0, 4.0]), [p, q])
    assert q.tolist() == [[3, 4]]
    assert nn.utils.parameters_to_vector([p, q]).tolist() == [1, 2, 3, 4]
    with pytest.raises(ValueError, match=r"have 4 elements, vec is \(3,\)"):
        nn.utils.vector_to_parameters(sn.zeros(3), [p, q])


def test_a_network_learns():
    sn.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 16), nn.ReLU(inplace=True), nn.Linear(16, 2))
    x = np.random.default_rng(0).uniform(-1, 1, (128, 2)).astype("float32")
    labels = sn.tensor((x[:, 0] * x[:, 1] > 0).astype("int64"))
    optimizer = sn.optim.Adam(net.parameters(), lr=0.05)
    for _ in range(100):
        optimizer.zero_grad()
        loss = nn.CrossEntropyLoss()(net(sn.tensor(x)), labels)
        loss.backward()
        optimizer.step()
    right = (net(sn.tensor(x)).argmax(1) == labels).float().mean()
    assert right.item() > 0.95
