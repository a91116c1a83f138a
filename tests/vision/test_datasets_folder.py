"""ImageFolder, DatasetFolder and FakeData: what is found, in which order, and what is refused."""

import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sensorium as sn
from sensorium.data import DataLoader
from sensorium.errors import DecodeError, OptionError, OutOfBoundsError
from sensorium.vision import transforms as T
from sensorium.vision.datasets import (
    DatasetFolder,
    FakeData,
    ImageFolder,
    VisionDataset,
    find_classes,
    has_file_allowed_extension,
    is_image_file,
    make_dataset,
)


@pytest.fixture
def root(tmp_path):
    """dog: two images, one of them deeper; cat: one image and a text; a file beside the folders."""
    for name, colour in (
        ("dog/b.png", (1, 2, 3)),
        ("dog/a/z.PNG", (4, 5, 6)),
        ("cat/1.png", (7, 8, 9)),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 5), colour).save(path)
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    (tmp_path / "readme.txt").write_text("no class")
    return tmp_path


def relative(root, samples):
    return [(Path(path).relative_to(root).as_posix(), label) for path, label in samples]


# -- what is found -------------------------------------------------------------------------------
def test_folders_are_classes_and_files_come_in_sorted_order(root):
    data = ImageFolder(root)
    assert data.classes == ["cat", "dog"] and data.class_to_idx == {"cat": 0, "dog": 1}
    want = [("cat/1.png", 0), ("dog/b.png", 1), ("dog/a/z.PNG", 1)]
    assert relative(root, data.samples) == want and data.imgs is data.samples
    assert data.targets == [0, 1, 1] and len(data) == 3
    assert [np.asarray(image)[0, 0].tolist() for image, _ in (data[0], data[1], data[2])] == [
        [7, 8, 9], [1, 2, 3], [4, 5, 6],
    ]  # fmt: skip


def test_transforms_act_on_image_and_target(root):
    data = ImageFolder(root, T.ToTensor(), lambda y: 10 * y)
    image, target = data[2]
    assert isinstance(image, sn.Tensor) and image.shape == (3, 5, 6) and target == 10
    both = VisionDataset(root, transforms=lambda x, y: (y, x))
    assert both.transformed(1, 2) == (2, 1)
    with pytest.raises(OptionError, match="transforms excludes"):
        VisionDataset(root, transforms=lambda x, y: (x, y), transform=T.Identity())


def test_a_loader_and_a_rule_of_ones_own(root):
    texts = DatasetFolder(root, lambda path: Path(path).read_text(), (".TXT",), allow_empty=True)
    assert texts[0] == ("no image", 0) and len(texts) == 1 and texts.classes == ["cat", "dog"]
    deep = ImageFolder(root, is_valid_file=lambda path: "z" in Path(path).name, allow_empty=True)
    assert relative(root, deep.samples) == [("dog/a/z.PNG", 1)]
    assert has_file_allowed_extension("x.tar.gz", ".gz") and not is_image_file("x.txt")


def test_make_dataset_takes_classes_in_any_numbering(root):
    got = make_dataset(root, {"dog": 5, "cat": 2}, ".png")
    assert relative(root, got) == [("cat/1.png", 2), ("dog/b.png", 5), ("dog/a/z.PNG", 5)]
    assert make_dataset(root, None, ".png") == ImageFolder(root).samples
    assert find_classes(root)[0] == ["cat", "dog"]


def test_links_are_followed_but_not_round_and_round(root, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    Image.new("RGB", (2, 2)).save(other / "linked.png")
    try:
        os.symlink(other, root / "cat" / "more", target_is_directory=True)
        os.symlink(root / "dog", root / "dog" / "a" / "loop", target_is_directory=True)
    except OSError:
        pytest.skip("no symbolic links here")
    assert [p for p, _ in relative(root, ImageFolder(root).samples)] == [
        "cat/1.png", "cat/more/linked.png", "dog/b.png", "dog/a/z.PNG",
    ]  # fmt: skip


def test_photographs_come_upright(root):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.new("RGB", (8, 4)).save(root / "cat" / "2.jpg", exif=exif)
    data = ImageFolder(root)
    assert data[1][0].size == (4, 8)


def test_repr_tells_size_place_and_transform(root):
    text = repr(ImageFolder(root, T.CenterCrop(4)))
    assert "Dataset ImageFolder\n    Number of datapoints: 3\n    Root location:" in text
    assert "transform: CenterCrop(size=(4, 4))" in text


# -- what is refused -----------------------------------------------------------------------------
def test_missing_and_empty_folders_are_named(root, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere: there is no such folder of classes"):
        ImageFolder(root / "nowhere")
    with pytest.raises(FileNotFoundError, match="holds no folders"):
        ImageFolder(root / "dog" / "a")
    (root / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="in 1 classes: empty"):
        ImageFolder(root)
    data = ImageFolder(root, allow_empty=True)
    assert data.classes == ["cat", "dog", "empty"] and len(data) == 3
    with pytest.raises(OptionError, match="either extensions or is_valid_file"):
        make_dataset(root)


def test_a_damaged_image_is_an_error_that_names_it(root):
    path = root / "cat" / "1.png"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(DecodeError, match=r"1\.png"):
        ImageFolder(root)[0]


def test_an_index_out_of_range_says_how_many_there_are(root):
    with pytest.raises(
        OutOfBoundsError, match="ImageFolder: index 3 is out of range for 3 samples"
    ):
        ImageFolder(root)[3]
    assert ImageFolder(root)[-1][1] == 1
    assert [y for _, y in ImageFolder(root)] == [0, 1, 1]  # iteration ends by it


# -- loading -------------------------------------------------------------------------------------
@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_workers_load_the_same_batches(root, context):
    if context not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {context} here")
    data = ImageFolder(root, T.Compose([T.Resize((4, 4)), T.ToTensor()]))
    alone = list(DataLoader(data, 2))
    workers = list(DataLoader(data, 2, num_workers=2, multiprocessing_context=context))
    assert len(alone) == len(workers) == 2
    for (x, y), (other, labels) in zip(alone, workers):
        assert np.array_equal(x.numpy(), other.numpy()) and y.tolist() == labels.tolist()


def test_a_workers_error_names_the_file(root):
    (root / "dog" / "b.png").write_bytes(b"nothing")
    loader = DataLoader(ImageFolder(root, T.ToTensor()), 1, num_workers=1)
    with pytest.raises(DecodeError, match=r"b\.png"):
        list(loader)


def test_fake_data_is_the_same_every_time():
    data = FakeData(5, (3, 8, 9), 4, transform=T.PILToTensor())
    images = [image.numpy() for image, _ in data]
    assert images[0].shape == (3, 8, 9) and not np.array_equal(images[0], images[1])
    assert np.array_equal(data[3][0].numpy(), images[3])
    shifted = FakeData(5, (3, 8, 9), 4, transform=T.PILToTensor(), random_offset=3)
    assert np.array_equal(shifted[0][0].numpy(), images[3])
    assert FakeData(2, (1, 4, 4))[0][0].mode == "L"
    with pytest.raises(OutOfBoundsError, match="index 5 is out of range for 5"):
        data[5]
