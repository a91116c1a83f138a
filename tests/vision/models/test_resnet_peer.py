"""ResNets against torch.nn: keys, shapes and dtypes; logits and loss; gradients and statistics."""

from __future__ import annotations

import numpy as np
import pytest
from compare import close, same_tables, spread

import sensorium as sn
from sensorium.nn import functional as F
from sensorium.vision import models

pytestmark = pytest.mark.peer

NAMES = [
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d",
    "resnext101_32x8d", "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2",
]  # fmt: skip


def both(torch, reference, name, shift=0.0, **config):
    """Our net and the reference with the same state."""
    theirs = reference.ResNet(*reference.TORCHVISION[name], **config)
    state = spread(theirs, seed=1, shift=shift)
    theirs.load_state_dict({key: torch.from_numpy(value) for key, value in state.items()})
    ours = models.get_model(name, num_classes=theirs.fc.out_features)
    ours.load_state_dict(state)
    return ours, theirs


def photo(size, n=2, dtype=np.float32):
    return np.random.default_rng(0).normal(size=(n, 3, size, size)).astype(dtype)


@pytest.mark.parametrize("name", NAMES)
def test_keys_shapes_and_dtypes_are_torchvisions(torch, reference, name, cheap_init):
    with torch.device("meta"):
        theirs = reference.ResNet(*reference.TORCHVISION[name]).state_dict()
    ours = models.get_model(name).state_dict()
    described = [(k, tuple(v.shape), str(v.dtype)) for k, v in ours.items()]
    wanted = [(k, tuple(v.shape), str(v.dtype).removeprefix("torch.")) for k, v in theirs.items()]
    assert sorted(described) == sorted(wanted)


@pytest.mark.parametrize("name", NAMES)
def test_logits_and_loss_in_eval_mode(torch, reference, name, cheap_init):
    ours, theirs = both(torch, reference, name, classes=10)
    x, target = photo(64, n=1), np.array([3])
    with torch.no_grad():
        wanted = theirs.eval()(torch.from_numpy(x))
        loss = torch.nn.functional.cross_entropy(wanted, torch.from_numpy(target))
    ours.eval()
    with sn.no_grad():
        got = ours(sn.from_numpy(x))  # every step fused
        close(got.numpy(), wanted, 1e-4)
        close(F.cross_entropy(got, sn.from_numpy(target)).numpy(), loss, 1e-4)


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnext50_32x4d"])
@pytest.mark.parametrize(
    # In float32 a value within rounding of relu's kink has either gradient, and one such value
    # outweighs the tolerance; so there the norms put out little near 0. float64 covers the kink.
    ("dtype", "tolerance", "shift"),
    [("float32", 1e-3, 2.0), ("float64", 1e-9, 0.0)],
)
def test_every_gradient_and_statistic_in_training_mode(
    torch, reference, name, dtype, tolerance, shift, cheap_init
):
    ours, theirs = both(torch, reference, name, shift, classes=10)
    ours, theirs = ours.to(getattr(sn, dtype)).train(), theirs.to(getattr(torch, dtype)).train()
    x, target = photo(64, n=4, dtype=dtype), np.array([3, 1, 0, 9])
    loss = torch.nn.functional.cross_entropy(theirs(torch.from_numpy(x)), torch.from_numpy(target))
    loss.backward()
    mine = F.cross_entropy(ours(sn.from_numpy(x)), sn.from_numpy(target))
    mine.backward()
    close(mine.detach().numpy(), loss, tolerance)
    grads = {key: value.grad for key, value in ours.named_parameters()}
    same_tables(grads, {key: value.grad for key, value in theirs.named_parameters()}, tolerance)
    same_tables(dict(ours.named_buffers()), dict(theirs.named_buffers()), tolerance)


def test_dilation_in_place_of_stride(torch, reference):
    theirs = reference.ResNet("bottleneck", (1, 1, 1, 1), classes=5, dilated=(0, 1, 1)).eval()
    state = spread(theirs, seed=2)
    theirs.load_state_dict({key: torch.from_numpy(value) for key, value in state.items()})
    ours = models.ResNet(
        models.Bottleneck,
        [1, 1, 1, 1],
        num_classes=5,
        replace_stride_with_dilation=[False, True, True],
    ).eval()
    ours.load_state_dict(state)
    x = photo(64, n=1)
    with torch.no_grad(), sn.no_grad():
        close(ours(sn.from_numpy(x)).numpy(), theirs(torch.from_numpy(x)), 1e-4)


def test_small_resnet(torch, reference):
    theirs = reference.SmallResNet((3, 3, 3), channels=3).eval()
    state = spread(theirs, seed=3)
    theirs.load_state_dict({key: torch.from_numpy(value) for key, value in state.items()})
    ours = models.resnet20().eval()
    ours.load_state_dict(state)
    x = photo(32)
    with torch.no_grad(), sn.no_grad():
        close(ours(sn.from_numpy(x)).numpy(), theirs(torch.from_numpy(x)), 1e-4)
