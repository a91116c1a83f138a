"""The zoo: every card builds what it says, listing costs nothing, digits_resnet works offline."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sensorium as sn
from sensorium import hub, io
from sensorium.errors import CardError, OptionError
from sensorium.hub import Card, registry
from sensorium.model_zoo import digits, zoo
from sensorium.nn import init
from sensorium.vision import labels, models

EXAMPLE = Path(__file__).parents[2] / "examples" / "digits.py"


@pytest.fixture
def cheap_init():
    """Parameters as they come from memory: only their shapes are looked at."""
    with init.skip_random():
        yield


@pytest.mark.parametrize("card", zoo.cards(), ids=lambda card: card.name)
def test_a_card_builds_a_model_of_its_size(card, cheap_init):
    model = zoo.build(card, card.config)
    assert sum(parameter.numel() for parameter in model.parameters()) == card.num_params


@pytest.mark.parametrize(
    ("name", "count"),  # as published with these weights
    [("vit_b_16", 86859496), ("vit_l_16", 305174504), ("vit_h_14", 633470440)],
)
def test_weights_for_larger_images_build_the_model_they_belong_to(name, count, cheap_init):
    card = hub.card(name)
    weights = registry.choose(card, "ViT_Weights.IMAGENET1K_SWAG_E2E_V1")
    model = zoo.build(card, card.config | weights.config)
    assert sum(parameter.numel() for parameter in model.parameters()) == count
    assert zoo.preprocess(card, weights, {}).crop_size == [model.image_size]


PHOTOGRAPHS = [card for card in zoo.cards() if card.task == "image-classification"]


@pytest.mark.parametrize("card", PHOTOGRAPHS, ids=lambda card: card.name)
def test_a_card_agrees_with_the_builder_of_its_name(card):
    row = models.model_config(card.name)
    given = {key: tuple(v) if isinstance(v, list) else v for key, v in card.config.items()}
    assert given == {"block": row.get("block"), **row} if "block" in row else given == row


@pytest.mark.parametrize("card", PHOTOGRAPHS, ids=lambda card: card.name)
def test_what_belongs_to_the_weights_exists(card, cheap_init):
    model = zoo.build(card, card.config)
    last = dict(model.named_modules()).get(card.classifier)
    for weights in card.weights:
        assert zoo.preprocess(card, weights, {}) is not None
        assert last is None or len(labels.labels(weights.labels)) == last.out_features


def test_listing_models_imports_no_vision():
    code = (
        "import sys; from sensorium import hub; assert 'resnet50' in hub.list();"
        "hub.help('resnet50');"
        "print([m for m in sys.modules if m.startswith(('sensorium.vision', 'sensorium.nn', 'PIL'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_unknown_task_is_refused():
    card = Card(name="x", task="mind-reading", architecture="x", weights=[])
    with pytest.raises(CardError, match=r"'mind-reading', want one of .*image-classification"):
        zoo.build(card, {})


# -- digits_resnet -------------------------------------------------------------------------------
def test_the_embedded_model_reads_held_out_digits_offline(monkeypatch, tmp_path):
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
    pipe = hub.pipeline("digits_resnet")
    images, truth = digits.held_out()
    right = sum(row[0].name == str(digit) for row, digit in zip(pipe(images, top_k=1), truth))
    assert right >= 19 and not [*tmp_path.iterdir()]


def test_the_embedded_files_are_small_and_as_their_card_says():
    weights = hub.card("digits_resnet").default()
    path = hub.fetch(weights.sources, sha256=weights.sha256)
    assert path.stat().st_size == weights.bytes < 400_000
    assert weights.metrics["acc@1"] >= 97
    with open(digits.FILE) as file:
        rows = [[int(cell) for cell in row] for row in csv.reader(file)]
    assert len(rows) == 20 and all(len(row) == 65 for row in rows)
    assert min(map(min, rows)) == 0 and max(map(max, rows)) == 16


def test_a_state_of_another_model_is_refused():
    weights = registry.choose(hub.card("digits_resnet"), "default")
    path = hub.fetch(weights.sources, sha256=weights.sha256)
    with pytest.raises(RuntimeError, match=r"(?s)layer1.1.conv1.weight.*layer1.0.conv1.weight"):
        hub.load("resnet18", weights=str(path))


def test_num_classes_replaces_the_last_layer_alone():
    model = hub.load("digits_resnet", num_classes=3)
    known = hub.load("digits_resnet")
    assert model.fc.out_features == 3
    np.testing.assert_array_equal(
        model.conv1.weight.numpy(force=True), known.conv1.weight.numpy(force=True)
    )


@pytest.mark.slow
@pytest.mark.network
def test_the_example_trains_to_the_promised_accuracy(tmp_path):
    command = [sys.executable, str(EXAMPLE), "--epochs", "4"]
    out = tmp_path / "digits.safetensors"
    done = subprocess.run([*command, "--out", str(out)], capture_output=True, text=True, check=True)
    accuracy = float(done.stdout.partition("held-out digits: ")[2].partition("%")[0])
    assert accuracy >= 97 and out.stat().st_size < 400_000


# -- the wider protocol --------------------------------------------------------------------------
BERT = {"model_type": "bert", "hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 1}


def test_every_cards_architecture_is_one_of_the_zoo():
    known = {*zoo.architectures()}
    assert {card.architecture for card in zoo.cards()} <= known
    assert {"resnet", "BertModel", "whisper"} <= known
    assert registry.find_architecture("BertForMaskedLM") is zoo


def test_finding_the_architecture_of_a_card_imports_no_domain():
    code = (
        "import sys; from sensorium.hub import registry; registry.find_architecture('resnet');"
        "print([m for m in sys.modules if m.startswith(('sensorium.vision', 'sensorium.text'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("BertModel", "sentence-similarity"),
        ("BertForMaskedLM", "fill-mask"),
        ("BertForSequenceClassification", "text-classification"),
        ("BertForTokenClassification", "token-classification"),
        ("BertForQuestionAnswering", "question-answering"),
    ],
)
def test_a_configuration_is_adopted_under_its_task(name, task):
    card = zoo.adopt(BERT | {"architectures": [name], "vocab_size": 9, "intermediate_size": 8})
    assert (card.architecture, card.task, card.weights) == (name, task, [])
    assert type(zoo.build(card, card.config)).__name__ == name
    headed = zoo.headed(card, 3)
    found = zoo.build(headed, headed.config)
    assert found.config.num_labels == 3 and type(found).__name__.endswith("Classification")
    assert headed.task in {"text-classification", "token-classification"}


def test_a_new_head_is_saved_as_what_it_is_with_its_labels(tmp_path):
    encoder = BERT | {"architectures": ["BertModel"], "vocab_size": 9, "intermediate_size": 8}
    (tmp_path / "config.json").write_text(json.dumps(encoder))
    card = zoo.adopt(encoder)
    save_file = zoo.build(card, card.config).state_dict()
    io.save_safetensors(
        tmp_path / "model.safetensors", {k: v.numpy() for k, v in save_file.items()}
    )
    model = hub.load(str(tmp_path), num_classes=2)
    assert model.card.task == "text-classification" and model.card.weights[0].labels == ""
    run = hub.save(model, tmp_path / "run", labels=["bad", "good"])
    again = hub.load(str(run))
    assert type(again).__name__ == "BertForSequenceClassification"
    assert again.card.weights[0].labels == ["bad", "good"]
    told = json.loads((run / "config.json").read_text())
    assert told["id2label"] == {"0": "bad", "1": "good"} and told["label2id"] == {
        "bad": 0,
        "good": 1,
    }


def test_tied_weights_are_saved_once_and_come_back(tmp_path):
    from sensorium.text import models as text_models

    config = {"vocab_size": 9, "n_embd": 8, "n_layer": 1, "n_head": 2, "n_positions": 8}
    model = text_models.GPT2LMHeadModel(**config).eval()
    facts = {"architecture": "GPT2LMHeadModel", "task": "text-generation", "config": config}
    run = hub.save(model, tmp_path / "run", **facts)
    assert "lm_head.weight" not in io.load(run / "model.safetensors")
    again = hub.load(str(run))
    assert again.lm_head.weight is again.transformer.wte.weight
    assert sn.equal(again.lm_head.weight, model.lm_head.weight)


def test_an_unknown_configuration_is_none_and_an_unsupported_one_says_why():
    assert zoo.adopt({"model_type": "mind_reader"}) is None and zoo.adopt({}) is None
    with pytest.raises(OptionError, match="position_embedding_type"):
        zoo.adopt(BERT | {"position_embedding_type": "relative_key"})


def test_a_text_model_comes_back_from_a_folder_with_its_tokenizer(tmp_path):
    from sensorium.text import Tokenizer, models

    model = models.BertModel(**{k: v for k, v in BERT.items() if k != "model_type"}, vocab_size=9)
    words = "[PAD] [UNK] [CLS] [SEP] [MASK] a b c d".split()  # noqa: SIM905 (as in a vocab.txt)
    model.preprocess = Tokenizer.from_bytes("\n".join(words).encode(), kind="vocab.txt")
    config = {k: v for k, v in BERT.items() if k != "model_type"} | {"vocab_size": 9}
    facts = {"architecture": "BertModel", "task": "sentence-similarity", "config": config}
    again = hub.load(str(hub.save(model, tmp_path / "run", **facts)))
    assert again.preprocess("a b")["input_ids"].tolist() == [[2, 5, 6, 3]]
    for key, value in model.state_dict().items():
        np.testing.assert_array_equal(again.state_dict()[key].numpy(), value.numpy())
    (tmp_path / "run" / "card.json").unlink()  # what is left is Hugging Face's layout
    third = hub.load(str(tmp_path / "run"))
    assert type(third) is type(model) and third.preprocess("c")["input_ids"].tolist() == [[2, 7, 3]]


def test_an_image_model_with_names_of_ones_own(tmp_path):
    model = hub.load("digits_resnet", num_classes=2)
    folder = hub.save(model, tmp_path / "run", labels=["cat", "dog"])
    again = hub.load(str(folder))
    assert again.fc.out_features == 2 and again.card.default().labels == ["cat", "dog"]
    image = digits.held_out()[0][0]
    np.testing.assert_array_equal(
        again.preprocess(image).numpy(), hub.load("digits_resnet").preprocess(image).numpy()
    )
    assert sorted(path.name for path in folder.iterdir()) == ["card.json", "model.safetensors"]


def test_every_task_has_its_pipeline():
    from sensorium.model_zoo import _tasks, pipelines

    for task in _tasks.TASKS.values():
        assert callable(getattr(pipelines, task.pipeline)), task
    assert {card.task for card in zoo.cards()} <= _tasks.TASKS.keys()
