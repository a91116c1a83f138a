"""Random functions of tensors: chains of ops on random shapes, drawn from a seed.

A ``Recipe`` is made by running it: each step is drawn among the ops that fit the values that are there.
Values stay between 1e-3 and 1e3 in size on the whole, and decisions (comparisons, arg max, rounding)
are taken on inputs only, so that rounding elsewhere cannot turn them over.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import sensorium as sn
import sensorium.nn.functional as F

FLOATS = ("float32", "float64")
SHAPES = [
    (2, 3, 8, 8), (1, 8, 5, 6), (2, 16, 12, 12), (3, 4, 1, 7), (2, 8, 10), (4, 1, 9), (1, 2, 5, 6, 4),
    (2, 7, 32), (1, 16, 64), (3, 1, 8), (2, 4, 16, 8), (5, 8), (1, 33), (64, 48), (7,), (1,), (),
    (0, 3), (2, 0, 4), (2, 3, 0, 5),
]  # fmt: skip
LARGE = [(2, 16, 20, 20), (1, 32, 14, 14), (2, 96, 64), (2, 4, 72, 16), (256, 48), (2, 8, 40, 33)]


class Recipe:
    """A function of tensors that does the same steps at every call."""

    def __init__(
        self, seed: int, steps: int = 8, dtype: str = "float32", shapes: Any = tuple(SHAPES)
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self.dtype, self.shapes = dtype, shapes
        self.inputs: list[np.ndarray] = []
        self.steps: list[tuple[str, Any, tuple[int, ...]]] = []
        self.values: list[Any] = []
        self.exact: list[bool] = []
        for _ in range(1 + self.chance(0.5) + self.chance(0.2)):
            self._input()
        with sn.no_grad():
            while len(self.steps) < steps:
                self._step()
        self.outs = self._outs()

    # -- drawing ---------------------------------------------------------------------------------
    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def pick(self, items: Any) -> Any:
        items = list(items)
        return items[int(self.rng.integers(len(items)))]

    def number(self, low: int, high: int) -> int:
        """Between low and high, both included."""
        return int(self.rng.integers(low, high + 1))

    def array(self, *shape: int, dtype: str = "") -> Any:
        """A constant tensor."""
        return sn.from_numpy(self._numbers(shape, dtype or self.dtype)).clone()

    def _numbers(self, shape: Any, dtype: str) -> np.ndarray:
        if dtype == "bool":
            return np.asarray(self.rng.random(shape) < 0.5)
        if dtype.startswith("int"):
            return self.rng.integers(-5, 6, shape).astype(dtype)
        return self.rng.normal(size=shape).astype(dtype)

    def _input(self) -> None:
        shape = self.pick(self.shapes)
        dtype = "int64" if self.inputs and self.chance(0.15) else self.dtype
        found = self._numbers(shape, dtype)
        if found.ndim == 4 and self.chance(0.3):  # channels-last memory
            found = np.ascontiguousarray(found.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        elif found.ndim >= 2 and self.chance(0.15):
            found = np.ascontiguousarray(found.swapaxes(-1, -2)).swapaxes(-1, -2)
        self.inputs.append(found)
        self.values.append(sn.from_numpy(found.copy(order="K")))
        self.exact.append(True)

    def _outs(self) -> list[int]:
        """The last value, and now and then others, views, inputs, the same twice."""
        outs = [len(self.values) - 1]
        while self.chance(0.4):
            outs.append(self.number(0, len(self.values) - 1))
        return outs

    # -- steps -----------------------------------------------------------------------------------
    def _step(self) -> None:
        last = len(self.values) - 1
        i = last if self.chance(0.7) else self.number(0, last)
        kind = self.pick(layers() if self.shapes is LARGE else KINDS)
        found = kind(self, self.values[i], i)
        if found is None:
            return
        function, others, exact = found
        self._take(kind.__name__, function, (i, *others), exact)

    def _take(self, name: str, function: Any, used: tuple[int, ...], exact: bool) -> None:
        made = function(*(self.values[j] for j in used))
        results = made if isinstance(made, tuple) else (made,)
        for result in results:
            array = np.asarray(result.array)
            large = array.size and array.dtype.kind == "f" and not np.abs(array).max() < 1e3
            if array.size > 200_000 or large:
                return
        self.steps.append((name, function, used))
        self.values += results
        self.exact += [exact and all(self.exact[j] for j in used)] * len(results)

    def other(self, like: Any) -> int | None:
        """A value of the same type that broadcasts with this one."""
        fitting = [
            j for j, v in enumerate(self.values)
            if v.dtype == like.dtype and _broadcasts(v.shape, like.shape)
        ]  # fmt: skip
        return self.pick(fitting) if fitting else None

    # -- running ---------------------------------------------------------------------------------
    def __call__(self, *tensors: Any) -> tuple[Any, ...]:
        values = list(tensors)
        for _, function, used in self.steps:
            made = function(*(values[j] for j in used))
            values += made if isinstance(made, tuple) else (made,)
        return tuple(values[i] for i in self.outs)

    def arguments(self, nudge: float = 0.0) -> list[Any]:
        """Tensors of the inputs; nudge: moved by about that much, relatively."""
        found = []
        for array in self.inputs:
            moved = np.array(array, order="K")
            if nudge and array.dtype.kind == "f":
                noise = np.random.default_rng(1).uniform(-nudge, nudge, array.shape)
                moved *= (1 + noise).astype(array.dtype)
            found.append(sn.from_numpy(moved))
        return found

    def __repr__(self) -> str:
        given = [f"{a.dtype}{list(a.shape)}" for a in self.inputs]
        steps = [f"{name}{used}" for name, _, used in self.steps]
        return f"inputs {given}; {' '.join(steps)}; out {self.outs}"


def _broadcasts(a: Any, b: Any) -> bool:
    return all(x == y or 1 in (x, y) for x, y in zip(reversed(a), reversed(b)))


def is_float(x: Any) -> bool:
    return x.dtype.kind == "f"


KINDS: list[Any] = []


def kind(times: int = 1) -> Any:
    """Register a kind of step: (recipe, x, its index) -> (function, other indices, exact) or None."""

    def add(function: Any) -> Any:
        KINDS.extend([function] * times)
        return function

    return add


# -- elementwise ---------------------------------------------------------------------------------
_UNARY = [
    sn.relu, sn.tanh, sn.sigmoid, sn.abs, sn.neg, sn.square, sn.sin, sn.sign, sn.exp, F.silu, F.mish,
    F.hardswish, F.relu6, F.elu, F.softplus, F.gelu, lambda x: F.gelu(x, approximate="tanh"),
    lambda x: F.leaky_relu(x, 0.1), lambda x: F.hardtanh(x, -0.5, 2.0), lambda x: x.clamp(-1, 1),
    lambda x: sn.sqrt(x.abs() + 1), lambda x: sn.log(x.abs() + 1), lambda x: sn.rsqrt(x * x + 1),
    lambda x: x.double().to(x.dtype), lambda x: x**2, lambda x: F.elu(x, 0.5),
]  # fmt: skip


@kind(5)
def unary(r: Recipe, x: Any, i: int) -> Any:
    return (r.pick(_UNARY), (), False) if is_float(x) else None


@kind(3)
def number(r: Recipe, x: Any, i: int) -> Any:
    if not is_float(x):
        n = r.number(-3, 3)
        return (
            r.pick([lambda x: x + n, lambda x: n - x, lambda x: x * n, lambda x: x / 2]),
            (),
            False,
        )
    n = r.pick([2, 0.5, -1.25, 0, 3.0])
    made = [lambda x: x + n, lambda x: n - x, lambda x: x * n, lambda x: n * x, lambda x: x - n,
            lambda x: x / (n or 2), lambda x: n / (x * x + 1), lambda x: sn.add(x, x, alpha=n)]  # fmt: skip
    return r.pick(made), (), False


_BINARY = [
    sn.add, sn.sub, sn.mul, sn.maximum, sn.minimum,
    lambda a, b: a / (b * b + 1), lambda a, b: sn.where(b.isfinite(), a, b), lambda a, b: sn.lerp(a, b, 0.25),
]  # fmt: skip


@kind(4)
def binary(r: Recipe, x: Any, i: int) -> Any:
    j = r.other(x)
    if j is None or x.dtype == sn.bool_:
        return None
    function = r.pick(_BINARY[:-1] if not is_float(x) else _BINARY)
    return (function, (j,), False) if r.chance(0.5) else (lambda a, b: function(b, a), (j,), False)


@kind(3)
def constant_operand(r: Recipe, x: Any, i: int) -> Any:
    shape = tuple(1 if r.chance(0.4) else n for n in x.shape)[r.number(0, len(x.shape)) :]
    other = r.array(*shape, dtype=x.dtype.name)
    if x.dtype == sn.bool_:
        return (lambda x: x ^ other), (), False
    function = r.pick(_BINARY[:-1])
    return r.pick([lambda x: function(x, other), lambda x: function(other, x)]), (), False


@kind()
def decide(r: Recipe, x: Any, i: int) -> Any:
    if not r.exact[i] or not is_float(x):
        return None
    return r.pick([lambda x: x > 0, lambda x: x.round(), lambda x: sn.where(x < 0, x * 2, 0.5),
                   lambda x: x.masked_fill(x > 0.5, -1.0), lambda x: (x > 0).to(x.dtype),
                   lambda x: sn.isnan(x) | (x <= 1), lambda x: x.floor()]), (), False  # fmt: skip


# -- shapes --------------------------------------------------------------------------------------
@kind(3)
def shape(r: Recipe, x: Any, i: int) -> Any:
    axes = [int(k) for k in r.rng.permutation(x.ndim)]
    end = x.ndim + 1
    made = [lambda x: x.reshape(-1), lambda x: x.permute(*axes), lambda x: x.unsqueeze(end - 1),
            lambda x: x.unsqueeze(0), lambda x: x.squeeze(), lambda x: x.contiguous(),
            lambda x: x.clone()]  # fmt: skip
    if x.ndim:
        d = r.number(-x.ndim, x.ndim - 1)
        made += [lambda x: x.transpose(d, 0), lambda x: x.flip(d), lambda x: x.roll(1, d),
                 lambda x: x.flatten(max(0, x.ndim - 2)), lambda x: x.expand(2, *x.shape)]  # fmt: skip
    return r.pick(made), (), True


@kind(3)
def part(r: Recipe, x: Any, i: int) -> Any:
    if not x.ndim or 0 in x.shape:
        return None
    d, n = (d := r.number(0, x.ndim - 1)), x.shape[d]
    k, step, rows = r.number(0, n - 1), r.number(1, 2), r.rng.integers(0, n, 3)
    ids = sn.tensor(rows)
    made = [lambda x: x.select(d, k), lambda x: x.narrow(d, k, n - k), lambda x: x[..., ::step],
            lambda x: x.index_select(d, ids), lambda x: x[k % x.shape[0]], lambda x: x[None, ..., :1],
            lambda x: tuple(x.split(max(1, n // 2), d)), lambda x: tuple(x.chunk(2, d)),
            lambda x: tuple(x.unbind(d)[:3])]  # fmt: skip
    if r.exact[i] and is_float(x):
        made += [lambda x: x.argmax(d), lambda x: sn.sort(x, dim=d)[0]]
    return r.pick(made), (), True


@kind(2)
def join(r: Recipe, x: Any, i: int) -> Any:
    alike = [j for j, v in enumerate(r.values) if v.shape == x.shape and v.dtype == x.dtype]
    j = r.pick(alike)
    if r.chance(0.4) or not x.ndim:
        return (lambda a, b: sn.stack([a, b, a], 0)), (j,), True
    d = r.number(-x.ndim, x.ndim - 1)
    return (lambda a, b: sn.cat([a, b], d)), (j,), True


@kind(2)
def reduce(r: Recipe, x: Any, i: int) -> Any:
    if x.dtype == sn.bool_ or 0 in x.shape:
        return None
    keep = r.chance(0.5)
    made = [lambda x: x.sum()]
    if x.ndim:
        d = r.number(-x.ndim, x.ndim - 1)
        made += [lambda x: x.sum(d, keepdim=keep), lambda x: x.amax(d, keepdim=keep),
                 lambda x: x.amin(d, keepdim=keep), lambda x: x.cumsum(d) * 1]  # fmt: skip
        if is_float(x):
            made += [lambda x: x.mean(d, keepdim=keep), lambda x: x.logsumexp(d),
                     lambda x: x.var(d, unbiased=False, keepdim=keep)]  # fmt: skip
    if is_float(x) and x.ndim == 4:
        made += [lambda x: x.mean((2, 3), keepdim=keep), lambda x: F.adaptive_avg_pool2d(x, 1)] * 2
    return r.pick(made), (), False


@kind(2)
def in_place(r: Recipe, x: Any, i: int) -> Any:
    if not is_float(x) or not x.ndim:
        return None

    def write(x: Any) -> Any:
        y = x.clone()
        y.mul_(0.5).add_(x)
        return y

    def write_part(x: Any) -> Any:
        y = x.clone()
        y[..., :1] = 0.25
        return y.relu_()

    return (
        r.pick([write, write_part, lambda x: sn.zeros_like(x).add_(x), lambda x: (x + 1).tanh_()]),
        (),
        False,
    )


# -- layers --------------------------------------------------------------------------------------
@kind(4)
def conv(r: Recipe, x: Any, i: int) -> Any:
    if not is_float(x) or not 3 <= x.ndim <= 5 or 0 in x.shape:
        return None
    channels, spatial = x.shape[1], x.shape[2:]
    groups = r.pick([g for g in (1, 1, 2, channels) if channels % g == 0])
    out = groups * r.pick([1, 2, 4])
    kernel = tuple(r.number(1, min(3, n)) for n in spatial)
    padding, stride = r.number(0, 1), r.number(1, 2)
    dilation = r.number(1, 2) if all(2 * (k - 1) + 1 <= n for k, n in zip(kernel, spatial)) else 1
    weight = r.array(out, channels // groups, *kernel, dtype=x.dtype.name) * 0.5
    bias = r.array(out, dtype=x.dtype.name) if r.chance(0.5) else None
    function = {3: F.conv1d, 4: F.conv2d, 5: F.conv3d}[x.ndim]
    return (lambda x: function(x, weight, bias, stride, padding, dilation, groups)), (), False


@kind(2)
def batch_norm(r: Recipe, x: Any, i: int) -> Any:
    if not is_float(x) or x.ndim < 2 or 0 in x.shape:
        return None
    c, d = x.shape[1], x.dtype.name
    mean, var = r.array(c, dtype=d), r.array(c, dtype=d).abs() + 0.5
    scale, shift = (r.array(c, dtype=d), r.array(c, dtype=d)) if r.chance(0.7) else (None, None)
    return (lambda x: F.batch_norm(x, mean, var, scale, shift, False)), (), False


@kind(2)
def product(r: Recipe, x: Any, i: int) -> Any:
    if not is_float(x) or x.ndim < 1 or x.shape[-1] == 0:
        return None
    k, n, d = x.shape[-1], r.pick([1, 4, 24, 40]), x.dtype.name
    weight, bias, scale = r.array(n, k, dtype=d), r.array(n, dtype=d), k**-0.5
    weight = weight * scale
    made = [lambda x: F.linear(x, weight), lambda x: F.linear(x, weight, bias),
            lambda x: x @ weight.t() + bias, lambda x: F.linear(x, weight, bias).relu()]  # fmt: skip
    if x.ndim >= 2:
        stack = r.array(*(1 if r.chance(0.5) else m for m in x.shape[:-2]), k, n, dtype=d)
        made += [lambda x: (x @ x.transpose(-1, -2)) * scale, lambda x: sn.matmul(x, stack) * scale,
                 lambda x: x.transpose(-1, -2) @ x * 0.1, lambda x: weight @ x.transpose(-1, -2)]  # fmt: skip
    return r.pick(made), (), False


@kind(2)
def norm(r: Recipe, x: Any, i: int) -> Any:
    if not is_float(x) or not x.ndim or x.shape[-1] < 2:
        return None
    n, d = x.shape[-1], x.dtype.name
    scale, shift = (r.array(n, dtype=d), r.array(n, dtype=d)) if r.chance(0.6) else (None, None)
    dim = r.number(-x.ndim, x.ndim - 1)
    made = [lambda x: F.layer_norm(x, (n,), scale, shift, 1e-2), lambda x: sn.softmax(x, -1),
            lambda x: F.log_softmax(x, -1)]  # fmt: skip
    if x.shape[dim]:
        made += [lambda x: sn.softmax(x, dim)]
    if x.ndim >= 3 and x.size and x.shape[1] % 2 == 0:
        made += [lambda x: F.group_norm(x, 2, eps=1e-2)]
    return r.pick(made), (), False


@kind(2)
def attention(r: Recipe, x: Any, i: int) -> Any:
    if not is_float(x) or not 3 <= x.ndim <= 4 or 0 in x.shape:
        return None
    rows, d = x.shape[-2], x.dtype.name
    seen = sn.tensor(np.tril(np.ones((rows, rows), bool)))
    added = r.array(rows, rows, dtype=d)
    call = F.scaled_dot_product_attention
    return r.pick([lambda x: call(x, x, x), lambda x: call(x, x * 0.5, x + 1, is_causal=True),
                   lambda x: call(x, x, x, attn_mask=seen), lambda x: call(x, x, x, attn_mask=added),
                   lambda x: call(x, x, x, scale=0.3)]), (), False  # fmt: skip


@kind(2)
def pool(r: Recipe, x: Any, i: int) -> Any:
    if not is_float(x) or x.ndim != 4 or min(x.shape) < 1 or min(x.shape[2:]) < 3:
        return None
    stride, padding = r.number(1, 2), r.number(0, 1)
    return r.pick([lambda x: F.max_pool2d(x, 3, stride, padding), lambda x: F.avg_pool2d(x, 2),
                   lambda x: F.avg_pool2d(x, 3, stride, padding), lambda x: F.adaptive_avg_pool2d(x, 2),
                   lambda x: F.interpolate(x, scale_factor=2)]), (), False  # fmt: skip


def layers() -> list[Any]:
    """All kinds, those that the engine has kernels for more often."""
    names = ["conv", "product", "norm", "attention", "pool", "conv_block", "token_block"]
    return [*KINDS, *[k for k in KINDS if k.__name__ in names] * 3]
