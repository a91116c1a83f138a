"""Blocks that networks are made of, as steps of the random functions of ``random_graphs.py``."""

from __future__ import annotations

from typing import Any

import sensorium as sn
import sensorium.nn.functional as F


def conv_block(r: Any, x: Any, i: int) -> Any:
    """Convolution, norm, activation, and what is added: before or after."""
    if x.dtype.kind != "f" or x.ndim != 4 or 0 in x.shape:
        return None
    c, d = x.shape[1], x.dtype.name
    k, groups = r.pick([1, 3]), r.pick([1, c])
    weight, mean = r.array(c, c // groups, k, k, dtype=d) * 0.3, r.array(c, dtype=d)
    var, scale, shift = mean.abs() + 0.5, r.array(c, dtype=d), r.array(c, dtype=d)
    act = r.pick([sn.relu, F.silu, F.hardswish, F.relu6, lambda x: x, F.gelu])

    def inner(x: Any) -> Any:
        y = F.conv2d(x, weight, None, 1, k // 2, 1, groups)
        return F.batch_norm(y, mean, var, scale, shift, False)

    def excited(x: Any) -> Any:
        y = act(inner(x))
        return y * sn.sigmoid(y.mean((2, 3), keepdim=True) * scale.reshape(-1, 1, 1))

    return r.pick([lambda x: act(inner(x)), lambda x: act(inner(x) + x), lambda x: x + act(inner(x)),
                   lambda x: act(inner(x)) + inner(x), excited]), (), False  # fmt: skip


def token_block(r: Any, x: Any, i: int) -> Any:
    """A feed-forward or an attention block of a transformer, normed before or after."""
    if x.dtype.kind != "f" or x.ndim != 3 or 0 in x.shape or x.shape[-1] % 4:
        return None
    n, length, e = x.shape
    d, heads = x.dtype.name, r.pick([1, 2, 4])
    wide, back = r.array(2 * e, e, dtype=d) * e**-0.5, r.array(e, 2 * e, dtype=d) * e**-0.5
    three, bias = r.array(3 * e, e, dtype=d) * e**-0.5, r.array(e, dtype=d)
    scale, act = r.array(e, dtype=d), r.pick([F.gelu, sn.relu, F.silu, sn.tanh])

    def norm(x: Any) -> Any:
        return F.layer_norm(x, (e,), scale, bias, 1e-2)

    def feed(x: Any) -> Any:
        return F.linear(act(F.linear(x, wide)), back, bias)

    def attend(x: Any) -> Any:
        q, k, v = (
            F.linear(x, three).reshape(n, length, 3, heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        )
        y = F.scaled_dot_product_attention(q, k, v)
        return y.transpose(1, 2).reshape(n, length, e)

    def written_out(x: Any) -> Any:
        q, k, v = (
            t.reshape(n, length, heads, -1).transpose(1, 2) for t in F.linear(x, three).chunk(3, -1)
        )
        weights = sn.softmax(q @ k.transpose(-1, -2) / (e // heads) ** 0.5, -1)
        return (weights @ v).transpose(1, 2).flatten(2)

    inner = r.pick([feed, attend, written_out])
    return r.pick([lambda x: x + inner(norm(x)), lambda x: norm(x + inner(x)), inner]), (), False


BLOCKS = [conv_block, token_block]
