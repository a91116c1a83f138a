"""Audio pipelines: every form a recording may have gives one result; real weights on real speech."""

from __future__ import annotations

import io
from types import SimpleNamespace

import numpy as np
import pytest

import sensorium as sn
from sensorium import audio, hub
from sensorium.audio.metrics import plain_words, word_error_rate
from sensorium.audio.models import SpectrogramCNN
from sensorium.errors import DecodeError, OptionError
from sensorium.model_zoo.cli import recordings
from sensorium.model_zoo.pipelines import (
    AudioClassification,
    Pitch,
    SpeechRecognition,
    VoiceActivity,
)


@pytest.fixture
def noise(tmp_path):
    """(path, waveform, rate) of a second of noise."""
    waveform = sn.tensor(np.random.default_rng(0).uniform(-0.5, 0.5, (1, 16000)).astype(np.float32))
    audio.save(tmp_path / "noise.wav", waveform, 16000)
    return tmp_path / "noise.wav", waveform, 16000


def forms(path, waveform, rate):
    """The recording in every form a user may have it: (source, options)."""
    rated = {"sample_rate": rate}
    return [
        (path, {}), (str(path), {}), (path.read_bytes(), {}), (io.BytesIO(path.read_bytes()), {}),
        (waveform, rated), (waveform[0], rated), (waveform.numpy(), rated),
    ]  # fmt: skip


def test_every_form_of_a_recording_gives_the_same_probabilities(noise):
    sn.manual_seed(0)
    pipe = VoiceActivity(hub.load("silero-vad", weights=None))
    found = [pipe.probabilities(source, **options).numpy() for source, options in forms(*noise)]
    assert found[0].shape == (32,)
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], atol=1e-6)
    assert pipe(noise[0]) == pipe(noise[1], sample_rate=16000)


def test_a_waveform_needs_its_rate_and_a_file_brings_it(noise, tmp_path):
    pipe = VoiceActivity(hub.load("silero-vad", weights=None))
    with pytest.raises(OptionError, match="needs its sample_rate"):
        pipe(noise[1])
    with pytest.raises(OptionError, match="a file says its own"):
        pipe(noise[0], sample_rate=16000)
    (tmp_path / "bad.wav").write_bytes(noise[0].read_bytes()[:5000])
    with pytest.raises(DecodeError, match=r"bad\.wav"):
        pipe(tmp_path / "bad.wav")


def test_pitch_has_a_value_every_hop(noise):
    track = Pitch(hub.load("crepe_tiny", weights=None))(noise[0], hop=0.25)
    np.testing.assert_allclose(track.time.numpy(), [0, 0.25, 0.5, 0.75, 1.0])
    assert track.frequency.shape == track.periodicity.shape == (5,)


def test_classes_of_sounds_are_the_softmax_and_survive_saving(noise, tmp_path):
    sn.manual_seed(0)
    config = {"num_classes": 3, "n_mels": 32}
    model = SpectrogramCNN(**config).eval()
    pipe = AudioClassification(model, labels=["yes", "no", "up"])
    with sn.no_grad():
        logits = model(model.preprocess(noise[1][0])[None])[0].numpy().astype(float)
    labels = pipe(noise[0])
    assert [label.name for label in labels] == [["yes", "no", "up"][k] for k in np.argsort(-logits)]
    wanted = np.sort(np.exp(logits) / np.exp(logits).sum())[::-1]
    np.testing.assert_allclose([label.score for label in labels], wanted, rtol=1e-4)
    hub.save(model, tmp_path / "run", architecture="speech_cnn", task="audio-classification",
             config=config, preprocessing=model.preprocess.to_dict(), labels=["yes", "no", "up"])  # fmt: skip
    again = hub.pipeline(str(tmp_path / "run"))
    assert again([noise[0], noise[0]]) == [labels, labels]
    with pytest.raises(OptionError, match="top_k is 0"):
        pipe(noise[0], top_k=0)


def test_speech_recognition_wants_a_tokenizer():
    with pytest.raises(OptionError, match="without a tokenizer"):
        SpeechRecognition(SimpleNamespace(preprocess=None))


# -- real weights --------------------------------------------------------------------------------
@pytest.mark.network
@pytest.mark.parametrize(
    "options", [{}, {"timestamps": True}, {"num_beams": 5}, {"timestamps": True, "num_beams": 2}]
)
def test_whisper_writes_the_sentence_down_without_a_word_error(options):
    path = recordings.fetch(recordings.SENTENCE)
    found = hub.pipeline("whisper-tiny.en")(path, **options)
    assert word_error_rate(recordings.SENTENCE.text, found.text, normalize=plain_words) == 0
    assert found.duration == pytest.approx(4.0, abs=0.05) and found.language is None
    assert [s.text for s in found.segments] == [found.text] and found.segments[0].end <= 4.02


@pytest.mark.network
@pytest.mark.slow
def test_whisper_reads_a_recording_of_several_windows():
    waveform, rate = audio.load(recordings.fetch(recordings.SENTENCE))
    found = hub.pipeline("whisper-tiny.en")(
        sn.cat([waveform] * 10, 1),
        sample_rate=rate,
        temperatures=(0.0,),  # ten times one sentence looks like a model in a loop: keep it
    )
    wanted = " ".join([recordings.SENTENCE.text] * 10)
    assert word_error_rate(wanted, found.text, normalize=plain_words) < 0.05
    assert found.duration == pytest.approx(40, abs=0.5) and found.segments[-1].start > 30
