"""Random numbers: ``Generator``, the seeds, and raw draws. Tensors of them: ``random.py``.

One generator serves wherever none is given; ``sn.manual_seed`` makes what follows reproducible. The
bits come from NumPy's Philox (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011),
so the numbers of a seed are the same on every machine. They are not PyTorch's numbers for that seed.
Numbers for a GPU are drawn on the CPU and moved: a seed means one sequence on all devices.

A forked process inherits the generator and would draw the same numbers as its parent; whoever forks
seeds the children anew, as the data loader does.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .device import as_device
from .dtypes import CATEGORY, COMPLEX, INTEGER, float32, float64
from .errors import DeviceError, OpError, OutOfBoundsError, ShapeError
from .tensor import Tensor, wrap

DEFAULT_SEED = 67280421310721  # of a new Generator, as in PyTorch
_STATE_WORDS = 14  # seed, counter (4), key (2), buffer (4), position, and half a word (2)
_FRACTION_BITS = {"float16": 11, "bfloat16": 8}


# -- the generator -------------------------------------------------------------------------------
class Generator:
    """A stream of random numbers with a seed and a state of its own; safe to use from threads.

    >>> import sensorium as sn
    >>> g = sn.Generator().manual_seed(1)
    >>> sn.equal(sn.rand(2, generator=g), sn.rand(2, generator=g.manual_seed(1)))
    True
    """

    def __init__(self, device: Any = "cpu") -> None:
        self.device = as_device(device)
        if self.device.type != "cpu":
            raise DeviceError(f"Generator: numbers are drawn on the cpu, not on {self.device}")
        self.manual_seed(DEFAULT_SEED)

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream that belongs to seed (-2**63 <= seed < 2**64); returns the generator."""
        number = int(seed)
        if not -(2**63) <= number < 2**64:
            raise OutOfBoundsError(f"manual_seed: want -2**63 <= seed < 2**64, got {number}")
        self._seed = number % 2**64
        self.bits = np.random.Philox(np.random.SeedSequence(self._seed))
        self.numpy = np.random.Generator(self.bits)
        return self

    def seed(self) -> int:
        """Start a stream that nobody can foresee; returns its seed."""
        self.manual_seed(secrets.randbits(64))
        return self._seed

    def initial_seed(self) -> int:
        """The seed of the present stream."""
        return self._seed

    def get_state(self) -> Tensor:
        """Where the stream stands, as a uint8 tensor for ``set_state``."""
        state = self.bits.state
        words = [self._seed, *state["state"]["counter"], *state["state"]["key"], *state["buffer"]]
        words += [state["buffer_pos"], state["has_uint32"], state["uinteger"]]
        return wrap(np.array([int(w) for w in words], "<u8").view(np.uint8))

    def set_state(self, new_state: Tensor) -> Generator:
        """Continue from a state that ``get_state`` returned."""
        array = np.ascontiguousarray(getattr(new_state, "array", new_state))
        if array.dtype != np.uint8 or array.shape != (8 * _STATE_WORDS,):
            raise ShapeError(
                f"set_state: want {8 * _STATE_WORDS} bytes as uint8, got shape "
                f"{tuple(array.shape)} {array.dtype}"
            )
        words = array.view("<u8").astype(np.uint64)
        if words[11] > 4 or words[12] > 1 or words[13] >= 2**32:
            raise OpError("set_state: these bytes are no state of a generator")
        self._seed = int(words[0])
        self.bits.state = {
            "bit_generator": "Philox",
            "state": {"counter": words[1:5], "key": words[5:7]},
            "buffer": words[7:11],
            "buffer_pos": int(words[11]),
            "has_uint32": int(words[12]),
            "uinteger": int(words[13]),
        }
        return self

    def __repr__(self) -> str:
        return f"<sensorium.Generator seed={self._seed}>"


default_generator = Generator()
"""Used wherever no generator is given; seeded by chance until ``manual_seed`` is called."""
default_generator.seed()


def manual_seed(seed: int) -> Generator:
    """Seed the default generator, so that what follows is reproducible; returns it.

    >>> manual_seed(3).initial_seed()
    3
    """
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Seed the default generator by chance; returns the seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed of the default generator."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The state of the default generator."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Continue the default generator from a state that ``get_rng_state`` returned."""
    default_generator.set_state(new_state)


@contextmanager
def stream(*seeds: int) -> Iterator[None]:
    """Inside, the default generator draws the numbers that belong to these seeds (each >= 0).

    Afterwards it goes on as if nothing had been drawn. The data loader gives every sample a stream
    of its own, so that which process makes a sample does not matter.

    >>> with stream(1, 2):
    ...     first = source_of(None).random()
    >>> with stream(1, 2):
    ...     first == source_of(None).random()
    True
    """
    generator = default_generator
    before = generator._seed, generator.bits, generator.numpy
    generator.bits = np.random.Philox(np.random.SeedSequence(seeds))
    generator.numpy = np.random.Generator(generator.bits)
    try:
        yield
    finally:
        generator._seed, generator.bits, generator.numpy = before


# -- raw draws -----------------------------------------------------------------------------------
def source_of(generator: Generator | None) -> np.random.Generator:
    return (default_generator if generator is None else generator).numpy


def coins(shape: tuple[int, ...], chance: float, generator: Generator | None = None) -> np.ndarray:
    """A boolean array, each element true with the given chance (to 2**-32)."""
    count = math.prod(shape)
    source = default_generator if generator is None else generator
    words = source.bits.random_raw(-(-count // 2)).view(np.uint32)[:count]
    if chance >= 1:
        return np.ones(shape, np.bool_)
    return (words < np.uint32(chance * 2**32)).reshape(shape)


def uniform(shape: tuple[int, ...], dtype: Any, generator: Generator | None) -> np.ndarray:
    """Values in [0, 1), every multiple of the type's precision equally likely."""
    if dtype in (float32, float64):
        return np.asarray(source_of(generator).random(shape, dtype))
    if CATEGORY[dtype] == COMPLEX:
        return _complex(uniform, shape, dtype, generator)
    bits = _FRACTION_BITS[str(dtype)]  # rounding a float32 would make some of them 1
    whole = np.asarray(source_of(generator).integers(0, 1 << bits, shape, np.uint16))
    return (whole.astype(np.float32) / np.float32(1 << bits)).astype(dtype)


def gauss(shape: tuple[int, ...], dtype: Any, generator: Generator | None) -> np.ndarray:
    """Values of the standard normal distribution; complex ones have variance 1 in all."""
    if CATEGORY[dtype] == COMPLEX:
        return _complex(gauss, shape, dtype, generator) * dtype.type(math.sqrt(0.5))
    exact = dtype if dtype in (float32, float64) else float32
    drawn = np.asarray(source_of(generator).standard_normal(shape, exact))
    return drawn.astype(dtype, copy=False)


def _complex(draw: Any, shape: tuple[int, ...], dtype: Any, generator: Generator | None) -> Any:
    pairs = draw((*shape, 2), np.dtype(f"f{dtype.itemsize // 2}"), generator)
    return pairs.view(dtype)[..., 0]


def integers(
    name: str, low: int, high: int, shape: tuple[int, ...], dtype: Any, generator: Generator | None
) -> np.ndarray:
    """Integers in [low, high) as dtype."""
    if low >= high:
        raise OutOfBoundsError(f"{name}: want low < high, got low {low} and high {high}")
    kind = np.uint64 if high > 2**63 else np.int64
    if CATEGORY[dtype] == INTEGER:
        limit = np.iinfo(dtype)
        if low < limit.min or high - 1 > limit.max:
            raise OutOfBoundsError(f"{name}: [{low}, {high}) does not fit {dtype}")
        kind = dtype
    return np.asarray(source_of(generator).integers(low, high, shape, kind)).astype(
        dtype, copy=False
    )
