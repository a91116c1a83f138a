"""Compiled equals eager on random graphs, and no pass changes what a graph computes."""

from __future__ import annotations

import numpy as np
import pytest

import sensorium as sn
from sensorium.backends.cpu import onednn
from sensorium.jit import compile
from sensorium.jit.passes import normalise, optimise, spatial_means
from sensorium.jit.passes.absorb import absorb
from sensorium.jit.passes.precision import lower
from sensorium.jit.passes.tidy import drop_unused, merge_equal
from sensorium.jit.tracing import trace

PASSES = [drop_unused, merge_equal, normalise, spatial_means, absorb]


# -- the whole -----------------------------------------------------------------------------------
@pytest.mark.parametrize("part", range(8))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_compiled_equals_eager(graphs, work, dtype, part):
    for seed in range(40 * part, 40 * part + 40):
        recipe = graphs.Recipe(seed, dtype=dtype)
        try:
            work.agrees(recipe, compile(recipe))
        except Exception as error:
            raise AssertionError(f"seed {seed}, {recipe!r}") from error


def test_compiled_equals_eager_where_the_engine_works(graphs, work):
    """Arrays large enough for the engine's kernels, which are reached."""
    reached = set()
    for seed in range(3000, 3080):
        recipe = graphs.Recipe(seed, steps=7, shapes=graphs.LARGE)
        compiled = compile(recipe)
        try:
            work.agrees(recipe, compiled)
        except Exception as error:
            raise AssertionError(f"seed {seed}, {recipe!r}") from error
        for variant in compiled._variants.values():
            reached |= {type(kernel).__name__ for kernel in variant.program.kernels}
    if onednn.available():
        assert reached >= {
            "Conv",
            "Batched",
            "Chain",
            "LayerNorm",
            "Attention",
            "Softmax",
            "SumPool",
        }


@pytest.mark.slow
@pytest.mark.parametrize("part", range(20))
def test_compiled_equals_eager_on_many_more(graphs, work, part):
    for seed in range(10_000 + 200 * part, 10_200 + 200 * part):
        recipe = graphs.Recipe(seed, steps=6 + seed % 20)
        try:
            work.agrees(recipe, compile(recipe))
        except Exception as error:
            raise AssertionError(f"seed {seed}, {recipe!r}") from error


def test_another_call_depends_on_its_own_inputs_only(graphs, work):
    for seed in range(500, 580):
        recipe = graphs.Recipe(seed)
        compiled = compile(recipe)
        work.agrees(recipe, compiled)
        recipe.inputs = [-0.5 * a if a.dtype.kind == "f" else a - 1 for a in recipe.inputs]
        work.agrees(recipe, compiled)


# -- pass by pass --------------------------------------------------------------------------------
def _traced(recipe):
    with sn.no_grad():
        graph = trace(recipe, tuple(recipe.arguments()), {}).graph
    return graph, [t.array for t in recipe.arguments()]


def _pass_by_pass(work, recipe):
    graph, arrays = _traced(recipe)
    before = work.evaluate(graph, arrays)
    for change in PASSES:
        change(graph)
        after = work.evaluate(graph, arrays)
        for a, b in zip(after, before, strict=True):
            work.same(sn.from_numpy(a), sn.from_numpy(b), 1e-11)


def test_each_pass_keeps_what_the_graph_computes(graphs, work):
    for seed in range(1000, 1200):
        recipe = graphs.Recipe(seed, dtype="float64")
        try:
            _pass_by_pass(work, recipe)
        except Exception as error:
            raise AssertionError(f"seed {seed}, {recipe!r}") from error


def test_the_trace_itself_computes_what_the_function_does(graphs, work):
    for seed in range(1200, 1300):
        recipe = graphs.Recipe(seed, dtype="float64")
        graph, arrays = _traced(recipe)
        with sn.no_grad():
            want = recipe(*recipe.arguments())
        for got, w in zip(work.evaluate(graph, arrays), want, strict=True):
            work.same(sn.from_numpy(got), w, 1e-14)


@pytest.mark.skipif(not onednn.has_bfloat16(), reason="wants AVX512-BF16")
def test_bfloat16_changes_results_by_its_rounding_only(graphs, work):
    for seed in range(1300, 1400):
        recipe = graphs.Recipe(seed, steps=5)
        graph, arrays = _traced(recipe)
        before = work.evaluate(optimise(graph), arrays)
        nudged = work.evaluate(graph, [t.array for t in recipe.arguments(nudge=2**-8)])
        lower(graph, "bfloat16")
        for got, b, n in zip(work.evaluate(graph, arrays), before, nudged, strict=True):
            slack = 8 * np.abs(n - b).max(initial=0) if b.dtype.kind == "f" else 0
            work.same(sn.from_numpy(got), sn.from_numpy(b), 5e-2, slack)
            assert got.dtype == b.dtype


def _alike(work, got, want, slack):
    try:
        work.same(got, want, 5e-2, slack)
    except AssertionError:
        return False
    return True


@pytest.mark.skipif(not onednn.has_bfloat16(), reason="wants AVX512-BF16")
def test_compiled_in_bfloat16(graphs, work):
    """As in float32, or as the graph evaluated plainly where rounding alone changes much."""
    for seed in range(1400, 1450):
        recipe = graphs.Recipe(seed, steps=5, shapes=graphs.LARGE)
        with sn.no_grad():
            want, nudged = recipe(*recipe.arguments()), recipe(*recipe.arguments(nudge=2**-8))
            compiled = compile(recipe, precision="bfloat16")
            compiled(*recipe.arguments(nudge=0.5))
            got = compiled(*recipe.arguments())
        (graph,) = compiled.graphs
        plainly = work.evaluate(graph, [t.array for t in recipe.arguments()])
        for g, p, w, n in zip(got, plainly, want, nudged, strict=True):
            moved = np.abs(n.array - w.array).max(initial=0) if w.dtype.kind == "f" else 0
            if not _alike(work, g, w, 8 * moved) and not _alike(
                work, g, sn.from_numpy(p), 8 * moved
            ):
                raise AssertionError(f"seed {seed}, {recipe!r}")


# -- what passes do ------------------------------------------------------------------------------
def _graph(function, *arguments):
    with sn.no_grad():
        return optimise(trace(function, arguments, {}).graph)


def test_what_nobody_reads_is_not_computed():
    def function(x):
        x.exp().sum()
        return x + 1

    assert [node.name for node in _graph(function, sn.ones(3)).nodes] == ["chain"]


def test_the_same_thing_is_computed_once():
    graph = _graph(lambda x: (x.exp() + 1, x.exp() * 2), sn.ones(3))
    assert [node.name for node in graph.nodes].count("exp") == 1


def test_options_of_another_type_are_another_thing():
    graph = _graph(lambda x: (sn.pow(x, 2), sn.pow(x, 2.5)), sn.ones(3))
    assert len(graph.nodes) == 2


def test_random_numbers_are_never_the_same_thing():
    drop = sn.nn.functional.dropout
    x = sn.ones(1000)
    with sn.no_grad():
        a, b = compile(lambda x: (drop(x, 0.5), drop(x, 0.5)))(x)
    assert not sn.equal(a, b)


def test_a_block_becomes_one_node():
    conv = sn.nn.Conv2d(3, 8, 3, bias=False)
    norm = sn.nn.BatchNorm2d(8).eval()
    graph = _graph(lambda x: sn.relu(norm(conv(x))), sn.ones(1, 3, 6, 6))
    assert [node.name for node in graph.nodes] == ["conv"]
