"""Augmentation beside PyTorch's samplers, SciPy's filters and scikit-image's colour spaces."""

import math

import numpy as np
import pytest

from sensorium.vision.transforms import functional as F

pytestmark = pytest.mark.peer


def floats(*shape):
    return np.random.default_rng(1).random(shape or (3, 31, 23), dtype=np.float32)


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("angle", [12.0, -77.0, 160.0])
def test_rotation_is_pytorchs_grid_sample(mode, angle):
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    x = floats()
    height, width = x.shape[1:]
    c, s, aspect = math.cos(math.radians(angle)), math.sin(math.radians(angle)), height / width
    theta = torch.tensor([[[c, -s * aspect, 0.0], [s / aspect, c, 0.0]]])
    grid = torch.nn.functional.affine_grid(theta, (1, *x.shape), align_corners=False)
    want = torch.nn.functional.grid_sample(
        torch.from_numpy(x)[None], grid, mode, "zeros", align_corners=False
    )[0].numpy()
    got = F.rotate(x, angle, mode)
    if mode == "bilinear":
        np.testing.assert_allclose(got, want, atol=2e-5)
    else:
        assert np.mean(np.any(got != want, axis=0)) < 0.005  # ties in float32


@pytest.mark.parametrize("size,sigma", [(3, 0.8), (9, 2.0)])
def test_blur_is_scipys_correlation_with_mirrored_borders(size, sigma):
    ndimage = pytest.importorskip("scipy.ndimage")
    t = np.arange(size) - size // 2
    window = np.exp(-(t**2) / (2 * sigma**2))
    window /= window.sum()
    want = floats().astype(np.float64)
    for axis in (1, 2):
        want = ndimage.correlate1d(want, window, axis, mode="mirror")
    np.testing.assert_allclose(F.gaussian_blur(floats(), size, sigma), want, atol=1e-6)


def test_hue_is_scikit_images_hsv():
    color = pytest.importorskip("skimage.color")
    x = floats()
    hsv = color.rgb2hsv(x.transpose(1, 2, 0).astype(np.float64))
    hsv[..., 0] = (hsv[..., 0] + 0.3) % 1.0
    want = color.hsv2rgb(hsv).transpose(2, 0, 1)
    np.testing.assert_allclose(F.adjust_hue(x, 0.3), want, atol=3e-6)
