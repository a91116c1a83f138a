"""config.json to options and back; checkpoints as they have been written over the years to ours."""

from __future__ import annotations

import json

import numpy as np
import pytest

import sensorium as sn
from sensorium.errors import OptionError, StateDictError
from sensorium.text import models

SMALL = {
    "bert": {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 13},
    "distilbert": {"dim": 8, "n_layers": 2, "n_heads": 2, "vocab_size": 13},
    "gpt2": {"n_embd": 8, "n_layer": 2, "n_head": 2, "vocab_size": 13},
}
SMALL["roberta"] = SMALL["bert"]
CLASSES = models.families()


def small(name, **more):
    family = getattr(models, name).config_class.model_type
    return models.get_model(name, **{**SMALL[family], **more})


def state_of(model):
    """A copy of a model's state as arrays."""
    return {key: np.array(value.detach()) for key, value in model.state_dict().items()}


def same(model, other):
    a, b = state_of(model), state_of(other)
    return a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)


# -- config.json ---------------------------------------------------------------------------------
@pytest.mark.parametrize("name", CLASSES)
def test_a_configuration_written_and_read_is_the_same_model(name):
    model = small(name, id2label=None if "Question" in name else {0: "a", 1: "b", 2: "c"})
    text = json.dumps(models.to_config(model))
    found, options = models.from_config(json.loads(text))
    assert found == name
    assert models.get_model(found, **options).config == model.config


def test_what_a_file_of_minilm_says_is_read():
    config = {
        "_name_or_path": "nreimers/MiniLM-L6-H384-uncased",
        "architectures": ["BertModel"],
        "attention_probs_dropout_prob": 0.1,
        "gradient_checkpointing": False,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "hidden_size": 384,
        "initializer_range": 0.02,
        "intermediate_size": 1536,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": 512,
        "model_type": "bert",
        "num_attention_heads": 12,
        "num_hidden_layers": 6,
        "pad_token_id": 0,
        "position_embedding_type": "absolute",
        "transformers_version": "4.8.2",
        "type_vocab_size": 2,
        "use_cache": True,
        "vocab_size": 30522,
    }
    name, options = models.from_config(config)
    assert name == "BertModel" and "transformers_version" not in options
    row = models.model_config("minilm_l6")
    assert {key: options[key] for key in row} == row


def test_other_names_of_options_are_understood():
    _, options = models.from_config({"model_type": "gpt2", "hidden_size": 24, "n_head": 3})
    assert options == {"n_embd": 24, "n_head": 3}


def test_labels_come_from_the_file_as_json_has_them():
    config = {
        "model_type": "distilbert",
        "architectures": ["DistilBertForSequenceClassification"],
        "id2label": {"0": "NEGATIVE", "1": "POSITIVE"},
        "label2id": {"NEGATIVE": 0, "POSITIVE": 1},
        "num_labels": 2,
    }
    name, options = models.from_config(config)
    assert json.loads(json.dumps(options)) == options, "a card can hold them"
    model = models.get_model(name, **options, **SMALL["distilbert"])
    assert model.config.id2label == {0: "NEGATIVE", 1: "POSITIVE"}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "model_type is one of .'bert', 'distilbert', 'gpt2', 'roberta'., got None"),
        ({"model_type": "llama"}, "got 'llama'"),
        ({"model_type": "bert", "position_embedding_type": "relative_key"}, "'relative_key'"),
        ({"model_type": "bert", "is_decoder": True}, "is_decoder=True is not supported"),
        ({"model_type": "gpt2", "add_cross_attention": True}, "add_cross_attention=True"),
        ({"model_type": "bert", "pruned_heads": {"0": [1]}}, "pruned_heads"),
        ({"model_type": "bert", "quantization_config": {"bits": 8}}, "quantization_config"),
        ({"model_type": "bert", "architectures": ["BertLMHeadModel"]}, "no bert model is called"),
        ({"model_type": "bert", "architectures": ["RobertaModel"]}, "there are .'BertModel'"),
        ({"model_type": "bert", "hidden_act": "gelo"}, "hidden_act is one of"),
        ({"model_type": "bert", "hidden_size": None}, "hidden_size must be int, got None"),
    ],
)
def test_what_cannot_be_computed_is_refused(config, words):
    with pytest.raises(OptionError, match=words):
        models.from_config(config)


def test_another_architecture_can_be_asked_for():
    config = {"model_type": "bert", "architectures": ["BertForPreTraining"]}
    name, _ = models.from_config(config, architecture="BertForMaskedLM")
    assert name == "BertForMaskedLM"


# -- checkpoints ---------------------------------------------------------------------------------
@pytest.mark.parametrize("name", CLASSES)
def test_what_is_written_is_read_back(name):
    sn.manual_seed(1)
    model, fresh = small(name), small(name)
    state = models.to_checkpoint(model)
    assert len(state) == len(model.state_dict()) - len(type(model).tied)
    fresh.load_state_dict(models.convert(name, state))
    assert same(model, fresh)


@pytest.mark.parametrize("name", CLASSES)
def test_converting_a_converted_state_changes_nothing(name):
    state = state_of(small(name))
    once = models.convert(name, state)
    assert once.keys() == models.convert(name, once).keys() == state.keys()


@pytest.mark.parametrize("name", [n for n in CLASSES if getattr(models, n).head_parts])
def test_a_base_models_keys_do_with_and_without_prefix(name):
    kind = getattr(models, name)
    model = small(name)
    prefix = kind.base_model_prefix + "."
    bare = {key.removeprefix(prefix): value for key, value in state_of(model).items()}
    fresh = small(name)
    fresh.load_state_dict(models.convert(name, bare))
    assert same(model, fresh)
    base = kind.base_class if hasattr(kind, "base_class") else models.GPT2Model
    found = models.convert(base.__name__, state_of(model))
    assert found.keys() == {key.removeprefix(prefix) for key in model.base_model.state_dict()}


def test_older_names_buffers_and_the_next_sentence_head():
    model = small("BertForMaskedLM")
    old = {}
    for key, value in models.to_checkpoint(model).items():
        key = key.replace("LayerNorm.weight", "LayerNorm.gamma")
        old[key.replace("LayerNorm.bias", "LayerNorm.beta")] = value
    old["bert.embeddings.position_ids"] = np.arange(512)[None]
    old["bert.pooler.dense.weight"] = old["bert.pooler.dense.bias"] = np.zeros(1)
    old["cls.seq_relationship.weight"] = np.zeros((2, 8))
    fresh = small("BertForMaskedLM")
    fresh.load_state_dict(models.convert("BertForMaskedLM", old))
    assert same(model, fresh)


def test_masks_stored_in_old_gpt2_files_are_left_out():
    model = small("GPT2LMHeadModel")
    old = {key.removeprefix("transformer."): v for key, v in models.to_checkpoint(model).items()}
    for layer in range(2):
        old[f"h.{layer}.attn.bias"] = np.tri(9)[None, None]
        old[f"h.{layer}.attn.masked_bias"] = np.array(-1e4)
    fresh = small("GPT2LMHeadModel")
    fresh.load_state_dict(models.convert("GPT2LMHeadModel", old))
    assert same(model, fresh)


def test_keys_that_nothing_explains_are_reported_when_loading():
    model = small("BertModel")
    state = models.convert("BertModel", {**state_of(model), "adapter.weight": np.ones(2)})
    with pytest.raises(StateDictError, match=r"unexpected: 1: adapter\.weight"):
        model.load_state_dict(state)


def test_a_model_without_pooler_leaves_the_poolers_weights():
    options = {**SMALL["bert"], "add_pooling_layer": False}
    model = models.BertModel(**options)
    model.load_state_dict(models.convert("BertModel", state_of(small("BertModel")), options))
    assert model(sn.tensor([[1, 2]])).pooler_output is None
    found, again = models.from_config(models.to_config(model))
    assert (found, again["add_pooling_layer"]) == ("BertModel", False)


def test_tied_weights_that_differ_are_an_error_unless_untied():
    state = state_of(small("GPT2LMHeadModel"))
    state["lm_head.weight"] = state["lm_head.weight"] + 1
    with pytest.raises(StateDictError, match="tie_word_embeddings=False"):
        models.convert("GPT2LMHeadModel", state)
    options = {**SMALL["gpt2"], "tie_word_embeddings": False}
    model = models.GPT2LMHeadModel(**options)
    model.load_state_dict(models.convert("GPT2LMHeadModel", state, options))
    assert not sn.equal(model.lm_head.weight, model.transformer.wte.weight)
    assert "lm_head.weight" in models.to_checkpoint(model)
