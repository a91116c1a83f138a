"""Laws of ``load``: names, weights, state and what is attached; with a zoo of one toy network."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
import sys

import fault_server as fs
import numpy as np
import pytest
from safetensors.numpy import save as save_safetensors

from sensorium import hub
from sensorium.errors import CardError, FormatError, NotFoundError, OptionError, StateDictError
from sensorium.hub import cards, registry


class Value:
    """As much of a tensor as ``save`` asks for."""

    def __init__(self, array):
        self.array = np.array(array)

    def detach(self):
        return self

    cpu = detach

    def numpy(self):
        return self.array


class Toy:
    """As much of a module as ``load`` asks for."""

    def __init__(self, num_classes=2, scale=1.0):
        self.training, self.device, self.scale = True, "cpu", scale
        self.values = {"body.weight": np.zeros(3), "fc.weight": np.zeros((num_classes, 3))}

    def eval(self):
        self.training = False
        return self

    def to(self, device):
        self.device = device
        return self

    def state_dict(self):
        return {key: Value(value) for key, value in self.values.items()}

    def load_state_dict(self, state, strict=True):
        if strict and state.keys() != self.values.keys():
            raise StateDictError(f"keys {sorted(state)} and {sorted(self.values)}")
        self.values |= state


class Zoo:
    def __init__(self, data):
        self.data = data

    def cards(self):
        return cards.parse_cards(self.data, name="toy.json", root="/zoo")

    def build(self, card, config):
        return Toy(**config)

    def convert(self, card, state):
        return {key.removeprefix("module."): value for key, value in state.items()}

    def architectures(self):
        return ["toy"]

    def adopt(self, config):
        return None

    def headed(self, card, num_classes):
        return dataclasses.replace(card, config=card.config | {"num_classes": num_classes})

    def checkpoint(self, model):
        return model.state_dict()

    def companions(self, model, labels):
        return {}

    def preprocess(self, card, weights, files):
        return lambda x: (x, dict(weights.preprocessing) if weights else None)

    def pipeline(self, card, weights, model):
        return lambda x: [(weights.labels, model.preprocess(x)[0])]


def _state(fill):
    return {"module.body.weight": np.full(3, fill), "module.fc.weight": np.full((2, 3), fill)}


@pytest.fixture
def zoo(server, monkeypatch):
    """A zoo of ``toy`` with two sets of weights, served from here, and nothing else installed."""
    rows = []
    for n, default in ((1, False), (2, True)):
        data = save_safetensors(_state(float(n)))
        digest = hashlib.sha256(data).hexdigest()
        url, _ = server.publish(f"/toy-{digest[:8]}.safetensors", data)
        rows.append({"name": f"v{n}", "sources": [url], "hash_prefix": digest[:8]})
        rows[-1] |= {"default": default, "bytes": len(data), "metrics": {"acc@1": 60 + n}}
    table = {
        "schema": 1,
        "family": "toy",
        "defaults": {"task": "image-classification", "architecture": "toy", "classifier": "fc"},
        "weights_defaults": {"licence": "MIT", "labels": "two", "preprocessing": {"crop": 8}},
        "models": [
            {"name": "toy10", "config": {"scale": 2.0}, "num_params": 9, "weights": rows},
            {"name": "toy9", "weights": []},
        ],
    }
    monkeypatch.setattr(registry, "_installed", list)
    monkeypatch.setattr(registry, "_table", None)
    monkeypatch.setattr(registry, "_registered", [])
    made = Zoo(json.dumps(table).encode())
    hub.register(made)
    return made


def _fill(model):
    return {key: float(np.unique(value)[0]) for key, value in model.values.items()}


# -- names -----------------------------------------------------------------------------------------
def test_default_weights_in_eval_mode_with_card_and_preprocess(zoo):
    model = hub.load("toy10")
    assert _fill(model) == {"body.weight": 2.0, "fc.weight": 2.0}
    assert not model.training and model.scale == 2.0
    assert model.card.name == "toy10" and [w.name for w in model.card.weights] == ["v2"]
    assert model.preprocess("x") == ("x", {"crop": 8})


@pytest.mark.parametrize("name", ["v1", "V1", "Toy10_Weights.V1"])
def test_weights_by_name_in_any_case(zoo, name):
    assert _fill(hub.load("TOY10", weights=name))["fc.weight"] == 1.0


def test_no_weights_are_fresh_weights_and_no_request(zoo, server):
    model = hub.load("toy10", weights=None, device="there")
    assert _fill(model)["fc.weight"] == 0.0 and model.device == "there"
    assert model.card.weights == [] and server.log == []
    assert model.preprocess("x") == ("x", {"crop": 8})


def test_weights_of_another_configuration_build_their_own(zoo, monkeypatch, tmp_path):
    card, _ = registry.find("toy10")
    v1, v2 = (dataclasses.replace(w, default=w.name == "v1") for w in card.weights)
    changed = dataclasses.replace(
        card, weights=[dataclasses.replace(v1, config={"scale": 3.0}), v2]
    )
    monkeypatch.setitem(registry._table, "toy10", (changed, zoo))
    model = hub.load("toy10")
    assert model.scale == 3.0 and model.card.config == {"scale": 3.0}
    assert model.card.num_params is None  # those of the card are of its own configuration
    assert hub.load("toy10", weights="v2").scale == 2.0
    assert hub.load("toy10", weights=None).scale == 3.0  # whose preprocessing it has
    own = tmp_path / "own.safetensors"
    own.write_bytes(save_safetensors(_state(7.0)))
    assert hub.load("toy10", weights=str(own)).scale == 3.0
    assert hub.load("toy10", num_classes=5).card.config == {"scale": 3.0, "num_classes": 5}
    assert hub.load(str(hub.save(model, tmp_path / "run"))).scale == 3.0


@pytest.mark.parametrize(
    ("name", "weights", "words"),
    [
        ("toy1", "default", "'toy1'; did you mean toy10"),
        ("zzz", "default", "'zzz'; there are toy10, toy9"),
        ("toy10", "v3", "no weights 'v3'; did you mean v"),
        ("toy9", "default", "toy9 has no published weights"),
    ],
)
def test_unknown_names_suggest_the_closest(zoo, name, weights, words):
    with pytest.raises(NotFoundError, match=words):
        hub.load(name, weights=weights)


def test_list_help_card_and_pipeline(zoo):
    assert hub.list() == ["toy9", "toy10"]  # digits count as numbers
    assert hub.list("*10") == ["toy10"] and hub.list(task="speech") == []
    text = hub.help("toy10")
    for word in ("v2 (default)", "acc@1 62", "MIT", "9 parameters", "/toy-"):
        assert word in text
    assert hub.card("toy10").num_params == 9
    assert hub.pipeline("toy10")("x") == [("two", "x")]
    with pytest.raises(NotFoundError, match="a pipeline needs weights"):
        hub.pipeline("toy10", weights=None)


def test_two_zoos_may_not_share_a_name(zoo):
    with pytest.raises(CardError, match="two cards are called 'toy"):
        hub.register(Zoo(zoo.data))
    assert hub.list() == ["toy9", "toy10"]
    hub.unregister(zoo)
    assert hub.list() == []


def test_a_zoo_without_all_methods_is_refused_by_name(zoo):
    class Half(Zoo):
        adopt = None

    half = Half(b'{"schema": 1, "models": []}')
    with pytest.raises(CardError, match="is no zoo: it lacks adopt; see sensorium"):
        hub.register(half)
    assert hub.list() == ["toy9", "toy10"]


def test_companions_of_a_card_are_fetched_verified_and_handed_to_preprocess(zoo, server):
    url, digest = server.publish("/words.txt", b"one two")
    table = json.loads(zoo.data)
    row = {"sources": [url], "sha256": digest, "bytes": 7}
    table["models"][0]["weights"][1]["files"] = {"words.txt": row}
    table["models"] = table["models"][:1]
    hub.unregister(zoo)
    zoo.data = json.dumps(table).encode()
    hub.register(zoo)
    zoo.preprocess = lambda card, weights, files: files["words.txt"].read_bytes()
    assert hub.load("toy10").preprocess == b"one two"
    assert hub.load("toy10", weights=None).preprocess == b"one two"
    assert "words.txt (7 bytes)" in hub.help("toy10")
    assert [*hub.pull("toy10")][1:] == ["words.txt"]
    hub.cache.remove("*")
    server.plan("/words.txt", fs.wrong_byte)
    with pytest.raises(OSError, match=r"words\.txt: expected sha256"):
        hub.load("toy10")


def test_zoos_are_found_by_entry_point(zoo, monkeypatch):
    from importlib import metadata

    entry = metadata.EntryPoint("toys", "nowhere_at_all:zoo", registry.GROUP)
    monkeypatch.undo()
    monkeypatch.setattr(registry, "_table", None)
    monkeypatch.setattr(metadata, "entry_points", lambda group: [entry])
    with pytest.raises(CardError, match=r"zoo 'toys' \(nowhere_at_all:zoo\) cannot be imported"):
        hub.list()
    monkeypatch.setattr(metadata.EntryPoint, "load", lambda self: zoo)
    assert hub.list() == ["toy9", "toy10"]
    monkeypatch.setattr(registry, "_table", None)


# -- weights of one's own ----------------------------------------------------------------------------
def test_weights_from_a_path_or_an_address(zoo, server, tmp_path):
    data = save_safetensors(_state(7.0))
    (tmp_path / "own.safetensors").write_bytes(data)
    model = hub.load("toy10", weights=str(tmp_path / "own.safetensors"))
    assert _fill(model)["fc.weight"] == 7.0 and model.card.weights[0].labels == "two"
    name = f"/own-{hashlib.sha256(data).hexdigest()[:8]}.safetensors"
    url, _ = server.publish(name, data)
    assert _fill(hub.load("toy10", weights=url))["fc.weight"] == 7.0
    with pytest.raises(NotFoundError, match="does not end in digits of its sha256"):
        hub.load("toy10", weights=server.url("/own.safetensors"))
    with pytest.raises(NotFoundError, match="no such file"):
        hub.load("toy10", weights="./missing.pth")


def test_another_number_of_classes_keeps_the_body(zoo):
    model = hub.load("toy10", num_classes=5)
    assert _fill(model) == {"body.weight": 2.0, "fc.weight": 0.0}
    assert model.values["fc.weight"].shape == (5, 3) and model.card.config["num_classes"] == 5
    with pytest.raises(OptionError, match="positive whole number, got 0"):
        hub.load("toy10", num_classes=0)


def test_a_state_that_does_not_fit_is_refused(zoo, tmp_path):
    path = tmp_path / "own.safetensors"
    path.write_bytes(save_safetensors({"other": np.zeros(3)}))
    for options in ({}, {"num_classes": 5}):
        with pytest.raises(StateDictError, match=r"body\.weight"):
            hub.load("toy10", weights=str(path), **options)
    assert hub.load("toy10", weights=str(path), strict=False)


def test_a_file_that_is_no_checkpoint_is_a_format_error(zoo, tmp_path):
    path = tmp_path / "own.pth"
    path.write_bytes(b"<html>")
    with pytest.raises(FormatError):
        hub.load("toy10", weights=str(path))


# -- saved models ------------------------------------------------------------------------------------
def test_a_saved_model_is_loaded_from_its_folder(zoo, tmp_path):
    model = hub.load("toy10", num_classes=5)
    model.values["fc.weight"] = np.full((5, 3), 3.0)
    folder = hub.save(model, tmp_path / "mine", name="mine", labels=list("abcde"))
    again = hub.load(str(folder))
    assert _fill(again) == {"body.weight": 2.0, "fc.weight": 3.0}
    assert again.card.name == "mine" and again.card.weights[0].metrics == {}
    assert again.card.default().labels == list("abcde") and again.values["fc.weight"].shape == (
        5,
        3,
    )
    assert hub.pipeline(str(folder))("x") == [(list("abcde"), "x")]


def test_a_saved_model_is_loaded_from_a_repository(zoo, server, tmp_path, monkeypatch):
    folder = hub.save(hub.load("toy10"), tmp_path / "mine")
    monkeypatch.setenv("HF_ENDPOINT", server.url(""))
    for name in ("card.json", "model.safetensors"):
        server.publish(f"/me/toy/resolve/main/{name}", (folder / name).read_bytes())
    assert _fill(hub.load("hf://me/toy"))["fc.weight"] == 2.0
    server.plan(
        "/me/other/resolve/main/card.json", fs.status("404 X", "X-Error-Code: RepoNotFound")
    )
    with pytest.raises(NotFoundError, match=r"card\.json.*no such repository"):
        hub.load("hf://me/other")


def test_a_damaged_saved_model_is_found_out(zoo, tmp_path):
    folder = hub.save(hub.load("toy10"), tmp_path / "mine")
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "model.safetensors").write_bytes(data)
    with pytest.raises(OSError, match="expected sha256"):
        hub.load(str(folder))


def test_folders_and_models_without_a_card(zoo, tmp_path):
    with pytest.raises(NotFoundError, match=r"card\.json.*weights="):
        hub.load(str(tmp_path))
    with pytest.raises(CardError, match="object has no card"):
        hub.save(object(), tmp_path / "x")
    (tmp_path / "card.json").write_text('{"schema": 1, "models": []}')
    with pytest.raises(CardError, match="wanted one model, got 0"):
        hub.load(str(tmp_path))


def test_without_a_named_classifier_the_classes_cannot_change(zoo, tmp_path):
    folder = hub.save(hub.load("toy10"), tmp_path / "mine")
    text = (folder / "card.json").read_text().replace('"classifier": "fc"', '"classifier": ""')
    (folder / "card.json").write_text(text)
    with pytest.raises(CardError, match="names no classifier"):
        hub.load(str(folder), num_classes=5)


def test_an_architecture_no_zoo_builds(zoo, tmp_path):
    folder = hub.save(hub.load("toy10"), tmp_path / "mine")
    text = (
        (folder / "card.json").read_text().replace('"architecture": "toy"', '"architecture": "toi"')
    )
    (folder / "card.json").write_text(text)
    with pytest.raises(NotFoundError, match=r"'toi'; did you mean toy\?"):
        hub.load(str(folder))


# -- what importing costs ----------------------------------------------------------------------------
def test_importing_the_hub_imports_no_web_client():
    code = (
        "import sys; from sensorium import hub; hub.cache.list(); "
        "print({'requests', 'urllib3', 'tqdm', 'sensorium.model_zoo'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"
