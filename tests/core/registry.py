"""What the tests of the op registry share: walking samples, rebuilding them, flattening results."""

import numpy as np

import sensorium as sn
from sensorium.ops import OPS
from sensorium.tensor import wrap

SEED = 7


def names(**wanted):
    """The names of ops whose attributes are as wanted."""
    return [n for n, op in OPS.items() if all(getattr(op, k) == v for k, v in wanted.items())]


def samples(op):
    """The op's samples as lists of positional arguments; the same ones on every call."""
    return [list(sample) for sample in op.sample_fn(np.random.default_rng(SEED))]


def parameters(op, args):
    """The names of the arguments of a sample."""
    return list(op.signature.parameters)[: len(args)]


def on_inputs(op, args, change):
    """The sample with ``change(array)`` in place of every input array; options as they are."""
    changed = []
    for name, value in zip(parameters(op, args), args):
        if name in op.lists:
            changed.append([change(v) for v in value])
        elif name in op.inputs and value is not None and type(value) not in (int, float):
            changed.append(change(np.asarray(value)))
        else:
            changed.append(value)
    return changed


def inputs_of(op, args, only=None):
    """The input arrays or tensors of a sample in order, those of a list one by one."""
    found = []
    for name, value in zip(parameters(op, args), args):
        if name not in (op.inputs if only is None else only):
            continue
        if name in op.lists:
            found.extend(value)
        elif isinstance(value, (sn.Tensor, np.ndarray, np.generic)):
            found.append(value)
    return found


def as_tensors(op, args, requires_grad=False):
    """The sample with Tensors; those that can have a gradient want one if asked for."""
    tensors = on_inputs(op, args, wrap)
    if requires_grad:
        for tensor in inputs_of(op, tensors, only=differentiable(op)):
            tensor.requires_grad = tensor.dtype.kind in "fc"
    return tensors


def differentiable(op):
    """The names of the inputs that have a gradient."""
    return set(op.inputs) if None in op.backward else set(op.backward)


def cast_to(op, args, dtype):
    """The sample with its floating inputs in another type."""
    return on_inputs(op, args, lambda a: a.astype(dtype) if a.dtype.kind in "fV" else a)


def outputs(value):
    """A result as a list of NumPy arrays, results that are None left out."""
    values = value if isinstance(value, (tuple, list)) else (value,)
    return [np.asarray(getattr(v, "array", v)) for v in values if v is not None]


def full_arguments(op, args):
    """The arguments with defaults filled in, as fast paths and formulas receive them."""
    bound = op.signature.bind(*args)
    bound.apply_defaults()
    return bound.args


def formula(op, args):
    """The formula itself on raw arrays, floating-point warnings off as in a call."""
    with np.errstate(all="ignore"):
        return op.formula(*full_arguments(op, args))


def takes(op, path, args):
    """Whether a call would ask the fast path, and the fast path would say yes."""
    last = args[len(op.inputs) - 1] if len(op.inputs) < 3 else args[0]
    return getattr(last, "size", 0) >= path.least and bool(path.when(*args))


def names_a_type(args):
    """Whether an option of the sample is an element type, so that the op decides the result's."""
    return any(isinstance(v, np.dtype) for v in args)


def close(found, wanted, relative):
    """Assert equality relative to the largest wanted value, nan equal to nan."""
    assert found.shape == wanted.shape
    if wanted.dtype.kind not in "fcV":
        np.testing.assert_array_equal(found, wanted)
        return
    kind = np.complex128 if wanted.dtype.kind == "c" else np.float64
    found, wanted = found.astype(kind), wanted.astype(kind)
    finite = np.abs(wanted[np.isfinite(wanted)])
    scale = max(float(finite.max(initial=0)), 1e-30 if relative < 1e-3 else 1e-4)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=relative * scale)


# -- derivatives ---------------------------------------------------------------------------------
def fourth_order(function, step=1e-4):
    """The derivative of function at 0 by the five-point formula."""
    return (8 * (function(step) - function(-step)) - (function(2 * step) - function(-2 * step))) / (
        12 * step
    )


def directions(op, args, rng):
    """A direction for every input that has a gradient, None for the others."""
    named = {id(a) for a in inputs_of(op, args, only=differentiable(op))}
    return [
        like(rng, a) if id(a) in named and a.dtype.kind in "fc" else None
        for a in inputs_of(op, args)
    ]


def like(rng, array):
    """Uniform values of the shape and kind of an array."""
    way = rng.uniform(-1, 1, array.shape)
    return way + 1j * rng.uniform(-1, 1, array.shape) if array.dtype.kind == "c" else way


def moved(op, args, ways, t):
    """The sample t steps along its directions."""
    along = iter(ways)

    def change(array):
        way = next(along)
        return array if way is None else np.asarray(array + t * way)

    return on_inputs(op, args, change)


def inner(a, b):
    """Re(sum(conj(a) b)): the change that a gradient a predicts for a step b."""
    return float(np.sum(np.conj(a) * b).real)
