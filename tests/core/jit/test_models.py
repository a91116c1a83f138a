"""Whole networks: compiled equals eager, in float32 and in bfloat16, for several batch sizes."""

from __future__ import annotations

import numpy as np
import pytest

import sensorium as sn
import sensorium.nn.functional as F
from sensorium import nn
from sensorium.backends.cpu import onednn
from sensorium.jit import compile, trees

bfloat16 = pytest.mark.skipif(not onednn.has_bfloat16(), reason="wants AVX512-BF16")


def _images(n=1, size=64):
    return (
        sn.from_numpy(np.random.default_rng(n).normal(size=(n, 3, size, size)).astype("float32")),
    )


def _tokens(n=2, length=12, high=90):
    rng = np.random.default_rng(n)
    mask = np.ones((n, length), np.int64)
    mask[0, length // 2 :] = 0
    return {
        "input_ids": sn.from_numpy(rng.integers(1, high, (n, length))),
        "attention_mask": sn.from_numpy(mask),
    }


def _calls(given):
    return ((), given) if isinstance(given, dict) else (given, {})


def _differences(net, given, precision="float32"):
    """The largest error of every result, relative to its largest element."""
    args, options = _calls(given)
    with sn.no_grad():
        want = trees.flatten(net(*args, **options))[0]
        quick = compile(net, precision=precision)
        errors = []
        for _ in range(2):
            got = trees.flatten(quick(*args, **options))[0]
            assert [(t.shape, t.dtype) for t in got] == [(t.shape, t.dtype) for t in want]
            pairs = [(g.array.astype("f8"), w.array.astype("f8")) for g, w in zip(got, want)]
            errors += [np.abs(g - w).max() / np.abs(w).max() for g, w in pairs]
    assert quick.graphs
    return max(errors)


# -- small ones ----------------------------------------------------------------------------------
class Functional(nn.Module):
    """A network in the functional style: branches, a gate, weights made on the way."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3, padding=1)
        self.norm = nn.BatchNorm2d(16)
        self.scale = nn.Parameter(sn.ones(16, 1, 1) * 0.5)
        self.last = nn.Linear(64, 7)

    def forward(self, x):
        height = x.shape[2]
        x = F.relu(self.norm(self.first(x)))
        weight = self.first.weight.mean(1, keepdim=True)
        y = F.conv2d(x, weight, padding=1, groups=16) * self.scale
        gate = sn.sigmoid(F.adaptive_avg_pool2d(y, 1))
        x = F.max_pool2d(x * gate + y, 2) if height > 4 else x
        parts = sn.cat([x, F.avg_pool2d(x, 3, 1, 1)], 1).chunk(2, 1)
        x = F.interpolate(parts[0] - parts[1], size=(2, 2), mode="nearest")
        return F.log_softmax(self.last(F.dropout(x.flatten(1), 0.5, self.training)), -1)


class Attending(nn.Module):
    """Attention written out, with a mask and relative positions."""

    def __init__(self):
        super().__init__()
        self.three, self.out = nn.Linear(32, 96), nn.Linear(32, 32)
        self.bias = nn.Parameter(sn.randn(4, 10, 10))
        self.norm = nn.LayerNorm(32)

    def forward(self, x):
        n, length, _ = x.shape
        q, k, v = self.three(x).reshape(n, length, 3, 4, 8).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-2, -1) / 8**0.5 + self.bias
        scores = scores.masked_fill(sn.ones(length, length).triu(1).bool(), -1e4)
        y = (scores.softmax(-1) @ v).transpose(1, 2).reshape(n, length, -1)
        return self.norm(x + self.out(y))


def _transformer():
    return nn.Transformer(32, 4, 1, 1, 64, batch_first=True)


def _sequences(*shapes):
    return tuple(
        sn.from_numpy(np.random.default_rng(1).normal(size=s).astype("f4")) for s in shapes
    )


SMALL = {
    "functional": (Functional, _images(2, 8)),
    "attention": (Attending, _sequences((2, 10, 32))),
    "lstm": (lambda: nn.LSTM(8, 16, num_layers=2, bidirectional=True), _sequences((5, 2, 8))),
    "gru": (lambda: nn.GRU(8, 16, batch_first=True), _sequences((2, 5, 8))),
    "rnn cell": (lambda: nn.LSTMCell(8, 16), _sequences((3, 8))),
    "transformer": (_transformer, _sequences((2, 6, 32), (2, 4, 32))),
    "encoder": (lambda: nn.TransformerEncoderLayer(32, 4, 64, 0.0, "gelu"), _sequences((6, 2, 32))),
    "multihead": (lambda: nn.MultiheadAttention(32, 4), _sequences(*[(6, 2, 32)] * 3)),
    "deconv": (lambda: nn.Sequential(nn.ConvTranspose2d(3, 8, 3, 2), nn.GroupNorm(2, 8), nn.ELU()),
               _images(1, 8)),
    "conv1d": (lambda: nn.Sequential(nn.Conv1d(4, 8, 3), nn.PReLU(), nn.AvgPool1d(2)), _sequences((2, 4, 20))),
    "conv3d": (lambda: nn.Sequential(nn.Conv3d(2, 4, 3), nn.BatchNorm3d(4), nn.ReLU(), nn.MaxPool3d(2)),
               _sequences((1, 2, 8, 8, 8))),
}  # fmt: skip


@pytest.mark.parametrize("name", SMALL)
def test_small_networks(name):
    sn.manual_seed(0)
    build, given = SMALL[name]
    net = build().eval()
    assert _differences(net, given) < 1e-5


@bfloat16
@pytest.mark.parametrize("name", ["functional", "attention", "encoder", "conv1d"])
def test_small_networks_in_bfloat16(name):
    sn.manual_seed(0)
    build, given = SMALL[name]
    assert _differences(build().eval(), given, "bfloat16") < 5e-2


# -- models --------------------------------------------------------------------------------------
def _bert():
    from sensorium.text.models import BertModel

    return BertModel(vocab_size=90, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                     intermediate_size=64, max_position_embeddings=32)  # fmt: skip


def _gpt():
    from sensorium.text.models import GPT2LMHeadModel

    return GPT2LMHeadModel(vocab_size=90, n_positions=32, n_embd=32, n_layer=2, n_head=4)


def _with_types():
    given = _tokens()
    return given | {"token_type_ids": given["attention_mask"] * 0 + sn.tensor([[0], [1]])}


@pytest.mark.parametrize("options", [_tokens(), _with_types()], ids=["mask", "mask and types"])
def test_bert(options):
    sn.manual_seed(0)
    assert _differences(_bert().eval(), options) < 1e-5


def test_bert_sees_the_mask_of_every_call():
    sn.manual_seed(0)
    net = _bert().eval()
    quick = compile(net)
    given = _tokens()
    with sn.no_grad():
        for length in (6, 12, 3, 9):
            given["attention_mask"] = sn.tensor([[1] * length + [0] * (12 - length)] * 2)
            want, got = net(**given), quick(**given)
            np.testing.assert_allclose(got[0].array, want[0].array, rtol=1e-4, atol=1e-5)
    assert len(quick.graphs) == 1


def test_gpt2():
    sn.manual_seed(0)
    net = _gpt().eval()
    assert (
        _differences(lambda input_ids: net(input_ids).logits, {"input_ids": _tokens()["input_ids"]})
        < 1e-5
    )


def test_whisper_encoder():
    from sensorium.audio.models import WhisperModel

    sn.manual_seed(0)
    net = WhisperModel(
        vocab_size=100, num_mel_bins=8, d_model=32, encoder_layers=2, decoder_layers=1,
        encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64,
        max_source_positions=20, max_target_positions=10,
    ).eval()  # fmt: skip
    assert _differences(net.encoder, _sequences((1, 8, 40))) < 1e-5


def _vision(name, **options):
    from sensorium.vision import models

    sn.manual_seed(0)
    return getattr(models, name)(**options).eval()


def _vit():
    from sensorium.vision.models import VisionTransformer

    sn.manual_seed(0)
    net = VisionTransformer(image_size=32, patch_size=8, num_layers=2, num_heads=4, hidden_dim=32,
                            mlp_dim=64, num_classes=10).eval()  # fmt: skip
    nn.init.normal_(net.heads[-1].weight)
    return net


def test_vision_transformer():
    assert _differences(_vit(), _images(2, 32)) < 1e-5


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_convolutional_networks(name):
    assert _differences(_vision(name), _images(1, 64)) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet50", "efficientnet_b0", "efficientnet_lite0"])
@pytest.mark.parametrize("n", [1, 3])
def test_larger_convolutional_networks(name, n):
    assert _differences(_vision(name), _images(n, 96)) < 2e-5


@bfloat16
@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_convolutional_networks_in_bfloat16(name):
    assert _differences(_vision(name), _images(1, 64), "bfloat16") < 8e-2


@bfloat16
def test_transformers_in_bfloat16():
    sn.manual_seed(0)
    assert _differences(_bert().eval(), _tokens(), "bfloat16") < 5e-2
    assert _differences(_vit(), _images(2, 32), "bfloat16") < 5e-2
