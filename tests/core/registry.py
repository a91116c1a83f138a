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
        elif name in op.inputs and value is not None and not isinstance(value, (int, float)):
            changed.append(change(np.asarray(value)))
        else:
            changed.append(value)
    return changed


def inputs_of(op, args):
    """The input arrays or tensors of a sample in order, those of a list one by one."""
    found = []
    on_inputs(op, args, found.append) if not _has_tensors(args) else _collect(op, args, found)
    return found


def _has_tensors(args):
    return any(
        isinstance(v, sn.Tensor) or (isinstance(v, list) and v and isinstance(v[0], sn.Tensor))
        for v in args
    )


def _collect(op, args, found):
    for name, value in zip(parameters(op, args), args):
        if name in op.lists:
            found.extend(value)
        elif name in op.inputs and isinstance(value, sn.Tensor):
            found.append(value)


def as_tensors(op, args, requires_grad=False):
    """The sample with Tensors; floating ones want a gradient if asked for."""

    def change(array):
        tensor = wrap(array)
        tensor.requires_grad = requires_grad and array.dtype.kind in "fc"
        return tensor

    return on_inputs(op, args, change)


def cast_to(op, args, dtype):
    """The sample with its floating inputs in another type."""
    return on_inputs(
        op, args, lambda a: a.astype(dtype) if a.dtype.kind == "f" or a.dtype.kind == "V" else a
    )


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
    scale = max(float(finite.max(initial=0)), 1e-30)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=relative * scale)


# -- derivatives ---------------------------------------------------------------------------------
def fourth_order(function, step=1e-4):
    """The derivative of function at 0 by the five-point formula."""
    return (8 * (function(step) - function(-step)) - (function(2 * step) - function(-2 * step))) / (
        12 * step
    )


def directions(rng, arrays):
    """A direction for every array, zero where it is no floating-point array."""
    return [
        rng.uniform(-1, 1, a.shape) if a.dtype.kind == "f" else np.zeros(a.shape) for a in arrays
    ]


def moved(op, args, ways, t):
    """The sample t steps along its directions."""
    along = iter(ways)

    def change(array):
        way = next(along)
        return array + t * way if array.dtype.kind == "f" else array

    return on_inputs(op, args, change)
