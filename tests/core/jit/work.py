"""Comparing what a graph computes with what the function computes itself."""

from __future__ import annotations

from typing import Any

import numpy as np

import sensorium as sn
from sensorium.jit.graph import replaced

TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


def same(got: Any, want: Any, tolerance: float, slack: Any = 0.0) -> None:
    """Shape, type and elements; slack is what rounding of the inputs alone may change."""
    a, b = got.array, want.array
    assert a.shape == b.shape
    assert a.dtype == b.dtype
    if a.dtype.kind in "biu":
        np.testing.assert_array_equal(a, b)
        return
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    np.testing.assert_array_equal(np.isnan(wide_a), np.isnan(wide_b))
    if not a.size:
        return
    error = np.nanmax(np.abs(wide_a - wide_b), initial=0.0)
    scale = np.nanmax(np.abs(wide_b), initial=1.0)  # the size that values have
    assert error <= tolerance * scale + slack + 1e-30, f"error {error:.2e}, scale {scale:.2e}"


def agrees(recipe: Any, compiled: Any) -> None:
    """The compiled recipe gives what the recipe gives."""
    with sn.no_grad():
        want = recipe(*recipe.arguments())
        nudged = recipe(*recipe.arguments(nudge=1e-7 if recipe.dtype == "float32" else 1e-15))
        got = compiled(*recipe.arguments())
    for g, w, n in zip(got, want, nudged, strict=True):
        slack = 0.0
        if w.array.dtype.kind == "f" and w.array.size:
            moved = n.array.astype(np.float64) - w.array.astype(np.float64)
            slack = 10 * float(np.nanmax(np.abs(moved), initial=0.0))
        same(g, w, TOLERANCE.get(w.dtype.name, 0), slack)


def evaluate(graph: Any, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """A plain interpreter: every node's op on raw arrays, one after the other."""
    known = dict(zip(graph.inputs, arrays))
    known.update({value: value.tensor.array for value in graph.constants})
    for node in graph.nodes:
        made = node.op.hot(*replaced(node.args, known.__getitem__))
        made = (made,) if node.single else made
        pairs = [(v, a) for v, a in zip(node.outs, made) if v is not None]
        known.update({value: array.astype(value.dtype, copy=False) for value, array in pairs})
    return [np.array(known[value]) for value in graph.outputs]
