"""Damaged files of every format: only ``FormatError`` comes out, soon, and never a wrong value
that a checksum or a bound could have caught.

First the whole small space (every prefix, every byte changed), then seeded generators that build
files out of their parts with one part wrong. ``-m slow`` runs the same with all 255 values of
every byte and far more rounds.
"""

import io
import random
import struct
import time

import numpy as np
import pytest

from sensorium.errors import FormatError
from sensorium.io import safetensors as st
from sensorium.io.detect import KINDS, detect_bytes
from sensorium.io.npz import read_npy, read_npz
from sensorium.io.torch_checkpoint import read_object

SECONDS = 1.0  # for one file of a few kilobytes


def npz_seed(save=np.savez):
    file = io.BytesIO()
    save(file, a=np.arange(6, dtype=np.float32).reshape(2, 3), b=np.array(True))
    return file.getvalue()


def npy_seed():
    file = io.BytesIO()
    np.save(file, np.arange(6, dtype=np.int16).reshape(2, 3))
    return file.getvalue()


def safetensors_seed():
    arrays = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array(True)}
    return st.dumps(arrays, {"format": "pt"})


# name -> (seed file, reader, wrapper that gives the fuzzed part a sound container)
FORMATS = {
    "safetensors": (lambda b: safetensors_seed(), st.read, None),
    "npy": (lambda b: npy_seed(), read_npy, None),
    "npz": (lambda b: npz_seed(), read_npz, None),
    "npz deflated": (lambda b: npz_seed(np.savez_compressed), read_npz, None),
    "torch zip": (lambda b: b.small_zip(), read_object, None),
    "torch stream": (lambda b: b.small_stream(), read_object, None),
    "torch pickle": (
        lambda b: b.small_pickle(), read_object, lambda b, data: b.torch_zip(data, b.SMALL),
    ),
}  # fmt: skip


def leaves(value):
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in leaves(item)]
    return (
        [leaf for item in value for leaf in leaves(item)]
        if isinstance(value, (list, tuple))
        else [value]
    )


def survives(read, data):
    """Whether the file was read; anything but ``FormatError`` escapes and fails the test."""
    start = time.perf_counter()
    try:
        assert detect_bytes(memoryview(data)) in KINDS
        value = read(memoryview(data))
    except FormatError as error:
        assert str(error)
        value = None
    assert time.perf_counter() - start < SECONDS
    for array in leaves(value):
        if isinstance(array, np.ndarray):
            array.tobytes()  # touches every byte
    return value is not None


def prepared(name, build):
    make, read, wrap = FORMATS[name]
    return make(build), read, (lambda data: wrap(build, data)) if wrap else (lambda data: data)


@pytest.mark.parametrize("name", FORMATS)
def test_seed_is_read(name, build):
    seed, read, wrap = prepared(name, build)
    assert survives(read, wrap(seed))


@pytest.mark.parametrize("name", FORMATS)
def test_every_prefix_is_refused(name, build):
    seed, read, wrap = prepared(name, build)
    assert not any(survives(read, wrap(seed[:length])) for length in range(len(seed)))


def changed(seed, values):
    """The seed with one byte changed, for every byte and each of ``values(byte)``."""
    damaged = bytearray(seed)
    for position, byte in enumerate(seed):
        for value in values(byte):
            damaged[position] = value
            yield bytes(damaged)
        damaged[position] = byte


def check_changes(name, build, values):
    seed, read, wrap = prepared(name, build)
    results = [survives(read, wrap(data)) for data in changed(seed, values)]
    assert not all(results)


@pytest.mark.parametrize("name", FORMATS)
def test_every_changed_byte_is_refused_or_harmless(name, build):
    check_changes(name, build, lambda byte: {byte ^ 1, byte ^ 0x80, 0xFF - byte, (byte + 1) % 256})


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_every_byte_changed_to_every_value(name, build):
    check_changes(name, build, lambda byte: set(range(256)) - {byte})


def test_every_changed_bit_of_the_numbers_is_found_where_there_is_a_checksum(build):
    data = np.arange(6, dtype=np.float32).tobytes()
    for name in ("torch zip", "npz"):
        seed, read, _ = prepared(name, build)
        start = seed.index(data)
        for bit in range(8 * len(data)):
            damaged = bytearray(seed)
            damaged[start + bit // 8] ^= 1 << bit % 8
            assert not survives(read, bytes(damaged))


# -- files built of parts, one part wrong --------------------------------------------------------
NUMBERS = [0, 1, 2, 3, 6, 7, 255, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64, -1, -(2**63)]


def some_number(rng):
    return rng.choice(NUMBERS) if rng.random() < 0.5 else rng.randrange(8)


def some_body(build, rng, depth=0):
    """A random pickle expression: mostly well formed, sometimes not at all."""
    parts = [
        lambda: build.num(some_number(rng)),
        lambda: build.text(rng.choice(["", "a", "weight", "0"])),
        lambda: bytes([rng.choice(b"N)]}\x88\x89\x8f")]),
        lambda: some_tensor(build, rng),
    ]
    inner = [
        lambda: build.tup(*(some_body(build, rng, depth + 1) for _ in range(rng.randrange(4)))),
        lambda: b"](" + some_body(build, rng, depth + 1) * rng.randrange(3) + b"e",
        lambda: (
            b"}("
            + b"".join(some_body(build, rng, depth + 1) for _ in range(rng.randrange(5)))
            + b"u"
        ),
        lambda: some_body(build, rng, depth + 1) + b"q\1h" + bytes([rng.randrange(3)]) + b"\x86",
        lambda: some_call(build, rng, depth),
    ]
    return rng.choice(parts if depth > 4 else parts + inner)()


def some_call(build, rng, depth):
    from sensorium.io.torch_globals import GLOBALS

    module, name = rng.choice(sorted(GLOBALS))
    arguments = [some_body(build, rng, depth + 1) for _ in range(rng.randrange(5))]
    return build.call(module, name, *arguments) + rng.choice([b"", b"", b"}b", b"Nb"])


def some_tensor(build, rng):
    size = [some_number(rng) for _ in range(rng.randrange(4))]
    stride = [some_number(rng) for _ in size] if rng.random() < 0.9 else [1]
    kind = rng.choice(["FloatStorage", "LongStorage", "ByteStorage", "UntypedStorage", "Nothing"])
    count, offset = rng.choice([6, 6, 6, some_number(rng)]), rng.choice([0, 0, some_number(rng)])
    view = rng.choice([None, None, b"N", build.tup(build.text("p"), b"K\1", b"K\2")])
    return build.tensor(kind, rng.choice("0012"), count, offset, size, stride, view)


def some_checkpoint(build, rng):
    body = bytearray(some_body(build, rng))
    while body and rng.random() < 0.3:
        body[rng.randrange(len(body))] = rng.randrange(256)
    pickle = build.pkl(bytes(body))
    if rng.random() < 0.5:
        return build.torch_zip(pickle, build.SMALL)
    return build.torch_stream(pickle, {"0": (6, build.SMALL["0"]), "1": (1, build.SMALL["1"])})


def some_safetensors(build, rng):
    header, position = {}, 0
    for name in rng.sample("abcd", rng.randrange(5)):
        shape = [rng.randrange(4) for _ in range(rng.randrange(4))]
        kind = rng.choice(["F32", "BF16", "BOOL", "I64", "C64", "F4", "f32"])
        width = {"F32": 4, "BF16": 2, "BOOL": 1}.get(kind, 8)
        end = position + width * int(np.prod(shape, dtype=int))
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [position, end]}
        position = end
    wrong = rng.choice([None, None, "shape", "data_offsets", "dtype", "extra"])
    if wrong and header:
        junk = [some_number(rng), [some_number(rng)], [some_number(rng)] * 2, None, True, 1.0, "x"]
        header[rng.choice(list(header))][wrong] = rng.choice(junk)
    return build.safetensors(header, bytes(max(0, position + rng.choice([0, 0, 0, 1, -1]))))


def some_zip(build, rng):
    """An .npz with one field of one record wrong, in the local header, the directory or both."""
    member = npy_seed()
    records = []
    for name in rng.sample(["a.npy", "b.npy", "c.npy"], rng.randrange(1, 4)):
        fields = {}
        if rng.random() < 0.3:
            field = rng.choice(["flags", "method", "crc", "packed", "size", "extra", "name"])
            value = rng.choice([0, 1, 8, 0x800, len(member), 2**16 - 1])
            value = struct.pack("<2HQ", 1, rng.randrange(20), 5) if field == "extra" else value
            value = b"a.npy" if field == "name" else value
            fields = {f"{where}_{field}": value for where in rng.choice(["l", "c", "lc"])}
        records.append(build.record(name, member, **fields))
    end = (
        {rng.choice(["count", "size", "offset"]): some_number(rng) % 2**16}
        if rng.random() < 0.2
        else {}
    )
    return build.zip_file(records, wide=rng.random() < 0.5, **end)


def some_npy(build, rng):
    descr = rng.choice(["<f4", ">i2", "|b1", "<c16", "|O", "<U3", "f4", ""])
    shape = tuple(some_number(rng) for _ in range(rng.randrange(4)))
    size = rng.choice([0, 1, 4, 24, 48])
    return build.npy_of(descr, shape, bytes(size), rng.choice([True, False, 1]))


GENERATORS = {
    "checkpoint": (some_checkpoint, read_object),
    "safetensors": (some_safetensors, st.read),
    "zip": (some_zip, read_npz),
    "npy": (some_npy, read_npy),
}


def check_generated(name, build, seed, rounds):
    """Between 1% and 99% are read: else the generator tests only the first or no check at all."""
    make, read = GENERATORS[name]
    rng = random.Random(seed)
    accepted = sum(survives(read, make(build, rng)) for _ in range(rounds))
    assert rounds * 0.01 < accepted < rounds * 0.99, accepted


@pytest.mark.parametrize("name", GENERATORS)
def test_generated_files_are_read_or_refused(name, build):
    check_generated(name, build, seed=2026, rounds=3000)


@pytest.mark.slow
@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize("seed", range(4))
def test_many_generated_files_are_read_or_refused(name, seed, build):
    check_generated(name, build, seed, rounds=100_000)
