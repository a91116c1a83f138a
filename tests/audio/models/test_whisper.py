"""Laws of the Whisper network: shapes, keys, causality, the cache, beams of one recording, and the
numbers of transformers' implementation (``tools/whisper_references.py``)."""

from pathlib import Path

import numpy as np
import pytest

import sensorium as sn
from sensorium.audio.models import (
    WhisperConfig,
    WhisperForConditionalGeneration,
    WhisperModel,
    WhisperTokens,
    get_model,
    list_models,
    model_config,
)
from sensorium.audio.models.whisper_config import from_config, to_config
from sensorium.errors import OptionError, ShapeError, StateDictError

DATA = Path(__file__).parent / "data" / "whisper_reference.npz"
SIZES = {
    "vocab_size": 40, "d_model": 16, "encoder_layers": 2, "decoder_layers": 2,
    "encoder_attention_heads": 2, "decoder_attention_heads": 4, "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 20, "num_mel_bins": 8, "max_source_positions": 12, "max_target_positions": 10,
    "pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 2,
}  # fmt: skip


@pytest.fixture
def net():
    sn.manual_seed(0)
    return WhisperForConditionalGeneration(**SIZES, init_std=0.3).eval()


@pytest.fixture
def heard(net):
    with sn.no_grad():
        return net.get_encoder()(sn.randn(2, 8, 24))


IDS = np.array([[2, 5, 9, 7, 3], [2, 30, 31, 4, 6]])


def logits(net, states, ids, **options):
    with sn.no_grad():
        return net(
            encoder_outputs=states, decoder_input_ids=sn.tensor(ids), **options
        ).logits.numpy()


def stepwise(net, states, ids, cuts):
    cache, parts = net.new_cache(), []
    with sn.no_grad():
        for part in np.split(ids, cuts, axis=1):
            hidden = net.get_decoder()(sn.tensor(part), states, cache=cache)
            parts.append(net.project(hidden).numpy())
    return np.concatenate(parts, 1)


def test_the_reference_numbers():
    stored = dict(np.load(DATA))
    inputs = {key: sn.tensor(stored.pop(f"input/{key}")) for key in ("features", "ids", "mask")}
    wanted = {key: stored.pop(f"output/{key}") for key in ("encoder", "logits", "loss")}
    config = {
        key.removeprefix("config/"): int(stored.pop(key)) for key in [*stored] if "config/" in key
    }
    net = WhisperForConditionalGeneration(**config).eval()
    net.load_state_dict({key: array.astype(np.float32) for key, array in stored.items()})
    for enabled in (False, True):  # fused steps and plain ones
        with sn.set_grad_enabled(enabled):
            out = net(inputs["features"], inputs["ids"], inputs["mask"], labels=inputs["ids"])
        for key, array in (("encoder", out.encoder_last_hidden_state), ("logits", out.logits)):
            error = np.abs(array.detach().numpy() - wanted[key]).max() / np.abs(wanted[key]).max()
            assert error < 1e-5, key
        assert float(out.loss) == pytest.approx(float(wanted["loss"]), rel=1e-5)


def test_keys_are_those_of_published_files(net):
    keys = set(net.state_dict())
    assert "model.encoder.layers.1.self_attn.k_proj.weight" in keys
    assert "model.decoder.layers.0.encoder_attn.out_proj.bias" in keys
    assert not any("k_proj.bias" in key for key in keys)
    assert "proj_out.weight" not in keys


def test_the_tied_weight_of_a_file_is_ignored(net):
    state = {**net.state_dict(), "proj_out.weight": sn.zeros(40, 16)}
    net.load_state_dict(state)
    with pytest.raises(StateDictError, match="other"):
        net.load_state_dict({**state, "other.weight": sn.zeros(1)})


def test_encoder_positions_are_sinusoids_and_not_trained(net):
    table = net.get_encoder().embed_positions.weight
    slow = [[t * 10000 ** (-i / 7) for i in range(8)] for t in range(12)]
    wanted = np.concatenate([np.sin(slow), np.cos(slow)], 1)
    np.testing.assert_allclose(table.numpy(), wanted, atol=1e-6)
    assert not table.requires_grad


def test_no_token_sees_a_later_one(net, heard):
    changed = IDS.copy()
    changed[:, 3:] = 11
    a, b = logits(net, heard, IDS), logits(net, heard, changed)
    np.testing.assert_allclose(a[:, :3], b[:, :3], atol=1e-6)
    assert np.abs(a[:, 3:] - b[:, 3:]).max() > 1e-3


@pytest.mark.parametrize("cuts", [[1, 2, 3, 4], [2], [3, 4], []])
def test_the_cache_changes_nothing(net, heard, cuts):
    np.testing.assert_allclose(
        stepwise(net, heard, IDS, cuts), logits(net, heard, IDS), rtol=1e-4, atol=1e-5
    )


def test_beams_of_a_recording_share_its_keys(net, heard):
    ids = np.array([[2, 5, 9], [2, 6, 3], [2, 7, 8], [2, 5, 4]])  # two rows for each recording
    wanted = logits(net, sn.tensor(heard.numpy().repeat(2, 0)), ids)
    np.testing.assert_allclose(stepwise(net, heard, ids, [1, 2]), wanted, rtol=1e-4, atol=1e-5)


def test_reordered_rows_continue_their_own_text(net, heard):
    cache = net.new_cache()
    with sn.no_grad():
        net.get_decoder()(sn.tensor([[2, 5], [2, 6], [2, 7], [2, 8]]), heard, cache=cache)
        cache.reorder([1, 1, 3, 2])
        hidden = net.get_decoder()(sn.tensor([[9], [4], [9], [4]]), cache=cache)
        found = net.project(hidden).numpy()[:, -1]
    whole = np.array([[2, 6, 9], [2, 6, 4], [2, 8, 9], [2, 7, 4]])
    wanted = logits(net, sn.tensor(heard.numpy().repeat(2, 0)), whole)[:, -1]
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_padding_is_not_attended_to(net, heard):
    mask = sn.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]])
    changed = IDS.copy()
    changed[0, :2] = 12
    a, b = (logits(net, heard, ids, decoder_attention_mask=mask) for ids in (IDS, changed))
    np.testing.assert_allclose(a[0, 2:], b[0, 2:], atol=1e-6)


def test_labels_are_shifted_behind_the_start(net, heard):
    labels = np.array([[5, 9, 1, -100], [30, 1, -100, -100]])
    given = np.array([[2, 5, 9, 1], [2, 30, 1, 0]])
    with sn.no_grad():
        loss = net(encoder_outputs=heard, labels=sn.tensor(labels)).loss
    chances = np.exp(logits(net, heard, given).astype(np.float64))
    chances /= chances.sum(-1, keepdims=True)
    wanted = [-np.log(chances[n, t, labels[n, t]]) for n, t in zip(*np.nonzero(labels >= 0))]
    assert float(loss) == pytest.approx(np.mean(wanted), rel=1e-5)


def test_training_reaches_every_weight_and_dropout_acts():
    sn.manual_seed(0)
    net = WhisperForConditionalGeneration(
        **SIZES, dropout=0.2, attention_dropout=0.1, activation_dropout=0.1
    )
    x, labels = sn.randn(1, 8, 24), sn.tensor([[5, 9, 1]])
    net(x, labels=labels).loss.backward()
    without = [key for key, p in net.named_parameters() if p.requires_grad and p.grad is None]
    assert without == []
    with sn.no_grad():
        assert float(net(x, labels=labels).loss) != float(net(x, labels=labels).loss)
        net.eval()
        assert float(net(x, labels=labels).loss) == float(net(x, labels=labels).loss)


def test_wrong_inputs_are_named(net, heard):
    with pytest.raises(ShapeError, match=r"\(N, 8, 24\), got \(1, 8, 20\)"):
        net.get_encoder()(sn.zeros(1, 8, 20))
    with pytest.raises(ShapeError, match="11 tokens, max_target_positions is 10"):
        logits(net, heard, np.zeros((2, 11), int))
    with pytest.raises(OptionError, match="input_features or encoder_outputs"):
        net(decoder_input_ids=sn.tensor([[1]]))
    with pytest.raises(OptionError, match="encoder_hidden_states"):
        net.get_decoder()(sn.tensor([[1]]))
    with pytest.raises(ShapeError, match="attention_mask"):
        logits(net, heard, IDS, decoder_attention_mask=sn.ones(2, 4))
    with pytest.raises(OptionError, match="unknown options \\['depth'\\]"):
        WhisperModel(depth=3)
    with pytest.raises(OptionError, match="encoder_attention_heads=5"):
        WhisperConfig(encoder_attention_heads=5)
    with pytest.raises(OptionError, match="activation_function"):
        WhisperModel(**SIZES, activation_function="tanh")


# -- sizes, files, tokens ------------------------------------------------------------------------
def parameters(config):
    """How many a network of this configuration has, counted from the paper's description."""
    e, positions = config.d_model, config.max_source_positions + config.max_target_positions

    def layer(width, attentions):
        attention = 4 * e * e + 3 * e + 2 * e  # projections, biases but the keys', norm
        return attentions * attention + 2 * e * width + width + e + 2 * e

    convolutions = 3 * e * (config.num_mel_bins + e) + 2 * e
    return (
        convolutions + positions * e + config.vocab_size * e + 4 * e
        + config.encoder_layers * layer(config.encoder_ffn_dim, 1)
        + config.decoder_layers * layer(config.decoder_ffn_dim, 2)
    )  # fmt: skip


@pytest.mark.parametrize(  # the table of the published repository, in millions
    ("name", "millions"),
    [("tiny", 39), ("tiny_en", 39), ("base", 74), ("small", 244), ("medium", 769), ("large", 1550),
     ("large_v3_turbo", 809)],
)  # fmt: skip
def test_variants_have_the_published_sizes(name, millions):
    config = WhisperConfig(**model_config(f"whisper_{name}"))
    assert parameters(config) / 1e6 == pytest.approx(millions, rel=0.04)


def test_the_count_is_that_of_the_network(net):
    assert parameters(net.config) == sum(p.numel() for p in net.parameters())


def test_variants_are_registered():
    assert {"whisper_tiny_en", "whisper_large_v3"} <= set(list_models("whisper_*"))
    net = get_model("whisper_large_v3", **SIZES | {"num_mel_bins": 128})
    assert net.get_encoder().conv1.in_channels == 128


def test_configurations_survive_their_files():
    for name in list_models("whisper_*"):
        config = WhisperConfig(**model_config(name), suppress_tokens=(1, 2), lang_to_id={"en": 7})
        network, writing = to_config(config)
        assert from_config(network, writing) == config
    assert from_config({"model_type": "whisper", "unknown": 1}) == WhisperConfig()
    with pytest.raises(OptionError, match="'bert'"):
        from_config({"model_type": "bert"})


@pytest.mark.parametrize(  # ids as the published tokenizers have them
    ("name", "wanted"),
    [
        ("tiny_en", {"start": 50257, "end": 50256, "no_speech": 50361, "no_timestamps": 50362}),
        ("tiny", {"start": 50258, "end": 50257, "no_speech": 50362, "no_timestamps": 50363,
                  "previous": 50361, "tasks": {"translate": 50358, "transcribe": 50359}}),
        ("large_v3", {"no_timestamps": 50364, "previous": 50362, "no_speech": 50363}),
    ],
)  # fmt: skip
def test_special_tokens_of_published_vocabularies(name, wanted):
    config = WhisperConfig(**model_config(f"whisper_{name}"))
    tokens = WhisperTokens.of(config)
    assert {key: getattr(tokens, key) for key in wanted} == wanted
    assert tokens.timestamp(30.0) == config.vocab_size - 1
    languages = {"tiny_en": 0, "tiny": 99, "large_v3": 100}[name]
    assert len(tokens.languages) == languages
    assert languages == 0 or (tokens.languages["en"], tokens.languages["su"]) == (50259, 50357)


def test_prompts():
    english = WhisperTokens.of(WhisperConfig(**model_config("whisper_tiny_en")))
    many = WhisperTokens.of(WhisperConfig(**model_config("whisper_tiny")))
    assert english.prompt(None, "transcribe", True) == [50257]
    assert english.prompt("en", "transcribe", False) == [50257, 50362]
    assert many.prompt("fr", "translate", True) == [50258, 50265, 50358]
    with pytest.raises(OptionError, match="English only"):
        english.prompt("fr", "transcribe", True)
    with pytest.raises(OptionError, match="language 'xx' is not one of en"):
        many.prompt("xx", "transcribe", True)
    with pytest.raises(OptionError, match="task 'sing'"):
        many.prompt("en", "sing", True)
    with pytest.raises(OptionError, match="has none"):
        _ = WhisperTokens.of(WhisperConfig(vocab_size=10)).first_timestamp
