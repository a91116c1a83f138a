"""Every model against transformers: its random weights and its files, outputs, losses, gradients."""

from __future__ import annotations

import json

import numpy as np
import pytest

import sensorium as sn
from sensorium import io
from sensorium.text import models

pytestmark = [
    pytest.mark.peer,
    pytest.mark.filterwarnings("ignore"),  # the peer's own
]

TINY = {
    "vocab_size": 61,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "max_position_embeddings": 23,
    "initializer_range": 0.5,  # larger than usual, so that every part counts
}
DISTIL = {
    "vocab_size": 61,
    "dim": 24,
    "n_layers": 2,
    "n_heads": 3,
    "hidden_dim": 40,
    "max_position_embeddings": 23,
    "initializer_range": 0.5,
}
GPT = {"vocab_size": 61, "n_embd": 24, "n_layer": 2, "n_head": 3, "n_positions": 40}
GPT |= {"initializer_range": 0.5, "bos_token_id": 3, "eos_token_id": 7}
OPTIONS = {
    "bert": {**TINY, "type_vocab_size": 3},
    "roberta": {**TINY, "type_vocab_size": 2, "layer_norm_eps": 1e-5},
    "distilbert": DISTIL,
    "gpt2": GPT,
}
HEADS = [
    (family, f"{prefix}{head}")
    for family, prefix in (("bert", "Bert"), ("roberta", "Roberta"), ("distilbert", "DistilBert"))
    for head in (
        "Model",
        "ForMaskedLM",
        "ForSequenceClassification",
        "ForTokenClassification",
        "ForQuestionAnswering",
    )
] + [("gpt2", "GPT2Model"), ("gpt2", "GPT2LMHeadModel")]


@pytest.fixture(scope="module")
def peer():
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    return torch, transformers


def written(peer, family, name, folder, **more):
    """A random model of theirs, and the folder that it saved itself to."""
    torch, transformers = peer
    torch.manual_seed(3)
    config = transformers.CONFIG_MAPPING[family](**{**OPTIONS[family], **more})
    model = getattr(transformers, name)(config).eval()
    with torch.no_grad():
        for value in model.parameters():
            if value.ndim == 1:  # biases and norms start as constants
                value.add_(torch.randn(value.shape) * 0.1)
    model.save_pretrained(folder)
    return model


def read(folder, **changes):
    """Our model from a folder of theirs."""
    name, options = models.from_config(json.loads((folder / "config.json").read_text()))
    model = models.get_model(name, **{**options, **changes})
    state = io.load(folder / "model.safetensors")
    model.load_state_dict(models.convert(name, state, options))
    return model.eval()


def batch(family, seed=0, padding="right", length=11):
    """Ids, masks and token types of texts of different length, as arrays."""
    rng = np.random.default_rng(seed)
    pad = {"roberta": 1}.get(family, 0)
    ids = rng.integers(4, 61, (4, length))
    mask = np.ones_like(ids)
    for row, real in enumerate((length, length - 2, 5, 1)):
        gone = slice(real, None) if padding == "right" else slice(0, length - real)
        ids[row, gone], mask[row, gone] = pad, 0
    found = {"input_ids": ids, "attention_mask": mask}
    if family in ("bert", "roberta"):
        types = (np.arange(length) > length // 2) * mask
        found["token_type_ids"] = types
    return found


def both(peer, theirs, ours, given):
    """What both return for the same arrays."""
    torch, _ = peer
    with torch.no_grad():
        expected = theirs(**{key: torch.tensor(value) for key, value in given.items()})
    with sn.inference_mode():
        found = ours(**{key: sn.tensor(value) for key, value in given.items()})
    return expected, found


def close(found, expected, real=None, rtol=3e-5):
    """The largest difference over the largest value stays below rtol, where tokens are real."""
    a, b = np.asarray(found.detach().numpy()), expected.detach().numpy()
    assert a.shape == b.shape and a.dtype == b.dtype
    if real is not None and a.shape[:2] == real.shape:
        a, b = a[real], b[real]
    assert np.abs(a - b).max() <= rtol * max(1e-6, np.abs(b).max())


# -- outputs -------------------------------------------------------------------------------------
@pytest.mark.parametrize("padding", ["right", "left"])
@pytest.mark.parametrize(("family", "name"), HEADS)
def test_every_output_is_theirs_with_padding(peer, tmp_path, family, name, padding):
    theirs = written(peer, family, name, tmp_path)
    ours = read(tmp_path)
    given = batch(family, padding=padding)
    expected, found = both(peer, theirs, ours, given)
    real = given["attention_mask"] > 0
    names = [n for n in expected if n != "past_key_values"]
    assert set(names) == set(found)
    for n in names:
        close(found[n], expected[n], real if family == "gpt2" else None)


@pytest.mark.parametrize(("family", "name"), HEADS)
def test_in_float64_nothing_is_left_of_the_difference(peer, tmp_path, family, name):
    theirs = written(peer, family, name, tmp_path).double()
    given = batch(family)
    expected, found = both(peer, theirs, read(tmp_path).double(), given)
    real = given["attention_mask"] > 0 if family == "gpt2" else None
    close(found[0], expected[0], real, rtol=1e-12)


@pytest.mark.parametrize(("family", "name"), [h for h in HEADS if h[1].endswith("Model")])
def test_ids_alone_and_hidden_states_of_every_layer(peer, tmp_path, family, name):
    theirs = written(peer, family, name, tmp_path)
    ours = read(tmp_path)
    ids = batch(family, 1, length=7)["input_ids"][:2]
    ids[ids < 4] = 9
    torch, _ = peer
    with torch.no_grad():
        expected = theirs(torch.tensor(ids), output_hidden_states=True)
    found = ours(sn.tensor(ids), output_hidden_states=True)
    assert len(found.hidden_states) == len(expected.hidden_states) == 3
    for a, b in zip(found.hidden_states, expected.hidden_states):
        close(a, b)


@pytest.mark.parametrize(("family", "name"), [h for h in HEADS if h[1].endswith("Model")])
def test_embeddings_and_positions_given_by_the_caller(peer, tmp_path, family, name):
    theirs = written(peer, family, name, tmp_path)
    ours = read(tmp_path)
    rng = np.random.default_rng(2)
    given = {
        "inputs_embeds": rng.normal(size=(2, 5, 24)).astype(np.float32),
        "position_ids": rng.integers(2, 20, (2, 5)),
    }
    expected, found = both(peer, theirs, ours, given)
    close(found[0], expected[0])
    del given["position_ids"]
    expected, found = both(peer, theirs, ours, given)
    close(found[0], expected[0])


@pytest.mark.parametrize("act", ["gelu_new", "relu", "silu", "gelu_fast", "quick_gelu", "gelu"])
def test_every_activation_is_theirs(peer, tmp_path, act):
    theirs = written(peer, "bert", "BertModel", tmp_path, hidden_act=act)
    expected, found = both(peer, theirs, read(tmp_path), batch("bert"))
    close(found.last_hidden_state, expected.last_hidden_state)


@pytest.mark.parametrize(
    ("family", "name", "more"),
    [
        ("bert", "BertForMaskedLM", {"tie_word_embeddings": False}),
        ("roberta", "RobertaForMaskedLM", {"tie_word_embeddings": False}),
        ("distilbert", "DistilBertModel", {"sinusoidal_pos_embds": True}),
        ("gpt2", "GPT2LMHeadModel", {"tie_word_embeddings": False, "n_inner": 36}),
        ("gpt2", "GPT2Model", {"scale_attn_by_inverse_layer_idx": True}),
        ("gpt2", "GPT2Model", {"scale_attn_weights": False, "activation_function": "relu"}),
        ("bert", "BertForSequenceClassification", {"id2label": {0: "a", 1: "b", 2: "c"}}),
        ("bert", "BertModel", {"pad_token_id": 5, "type_vocab_size": 4}),
    ],
)
def test_options_that_change_the_network(peer, tmp_path, family, name, more):
    theirs = written(peer, family, name, tmp_path, **more)
    expected, found = both(peer, theirs, read(tmp_path), batch(family))
    real = batch(family)["attention_mask"] > 0 if family == "gpt2" else None
    close(found[0], expected[0], real)


# -- losses and gradients ------------------------------------------------------------------------
def labels_for(name, kind=None):
    rng = np.random.default_rng(5)
    if "Question" in name:
        return {"start_positions": np.array([0, 3, 2, 40]), "end_positions": np.array([5, 3, 4, 0])}
    if "Sequence" in name:
        return {
            None: {"labels": np.array([0, 2, 1, 1])},
            "regression": {"labels": rng.normal(size=(4, 3)).astype(np.float32)},
            "multi": {"labels": (rng.random((4, 3)) > 0.5).astype(np.float32)},
        }[kind]
    high = 3 if "Token" in name else 61
    labels = rng.integers(0, high, (4, 11))
    labels[:, ::3] = -100
    return {"labels": labels}


LOSSES = [head for head in HEADS if "For" in head[1] or "LMHead" in head[1]]


@pytest.mark.parametrize(("family", "name"), LOSSES)
def test_losses_are_theirs(peer, tmp_path, family, name):
    more = {"num_labels": 3} if "Token" in name or "Sequence" in name else {}
    theirs = written(peer, family, name, tmp_path, **more)
    expected, found = both(peer, theirs, read(tmp_path), batch(family) | labels_for(name))
    close(found.loss, expected.loss)


@pytest.mark.parametrize("kind", ["regression", "multi", "one"])
def test_losses_of_other_problem_types(peer, tmp_path, kind):
    name = "BertForSequenceClassification"
    more = {"num_labels": 1 if kind == "one" else 3}
    more |= {"problem_type": "regression"} if kind == "regression" else {}
    theirs = written(peer, "bert", name, tmp_path, **more)
    labels = labels_for(name, "multi" if kind == "multi" else "regression")["labels"]
    given = batch("bert") | {"labels": labels[:, 0] if kind == "one" else labels}
    expected, found = both(peer, theirs, read(tmp_path), given)
    close(found.loss, expected.loss)


@pytest.mark.parametrize(
    ("family", "name"),
    [("bert", "BertForMaskedLM"), ("roberta", "RobertaForSequenceClassification"),
     ("distilbert", "DistilBertForQuestionAnswering"), ("gpt2", "GPT2LMHeadModel")],
)  # fmt: skip
def test_gradients_of_every_parameter_are_theirs(peer, tmp_path, family, name):
    torch, _ = peer
    more = {"num_labels": 3} if "Sequence" in name else {}
    theirs = written(peer, family, name, tmp_path, **more)
    ours = read(tmp_path)
    given = batch(family) | labels_for(name)
    theirs(**{k: torch.tensor(v) for k, v in given.items()}).loss.backward()
    ours(**{k: sn.tensor(v) for k, v in given.items()}).loss.backward()
    expected = {k: p.grad for k, p in theirs.named_parameters()}
    found = dict(ours.named_parameters())
    assert found.keys() == expected.keys()
    scale = max(float(g.abs().max()) for g in expected.values() if g is not None)
    for key, g in expected.items():
        mine = found[key].grad
        a = 0.0 if mine is None else mine.numpy()
        b = 0.0 if g is None else g.numpy()
        assert np.abs(a - b).max() < 2e-5 * scale, key


# -- files ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(("family", "name"), HEADS)
def test_what_we_save_loads_there_with_the_same_outputs(peer, tmp_path, family, name):
    _, transformers = peer
    sn.manual_seed(7)
    more = {"id2label": {0: "no", 1: "yes"}} if "Sequence" in name else {}
    ours = models.get_model(name, **{**OPTIONS[family], **more}).eval()
    (tmp_path / "config.json").write_text(json.dumps(models.to_config(ours)))
    state = {key: value.numpy() for key, value in models.to_checkpoint(ours).items()}
    io.save_safetensors(tmp_path / "model.safetensors", state)
    theirs, report = getattr(transformers, name).from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    if more:
        assert theirs.config.id2label == more["id2label"]
    given = batch(family)
    expected, found = both(peer, theirs.eval(), ours, given)
    real = given["attention_mask"] > 0
    close(found[0], expected[0], real if family == "gpt2" else None)


@pytest.mark.parametrize(("family", "name"), HEADS)
def test_state_dicts_have_the_same_keys_and_shapes(peer, family, name):
    _, transformers = peer
    config = transformers.CONFIG_MAPPING[family](**OPTIONS[family])
    expected = {
        k: tuple(v.shape) for k, v in getattr(transformers, name)(config).state_dict().items()
    }
    ours = models.get_model(name, **OPTIONS[family])
    assert {k: tuple(v.shape) for k, v in ours.state_dict().items()} == expected


@pytest.mark.parametrize(
    ("family", "saved", "wanted"),
    [
        ("bert", "BertForMaskedLM", "BertForTokenClassification"),
        ("roberta", "RobertaForMaskedLM", "RobertaForSequenceClassification"),
        ("gpt2", "GPT2LMHeadModel", "GPT2Model"),
        ("gpt2", "GPT2Model", "GPT2LMHeadModel"),
        ("distilbert", "DistilBertModel", "DistilBertForMaskedLM"),
        ("distilbert", "DistilBertForQuestionAnswering", "DistilBertModel"),
    ],
)
def test_a_checkpoint_of_one_head_gives_the_base_of_another(peer, tmp_path, family, saved, wanted):
    theirs = written(peer, family, saved, tmp_path)
    name, options = models.from_config(
        json.loads((tmp_path / "config.json").read_text()), architecture=wanted
    )
    ours = models.get_model(name, **options).eval()
    state = models.convert(name, io.load(tmp_path / "model.safetensors"), options)
    keys = ours.load_state_dict(state, strict=False)
    assert not keys.unexpected_keys
    assert all(key.startswith(type(ours).head_parts) for key in keys.missing_keys)
    expected, found = both(peer, theirs.base_model, ours.base_model, batch(family))
    real = batch(family)["attention_mask"] > 0
    close(found[0], expected[0], real if family == "gpt2" else None)
