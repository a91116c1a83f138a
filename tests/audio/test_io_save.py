"""What save writes, what it refuses, and that a failure leaves the old file alone."""

import io
import math
import os
import struct

import numpy as np
import pytest

import sensorium as sn
from sensorium.audio.io import info, save
from sensorium.errors import DTypeError, OptionError, ShapeError

RATE = 16_000


@pytest.mark.parametrize(
    "waveform,rate,options,error,text",
    [
        ([[0.0]], RATE, {"format": "xyz"}, OptionError, "'xyz' is not one of wav"),
        ([[0.0]], RATE, {}, OptionError, "format None"),
        ([[math.nan]], RATE, {"format": "wav"}, OptionError, "NaN"),
        ([[math.inf]], RATE, {"format": "ogg"}, OptionError, "infinity"),
        ([[0.0]], 0, {"format": "wav"}, OptionError, "got 0"),
        ([[0.0]], 16000.5, {"format": "wav"}, DTypeError, "whole number"),
        ([[[0.0]]], RATE, {"format": "wav"}, ShapeError, "(1, 1, 1)"),
        (np.zeros((65, 1)), RATE, {"format": "wav"}, ShapeError, "65"),
        (np.zeros((0, 5)), RATE, {"format": "wav"}, ShapeError, "got 0"),
        (np.zeros((1, 0)), RATE, {"format": "flac"}, ShapeError, "at least one frame"),
        ([[0]], RATE, {"format": "wav"}, DTypeError, "int64"),
        ([[True]], RATE, {"format": "wav"}, DTypeError, "bool"),
        ([[0.0]], RATE, {"format": "mp3", "bits_per_sample": 16}, OptionError, "no bits"),
        ([[0.0]], RATE, {"format": "wav", "encoding": "PCM"}, OptionError, "encoding PCM"),
        ([[0.0]], RATE, {"format": "wav", "bits_per_sample": 17}, OptionError, "17 bits"),
        ([[0.0]], RATE, {"format": "flac", "encoding": "PCM_F"}, OptionError, "cannot hold FLOAT"),
        ([[0.0]], 11_111, {"format": "mp3"}, OptionError, "cannot hold 1 channels at 11111 Hz"),
        (np.zeros((9, 5)), RATE, {"format": "flac"}, OptionError, "cannot hold 9 channels"),
    ],
)
def test_what_save_refuses(tmp_path, waveform, rate, options, error, text):
    file = io.BytesIO()
    with pytest.raises(error) as caught:
        save(file, sn.tensor(waveform), rate, **options)
    assert text in str(caught.value) and str(caught.value).startswith("save: ")
    assert file.getvalue() == b""


# -- writing whole files -------------------------------------------------------------------------
def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.wav"
    save(path, sn.zeros(1, 100), RATE)
    before = path.read_bytes()
    with pytest.raises(OptionError):
        save(path, sn.tensor([[math.nan]]), RATE)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save(path, sn.ones(1, 5000), RATE)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["a.wav"]


def test_the_extension_says_the_format(tmp_path):
    heads = {"wav": b"RIFF", "flac": b"fLaC", "OGG": b"OggS", "aif": b"FORM", "snd": b".snd"}
    for extension, head in heads.items():
        save(tmp_path / f"a.{extension}", sn.zeros(1, 10), RATE)
        assert (tmp_path / f"a.{extension}").read_bytes()[:4] == head


def test_long_vorbis_is_written_in_pieces(tmp_path):
    # One long write overflows the stack inside the encoder.
    save(tmp_path / "a.ogg", sn.zeros(1, 2_000_000), 44_100)
    assert info(tmp_path / "a.ogg").num_frames == 2_000_000


def test_wav_header_is_the_published_layout():
    file = io.BytesIO()
    save(file, sn.tensor([[0.5]]), RATE, format="wav", bits_per_sample=16)
    data = file.getvalue()
    assert data[:4] == b"RIFF" and data[8:16] == b"WAVEfmt "
    assert struct.unpack("<IHHIIHH", data[16:36]) == (16, 1, 1, RATE, 2 * RATE, 2, 16)
    assert data.endswith(b"data" + struct.pack("<Ih", 2, 0x4000))
