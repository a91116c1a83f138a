"""make_grid and save_image: every image in its place."""

import io

import numpy as np
import pytest
from PIL import Image

import sensorium as sn
from sensorium.errors import DTypeError, OptionError, ShapeError
from sensorium.vision.utils import make_grid, save_image


def test_every_image_is_in_its_place():
    x = np.random.default_rng(0).random((5, 3, 4, 6), dtype=np.float32)
    grid = make_grid(sn.tensor(x), nrow=2, padding=3, pad_value=0.5).numpy()
    assert grid.shape == (3, 3 * 7 + 3, 2 * 9 + 3)
    seen = np.zeros(grid.shape[1:], bool)
    for k in range(5):
        top, left = 3 + k // 2 * 7, 3 + k % 2 * 9
        assert np.array_equal(grid[:, top : top + 4, left : left + 6], x[k])
        seen[top : top + 4, left : left + 6] = True
    assert np.all(grid[:, ~seen] == 0.5)


def test_gray_becomes_three_and_one_image_stays_alone():
    x = sn.arange(6).to(sn.float32).reshape(1, 2, 3)
    assert make_grid(x).shape == (3, 2, 3)
    assert make_grid([x, x, x], nrow=2, padding=0).shape == (3, 4, 6)
    assert make_grid(x[0]).shape == (3, 2, 3)


def test_normalize_spreads_values_over_the_unit_interval():
    x = sn.tensor([[[[0.0, 2.0]]], [[[4.0, 6.0]]]])
    assert make_grid(x, padding=0, normalize=True)[0].tolist() == [
        pytest.approx([0, 1 / 3, 2 / 3, 1])
    ]
    each = make_grid(x, padding=0, normalize=True, scale_each=True)
    assert each[0].tolist() == [[0, 1, 0, 1]]
    ranged = make_grid(x, padding=0, normalize=True, value_range=(2, 4))
    assert ranged[0].tolist() == [[0, 0, 1, 1]]


def test_saved_images_are_rounded(tmp_path):
    x = sn.tensor(np.linspace(-0.1, 1.1, 12, dtype=np.float32).reshape(1, 3, 4))
    save_image(x, tmp_path / "x.png")
    got = np.asarray(Image.open(tmp_path / "x.png"))[..., 0]
    assert np.array_equal(
        got, np.clip(np.floor(x[0].numpy() * 255 + 0.5), 0, 255)[:3].reshape(3, 4)
    )
    file = io.BytesIO()
    save_image(sn.zeros(2, 3, 4, 4, dtype=sn.uint8), file, "PNG", padding=1)
    assert Image.open(file).size == (11, 6)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ShapeError, match="one shape"):
        make_grid([sn.zeros(1, 2, 2), sn.zeros(1, 2, 3)])
    with pytest.raises(DTypeError, match="at least one"):
        make_grid([])
    with pytest.raises(OptionError, match="nrow of at least 1"):
        make_grid(sn.zeros(1, 1, 2, 2), nrow=0)
    with pytest.raises(DTypeError, match="normalize wants float images"):
        make_grid(sn.zeros(1, 1, 2, 2, dtype=sn.uint8), normalize=True)
