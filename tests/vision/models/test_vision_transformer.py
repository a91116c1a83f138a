"""ViT: images as sets of patches, its start, states of other sizes and of old, what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

import sensorium as sn
from sensorium import nn
from sensorium.errors import OptionError, ShapeError, StateDictError
from sensorium.nn import init
from sensorium.vision import models
from sensorium.vision.models.vision_transformer import (
    ConvStemConfig,
    EncoderBlock,
    interpolate_embeddings,
)


def tiny(image_size=32, **options):
    """8 x 8 patches, two blocks, a head that is not 0."""
    sn.manual_seed(0)
    model = models.VisionTransformer(image_size, 8, 2, 2, 16, 32, num_classes=5, **options)
    init.normal_(model.heads.head.weight)
    return model.eval()


def patches(x, order):
    """x (N, 3, 32, 32) with its sixteen patches in another order."""
    n = len(x)
    cut = x.reshape(n, 3, 4, 8, 4, 8).permute(0, 2, 4, 1, 3, 5).reshape(n, 16, 3, 8, 8)[:, order]
    return cut.reshape(n, 4, 4, 3, 8, 8).permute(0, 3, 1, 4, 2, 5).reshape(n, 3, 32, 32)


def test_without_positions_the_order_of_patches_does_not_matter():
    model, x = tiny(), sn.randn(2, 3, 32, 32)
    moved = patches(x, np.random.default_rng(0).permutation(16))
    with sn.no_grad():
        assert abs(model(moved) - model(x)).max() > 1e-3
        init.zeros_(model.encoder.pos_embedding)
        np.testing.assert_allclose(model(moved).numpy(), model(x).numpy(), atol=1e-5)


def test_the_fused_steps_equal_the_modules():
    model, x = tiny(), sn.randn(2, 3, 32, 32)
    wanted = model(x).detach()  # gradients are wanted: nothing is fused
    with sn.no_grad():
        np.testing.assert_allclose(model(x).numpy(), wanted.numpy(), atol=1e-6)
        model.encoder.layers[0].mlp.register_forward_hook(lambda module, args, y: 0 * y)
        assert abs(model(x).numpy() - wanted.numpy()).max() > 1e-3


def test_dropout_is_for_training_only():
    model, x = tiny(dropout=0.5, attention_dropout=0.5), sn.randn(1, 3, 32, 32)
    assert sn.equal(model(x), model(x))
    model.train()
    assert not sn.equal(model(x), model(x))


def test_the_start():
    sn.manual_seed(0)
    model = models.VisionTransformer(32, 8, 1, 4, 64, 256, representation_size=128)
    block = model.encoder.layers.encoder_layer_0
    stds = {
        model.conv_proj.weight: math.sqrt(1 / (3 * 64)),
        model.encoder.pos_embedding: 0.02,
        block.mlp[0].weight: math.sqrt(2 / (64 + 256)),
        block.mlp[0].bias: 1e-6,
        block.self_attention.in_proj_weight: math.sqrt(2 / (64 + 192)),
        model.heads.pre_logits.weight: math.sqrt(1 / 64),
    }
    for parameter, std in stds.items():
        assert parameter.std().item() == pytest.approx(std, rel=0.12)
    zeros = (model.class_token, model.conv_proj.bias, model.heads.head.weight)
    assert all((parameter == 0).all() for parameter in zeros)
    assert block.ln_1.eps == 1e-6 and [*dict(model.heads.named_children())] == [
        "pre_logits", "act", "head",
    ]  # fmt: skip


def test_a_stem_of_convolutions_takes_the_place_of_the_patches():
    configs = [ConvStemConfig(8, 3, 2), ConvStemConfig(16, 3, 2), ConvStemConfig(16, 3, 2)]
    model = tiny(conv_stem_configs=configs).train()
    assert "conv_proj.conv_bn_relu_1.0.weight" in model.state_dict()
    model(sn.randn(2, 3, 32, 32)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


# -- states --------------------------------------------------------------------------------------
def old(state):
    """The keys of version 1 of the small network."""
    names = (("mlp.0.", "mlp.linear_1."), ("mlp.3.", "mlp.linear_2."))
    for new, former in names:
        state = {key.replace(new, former): value for key, value in state.items()}
    return state


def test_keys_of_old_are_renamed():
    model, other = tiny(), tiny()
    state = {key: sn.randn(*value.shape) for key, value in model.state_dict().items()}
    assert any("linear_1" in key for key in old(state))
    model.load_state_dict(state)
    other.load_state_dict(old(state))
    x = sn.randn(1, 3, 32, 32)
    assert sn.equal(model(x), other(x))


def test_a_state_of_today_with_keys_of_old_is_refused():
    model = tiny()
    state = model.state_dict()
    changed = type(state)(old(state))
    changed._metadata = state._metadata
    with pytest.raises(StateDictError, match=r"(?s)missing.*mlp\.0\.weight.*linear_1"):
        model.load_state_dict(changed)


def test_positions_are_resized_along_height_and_width():
    across = np.linspace(0, 1, 4, dtype=np.float32)
    grid = np.stack(np.meshgrid(across, 2 * across, indexing="ij"), -1).reshape(1, 16, 2)
    token = np.full((1, 1, 2), 7, np.float32)
    state = tiny().state_dict() | {"encoder.pos_embedding": np.concatenate([token, grid], 1)}
    resized = interpolate_embeddings(56, 8, state, "bilinear", reset_heads=True)
    got = resized["encoder.pos_embedding"].numpy()
    across = np.linspace(0, 1, 7)
    wanted = np.stack(np.meshgrid(across, 2 * across, indexing="ij"), -1).reshape(49, 2)
    np.testing.assert_allclose(got[0, 1:], wanted, atol=1e-6)
    assert (got[0, 0] == 7).all() and not any(key.startswith("heads") for key in resized)
    assert interpolate_embeddings(32, 8, state, reset_heads=True).keys() == state.keys()


def test_a_state_for_small_images_is_read_for_larger_ones():
    model = tiny(image_size=48)
    model.load_state_dict(interpolate_embeddings(48, 8, tiny().state_dict()))
    assert model(sn.randn(1, 3, 48, 48)).shape == (1, 5)


# -- what is refused -----------------------------------------------------------------------------
@pytest.mark.parametrize("shape", [(1, 3, 32, 40), (1, 3, 40, 32), (3, 32, 32), (1, 3, 224, 224)])
def test_images_of_another_size_are_refused(shape):
    said = r"want images \(N, 3, 32, 32\), got \(" + ", ".join(map(str, shape)) + r"\).*image_size="
    with pytest.raises(ShapeError, match=said):
        tiny()(sn.zeros(*shape))


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: tiny(image_size=30), OptionError, "multiple of patch_size, got 30 and 8"),
        (
            lambda: EncoderBlock(2, 8, 8, 0.0, 0.0)(sn.zeros(1, 8)),
            ShapeError,
            r"EncoderBlock: want \(N, T, hidden_dim\), got \(1, 8\)",
        ),
        (
            lambda: interpolate_embeddings(8, 8, {"encoder.pos_embedding": sn.zeros(1, 4, 8)}),
            ShapeError,
            r"1 \+ a square, E\), got \(1, 4, 8\)",
        ),
        (lambda: models.vit_b_16(hidden_dim=100), OptionError, "100 and 12"),
    ],
)
def test_what_does_not_fit_is_named(call, error, said, cheap_init):
    with pytest.raises(error, match=said):
        call()


def test_layers_that_were_exchanged_are_used():
    model, x = tiny(), sn.randn(1, 3, 32, 32)
    with sn.no_grad():
        before = model(x)
        model.encoder.layers[1].mlp[1] = nn.ReLU()
        assert not sn.equal(model(x), before)
