"""Cut, lying, hostile and mislabelled recordings: a DecodeError that says why, never a part.

Headers are built here by hand from the formats' specifications; nothing may reach the terminal.
"""

import io
import math
import os
import struct
import threading
import tracemalloc
import zlib

import numpy as np
import pytest
import soundfile

import sensorium as sn
from sensorium.audio import _listener, _streams
from sensorium.audio.io import load, save
from sensorium.errors import DecodeError

RATE = 16_000
rng = np.random.default_rng(0)
SAMPLES = (0.3 * np.sin(np.arange(2400) / 9) + rng.normal(0, 0.05, (2, 2400))).astype(np.float32)


def encoded(format, subtype=None, **options):
    file = io.BytesIO()
    soundfile.write(file, SAMPLES.T, RATE, format=format, subtype=subtype, **options)
    return file.getvalue()


FILES = {
    "wav": lambda: encoded("WAV", "PCM_16"),
    "wav 24": lambda: encoded("WAV", "PCM_24"),
    "wav float": lambda: encoded("WAV", "FLOAT"),
    "wav mu-law": lambda: encoded("WAV", "ULAW"),
    "wav IMA ADPCM": lambda: encoded("WAV", "IMA_ADPCM"),
    "wav MS ADPCM": lambda: encoded("WAV", "MS_ADPCM"),
    "wav extensible": lambda: encoded("WAVEX", "PCM_16"),
    "rifx": lambda: encoded("WAV", "PCM_16", endian="BIG"),
    "rf64": lambda: encoded("RF64", "PCM_16"),
    "w64": lambda: encoded("W64", "PCM_16"),
    "aiff": lambda: encoded("AIFF", "PCM_16"),
    "aifc": lambda: encoded("AIFF", "FLOAT"),
    "au": lambda: encoded("AU", "PCM_16"),
    "flac": lambda: encoded("FLAC", "PCM_16"),
    "vorbis": lambda: encoded("OGG", "VORBIS"),
    "opus": lambda: encoded("OGG", "OPUS"),
    "mp3": lambda: encoded("MP3"),
}


def attempt(data, **options):
    """The samples, or None for a DecodeError; anything else fails the test."""
    try:
        waveform, rate = load(data, **options)
    except DecodeError as error:
        assert "0x" not in str(error)
        return None
    found = waveform.numpy()
    assert found.dtype == np.float32 and found.ndim == 2 and 1 <= len(found) <= 64
    assert 1000 <= rate <= 768_000 and np.isfinite(found).all()
    return found


# -- cut short, flipped --------------------------------------------------------------------------
@pytest.mark.parametrize("name", FILES)
def test_file_cut_anywhere_is_whole_or_refused(name, capfd):
    data = FILES[name]()
    whole = attempt(data)
    assert whole is not None and whole.shape[0] == 2
    for length in [*range(128), *range(128, len(data), 17), len(data) - 1]:
        found = attempt(data[:length])
        assert found is None or np.array_equal(found, whole), f"{length} of {len(data)} bytes"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", FILES)
def test_cut_file_read_leniently_is_a_beginning_of_the_whole(name, capfd):
    data = FILES[name]()
    whole = attempt(data)
    longest = 0
    for length in range(0, len(data), 97):
        found = attempt(data[:length], allow_truncated=True)
        if found is not None and "ADPCM" not in name:
            n = found.shape[1]
            assert n <= whole.shape[1] and len(found) == 2
            if name != "mp3":  # whose last frames need the next ones
                assert np.array_equal(found, whole[:, :n])
            longest = max(longest, n)
    assert longest > 1000 or "ADPCM" in name or name in ("vorbis", "opus", "flac")  # one block
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", FILES)
def test_changed_bytes_raise_nothing_but_decode_error(name, capfd):
    data = FILES[name]()
    places = [*range(100), *np.random.default_rng(1).integers(0, len(data), 150)]
    for at in places:
        for change in (0x01, 0x80, 0xFF):
            hurt = bytearray(data)
            hurt[at] ^= change
            attempt(bytes(hurt))
            attempt(bytes(hurt), allow_truncated=True, max_seconds=10)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["flac", "vorbis", "opus"])
def test_formats_with_checksums_never_give_other_samples(name):
    data = FILES[name]()
    whole = attempt(data)
    for at in range(0, len(data), 11):
        hurt = bytearray(data)
        hurt[at] ^= 1 << (at % 8)
        found = attempt(bytes(hurt))
        assert found is None or np.array_equal(found, whole), f"byte {at}"


@pytest.mark.parametrize(
    "magic", [b"RIFF....WAVE", b"fLaC", b"OggS", b"\xff\xfb\x90", b"FORM....AIFF"]
)
def test_noise_behind_a_good_beginning(magic, capfd):
    for seed in range(30):
        noise = np.random.default_rng(seed).integers(0, 256, 3000, np.uint8).tobytes()
        assert attempt(magic + noise) is None
        attempt(magic + noise, allow_truncated=True)
    assert capfd.readouterr() == ("", "")


# -- other containers ----------------------------------------------------------------------------
def test_au_without_a_length_and_with_a_wrong_one():
    body = bytes(range(200))
    for size, reason in [(0xFFFFFFFF, "leaves the length open"), (300, "300 bytes"), (100, "100")]:
        data = b".snd" + struct.pack(">5I", 24, size, 3, RATE, 1) + body
        with pytest.raises(DecodeError, match=reason):
            load(data)
        assert load(data, allow_truncated=True)[0].shape[1] in (50, 100)


def test_aiff_whose_frame_count_lies():
    data = FILES["aiff"]()
    at = data.index(b"COMM") + 10
    assert struct.unpack(">I", data[at : at + 4]) == (2400,)
    for count in (2399, 2401, 0, 2**32 - 1):
        with pytest.raises(DecodeError, match=f"{count} frames of 4 bytes are not the 9600 bytes"):
            load(data[:at] + struct.pack(">I", count) + data[at + 4 :])


def test_flac_without_a_length_is_refused_or_read_to_its_end():
    data = bytearray(FILES["flac"]())
    whole = attempt(bytes(data))
    data[21] &= 0xF0
    data[22:42] = bytes(20)  # samples, MD5
    with pytest.raises(DecodeError, match="leaves the length open"):
        load(bytes(data))
    assert np.array_equal(load(bytes(data), allow_truncated=True)[0].numpy(), whole)


@pytest.mark.parametrize("format", ["flac", "ogg", "opus", "mp3"])
def test_half_of_a_compressed_file_is_half_of_the_sound(format):
    file = io.BytesIO()
    save(file, sn.tensor(np.tile(SAMPLES, (1, 60))), 48_000, format=format)
    whole, data = attempt(file.getvalue()), file.getvalue()
    found = attempt(data[: len(data) // 2], allow_truncated=True)
    frames = found.shape[1]
    assert abs(frames / whole.shape[1] - 0.5) < 0.2  # Opus pages last a second
    assert np.array_equal(found[:, :-5000], whole[:, : frames - 5000])


def test_flac_with_another_digest():
    data = bytearray(FILES["flac"]())
    data[30] ^= 1
    with pytest.raises(DecodeError, match="MD5"):
        load(bytes(data))
    assert load(bytes(data), 0, 100)[0].shape == (2, 100)  # a part cannot be digested


def ogg_checksum_slowly(data):
    """RFC 3533's CRC, bit by bit."""
    crc = 0
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
    return crc


def test_ogg_checksum_is_that_of_the_rfc():
    for data in (b"", b"a", b"123456789", bytes(range(256)) * 3):
        assert _streams.ogg_checksum(data) == ogg_checksum_slowly(data)


def test_chained_ogg_is_refused_by_name():
    data = FILES["vorbis"]()
    with pytest.raises(DecodeError, match=f"chained to the first one at byte {len(data)}"):
        load(data + data)
    assert load(data + data, allow_truncated=True)[0].shape == (2, 2400)


def test_ogg_with_a_page_missing():
    data = encoded_long_vorbis()
    pages = [i for i in range(len(data)) if data.startswith(b"OggS\0", i)]
    gone = data[: pages[2]] + data[pages[3] :]
    with pytest.raises(DecodeError, match=r"Ogg page 3 at byte .* follows page 1"):
        load(gone)


def encoded_long_vorbis():
    file = io.BytesIO()
    save(file, sn.tensor(np.tile(SAMPLES, (1, 20))), RATE, format="ogg")
    return file.getvalue()


def test_mp3_interrupted_cut_and_short_of_its_promise():
    data = FILES["mp3"]()
    with pytest.raises(DecodeError, match="is interrupted at byte"):
        load(data + b"something else")
    with pytest.raises(DecodeError, match="ends inside a frame"):
        load(data[:-1])
    last = data.rindex(data[:2], 0, data.rindex(data[:2]))
    with pytest.raises(DecodeError, match=r"promises .* frames but holds"):
        load(data[:last])
    for tail in (b"TAG" + bytes(125), bytes(500), b"APETAGEX" + bytes(100)):
        assert np.array_equal(load(data + tail)[0].numpy(), attempt(data))


def test_mp3_too_short_to_be_one():
    with pytest.raises(DecodeError, match="not MP3"):
        load(b"\xff\xfb\x90\x64" + bytes(600))


# -- not audio -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "content,reason",
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>", "HTML"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"\0\0\0\x20ftypM4A ", "MPEG-4"),
        (b"\x1aE\xdf\xa3....", "Matroska"),
        (b"PK\x03\x04....", "zip"),
        (bytes(100), "zero bytes"),
        (b"hello world", "no audio format known here starts with b'hello wo'"),
        (b"ID3\x04\0\0\x10\0\0\0", "ends inside its ID3 tag"),
        (b"ID3\x04\0\0\xff\0\0\0" + bytes(9), "ID3 tag is not a number"),
        (b"ID3\x04\0\0\0\0\0\0" * 5 + b"<html>", "HTML"),
    ],
)
def test_other_content_is_named(tmp_path, content, reason):
    path = tmp_path / "speech.wav"
    path.write_bytes(content)
    with pytest.raises(DecodeError, match=reason) as caught:
        load(path)
    assert str(path) in str(caught.value)


# -- values --------------------------------------------------------------------------------------
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_values_that_are_no_sound(value, subtype):
    file = io.BytesIO()
    samples = np.zeros((100_000, 2))
    samples[70_000, 1] = value
    soundfile.write(file, samples, RATE, format="WAV", subtype=subtype)
    with pytest.raises(DecodeError, match=r"sample 70000 of channel 1 is (nan|-?inf)"):
        load(file.getvalue())
    with pytest.raises(DecodeError, match=r"sample 70000 of channel 1"):
        load(file.getvalue(), 65_000, 10_000)
    assert load(file.getvalue(), 0, 70_000)[0].shape == (2, 70_000)
    found = load(file.getvalue(), check_finite=False)[0].numpy()
    assert np.array_equal(found[1, 70_000], value, equal_nan=True)


# -- bombs ---------------------------------------------------------------------------------------
def silent_flac(seconds, rate=48_000):
    file = io.BytesIO()
    save(file, sn.zeros(1, seconds * rate), rate, format="flac")
    return file.getvalue()


def test_bomb_is_refused_before_it_is_decoded():
    data = silent_flac(120)
    assert len(data) < 30_000
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError, match=r"120\.0 s of sound are more than max_seconds=60"):
            load(data, max_seconds=60)
        with pytest.raises(DecodeError, match="23040000 bytes as float32, more than max_bytes"):
            load(data, max_bytes=20_000_000)
        with pytest.raises(DecodeError, match="are 46080000 bytes as float32"):
            load(data, sample_rate=96_000, max_bytes=30_000_000)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
    assert load(data, 48_000, 100, max_seconds=60)[0].shape == (1, 100)


def test_header_that_promises_years_costs_nothing():
    data = bytearray(FILES["flac"]())
    data[21] |= 0x0F
    data[22:26] = b"\xff" * 4
    with pytest.raises(DecodeError, match="max_seconds"):
        load(bytes(data))


def test_stream_longer_than_any_allowed_recording_is_not_read_whole():
    class Endless(io.RawIOBase):
        def read(self, size=-1):
            assert 0 <= size < 1 << 28
            return b"\0" * size

    with pytest.raises(DecodeError, match="too large for max_bytes=1000"):
        load(Endless(), max_bytes=1000)


# -- the terminal --------------------------------------------------------------------------------
def test_what_others_write_while_an_mp3_is_decoded_is_passed_on(capfd):
    with _listener.Listener(True) as _:
        os.write(2, b"another thread\n[src/libmpg123/x.c:1] warning: well\n")
        os.write(2, b"last words")
    assert capfd.readouterr().err == "another thread\nlast words"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="wants fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_child_forked_while_an_mp3_is_decoded_has_its_own_terminal(capfd):
    with _listener.Listener(True):
        child = os.fork()
        if child == 0:
            os.write(2, b"from the child")
            os._exit(0)
        os.waitpid(child, 0)
    assert capfd.readouterr().err == "from the child"


def test_threads_decode_alike(capfd):
    data = {name: FILES[name]() for name in ("mp3", "flac", "vorbis", "wav")}
    want = {name: zlib.crc32(attempt(content)) for name, content in data.items()}
    wrong = []

    def work():
        for name, content in data.items():
            if zlib.crc32(attempt(content)) != want[name]:
                wrong.append(name)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and capfd.readouterr() == ("", "")
