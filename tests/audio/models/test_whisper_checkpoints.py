"""Parameters from CTranslate2's layout: what its converter does to Hugging Face's is undone exactly."""

import numpy as np
import pytest

import sensorium as sn
from sensorium.audio.models import WhisperForConditionalGeneration
from sensorium.audio.models.whisper_checkpoints import (
    ctranslate2_config,
    from_ctranslate2,
    from_huggingface,
)
from sensorium.errors import FormatError

SIZES = {
    "vocab_size": 30, "d_model": 8, "encoder_layers": 1, "decoder_layers": 2,
    "encoder_attention_heads": 2, "decoder_attention_heads": 4, "encoder_ffn_dim": 12,
    "decoder_ffn_dim": 10, "num_mel_bins": 6, "max_source_positions": 5, "max_target_positions": 7,
    "init_std": 0.5,
}  # fmt: skip


def converted(state, dtype=np.float32):
    """A WhisperSpec's variables, names and fusions as the format's converter has them."""
    out = {}

    def norm(theirs, ours):
        out[f"{theirs}/gamma"], out[f"{theirs}/beta"] = (
            state[f"{ours}.weight"],
            state[f"{ours}.bias"],
        )

    def linear(theirs, *ours):
        weights = [state[f"{name}.weight"] for name in ours]
        biases = [state.get(f"{n}.bias", np.zeros(len(w))) for n, w in zip(ours, weights)]
        out[f"{theirs}/weight"], out[f"{theirs}/bias"] = (
            np.concatenate(weights),
            np.concatenate(biases),
        )

    for side, layers, heads in (("encoder", 1, 2), ("decoder", 2, 4)):
        top = f"model.{side}"
        out[f"{side}/num_heads"] = np.array(heads, np.int16)
        out[f"{side}/position_encodings/encodings"] = state[f"{top}.embed_positions.weight"]
        norm(f"{side}/layer_norm", f"{top}.layer_norm")
        for n in range(layers):
            a, b = f"{side}/layer_{n}", f"{top}.layers.{n}"
            norm(f"{a}/self_attention/layer_norm", f"{b}.self_attn_layer_norm")
            linear(f"{a}/self_attention/linear_0", *(f"{b}.self_attn.{x}_proj" for x in "qkv"))
            linear(f"{a}/self_attention/linear_1", f"{b}.self_attn.out_proj")
            norm(f"{a}/ffn/layer_norm", f"{b}.final_layer_norm")
            linear(f"{a}/ffn/linear_0", f"{b}.fc1")
            linear(f"{a}/ffn/linear_1", f"{b}.fc2")
            if side == "decoder":
                norm(f"{a}/attention/layer_norm", f"{b}.encoder_attn_layer_norm")
                linear(f"{a}/attention/linear_0", f"{b}.encoder_attn.q_proj")
                linear(f"{a}/attention/linear_1", *(f"{b}.encoder_attn.{x}_proj" for x in "kv"))
                linear(f"{a}/attention/linear_2", f"{b}.encoder_attn.out_proj")
    for n in (1, 2):
        for part in ("weight", "bias"):
            out[f"encoder/conv{n}/{part}"] = state[f"model.encoder.conv{n}.{part}"]
    out["decoder/embeddings/weight"] = state["model.decoder.embed_tokens.weight"]
    out["decoder/projection/weight"] = out["decoder/embeddings/weight"]
    out["decoder/alignment_heads"] = np.zeros((2, 2), np.int16)
    return {k: a.astype(dtype) if a.dtype.kind == "f" else a for k, a in out.items()}


@pytest.fixture
def net():
    sn.manual_seed(0)
    net = WhisperForConditionalGeneration(**SIZES)
    with sn.no_grad():
        for p in net.parameters():  # biases and norms too; half precision holds them exactly
            p.copy_((p + 0.1 * sn.randn(*p.shape)).half())
    return net


@pytest.fixture
def state(net):
    return {key: value.detach().numpy() for key, value in net.state_dict().items()}


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_fused_variables_come_apart(state, dtype):
    found = from_ctranslate2(converted(state, dtype))
    assert found.keys() == state.keys()
    for key, array in found.items():
        np.testing.assert_array_equal(array, state[key], strict=True)


def test_integers_are_divided_by_their_scale(state):
    variables = converted(state)
    whole = variables["decoder/layer_0/ffn/linear_0/weight"]
    scale = (127 / np.abs(whole).max(1)).astype(np.float32)
    variables["decoder/layer_0/ffn/linear_0/weight"] = np.rint(whole * scale[:, None]).astype(
        np.int8
    )
    with pytest.raises(FormatError, match="int8 without a scale"):
        from_ctranslate2(variables)
    variables["decoder/layer_0/ffn/linear_0/weight_scale"] = scale
    found = from_ctranslate2(variables)["model.decoder.layers.0.fc1.weight"]
    assert (np.abs(found - whole) <= 0.5001 / scale[:, None]).all()


def test_the_sizes_are_read_off(net, state):
    tokens = {"suppress_ids": [1, 2], "suppress_ids_begin": [3]}
    config = ctranslate2_config(converted(state), tokens)
    for name, size in SIZES.items():
        assert name == "init_std" or getattr(config, name) == size, name
    assert (config.suppress_tokens, config.begin_suppress_tokens) == ((1, 2), (3,))
    with pytest.raises(FormatError, match="not a Whisper's"):
        ctranslate2_config({"w": np.zeros(3)})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v: v.pop("encoder/conv1/bias"), "'encoder/conv1/bias' is missing"),
        (lambda v: v.update({"decoder/extra": np.zeros(2)}), "no place for .*decoder/extra"),
        (
            lambda v: v.update({"decoder/layer_1/attention/linear_1/bias": np.ones(16)}),
            "keys have no bias",
        ),
        (
            lambda v: v.update({"encoder/layer_0/self_attention/linear_0/bias": np.ones(25)}),
            "does not divide into 3",
        ),
    ],
)
def test_another_model_is_refused(state, change, words):
    variables = converted(state)
    change(variables)
    with pytest.raises(FormatError, match=words):
        from_ctranslate2(variables)


def test_hugging_face_s_two_spellings(state):
    bare = {key.removeprefix("model."): array for key, array in state.items()}
    tied = {**state, "proj_out.weight": state["model.decoder.embed_tokens.weight"]}
    for spelling in (state, bare, tied):
        assert from_huggingface(spelling).keys() == state.keys()
