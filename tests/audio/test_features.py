"""Features of sound against closed forms, slow sums and published values."""

import math
import warnings

import numpy as np
import pytest

import sensorium as sn
from sensorium.audio import functional as F, transforms as T
from sensorium.audio.functional._mel import _hz_to_mel, _mel_to_hz
from sensorium.autograd import gradcheck
from sensorium.errors import DTypeError, OptionError, ShapeError

HANN = sn.hann_window(8, dtype=sn.float64)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def seeded():
    sn.manual_seed(0)


def tone(freq, rate=16000, seconds=0.5):
    return sn.tensor(
        np.sin(2 * np.pi * freq * np.arange(int(rate * seconds)) / rate), dtype=sn.float32
    )


# -- spectrogram -----------------------------------------------------------------------------------
def test_power_is_the_exponent_of_the_magnitude(rng):
    x = sn.tensor(rng.normal(size=(2, 3, 40)))
    spec = F.spectrogram(x, 0, HANN, 8, 4, 8, None, False)
    assert spec.shape == (2, 3, 5, 11) and spec.is_complex()
    for power in (1.0, 2.0, 1.5):
        found = F.spectrogram(x, 0, HANN, 8, 4, 8, power, False)
        np.testing.assert_allclose(found.numpy(), np.abs(spec.numpy()) ** power, atol=1e-12)


def test_normalisation_and_padding(rng):
    x = sn.tensor(rng.normal(size=40))
    plain = F.spectrogram(x, 0, HANN, 8, 4, 8, 1.0, False).numpy()
    by_window = F.spectrogram(x, 0, HANN, 8, 4, 8, 1.0, True).numpy()
    np.testing.assert_allclose(by_window * math.sqrt((HANN.numpy() ** 2).sum()), plain, rtol=1e-12)
    by_frame = F.spectrogram(x, 0, HANN, 8, 4, 8, 1.0, "frame_length").numpy()
    np.testing.assert_allclose(by_frame * math.sqrt(8), plain, rtol=1e-12)
    padded = F.spectrogram(x, 4, HANN, 8, 4, 8, 1.0, False).numpy()
    outside = F.spectrogram(sn.nn.functional.pad(x, (4, 4)), 0, HANN, 8, 4, 8, 1.0, False).numpy()
    np.testing.assert_array_equal(padded, outside)


def test_a_tone_peaks_in_its_bin_with_the_power_of_its_closed_form():
    spec = T.Spectrogram(n_fft=400)(tone(2000))
    assert (spec.argmax(0)[2:-2] == 50).all()  # steps of 40 Hz
    np.testing.assert_allclose(
        spec[50, 5:-5].numpy(), (200 / 2) ** 2, rtol=1e-5
    )  # (sum(window)/2)^2


def test_half_and_whole_spectra_hold_the_same():
    x = sn.randn(100)
    half = T.Spectrogram(n_fft=16)(x)
    whole = T.Spectrogram(n_fft=16, onesided=False)(x)
    np.testing.assert_allclose(whole.numpy()[:9], half.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("normalized", [False, True, "frame_length"])
@pytest.mark.parametrize("pad", [0, 6])
def test_inverse_spectrogram_undoes_it(normalized, pad, rng):
    x = sn.tensor(rng.normal(size=(2, 2, 100)))
    options = {"n_fft": 16, "pad": pad, "normalized": normalized, "wkwargs": {"dtype": sn.float64}}
    spec = T.Spectrogram(power=None, **options)(x)
    y = T.InverseSpectrogram(**options)(spec, 100)
    assert y.shape == x.shape
    np.testing.assert_allclose(y.numpy(), x.numpy(), atol=1e-12)


@pytest.mark.parametrize("length", [0, 1, 7, 200])
def test_short_waveforms_have_a_documented_shape_or_a_clear_error(length):
    x = sn.zeros(2, length)
    assert T.Spectrogram(pad_mode="constant")(x).shape == (2, 201, 1 + length // 200)
    with pytest.raises(ShapeError, match=f"stft: {length} samples are too few"):
        T.MelSpectrogram(n_mels=20)(x)


def test_nan_spreads_over_its_frames_only():
    x = sn.ones(1600)
    x[800] = float("nan")
    mel = T.MelSpectrogram(n_mels=20, hop_length=400, center=False)(x)
    assert mel.isnan().all(0).tolist() == [False, True, True, False][: mel.shape[-1]] or (
        mel.isnan().any(0).tolist()
        == [m * 400 <= 800 < m * 400 + 400 for m in range(mel.shape[-1])]
    )


def test_griffin_lim_finds_a_waveform_with_the_spectrogram():
    x = tone(440, 8000, 0.25) * 0.5 + tone(1000, 8000, 0.25) * 0.3
    spec = T.Spectrogram(n_fft=256, hop_length=64)(x)
    y = T.GriffinLim(n_fft=256, hop_length=64, n_iter=60, length=2000)(spec)
    again = T.Spectrogram(n_fft=256, hop_length=64)(y)
    off = (again.sqrt() - spec.sqrt()).square().sum() / spec.sum()
    assert y.shape == (2000,) and off.item() < 0.02
    assert sn.equal(y, griffin_again(spec))


def griffin_again(spec):
    sn.manual_seed(0)
    return T.GriffinLim(n_fft=256, hop_length=64, n_iter=60, length=2000)(spec)


def test_spectral_centroid_of_a_tone_is_its_frequency():
    centroid = T.SpectralCentroid(16000)(tone(3000))
    np.testing.assert_allclose(centroid[5:-5].numpy(), 3000, rtol=1e-3)


# -- the mel scale ---------------------------------------------------------------------------------
def test_htk_scale_has_its_published_values():
    """2595 log10(1 + f / 700): 1000 Hz is 1000 mel, nearly."""
    assert _hz_to_mel(1000, "htk") == pytest.approx(1000, abs=0.02)
    assert _hz_to_mel(8000, "htk") == pytest.approx(2840.02, abs=0.01)
    assert _hz_to_mel(0, "htk") == 0


def test_slaney_scale_has_its_published_values():
    """Linear below 1 kHz, 3 mel for 200 Hz; 27 mel a factor of 6.4 above: 6400 Hz is 42."""
    assert [_hz_to_mel(f, "slaney") for f in (0, 200, 1000)] == [0, 3, 15]
    assert _hz_to_mel(6400, "slaney") == pytest.approx(42)
    steps = np.diff([_hz_to_mel(f, "slaney") for f in range(0, 1001, 100)])
    np.testing.assert_allclose(steps, 1.5)


@pytest.mark.parametrize("scale", ["htk", "slaney"])
def test_mel_to_hz_undoes_hz_to_mel(scale):
    freqs = np.linspace(0, 20000, 50)
    np.testing.assert_allclose(
        _mel_to_hz(np.array([_hz_to_mel(f, scale) for f in freqs]), scale), freqs, atol=1e-9
    )


# -- filter banks ----------------------------------------------------------------------------------
def slow_bank(n_freqs, f_min, f_max, n_mels, rate, norm, scale):
    """Triangle by triangle, frequency by frequency."""
    ends = [_hz_to_mel(f, scale) for f in (f_min, f_max)]
    corners = [
        float(_mel_to_hz(np.float64(ends[0] + (ends[1] - ends[0]) * i / (n_mels + 1)), scale))
        for i in range(n_mels + 2)
    ]
    bank = np.zeros((n_freqs, n_mels))
    for i in range(n_freqs):
        freq = i * (rate // 2) / (n_freqs - 1)
        for j in range(n_mels):
            low, mid, high = corners[j : j + 3]
            if low < freq <= mid:
                bank[i, j] = (freq - low) / (mid - low)
            elif mid < freq < high:
                bank[i, j] = (high - freq) / (high - mid)
            if norm == "slaney":
                bank[i, j] *= 2 / (high - low)
    return bank


@pytest.mark.parametrize("norm", [None, "slaney"])
@pytest.mark.parametrize("scale", ["htk", "slaney"])
def test_a_bank_is_triangles(norm, scale):
    args = (201, 20.0, 7600.0, 40, 16000, norm, scale)
    bank = F.melscale_fbanks(*args)
    assert bank.dtype == sn.float32
    np.testing.assert_allclose(bank.numpy(), slow_bank(*args), rtol=1e-6, atol=1e-8)


def test_neighbouring_triangles_add_up_to_one_between_the_outer_peaks():
    bank = F.linear_fbanks(401, 0.0, 8000.0, 39, 16000).numpy()  # corners every 200 Hz
    np.testing.assert_allclose(bank.sum(1)[10:-10], 1, rtol=1e-6)
    assert bank.argmax(0).tolist() == list(range(10, 400, 10))


def test_slaney_norm_gives_every_filter_the_same_area():
    bank = F.melscale_fbanks(40001, 0.0, 8000.0, 20, 16000, "slaney", "slaney").numpy()
    np.testing.assert_allclose(bank.sum(0) * (8000 / 40000), 1, rtol=1e-4)


def test_filters_too_narrow_for_any_frequency_are_warned_of():
    with pytest.warns(UserWarning, match="of 128 filters are all zero"):
        F.melscale_fbanks(65, 0.0, 8000.0, 128, 16000)


def test_a_tone_lands_in_the_filter_around_it():
    mel = T.MelSpectrogram(16000, n_mels=40)(tone(1000))
    centres = _mel_to_hz(np.linspace(0, _hz_to_mel(8000, "htk"), 42), "htk")[1:-1]
    assert (mel.argmax(0)[3:-3] == int(np.abs(centres - 1000).argmin())).all()


def test_mel_spectrogram_is_the_product_with_the_bank(rng):
    x = sn.tensor(rng.normal(size=(2, 2000)), dtype=sn.float32)
    mel = T.MelSpectrogram(16000, n_mels=40, norm="slaney", mel_scale="slaney")(x).numpy()
    spec = T.Spectrogram(wkwargs={"dtype": sn.float64})(x.double())
    bank = slow_bank(201, 0.0, 8000.0, 40, 16000, "slaney", "slaney")
    wanted = np.einsum("nfm,fk->nkm", spec.numpy(), bank)
    np.testing.assert_allclose(mel, wanted, rtol=1e-5, atol=1e-6 * wanted.max())


def test_inverse_mel_fits_and_is_not_negative():
    spec = T.Spectrogram()(tone(1000))
    mel = T.MelScale(40)(spec)
    again = T.InverseMelScale(201, 40)(mel)
    assert again.shape == spec.shape and (again >= 0).all()
    exact = np.linalg.lstsq(T.MelScale(40).fb.numpy().T.astype(float), mel.numpy(), rcond=None)[0]
    np.testing.assert_allclose(again.numpy(), np.maximum(exact, 0), atol=1e-4 * exact.max())


# -- cepstra ---------------------------------------------------------------------------------------
def test_dct_is_the_sum_of_its_definition():
    x = np.random.default_rng(0).normal(size=10)
    slow = [
        2 * sum(x[n] * math.cos(math.pi / 10 * (n + 0.5) * k) for n in range(10)) for k in range(10)
    ]
    np.testing.assert_allclose(x @ F.create_dct(10, 10, None).double().numpy(), slow, atol=1e-5)
    ortho = F.create_dct(10, 10, "ortho").double().numpy()
    np.testing.assert_allclose(ortho.T @ ortho, np.eye(10), atol=1e-6)


@pytest.mark.parametrize("log_mels", [False, True])
def test_mfcc_is_the_cosine_transform_of_the_log_mel_spectrogram(log_mels, rng):
    x = sn.tensor(rng.normal(size=(1, 4000)), dtype=sn.float32)
    mel = T.MelSpectrogram(16000, n_mels=40)(x)
    log = sn.log(mel + 1e-6) if log_mels else T.AmplitudeToDB(top_db=80.0)(mel)
    wanted = np.einsum("nkm,kc->ncm", log.numpy(), F.create_dct(13, 40, "ortho").numpy())
    found = T.MFCC(16000, 13, log_mels=log_mels, melkwargs={"n_mels": 40})(x)
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-4, atol=1e-3)


def test_lfcc_has_its_shape_and_refuses_too_many():
    assert T.LFCC(n_filter=40, n_lfcc=13)(sn.randn(2, 1, 4000)).shape == (2, 1, 13, 21)
    with pytest.raises(OptionError, match="41 coefficients are more than the 40 bands"):
        T.LFCC(n_filter=40, n_lfcc=41)


# -- levels ----------------------------------------------------------------------------------------
def test_decibels_of_powers_of_ten():
    x = sn.tensor([[1.0, 0.1, 100.0, 0.0]])
    np.testing.assert_allclose(T.AmplitudeToDB()(x).numpy(), [[0, -10, 20, -100]], atol=1e-5)
    np.testing.assert_allclose(
        T.AmplitudeToDB("magnitude")(x).numpy(), [[0, -20, 40, -200]], atol=1e-4
    )
    np.testing.assert_allclose(
        T.AmplitudeToDB(top_db=30)(x).numpy(), [[0, -10, 20, -10]], atol=1e-5
    )
    decibels = F.amplitude_to_DB(x[:, :3], 10.0, 1e-10, 0.0)
    np.testing.assert_allclose(
        F.DB_to_amplitude(decibels, 1.0, 1.0).numpy(), x[:, :3].numpy(), rtol=1e-5
    )


def test_top_db_is_counted_from_each_spectrogram_of_a_batch():
    x = sn.tensor([1.0, 1e-6, 1e3, 1e-6]).reshape(2, 1, 1, 2)
    found = F.amplitude_to_DB(x, 10.0, 1e-10, 0.0, 40.0).reshape(4)
    np.testing.assert_allclose(found.numpy(), [0, -40, 30, -10], atol=1e-5)
    together = F.amplitude_to_DB(x[:, 0], 10.0, 1e-10, 0.0, 40.0).reshape(4)
    np.testing.assert_allclose(together.numpy(), [0, -10, 30, -10], atol=1e-5)


def test_volume_and_gain():
    x = sn.tensor([0.1, -0.6])
    np.testing.assert_allclose(F.gain(x, 20.0).numpy(), [1, -6], rtol=1e-6)
    np.testing.assert_allclose(T.Vol(20.0, "db")(x).numpy(), [1, -1], rtol=1e-6)
    np.testing.assert_allclose(T.Vol(4.0, "power")(x).numpy(), [0.2, -1], rtol=1e-6)
    assert F.gain(x, 0) is x
    with pytest.raises(OptionError, match="must not be negative, got -1"):
        T.Vol(-1)


@pytest.mark.parametrize(
    "shape", ["linear", "exponential", "logarithmic", "quarter_sine", "half_sine"]
)
def test_fades_rise_from_nothing_and_mirror_each_other(shape):
    y = T.Fade(20, 20, shape)(sn.ones(2, 60)).numpy()
    assert y[0, 0] == pytest.approx(0, abs=1e-6) and (np.diff(y[0, :20]) >= 0).all()
    assert (y[:, 20:40] == 1).all()
    np.testing.assert_allclose(y, y[:, ::-1], atol=1e-6)
    with pytest.raises(OptionError, match="10 samples are fewer than a fade of 20"):
        T.Fade(20)(sn.ones(10))


def test_mu_law_round_trip_stays_within_a_step():
    x = sn.linspace(-1, 1, 1001)
    codes = F.mu_law_encoding(x, 256)
    assert codes.dtype == sn.int64 and codes.min() == 0 and codes.max() == 255
    assert F.mu_law_encoding(sn.zeros(1), 256).item() == 128  # G.711's middle
    back = F.mu_law_decoding(codes, 256)
    assert (back - x).abs().max().item() < 0.03
    assert sn.equal(F.mu_law_encoding(back, 256), codes)


# -- masks -----------------------------------------------------------------------------------------
def runs(mask):
    """The lengths of the runs of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    return (edges[1::2] - edges[::2]).tolist()


@pytest.mark.parametrize("axis", [1, 2])
def test_a_mask_is_one_run_of_limited_width_the_same_for_all(axis):
    widths = set()
    for _ in range(40):
        y = F.mask_along_axis(sn.ones(3, 20, 30), 6, 0.0, axis).numpy()
        masked = (y == 0).all(axis=0)  # (20, 30), the same for each of the three
        np.testing.assert_array_equal((y == 0).any(axis=0), masked)
        line = masked.all(axis=1) if axis == 1 else masked.all(axis=0)
        assert masked.sum() == line.sum() * masked.size // line.size
        assert len(runs(line)) <= 1
        widths.update(runs(line) or [0])
    assert widths == set(range(6))


def test_iid_masks_differ_and_repeat_with_the_seed():
    x = sn.ones(16, 1, 20, 30)
    sn.manual_seed(3)
    y = F.mask_along_axis_iid(x, 10, 7.0, 3)
    sn.manual_seed(3)
    assert sn.equal(y, F.mask_along_axis_iid(x, 10, 7.0, 3))
    lines = {tuple(row) for row in (y[:, 0, 0] == 7).tolist()}
    assert len(lines) > 8


def test_p_limits_the_share_that_is_masked():
    for _ in range(20):
        y = T.TimeMasking(50, p=0.1)(sn.ones(1, 4, 40))
        assert (y == 0).any(1).sum().item() < 4
    assert (T.TimeMasking(50, p=0.01)(sn.ones(1, 4, 40)) == 1).all()


def test_spec_augment_masks_with_the_mean_or_zero():
    x = sn.rand(8, 1, 20, 50) + 1
    y = T.SpecAugment(2, 10, 2, 5)(x)
    changed = y[(y != x)]
    assert changed.numel() > 0
    np.testing.assert_allclose(changed.numpy(), x.mean().item(), rtol=1e-6)
    z = T.SpecAugment(2, 10, 2, 5, zero_masking=True, iid_masks=False)(x)
    assert (z[z != x] == 0).all()


def test_gradients_do_not_pass_masks():
    x = sn.ones(2, 8, 9, requires_grad=True)
    y = T.FrequencyMasking(6, iid_masks=True)(x)
    y.sum().backward()
    assert sn.equal(x.grad, (y != 0).float())


# -- along time ------------------------------------------------------------------------------------
def test_stretching_keeps_the_pitch_and_changes_the_length():
    x = tone(1000, 8000, 1.0)
    spec = T.Spectrogram(n_fft=256, hop_length=64, power=None)(x)
    for rate in (0.8, 1.25):
        slower = T.TimeStretch(64, 129)(spec, rate)
        assert slower.shape[-1] == math.ceil(spec.shape[-1] / rate)
        y = T.InverseSpectrogram(n_fft=256, hop_length=64)(slower)
        line = np.abs(np.fft.rfft(y.numpy()[500:-500])).argmax() * 8000 / (y.shape[-1] - 1000)
        assert line == pytest.approx(1000, abs=3)
    assert T.TimeStretch(64, 129)(spec, 1.0) is spec
    with pytest.raises(OptionError, match="TimeStretch: want a rate"):
        T.TimeStretch()(spec)


def test_pitch_shift_by_an_octave_doubles_the_frequency():
    x = tone(440, 8000, 1.0)
    for steps, wanted in ((12, 880), (-12, 220), (7, 440 * 2 ** (7 / 12))):
        y = T.PitchShift(8000, steps)(x)
        assert y.shape == x.shape
        line = np.abs(np.fft.rfft(y.numpy()[1000:-1000])).argmax() * 8000 / 6000
        assert line == pytest.approx(wanted, abs=3)


def test_deltas_of_a_line_are_its_slope(rng):
    x = sn.arange(20.0).reshape(1, 1, 20) * 3
    assert T.ComputeDeltas(7)(x)[0, 0, 3:-3].tolist() == pytest.approx([3] * 14)
    y = rng.normal(size=(2, 3, 12))
    edge = np.pad(y, ((0, 0), (0, 0), (2, 2)), "edge")
    wanted = sum(n * (edge[..., 2 + n : 14 + n] - edge[..., 2 - n : 14 - n]) for n in (1, 2)) / 10
    np.testing.assert_allclose(F.compute_deltas(sn.tensor(y)).numpy(), wanted, atol=1e-12)


@pytest.mark.parametrize("coeff", [0.97, 0.5, -0.9, 0.0])
def test_deemphasis_is_the_recursion_and_undoes_preemphasis(coeff, rng):
    x = rng.uniform(-0.04, 0.04, size=(2, 300))
    y, wanted = np.zeros(2), []
    for t in range(300):
        y = x[:, t] + coeff * y
        wanted.append(np.clip(y, -1, 1))
    found = F.deemphasis(sn.tensor(x), coeff).numpy()
    np.testing.assert_allclose(found, np.stack(wanted, 1), atol=1e-12)
    back = F.deemphasis(F.preemphasis(sn.tensor(x), coeff), coeff)
    np.testing.assert_allclose(back.numpy(), x, atol=1e-12)
    with pytest.raises(OptionError, match=r"below 1, got 1\.0"):
        F.deemphasis(sn.tensor(x), 1.0)


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
def test_convolution_is_numpys(mode, rng):
    x, y = rng.normal(size=(2, 30)), rng.normal(size=(2, 7))
    wanted = np.stack([np.convolve(a, b, "full") for a, b in zip(x, y)])
    cut = {"full": slice(None), "same": slice(3, 33), "valid": slice(6, 30)}[mode]
    for function in (F.convolve, F.fftconvolve):
        found = function(sn.tensor(x), sn.tensor(y), mode)
        np.testing.assert_allclose(found.numpy(), wanted[:, cut], atol=1e-12)


def test_noise_comes_at_the_ratio_asked_for(rng):
    x, noise = sn.tensor(rng.normal(size=(2, 500))), sn.tensor(rng.normal(size=(2, 500)) * 9)
    y = F.add_noise(x, noise, sn.tensor([10.0, -3.0], dtype=sn.float64))
    added = (y - x).square().sum(-1)
    ratio = 10 * sn.log10(x.square().sum(-1) / added)
    np.testing.assert_allclose(ratio.numpy(), [10, -3], atol=1e-9)


# -- gradients -------------------------------------------------------------------------------------
DOUBLE = {"wkwargs": {"dtype": sn.float64}}
SMALL = {"n_fft": 8, "hop_length": 4, "n_mels": 3, **DOUBLE}


def small(kind):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # three filters over five frequencies leave some empty
        return kind().double()


@pytest.mark.parametrize(
    "make",
    [
        lambda: T.Spectrogram(8, power=2.0, normalized=True, **DOUBLE),
        lambda: T.Spectrogram(8, power=1.0, **DOUBLE),
        lambda: T.MelSpectrogram(**SMALL),
        lambda: T.MFCC(n_mfcc=2, log_mels=True, melkwargs=SMALL),
        lambda: T.MFCC(n_mfcc=2, melkwargs=SMALL),
        lambda: T.LFCC(n_filter=3, n_lfcc=2, speckwargs={"n_fft": 8, **DOUBLE}),
        lambda: T.Resample(3, 2, dtype=sn.float64),
        lambda: T.Preemphasis(),
        lambda: T.Deemphasis(0.5),
        lambda: T.Fade(3, 4),
        lambda: T.Vol(0.5),
        lambda: T.PitchShift(8, 5, n_fft=8, wkwargs={"dtype": sn.float64}),
    ],
)
def test_features_are_differentiable(make):
    module = small(make)
    x = sn.tensor(np.random.default_rng(1).uniform(-0.3, 0.3, size=(1, 14)), requires_grad=True)
    assert gradcheck(module, x)


def test_the_rest_is_differentiable(rng):
    spec = sn.tensor(rng.uniform(0.5, 1, size=(1, 5, 6)), requires_grad=True)
    for module in (
        T.AmplitudeToDB(),
        T.ComputeDeltas(),
        small(lambda: T.MelScale(2, n_stft=5)),
        small(lambda: T.InverseMelScale(9, 5, sample_rate=16000)),
        T.GriffinLim(8, 2, hop_length=2, rand_init=False, length=11, **DOUBLE),
    ):
        assert gradcheck(module, spec)
    z = sn.tensor(rng.normal(size=(5, 6)) + 1j * rng.normal(size=(5, 6)), requires_grad=True)
    assert gradcheck(lambda z: T.InverseSpectrogram(8, hop_length=2, **DOUBLE)(z, 9), z)
    assert gradcheck(lambda z: T.TimeStretch(2, 5).double()(z, 1.3), z)


# -- refusals --------------------------------------------------------------------------------------
def test_refusals_name_the_rule_and_the_value():
    x = sn.ones(2, 5, 6)
    with pytest.raises(OptionError, match=r"normalized must be a bool.*'both'"):
        T.Spectrogram(8, normalized="both")(sn.ones(20))
    with pytest.raises(ShapeError, match=r"MelScale: want \(\.\.\., 201, time\).*\(2, 5, 6\)"):
        T.MelScale(40)(x)
    with pytest.raises(OptionError, match="mel_scale must be 'htk' or 'slaney', got 'bark'"):
        F.melscale_fbanks(5, 0.0, 8.0, 2, 16, mel_scale="bark")
    with pytest.raises(OptionError, match=r"f_min 9.*f_max 8"):
        F.melscale_fbanks(5, 9.0, 8.0, 2, 16)
    with pytest.raises(OptionError, match="norm must be None or 'ortho'"):
        F.create_dct(2, 3, "slaney")
    with pytest.raises(ShapeError, match="axis must be one of the last two, got axis 0"):
        F.mask_along_axis(x, 2, 0.0, 0)
    with pytest.raises(OptionError, match=r"p must be in \[0, 1\], got 2"):
        T.TimeMasking(2, p=2.0)
    with pytest.raises(OptionError, match=r"momentum must be in \[0, 1\), got 1"):
        T.GriffinLim(8, momentum=1.0)(x)
    with pytest.raises(ShapeError, match="griffinlim: 99 samples have 25 frames"):
        T.GriffinLim(8, hop_length=4, length=99)(x)
    with pytest.raises(DTypeError, match="phase_vocoder: want complex"):
        F.phase_vocoder(x, 2.0, sn.zeros(5, 1))
    with pytest.raises(OptionError, match="dct_type must be 2, got 3"):
        T.MFCC(n_mfcc=13, dct_type=3, melkwargs={"n_mels": 40})
    with pytest.raises(OptionError, match="stype must be"):
        T.AmplitudeToDB("loudness")
