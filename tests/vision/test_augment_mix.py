"""MixUp and CutMix: pixels and labels are mixed by the same share."""

import numpy as np
import pytest

import sensorium as sn
from sensorium.errors import DTypeError, OptionError, OutOfBoundsError, ShapeError
from sensorium.vision import transforms as T


def batch(n=4):
    return sn.tensor(np.random.default_rng(0).random((n, 3, 10, 12), dtype=np.float32))


def test_mixup_is_the_weighted_sum_of_neighbours():
    x, y = batch(), sn.tensor([0, 2, 1, 1])
    sn.manual_seed(3)
    images, labels = T.MixUp(num_classes=3, alpha=0.8)(x, y)
    sn.manual_seed(3)
    share = sn.random.source_of(None).beta(0.8, 0.8)
    for k in range(4):
        want = share * x.numpy()[k] + (1 - share) * x.numpy()[k - 1]
        np.testing.assert_allclose(images.numpy()[k], want, atol=1e-6)
        row = np.zeros(3)
        row[int(y[k])] += share
        row[int(y[k - 1])] += 1 - share
        np.testing.assert_allclose(labels.numpy()[k], row, atol=1e-6)


def test_cutmix_labels_are_the_area_that_was_kept():
    x, y = sn.arange(4).to(sn.float32).reshape(4, 1, 1, 1) + sn.zeros(4, 1, 16, 20), sn.arange(4)
    for seed in range(30):
        sn.manual_seed(seed)
        images, labels = T.CutMix(num_classes=4)(x, y)
        for k in range(4):
            image = images.numpy()[k, 0]
            kept = np.mean(image == k)
            assert set(np.unique(image)) <= {k, (k - 1) % 4}
            assert labels.numpy()[k, k] == pytest.approx(kept, abs=1e-6)
            assert labels.numpy()[k].sum() == pytest.approx(1.0, abs=1e-6)
        hole = np.argwhere(images.numpy()[1, 0] != 1)
        if len(hole):  # one full box
            (top, left), (bottom, right) = hole.min(0), hole.max(0)
            assert len(hole) == (bottom - top + 1) * (right - left + 1)


@pytest.mark.parametrize("kind", [T.MixUp, T.CutMix])
def test_labels_that_are_shares_already_are_mixed_too(kind):
    sn.manual_seed(0)
    _, labels = kind()(batch(2), sn.tensor([[1.0, 0.0], [0.0, 1.0]]))
    assert np.allclose(labels.numpy().sum(1), 1)
    assert repr(kind(alpha=0.5)) == f"{kind.__name__}(alpha=0.5, num_classes=None)"


def test_what_does_not_fit_is_refused():
    mix = T.MixUp(num_classes=3)
    with pytest.raises(OutOfBoundsError, match="label 3 is not within 0 to 2"):
        mix(batch(), sn.tensor([0, 1, 2, 3]))
    with pytest.raises(ShapeError, match=r"got \(4, 3, 10, 12\) and \(3,\)"):
        mix(batch(), sn.tensor([0, 1, 2]))
    with pytest.raises(DTypeError, match="want float images, got uint8"):
        mix(sn.zeros(2, 3, 4, 4, dtype=sn.uint8), sn.tensor([0, 1]))
    with pytest.raises(OptionError, match="want num_classes"):
        T.CutMix()(batch(2), sn.tensor([0, 1]))
    with pytest.raises(OptionError, match="alpha wants a positive number, got 0"):
        T.CutMix(alpha=0)
    with pytest.raises(ShapeError, match="num_classes is 3 but labels have 2 columns"):
        mix(batch(2), sn.tensor([[1.0, 0.0], [0.0, 1.0]]))
