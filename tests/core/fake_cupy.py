"""A stand-in for CuPy: an array that is not NumPy's and refuses to become one silently.

It computes with NumPy inside but lets through only what CuPy lets through: ufuncs called on its own
arrays and numbers, ``reduce``/``accumulate``/``at``/``reduceat`` of the ufuncs that have them there,
NumPy functions by ``__array_function__``, and no mixing with NumPy arrays. What runs on it needs no
second body for the GPU.
"""

import numpy as np

_METHODS = {  # what CuPy's reference lists for its ufuncs
    "reduce": {"add", "multiply"},
    "accumulate": {"add", "multiply"},
    "reduceat": {"add"},
    "at": {"add", "maximum", "minimum"},
    "outer": {"add", "multiply"},
}
_ABSENT = {"block", "insert", "setxor1d", "nanmedian_", "apply_over_axes_", "unwrap_"}


class _Device:
    id = 0


class Array:
    """An ndarray on a pretended device."""

    __array_priority__ = 100

    def __init__(self, host):
        assert type(host) is np.ndarray
        self._host = host

    # -- what NumPy asks -------------------------------------------------------------------------
    def __array__(self, dtype=None, copy=None):
        raise TypeError("implicit conversion to a NumPy array is not allowed")

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        if method != "__call__" and ufunc.__name__ not in _METHODS[method]:
            raise TypeError(f"{ufunc.__name__}.{method} is not there")
        _refuse_host_arrays(inputs)
        if "out" in options:
            options["out"] = tuple(_bare(o) for o in options["out"])
            given = getattr(ufunc, method)(*_bare(inputs), **_bare(options))
            return Array(given) if given is not None else None
        return _dressed(getattr(ufunc, method)(*_bare(inputs), **_bare(options)))

    def __array_function__(self, func, types, args, kwargs):
        if func.__name__ in _ABSENT or not all(issubclass(t, Array) for t in types):
            return NotImplemented
        kwargs = {k: v for k, v in kwargs.items() if k != "like"}
        return _dressed(func(*_bare(args), **_bare(kwargs)))

    # -- the attributes both libraries have ------------------------------------------------------
    dtype = property(lambda self: self._host.dtype)
    device = property(lambda self: _Device)
    shape = property(lambda self: self._host.shape)
    strides = property(lambda self: self._host.strides)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    itemsize = property(lambda self: self._host.itemsize)
    nbytes = property(lambda self: self._host.nbytes)
    flags = property(lambda self: self._host.flags)
    base = property(lambda self: self._host.base)
    T = property(lambda self: Array(self._host.T))
    real = property(lambda self: Array(self._host.real))
    imag = property(lambda self: Array(self._host.imag))

    def __len__(self):
        return len(self._host)

    def __bool__(self):
        return bool(self._host)

    def __int__(self):
        return int(self._host)

    def __float__(self):
        return float(self._host)

    def __index__(self):
        return self._host.__index__()

    def __getitem__(self, index):
        _refuse_host_arrays(index if isinstance(index, tuple) else (index,))
        return _dressed(self._host[_bare(index)])

    def __setitem__(self, index, value):
        _refuse_host_arrays(index if isinstance(index, tuple) else (index,))
        _refuse_host_arrays((value,))
        self._host[_bare(index)] = _bare(value)

    def get(self):
        """The host's copy."""
        return self._host.copy()

    def diagonal(self, *args):
        """A view one may write to, where NumPy's is read-only."""
        y = self._host.diagonal(*args)
        y.flags.writeable = self._host.flags.writeable
        return Array(y)

    def item(self, *args):
        """The one element as a Python number."""
        return self._host.item(*args)


def _refuse_host_arrays(values):
    for v in values:
        if isinstance(v, np.ndarray):
            raise TypeError("NumPy arrays and arrays of the device do not mix")
        if isinstance(v, (list, tuple)):
            _refuse_host_arrays(v)


def _bare(value):
    if isinstance(value, Array):
        return value._host
    if type(value) in (list, tuple):
        return type(value)(_bare(v) for v in value)
    if type(value) is dict:
        return {k: _bare(v) for k, v in value.items()}
    return value


def _dressed(value):
    if isinstance(value, np.ndarray):
        return Array(value)
    if isinstance(value, np.generic):  # reductions to nothing stay arrays on the device
        return Array(np.asarray(value))
    if type(value) in (list, tuple):
        return type(value)(_dressed(v) for v in value)
    if isinstance(value, tuple):  # NumPy's named results, plain tuples in CuPy
        return tuple(_dressed(v) for v in value)
    return value


def _method(name):
    def call(self, *args, **options):
        _refuse_host_arrays(args)
        return _dressed(getattr(self._host, name)(*_bare(args), **_bare(options)))

    return call


for _name in [
    "all",
    "any",
    "argmax",
    "argmin",
    "argsort",
    "astype",
    "clip",
    "conj",
    "copy",
    "cumprod",
    "cumsum",
    "dot",
    "max",
    "mean",
    "min",
    "nonzero",
    "prod",
    "ravel",
    "repeat",
    "reshape",
    "round",
    "searchsorted",
    "sort",
    "squeeze",
    "std",
    "sum",
    "swapaxes",
    "take",
    "trace",
    "transpose",
    "var",
    "view",
    "fill",
    "flatten",
    "put",
]:
    setattr(Array, _name, _method(_name))


def _operator(ufunc, swapped):
    def call(self, other):
        if not isinstance(other, (Array, int, float, complex, bool, np.generic)):
            _refuse_host_arrays((other,))
            return NotImplemented
        return ufunc(other, self) if swapped else ufunc(self, other)

    return call


for _name, _ufunc in {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.true_divide,
    "floordiv": np.floor_divide, "mod": np.remainder, "pow": np.power, "matmul": np.matmul,
    "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
}.items():  # fmt: skip
    setattr(Array, f"__{_name}__", _operator(_ufunc, False))
    setattr(Array, f"__r{_name}__", _operator(_ufunc, True))


def _inplace(ufunc):
    def call(self, other):
        ufunc(self, other, out=self)
        return self

    return call


for _name, _ufunc in {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.true_divide,
    "and": np.bitwise_and, "or": np.bitwise_or,
}.items():  # fmt: skip
    setattr(Array, f"__i{_name}__", _inplace(_ufunc))
for _name, _ufunc in {
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
    "eq": np.equal, "ne": np.not_equal,
}.items():  # fmt: skip
    setattr(Array, f"__{_name}__", _operator(_ufunc, False))
for _name, _ufunc in {"neg": np.negative, "abs": np.absolute, "invert": np.invert}.items():
    setattr(Array, f"__{_name}__", lambda self, _ufunc=_ufunc: _ufunc(self))


def to_device(value):
    """NumPy arrays as arrays of the device, within tuples and lists too."""
    if isinstance(value, (np.ndarray, np.generic)):
        return Array(np.asarray(value))
    if type(value) in (list, tuple):
        return type(value)(to_device(v) for v in value)
    return value


def to_host(array):
    """The NumPy array inside."""
    return array._host
