"""PyTorch's own database of optimisers: every configuration steps alike, every error is raised.

Set aside: SparseAdam (there are no sparse gradients here) and the configurations for other devices.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import sensorium as sn
from sensorium import optim

pytestmark = pytest.mark.peer

SET_ASIDE = {"SparseAdam"}
WANTED = 0.95


class Translated:
    """What is made of torch's tensors, as ours; the same parameter twice is the same twice."""

    def __init__(self, torch):
        self.torch, self.known = torch, {}

    def __call__(self, value):
        if isinstance(value, (list, tuple)):
            return type(value)(self(v) for v in value)
        if isinstance(value, dict):
            return {k: self(v) for k, v in value.items()}
        if isinstance(value, self.torch.Tensor):
            if id(value) not in self.known:
                self.known[id(value)] = self.tensor(value)
            return self.known[id(value)]
        return value

    def tensor(self, value):
        out = sn.tensor(value.detach().numpy())
        if isinstance(value, self.torch.nn.Parameter):
            out = sn.nn.Parameter(out)
        out.grad = None if value.grad is None else sn.tensor(value.grad.numpy())
        return out


def run(library, name, options):
    """The values of some parameters after 7 steps."""
    rng = np.random.default_rng(0)
    shapes = [(4, 3), (3, 5)] + [(5,), ()] * (name != "Muon")
    ps = [library.nn.Parameter(library.tensor(rng.normal(size=s))) for s in shapes]
    optimizer = getattr(library.optim, name)(ps, **options)

    def closure():
        optimizer.zero_grad()
        loss = sum(((p - 1) ** 2).sum() for p in ps)
        loss.backward()
        return loss

    for _ in range(7):
        optimizer.step(closure)
    return [p.detach().numpy() for p in ps]


def configurations(info):
    """The options of every configuration, with foreach where it can be chosen."""
    for inputs in info.optim_inputs_func("cpu"):
        yield inputs.kwargs
        if "foreach" in info.supported_impls:
            yield {**inputs.kwargs, "foreach": True}


def steps_alike(torch, name, options):
    ours, theirs = run(sn, name, Translated(torch)(options)), run(torch, name, options)
    # Muon computes in bfloat16; ASGD with foreach=True keeps its rate in another precision
    tolerance = 1e-2 if name == "Muon" else 2e-8 if name == "ASGD" else 1e-10
    return all(np.abs(a - b).max() <= tolerance for a, b in zip(ours, theirs))


def raises(torch, info, case):
    """Whether ours raises what PyTorch raises for one of its error inputs."""
    translated, inputs = Translated(torch), case.optimizer_error_input
    params = inputs.params
    if params is None:
        params = [torch.nn.Parameter(torch.ones(2, 3))]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            kind = getattr(optim, info.optim_cls.__name__)
            optimizer = kind(translated(params), **translated(inputs.kwargs))
            if case.error_on.name == "STEP_ERROR":
                optimizer.step()
    except case.error_type:
        return True
    return False


def test_at_least_95_percent_of_the_database_agree():
    torch = pytest.importorskip("torch")
    from torch.testing._internal.common_optimizers import optim_db

    results = {}
    for info in optim_db:
        name = info.optim_cls.__name__
        if name in SET_ASIDE:
            continue
        for options in configurations(info):
            results[f"{name} {options}"] = steps_alike(torch, name, options)
        for case in info.optim_error_inputs_func(device="cpu", dtype=torch.float32):
            label = f"{name} refuses: {case.optimizer_error_input.desc}"
            results[label] = raises(torch, info, case)
    failed = [label for label, passed in results.items() if not passed]
    share = 1 - len(failed) / len(results)
    print(f"optimizer database: {share:.1%} of {len(results)}; not: {failed}")
    assert len(results) > 200 and share >= WANTED, failed
