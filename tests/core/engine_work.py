"""Every heavy operation once, forward and backward: what the tests of the engine's faults run.

``results(kind)`` computes on inputs that are always the same; in float64 no call reaches oneDNN, so that
is the reference. ``in_child`` runs code beside it in a process of its own, which has other
instructions, threads or no engine at all.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

import sensorium as sn
from sensorium import nn
from sensorium.nn import functional as F


def _conv(*shape, **options):
    return lambda x, w, b: F.conv2d(x, w, b, **options), (shape[0], shape[1], shape[1][:1])


def _transposed(*shape, **options):
    return lambda x, w: F.conv_transpose2d(x, w, **options), shape


def _attend(q, k, v):
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def _batch_norm(x, w, b):
    return F.batch_norm(x, None, None, w, b, training=True)


FUNCTIONS = {  # name: (function, shapes of what it takes)
    "conv": _conv((2, 16, 13, 12), (32, 16, 3, 3), padding=1),
    "conv first": _conv((2, 3, 33, 31), (16, 3, 7, 7), stride=2, padding=3),
    "conv grouped": _conv((2, 32, 9, 9), (32, 8, 3, 3), groups=4, padding=1),
    "conv depthwise": _conv((2, 24, 12, 12), (24, 1, 3, 3), groups=24, stride=2, padding=1),
    "conv dilated": _conv((2, 16, 15, 15), (16, 16, 3, 3), dilation=2, padding=2),
    "conv 1x1 strided": _conv((2, 64, 9, 9), (48, 64, 1, 1), stride=2),
    "conv1d": (lambda x, w: F.conv1d(x, w, padding=2), ((2, 12, 40), (20, 12, 5))),
    "conv3d": (lambda x, w: F.conv3d(x, w, padding=1), ((1, 8, 6, 7, 8), (16, 8, 3, 3, 3))),
    "transposed": _transposed((2, 16, 9, 9), (16, 24, 3, 3), stride=2, padding=1),
    "transposed grouped": _transposed((2, 16, 9, 9), (16, 6, 4, 4), stride=2, groups=2),
    "linear": (F.linear, ((4, 24, 96), (130, 96), (130,))),
    "matmul": (lambda a, b: a @ b.transpose(1, 2), ((6, 50, 64), (6, 40, 64))),
    "attention": (_attend, ((2, 4, 60, 16),) * 3),
    "layer norm": (lambda x, w, b: F.layer_norm(x, (96,), w, b), ((2, 20, 96), (96,), (96,))),
    "batch norm": (_batch_norm, ((4, 24, 9, 9), (24,), (24,))),
    "max pool": (lambda x: F.max_pool2d(x, 3, 2, 1), ((2, 20, 15, 15),)),
    "avg pool": (lambda x: F.avg_pool2d(x, 3, 2, 1), ((2, 20, 15, 15),)),
    "softmax": (lambda x: F.softmax(x, -1), ((4, 30, 70),)),
    "log softmax": (lambda x: F.log_softmax(x, 1), ((4, 30, 70),)),
    "gelu": (F.gelu, ((2, 40, 200),)),
    "gelu tanh": (lambda x: F.gelu(x, approximate="tanh"), ((2, 40, 200),)),
    "silu": (F.silu, ((2, 40, 200),)),
    "relu": (F.relu, ((2, 40, 200),)),
    "tanh": (sn.tanh, ((2, 40, 200),)),
    "sum of products": (lambda a, b: a * b + a, ((400, 300), (400, 300))),
}


class ConvNet(nn.Module):
    """Convolutions with batch norm and a residual, pooled to ten classes."""

    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32)
        self.depth, self.point = nn.Conv2d(32, 32, 3, padding=1, groups=32), nn.Conv2d(32, 32, 1)
        self.last = nn.Linear(32, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.norm(self.first(x))), 2)
        return self.last(F.relu(x + self.point(self.depth(x))).mean((2, 3)))


MODULES = {  # name: (how to build it, shape of what it takes)
    "lstm": (lambda: nn.LSTM(24, 32, num_layers=2, bidirectional=True), (9, 4, 24)),
    "gru": (lambda: nn.GRU(24, 32, num_layers=2), (9, 4, 24)),
    "convnet": (ConvNet, (2, 3, 24, 24)),
    "transformer": (lambda: nn.TransformerEncoderLayer(64, 4, 256, 0.0, "gelu"), (20, 2, 64)),
}
NAMES = (*FUNCTIONS, *MODULES)


def _differentiated(y, leaves, rng, kind):
    """The first result and the gradients of its product with random numbers."""
    y = y[0] if isinstance(y, tuple) else y
    g = sn.tensor(rng.standard_normal(tuple(y.shape)).astype(np.float32).astype(kind))
    return [v.detach().numpy() for v in (y, *sn.autograd.grad(y, leaves, g))]


def inputs(shapes, rng, kind):
    values = [rng.standard_normal(shape).astype(np.float32).astype(kind) for shape in shapes]
    return [sn.tensor(v, requires_grad=True) for v in values]


def build(name, kind="float32"):
    """The module of that name with the parameters it always has."""
    sn.manual_seed(7)
    module = MODULES[name][0]()
    return module.double() if kind == "float64" else module


def result(name, kind="float32", module=None):
    """[y, gradients ...] of one operation: with respect to its inputs, then to its parameters."""
    rng = np.random.default_rng(len(name))
    if name in FUNCTIONS:
        function, shapes = FUNCTIONS[name]
        given = inputs(shapes, rng, kind)
        return _differentiated(function(*given), given, rng, kind)
    module = module or build(name, kind)
    given = inputs([MODULES[name][1]], rng, kind)
    return _differentiated(module(*given), [*given, *module.parameters()], rng, kind)


def results(kind="float32", names=NAMES):
    """{"name 0": y, "name 1": its first gradient, ...}."""
    return {f"{n} {i}": v for n in names for i, v in enumerate(result(n, kind))}


def differences(got, want, forward=1e-5, gradient=1e-4):
    """What is further from its reference than allowed, relative to the largest element of it."""
    wrong = {}
    for key, value in want.items():
        scale = np.abs(value).max()
        error = np.abs(got[key].astype(np.float64) - value).max() / scale
        if not error <= (forward if key.endswith(" 0") else gradient):
            wrong[key] = float(error)
    return wrong


SETTINGS = ("OMP_", "GOMP_", "ONEDNN_", "DNNL_", "OPENBLAS_", "SENSORIUM_ONEDNN", "MALLOC_")


def in_child(code, timeout=120, **environment):
    """What a new process prints that runs this code with ``work`` (this file) at hand.

    It uses one thread unless told; an environment of None takes a variable away.
    """
    clean = {k: v for k, v in os.environ.items() if not k.startswith(SETTINGS)}
    clean |= {"OMP_NUM_THREADS": "1"} | environment
    start = (
        f"import sys; sys.path.append({str(Path(__file__).parent)!r})\nimport engine_work as work\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", "import numpy as np, os\n" + start + code],
        capture_output=True,
        text=True,
        env={k: v for k, v in clean.items() if v is not None},
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, f"status {done.returncode}: {done.stderr[-2000:]}"
    return done.stdout.strip()
