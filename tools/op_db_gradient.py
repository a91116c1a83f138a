"""The gradient of an operator on a sample, compared with PyTorch's.

Both libraries differentiate the same scalar: the results, weighted by random cotangents. Where a
result depends on the random state, PyTorch's gradient belongs to other numbers than ours; then ours
is compared with the difference quotient along one random direction, the seed held. Second
derivatives differentiate the gradient's product with random numbers, by leaves and cotangents.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import torch
from op_db_compare import Mismatch, flat, order, values
from torch_twin import OURS, Seeded, rebuilt, rewritable, to_ours, to_torch, torch_of

import sensorium as sn

WITHIN, WITHIN_SINGLE = 1e-8, 1e-5
"""Of the largest element of the gradient, or of 1; the latter for inputs of single precision."""
STEP = 1e-6


class Graph:
    """One library's results for a sample, and the leaves they can be differentiated by."""

    def __init__(self, case: Any, sample: Any, ours: bool) -> None:
        self.ours = ours
        copier = (to_ours if ours else to_torch)(gradients=True)
        args = copier((sample.input, *sample.args))
        kwargs = copier(dict(sample.kwargs))
        self.leaves = copier.leaves
        self.again = lambda: self.evaluated(case, sample, args, kwargs)
        self.results = self.again()

    def evaluated(self, case: Any, sample: Any, args: Any, kwargs: Any) -> list[Any]:
        """The tensors among the results, as the database wants them differentiated."""
        wrapped, finish = case.op.gradcheck_wrapper, sample.output_process_fn_grad
        if self.ours:
            wrapped, finish = (
                rebuilt(f, OURS, Seeded(sn)) if rewritable(f) else f for f in (wrapped, finish)
            )
        result = finish(wrapped(case.ours if self.ours else case.theirs, *args, **kwargs))
        return [t for t in flat(result) if isinstance(t, (sn.Tensor, torch.Tensor))]

    def starts(self, cotangents: list[np.ndarray], differentiable: bool = False) -> list[Any]:
        """The cotangents as tensors of this library."""
        made = [sn.Tensor(c.copy()) if self.ours else torch_of(c) for c in cotangents]
        for weight in made:
            weight.requires_grad = differentiable
        return made

    def gradients(self, places: list[int], cotangents: list[np.ndarray]) -> list[np.ndarray]:
        """The gradient of the results at these places with respect to each leaf."""
        results = [self.results[i] for i in places]
        grad = (sn if self.ours else torch).autograd.grad
        found = grad(results, self.leaves, self.starts(cotangents), allow_unused=True)
        return filled(found, self.leaves)

    def second(self, places: list[int], cotangents: list[np.ndarray]) -> list[np.ndarray]:
        """The gradient of the weighted gradient, by the leaves and by the cotangents."""
        results = [self.results[i] for i in places]
        grad = (sn if self.ours else torch).autograd.grad
        weights = self.starts(cotangents, differentiable=True)
        first = grad(results, self.leaves, weights, create_graph=True, allow_unused=True)
        chosen = [g for g in first if g is not None and g.requires_grad]
        if not chosen:
            return filled([None] * len(self.leaves + weights), self.leaves + weights)
        shapes = [np.zeros(tuple(leaf.shape)) for leaf in self.leaves]
        moves = [m for m, g in zip(random_like(shapes, 2), first) if any(g is c for c in chosen)]
        by = self.leaves + weights
        return filled(grad(chosen, by, self.starts(moves), allow_unused=True), by)


def filled(found: Any, by: list[Any]) -> list[np.ndarray]:
    """Gradients as arrays, zeros where there is none."""
    return [
        np.zeros(tuple(x.shape)) if g is None else values(g.detach()) for g, x in zip(found, by)
    ]


def check(case: Any, sample: Any, tally: Counter[str]) -> None:
    """Raise Mismatch unless the gradients agree."""
    try:
        theirs = Graph(case, sample, ours=False)
        places = [i for i, t in enumerate(theirs.results) if t.requires_grad]
        cotangents = random_like([values(theirs.results[i].detach()) for i in places])
        wanted = theirs.gradients(places, cotangents) if places and theirs.leaves else []
    except RuntimeError:
        tally["gradients PyTorch refuses"] += 1
        return
    if not wanted:
        return
    tally["gradients"] += 1
    ours = Graph(case, sample, ours=True)
    for i in places:
        if i >= len(ours.results) or not ours.results[i].requires_grad:
            raise Mismatch("gradient", f"output {i} does not require grad")
    if case.op.name in ("linalg.eig", "linalg.eigvals"):
        cotangents = matched(ours.results[0], theirs.results[0], cotangents)
    found = ours.gradients(places, cotangents)
    if not case.seeded:
        return same(found, wanted)
    try:
        same(found, wanted)
    except Mismatch:
        by_quotient(ours, places, cotangents, found)


def check_second(case: Any, sample: Any, tally: Counter[str]) -> None:
    """Raise Mismatch unless the second derivatives agree; the first are known to."""
    try:
        theirs = Graph(case, sample, ours=False)
        places = [i for i, t in enumerate(theirs.results) if t.requires_grad]
        cotangents = random_like([values(theirs.results[i].detach()) for i in places])
        wanted = theirs.second(places, cotangents) if places and theirs.leaves else []
    except RuntimeError:
        tally["second derivatives PyTorch refuses"] += 1
        return
    if not wanted:
        return
    tally["second derivatives"] += 1
    ours = Graph(case, sample, ours=True)
    if case.op.name in ("linalg.eig", "linalg.eigvals"):
        wanted = wanted[: len(theirs.leaves)]  # the cotangents' places differ
        cotangents = matched(ours.results[0], theirs.results[0], cotangents)
    same(ours.second(places, cotangents), wanted)


def matched(ours: Any, theirs: Any, cotangents: list[np.ndarray]) -> list[np.ndarray]:
    """The cotangents of eigenvalues and eigenvectors in the order in which we return these."""
    a, b = order(values(ours.detach())), order(values(theirs.detach()))
    places = np.take_along_axis(b, np.argsort(a, -1), -1)  # ours[i] is theirs[places[i]]
    return [
        np.take_along_axis(c, places if c.ndim == places.ndim else places[..., None, :], -1)
        for c in cotangents
    ]


def random_like(arrays: list[np.ndarray], seed: int = 0) -> list[np.ndarray]:
    """Standard normal numbers of the shapes and types of the arrays."""
    rng = np.random.default_rng(seed)
    made = []
    for a in arrays:
        c = rng.standard_normal(a.shape)
        if a.dtype.kind == "c":
            c = c + 1j * rng.standard_normal(a.shape)
        made.append(np.asarray(c, a.dtype))
    return made


def same(found: list[np.ndarray], wanted: list[np.ndarray]) -> None:
    """Each gradient within ``WITHIN`` of PyTorch's, NaN where it has NaN."""
    for i, (a, b) in enumerate(zip(found, wanted)):
        if a.shape != b.shape:
            raise Mismatch("gradient", f"of input {i}: shape {a.shape}, want {b.shape}")
        finite = np.isfinite(b)
        largest = max(1.0, np.abs(b[finite]).max(initial=0.0))
        with np.errstate(all="ignore"):
            off = np.where(finite, np.abs(a - b), 0)
            odd = ~finite & ~((a == b) | (np.isnan(a) & np.isnan(b)))
        within = WITHIN if a.dtype in (np.float64, np.complex128) else WITHIN_SINGLE
        if odd.any() or not (off <= within * largest).all():
            place = np.unravel_index(int(np.argmax(np.where(odd, np.inf, off))), a.shape)
            where = tuple(map(int, place))
            raise Mismatch("gradient", f"of input {i} at {where}: {a[place]!r}, want {b[place]!r}")


def by_quotient(
    graph: Graph, places: list[int], cotangents: list[np.ndarray], found: list[np.ndarray]
) -> None:
    """<gradient, direction> against (f(x + h direction) - f(x - h direction)) / 2h."""
    rng = np.random.default_rng(1)
    moves = [rng.standard_normal(g.shape) for g in found]
    sides = []
    for sign in (1, -1):
        with sn.no_grad():
            for leaf, move in zip(graph.leaves, moves):
                leaf.array[...] += sign * STEP * move
            results = graph.again()
            sides.append(sum((values(results[i]) * c).sum() for i, c in zip(places, cotangents)))
            for leaf, move in zip(graph.leaves, moves):
                leaf.array[...] -= sign * STEP * move
    quotient = (sides[0] - sides[1]) / (2 * STEP)
    along = sum((g * m).sum() for g, m in zip(found, moves))
    if not abs(quotient - along) <= 1e-5 * max(1.0, abs(quotient)):
        raise Mismatch("gradient", f"along a direction {along!r}, the quotient {quotient!r}")
