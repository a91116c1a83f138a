"""hfft2, hfftn, ihfft2, ihfftn; and istft of a spectrum that is not onesided."""

import numpy as np
import pytest

import sensorium as sn


@pytest.mark.parametrize("norm", [None, "ortho", "forward"])
def test_hfftn_is_the_transform_of_the_whole_hermitian_signal(norm):
    """Along the last dimension the other half is the mirrored conjugate; the result is real."""
    rng = np.random.default_rng(0)
    spectrum = rng.normal(size=(3, 4, 6))
    scale = {None: 1, "ortho": np.sqrt(72), "forward": 72}[norm]
    half = np.fft.ifftn(spectrum)[..., :4]
    found = sn.fft.hfftn(sn.tensor(half), norm=norm)
    np.testing.assert_allclose(found.numpy() * scale, spectrum, atol=1e-12)
    back = sn.fft.ihfftn(found, norm=norm)
    np.testing.assert_allclose(back.numpy(), half, atol=1e-13)


def test_two_dimensions_are_the_last_two():
    x = sn.tensor(np.random.default_rng(1).normal(size=(2, 3, 4)))
    by_slice = np.stack([sn.fft.hfftn(x[i], s=(5, 6)).numpy() for i in range(2)])
    np.testing.assert_allclose(sn.fft.hfft2(x, s=(5, 6)).numpy(), by_slice, atol=1e-12)
    assert sn.fft.ihfft2(x).shape == (2, 3, 3)
    with pytest.raises(sn.errors.DTypeError):
        sn.fft.ihfftn(x.to(sn.complex128))


def test_istft_of_two_sides_reads_the_first_half():
    x = sn.tensor(np.random.default_rng(2).normal(size=32))
    both = sn.stft(x, 8, window=sn.hann_window(8, dtype=sn.float64), onesided=False)
    both[5:] = 0  # what a real signal's spectrum repeats
    found = sn.istft(both, 8, window=sn.hann_window(8, dtype=sn.float64), onesided=False)
    np.testing.assert_allclose(found.numpy(), x.numpy(), atol=1e-12)
