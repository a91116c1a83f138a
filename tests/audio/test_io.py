"""Recordings in and out: values, shapes, options and atomicity, against the stdlib's wave module."""

import io
import math
import os
import subprocess
import sys
import wave

import numpy as np
import pytest
import soundfile

import sensorium as sn
from sensorium.audio.io import AudioMetaData, info, load, save
from sensorium.errors import DecodeError, DTypeError, OptionError

RATE = 16_000
LOSSLESS = ["wav", "rf64", "w64", "aiff", "au", "flac"]
LOSSY = ["ogg", "opus", "mp3"]


def tones(channels=2, frames=6000, rate=RATE):
    t = np.arange(frames) / rate
    return np.stack([0.4 * np.sin(2 * np.pi * 330 * (c + 1) * t) for c in range(channels)])


def encoded(samples, rate=RATE, format="wav", **options):
    file = io.BytesIO()
    save(file, sn.tensor(np.asarray(samples, np.float32)), rate, format=format, **options)
    return file.getvalue()


def stdlib_wav(steps, width=2, rate=RATE):
    """steps (T, C) written by the wave module."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(steps.shape[1])
        out.setsampwidth(width)
        out.setframerate(rate)
        raw = steps.astype("<i4").reshape(-1, 1).view(np.uint8)[:, :width]
        out.writeframes(((raw + 128) if width == 1 else raw).astype(np.uint8).tobytes())
    return file.getvalue()


# -- values --------------------------------------------------------------------------------------
@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_integers_are_divided_by_half_their_range(width):
    full = 1 << (8 * width - 1)
    steps = np.array([[-full, 0], [full - 1, 1], [full // 2, -1]])
    waveform, rate = load(stdlib_wav(steps, width))
    assert rate == RATE and waveform.dtype == sn.float32
    assert np.array_equal(waveform.numpy(), (steps.T / full).astype(np.float32))


def test_integer_samples_are_written_as_the_wave_module_reads_them(tmp_path):
    steps = np.array([[-32768, -1, 0, 1, 32767]])
    save(tmp_path / "a.wav", sn.tensor(steps.astype(np.float32) / 32768), 8000, bits_per_sample=16)
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert file.getframerate() == 8000
        assert np.frombuffer(file.readframes(9), "<i2").tolist() == steps[0].tolist()


@pytest.mark.parametrize("bits", [8, 16, 24])
@pytest.mark.parametrize("format", ["wav", "aiff", "flac", "w64"])
def test_quantisation_moves_a_sample_by_half_a_step_at_most(format, bits):
    samples = np.random.default_rng(0).uniform(-1, 1 - 2.0**-7, (1, 4000)).astype(np.float32)
    found = load(encoded(samples, format=format, bits_per_sample=bits))[0].numpy()
    assert np.abs(found - samples).max() <= 2.0 ** -(bits - 1) / 2
    again = load(encoded(found, format=format, bits_per_sample=bits))[0].numpy()
    assert np.array_equal(again, found)


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_values_beyond_full_scale_are_clipped_and_never_wrap(bits):
    loud = [[1.0, 1.5, 1e9, -1.0, -1.0001, -7.0, 3e38]]
    found = load(encoded(loud, bits_per_sample=bits))[0].numpy()[0]
    top = np.float32(1 - 2.0 ** -(bits - 1))
    assert found.tolist() == [top, top, top, -1, -1, -1, top]


@pytest.mark.parametrize("format", LOSSY)
def test_lossy_codecs_clip_too(format):
    square = 5 * np.sign(tones(1, 8000, 48000) + 1e-9)
    found = load(encoded(square, 48000, format))[0].numpy()
    assert np.abs(found).max() < 2 and np.corrcoef(found[0], square[0])[0, 1] > 0.9


def test_float_files_keep_values_beyond_full_scale():
    loud = np.array([[0.1, 1.5, -7.25, 1e-40]], np.float32)
    assert np.array_equal(load(encoded(loud))[0].numpy(), loud)
    assert info(encoded(loud)).encoding == "PCM_F"


@pytest.mark.parametrize("format", LOSSLESS)
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_lossless_formats_bring_samples_back(format, channels):
    steps = np.random.default_rng(1).integers(-32768, 32768, (channels, 3001))
    samples = (steps / 32768).astype(np.float32)
    waveform, rate = load(encoded(samples, 44100, format, bits_per_sample=16))
    assert rate == 44100 and np.array_equal(waveform.numpy(), samples)


@pytest.mark.parametrize("format", LOSSY)
def test_lossy_formats_keep_length_and_sound(format):
    samples = tones(2, 30_000, 48_000)
    waveform, rate = load(encoded(samples, 48_000, format))
    assert rate == 48_000 and waveform.shape == (2, 30_000)
    error = waveform.numpy()[:, 2000:-2000] - samples[:, 2000:-2000]
    assert np.sqrt((error**2).mean()) < 0.05 * np.sqrt((samples**2).mean())


@pytest.mark.parametrize("encoding,tolerance", [("ULAW", 0.02), ("ALAW", 0.02)])
def test_companded_files(encoding, tolerance):
    samples = tones()
    data = encoded(samples, encoding=encoding)
    assert np.abs(load(data)[0].numpy() - samples).max() < tolerance
    assert info(data) == AudioMetaData(RATE, 6000, 2, 8, encoding)


@pytest.mark.parametrize("subtype", ["IMA_ADPCM", "MS_ADPCM"])
def test_adpcm(subtype):
    file = io.BytesIO()
    soundfile.write(file, tones(1).T, RATE, format="WAV", subtype=subtype)
    found = load(file.getvalue())[0].numpy()
    assert found.shape[1] >= 6000  # whole blocks
    error = found[:, 500:6000] - tones(1)[:, 500:]
    assert np.sqrt((error**2).mean()) < 0.02


@pytest.mark.parametrize(
    "format,options", [("WAV", {"endian": "BIG"}), ("WAVEX", {}), ("RF64", {})]
)
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_relatives_of_wav(format, options, subtype):
    file = io.BytesIO()
    samples = np.round(tones() * 32768) / 32768
    soundfile.write(file, samples.T, RATE, format=format, subtype=subtype, **options)
    data = file.getvalue()
    assert data[:4] == (b"RIFX" if options else b"RF64" if format == "RF64" else b"RIFF")
    assert np.abs(load(data)[0].numpy() - samples).max() <= 1 / 32768
    assert info(data).num_frames == 6000


# -- types ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32"])
@pytest.mark.parametrize("format", ["wav", "w64"])
def test_integer_waveforms_keep_type_and_value(dtype, format):
    limits = np.iinfo(dtype)
    steps = np.random.default_rng(2).integers(limits.min, limits.max, (2, 500), dtype, True)
    file = io.BytesIO()
    save(file, sn.tensor(steps), RATE, format=format)
    back, _ = load(file.getvalue(), normalize=False)
    assert back.numpy().dtype == dtype and np.array_equal(back.numpy(), steps)
    half = float(1 << (limits.bits - 1))
    level = (steps.astype(np.float64) - (half if dtype == "uint8" else 0)) / half
    assert np.allclose(load(file.getvalue())[0].numpy(), level, atol=1e-7)


def test_flac_gives_its_integers_too():
    steps = np.array([[-32768, 5, 32767]])
    data = encoded(steps / 32768, format="flac")
    assert load(data, normalize=False)[0].numpy().tolist() == steps.tolist()


def test_int32_narrows_to_sixteen_bits_by_rounding():
    file = io.BytesIO()
    steps = np.array([[0x7FFFFFFF, 0x00017FFF, 0x00018000, -0x80000000]], np.int32)
    save(file, sn.tensor(steps), RATE, format="flac")
    assert load(file.getvalue(), normalize=False)[0].tolist() == [[32767, 1, 2, -32768]]


# -- parts, shapes, rates ------------------------------------------------------------------------
@pytest.mark.parametrize("format", LOSSLESS + LOSSY)
def test_a_part_is_that_part_of_the_whole(format):
    data = encoded(tones(2, 90_000, 48_000), 48_000, format)
    whole = load(data)[0].numpy()
    assert whole.shape == (2, 90_000)
    assert np.array_equal(whole, soundfile.read(io.BytesIO(data), dtype="float32")[0].T)
    assert np.array_equal(whole, load(data, allow_truncated=True)[0].numpy())  # other blocks
    for offset, count in [(0, 10), (1000, 70_000), (86_000, -1), (70_000, 50_000)]:
        stop = None if count < 0 else offset + count
        part = load(data, offset, count)[0].numpy()
        assert np.array_equal(part, whole[:, offset:stop])
    assert load(data, 90_000)[0].shape == (2, 0)
    assert load(data, 10**12, 5)[0].shape == (2, 0)
    assert load(data, 5, 0)[0].shape == (2, 0)


def test_channels_last_and_mono():
    samples = tones(3)
    data = encoded(samples)
    assert np.array_equal(load(data, channels_first=False)[0].numpy(), load(data)[0].numpy().T)
    assert np.allclose(load(data, mono=True)[0].numpy()[0], samples.mean(0), atol=1e-6)
    assert load(data, mono=True)[0].shape == (1, 6000)
    turned, plain = io.BytesIO(), io.BytesIO()
    save(turned, sn.tensor(samples.T.copy()), RATE, channels_first=False, format="wav")
    save(plain, sn.tensor(samples), RATE, format="wav")
    assert turned.getvalue() == plain.getvalue()


def test_one_dimension_is_one_channel():
    file = io.BytesIO()
    save(file, sn.tensor([0.5, -0.5]), RATE, format="wav")
    assert load(file.getvalue())[0].tolist() == [[0.5, -0.5]]


@pytest.mark.parametrize("new", [8000, 16000, 22050, 48000])
def test_resampling_keeps_a_tone(new):
    waveform, rate = load(encoded(tones(1)), sample_rate=new)
    assert rate == new and waveform.shape == (1, math.ceil(6000 * new / RATE))
    t = np.arange(waveform.shape[1]) / new
    middle = slice(new // 50, -new // 50)
    want = 0.4 * np.sin(2 * np.pi * 330 * t)
    assert np.abs(waveform.numpy()[0] - want)[middle].max() < 0.01


@pytest.mark.parametrize("format", ["wav", "rf64", "w64", "aiff", "au", "ogg"])
def test_no_frames_at_all(format):
    waveform, rate = load(encoded(np.zeros((2, 0)), format=format))
    assert waveform.shape == (2, 0) and rate == RATE
    assert load(encoded(np.zeros((1, 0))), sample_rate=8000)[0].shape == (1, 0)


@pytest.mark.parametrize("format", LOSSLESS + LOSSY)
@pytest.mark.parametrize("frames", [1, 2, 50])
def test_very_short_recordings(format, frames):
    assert load(encoded(tones(1, frames), 48_000, format))[0].shape == (1, frames)


# -- info ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "options,encoding,bits",
    [
        ({"format": "wav"}, "PCM_F", 32),
        ({"format": "wav", "bits_per_sample": 8}, "PCM_U", 8),
        ({"format": "wav", "bits_per_sample": 64}, "PCM_F", 64),
        ({"format": "au", "bits_per_sample": 24}, "PCM_S", 24),
        ({"format": "aiff"}, "PCM_S", 16),
        ({"format": "flac"}, "FLAC", 16),
        ({"format": "flac", "bits_per_sample": 24}, "FLAC", 24),
        ({"format": "ogg"}, "VORBIS", 0),
        ({"format": "opus"}, "OPUS", 0),
        ({"format": "mp3"}, "MP3", 0),
    ],
)
def test_info(options, encoding, bits):
    found = info(encoded(tones(2, 12_000, 48_000), 48_000, **options))
    assert found == AudioMetaData(48_000, 12_000, 2, bits, encoding)
    assert found.duration == 0.25


# -- sources -------------------------------------------------------------------------------------
def test_every_kind_of_source(tmp_path):
    data = encoded(tones(1))
    path = tmp_path / "ä recording.raw"  # neither the name nor its extension matters
    path.write_bytes(data)
    want = load(data)[0].numpy()

    class Stream(io.RawIOBase):
        def __init__(self):
            self.inner = io.BytesIO(data)

        def readable(self):
            return True

        def readinto(self, buffer):
            return self.inner.readinto(memoryview(buffer)[:1000])

    with path.open("rb") as file:
        sources = [path, str(path), bytearray(data), memoryview(data), file, io.BytesIO(data)]
        for source in [*sources, io.BufferedReader(Stream())]:
            assert np.array_equal(load(source)[0].numpy(), want)


@pytest.mark.parametrize("format", LOSSLESS + LOSSY)
def test_a_file_object_is_read_from_where_it_stands(format):
    data = encoded(tones(1, 4000, 48_000), 48_000, format)
    file = io.BytesIO(b"in front" + data)
    file.seek(8)
    assert np.array_equal(load(file)[0].numpy(), load(data)[0].numpy())


@pytest.mark.parametrize("format", LOSSLESS + LOSSY)
def test_an_id3_tag_in_front_is_passed_over(format):
    data = encoded(tones(1, 4000, 48_000), 48_000, format)
    tag = b"ID3\x04\0\0" + bytes([0, 0, 2, 3]) + bytes(2 * 128 + 3)
    assert np.array_equal(load(tag + data)[0].numpy(), load(data)[0].numpy())


def test_missing_file_directory_pipe_text_and_other_things(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such audio file"):
        load(tmp_path / "absent.wav")
    with pytest.raises(DecodeError, match="directory"):
        info(tmp_path)
    with pytest.raises(DTypeError, match="binary mode"):
        load(io.StringIO("RIFF"))
    with pytest.raises(DTypeError, match="load: want a path, bytes or a binary file, got int"):
        load(3)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(DecodeError, match="not a regular file"):
            load(tmp_path / "pipe")


def test_errors_of_the_disk_stay_errors_of_the_disk():
    class Broken(io.BytesIO):
        def read(self, size=-1):
            if self.tell() >= 1 << 18:
                raise OSError(5, "Input/output error")
            return super().read(size)

    with pytest.raises(OSError, match="Input/output") as caught:
        load(Broken(encoded(tones(1, 200_000))))
    assert not isinstance(caught.value, DecodeError)


def test_soundfile_is_imported_at_first_use():
    code = "import sys, sensorium.audio.io; print('soundfile' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# -- options -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "options",
    [
        {"frame_offset": -1},
        {"num_frames": -2},
        {"normalize": False, "mono": True},
        {"normalize": False, "sample_rate": 8000},
        {"sample_rate": 0},
        {"sample_rate": 10**6},
    ],
)
def test_options_of_load_that_cannot_be(options):
    with pytest.raises(OptionError, match="load:"):
        load(encoded(tones()), **options)
