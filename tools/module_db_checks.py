"""What ``module_db.py`` checks of one sample: PyTorch's module and ours, side by side.

``Pair`` makes the two; ``CHECKS`` lists the checks, each of which raises ``Mismatch``.
"""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import op_db_compare as compare
import op_db_gradient as gradient
import torch
from op_db_compare import Mismatch, flat, values
from torch_twin import Copier, array_of, name_of, our_constant, resolved, to_torch

import sensorium as sn

WITHIN = {"float32": 1e-5, "float64": 1e-8, "complex128": 1e-8}
"""Of the largest element, or of 1."""


# -- one sample ------------------------------------------------------------------------------------
class Pair:
    """PyTorch's module and ours, made with the arguments of one sample and of one state."""

    def __init__(self, info: Any, sample: Any, dtype: str, training: bool) -> None:
        self.info, self.sample, self.dtype, self.training = info, sample, dtype, training
        given = sample.constructor_input
        torch.manual_seed(0)
        sn.manual_seed(0)
        self.theirs = info.module_cls(*given.args, **given.kwargs).to(getattr(torch, dtype))
        args, kwargs = to_ours()(given.args), to_ours()(given.kwargs)
        self.ours = resolved(info.name)(*args, **kwargs).to(getattr(sn, dtype))
        for module in (self.theirs, self.ours):
            module.train(training)
        if info.is_lazy:  # parameters have no shape before the first call
            self.call(True)
            self.call(False)

    def arguments(self, ours: bool, gradients: bool = False) -> tuple[Any, Any, list[Any]]:
        """Fresh forward arguments of one library, and those that want a gradient."""
        copier = (to_ours if ours else to_torch)(gradients)
        given = self.sample.forward_input
        return copier(given.args), copier(given.kwargs), copier.leaves

    def call(self, ours: bool, module: Any = None) -> Any:
        """One library's output, with gradients enabled as in PyTorch's own tests of modules.

        Without them its Transformer layers take another way, which leaves zeros where tokens are
        padding.
        """
        args, kwargs, _ = self.arguments(ours)
        return (module or (self.ours if ours else self.theirs))(*args, **kwargs)


def to_ours(gradients: bool = False) -> Copier:
    """Arguments for sensorium; also layers given to a constructor, and ``torch.nn.functional``'s."""
    return Copier(lambda t: sn.Tensor(np.array(array_of(t), order="K")), constant, gradients)


def constant(value: Any) -> Any:
    """What is no tensor."""
    if isinstance(value, torch.nn.TransformerEncoderLayer):
        return encoder_layer(value)
    if is_dataclass(value):  # options of a layer
        told = {f.name: our_constant(getattr(value, f.name)) for f in fields(value)}
        return resolved(f"nn.{type(value).__name__}")(**told)
    if getattr(value, "__module__", None) == "torch._C._nn":
        return resolved(f"nn.functional.{value.__name__}")
    if type(value).__name__ == "builtin_function_or_method":
        return resolved(value.__name__)
    return our_constant(value)


def encoder_layer(layer: Any) -> Any:
    """Our layer for one of PyTorch's, by what its constructor was told."""
    attention, first = layer.self_attn, layer.linear1
    return sn.nn.TransformerEncoderLayer(
        attention.embed_dim,
        attention.num_heads,
        first.out_features,
        layer.dropout.p,
        "gelu" if layer.activation_relu_or_gelu == 2 else "relu",
        layer.norm1.eps,
        attention.batch_first,
        layer.norm_first,
        first.bias is not None,
        dtype=getattr(sn, name_of(first.weight.dtype)),
    )


# -- the checks ----------------------------------------------------------------------------------
def looks(pairs: Any) -> list[tuple[Any, ...]]:
    """Name, shape and type of every tensor, and whether it wants a gradient."""
    return [
        (name, tuple(t.shape), name_of(t.dtype), bool(t.requires_grad))
        for name, t in pairs
        if hasattr(t, "shape")
    ]


def same(what: str, found: Any, wanted: Any) -> None:
    """Raise Mismatch unless equal."""
    if found != wanted:
        raise Mismatch(what, f"{found!r}, want {wanted!r}")


def check_state(pair: Pair) -> None:
    """Names, order, types and flags; the state dict there and back, strictly."""
    ours, theirs = pair.ours, pair.theirs
    for method in ("named_parameters", "named_buffers"):
        same("members", looks(getattr(ours, method)()), looks(getattr(theirs, method)()))
    same("members", [n for n, _ in ours.named_modules()], [n for n, _ in theirs.named_modules()])
    same("state", looks(ours.state_dict().items()), looks(theirs.state_dict().items()))
    loaded = OrderedDict((k, sn.Tensor(array_of(v).copy())) for k, v in theirs.state_dict().items())
    keys = ours.load_state_dict(loaded, strict=True)
    same("state", (keys.missing_keys, keys.unexpected_keys), ([], []))
    back = OrderedDict((k, torch.tensor(values(v))) for k, v in ours.state_dict().items())
    copy.deepcopy(theirs).load_state_dict(back, strict=True)


def check_repr(pair: Pair) -> None:
    """The same words."""
    same("repr", repr(pair.ours), repr(pair.theirs))


def check_copies(pair: Pair) -> None:
    """A pickled and a deep copy give the same output, and are copies."""
    wanted = flat(pair.call(True, copy.deepcopy(pair.ours)))
    for made in (pickle.loads(pickle.dumps(pair.ours)), copy.deepcopy(pair.ours)):
        same("copy", (type(made), repr(made)), (type(pair.ours), repr(pair.ours)))
        same("copy", looks(made.state_dict().items()), looks(pair.ours.state_dict().items()))
        for a, b in zip(made.parameters(), pair.ours.parameters()):
            if np.shares_memory(a.array, b.array):
                raise Mismatch("copy", "a parameter shares memory with the original's")
        near(flat(pair.call(True, made)), wanted, 0)


CASTS: dict[str, Callable[[Any, Any], Any]] = {
    "half": lambda library, module: module.half(),
    "bfloat16": lambda library, module: module.bfloat16(),
    "double": lambda library, module: module.double(),
    "float": lambda library, module: module.float(),
    "to": lambda library, module: module.to(dtype=library.float64),
    "type": lambda library, module: module.type(library.float64),
}


def check_casts(pair: Pair) -> None:
    """Types after half, bfloat16, double, float, to and type."""
    for name, cast in CASTS.items():
        ours, theirs = (
            cast(library, copy.deepcopy(module))
            for library, module in ((sn, pair.ours), (torch, pair.theirs))
        )
        found, wanted = (looks(m.state_dict().items()) for m in (ours, theirs))
        same(f"cast {name}", found, wanted)


def check_forward(pair: Pair) -> None:
    """Form and values of the output, and the buffers it leaves."""
    wanted = pair.call(False)
    found = pair.call(True)
    compare.same_form(found, wanted)
    near(flat(found), flat(wanted), WITHIN[pair.dtype])
    buffers = [[b for _, b in m.named_buffers()] for m in (pair.ours, pair.theirs)]
    near(*buffers, WITHIN[pair.dtype])


def near(found: list[Any], wanted: list[Any], within: float) -> None:
    """Every tensor within a share of its largest element; NaN where there is NaN."""
    for i, (a, b) in enumerate(zip(found, wanted)):
        if b is None:
            continue
        x, y = values(a), values(b)
        finite = np.isfinite(y)
        limit = within * max(1.0, np.abs(y[finite]).max(initial=0.0))
        with np.errstate(all="ignore"):
            off = np.where(finite, np.abs(x - y) > limit, (x != y) & ~(np.isnan(x) & np.isnan(y)))
        if off.any():
            place = tuple(int(k) for k in np.argwhere(off)[0])
            raise Mismatch("value", f"output {i} at {place}: {x[place]!r}, want {y[place]!r}")


# -- gradients -------------------------------------------------------------------------------------
class Recorded:
    """One library's outputs for a sample, and what they can be differentiated by."""

    def __init__(self, pair: Pair, ours: bool) -> None:
        self.library = sn if ours else torch
        module = pair.ours if ours else pair.theirs
        args, kwargs, leaves = pair.arguments(ours, gradients=True)
        self.leaves = leaves + [p for p in module.parameters() if p.requires_grad]
        self.results = [t for t in flat(module(*args, **kwargs)) if t is not None]

    def gradients(self, places: list[int], weights: list[np.ndarray]) -> list[np.ndarray]:
        """Of the weighted results at these places, by every leaf."""
        starts = [self.library.tensor(w) for w in weights]
        results = [self.results[i] for i in places]
        found = self.library.autograd.grad(results, self.leaves, starts, allow_unused=True)
        return gradient.filled(found, self.leaves)


def check_gradients(pair: Pair) -> None:
    """By parameters and inputs, for random cotangents."""
    if pair.dtype != "float64":
        return
    theirs, ours = Recorded(pair, False), Recorded(pair, True)
    places = [i for i, t in enumerate(theirs.results) if t.requires_grad]
    for i in places:
        if not ours.results[i].requires_grad:
            raise Mismatch("gradient", f"output {i} does not require grad")
    if not places or not theirs.leaves:
        return
    weights = gradient.random_like([values(theirs.results[i].detach()) for i in places])
    gradient.same(ours.gradients(places, weights), theirs.gradients(places, weights))


CHECKS: dict[str, Callable[[Pair], None]] = {
    "state": check_state,
    "repr": check_repr,
    "copies": check_copies,
    "casts": check_casts,
    "forward": check_forward,
    "gradient": check_gradients,
}
