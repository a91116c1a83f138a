"""Every declared op keeps the laws of an op: one walk over the registry.

Value against the op's independent reference, element type kept, gradient and second gradient against
differences, any memory layout, empty inputs, nothing modified, fast paths that agree and are reached,
and the same formula on a second array library.
"""

import inspect

import numpy as np
import pytest

import sensorium as sn
from sensorium.backends.cpu import library, onednn
from sensorium.ops import OPS
from sensorium.tensor import wrap

ALL = list(OPS)
DIFFERENTIABLE = [n for n in ALL if OPS[n].differentiable]
SMOOTH = [n for n in DIFFERENTIABLE if OPS[n].smooth]
WITH_FAST_PATHS = [n for n in ALL if OPS[n].fast_paths]
READS_BITS = {"_bits"}  # a matter of memory, not of values: other layouts are refused
each_op = pytest.mark.parametrize("name", ALL)


# -- declaration ---------------------------------------------------------------------------------
@each_op
def test_declaration_is_complete(name):
    op = OPS[name]
    assert op.call.__doc__, "no docs"
    assert op.sample_fn is not None and op.reference is not None, "no samples or no reference"
    assert op.backward or not op.differentiable, "no gradient, and not declared differentiable=0"
    assert name.startswith("_") or ">>>" in op.call.__doc__, "no example"


@each_op
def test_reference_is_not_the_formula(name):
    assert OPS[name].reference is not OPS[name].formula


# -- values --------------------------------------------------------------------------------------
@each_op
def test_value_equals_reference(name, registry):
    op = OPS[name]
    for args in registry.samples(op):
        wanted = registry.outputs(op.reference(*args))
        found = registry.outputs(op.call(*registry.as_tensors(op, args)))
        for y, r in zip(found, wanted, strict=False):
            registry.close(y, r.astype(y.dtype) if y.dtype.kind in "biu" else r, op.tolerance)


@each_op
def test_arrays_give_what_tensors_give(name, registry):
    op = OPS[name]
    for args in registry.samples(op):
        raw = op.call(*registry.on_inputs(op, args, np.asarray))
        assert not isinstance(raw, sn.Tensor)
        wrapped = op.call(*registry.as_tensors(op, args))
        for a, b in zip(registry.outputs(raw), registry.outputs(wrapped), strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)


@each_op
@pytest.mark.parametrize(
    "dtype, relative", [("float32", 1e-4), ("float16", 2e-2), ("bfloat16", 0.1)]
)
def test_element_type_is_kept(name, dtype, relative, registry):
    op, dtype = OPS[name], sn.ops.cast.op and np.dtype(getattr(sn, dtype))
    for args in registry.samples(op):
        if registry.names_a_type(args) or sum(a.size for a in registry.inputs_of(op, args)) > 9999:
            continue
        exact = registry.outputs(op.call(*registry.as_tensors(op, args)))
        short = registry.cast_to(op, args, dtype)
        found = registry.outputs(op.call(*registry.as_tensors(op, short)))
        for y, wanted in zip(found, exact, strict=True):
            assert y.dtype == (dtype if wanted.dtype == np.float64 else wanted.dtype)
            if wanted.dtype.kind == "f" and op.smooth:
                registry.close(y, wanted, relative)


def transposed(array):
    return np.array(array.T, order="C").T


def sliced(array):
    if array.ndim == 0:
        return array
    big = np.full([2 * n for n in array.shape], 77, array.dtype)
    part = big[tuple(slice(1, None, 2) for _ in array.shape)]
    part[...] = array
    return part


@each_op
@pytest.mark.parametrize("layout", [transposed, sliced])
def test_memory_layout_does_not_matter(name, layout, registry):
    op = OPS[name]
    if name in READS_BITS:
        return
    for args in registry.samples(op):
        plain = registry.as_tensors(op, args, requires_grad=True)
        other = registry.as_tensors(op, registry.on_inputs(op, args, layout), requires_grad=True)
        pairs = zip(
            registry.outputs(op.call(*plain)), registry.outputs(op.call(*other)), strict=True
        )
        for a, b in pairs:
            registry.close(b, a, max(op.tolerance, 1e-13))
        if op.differentiable:
            for a, b in zip(gradients(registry, op, plain), gradients(registry, op, other)):
                registry.close(b, a, max(op.tolerance, 1e-12))


@each_op
def test_inputs_are_not_modified(name, registry):
    op = OPS[name]
    for args in registry.samples(op):
        tensors = registry.as_tensors(op, args, requires_grad=bool(op.differentiable))
        before = [t.array.copy() for t in registry.inputs_of(op, tensors)]
        if op.differentiable:
            gradients(registry, op, tensors)
        else:
            op.call(*tensors)
        for t, copy in zip(registry.inputs_of(op, tensors), before, strict=True):
            np.testing.assert_array_equal(t.array, copy)


@pytest.mark.parametrize("name", [n for n in ALL if len(OPS[n].inputs) == 1 and not OPS[n].options])
def test_elementwise_ops_take_empty_tensors(name):
    if name == "_nonzero":  # its shape is the number of elements found
        assert OPS[name].call(sn.zeros(0, 3)).shape == (0, 2)
        return
    assert OPS[name].call(sn.zeros(0, 3)).shape == (0, 3)


# -- gradients -----------------------------------------------------------------------------------
def wanted_tensors(registry, op, tensors):
    return [t for t in registry.inputs_of(op, tensors) if t.requires_grad]


def scalar_of(op, value, weights):
    """The weighted sum of the differentiable outputs."""
    values = value if isinstance(value, tuple) else (value,)
    total = None
    for v, w in zip(values[: op.differentiable], weights):
        if v is not None and v.dtype.kind in "fc":
            part = (v * w).sum()
            total = part if total is None else total + part
    return total


def output_weights(op, value, rng):
    values = value if isinstance(value, tuple) else (value,)
    return [None if v is None else rng.uniform(-1, 1, tuple(v.shape)) for v in values]


def gradients(registry, op, tensors, **options):
    value = op.call(*tensors)
    weights = output_weights(op, value, np.random.default_rng(1))
    total = scalar_of(op, value, [w if w is None else wrap(w) for w in weights])
    wanted = wanted_tensors(registry, op, tensors)
    if total is None or not wanted or not total.requires_grad:
        return []
    found = sn.autograd.grad(total, wanted, materialize_grads=True, **options)
    return [np.array(g.array) for g in found]


def slope(registry, op, args, ways, rng):
    """The derivative along the ways by differences, and the size of the terms that make it up."""
    weights = output_weights(op, op.call(*registry.as_tensors(op, args)), rng)

    def at(t):
        return value_at(registry, op, registry.moved(op, args, ways, t), weights)

    return registry.fourth_order(at), weights


def value_at(registry, op, args, weights):
    value = op.call(*registry.as_tensors(op, args))
    values = value if isinstance(value, tuple) else (value,)
    pairs = [(v.array, w) for v, w in zip(values[: op.differentiable], weights) if v is not None]
    return sum(float(np.sum(v * w).real) for v, w in pairs if v.dtype.kind in "fc")


def grads_and_tensors(registry, op, args, weights, create_graph=False):
    tensors = registry.as_tensors(op, args, requires_grad=True)
    total = scalar_of(op, op.call(*tensors), [w if w is None else wrap(w) for w in weights])
    wanted = wanted_tensors(registry, op, tensors)
    if total is None or not wanted or not total.requires_grad:
        return [], []
    found = sn.autograd.grad(total, wanted, create_graph=create_graph, materialize_grads=True)
    return found, wanted


@pytest.mark.parametrize("name", SMOOTH)
def test_gradient_equals_differences(name, registry):
    op, rng = OPS[name], np.random.default_rng(3)
    for args in registry.samples(op):
        ways = registry.directions(rng, registry.inputs_of(op, args))
        wanted, weights = slope(registry, op, args, ways, rng)
        found, _ = grads_and_tensors(registry, op, args, weights)
        floating = [w for w, a in zip(ways, registry.inputs_of(op, args)) if a.dtype.kind == "f"]
        terms = [g.array * w for g, w in zip(found, floating)]
        scale = sum(float(np.abs(t).sum()) for t in terms)
        assert all(g.dtype == np.float64 for g in found)
        assert sum(float(t.sum()) for t in terms) == pytest.approx(
            wanted, rel=1e-6, abs=1e-6 * scale
        )


@pytest.mark.parametrize("name", [n for n in DIFFERENTIABLE if not OPS[n].smooth])
def test_gradient_of_what_is_not_smooth_has_the_shape_of_the_input(name, registry):
    op = OPS[name]
    for args in registry.samples(op):
        tensors = registry.as_tensors(op, args, requires_grad=True)
        found = gradients(registry, op, tensors)
        wanted = wanted_tensors(registry, op, tensors)
        assert [g.shape for g in found] == [tuple(t.shape) for t in wanted[: len(found)]]


@pytest.mark.parametrize("name", SMOOTH)
def test_second_gradient_equals_differences(name, registry):
    op, rng = OPS[name], np.random.default_rng(4)
    for args in registry.samples(op):
        if sum(a.size for a in registry.inputs_of(op, args)) > 9999:
            continue
        weights = output_weights(op, op.call(*registry.as_tensors(op, args)), rng)
        ways = registry.directions(rng, registry.inputs_of(op, args))
        first, tensors = grads_and_tensors(registry, op, args, weights, create_graph=True)
        inner = [rng.uniform(-1, 1, tuple(g.shape)) for g in first]
        check_second(registry, op, args, weights, ways, first, tensors, inner)


def check_second(registry, op, args, weights, ways, first, tensors, inner):
    def at(t):
        there, _ = grads_and_tensors(registry, op, registry.moved(op, args, ways, t), weights)
        return sum(float(np.sum(g.array * u)) for g, u in zip(there, inner))

    wanted = registry.fourth_order(at)
    total = sum(((g * wrap(u)).sum() for g, u in zip(first, inner)), sn.zeros(()).double())
    found = 0.0, 0.0
    if total.requires_grad:
        seconds = sn.autograd.grad(total, tensors, materialize_grads=True)
        floating = [w for w, a in zip(ways, registry.inputs_of(op, args)) if a.dtype.kind == "f"]
        terms = [g.array * w for g, w in zip(seconds, floating)]
        found = sum(float(t.sum()) for t in terms), sum(float(np.abs(t).sum()) for t in terms)
    size = sum(float(np.abs(g.array).sum()) for g in first)
    assert found[0] == pytest.approx(wanted, rel=1e-6, abs=1e-6 * (found[1] + 1e-2 * size) + 1e-12)


# -- fast paths ----------------------------------------------------------------------------------
def float32_samples(registry, op):
    """Samples with float32 arrays, bare, and defaults filled in."""
    for args in registry.samples(op):
        short = registry.cast_to(op, args, np.float32)
        yield registry.full_arguments(op, registry.on_inputs(op, short, np.asarray))


@pytest.mark.skipif(not onednn.available(), reason="oneDNN is not here")
@pytest.mark.parametrize("name", WITH_FAST_PATHS)
def test_fast_path_is_reached_and_agrees(name, registry):
    op = OPS[name]
    for path in op.fast_paths:
        taken = [a for a in float32_samples(registry, op) if registry.takes(op, path, a)]
        assert taken, f"no sample reaches the {path.vendor} path"
        for args in taken:
            exact = registry.formula(op, registry.cast_to(op, args, np.float64))
            found = registry.outputs(path.run(*args))
            for y, wanted in zip(found, registry.outputs(exact), strict=True):
                assert y.dtype == (np.float32 if wanted.dtype == np.float64 else wanted.dtype)
                registry.close(y, wanted, 1e-5)


@pytest.mark.parametrize("name", WITH_FAST_PATHS)
def test_everything_works_without_the_library(name, registry, monkeypatch):
    op = OPS[name]
    monkeypatch.setattr(library, "available", lambda: False)
    monkeypatch.setattr(library, "has_bfloat16", lambda: False)
    for args in float32_samples(registry, op):
        assert not any(registry.takes(op, path, args) for path in op.fast_paths)
        found = registry.outputs(op.call(*args))
        for y, wanted in zip(found, registry.outputs(registry.formula(op, args)), strict=True):
            registry.close(y, wanted, 1e-6)


@pytest.mark.parametrize("name", WITH_FAST_PATHS)
def test_fast_path_has_the_signature_of_the_formula(name):
    for path in OPS[name].fast_paths:
        wanted = list(OPS[name].signature.parameters)
        found = inspect.signature(path.run).parameters.values()
        assert any(p.kind is p.VAR_POSITIONAL for p in found) or len(found) == len(wanted)


# -- a second array library ----------------------------------------------------------------------
@each_op
def test_formula_serves_a_second_array_library(name, registry, fake_cupy):
    op = OPS[name]
    for args in registry.samples(op):
        wanted = registry.outputs(
            registry.formula(op, registry.on_inputs(op, args, np.asarray)))
        try:
            found = registry.formula(op, fake_cupy.to_device(args))
        except sn.errors.DeviceError:  # an op about devices themselves
            assert name == "moved"
            continue
        values = found if isinstance(found, tuple) else (found,)
        for y, r in zip([v for v in values if v is not None], wanted, strict=True):
            assert isinstance(y, fake_cupy.Array), "the result left the device"
            registry.close(fake_cupy.to_host(y), r, 1e-13)


@pytest.mark.gpu
@each_op
def test_value_on_the_gpu(name, registry):
    cupy = pytest.importorskip("cupy")
    if not cupy.cuda.is_available():
        pytest.skip("no GPU")
    op = OPS[name]
    for args in registry.samples(op):
        wanted = registry.outputs(op.call(*registry.as_tensors(op, args)))
        there = registry.on_inputs(op, args, cupy.asarray)
        found = op.call(*there)
        values = found if isinstance(found, tuple) else (found,)
        for y, r in zip([v for v in values if v is not None], wanted, strict=True):
            registry.close(cupy.asnumpy(y), r, 1e-10)
