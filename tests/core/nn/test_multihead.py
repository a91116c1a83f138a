"""MultiheadAttention: against its sums written out, and by what masks and extra keys must do."""

from __future__ import annotations

import math

import numpy as np
import pytest

import sensorium as sn
from sensorium.errors import DTypeError, OpError, OptionError, ShapeError

F = sn.nn.functional


def drawn(*shape, seed=0):
    return sn.tensor(np.random.default_rng(seed).normal(size=shape))


def module(*args, seed=1, **kwargs):
    """A float64 MultiheadAttention in evaluation, all its parameters drawn, biases too."""
    made = sn.nn.MultiheadAttention(*args, **kwargs).double().eval()
    for i, (_, p) in enumerate(made.named_parameters()):
        p.requires_grad_(False)
        p.copy_(drawn(*p.shape, seed=seed + i))
    return made


def slow_attention(attention, query, key, value, allowed):
    """Output (L, E) and weights (heads, L, S) of one sample, one number at a time."""
    e, heads = attention.embed_dim, attention.num_heads
    weights = attention.in_proj_weight.numpy().reshape(3, e, e)
    biases = attention.in_proj_bias.numpy().reshape(3, e)
    q, k, v = (
        [[math.fsum(row * x) + b for row, b in zip(w, bias)] for x in given]
        for w, bias, given in zip(weights, biases, (query, key, value))
    )
    size, root = e // heads, math.sqrt(e / heads)
    shares = np.zeros((heads, len(query), len(key)))
    joined = np.zeros((len(query), e))
    for h, i in np.ndindex(heads, len(query)):
        cut = slice(h * size, (h + 1) * size)
        powers = [
            allowed[i][j] * math.exp(math.fsum(a * b for a, b in zip(q[i][cut], row[cut])) / root)
            for j, row in enumerate(k)
        ]
        shares[h, i] = np.array(powers) / math.fsum(powers)
        for share, row in zip(shares[h, i], v):
            joined[i, cut] += share * np.array(row[cut])
    out, bias = attention.out_proj.weight.numpy(), attention.out_proj.bias.numpy()
    return np.array([[math.fsum(w * x) + b for w, b in zip(out, bias)] for x in joined]), shares


def test_it_is_its_sums():
    attention = module(4, 2, batch_first=True)
    q, k, v = drawn(2, 3, 4), drawn(2, 5, 4, seed=2), drawn(2, 5, 4, seed=3)
    barred = np.random.default_rng(4).random((3, 5)) < 0.3
    y, weights = attention(q, k, v, attn_mask=sn.tensor(barred), average_attn_weights=False)
    for n in range(2):
        given = [x.numpy()[n] for x in (q, k, v)]
        want, shares = slow_attention(attention, *given, ~barred)
        np.testing.assert_allclose(y.numpy()[n], want, rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(weights.numpy()[n], shares, rtol=1e-11, atol=1e-12)


def same(a, b):
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-11, atol=1e-12)


def test_weights_sum_to_one_and_are_averaged_over_heads():
    attention, x = module(6, 3), drawn(4, 2, 6)
    each = attention(x, x, x, average_attn_weights=False)[1]
    same(each.sum(-1), sn.ones(2, 3, 4, dtype=sn.float64))
    same(attention(x, x, x)[1], each.mean(1))
    assert attention(x, x, x, need_weights=False)[1] is None


@pytest.mark.parametrize("extra", [{}, {"add_bias_kv": True}, {"add_zero_attn": True}])
def test_asking_for_weights_changes_nothing(extra):
    attention, x = module(6, 3, **extra), drawn(4, 2, 6)
    mask, padding = drawn(6, 4, 4), sn.tensor([[False] * 4, [False, True, True, False]])
    for options in ({}, {"attn_mask": mask}, {"attn_mask": mask, "key_padding_mask": padding}):
        want = attention(x, x, x, **options)[0]
        same(attention(x, x, x, need_weights=False, **options)[0], want)


def test_layouts_agree():
    first, x = module(4, 2, batch_first=True), drawn(3, 5, 4)
    second = module(4, 2)
    y, weights = first(x, x, x)
    turned = x.transpose(0, 1)
    z, same_weights = second(turned, turned, turned)
    same(z.transpose(0, 1), y), same(same_weights, weights)
    for attention in (first, second):  # without a batch the flag means nothing
        alone, its_weights = attention(x[0], x[0], x[0])
        same(alone, y[0]), same(its_weights, weights[0])


def test_shared_and_separate_inputs_agree():
    attention, x = module(4, 2), drawn(5, 3, 4)
    want = attention(x, x, x)[0]
    same(attention(x, x.clone(), x.clone())[0], want)  # three products in place of one
    memory = x.clone()
    same(attention(x, memory, memory)[0], want)  # two


def test_separate_projections_are_the_packed_ones():
    packed, x = module(4, 2), drawn(3, 2, 4)
    q, k, v = packed.in_proj_weight.chunk(3)
    y = F.multi_head_attention_forward(
        x, x, x, 4, 2, None, packed.in_proj_bias, None, None, False, 0.0,
        packed.out_proj.weight, packed.out_proj.bias, use_separate_proj_weight=True,
        q_proj_weight=q, k_proj_weight=k, v_proj_weight=v,
    )[0]  # fmt: skip
    same(y, packed(x, x, x)[0])


def test_a_barred_key_is_as_if_absent():
    attention, x = module(4, 2, batch_first=True), drawn(2, 5, 4)
    padding = sn.tensor([[False, False, False, True, True]] * 2)
    y, weights = attention(x, x, x, key_padding_mask=padding)
    want, fewer = attention(x, x[:, :3], x[:, :3])
    same(y, want), same(weights[:, :, :3], fewer)
    assert not weights[:, :, 3:].any()


def test_masks_of_both_kinds_mean_the_same():
    attention, x = module(4, 2, batch_first=True), drawn(2, 3, 4)
    barred = sn.tensor([[False, True, True], [False, False, True], [True, False, False]])
    added = sn.zeros(3, 3, dtype=sn.float64).masked_fill(barred, -math.inf)
    want = attention(x, x, x, attn_mask=barred)[0]
    per_head = barred.expand(4, 3, 3)
    for mask in (added, added.float(), per_head, added.expand(4, 3, 3)):
        same(attention(x, x, x, attn_mask=mask)[0], want)
    padding = sn.tensor([[False, False, True]] * 2)
    number = sn.zeros(2, 3).masked_fill(padding, -math.inf)
    both = attention(x, x, x, attn_mask=barred, key_padding_mask=padding)[0]
    same(attention(x, x, x, attn_mask=added, key_padding_mask=padding)[0], both)
    same(attention(x, x, x, attn_mask=barred, key_padding_mask=number)[0], both)


def test_the_causal_hint_stands_for_the_causal_mask():
    attention, x = module(4, 2, batch_first=True), drawn(2, 5, 4)
    mask = sn.nn.Transformer.generate_square_subsequent_mask(5)
    want = attention(x, x, x, attn_mask=mask)[0]
    for needed in (True, False):
        same(attention(x, x, x, attn_mask=mask, is_causal=True, need_weights=needed)[0], want)
    changed = x.clone()
    changed[:, 3:] = 7.0
    same(attention(changed, changed, changed, attn_mask=mask)[0][:, :3], want[:, :3])


def test_a_query_without_keys_gives_nan_or_the_bias():
    attention, x = module(4, 2), drawn(3, 1, 4)
    mask = sn.tensor([[False, False, False], [True, True, True], [False, True, True]])
    y, weights = attention(x, x, x, attn_mask=mask)
    assert y.isnan().all(-1).flatten().tolist() == [False, True, False]
    assert weights.isnan().all(-1).flatten().tolist() == [False, True, False]
    same(attention(x, x, x, attn_mask=mask, need_weights=False)[0][1, 0], attention.out_proj.bias)


def test_a_zero_key_takes_its_share():
    attention, x = module(4, 1, add_zero_attn=True), drawn(3, 1, 4)
    weights = attention(x, x, x)[1]
    q, k, _ = F.linear(x, attention.in_proj_weight, attention.in_proj_bias)[:, 0].chunk(3, -1)
    scores = sn.cat([q @ k.t() / 2, sn.zeros(3, 1, dtype=sn.float64)], 1)
    same(weights[0], scores.softmax(-1))


def test_static_keys_replace_projected_ones():
    attention, x = module(4, 2), drawn(3, 2, 4)
    keys, values = drawn(4, 6, 2, seed=5), drawn(4, 6, 2, seed=6)
    weights = (attention.in_proj_weight, attention.in_proj_bias, None, None, False, 0.0)
    out = (attention.out_proj.weight, attention.out_proj.bias)
    y, shares = F.multi_head_attention_forward(
        x, x, x, 4, 2, *weights, *out, static_k=keys, static_v=values
    )
    assert shares.shape == (2, 3, 6)
    q = F.linear(x, attention.in_proj_weight[:4], attention.in_proj_bias[:4])
    q = q.reshape(3, 4, 2).transpose(0, 1)
    joined = F.scaled_dot_product_attention(q, keys, values).transpose(0, 1).reshape(3, 2, 4)
    same(y, attention.out_proj(joined))


def test_dropout_drops_weights_in_training_only():
    attention, x = sn.nn.MultiheadAttention(4, 2, dropout=0.5), sn.ones(64, 2, 4)
    weights = attention(x, x, x, average_attn_weights=False)[1]
    values = np.unique(weights.detach().numpy().round(6))
    assert values.tolist() == pytest.approx([0, 2 / 64], abs=1e-5)
    assert not (attention.eval()(x, x, x)[1] == 0).any()


def test_parameters_start_as_xavier_says():
    attention = sn.nn.MultiheadAttention(64, 4)
    bound = math.sqrt(6 / (64 + 192))  # the packed weight is one matrix (192, 64)
    assert bound * 0.98 < attention.in_proj_weight.abs().max().item() <= bound
    assert not attention.in_proj_bias.any() and not attention.out_proj.bias.any()
    assert attention.out_proj.weight.abs().max().item() <= 1 / 8  # Linear's own start


X = sn.zeros(3, 2, 4)
ERRORS = [
    (ShapeError, "3 dimensions.*query \\(3, 2, 4\\), key \\(2, 4\\)", (X, X[0], X[0]), {}),
    (ShapeError, "4 numbers a place, got \\(3, 2, 5\\)", (sn.zeros(3, 2, 5), X, X), {}),
    (ShapeError, "one batch.*key \\(3, 1, 4\\)", (X, X[:, :1], X[:, :1]), {}),
    (ShapeError, "one length.*value \\(2, 2, 4\\)", (X, X, X[:2]), {}),
    (ShapeError, "\\(2, 3\\), got \\(3, 2\\)", (X, X, X), {"key_padding_mask": sn.zeros(3, 2)}),
    (ShapeError, "2 dimensions for a query of 3", (X, X, X), {"key_padding_mask": sn.zeros(3)}),
    (
        ShapeError,
        "\\(3, 3\\) or \\(4, 3, 3\\), got \\(3, 2\\)",
        (X, X, X),
        {"attn_mask": X[:, :, 0]},
    ),
    (DTypeError, "attn_mask is int64", (X, X, X), {"attn_mask": sn.zeros(3, 3, dtype=sn.int64)}),
    (OpError, "attn_mask must be given, got None", (X, X, X), {"is_causal": True}),
]


@pytest.mark.parametrize(("kind", "message", "inputs", "options"), ERRORS)
def test_wrong_inputs_are_named(kind, message, inputs, options):
    with pytest.raises(kind, match=f"multi_head_attention_forward: .*{message}"):
        sn.nn.MultiheadAttention(4, 2)(*inputs, **options)


def test_wrong_options_are_named():
    with pytest.raises(OptionError, match="multiple of num_heads, got 5 and 2"):
        sn.nn.MultiheadAttention(5, 2)
    with pytest.raises(OptionError, match="positive, got 4 and 0"):
        sn.nn.MultiheadAttention(4, 0)


def functional(**changes):
    options = {
        "in_proj_weight": sn.zeros(12, 4), "in_proj_bias": None, "bias_k": None, "bias_v": None,
        "add_zero_attn": False, "dropout_p": 0.0, "out_proj_weight": sn.zeros(4, 4),
        "out_proj_bias": None, **changes,
    }  # fmt: skip
    return F.multi_head_attention_forward(X, X, X, 4, 2, **options)


@pytest.mark.parametrize(
    ("message", "changes"),
    [
        ("only bias_k", {"bias_k": sn.zeros(4)}),
        ("cannot be appended", {k: sn.zeros(4) for k in ("bias_k", "bias_v", "static_k")}),
        ("static_k must be \\(4, S, 2\\), got \\(4,\\)", {"static_k": sn.zeros(4)}),
        ("use_separate_proj_weight=False wants in_proj_weight", {"in_proj_weight": None}),
        ("use_separate_proj_weight=True wants q_", {"use_separate_proj_weight": True}),
    ],
)
def test_wrong_functional_arguments_are_named(message, changes):
    with pytest.raises(OpError, match=message):
        functional(**changes)
