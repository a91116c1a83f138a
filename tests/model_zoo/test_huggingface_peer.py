"""Models that transformers saved are loaded by ``hub.load``, and what ``hub.save`` writes loads there."""

from __future__ import annotations

import json

import numpy as np
import pytest

import sensorium as sn
from sensorium import hub

pytestmark = pytest.mark.peer
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

SIZES = {"vocab_size": 30, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
SIZES |= {"intermediate_size": 32, "max_position_embeddings": 40}
VOCAB = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "d", "e", "f", "g"]
IDS = np.array([[2, 5, 6, 7, 3], [2, 9, 3, 0, 0]])
MASK = (IDS != 0).astype(np.int64)


def theirs(folder, kind="BertForSequenceClassification", **options):
    """A folder that transformers wrote, with random weights and a vocabulary."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    labels = {
        "id2label": {0: "cat", 1: "dog", 2: "cow"},
        "label2id": {"cat": 0, "dog": 1, "cow": 2},
    }
    model = getattr(transformers, kind)(transformers.BertConfig(**SIZES, **labels)).eval()
    for parameter in model.parameters():
        parameter.data.normal_(std=0.3)
    model.save_pretrained(folder, **options)
    (folder / "vocab.txt").write_text("\n".join(VOCAB) + "\n")
    return model


def outputs(model, ids=IDS, mask=MASK):
    with torch.no_grad():
        found = model(input_ids=torch.tensor(ids), attention_mask=torch.tensor(mask))
    return found[0].numpy()


def ours(model, ids=IDS, mask=MASK):
    with sn.no_grad():
        found = model(input_ids=sn.tensor(ids), attention_mask=sn.tensor(mask))
    return (found.logits if hasattr(found, "logits") else found.last_hidden_state).numpy()


@pytest.mark.parametrize("options", [{}, {"max_shard_size": "5KB"}], ids=["one file", "shards"])
def test_a_folder_of_transformers(tmp_path, options):
    reference = theirs(tmp_path, **options)
    model = hub.load(str(tmp_path))
    np.testing.assert_allclose(ours(model), outputs(reference), rtol=1e-4, atol=1e-5)
    assert model.card.task == "text-classification"
    assert model.card.default().labels == ["cat", "dog", "cow"]
    assert model.preprocess("a b")["input_ids"].tolist() == [[2, 5, 6, 3]]
    assert bool(model.card.default().shards) == bool(options)


def test_a_bin_file_and_its_shards(tmp_path):
    reference = theirs(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    state = reference.state_dict()
    torch.save(state, tmp_path / "pytorch_model.bin")
    np.testing.assert_allclose(ours(hub.load(str(tmp_path))), outputs(reference), 1e-4, 1e-5)
    (tmp_path / "pytorch_model.bin").unlink()
    half = len(state) // 2
    places = {}
    for n, keys in enumerate(([*state][:half], [*state][half:]), 1):
        name = f"pytorch_model-0000{n}-of-00002.bin"
        torch.save({key: state[key] for key in keys}, tmp_path / name)
        places |= dict.fromkeys(keys, name)
    index = {"metadata": {"total_size": 1}, "weight_map": places}
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    np.testing.assert_allclose(ours(hub.load(str(tmp_path))), outputs(reference), 1e-4, 1e-5)


@pytest.mark.parametrize("most", [None, 4000], ids=["one file", "shards"])
@pytest.mark.parametrize("kind", ["BertModel", "BertForMaskedLM", "BertForSequenceClassification"])
def test_what_we_save_loads_in_transformers(tmp_path, kind, most):
    reference = theirs(tmp_path / "theirs", kind) if (tmp_path / "theirs").mkdir() is None else None
    model = hub.load(str(tmp_path / "theirs"))
    folder = hub.save(model, tmp_path / "ours", max_shard_bytes=most)
    again = getattr(transformers, kind).from_pretrained(folder).eval()
    np.testing.assert_allclose(outputs(again), outputs(reference), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ours(hub.load(str(folder))), outputs(reference), 1e-4, 1e-5)
    tokens = transformers.PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    assert tokens("a b")["input_ids"] == [2, 5, 6, 3]


def test_another_head_on_any_of_the_family(tmp_path):
    for kind in ("BertModel", "BertForMaskedLM", "BertForSequenceClassification"):
        folder = tmp_path / kind
        folder.mkdir()
        reference = theirs(folder, kind)
        model = hub.load(str(folder), num_classes=5)
        assert type(model).__name__ == "BertForSequenceClassification"
        assert ours(model).shape == (2, 5)
        key = "bert.embeddings.word_embeddings.weight"
        own = reference.state_dict()
        np.testing.assert_array_equal(
            model.state_dict()[key].numpy(), own.get(key, own.get(key[5:])).numpy()
        )
        names = [*"vwxyz"]
        run = hub.save(model, tmp_path / f"{kind}-run", task="text-classification", labels=names)
        again = hub.load(str(run))
        np.testing.assert_array_equal(ours(again), ours(model))
        assert again.card.default().labels == names
        found = transformers.AutoModelForSequenceClassification.from_pretrained(run)
        np.testing.assert_allclose(outputs(found.eval()), ours(model), rtol=1e-4, atol=1e-5)
