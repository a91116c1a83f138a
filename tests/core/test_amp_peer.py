"""autocast against PyTorch's on the CPU: types over its operator database, and a net in training."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import sensorium as sn
from sensorium.amp import _gates, _lists
from sensorium.nn import functional as F

BF16 = sn.bfloat16


def find(name):
    found = sn
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


class Bridge:
    """PyTorch's samples as ours, and the types of results."""

    def __init__(self, torch):
        self.torch = torch

    def ours(self, value):
        if isinstance(value, self.torch.Tensor):
            value = value.detach()
            low = value.dtype == self.torch.bfloat16
            tensor = sn.tensor((value.float() if low else value).resolve_conj().numpy())
            return tensor.to(BF16) if low else tensor
        if isinstance(value, self.torch.dtype):
            return getattr(sn, str(value).split(".")[1])
        return self.over(value, self.ours)

    def low(self, value):
        if isinstance(value, self.torch.Tensor):
            value = value.detach()
            return value.to(self.torch.bfloat16) if value.is_floating_point() else value
        return self.over(value, self.low)

    def over(self, value, change):
        if isinstance(value, (list, tuple)):
            return (list if isinstance(value, list) else tuple)(change(v) for v in value)
        return {k: change(v) for k, v in value.items()} if isinstance(value, dict) else value

    def types(self, value):
        if isinstance(value, (list, tuple)):
            return [t for v in value for t in self.types(v)]
        return [str(getattr(value, "dtype", type(value).__name__)).split(".")[-1]]


DIFFERS = {
    ("linalg.pinv", "float32"): "one op here; in PyTorch an SVD in float32, then products",
    ("masked.prod", "bfloat16"): "made of prod here",
}


@pytest.mark.peer
@pytest.mark.slow
def test_types_over_the_operator_database():
    """Two samples of every entry, in float32 and in bfloat16: the types PyTorch's autocast gives."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    from torch.testing._internal.common_methods_invocations import op_db

    bridge, differs, compared = Bridge(torch), {}, set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for entry in op_db:
            ours = find(entry.name)
            if not callable(ours) or entry.variant_test_name or torch.float32 not in entry.dtypes:
                continue
            for sample, _ in zip(entry.sample_inputs("cpu", torch.float32), range(2)):
                given = (sample.input, *sample.args), sample.kwargs
                for name, (args, options) in (
                    ("float32", given),
                    ("bfloat16", (bridge.low(given[0]), bridge.low(given[1]))),
                ):
                    try:
                        with torch.autocast("cpu"):
                            want = bridge.types(entry.op(*args, **options))
                        with sn.autocast("cpu"):
                            got = bridge.types(ours(*bridge.ours(args), **bridge.ours(options)))
                    except Exception:  # noqa: BLE001, S112  other tests' matter
                        continue
                    compared.add(entry.name.removeprefix("nn.functional."))
                    if got != want:
                        differs[entry.name, name] = (want, got)
    assert differs.keys() <= DIFFERS.keys(), differs
    listed = {n for n in _lists.policies() if _gates.functions_of(n)}
    assert len(compared) > 300 and len(listed & compared) > 80


@pytest.mark.peer
@pytest.mark.parametrize(
    ("name", "sizes", "options"),
    [
        ("poisson_nll_loss", [(4, 4), (4, 4)], {}),
        ("triplet_margin_loss", [(4, 4), (4, 4), (4, 4)], {}),
        ("margin_ranking_loss", [(4,), (4,), (4,)], {}),
        ("hinge_embedding_loss", [(4, 4), (4, 4)], {}),
        ("cosine_embedding_loss", [(2, 3), (2, 3), (2,)], {}),
        ("binary_cross_entropy", [(4, 4), (4, 4)], {}),
        ("binary_cross_entropy_with_logits", [(4, 4), (4, 4)], {}),
        ("soft_margin_loss", [(4, 4), (4, 4)], {}),
        ("huber_loss", [(4, 4), (4, 4)], {}),
        ("pad", [(2, 3, 5)], {"pad": (2, 2), "mode": "reflect"}),
        ("pad", [(2, 3, 5)], {"pad": (2, 2), "mode": "replicate"}),
        ("pad", [(2, 3, 5)], {"pad": (2, 2)}),
        ("avg_pool3d", [(1, 2, 4, 4, 4)], {"kernel_size": 2}),
        ("max_pool3d", [(1, 2, 4, 4, 4)], {"kernel_size": 2}),
        ("adaptive_avg_pool3d", [(1, 2, 4, 4, 4)], {"output_size": 2}),
        ("bilinear", [(3, 4), (3, 5), (2, 4, 5)], {}),
    ],
)
@pytest.mark.parametrize("low", [False, True])
def test_functions_beyond_the_database(name, sizes, options, low):
    torch = pytest.importorskip("torch")
    bridge = Bridge(torch)
    args = [torch.rand(*size) for size in sizes]
    args = bridge.low(args) if low else args
    with torch.autocast("cpu"):
        want = getattr(torch.nn.functional, name)(*args, **options)
    with sn.autocast("cpu"):
        got = getattr(F, name)(*bridge.ours(args), **options)
    assert bridge.types(got) == bridge.types(want)
    assert np.allclose(got.double().numpy(), want.double().numpy(), rtol=2e-2, atol=2e-2)


@pytest.mark.peer
def test_a_net_trained_in_bfloat16_follows_pytorch():
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    torch.manual_seed(0)

    def net(lib):
        nn = lib.nn
        return nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(128, 16), nn.LayerNorm(16), nn.GELU(), nn.Linear(16, 5),
        )  # fmt: skip

    theirs, ours = net(torch), net(sn)
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    x, y = torch.rand(12, 3, 8, 8), torch.arange(12) % 5
    losses = [
        trained(torch, theirs, x, y),
        trained(sn, ours, sn.tensor(x.numpy()), sn.tensor(y.numpy())),
    ]
    assert np.allclose(*losses, atol=4e-3) and losses[0][-1] < 0.05 * losses[0][0]
    for name, value in theirs.state_dict().items():
        assert ours.state_dict()[name].dtype == getattr(sn, str(value.dtype).split(".")[1])


def trained(lib, net, x, y):
    optimizer = lib.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        with lib.autocast("cpu"):
            out = net(x)
            loss = lib.nn.functional.cross_entropy(out, y)
        assert str(out.dtype).endswith("bfloat16") and str(loss.dtype).endswith("float32")
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses
