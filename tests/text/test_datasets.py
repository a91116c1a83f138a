"""Text datasets on miniatures in the true formats; malformed rows name file and line."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

import sensorium as sn
from sensorium.errors import (
    CorruptError,
    FormatError,
    LimitError,
    OptionError,
    OutOfBoundsError,
    ShapeError,
)
from sensorium.text import BucketBatchSampler, TextCollate, Tokenizer
from sensorium.text.datasets import AG_NEWS, IMDB, CSVDataset, JSONLines, TextFolder


def write(path: Path, data: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


# -- CSV -----------------------------------------------------------------------------------------
def test_csv_columns_by_name_or_place_with_types(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", '\ufefflabel,text,n\r\n1,"a, ""b""\nc",2\r\n0,é,3\r\n\r\n')
    data = CSVDataset(path, ["text", 0], types={"label": int, 2: float})
    assert [data[0], data[-1]] == [('a, "b"\nc', 1), ("é", 0)]
    assert data.columns == ("text", "label")
    assert data.column("label") == data.column(1) == [1, 0]
    assert len(CSVDataset(path)) == 2
    assert CSVDataset(path, types={"n": float})[1] == ("0", "é", 3.0)
    assert pickle.loads(pickle.dumps(data))[0] == data[0]


def test_csv_without_header_other_delimiter_and_encoding(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "1\tcafé\n2\tb\n".encode("latin-1"))
    data = CSVDataset(path, delimiter="\t", header=False, encoding="latin-1", types={0: int})
    assert list(data.rows) == [(1, "café"), (2, "b")]


@pytest.mark.parametrize(
    ("text", "options", "error", "message"),
    [
        ("a,b\n1,2\n1,2,3\n", {}, FormatError, r"a\.csv:3: 3 fields where the first row has 2"),
        ('a,b\n"x\ny",2\n1\n', {}, FormatError, r"a\.csv:4: 1 fields"),
        ('a,b\n1,"open\n', {}, FormatError, r"a\.csv:2: unexpected end of data"),
        ('a,b\n1,"x"y\n', {}, FormatError, r"a\.csv:2: "),
        ("a,b\n1,x\n", {"types": {"b": int}}, FormatError, r"a\.csv:2: column 'b': 'x' is not int"),
        ("a,b\n1,2\n", {"columns": ["c"]}, FormatError, r"a\.csv:1: column 'c' is not once"),
        ("a,a\n1,2\n", {"columns": ["a"]}, FormatError, "is not once in the header"),
        ("a,b\n1,2\n", {"columns": [2]}, FormatError, "no column 2; rows have 2"),
        ("a,b\n1,2\n", {"columns": ["a"], "header": False}, OptionError, "needs header=True"),
        ("", {}, FormatError, "has no rows"),
        ("a\n" + "x" * 200_000, {}, FormatError, r"a\.csv:2: field larger than field limit"),
        ("a,b\n1,2\n", {"delimiter": ",,"}, OptionError, "one character"),
        ("a,b\n1,2\n", {"encoding": "utf-99"}, OptionError, "not known"),
        ("a,b\n1,2\n", {"max_bytes": 3}, LimitError, r"8 bytes; at most 3"),
    ],
)
def test_a_malformed_csv_names_file_and_line(
    tmp_path: Path, text: str, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        CSVDataset(write(tmp_path / "a.csv", text), **options)


def test_bytes_that_are_no_text_name_the_line(tmp_path: Path) -> None:
    with pytest.raises(CorruptError, match=r"a\.csv:2: not utf-8 at byte 3"):
        CSVDataset(write(tmp_path / "a.csv", b"a\nb\xff\n"))


def test_an_index_out_of_range_is_typed_and_ends_iteration(tmp_path: Path) -> None:
    data = CSVDataset(write(tmp_path / "a.csv", "a\n1\n2\n"))
    assert list(data) == [("1",), ("2",)]
    with pytest.raises(OutOfBoundsError):
        data[2]
    with pytest.raises(OptionError):
        data.column("b")


# -- JSON lines ----------------------------------------------------------------------------------
def test_json_lines_give_the_fields_asked_for(tmp_path: Path) -> None:
    text = '{"text": "a\u2028b", "label": 1, "id": 3}\n\n{"label": 0, "text": "c"}\r\n'
    path = write(tmp_path / "a.jsonl", text)
    assert JSONLines(path, ["text", "label"], types={"label": str}).rows == [
        ("a\u2028b", "1"),
        ("c", "0"),
    ]


@pytest.mark.parametrize(
    ("text", "options", "error", "message"),
    [
        ('{"a": 1}\n[2]\n', {}, FormatError, r"a\.jsonl:2: want an object, got list"),
        ('{"a": 1}\n{"b": 1}\n', {}, FormatError, r"a\.jsonl:2: no field 'a'"),
        ('{"a": 1}\n{"a": 1', {}, CorruptError, r"a\.jsonl:2: not JSON"),
        ('{"a": 1, "a": 2}', {}, CorruptError, r"a\.jsonl:1: key 'a' appears twice"),
        ('{"a": NaN}', {}, CorruptError, r"a\.jsonl:1: NaN"),
        ("[" * 100, {}, LimitError, r"a\.jsonl:1: nested deeper"),
        ('{"a": "x"}', {"types": {"a": int}}, FormatError, r"a\.jsonl:1: column 'a'"),
        ('{"a": "x"}', {"types": {"b": int}}, OptionError, "types for"),
        ("\n", {}, FormatError, "no objects"),
    ],
)
def test_malformed_json_lines_name_file_and_line(
    tmp_path: Path, text: str, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        JSONLines(write(tmp_path / "a.jsonl", text), **options)


# -- folders -------------------------------------------------------------------------------------
def test_a_folder_a_class(tmp_path: Path) -> None:
    for name, text in (
        ("pos/2.txt", "b"),
        ("pos/1.txt", "a"),
        ("neg/x/3.TXT", "c"),
        ("neg/n.md", ""),
    ):
        write(tmp_path / name, text)
    data = TextFolder(tmp_path, transform=str.upper)
    assert data.classes == ["neg", "pos"]
    assert list(data) == [("C", 0), ("A", 1), ("B", 1)]
    assert data.targets == [0, 1, 1]
    write(tmp_path / "pos/1.txt", b"\xff")
    with pytest.raises(CorruptError, match=r"1\.txt:1: not utf-8"):
        data[1]
    with pytest.raises(LimitError):
        TextFolder(tmp_path, max_bytes=0)[0]


def test_a_folder_without_texts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no folders with files"):
        TextFolder(tmp_path)
    with pytest.raises(FileNotFoundError):
        TextFolder(tmp_path / "nothing")


# -- AG_NEWS and IMDB ----------------------------------------------------------------------------
NEWS = (
    '"3","Wall St. Bears Claw Back Into the Black (Reuters)","Reuters - Short-sellers, \\band"\n'
    '"4","Title ""quoted""","Two\nlines"\n'
)


@pytest.mark.parametrize("below", ["", "AG_NEWS", "datasets/AG_NEWS"])
def test_ag_news_in_its_true_format(tmp_path: Path, below: str) -> None:
    write(tmp_path / below / "train.csv", NEWS)
    write(tmp_path / below / "test.csv", '"1","a","b"\n')
    train, test = AG_NEWS(tmp_path)
    assert train[0] == (
        3,
        "Wall St. Bears Claw Back Into the Black (Reuters) Reuters - Short-sellers, \\band",
    )
    assert train[1] == (4, 'Title "quoted" Two\nlines')
    assert list(test) == list(AG_NEWS(tmp_path, "test")) == [(1, "a b")]
    assert train.column("label") == [3, 4]


@pytest.mark.parametrize("row", ['"5","a","b"', '"1","a"', '"one","a","b"', "label,title,text"])
def test_malformed_ag_news_names_file_and_line(tmp_path: Path, row: str) -> None:
    write(tmp_path / "train.csv", row + "\n")
    with pytest.raises(FormatError, match=r"train\.csv:1: want label"):
        AG_NEWS(tmp_path, "train")


def test_missing_files_and_splits_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no train\.csv below"):
        AG_NEWS(tmp_path, "train")
    with pytest.raises(FileNotFoundError, match="no train/neg below"):
        IMDB(tmp_path)
    with pytest.raises(OptionError, match="split must be of"):
        AG_NEWS(tmp_path, ("train", "valid"))


@pytest.mark.parametrize("below", ["aclImdb", "IMDB/aclImdb", ""])
def test_imdb_in_its_true_format(tmp_path: Path, below: str) -> None:
    for split in ("train", "test"):
        write(tmp_path / below / split / "neg" / "0_3.txt", f"{split} dull<br /><br />film")
        write(tmp_path / below / split / "pos" / "0_9.txt", f"{split} café")
        write(tmp_path / below / split / "unsup" / "0_0.txt", "neither")
    train, test = IMDB(tmp_path)
    assert list(train) == [(1, "train dull<br /><br />film"), (2, "train café")]
    assert test.targets == [1, 2]
    assert len(IMDB(tmp_path, "test")) == 2
    (tmp_path / below / "train" / "pos" / "0_9.txt").unlink()
    with pytest.raises(FormatError, match="pos has no reviews"):
        IMDB(tmp_path, "train")


# -- batches -------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def tok(trained: Any) -> Tokenizer:
    return Tokenizer.from_bytes(trained("wordpiece"))


def test_collate_tokenizes_pads_and_labels(tok: Tokenizer) -> None:
    collate = TextCollate(tok, text=1, label=0, classes=(1, 2, 3, 4), max_length=4)
    batch = collate([(4, "the quick brown fox"), (1, "a")])
    assert (
        batch.input_ids.tolist()
        == tok(["the quick brown fox", "a"], max_length=4).input_ids.tolist()
    )
    assert batch.labels.tolist() == [3, 0]
    assert "labels" not in TextCollate(tok, text=None)(["a", "b"])
    named = TextCollate(tok, text="x", label="y", pair="z")([{"x": "a", "y": 0.5, "z": "b"}])
    assert named.labels.dtype == sn.float32
    assert named.token_type_ids.tolist() == tok("a", "b").token_type_ids.tolist()


@pytest.mark.parametrize(
    ("batch", "error", "message"),
    [
        ([], ShapeError, "empty batch"),
        ([("a", "?")], OptionError, "label '\\?' is not of"),
        ([("a",)], OptionError, "a sample has no 1"),
    ],
)
def test_collate_misuse_is_typed(
    tok: Tokenizer, batch: list[Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        TextCollate(tok, classes=["no", "yes"])(batch)
    with pytest.raises(OptionError, match="give classes"):
        TextCollate(tok)([("a", "yes")])


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_workers_give_the_same_batches(tok: Tokenizer, tmp_path: Path, context: str) -> None:
    rows = "".join(f'"{i % 4 + 1}","title {i}","{"the dog " * (i % 5)}"\n' for i in range(12))
    write(tmp_path / "train.csv", rows)
    data = AG_NEWS(tmp_path, "train")
    lengths = [len(tok.encode(text)) for text in data.column("text")]

    def batches(workers: int) -> list[Any]:
        loader = sn.data.DataLoader(
            data,
            batch_sampler=BucketBatchSampler(lengths, 5, shuffle=False),
            collate_fn=TextCollate(tok, text=1, label=0, classes=(1, 2, 3, 4)),
            num_workers=workers,
            multiprocessing_context=context if workers else None,
        )
        return [{k: v.tolist() for k, v in batch.items()} for batch in loader]

    assert batches(2) == batches(0)
