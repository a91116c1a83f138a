"""Text pipelines: their definitions, restated slowly, on small fresh models."""

from __future__ import annotations

import json

import numpy as np
import pytest

import sensorium as sn
from sensorium import hub
from sensorium.errors import OptionError, ShapeError
from sensorium.model_zoo.pipelines import (
    FillMask,
    QuestionAnswering,
    SentenceSimilarity,
    TextClassification,
    TextGeneration,
    TokenClassification,
)
from sensorium.text import Tokenizer
from sensorium.text.models import get_model

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "the",
    "cat",
    "sat",
    "on",
    "a",
    "mat",
    "dog",
    "ran",
    "far",
]
SIZES = {
    "vocab_size": 14, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 32, "max_position_embeddings": 32,
}  # fmt: skip
TEXTS = ["the cat sat", "dog", "a dog ran far on the mat", "", "the mat the mat the mat"]


def made(kind, **options):
    """A fresh model in eval mode with its tokenizer."""
    sn.manual_seed(5)
    model = get_model(kind, **{**SIZES, **options}).eval()
    model.preprocess = Tokenizer.from_bytes("\n".join(WORDS).encode(), kind="vocab.txt")
    return model


# -- sentence similarity -------------------------------------------------------------------------
@pytest.mark.parametrize("max_tokens", [1, 12, 4096])
def test_a_vector_is_the_mean_of_its_own_tokens_whatever_the_batches(max_tokens):
    model = made("BertModel")
    pipe = SentenceSimilarity(model, max_tokens=max_tokens)
    vectors = pipe.embed(TEXTS).numpy()
    for text, vector in zip(TEXTS, vectors):
        with sn.no_grad():
            hidden = model(**model.preprocess(text)).last_hidden_state[0].numpy()
        mean = hidden.mean(0)
        np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), rtol=2e-5, atol=1e-6)


def test_matches_are_cosines_in_order():
    pipe = SentenceSimilarity(made("BertModel"))
    found = pipe("the cat sat", TEXTS)
    scores = [match.score for match in found]
    assert scores == sorted(scores, reverse=True) and len(found) == len(TEXTS)
    assert found[0] == ("the cat sat", pytest.approx(1, abs=1e-5), 0)
    assert [m.place for m in pipe("the cat sat", TEXTS, top_k=2)] == [m.place for m in found[:2]]
    table = pipe.similarity(TEXTS, TEXTS).numpy()
    np.testing.assert_allclose(table, table.T, atol=1e-6)
    np.testing.assert_allclose(np.diag(table), 1, atol=1e-5)


def test_one_text_no_text_and_what_is_no_text():
    pipe = SentenceSimilarity(made("BertModel"))
    assert pipe.embed("the cat").shape == (16,) and pipe.embed([]).shape == (0, 16)
    assert pipe("the cat", []) == []
    with pytest.raises(OptionError, match="got int in the list"):
        pipe.embed(["the", 3])
    with pytest.raises(OptionError, match="top_k is 0"):
        pipe("a", ["b"], top_k=0)


def test_pooling_is_what_the_file_beside_the_weights_says(tmp_path):
    model = made("BertModel")
    told = tmp_path / "pooling.json"
    model.files = {"1_Pooling/config.json": told}
    told.write_text(json.dumps({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}))
    with sn.no_grad():
        first = model(**model.preprocess("the cat")).last_hidden_state[0, 0].numpy()
    vector = SentenceSimilarity(model).embed("the cat").numpy()
    np.testing.assert_allclose(vector, first / np.linalg.norm(first), rtol=2e-5, atol=1e-6)
    told.write_text(json.dumps({"pooling_mode_max_tokens": True}))
    with pytest.raises(OptionError, match="pooling_mode_max_tokens"):
        SentenceSimilarity(model)


# -- the other tasks -----------------------------------------------------------------------------
def test_fill_mask_is_the_softmax_at_the_mask():
    model = made("BertForMaskedLM")
    pipe = FillMask(model)
    found = pipe("the [MASK] sat", top_k=14)
    ids = [[2, 5, 4, 7, 3]]
    with sn.no_grad():
        wanted = sn.softmax(model(sn.tensor(ids)).logits[0, 2], -1).numpy()
    for token, score, text in found:
        assert score == pytest.approx(
            wanted[WORDS.index(token)] if token in WORDS else score, rel=1e-4
        )
        assert text.startswith("the") and text.endswith("sat")
    assert sum(f.score for f in found) == pytest.approx(1, abs=1e-5)
    two = pipe("[MASK] cat [MASK]", top_k=2)
    assert [len(row) for row in two] == [2, 2]
    with pytest.raises(OptionError, match=r"no \[MASK\]"):
        pipe("the cat")


@pytest.mark.parametrize("kind", ["single_label_classification", "multi_label_classification"])
def test_text_classification_in_any_batches(kind):
    model = made("BertForSequenceClassification", num_labels=3, problem_type=kind)
    pipe = TextClassification(model, labels=["red", "green", "blue"])
    for text, labels in zip(TEXTS, pipe(TEXTS, top_k=3)):
        with sn.no_grad():
            logits = model(**model.preprocess(text)).logits[0].numpy().astype(float)
        powers = np.exp(logits)
        scores = powers / powers.sum() if kind.startswith("single") else powers / (1 + powers)
        wanted = sorted(zip(["red", "green", "blue"], scores), key=lambda pair: -pair[1])
        assert [label.name for label in labels] == [name for name, _ in wanted]
        np.testing.assert_allclose(
            [label.score for label in labels], [s for _, s in wanted], rtol=1e-4
        )
    assert pipe("the cat") == pipe(["the cat"])[0] and len(pipe("the cat")) == 1
    assert pipe([("the cat", "a dog")])[0][0].name in {"red", "green", "blue"}
    with pytest.raises(ShapeError, match="3 outputs, the labels 2"):
        TextClassification(model, labels=["a", "b"])("the cat")
    assert TextClassification(model)("the cat")[0].name.startswith("LABEL_")


def test_an_answer_is_the_best_pair_of_places_in_the_context():
    model = made("BertForQuestionAnswering")
    context = "the cat sat on a mat far"
    answer = QuestionAnswering(model)("dog ran", context, max_answer_tokens=3)
    batch = model.preprocess([("dog ran", context)])
    with sn.no_grad():
        out = model(**batch)
    first = 4  # [CLS] dog ran [SEP]
    starts, ends = (
        np.exp(x[0].numpy()[first:-1].astype(float)) for x in (out.start_logits, out.end_logits)
    )
    starts, ends = starts / starts.sum(), ends / ends.sum()
    best = max(
        ((s, e) for s in range(7) for e in range(s, min(s + 3, 7))),
        key=lambda p: starts[p[0]] * ends[p[1]],
    )
    assert answer.text == " ".join(context.split()[best[0] : best[1] + 1])
    assert context[answer.start : answer.end] == answer.text
    assert answer.score == pytest.approx(starts[best[0]] * ends[best[1]], rel=1e-4)


def test_entities_join_neighbours_of_one_label():
    model = made("BertForTokenClassification", num_labels=3)
    order = []

    def rigged(**batch):
        n = batch["input_ids"].shape[1]
        order.append(n)
        classes = [0, 1, 2, 0, 1, 1, 0][:n]  # [CLS] the cat sat on a [SEP]
        return type("Out", (), {"logits": sn.tensor(np.eye(3, dtype="f")[classes][None] * 9)})

    pipe = TokenClassification(model, labels=["O", "B-X", "I-X"])
    pipe.model = type(
        "M", (), {"__call__": lambda _, **b: rigged(**b), "parameters": model.parameters}
    )()
    found = pipe("the cat sat on a")
    assert [(e.text, e.label) for e in found] == [("the cat", "X"), ("on", "X"), ("a", "X")]
    assert found[0].start == 0 and found[0].end == 7 and found[0].score > 0.99


def test_generation_goes_on_from_the_prompt():
    sn.manual_seed(0)
    model = get_model(
        "GPT2LMHeadModel", vocab_size=14, n_embd=16, n_layer=1, n_head=2, n_positions=32
    )
    model.eval().preprocess = made("BertModel").preprocess
    model.preprocess.pad_token = "[PAD]"
    pipe = TextGeneration(model)
    text = pipe("the cat", max_new_tokens=4)
    assert text.startswith("the cat") and pipe("the cat", max_new_tokens=4) == text
    assert pipe(["the cat", "a dog"], max_new_tokens=4)[0] == text
    assert text == "the cat" + pipe("the cat", max_new_tokens=4, include_prompt=False)


# -- real weights --------------------------------------------------------------------------------
@pytest.mark.network
def test_minilm_knows_what_sentences_mean():
    pipe = hub.pipeline("all-MiniLM-L6-v2")
    notes = [
        "The stock market fell on Monday.",
        "A kitten sleeps on the sofa.",
        "He mends bicycles.",
    ]
    assert pipe("a small cat takes a nap", notes)[0].place == 1


@pytest.mark.network
@pytest.mark.peer
def test_minilm_embeddings_are_transformers_within_1e_5(tmp_path):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    pipe = hub.pipeline("all-MiniLM-L6-v2")
    hub.save(pipe.model, tmp_path / "run")
    theirs = transformers.AutoModel.from_pretrained(tmp_path / "run").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "run")
    texts = [
        " ".join(["word", "Grüße", "naïve", "cat's", "3.14"][: 1 + n % 5] * (n + 1))
        for n in range(40)
    ]
    vectors = pipe.embed(texts).numpy().astype(np.float64)
    batch = tokenizer(texts, padding=True, truncation=True, max_length=256, return_tensors="pt")
    with torch.inference_mode():
        hidden = theirs(**batch).last_hidden_state
    mask = batch["attention_mask"].unsqueeze(-1).float()
    wanted = (
        torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1))
        .numpy()
        .astype(np.float64)
    )
    assert np.abs(1 - (vectors * wanted).sum(1)).max() < 1e-5


# -- transformers' own pipelines -----------------------------------------------------------------
PEER = {
    "fill-mask": ("BertForMaskedLM", FillMask),
    "text-classification": ("BertForSequenceClassification", TextClassification),
}


@pytest.mark.peer
@pytest.mark.parametrize("task", ["fill-mask", "text-classification"])
def test_results_are_those_of_transformers_pipelines(task, tmp_path):
    transformers = pytest.importorskip("transformers")
    kind, pipeline = PEER[task]
    model = made(kind)
    hub.save(model, tmp_path / "run", architecture=kind, task=task, config=SIZES)
    theirs = transformers.pipeline(task, str(tmp_path / "run"))
    ours = hub.pipeline(str(tmp_path / "run"))
    assert isinstance(ours, pipeline)
    if task == "fill-mask":
        wanted = [(row["token_str"].strip(), row["score"]) for row in theirs("the [MASK] sat")]
        found = [(row.token, row.score) for row in ours("the [MASK] sat")]
    else:
        wanted = [(row["label"], row["score"]) for row in theirs("the cat sat", top_k=2)]
        found = [tuple(label) for label in ours("the cat sat", top_k=2)]
    assert [name for name, _ in found] == [name for name, _ in wanted]
    np.testing.assert_allclose([s for _, s in found], [s for _, s in wanted], rtol=1e-4)
