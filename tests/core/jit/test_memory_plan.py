"""Where values lie: what is needed together never overlaps, and nothing is read before it is written."""

from __future__ import annotations

import numpy as np
from hypothesis import given, strategies as st

import sensorium as sn
from sensorium.jit import compile
from sensorium.jit.arena import ALIGNMENT, Span, place
from sensorium.jit.program import root_of

SPANS = st.lists(
    st.tuples(st.integers(1, 5000), st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=40
)


@given(SPANS)
def test_what_is_needed_at_one_step_lies_apart(drawn):
    spans = [Span(size, min(a, b), max(a, b)) for size, a, b in drawn]
    total = place(spans)
    for i, a in enumerate(spans):
        assert a.offset % ALIGNMENT == 0
        assert a.offset + a.size <= total
        for b in spans[:i]:
            apart = a.offset + a.size <= b.offset or b.offset + b.size <= a.offset
            assert apart or a.last < b.first or b.last < a.first


@given(SPANS)
def test_never_more_than_all_of_it_nor_less_than_the_fullest_step(drawn):
    spans = [Span(size, min(a, b), max(a, b)) for size, a, b in drawn]
    total = place(spans)
    at_once = max(sum(s.size for s in spans if s.first <= t <= s.last) for t in range(31))
    assert at_once <= total <= sum(-(-s.size // ALIGNMENT) * ALIGNMENT for s in spans)


def test_a_chain_takes_the_room_of_two():
    def function(x):
        for _ in range(10):
            x = sn.exp(x.cumsum(0)) * 0.1
        return x

    with sn.no_grad():
        compiled = compile(function)
        compiled(sn.zeros(1000))
    (program,) = (v.program for v in compiled._variants.values())
    assert program.size <= 2 * 4032


# -- programs ------------------------------------------------------------------------------------
def _programs(compiled):
    return [variant.program for variant in compiled._variants.values()]


def test_operands_lie_apart_from_the_result_unless_a_kernel_shares(graphs):
    for seed in range(2000, 2100):
        recipe = graphs.Recipe(seed)
        compiled = compile(recipe)
        with sn.no_grad():
            compiled(*recipe.arguments())
        (program,) = _programs(compiled)
        for kernel in program.kernels:
            shared = {(a, root_of(b)) for a, b in kernel.shares}
            for made in kernel.node.made():
                for used in map(root_of, kernel.node.uses()):
                    if (
                        used in program.spans
                        and made in program.spans
                        and (made, used) not in shared
                    ):
                        assert _apart(program.spans[made], program.spans[used]), recipe


def _apart(a, b):
    return a.offset + a.size <= b.offset or b.offset + b.size <= a.offset


def test_nothing_is_read_before_it_is_written(graphs, work):
    """The memory is filled with nan, and with other bytes, before every run."""
    for seed in range(2100, 2250):
        recipe = graphs.Recipe(seed)
        compiled = compile(recipe)
        work.agrees(recipe, compiled)
        for byte in (0xFF, 0x00, 0x7F):
            for program in _programs(compiled):
                _fill(program, byte)
            work.agrees(recipe, compiled)


def _fill(program, byte):
    for instance in program._idle:
        for block in (instance._block, instance._scratch, *instance._rooms):
            block.view(np.uint8).fill(byte)


def test_results_are_not_overwritten_by_the_next_call(graphs):
    for seed in range(2300, 2380):
        recipe = graphs.Recipe(seed)
        compiled = compile(recipe)
        with sn.no_grad():
            kept = compiled(*recipe.arguments())
            before = [t.array.copy() for t in kept]
            for program in _programs(compiled):
                _fill(program, 0xFF)
            recipe.inputs = [np.zeros_like(a) for a in recipe.inputs]
            compiled(*recipe.arguments())
        for now, then in zip(kept, before, strict=True):
            np.testing.assert_array_equal(now.array, then)
