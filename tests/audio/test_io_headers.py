"""WAV headers that lie, contradict themselves or are merely untidy; built by hand from the RIFF layout."""

import struct

import numpy as np
import pytest

from sensorium.audio.io import info, load
from sensorium.errors import DecodeError

RATE = 16_000


# -- WAV headers that lie ------------------------------------------------------------------------
def wav(
    body=bytes(400), size=None, tag=1, channels=1, rate=RATE, align=2, bits=16, tail=b"", riff=None
):
    size = len(body) if size is None else size
    format = struct.pack("<HHIIHH", tag, channels % 65536, rate, 0, align, bits)
    inner = b"WAVEfmt " + struct.pack("<I", 16) + format + b"data" + struct.pack("<I", size)
    inner += body + tail
    return b"RIFF" + struct.pack("<I", len(inner) if riff is None else riff) + inner


@pytest.mark.parametrize(
    "size,reason",
    [
        (2**31 - 1, "promises 2147483647 bytes of samples, but only 400 are there"),
        (402, "promises 402 bytes of samples, but only 400"),
        (0xFFFFFFFF, "leaves the length open"),
        (0xFFFFFFFF - 8, "leaves the length open"),
        (0, "promises 0 bytes of samples, but more follow"),
        (398, "promises 398 bytes of samples, but more follow"),
        (200, "promises 200 bytes of samples, but more follow"),
        (399, "399 bytes of samples are no whole number of 2-byte frames"),
    ],
)
def test_wav_whose_data_size_lies(size, reason):
    data = wav(size=size)
    with pytest.raises(DecodeError, match=reason + ".*allow_truncated"):
        load(data)
    with pytest.raises(DecodeError, match=reason):
        info(data)
    frames = {398: 199, 200: 100, 399: 199}.get(size, 200)
    assert load(data, allow_truncated=True)[0].shape == (1, frames)
    assert info(data, allow_truncated=True).num_frames == frames


def test_a_recorder_that_died_leaves_zero_sizes():
    data = wav(body=np.arange(200, dtype="<i2").tobytes(), size=0, riff=0)
    found = load(data, allow_truncated=True)[0].numpy()
    assert np.array_equal(found[0] * 32768, np.arange(200))


@pytest.mark.parametrize(
    "options",
    [
        {"tail": b"LIST" + struct.pack("<I", 4) + b"INFO"},
        {"tail": b"bext" + struct.pack("<I", 9000) + b"cut"},
        {"riff": 0},
        {"riff": 0xFFFFFFFF},
        {"riff": 36 + 400, "tail": b"TAG" + bytes(125)},
        {"body": bytes(401), "align": 1, "bits": 8, "tail": b"\0"},
        {"body": bytes(401), "align": 1, "bits": 8},
        {"body": b"", "tail": b"LIST" + struct.pack("<I", 4) + b"INFO"},
    ],
)
def test_wav_with_harmless_ends_is_whole(options):
    frames = len(options.get("body", bytes(400))) // options.get("align", 2)
    assert load(wav(**options))[0].shape == (1, frames)


@pytest.mark.parametrize("channels", [0, 65, 1024, 65535])
def test_channels_nobody_has(channels):
    data = wav(channels=channels, align=min(2 * channels, 65534))
    with pytest.raises(DecodeError, match=f"{channels} channels .want 1 to 64"):
        load(data)


@pytest.mark.parametrize("rate", [0, 999, 768_001, 2**32 - 1])
def test_rates_nobody_has(rate):
    with pytest.raises(DecodeError, match=f"{rate} samples a second .want 1000 to 768000"):
        load(wav(rate=rate))


def test_sixty_four_channels_and_the_extreme_rates_are_read():
    for rate in (1000, 768_000):
        waveform, found = load(wav(body=bytes(256), channels=64, align=128, rate=rate))
        assert waveform.shape == (64, 2) and found == rate


@pytest.mark.parametrize(
    "data,reason",
    [
        (wav(align=0), "do not fit frames of 0 bytes"),
        (wav(channels=3), "3 channels of 16 bits do not fit frames of 2 bytes"),
        (wav(bits=24), "24 bits do not fit frames of 2 bytes"),
        (wav()[:36], "no data chunk"),
        (b"RIFF\0\0\0\0WAVE" + wav()[36:], "no fmt chunk"),
        (b"RIFF\0\0\0\0WAVE" + b"JUNK\0\0\0\0" * 10_001, "more than 10000 chunks"),
        (wav(tag=0x2A2A), "DecodeError"),
    ],
)
def test_wav_that_contradicts_itself(data, reason):
    with pytest.raises(DecodeError) as caught:
        load(data)
    assert reason in f"DecodeError {caught.value}"
