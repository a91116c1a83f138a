"""Random transforms: what they may draw, how often, one draw an image, and that seeds repeat them."""

import math
import pickle

import numpy as np
import pytest
from PIL import Image

import sensorium as sn
from sensorium.errors import DTypeError, OptionError, ShapeError
from sensorium.vision import transforms as T
from sensorium.vision.transforms import functional as F


def gradient(height=24, width=32, channels=3):
    """Every pixel different, so that a crop tells where it was taken."""
    x = np.arange(channels * height * width, dtype=np.float32).reshape(channels, height, width)
    return x / x.max()


def source(seed=0):
    return np.random.default_rng(seed)


def pil(x):
    return Image.fromarray((x * 255).astype(np.uint8).transpose(1, 2, 0))


ALL = {
    "crop": T.RandomCrop(16, padding=2),
    "resized": T.RandomResizedCrop((12, 10)),
    "hflip": T.RandomHorizontalFlip(),
    "vflip": T.RandomVerticalFlip(),
    "jitter": T.ColorJitter(0.4, 0.4, 0.4, 0.1),
    "erase": T.RandomErasing(p=0.8, value="random"),
    "gray": T.RandomGrayscale(0.5),
    "invert": T.RandomInvert(),
    "sharp": T.RandomAdjustSharpness(2.0),
    "blur": T.GaussianBlur(3),
    "rotate": T.RandomRotation(30, "bilinear"),
    "affine": T.RandomAffine(10, (0.1, 0.2), (0.8, 1.2), 5),
    "apply": T.RandomApply([T.RandomInvert(), T.RandomHorizontalFlip()]),
    "choice": T.RandomChoice([T.RandomHorizontalFlip(1.0), T.RandomInvert(1.0)]),
    "order": T.RandomOrder([T.RandomHorizontalFlip(), T.RandomInvert(), T.RandomCrop(16)]),
}
every = pytest.mark.parametrize("transform", ALL.values(), ids=ALL)


# -- laws of all ---------------------------------------------------------------------------------
@every
def test_a_seed_repeats_and_the_next_draw_differs(transform):
    def runs(seed):
        sn.manual_seed(seed)
        return [transform(gradient()) for _ in range(12)]

    one, again = runs(3), runs(3)
    assert all(np.array_equal(a, b) for a, b in zip(one, again))
    assert any(not np.array_equal(one[0], b) for b in one[1:])


@every
def test_a_batch_is_its_images_one_after_the_other(transform):
    """One draw an image: the batch does what its samples would."""
    batch = np.stack([gradient(), gradient()[:, ::-1], gradient()[:, :, ::-1]])
    sn.manual_seed(5)
    want = np.stack([transform(image) for image in batch])
    sn.manual_seed(5)
    assert np.array_equal(transform(batch), want)
    sn.manual_seed(5)
    five = transform(sn.tensor(batch[None]))
    assert isinstance(five, sn.Tensor) and np.array_equal(five.numpy()[0], want)


@every
def test_a_batch_gets_more_than_one_draw(transform):
    sn.manual_seed(1)
    out = transform(np.stack([gradient()] * 16))
    assert any(not np.array_equal(out[0], image) for image in out[1:])


@every
def test_an_empty_batch_has_the_shape_of_a_full_one(transform):
    full = transform(np.stack([gradient()] * 2))
    assert transform(np.zeros((0, 3, 24, 32), np.float32)).shape == (0, *full.shape[1:])


@every
def test_pillow_arrays_and_tensors_draw_alike(transform):
    """The same seed makes the same choice, whatever the image is kept in."""
    sizes = []
    for image in (pil(gradient()), gradient(), sn.tensor(gradient())):
        sn.manual_seed(9)
        out = transform(image)
        sizes.append(F.get_dimensions(out))
        assert type(out) is type(image)
    assert sizes[0] == sizes[1] == sizes[2]


@every
def test_floats_stay_floats_in_the_unit_interval_and_bytes_bytes(transform):
    if transform is ALL["erase"]:
        return  # normal values on purpose
    for _ in range(5):
        out = transform(gradient())
        assert out.dtype == np.float32 and out.min() >= 0 and out.max() <= 1 + 1e-6
        assert transform((gradient() * 255).astype(np.uint8)).dtype == np.uint8


@every
def test_transforms_are_shown_and_sent_to_workers(transform):
    text = repr(pickle.loads(pickle.dumps(transform)))
    assert text.startswith(type(transform).__name__ + "(") and "generator" not in text


def test_an_own_generator_is_used_and_the_default_left_alone():
    sn.manual_seed(0)
    before = sn.get_rng_state().numpy().tolist()
    flip = T.RandomCrop(4, generator=sn.Generator().manual_seed(7))
    again = T.RandomCrop(4, generator=sn.Generator().manual_seed(7))
    outs = [(flip(gradient()), again(gradient())) for _ in range(5)]
    assert all(np.array_equal(a, b) for a, b in outs)
    assert sn.get_rng_state().numpy().tolist() == before


def test_gradients_flow_through_a_batch():
    x = sn.tensor(np.stack([gradient(8, 8)] * 3))
    x.requires_grad = True
    sn.manual_seed(2)
    T.Compose([T.RandomHorizontalFlip(), T.RandomCrop(4), T.ColorJitter(0.2)])(x).sum().backward()
    assert x.grad.shape == x.shape and (x.grad.numpy() != 0).sum() == 3 * 3 * 16


# -- how often -----------------------------------------------------------------------------------
@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("kind", [T.RandomHorizontalFlip, T.RandomVerticalFlip, T.RandomInvert])
def test_things_happen_with_probability_p(kind, p):
    sn.manual_seed(4)
    x, n = gradient(2, 2, 1), 600
    share = np.mean([not np.array_equal(kind(p)(x), x) for _ in range(n)])
    assert abs(share - p) <= 4 * math.sqrt(p * (1 - p) / n)


def test_choice_follows_its_weights():
    pick = T.RandomChoice(
        [T.Lambda(lambda x: 0), T.Lambda(lambda x: 1), T.Lambda(lambda x: 2)], [1, 0, 3]
    )
    sn.manual_seed(4)
    drawn = np.bincount([pick(gradient(2, 2)) for _ in range(800)], minlength=3)
    assert drawn[1] == 0 and abs(drawn[2] / 800 - 0.75) < 4 * math.sqrt(0.75 * 0.25 / 800)


def test_order_visits_all_in_every_order():
    seen = set()
    steps = [T.Lambda(lambda x, k=k: [*x, k] if isinstance(x, list) else [k]) for k in range(3)]
    order = T.RandomOrder(steps)
    sn.manual_seed(4)
    for _ in range(100):
        seen.add(tuple(order(gradient(2, 2))))
    assert seen == {(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)}


# -- crops ---------------------------------------------------------------------------------------
def test_crops_come_from_everywhere_alike():
    x = gradient(5, 6, 1)
    crop = T.RandomCrop((3, 4))
    sn.manual_seed(0)
    corners = [tuple(np.argwhere(x[0] == crop(x)[0, 0, 0])[0]) for _ in range(900)]
    counts = np.array([corners.count((i, j)) for i in range(3) for j in range(3)])
    assert counts.sum() == 900 and np.abs(counts - 100).max() < 45
    top, left = corners[-1]
    sn.manual_seed(0)
    last = [crop(x) for _ in range(900)][-1]
    assert np.array_equal(last, x[:, top : top + 3, left : left + 4])


def test_padding_comes_before_the_crop():
    sn.manual_seed(0)
    crop = T.RandomCrop(8, padding=[1, 2], fill=0.5)
    x = gradient(4, 6, 1)
    want = np.full((1, 8, 8), 0.5, np.float32)
    want[:, 2:6, 1:7] = x
    assert np.array_equal(crop(x), want)  # exactly one place fits
    edge = T.RandomCrop((4, 9), pad_if_needed=True, padding_mode="edge")
    assert edge(x).shape == (1, 4, 9)
    with pytest.raises(
        ShapeError, match=r"4 x 6 pixels with padding .* smaller than the crop 5 x 5"
    ):
        T.RandomCrop(5)(x)


def test_resized_crops_keep_to_scale_and_ratio():
    crop, image = T.RandomResizedCrop(8, (0.2, 0.5), (0.5, 2.0)), gradient(200, 300, 1)
    boxes = [crop.draw(image, source(seed)) for seed in range(300)]
    for top, left, h, w in boxes:
        assert 0 <= top <= 200 - h and 0 <= left <= 300 - w
        assert 0.19 <= h * w / 60_000 <= 0.51 and 0.48 <= w / h <= 2.08
    logs = [math.log(w / h) for _, _, h, w in boxes]
    assert abs(np.mean(logs)) < 0.15  # even in the logarithm: wide and tall alike


@pytest.mark.parametrize(
    "height,width,ratio,want",
    [
        (10, 100, (0.75, 4 / 3), (0, 43, 10, 13)),
        (100, 10, (0.75, 4 / 3), (43, 0, 13, 10)),
        (10, 12, (1.0, 2.0), (0, 0, 10, 12)),
    ],
)
def test_a_crop_that_cannot_be_is_the_largest_in_the_middle(height, width, ratio, want):
    crop = T.RandomResizedCrop(8, (5.0, 5.0), ratio)  # five times the area never fits
    assert crop.draw(gradient(height, width, 1), source()) == want


def test_resized_crop_is_crop_then_resize():
    x = gradient()
    sn.manual_seed(3)
    got = T.RandomResizedCrop((9, 7), interpolation="bicubic")(x)
    sn.manual_seed(3)
    crop = T.RandomResizedCrop((9, 7))
    top, left, h, w = crop.draw(x, sn.random.source_of(None))
    want = F.resize(x[:, top : top + h, left : left + w], (9, 7), "bicubic")
    assert np.array_equal(got, want)


# -- colour --------------------------------------------------------------------------------------
def test_jitter_draws_factors_in_their_ranges_and_all_orders():
    jitter = T.ColorJitter(0.4, (0.9, 1.1), 1.5, 0.1)
    drawn = [jitter.draw(None, source(seed)) for seed in range(400)]
    low_high = [(0.6, 1.4), (0.9, 1.1), (0.0, 2.5), (-0.1, 0.1)]
    for which, (low, high) in enumerate(low_high):
        factors = [f for one in drawn for w, f in one if w == which]
        assert low <= min(factors) < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < max(factors) <= high
    assert len({tuple(w for w, _ in one) for one in drawn}) == 24


def test_jitter_is_its_adjustments_in_order():
    jitter, x = T.ColorJitter(0.4, 0.4, 0.4, 0.1), gradient()
    drawn = jitter.draw(x, source(6))
    names = ["brightness", "contrast", "saturation", "hue"]
    want = x
    for which, factor in drawn:
        want = getattr(F, f"adjust_{names[which]}")(want, factor)
    assert np.array_equal(jitter.apply(x, drawn), want)
    assert T.ColorJitter(0.0, None, (1, 1)).draw(x, source()) == []


@pytest.mark.parametrize(
    "options,match",
    [
        ({"brightness": -1}, "brightness must not be negative, got -1"),
        ({"hue": 0.6}, "hue 0.6 is not within -0.5 to 0.5"),
        ({"hue": (-0.6, 0.1)}, r"hue \(-0.6, 0.1\) is not a range within -0.5 to 0.5"),
        ({"contrast": (2, 1)}, r"contrast \(2, 1\) is not a range"),
        ({"saturation": (0.5, 1, 2)}, "saturation wants two numbers"),
    ],
)
def test_jitter_refuses_what_it_cannot_draw(options, match):
    with pytest.raises(OptionError, match=match):
        T.ColorJitter(**options)


# -- erasing -------------------------------------------------------------------------------------
def test_erasing_keeps_to_scale_and_ratio():
    erasing, image = T.RandomErasing(1.0, (0.1, 0.2), (0.5, 2.0)), gradient(100, 150, 1)
    for seed in range(200):
        top, left, h, w, _ = erasing.draw(image, source(seed))
        assert 0 <= top <= 100 - h and 0 <= left <= 150 - w
        assert 0.095 <= h * w / 15_000 <= 0.205 and 0.47 <= h / w <= 2.12
    assert T.RandomErasing(1.0, (0.9, 0.9), (9, 9)).draw(image, source()) is None


def test_erasing_writes_its_value():
    sn.manual_seed(0)
    ones = np.ones((3, 30, 30), np.float32)
    out = T.RandomErasing(1.0, value=(0.1, 0.2, 0.3))(ones)
    hole = out[0] != 1
    assert 0.015 < hole.mean() < 0.35
    for c, value in enumerate((0.1, 0.2, 0.3)):
        assert np.allclose(out[c][hole], value) and np.all(out[c][~hole] == 1)
    noise = T.RandomErasing(1.0, (0.3, 0.33), value="random")(0 * ones)
    values = noise[noise != 0]
    assert abs(values.mean()) < 0.2 and abs(values.std() - 1) < 0.2
    levels = T.RandomErasing(1.0, (0.3, 0.33), value="random")(np.zeros((3, 30, 30), np.uint8))
    assert levels.max() > 200
    with pytest.raises(ShapeError, match="value has 2 numbers but the image has 3 channels"):
        T.RandomErasing(1.0, value=(1, 2))(ones)


def test_erasing_in_place_writes_into_every_image_of_a_batch():
    sn.manual_seed(0)
    batch = np.ones((4, 1, 20, 20), np.float32)
    assert T.RandomErasing(1.0, inplace=True)(batch) is batch
    assert all((image == 0).any() for image in batch)
    tensor = sn.ones(4, 1, 20, 20)
    assert T.RandomErasing(1.0, inplace=True)(tensor) is tensor
    assert all((image == 0).any() for image in tensor.numpy())
    kept = np.ones((4, 1, 20, 20), np.float32)
    T.RandomErasing(1.0)(kept)
    assert kept.min() == 1


# -- rotation and affine maps --------------------------------------------------------------------
def test_rotation_and_affine_draw_within_their_ranges():
    turn = T.RandomRotation((10, 40))
    assert all(10 <= turn.draw(None, source(s)) <= 40 for s in range(50))
    warp = T.RandomAffine(15, (0.1, 0.5), (0.5, 2.0), (-3, 3, 4, 5))
    for seed in range(100):
        angle, (dx, dy), scale, (sx, sy) = warp.draw(gradient(40, 100), source(seed))
        assert abs(angle) <= 15 and abs(dx) <= 10 and abs(dy) <= 20
        assert 0.5 <= scale <= 2 and -3 <= sx <= 3 and 4 <= sy <= 5
        assert isinstance(dx, int)
    assert T.RandomAffine(0).draw(gradient(), source()) == (0.0, [0, 0], 1.0, [0.0, 0.0])
    x = gradient()
    assert np.allclose(T.RandomAffine(0, interpolation="bilinear")(x), x, atol=1e-6)


def test_images_of_a_batch_that_come_out_in_different_sizes_are_refused():
    sn.manual_seed(0)
    turn = T.RandomRotation(45, expand=True)
    assert turn(gradient()).shape[0] == 3
    with pytest.raises(ShapeError, match="came out in different shapes"):
        turn(np.stack([gradient()] * 4))


@pytest.mark.parametrize(
    "make,match",
    [
        (lambda: T.RandomHorizontalFlip(1.5), "RandomHorizontalFlip: p 1.5 is not within 0 to 1"),
        (lambda: T.RandomApply([T.Identity()], -0.1), "RandomApply: p -0.1"),
        (lambda: T.RandomResizedCrop(8, ratio=(0, 1)), "ratio .* wants numbers above 0"),
        (lambda: T.RandomErasing(value="noise"), "value 'noise' is not a number or 'random'"),
        (lambda: T.RandomErasing(scale=(0.1, 1.2)), "scale .* is not a range within 0.0 to 1.0"),
        (lambda: T.RandomRotation(-3), "degrees must not be negative, got -3"),
        (lambda: T.RandomAffine(0, translate=(2, 0)), "translate wants two numbers in"),
        (lambda: T.GaussianBlur(4), "kernel_size wants odd positive numbers, got 4"),
        (lambda: T.GaussianBlur(3, (0, 1)), "sigma"),
        (lambda: T.RandomChoice([T.Identity()], [1, 2]), "want 1 weights"),
    ],
)
def test_options_out_of_range_are_refused(make, match):
    with pytest.raises(OptionError, match=match):
        make()


@pytest.mark.parametrize("kind", [T.RandomApply, T.RandomChoice, T.RandomOrder])
def test_nothing_to_choose_from_is_refused(kind):
    for wrong in ([], "no", [1]):
        with pytest.raises(DTypeError, match="at least one callable"):
            kind(wrong)


def test_what_is_no_image_is_refused():
    with pytest.raises(DTypeError, match="RandomHorizontalFlip: want a PIL image"):
        T.RandomHorizontalFlip()([1, 2])
    with pytest.raises(ShapeError, match=r"want an image of shape \(..., C, H, W\)"):
        T.RandomHorizontalFlip()(np.zeros((4, 4)))
