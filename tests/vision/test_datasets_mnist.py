"""MNIST's idx files in their true format: values, attributes, and every way a file can lie."""

import gzip
import multiprocessing
import struct

import numpy as np
import pytest

import sensorium as sn
from sensorium.data import DataLoader
from sensorium.errors import CorruptError, FormatError, LimitError, OutOfBoundsError, TruncatedError
from sensorium.vision import transforms as T
from sensorium.vision.datasets import KMNIST, MNIST, FashionMNIST

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def idx(array, kind=8):
    head = bytes((0, 0, kind, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(np.uint8).tobytes()


def digits(n=7, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, 28, 28)).astype(np.uint8), np.arange(n) % 10


def write(root, name="MNIST", pack=False, n=7):
    raw = root / name / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for half, seed in (("train", 0), ("t10k", 1)):
        images, labels = digits(n, seed)
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            file = raw / f"{half}-{kind}-ubyte"
            if pack:
                file.with_name(file.name + ".gz").write_bytes(gzip.compress(idx(array)))
            else:
                file.write_bytes(idx(array))
    return raw


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize("kind", [MNIST, FashionMNIST, KMNIST])
def test_what_is_in_the_files_comes_out(tmp_path, kind, pack):
    write(tmp_path, kind.__name__, pack)
    for train, seed in ((True, 0), (False, 1)):
        images, labels = digits(seed=seed)
        data = kind(tmp_path, train)
        assert isinstance(data.data, sn.Tensor) and data.data.dtype == np.uint8
        assert data.targets.dtype == np.int64
        assert np.array_equal(data.data.numpy(), images)
        assert data.targets.tolist() == labels.tolist() and len(data) == 7
        image, label = data[2]
        assert image.mode == "L" and np.array_equal(image, images[2]) and label == 2
        assert type(label) is int
    assert len(data.classes) == 10 and data.class_to_idx[data.classes[4]] == 4
    assert "Split: Test" in repr(data)


def test_the_plain_file_is_read_before_the_gzipped_one(tmp_path):
    raw = write(tmp_path, pack=True)
    images, _ = digits(seed=5)
    (raw / IMAGES).write_bytes(idx(images))
    assert np.array_equal(MNIST(tmp_path).data.numpy(), images)


def plus_one(label):
    return label + 1


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_workers_load_the_same_batches(tmp_path, context):
    if context not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {context} here")
    write(tmp_path)
    data = MNIST(tmp_path, True, T.ToTensor(), plus_one)
    loader = DataLoader(data, 3, num_workers=2, multiprocessing_context=context)
    x = np.concatenate([batch.numpy() for batch, _ in loader])
    assert np.allclose(x[:, 0], digits()[0] / np.float32(255))
    assert [int(v) for _, y in loader for v in y] == [1, 2, 3, 4, 5, 6, 7]


# -- files that lie ------------------------------------------------------------------------------
def broken(tmp_path, name, change):
    raw = write(tmp_path)
    path = raw / name
    path.write_bytes(change(path.read_bytes()))
    return path


@pytest.mark.parametrize(
    "name,change,error,match",
    [
        (
            IMAGES,
            lambda b: b"\0\0\x0d\x03" + b[4:],
            FormatError,
            "begins with 00000d03, want 00000803",
        ),
        (
            IMAGES,
            lambda b: b"\0\0\x08\x01" + b[4:],
            FormatError,
            "begins with 00000801, want 00000803",
        ),
        (LABELS, lambda b: b"<htm" + b[4:], FormatError, "begins with 3c68746d, want 00000801"),
        (IMAGES, lambda b: b[:-5], TruncatedError, "wants 5504 bytes, the file has 5499"),
        (IMAGES, lambda b: b + b"x", CorruptError, "wants 5504 bytes, the file goes on"),
        (IMAGES, lambda b: b[:10], TruncatedError, "the header ends after 10 bytes"),
        (IMAGES, lambda b: b"", TruncatedError, "0 bytes are no idx file"),
        (IMAGES, lambda b: b[:4] + b"\xff" * 12 + b[16:], TruncatedError, "the file has 5504"),
        (
            LABELS,
            lambda b: b[:-1] + b"\x0a",
            CorruptError,
            "label 10 of sample 6 is not within 0 to 9",
        ),
        (
            LABELS,
            lambda b: idx(np.arange(6)),
            CorruptError,
            f"6 labels for the 7 images of {IMAGES}",
        ),
    ],
)
def test_a_file_that_contradicts_itself_is_named(tmp_path, name, change, error, match):
    path = broken(tmp_path, name, change)
    with pytest.raises(error, match=match) as caught:
        MNIST(tmp_path)
    assert str(caught.value).startswith(str(path)) and type(caught.value) is error


@pytest.mark.parametrize("cut", [3, 11, 30, 2000, -9, -1])
def test_a_cut_gzip_is_truncated(tmp_path, cut):
    raw = write(tmp_path, pack=True)
    path = raw / f"{IMAGES}.gz"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(TruncatedError, match=r"images-idx3-ubyte\.gz: "):
        MNIST(tmp_path)


def test_a_flipped_bit_in_a_gzip_is_found(tmp_path):
    raw = write(tmp_path, pack=True)
    path = raw / f"{IMAGES}.gz"
    good = path.read_bytes()
    for at in range(20, len(good), 499):
        bad = bytearray(good)
        bad[at] ^= 16
        path.write_bytes(bytes(bad))
        with pytest.raises(FormatError, match=r"images-idx3-ubyte\.gz: "):
            MNIST(tmp_path)


def test_a_header_that_asks_for_too_much_of_a_small_gzip_is_refused_before_it_is_read(tmp_path):
    raw = write(tmp_path, pack=True)
    head = bytes((0, 0, 8, 3)) + struct.pack(">3I", 1 << 20, 1 << 12, 1 << 12)
    (raw / f"{IMAGES}.gz").write_bytes(gzip.compress(head))
    with pytest.raises(LimitError, match="more than"):
        MNIST(tmp_path)


def test_missing_files_and_wrong_indices_are_named(tmp_path):
    raw = write(tmp_path)
    (raw / LABELS).unlink()
    with pytest.raises(FileNotFoundError, match=f"holds neither {LABELS} nor {LABELS}.gz"):
        MNIST(tmp_path)
    with pytest.raises(OutOfBoundsError, match="index 7 is out of range for 7 samples"):
        MNIST(tmp_path, train=False)[7]


def test_an_empty_set_is_a_set(tmp_path):
    write(tmp_path, n=0)
    assert len(MNIST(tmp_path)) == 0
