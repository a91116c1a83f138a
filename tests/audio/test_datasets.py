"""Audio datasets on miniatures in the true layout, in this process and through workers."""

import os

import numpy as np
import pytest

import sensorium as sn
from sensorium.audio.datasets import SPEECHCOMMANDS, YESNO, AudioFolder, pad_collate
from sensorium.audio.io import save
from sensorium.data import DataLoader
from sensorium.errors import (
    CorruptError,
    DecodeError,
    OptionError,
    OutOfBoundsError,
    ShapeError,
)


def write(path, level, frames=100, rate=16_000, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.full((1, frames), level, np.float32)
    save(path, sn.tensor(samples), rate, bits_per_sample=16, **options)


# -- AudioFolder ---------------------------------------------------------------------------------
@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "yes" / "b.wav", 0.25)
    write(tmp_path / "yes" / "a.FLAC", 0.125)
    write(tmp_path / "no" / "more" / "z.wav", 0.5, frames=50)
    write(tmp_path / "no" / "c.wav", 0.75)
    (tmp_path / "no" / "notes.txt").write_text("no recording")
    (tmp_path / ".hidden").mkdir()
    return tmp_path


def test_folders_are_classes_in_sorted_order(folder):
    data = AudioFolder(folder)
    assert data.classes == ["no", "yes"] and data.class_to_idx == {"no": 0, "yes": 1}
    names = [(os.path.relpath(path, folder), number) for path, number in data.samples]
    sep = os.sep
    assert names == [
        (f"no{sep}c.wav", 0), (f"no{sep}more{sep}z.wav", 0),
        (f"yes{sep}a.FLAC", 1), (f"yes{sep}b.wav", 1),
    ]  # fmt: skip
    assert data.targets == [0, 0, 1, 1] and len(data) == 4 and data.sample_rate == 16_000
    waveform, target = data[2]
    assert waveform.shape == (1, 100) and waveform[0, 0].item() == 0.125 and target == 1
    assert data[-1][0][0, 0].item() == 0.25 and "4 samples" in repr(data)


def test_transforms_loader_and_extensions(folder):
    data = AudioFolder(folder, transform=lambda x: x * 2, target_transform=lambda y: y + 10)
    assert data[3][0][0, 0].item() == 0.5 and data[3][1] == 11
    assert AudioFolder(folder, loader=os.path.basename)[0] == ("c.wav", 0)
    assert len(AudioFolder(folder, extensions=".wav")) == 3


def test_one_sample_rate_or_resampled(folder):
    write(folder / "yes" / "c.wav", 0.25, rate=8000)
    data = AudioFolder(folder)
    with pytest.raises(DecodeError, match=r"8000 samples a second, but .* has 16000") as caught:
        data[4]
    assert str(folder / "yes" / "c.wav") in str(caught.value)
    data = AudioFolder(folder, sample_rate=16_000)
    assert data[4][0].shape == (1, 200) and data[3][0].shape == (1, 100)


def test_mono(tmp_path):
    (tmp_path / "a").mkdir()
    save(tmp_path / "a" / "1.wav", sn.tensor([[0.5, 0.5], [0.0, 0.25]]), 8000)
    assert AudioFolder(tmp_path)[0][0].shape == (2, 2)
    assert AudioFolder(tmp_path, mono=True)[0][0].tolist() == [[0.25, 0.375]]


def test_damaged_file_is_named_when_it_is_taken(folder):
    path = folder / "yes" / "b.wav"
    path.write_bytes(path.read_bytes()[:-10])
    data = AudioFolder(folder)
    with pytest.raises(DecodeError, match="promises 200 bytes") as caught:
        data[3]
    assert str(path) in str(caught.value)


def test_what_is_no_dataset(folder):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        AudioFolder(folder / "absent")
    with pytest.raises(FileNotFoundError, match="one for each class"):
        AudioFolder(folder / "yes")
    (folder / "maybe").mkdir()
    with pytest.raises(FileNotFoundError, match="in 1 classes: maybe"):
        AudioFolder(folder)
    (folder / "maybe").rmdir()
    with pytest.raises(OutOfBoundsError, match="AudioFolder: index 4 is out of range for 4"):
        AudioFolder(folder)[4]


@pytest.mark.skipif(os.name == "nt", reason="links want rights there")
def test_link_to_a_folder_above_has_an_end(folder):
    os.symlink(folder / "yes", folder / "yes" / "again")
    assert len(AudioFolder(folder)) == 4


# -- Speech Commands -----------------------------------------------------------------------------
RECORDINGS = [
    "no/0a7c2a8d_nohash_0.wav", "no/0a7c2a8d_nohash_1.wav", "yes/004ae714_nohash_0.wav",
    "yes/012c8314_nohash_0.wav", "yes/0a7c2a8d_nohash_0.wav",
]  # fmt: skip


@pytest.fixture
def commands(tmp_path):
    release = tmp_path / "SpeechCommands" / "speech_commands_v0.02"
    for number, name in enumerate(RECORDINGS):
        write(release / name, (number + 1) / 8, frames=16_000 - 1000 * number)
    write(release / "_background_noise_" / "white_noise.wav", 0.5, frames=30_000)
    (release / "validation_list.txt").write_text("yes/012c8314_nohash_0.wav\n")
    (release / "testing_list.txt").write_text(
        "no/0a7c2a8d_nohash_1.wav\r\nyes/004ae714_nohash_0.wav\n"
    )
    (release / "README.md").write_text("# Speech Commands")
    return tmp_path


def test_speech_commands_tuples(commands):
    data = SPEECHCOMMANDS(commands)
    assert [data.get_metadata(n)[0] for n in range(len(data))] == RECORDINGS
    assert data.get_metadata(1) == (RECORDINGS[1], 16_000, "no", "0a7c2a8d", 1)
    waveform, *rest = data[1]
    assert waveform.shape == (1, 15_000) and waveform[0, 0].item() == 0.25
    assert rest == [16_000, "no", "0a7c2a8d", 1] and data.labels == ["no", "yes"]


def test_subsets_are_those_of_the_lists_and_part_the_whole(commands):
    found = {
        subset: [SPEECHCOMMANDS(commands, subset=subset).get_metadata(n)[0] for n in range(size)]
        for subset, size in [("training", 2), ("validation", 1), ("testing", 2)]
    }
    assert found["validation"] == [RECORDINGS[3]]
    assert found["testing"] == [RECORDINGS[1], RECORDINGS[2]]
    assert found["training"] == [RECORDINGS[0], RECORDINGS[4]]
    assert sorted(name for names in found.values() for name in names) == RECORDINGS


def test_release_may_be_given_as_its_address(commands):
    url = "http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz"
    assert len(SPEECHCOMMANDS(commands, url)) == 5
    with pytest.raises(FileNotFoundError, match=r"unpacked from .*speech_commands_v0\.01\.tar\.gz"):
        SPEECHCOMMANDS(commands, "speech_commands_v0.01")


@pytest.mark.parametrize(
    "line", ["../../../etc/passwd", "/etc/passwd", "yes/../../x_nohash_0.wav", "yes/x.wav", "\0"]
)
def test_list_that_leads_elsewhere_is_refused(commands, line):
    path = commands / "SpeechCommands" / "speech_commands_v0.02" / "testing_list.txt"
    path.write_text(f"{RECORDINGS[1]}\n{line}\n")
    with pytest.raises(CorruptError, match=r"is not word/speaker_nohash_number\.wav"):
        SPEECHCOMMANDS(commands, subset="testing")


def test_speech_commands_mistakes(commands):
    with pytest.raises(OptionError, match="got 'train'"):
        SPEECHCOMMANDS(commands, subset="train")
    release = commands / "SpeechCommands" / "speech_commands_v0.02"
    write(release / RECORDINGS[0], 0.1, rate=8000)
    with pytest.raises(CorruptError, match="8000 samples a second, but the dataset has 16000"):
        SPEECHCOMMANDS(commands)[0]
    (release / "testing_list.txt").unlink()
    with pytest.raises(FileNotFoundError, match="list of recordings for testing is missing"):
        SPEECHCOMMANDS(commands, subset="training")


# -- YesNo ---------------------------------------------------------------------------------------
def test_yesno_labels_are_the_name(tmp_path):
    for name in ("1_0_1_1_0_0_1_0", "0_0_0_0_1_1_1_1"):
        write(tmp_path / "waves_yesno" / f"{name}.wav", 0.5, rate=8000)
    (tmp_path / "waves_yesno" / "README").write_text("x")
    data = YESNO(tmp_path)
    waveform, rate, labels = data[0]
    assert len(data) == 2 and waveform.shape == (1, 100) and rate == 8000
    assert labels == [0, 0, 0, 0, 1, 1, 1, 1] and data[1][2] == [1, 0, 1, 1, 0, 0, 1, 0]
    write(tmp_path / "waves_yesno" / "yes.wav", 0.5, rate=8000)
    with pytest.raises(CorruptError, match=r"yes\.wav is not named like"):
        YESNO(tmp_path)


def test_yesno_must_be_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="YesNo is expected there, unpacked from"):
        YESNO(tmp_path)


# -- batches -------------------------------------------------------------------------------------
def test_pad_collate():
    samples = [(sn.ones(2, 3), 16_000, "a"), (sn.ones(2, 5), 16_000, "b")]
    waveforms, lengths, rates, labels = pad_collate(samples)
    assert waveforms.shape == (2, 2, 5) and lengths.tolist() == [3, 5]
    assert waveforms[0].tolist() == [[1, 1, 1, 0, 0]] * 2 and waveforms[1].min().item() == 1
    assert rates.tolist() == [16_000, 16_000] and list(labels) == ["a", "b"]
    with pytest.raises(ShapeError, match="different channels"):
        pad_collate([(sn.ones(2, 3),), (sn.ones(1, 3),)])


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_two_workers_give_what_none_gives(commands, method):
    if os.name == "nt" and method == "fork":
        pytest.skip("Windows cannot fork")
    data = SPEECHCOMMANDS(commands)

    def batches(**options):
        loader = DataLoader(
            data, batch_size=2, shuffle=True, collate_fn=pad_collate,
            generator=sn.Generator().manual_seed(3), **options,
        )  # fmt: skip
        return [(w.numpy(), n.tolist(), list(label)) for w, n, _, label, _, _ in loader]

    want, got = batches(), batches(num_workers=2, multiprocessing_context=method)
    assert len(want) == len(got) == 3
    for (a, n, names), (b, m, others) in zip(want, got):
        assert np.array_equal(a, b) and n == m and names == others
