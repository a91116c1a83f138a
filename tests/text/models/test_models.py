"""Laws of the text models: recorded outputs, masks, the cache, training, errors."""

from __future__ import annotations

import copy
import json
import zlib
from pathlib import Path

import numpy as np
import pytest

import sensorium as sn
from sensorium import optim
from sensorium.errors import NotFoundError, OptionError, OutOfBoundsError, ShapeError
from sensorium.nn.cache import KVCache
from sensorium.text import models

DATA = json.loads((Path(__file__).parent / "data/reference.json").read_text())
RECORDS = DATA["models"]
INPUTS = {key: sn.tensor(value) for key, value in DATA["inputs"].items()}
BASES = ["BertModel", "RobertaModel", "DistilBertModel"]


def weights_of(key, shape):
    """The values of tools/text_references.py."""
    drawn = np.random.RandomState(zlib.crc32(key.encode())).standard_normal(shape)
    norm = len(shape) == 1 and key.endswith("weight")
    return (drawn * 0.1 + 1 if norm else drawn * 0.4).astype(np.float32)


def recorded(name, **changes):
    """A model with the recorded configuration and weights."""
    found, options = models.from_config(RECORDS[name]["config"])
    assert found == name
    model = models.get_model(name, **{**options, **changes})
    state = {key: weights_of(key, tuple(v.shape)) for key, v in model.state_dict().items()}
    state = {key: value for key, value in state.items() if key not in type(model).tied}
    model.load_state_dict(models.convert(name, state, options))
    return model.eval()


# -- recorded ------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", RECORDS)
def test_keys_and_shapes_are_those_of_the_checkpoints(name):
    state = recorded(name).state_dict()
    assert {key: list(value.shape) for key, value in state.items()} == RECORDS[name]["shapes"]


@pytest.mark.parametrize("name", RECORDS)
def test_outputs_are_those_that_were_recorded(name):
    found = recorded(name)(**INPUTS)
    real = np.array(DATA["inputs"]["attention_mask"]) > 0
    assert set(found) == set(RECORDS[name]["outputs"])
    for key, value in RECORDS[name]["outputs"].items():
        a, b = found[key].detach().numpy(), np.reshape(value, found[key].shape)
        if name.startswith("GPT2"):  # what padding computes is nobody's concern
            a, b = a[real], b[real]
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)


def test_greedy_ids_are_those_that_were_recorded():
    model = recorded("GPT2LMHeadModel")
    found = model.generate(INPUTS["input_ids"], max_new_tokens=8, pad_token_id=0)
    assert found.tolist() == RECORDS["GPT2LMHeadModel"]["greedy"]


# -- masks ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", BASES)
def test_padding_does_not_change_what_is_computed_for_real_tokens(name):
    model, pad = recorded(name), 1 if name == "RobertaModel" else 0
    ids = sn.tensor([[5, 7, 9]])
    padded = sn.tensor([[5, 7, 9, pad, pad]])
    alone = model(ids).last_hidden_state
    found = model(padded, sn.tensor([[1, 1, 1, 0, 0]])).last_hidden_state[:, :3]
    np.testing.assert_allclose(found.detach().numpy(), alone.detach().numpy(), atol=1e-6)


def test_padding_on_the_left_with_its_own_positions_changes_nothing_in_gpt2():
    model = recorded("GPT2Model")
    alone = model(sn.tensor([[5, 7, 9]])).last_hidden_state
    found = model(
        sn.tensor([[0, 0, 5, 7, 9]]),
        attention_mask=sn.tensor([[0, 0, 1, 1, 1]]),
        position_ids=sn.tensor([[0, 0, 0, 1, 2]]),
    ).last_hidden_state[:, 2:]
    np.testing.assert_allclose(found.detach().numpy(), alone.detach().numpy(), atol=1e-6)
    assert np.isfinite(found.detach().numpy()).all()


def test_a_mask_means_the_same_in_every_form():
    model, mask = recorded("BertModel"), INPUTS["attention_mask"]
    ids = INPUTS["input_ids"]
    expected = model(ids, mask).last_hidden_state.detach().numpy()
    four = (mask != 0)[:, None, None].expand(2, 1, 5, 5)
    forms = [
        mask != 0,
        mask.float(),
        mask[:, None].expand(2, 5, 5),
        four,
        sn.where(four, 0.0, -1e9),
    ]
    for form in forms:
        found = model(ids, form).last_hidden_state.detach().numpy()
        np.testing.assert_allclose(found, expected, atol=1e-6)
    plain = model(ids).last_hidden_state.detach().numpy()
    assert np.abs(plain - expected).max() > 1e-3
    np.testing.assert_array_equal(model(ids, sn.ones(2, 5)).last_hidden_state.detach(), plain)


def test_token_types_of_zero_are_the_default():
    model, ids = recorded("BertModel"), INPUTS["input_ids"]
    zeros, some = sn.zeros(2, 5, dtype=sn.int64), sn.tensor([[0, 0, 1, 1, 1]] * 2)
    plain = model(ids).last_hidden_state
    assert sn.equal(model(ids, token_type_ids=zeros).last_hidden_state, plain)
    table = model.embeddings.token_type_embeddings.weight
    summed = model.embeddings.word_embeddings(ids) + table[some] - table[0]
    given = model(inputs_embeds=summed).last_hidden_state.detach().numpy()
    found = model(ids, token_type_ids=some).last_hidden_state.detach().numpy()
    np.testing.assert_allclose(found, given, atol=1e-5)


def test_gpt2_does_not_see_what_comes_after():
    model = recorded("GPT2LMHeadModel")
    a = model(sn.tensor([[5, 7, 9, 4]])).logits.detach().numpy()
    b = model(sn.tensor([[5, 7, 2, 2]])).logits.detach().numpy()
    np.testing.assert_allclose(a[:, :2], b[:, :2], atol=1e-6)
    assert np.abs(a[:, 2:] - b[:, 2:]).max() > 1e-2


# -- the cache -----------------------------------------------------------------------------------
@pytest.mark.parametrize("steps", [[1] * 6, [6], [2, 4], [3, 1, 1, 1]])
def test_with_a_cache_the_same_is_computed_in_whatever_steps(steps):
    model = recorded("GPT2LMHeadModel")
    ids = sn.tensor([[5, 7, 9, 4, 10, 2], [0, 0, 3, 4, 5, 6]])
    mask = sn.tensor([[1] * 6, [0, 0, 1, 1, 1, 1]])
    places = sn.tensor([[0, 1, 2, 3, 4, 5], [0, 0, 0, 1, 2, 3]])
    with sn.no_grad():
        whole = model(ids, attention_mask=mask, position_ids=places).logits.numpy()
        cache, parts, start = None, [], 0
        for count in steps:
            stop = start + count
            found = model(
                ids[:, start:stop],
                past_key_values=cache,
                attention_mask=mask[:, :stop],
                position_ids=places[:, start:stop],
                use_cache=True,
            )
            cache, start = found.past_key_values, stop
            parts.append(found.logits.numpy())
    real = mask.numpy() > 0
    assert cache.length == 6
    np.testing.assert_allclose(np.concatenate(parts, 1)[real], whole[real], atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"repetition_penalty": 1.5}, {"do_sample": True}])
def test_generation_with_and_without_cache_is_the_same(options):
    model = recorded("GPT2LMHeadModel")
    ids, mask = sn.tensor([[0, 0, 5], [3, 4, 5]]), sn.tensor([[0, 0, 1], [1, 1, 1]])

    def text(use_cache):
        gen = sn.Generator().manual_seed(1)
        return model.generate(
            ids, mask, max_new_tokens=12, use_cache=use_cache, generator=gen, **options
        ).tolist()

    assert text(True) == text(False)


def test_a_left_padded_row_is_written_on_as_if_it_were_alone():
    model = recorded("GPT2LMHeadModel")
    ids, mask = sn.tensor([[0, 0, 5], [3, 4, 5]]), sn.tensor([[0, 0, 1], [1, 1, 1]])
    both = model.generate(ids, mask, max_new_tokens=9, eos_token_id=-1).tolist()
    alone = model.generate(sn.tensor([[5]]), max_new_tokens=9, eos_token_id=-1).tolist()
    assert both[0][2:] == alone[0] and len(both[0]) == 12


def test_several_samples_of_every_prompt_stand_together():
    model = recorded("GPT2LMHeadModel")
    ids = sn.tensor([[3, 4], [5, 6]])
    found = model.generate(ids, max_new_tokens=5, do_sample=True, num_return_sequences=3)
    assert [row[:2] for row in found.tolist()] == [[3, 4]] * 3 + [[5, 6]] * 3


# -- training ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("BertForSequenceClassification", {"labels": sn.tensor([0, 1])}),
        ("RobertaForMaskedLM", {"labels": sn.tensor([[5, -100, 9, 4, 2]] * 2)}),
        ("DistilBertForTokenClassification", {"labels": sn.tensor([[0, 1, 0, 1, -100]] * 2)}),
        (
            "BertForQuestionAnswering",
            {"start_positions": sn.tensor([0, 1]), "end_positions": sn.tensor([2, 1])},
        ),
        ("GPT2LMHeadModel", {"labels": sn.tensor([[5, 7, 9, 4, 10]] * 2)}),
    ],
)
def test_every_head_learns_two_texts_by_heart(name, labels):
    sn.manual_seed(0)
    model = recorded(name)  # without dropout: eight numbers a token cannot spare any
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = model(**INPUTS, **labels).loss
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


def test_dropout_is_on_in_training_only():
    model = recorded("BertModel")
    a, b = (model(**INPUTS).last_hidden_state for _ in range(2))
    assert sn.equal(a, b)
    model.train()
    a, b = (model(**INPUTS).last_hidden_state for _ in range(2))
    assert not sn.equal(a, b)


def test_weights_start_as_the_configuration_says():
    sn.manual_seed(0)
    model = models.BertModel(vocab_size=5000, hidden_size=64, num_attention_heads=4)
    table = model.embeddings.word_embeddings.weight.detach().numpy()
    assert abs(table[1:].std() - 0.02) < 1e-3 and not table[0].any()
    dense = model.encoder.layer[3].intermediate.dense
    assert abs(dense.weight.detach().numpy().std() - 0.02) < 1e-3
    assert not dense.bias.detach().numpy().any()
    gpt = models.GPT2Model(n_embd=64, n_head=4, n_layer=8, vocab_size=50)
    proj = gpt.h[2].mlp.c_proj.weight.detach().numpy()
    assert abs(proj.std() - 0.02 / 4) < 3e-4


# -- tied weights --------------------------------------------------------------------------------
def test_tied_weights_are_one_memory_and_stay_so():
    model = recorded("BertForMaskedLM")
    for made in (model, copy.deepcopy(model), recorded("BertForMaskedLM").double()):
        words, decoder = made.bert.embeddings.word_embeddings, made.cls.predictions.decoder
        assert decoder.weight is words.weight and decoder.bias is made.cls.predictions.bias
        assert len(list(made.parameters())) == len(made.state_dict()) - 2
    loose = models.BertForMaskedLM(model.config, tie_word_embeddings=False)
    assert loose.cls.predictions.decoder.weight is not loose.bert.embeddings.word_embeddings.weight


# -- errors --------------------------------------------------------------------------------------
def test_inputs_that_cannot_be_read_are_named():
    bert, gpt = recorded("BertModel"), recorded("GPT2LMHeadModel")
    with pytest.raises(OptionError, match="input_ids or inputs_embeds"):
        bert()
    with pytest.raises(OptionError, match="input_ids or inputs_embeds"):
        bert(INPUTS["input_ids"], inputs_embeds=sn.ones(2, 5, 8))
    with pytest.raises(ShapeError, match=r"\(N, T\), got \(3,\)"):
        bert(sn.tensor([1, 2, 3]))
    with pytest.raises(ShapeError, match="12 positions are needed, max_position_embeddings is 11"):
        bert(sn.ones(1, 12, dtype=sn.int64))
    with pytest.raises(ShapeError, match="12 positions are needed, max_position_embeddings is 11"):
        recorded("RobertaModel")(sn.full((1, 10), 5))
    with pytest.raises(OutOfBoundsError, match="13"):
        bert(sn.tensor([[13]]))
    with pytest.raises(ShapeError, match="attention_mask"):
        bert(INPUTS["input_ids"], sn.ones(5) * 0)
    with pytest.raises(ShapeError, match="for 2 tokens, but there are 3"):
        gpt(sn.tensor([[1, 2, 3]]), attention_mask=sn.tensor([[0, 1]]))
    with pytest.raises(ShapeError, match="21 positions are needed, n_positions is 20"):
        gpt(sn.ones(1, 21, dtype=sn.int64))


def test_prompts_that_cannot_be_continued_are_named():
    gpt, ids = recorded("GPT2LMHeadModel"), sn.tensor([[1, 2, 3]])
    with pytest.raises(OptionError, match="pad prompts on the left"):
        gpt.generate(ids, sn.tensor([[1, 1, 0]]), max_new_tokens=2)
    with pytest.raises(
        OptionError, match="3 tokens and max_new_tokens=18 more exceed n_positions=20"
    ):
        gpt.generate(ids, max_new_tokens=18)
    with pytest.raises(ShapeError, match=r"\(1, 2\) does not fit input_ids \(1, 3\)"):
        gpt.generate(ids, sn.tensor([[1, 1]]), max_new_tokens=2)
    with pytest.raises(OptionError, match="num_return_sequences=2"):
        gpt.generate(ids, max_new_tokens=2, num_return_sequences=2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"hidden_sise": 8}, "unknown options .'hidden_sise'.; there are"),
        ({"hidden_size": 10, "num_attention_heads": 4}, "4 attention heads do not divide"),
        ({"hidden_size": "10"}, "hidden_size must be int, got '10'"),
        ({"num_hidden_layers": 0}, "num_hidden_layers must be at least 1, got 0"),
        ({"vocab_size": True}, "vocab_size must be int"),
        ({"hidden_act": "gelo"}, "hidden_act is one of .*, got 'gelo'"),
        ({"problem_type": "guess"}, "problem_type is one of"),
        ({"num_labels": 3, "id2label": {0: "a"}}, "num_labels is 3 but id2label names 1"),
        ({"id2label": {1: "a"}}, "must name 0, 1"),
        ({"id2label": ["a"]}, "maps numbers to names"),
        ({"num_labels": -1}, "num_labels is a positive whole number, got -1"),
    ],
)
def test_options_out_of_range_are_named(options, words):
    with pytest.raises(OptionError, match=words):
        models.BertModel(**options)


def test_a_configuration_is_read_and_changed():
    config = models.BertConfig(id2label={"0": "no", "1": "yes", "2": "perhaps"}, vocab_size=50)
    assert config.num_labels == 3 and config.label2id["perhaps"] == 2
    small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = models.BertForSequenceClassification(config, **small)
    assert model.config.id2label[1] == "yes" and model.classifier.out_features == 3
    other = models.BertForSequenceClassification(model.config, num_labels=5)
    assert other.config.id2label[4] == "LABEL_4"
    with pytest.raises(OptionError, match="wanted a RobertaConfig, got a BertConfig"):
        models.RobertaModel(config)
    with pytest.raises(OptionError, match="num_labels is 2, start and end, got 3"):
        models.BertForQuestionAnswering(config, **small)
    with pytest.raises(OptionError, match="pad_token_id must be a number"):
        models.RobertaModel(pad_token_id=None)


# -- registry and outputs ------------------------------------------------------------------------
def test_sizes_are_rows_of_the_registry():
    assert {"bert_base", "minilm_l6", "roberta_base", "distilbert_base", "gpt2"} <= set(
        models.list_models()
    )
    row = models.model_config("minilm_l6")
    assert (row["hidden_size"], row["intermediate_size"], row["vocab_size"]) == (384, 1536, 30522)
    model = models.get_model("BertForMaskedLM", **{**row, "num_hidden_layers": 1})
    assert type(model) is models.BertForMaskedLM
    with pytest.raises(NotFoundError, match="minilm_l6"):
        models.get_model("minilm_l8")
    with pytest.raises(OptionError, match="unknown options"):
        models.get_model("bert_base", dim=3)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("bert_base", 109_482_240),
        ("minilm_l6", 22_713_216),
        ("roberta_base", 124_645_632),
        ("distilbert_base", 66_362_880),
        ("gpt2", 124_439_808),
        ("gpt2_medium", 354_823_168),
    ],
)
def test_sizes_have_the_published_number_of_parameters(name, count):
    with sn.nn.init.skip_random():
        model = models.get_model(name)
    assert sum(p.numel() for p in model.parameters()) == count


def test_outputs_are_read_by_attribute_name_and_number():
    out = recorded("BertForMaskedLM")(**INPUTS, labels=INPUTS["input_ids"])
    loss, logits = out.to_tuple()
    assert out["loss"] is loss is out.loss is out[0] and out[1] is logits
    assert list(out) == ["loss", "logits"] and out.hidden_states is None
    assert dict(out)["logits"] is logits and len(out[:2]) == 2
    with pytest.raises(KeyError, match="hidden_states"):
        out["hidden_states"]


def test_asking_for_a_gradient_through_a_cache_is_an_error():
    model = recorded("GPT2LMHeadModel")
    with pytest.raises(RuntimeError, match="no_grad"):
        model(sn.tensor([[1]]), past_key_values=KVCache(2))
