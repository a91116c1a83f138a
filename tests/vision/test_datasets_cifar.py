"""CIFAR in both true layouts, and pickles that must never run.

``python2`` writes what Python 2's cPickle wrote in 2009, opcode by opcode; Python's own ``pickle``
says here that it means the same.
"""

import dataclasses
import hashlib
import multiprocessing
import os
import pickle
import struct

import numpy as np
import pytest

from sensorium.data import DataLoader
from sensorium.errors import (
    CorruptError,
    FormatError,
    IntegrityError,
    OutOfBoundsError,
    TruncatedError,
    UnsafeContentError,
)
from sensorium.vision import transforms as T
from sensorium.vision.datasets import CIFAR10, CIFAR100, cifar

NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
PY10, BIN10, PY100, BIN100 = (
    "cifar-10-batches-py", "cifar-10-batches-bin", "cifar-100-python", "cifar-100-binary",
)  # fmt: skip


# -- writing -------------------------------------------------------------------------------------
def python2(value):
    """Protocol 2 as Python 2 wrote it: byte strings, and arrays by numpy.core.multiarray."""
    return b"\x80\x02" + _opcodes(value) + b"."


def _opcodes(value):
    if isinstance(value, str):
        return _string(value.encode())
    if isinstance(value, int):
        return b"K" + bytes([value]) if value < 256 else b"M" + struct.pack("<H", value)
    if isinstance(value, list):
        return b"](" + b"".join(map(_opcodes, value)) + b"e"
    if isinstance(value, dict):
        pairs = (_opcodes(k) + _opcodes(v) for k, v in value.items())
        return b"}(" + b"".join(pairs) + b"u"
    blank = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + _string(b"b")
    kind = b"cnumpy\ndtype\n" + _string(b"u1") + b"K\x00K\x01\x87R"
    kind += b"(K\x03" + _string(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    shape = b"".join(_opcodes(n) for n in value.shape) + b"\x86"
    state = b"(K\x01" + shape + kind + b"\x89" + _string(value.tobytes()) + b"t"
    return blank + b"\x87R" + state + b"b"


def _string(raw):
    return (
        b"U" + bytes([len(raw)]) + raw
        if len(raw) < 256
        else b"T" + struct.pack("<I", len(raw)) + raw
    )


def python3(value):
    return pickle.dumps(value, 2)


def batch(n, classes, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n).tolist()
    return rng.integers(0, 256, (n, 3072)).astype(np.uint8), labels


def write10(root, dumps=python2, n=3):
    folder = root / PY10
    folder.mkdir(exist_ok=True)
    for k, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
        data, labels = batch(n, 10, k)
        files = [f"image_{i}.png" for i in range(n)]
        content = {"batch_label": name, "labels": labels, "data": data, "filenames": files}
        (folder / name).write_bytes(dumps(content))
    meta = {"num_cases_per_batch": 10000, "label_names": NAMES, "num_vis": 3072}
    (folder / "batches.meta").write_bytes(dumps(meta))
    return folder


def write10_binary(root, n=3):
    folder = root / BIN10
    folder.mkdir()
    for k, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
        data, labels = batch(n, 10, k)
        records = np.column_stack([np.array(labels, np.uint8), data])
        (folder / f"{name}.bin").write_bytes(records.tobytes())
    (folder / "batches.meta.txt").write_text("\n".join(NAMES) + "\n\n")
    return folder


def write100(root, binary=False, n=4):
    folder = root / (BIN100 if binary else PY100)
    folder.mkdir()
    fine = [f"thing_{k}" for k in range(100)]
    for seed, name in ((0, "train"), (1, "test")):
        data, labels = batch(n, 100, seed)
        coarse = [label // 5 for label in labels]
        if binary:
            records = np.column_stack([np.array([coarse, labels], np.uint8).T, data])
            (folder / f"{name}.bin").write_bytes(records.tobytes())
        else:
            content = {"coarse_labels": coarse, "fine_labels": labels, "data": data}
            (folder / name).write_bytes(python2(content))
    if binary:
        (folder / "fine_label_names.txt").write_text("\n".join(fine))
    else:
        (folder / "meta").write_bytes(python2({"fine_label_names": fine}))
    return folder


def expected(seeds, n, classes):
    """(images (N, 32, 32, 3), labels), pixel by pixel from the planes of red, green and blue."""
    parts = [batch(n, classes, seed) for seed in seeds]
    images = np.empty((n * len(parts), 32, 32, 3), np.uint8)
    for k, row in enumerate(row for data, _ in parts for row in data):
        for c in range(3):
            images[k, :, :, c] = row[1024 * c : 1024 * (c + 1)].reshape(32, 32)
    return images, [label for _, labels in parts for label in labels]


def test_the_writer_writes_what_python_reads():
    data, labels = batch(2, 10, 0)
    read = pickle.loads(python2({"labels": labels, "data": data}), encoding="latin1")
    assert read["labels"] == labels and np.array_equal(read["data"], data)


# -- reading -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "write", [write10, lambda root: write10(root, python3), write10_binary],
    ids=["python 2", "python 3", "binary"],
)  # fmt: skip
def test_cifar10_comes_out_of_every_layout(tmp_path, write):
    write(tmp_path)
    for train, seeds in ((True, range(5)), (False, [5])):
        data = CIFAR10(tmp_path, train)
        images, labels = expected(seeds, 3, 10)
        assert np.array_equal(data.data, images) and data.targets == labels
        assert data.classes == NAMES and data.class_to_idx["ship"] == 8
        assert len(data) == len(labels)
        image, label = data[1]
        assert image.mode == "RGB" and np.array_equal(image, images[1]) and label == labels[1]
    assert "Split: Test" in repr(data)


@pytest.mark.parametrize("binary", [False, True])
def test_cifar100_has_its_fine_labels(tmp_path, binary):
    write100(tmp_path, binary)
    for train, seed in ((True, 0), (False, 1)):
        data = CIFAR100(tmp_path, train)
        images, labels = expected([seed], 4, 100)
        assert np.array_equal(data.data, images) and data.targets == labels
        assert data.classes[7] == "thing_7"


def test_the_python_layout_comes_first(tmp_path):
    write10_binary(tmp_path, n=2)
    write10(tmp_path, n=3)
    assert len(CIFAR10(tmp_path)) == 15


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_workers_load_the_same_batches(tmp_path, context):
    if context not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {context} here")
    write10(tmp_path)
    data = CIFAR10(tmp_path, True, T.ToTensor())
    loader = DataLoader(data, 4, num_workers=2, multiprocessing_context=context)
    x = np.concatenate([batch.numpy() for batch, _ in loader])
    images, labels = expected(range(5), 3, 10)
    assert np.allclose(x, images.transpose(0, 3, 1, 2) / np.float32(255))
    assert [int(v) for _, y in loader for v in y] == labels


def test_an_index_out_of_range_is_named(tmp_path):
    write10(tmp_path)
    with pytest.raises(OutOfBoundsError, match="CIFAR10: index 15 is out of range for 15"):
        CIFAR10(tmp_path)[15]


# -- pickles that would do something -------------------------------------------------------------
def hostile(marker):
    """Pickles that make a file if anything runs them."""
    command = f"touch {marker}".encode()
    call = b"(" + _string(command) + b"t"

    class Reduced:
        def __reduce__(self):
            return os.system, (f"touch {marker}",)

    return {
        "global": b"\x80\x02cos\nsystem\n" + call + b"R.",
        "builtin": b"\x80\x02c__builtin__\neval\n" + call + b"R.",
        "numpy": b"\x80\x02cnumpy.testing._private.utils\nrunstring\n" + call + b"R.",
        "inst": b"\x80\x02(" + _string(command) + b"ios\nsystem\n.",
        "obj": b"\x80\x02(cos\nsystem\n" + _string(command) + b"o.",
        "reduced": pickle.dumps({"labels": [0], "data": Reduced()}, 2),
        "protocol 4": pickle.dumps(Reduced(), 4),
        "protocol 0": pickle.dumps(Reduced(), 0),
    }


@pytest.mark.parametrize("name", sorted(hostile("x")))
def test_a_hostile_pickle_is_refused_and_nothing_runs(tmp_path, name):
    marker = tmp_path / "ran"
    folder = write10(tmp_path)
    content = hostile(marker)[name]
    for file in ("data_batch_3", "batches.meta"):
        good = (folder / file).read_bytes()
        (folder / file).write_bytes(content)
        error = FormatError if name == "protocol 0" else UnsafeContentError
        with pytest.raises(error, match=file):
            CIFAR10(tmp_path)
        (folder / file).write_bytes(good)
    assert not marker.exists()
    assert len(CIFAR10(tmp_path)) == 15


def test_small_pickles_that_grow_without_end_are_refused(tmp_path):
    folder = write10(tmp_path)
    doubling = b"\x80\x02)" + b"q\x00h\x00\x86" * 200 + b"."  # a tuple of 2^200 leaves
    huge = b"\x80\x02T\xff\xff\xff\xff."
    for content in (doubling, huge, b"\x80\x02" + b"(" * 100_000 + b"."):
        (folder / "data_batch_1").write_bytes(content)
        with pytest.raises(FormatError, match="data_batch_1"):
            CIFAR10(tmp_path)


def test_every_cut_of_a_batch_is_refused(tmp_path):
    folder = write10(tmp_path, n=1)
    path = folder / "data_batch_1"
    good = path.read_bytes()
    for cut in [*range(120), *range(120, len(good), 211), len(good) - 1]:
        path.write_bytes(good[:cut])
        with pytest.raises(FormatError, match="data_batch_1"):
            CIFAR10(tmp_path)


# -- files that contradict themselves ------------------------------------------------------------
@pytest.mark.parametrize(
    "change,match",
    [
        ({"labels": [1, 2]}, "2 labels for 3 images"),
        ({"labels": [1, 10, 2]}, "label 10 of sample 1 is not within 0 to 9"),
        ({"labels": ["a", "b", "c"]}, "'labels' is not a list of whole numbers"),
        ({"labels": 3}, "'labels' is not a list of whole numbers"),
        ({"data": [1, 2]}, "'data' is not a uint8 array"),
        ({"data": np.zeros((3, 3071), np.uint8)}, "images of 3071 bytes, want 3072"),
        ({"data": np.zeros((2, 3072), np.uint8)}, "3 labels for 2 images"),
    ],
)
def test_a_batch_that_contradicts_itself_is_named(tmp_path, change, match):
    folder = write10(tmp_path)
    data, labels = batch(3, 10, 0)
    content = {"labels": labels, "data": data} | change
    (folder / "data_batch_1").write_bytes(python2(content))
    with pytest.raises(CorruptError, match=match) as caught:
        CIFAR10(tmp_path)
    assert str(caught.value).startswith(str(folder / "data_batch_1"))


def test_names_that_do_not_fit_are_refused(tmp_path):
    folder = write10(tmp_path)
    for names, match in (
        (NAMES[:9], "9 different names for 10 classes"),
        ([1, 2], "not a list of names"),
    ):
        (folder / "batches.meta").write_bytes(python2({"label_names": names}))
        with pytest.raises(CorruptError, match=match):
            CIFAR10(tmp_path)
    (folder / "batches.meta").write_bytes(python2([1]))
    with pytest.raises(CorruptError, match=r"batches\.meta: holds a list, want a dict"):
        CIFAR10(tmp_path)
    (folder / "batches.meta").write_bytes(python2({}) + b"more")
    with pytest.raises(CorruptError, match="the pickle ends at byte"):
        CIFAR10(tmp_path)


def test_binary_files_of_broken_length_and_labels_are_refused(tmp_path):
    folder = write10_binary(tmp_path)
    path = folder / "data_batch_2.bin"
    good = path.read_bytes()
    for bad in (good[:-1], good + b"x", b""):
        path.write_bytes(bad)
        with pytest.raises(TruncatedError, match=rf"{len(bad)} bytes are not a whole number"):
            CIFAR10(tmp_path)
    path.write_bytes(b"\x63" + good[1:])
    with pytest.raises(CorruptError, match="label 99 of sample 0 is not within 0 to 9"):
        CIFAR10(tmp_path)
    path.write_bytes(good)
    (folder / "batches.meta.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(CorruptError, match="names are not text"):
        CIFAR10(tmp_path)


def test_missing_files_are_listed(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"missing .*data_batch_1.*published at https"):
        CIFAR10(tmp_path)
    folder = write10(tmp_path)
    (folder / "data_batch_4").unlink()
    with pytest.raises(FileNotFoundError, match=r"missing \S*data_batch_4;"):
        CIFAR10(tmp_path)
    assert len(CIFAR10(tmp_path, train=False)) == 3


def test_a_file_with_the_published_count_must_be_the_published_file(tmp_path, monkeypatch):
    folder = write10(tmp_path)
    layout = cifar._CIFAR10

    sums = {p.name: hashlib.md5(p.read_bytes()).hexdigest() for p in folder.iterdir()}
    monkeypatch.setattr(CIFAR10, "_layout", dataclasses.replace(layout, published=(3, 3), md5=sums))
    assert len(CIFAR10(tmp_path)) == 15
    raw = bytearray((folder / "data_batch_5").read_bytes())
    raw[len(raw) // 2] ^= 1
    (folder / "data_batch_5").write_bytes(bytes(raw))
    with pytest.raises(
        IntegrityError, match=rf"data_batch_5: MD5 \w+, published is {sums['data_batch_5']}"
    ):
        CIFAR10(tmp_path)
    assert len(CIFAR10(tmp_path, verify=False)) == 15
