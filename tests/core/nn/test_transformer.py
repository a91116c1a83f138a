"""The transformer's layers: each is its formula from parts, and keeps what masks promise."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest

import sensorium as sn
from sensorium.errors import OptionError, ShapeError

nn = sn.nn
SMALL = {"dim_feedforward": 6, "dropout": 0.0, "batch_first": True}


def drawn(*shape, seed=0):
    return sn.tensor(np.random.default_rng(seed).normal(size=shape).astype("float32"))


def same(a, b):
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-5, atol=1e-5)


def feed(layer, x):
    return layer.linear2(nn.functional.gelu(layer.linear1(x)))


@pytest.mark.parametrize("grad", [True, False])
def test_an_encoder_layer_is_its_formula(grad):
    x = drawn(2, 3, 4)
    with sn.set_grad_enabled(grad):
        layer = nn.TransformerEncoderLayer(4, 2, activation="gelu", **SMALL)
        y = layer.norm1(x + layer.self_attn(x, x, x)[0])
        same(layer(x), layer.norm2(y + feed(layer, y)))
        layer.norm_first = True
        z = layer.norm1(x)
        y = x + layer.self_attn(z, z, z)[0]
        same(layer(x), y + feed(layer, layer.norm2(y)))


@pytest.mark.parametrize("grad", [True, False])
def test_a_decoder_layer_is_its_formula(grad):
    x, memory = drawn(2, 3, 4), drawn(2, 5, 4, seed=1)
    with sn.set_grad_enabled(grad):
        layer = nn.TransformerDecoderLayer(4, 2, activation=nn.functional.gelu, **SMALL)
        y = layer.norm1(x + layer.self_attn(x, x, x)[0])
        y = layer.norm2(y + layer.multihead_attn(y, memory, memory)[0])
        same(layer(x, memory), layer.norm3(y + feed(layer, y)))


def test_layers_of_a_stack_start_alike_and_live_apart():
    layer = nn.TransformerEncoderLayer(4, 2, **SMALL)
    stack = nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(4))
    first, second = stack.layers
    same(first.linear1.weight, second.linear1.weight)
    with sn.no_grad():
        first.linear1.weight.zero_()
    assert second.linear1.weight.any() and layer.linear1.weight.any()
    x = drawn(2, 3, 4)
    same(stack(x), stack.norm(second(first(x))))
    stack.norm = None
    same(stack(x), second(first(x)))


def test_a_causal_output_knows_nothing_of_later_places():
    model = nn.Transformer(4, 2, 1, 2, **SMALL).eval()
    src, tgt = drawn(2, 5, 4), drawn(2, 4, 4, seed=1)
    mask = model.generate_square_subsequent_mask(4)
    y = model(src, tgt, tgt_mask=mask)
    later = tgt.clone()
    later[:, 2:] = 9.0
    same(model(src, later, tgt_mask=mask)[:, :2], y[:, :2])
    same(model(src, tgt, tgt_mask=mask, tgt_is_causal=True), y)
    same(model(src, tgt[:, :2], tgt_mask=mask[:2, :2]), y[:, :2])
    assert not np.allclose(model(src, later)[:, :2].detach().numpy(), y[:, :2].detach().numpy())


def test_padding_is_not_seen():
    model = nn.Transformer(4, 2, 1, 1, **SMALL).eval()
    src, tgt = drawn(2, 5, 4), drawn(2, 3, 4, seed=1)
    padding = sn.tensor([[False, False, False, True, True]] * 2)
    y = model(src, tgt, src_key_padding_mask=padding, memory_key_padding_mask=padding)
    same(y, model(src[:, :3], tgt))


def test_the_causal_mask():
    mask = nn.Transformer.generate_square_subsequent_mask(3, dtype=sn.float64)
    never = -math.inf
    assert mask.tolist() == [[0, never, never], [0, 0, never], [0, 0, 0]]
    assert mask.dtype == sn.float64


def test_dropout_acts_in_training_only():
    layer, x = nn.TransformerEncoderLayer(4, 2, 6, dropout=0.5), drawn(3, 2, 4)
    assert not np.allclose(layer(x).detach().numpy(), layer(x).detach().numpy())
    layer.eval()
    same(layer(x), layer(x))


def test_custom_parts_are_used():
    class Echo(nn.Module):
        def forward(self, x, *args, **kwargs):
            return x

    model = nn.Transformer(4, 2, custom_encoder=Echo(), custom_decoder=Echo())
    tgt = drawn(3, 2, 4)
    assert model(drawn(5, 2, 4), tgt) is tgt


def test_a_module_as_activation_joins_the_layer():
    layer = nn.TransformerEncoderLayer(4, 2, activation=nn.Softplus(), **SMALL)
    assert "activation" in dict(layer.named_children())
    x = drawn(1, 2, 4)
    same(copy.deepcopy(layer)(x), layer(x))


def test_hooks_of_inner_layers_run_in_inference():
    layer, seen = nn.TransformerEncoderLayer(4, 2, **SMALL).eval(), []
    for part in (layer.linear1, layer.linear2, layer.norm1, layer.dropout, layer.self_attn):
        part.register_forward_hook(lambda module, args, output: seen.append(module))
    with sn.no_grad():
        layer(drawn(1, 2, 4))
    assert len(seen) == 5


def test_wrong_sizes_and_options_are_named():
    with pytest.raises(OptionError, match=r"TransformerEncoderLayer: activation .* got 'swish'"):
        nn.TransformerEncoderLayer(4, 2, activation="swish")
    model = nn.Transformer(4, 2, 1, 1, 6)
    with pytest.raises(ShapeError, match=r"one batch size, got src .5, 2, 4., tgt .5, 3, 4."):
        model(drawn(5, 2, 4), drawn(5, 3, 4))
    with pytest.raises(ShapeError, match=r"d_model=4 .*tgt .5, 2, 3."):
        model(drawn(5, 2, 4), drawn(5, 2, 3))
