"""SyncBatchNorm of one process: batch norm of any rank, and the conversion of others' layers."""

import numpy as np
import pytest

import sensorium as sn
from sensorium import nn
from sensorium.errors import OptionError

SHAPES = [(4, 3), (4, 3, 5), (2, 3, 4, 5), (2, 3, 2, 3, 4)]


@pytest.mark.parametrize("shape", SHAPES)
def test_each_channel_has_mean_0_and_variance_1(shape):
    x = sn.tensor(np.random.default_rng(0).normal(3.0, 2.0, shape))
    y = nn.SyncBatchNorm(3, affine=False, dtype=sn.float64, eps=1e-12)(x).numpy()
    axes = tuple(i for i in range(len(shape)) if i != 1)
    assert np.allclose(y.mean(axes), 0, atol=1e-12) and np.allclose(y.var(axes), 1)


def test_running_statistics_follow_by_momentum():
    layer = nn.SyncBatchNorm(1, momentum=0.25, dtype=sn.float64)
    layer(sn.tensor([[1.0], [3.0]], dtype=sn.float64))
    assert layer.running_mean.item() == 0.5 and layer.running_var.item() == 0.75 + 0.25 * 2
    assert layer.num_batches_tracked.item() == 1
    assert layer.eval()(sn.tensor([[0.5]], dtype=sn.float64)).item() == 0


@pytest.mark.parametrize("shape", [(), (3,)])
def test_a_batch_has_two_dimensions_or_more(shape):
    with pytest.raises(OptionError, match="SyncBatchNorm: want"):
        nn.SyncBatchNorm(3)(sn.ones(shape))


def test_a_group_of_processes_is_refused():
    with pytest.raises(OptionError, match="no process groups here"):
        nn.SyncBatchNorm(3, process_group=object())


def network(library=nn):
    return library.Sequential(
        library.Conv2d(3, 4, 3),
        library.BatchNorm2d(4, eps=1e-3, momentum=None),
        library.Sequential(library.BatchNorm2d(4, affine=False)),
        library.InstanceNorm2d(4),
        library.Flatten(2),
        library.BatchNorm1d(4, track_running_stats=False),
    )


def test_conversion_changes_batch_norms_alone_and_keeps_their_state():
    sn.manual_seed(0)
    before = network()
    before(sn.randn(5, 3, 6, 6))
    state = {key: value.clone() for key, value in before.state_dict().items()}
    weight = before[1].weight
    after = nn.SyncBatchNorm.convert_sync_batchnorm(before)
    assert after is before and after[1].weight is weight
    kinds = ["Conv2d", "SyncBatchNorm", "Sequential", "InstanceNorm2d", "Flatten", "SyncBatchNorm"]
    assert [type(m).__name__ for m in after] == kinds
    assert type(after[2][0]) is nn.SyncBatchNorm
    assert after.state_dict().keys() == state.keys()
    assert all((after.state_dict()[key] == value).all() for key, value in state.items())


@pytest.mark.parametrize("training", [True, False])
def test_what_was_converted_computes_what_it_did(training):
    sn.manual_seed(0)
    plain, x = network().train(training), sn.randn(5, 3, 6, 6)
    other = network().train(training)
    other.load_state_dict(plain.state_dict())
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(other)
    assert all(m.training == training for m in converted.modules())
    assert np.array_equal(plain(x).detach().numpy(), converted(x).detach().numpy())


def test_a_batch_norm_by_itself_is_converted():
    layer = nn.SyncBatchNorm.convert_sync_batchnorm(nn.BatchNorm1d(3))
    assert type(layer) is nn.SyncBatchNorm


@pytest.mark.peer
@pytest.mark.parametrize("shape", SHAPES)
def test_values_gradients_and_statistics_are_pytorchs(shape):
    """On a CPU PyTorch's layer runs in evaluation only: training is BatchNorm's of that rank."""
    torch = pytest.importorskip("torch")
    kind = {2: "BatchNorm1d", 3: "BatchNorm1d", 4: "BatchNorm2d", 5: "BatchNorm3d"}[len(shape)]
    theirs = getattr(torch.nn, kind)(3, dtype=torch.float64)
    ours = nn.SyncBatchNorm(3, dtype=sn.float64)
    data = np.random.default_rng(1).normal(size=shape)
    x, y = sn.tensor(data).requires_grad_(), torch.tensor(data).requires_grad_()
    ours(x).pow(3).sum().backward()
    theirs(y).pow(3).sum().backward()
    assert np.allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-8, atol=1e-12)
    for key, value in theirs.state_dict().items():
        assert np.allclose(ours.state_dict()[key].numpy(), value.numpy(), rtol=1e-8), key
    synced = torch.nn.SyncBatchNorm.convert_sync_batchnorm(theirs).eval()
    want = synced(y).detach().numpy()
    assert np.allclose(ours.eval()(x).detach().numpy(), want, rtol=1e-8, atol=1e-12)


@pytest.mark.peer
def test_conversion_and_printing_are_pytorchs():
    torch = pytest.importorskip("torch")
    ours = nn.SyncBatchNorm.convert_sync_batchnorm(network())
    theirs = torch.nn.SyncBatchNorm.convert_sync_batchnorm(network(torch.nn))
    assert str(ours) == str(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
