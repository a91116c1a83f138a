"""Every declared op keeps the laws of an op: one walk over the registry.

Value against the op's independent reference, element type kept, gradient and second gradient against
differences, any memory layout, empty inputs, nothing modified, fast paths that agree and are reached,
and the same formula on a second array library.
"""

import importlib
import inspect

import numpy as np
import pytest

import sensorium as sn
from sensorium import _names
from sensorium.backends.cpu import library, onednn
from sensorium.ops import OPS
from sensorium.tensor import wrap

for file in ["linalg", "special", "fft", "nn", "ops.draws", *_names.FILES]:
    importlib.import_module(f"sensorium.{file}")  # read on first use: only now their ops are listed

ALL = list(OPS)
DIFFERENTIABLE = [n for n in ALL if OPS[n].differentiable]
SMOOTH = [n for n in DIFFERENTIABLE if OPS[n].smooth]
WITH_FAST_PATHS = [n for n in ALL if OPS[n].fast_paths]
READS_BITS = {"_bits", "_strided"}  # a matter of memory, not of values: other layouts are refused
CPU_ONLY = {"_strided"}  # any strides over memory: CuPy is not asked for it
WANTS_SQUARES = {"_inv", "_cholesky"}  # the shape kept is that of a square matrix
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
        with np.errstate(all="ignore"):
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
    op, dtype = OPS[name], getattr(sn, dtype)
    for args in registry.samples(op):
        inputs = registry.inputs_of(op, args)
        if registry.names_a_type(args) or sum(a.size for a in inputs) > 9999:
            continue
        if any(a.dtype.kind == "c" for a in inputs):
            continue
        exact = registry.outputs(op.call(*registry.as_tensors(op, args)))
        short = registry.cast_to(op, args, dtype)
        found = registry.outputs(op.call(*registry.as_tensors(op, short)))
        for y, wanted in zip(found, exact, strict=True):
            assert kept(y.dtype, wanted.dtype, dtype)
            if wanted.dtype.kind == "f" and op.smooth:
                registry.close(y, wanted, relative)


def kept(found, exact, dtype):
    """Whether a result that is float64 for float64 inputs has their type for others.

    Which integer type an index has is the engine's business.
    """
    if exact == np.float64:
        return found == dtype
    return found == exact or (found.kind in "iu" and exact.kind in "iu")


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
        other = registry.on_inputs(op, args, layout)
        plain_y, other_y = (op.call(*registry.as_tensors(op, a)) for a in (args, other))
        for a, b in zip(registry.outputs(plain_y), registry.outputs(other_y), strict=True):
            registry.close(b, a, max(op.tolerance, 1e-13))
        if op.differentiable:
            weights = weights_for(registry, op, args, np.random.default_rng(1))
            pairs = zip(*(gradients(registry, op, a, weights)[0] for a in (args, other)))
            for a, b in pairs:
                registry.close(b.array, a.array, max(op.tolerance, 1e-12))


@each_op
def test_inputs_are_not_modified(name, registry):
    op = OPS[name]
    for args in registry.samples(op):
        before = [a.copy() for a in registry.inputs_of(op, args)]
        op.call(*registry.as_tensors(op, args))
        if op.differentiable:
            weights = weights_for(registry, op, args, np.random.default_rng(1))
            gradients(registry, op, args, weights)
            gradients(registry, op, args, weights, create_graph=True)
        for a, copy in zip(registry.inputs_of(op, args), before, strict=True):
            np.testing.assert_array_equal(a, copy)


@each_op
def test_elementwise_ops_take_empty_tensors(name, registry):
    op = OPS[name]
    if len(op.inputs) != 1 or op.options or op.lists or len(op.outputs) > 1:
        return
    if name in WANTS_SQUARES:
        return
    for args in registry.samples(op):
        (x,) = args
        (y,) = registry.outputs(op.call(*registry.as_tensors(op, args)))
        if y.shape == np.shape(x) != ():
            empty = op.call(wrap(np.zeros((0, 3), np.asarray(x).dtype)))
            assert empty.shape == (0, 3) and empty.dtype == y.dtype


# -- gradients -----------------------------------------------------------------------------------
def floating_outputs(op, value):
    """The results that have gradients."""
    values = value if isinstance(value, tuple) else (value,)
    return [v for v in values[: op.differentiable] if v is not None and v.dtype.kind in "fc"]


def weights_for(registry, op, args, rng):
    """One weight for every element of every differentiable result."""
    results = floating_outputs(op, op.call(*registry.as_tensors(op, args)))
    return [registry.like(rng, r.array) for r in results]


def gradients(registry, op, args, weights, create_graph=False):
    """The gradients of the weighted results, and the tensors they belong to."""
    tensors = registry.as_tensors(op, args, requires_grad=True)
    wanted = [t for t in registry.inputs_of(op, tensors) if t.requires_grad]
    results = floating_outputs(op, op.call(*tensors))
    used = [(r, wrap(w.astype(r.dtype))) for r, w in zip(results, weights) if r.requires_grad]
    if not used or not wanted:
        return [], []
    found = sn.autograd.grad(
        [r for r, _ in used],
        wanted,
        [w for _, w in used],
        create_graph=create_graph,
        materialize_grads=True,
    )
    return list(found), wanted


@pytest.mark.parametrize("name", SMOOTH)
def test_gradient_equals_differences(name, registry):
    op, rng = OPS[name], np.random.default_rng(3)
    for args in registry.samples(op):
        ways = registry.directions(op, args, rng)
        weights = weights_for(registry, op, args, rng)

        def at(t, args=args, ways=ways, weights=weights):
            there = registry.as_tensors(op, registry.moved(op, args, ways, t))
            results = floating_outputs(op, op.call(*there))
            return sum(registry.inner(w, r.array) for w, r in zip(weights, results))

        found, tensors = gradients(registry, op, args, weights)
        taken = [way for way in ways if way is not None]
        assert [(g.shape, g.dtype) for g in found] == [(t.shape, t.dtype) for t in tensors]
        total = sum(registry.inner(g.array, way) for g, way in zip(found, taken))
        scale = sum(float(np.abs(g.array * way).sum()) for g, way in zip(found, taken))
        wanted = registry.fourth_order(at)
        assert total == pytest.approx(wanted, rel=1e-6, abs=1e-6 * scale + 1e-11)


@pytest.mark.parametrize("name", [n for n in DIFFERENTIABLE if not OPS[n].smooth])
def test_gradient_of_what_is_not_smooth_has_the_shape_of_the_input(name, registry):
    op, rng = OPS[name], np.random.default_rng(3)
    for args in registry.samples(op):
        found, tensors = gradients(registry, op, args, weights_for(registry, op, args, rng))
        assert [(g.shape, g.dtype) for g in found] == [(t.shape, t.dtype) for t in tensors]


@pytest.mark.parametrize("name", SMOOTH)
def test_second_gradient_equals_differences(name, registry):
    op, rng = OPS[name], np.random.default_rng(4)
    for args in registry.samples(op):
        if sum(a.size for a in registry.inputs_of(op, args)) > 9999:
            continue
        ways = registry.directions(op, args, rng)
        weights = weights_for(registry, op, args, rng)
        first, tensors = gradients(registry, op, args, weights, create_graph=True)
        probes = [registry.like(rng, g.array) for g in first]

        def at(t, args=args, ways=ways, weights=weights, probes=probes):
            there, _ = gradients(registry, op, registry.moved(op, args, ways, t), weights)
            return sum(registry.inner(p, g.array) for p, g in zip(probes, there))

        found, scale = second_slope(registry, first, tensors, probes, ways)
        scale += 1e-2 * sum(float(np.abs(g.array).sum()) for g in first)
        assert found == pytest.approx(registry.fourth_order(at), rel=1e-6, abs=1e-6 * scale + 1e-11)


def second_slope(registry, first, tensors, probes, ways):
    """What the gradient of the gradient predicts along the ways, and the size of its terms."""
    used = [(g, wrap(p)) for g, p in zip(first, probes) if g.requires_grad]
    if not used:
        return 0.0, 0.0
    second = sn.autograd.grad(
        [g for g, _ in used], tensors, [p for _, p in used], materialize_grads=True
    )
    taken = [way for way in ways if way is not None]
    terms = [(g.array, way) for g, way in zip(second, taken)]
    return sum(registry.inner(*t) for t in terms), sum(float(np.abs(g * w).sum()) for g, w in terms)


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
                assert kept(y.dtype, wanted.dtype, np.float32)
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
        wanted = registry.outputs(registry.formula(op, registry.on_inputs(op, args, np.asarray)))
        if name == "moved" or name in CPU_ONLY:  # from one library to the other
            continue
        found = registry.formula(op, fake_cupy.to_device(args))
        values = found if isinstance(found, tuple) else (found,)
        for y, r in zip([v for v in values if v is not None], wanted, strict=True):
            assert isinstance(y, fake_cupy.Array), "the result left the device"
            registry.close(fake_cupy.to_host(y), r, 1e-13)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
@pytest.mark.parametrize("create_graph", [False, True])
def test_gradient_serves_a_second_array_library(name, create_graph, registry, fake_cupy):
    op, rng = OPS[name], np.random.default_rng(5)
    for args in registry.samples(op):
        if name == "moved" or name in CPU_ONLY:  # from one library to the other
            continue
        weights = weights_for(registry, op, args, rng)
        wanted, _ = gradients(registry, op, args, weights)
        found = device_gradients(registry, fake_cupy, op, args, weights, create_graph)
        for g, r in zip(found, wanted, strict=True):
            assert isinstance(g.array, fake_cupy.Array), "the gradient left the device"
            registry.close(fake_cupy.to_host(g.array), r.array, 1e-11)


def device_gradients(registry, fake_cupy, op, args, weights, create_graph):
    """What ``gradients`` gives, all arrays being the stand-in's."""
    tensors = registry.as_tensors(op, args)
    for t in registry.inputs_of(op, tensors):
        t.array = fake_cupy.to_device(t.array)
    tensors = [v if n in op.inputs else fake_cupy.to_device(v)
               for n, v in zip(registry.parameters(op, tensors), tensors)]  # fmt: skip
    for t in registry.inputs_of(op, tensors, only=registry.differentiable(op)):
        t.requires_grad = t.dtype.kind in "fc"
    wanted = [t for t in registry.inputs_of(op, tensors) if t.requires_grad]
    results = floating_outputs(op, op.call(*tensors))
    used = [
        (r, wrap(fake_cupy.to_device(np.asarray(w))))
        for r, w in zip(results, weights)
        if r.requires_grad
    ]
    if not used or not wanted:
        return []
    return sn.autograd.grad(
        [r for r, _ in used],
        wanted,
        [w for _, w in used],
        create_graph=create_graph,
        materialize_grads=True,
    )


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
