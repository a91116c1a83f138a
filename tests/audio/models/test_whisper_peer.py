"""Whisper against transformers: random weights written by it in its own format, and the way back."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

import sensorium as sn
from sensorium.audio.models import (
    DecodingOptions,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperTokens,
)
from sensorium.audio.models.whisper_checkpoints import from_huggingface
from sensorium.audio.models.whisper_config import from_config, to_config
from sensorium.audio.models.whisper_decoding import decode, until
from sensorium.io import load, save_safetensors

pytestmark = [pytest.mark.peer, pytest.mark.filterwarnings("ignore")]

END, START, NONE = 38, 39, 48
WRITING = {
    "pad_token_id": END, "bos_token_id": END, "eos_token_id": END, "decoder_start_token_id": START,
    "begin_suppress_tokens": [5, END], "suppress_tokens": [1, 2, 39, 47],
}  # fmt: skip
SIZES = {
    "vocab_size": 80, "d_model": 32, "encoder_layers": 2, "decoder_layers": 3,
    "encoder_attention_heads": 4, "decoder_attention_heads": 2, "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 48, "max_source_positions": 50, "max_target_positions": 60,
}  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)


def written(folder, seed=0, **options):
    """Theirs with random weights, saved to a folder; ours read from it."""
    torch.manual_seed(seed)
    config = transformers.WhisperConfig(**SIZES, **WRITING, **options)
    theirs = transformers.WhisperForConditionalGeneration(config).eval()
    with torch.no_grad():
        for p in theirs.parameters():
            p += 0.3 * torch.randn_like(p)
        table = theirs.model.decoder.embed_tokens.weight
        table[END] = table[3:30].sum(0) / 4  # likely now and then: texts that end
    theirs.generation_config = transformers.GenerationConfig(
        **WRITING,
        no_timestamps_token_id=NONE,
        is_multilingual=False,
        max_initial_timestamp_index=10,
    )
    theirs.save_pretrained(folder)
    told = [json.loads((folder / n).read_text()) for n in ("config.json", "generation_config.json")]
    ours = WhisperForConditionalGeneration(from_config(*told)).eval()
    ours.load_state_dict(from_huggingface(load(folder / "model.safetensors")))
    return theirs, ours


def close(ours, theirs, tolerance=1e-4):
    error = np.abs(ours.detach().numpy() - theirs.numpy()).max() / np.abs(theirs.numpy()).max()
    assert error < tolerance, error


@pytest.mark.parametrize("options", [{}, {"activation_function": "relu"}])
def test_outputs_are_theirs_masks_included(tmp_path, options):
    theirs, ours = written(tmp_path, **options)
    x, ids = torch.randn(2, 80, 100), torch.randint(0, 80, (2, 7))
    mask = torch.ones(2, 7, dtype=torch.int64)
    mask[0, :3] = 0
    for each in (None, mask):
        with torch.no_grad():
            wanted = theirs(input_features=x, decoder_input_ids=ids, decoder_attention_mask=each,
                            labels=ids)  # fmt: skip
        for enabled in (False, True):
            with sn.set_grad_enabled(enabled):
                given = None if each is None else sn.tensor(each.numpy())
                found = ours(sn.tensor(x.numpy()), sn.tensor(ids.numpy()), given,
                             labels=sn.tensor(ids.numpy()))  # fmt: skip
            close(found.encoder_last_hidden_state, wanted.encoder_last_hidden_state)
            close(found.logits, wanted.logits)
            close(found.loss, wanted.loss)


def test_gradients_are_theirs(tmp_path):
    theirs, ours = written(tmp_path)
    x, labels = torch.randn(2, 80, 100), torch.randint(0, 80, (2, 5))
    labels[1, 3:] = -100
    theirs(input_features=x, labels=labels).loss.backward()
    ours(sn.tensor(x.numpy()), labels=sn.tensor(labels.numpy())).loss.backward()
    found = dict(ours.named_parameters())
    for name, p in theirs.named_parameters():
        if p.grad is not None:
            close(found[name].grad, p.grad, 1e-3)


def their_generate(theirs, x, prompt, timestamps, beams, **options):
    """The loop of transformers with Whisper's rules, without its own treatment of windows."""
    rules = transformers.LogitsProcessorList(
        [
            transformers.SuppressTokensLogitsProcessor(WRITING["suppress_tokens"]),
            transformers.SuppressTokensAtBeginLogitsProcessor(
                WRITING["begin_suppress_tokens"], len(prompt)
            ),
        ]
    )
    if timestamps:
        config = theirs.generation_config
        rules.append(transformers.WhisperTimeStampLogitsProcessor(config, len(prompt)))
    how = transformers.GenerationConfig(
        pad_token_id=END, eos_token_id=END, num_beams=beams, max_new_tokens=16, **options
    )
    with torch.no_grad():
        ids = transformers.GenerationMixin.generate(
            theirs, inputs=x, decoder_input_ids=torch.tensor([prompt] * len(x)),
            generation_config=how, logits_processor=rules,
        )  # fmt: skip
    return [until(row[len(prompt) :], END) for row in ids.tolist()]


@pytest.mark.parametrize("timestamps", [False, True])
@pytest.mark.parametrize(("beams", "penalty"), [(1, 1.0), (3, 1.0), (4, 0.0), (2, 2.0)])
def test_ids_are_theirs_greedy_and_by_beams(tmp_path, timestamps, beams, penalty):
    lengths = set()
    for seed in range(4):
        theirs, ours = written(tmp_path, seed)
        x = torch.randn(3, 80, 100)
        prompt = WhisperTokens.of(ours.config).prompt(None, "transcribe", timestamps)
        extra = {"length_penalty": penalty} if beams > 1 else {}
        wanted = their_generate(theirs, x, prompt, timestamps, beams, **extra)
        options = DecodingOptions(
            timestamps=timestamps, num_beams=beams, length_penalty=penalty, max_new_tokens=16
        )
        with sn.no_grad():
            states = ours.get_encoder()(sn.tensor(x.numpy()))
        assert [d.tokens for d in decode(ours, states, prompt, options)] == wanted
        lengths |= {len(row) for row in wanted}
    assert len(lengths) > 1  # some ended, so that ending was compared too


def test_what_we_save_loads_there(tmp_path):
    sn.manual_seed(0)
    ours = WhisperForConditionalGeneration(**SIZES, **WRITING, no_timestamps_token_id=NONE).eval()
    network, writing = to_config(ours.config)
    (tmp_path / "config.json").write_text(json.dumps(network))
    (tmp_path / "generation_config.json").write_text(json.dumps(writing))
    state = {key: value.detach().numpy() for key, value in ours.state_dict().items()}
    save_safetensors(tmp_path / "model.safetensors", state, metadata={"format": "pt"})
    theirs, report = transformers.WhisperForConditionalGeneration.from_pretrained(
        tmp_path, output_loading_info=True
    )
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert theirs.generation_config.no_timestamps_token_id == NONE
    x, ids = torch.randn(1, 80, 100), torch.tensor([[START, 4, 6]])
    with torch.no_grad():
        wanted = theirs.eval()(input_features=x, decoder_input_ids=ids).logits
        close(ours(sn.tensor(x.numpy()), sn.tensor(ids.numpy())).logits, wanted)


@pytest.mark.parametrize("mels", [80, 128])
def test_features_are_theirs(mels):
    theirs = transformers.WhisperFeatureExtractor(feature_size=mels)
    ours = WhisperFeatureExtractor(feature_size=mels)
    for samples in (400, 60000, 480000, 500000):
        x = np.random.default_rng(0).normal(size=samples).astype(np.float32) / 10
        wanted = theirs(x, sampling_rate=16000, return_tensors="np").input_features
        np.testing.assert_allclose(ours(x).numpy(), wanted, atol=5e-5)
