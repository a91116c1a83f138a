"""The commands on texts and recordings: with small fresh models here, with real weights online."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

import sensorium as sn
from sensorium import hub
from sensorium.audio import io
from sensorium.audio.metrics import plain_words, word_error_rate
from sensorium.model_zoo.cli import recordings
from sensorium.model_zoo.cli.audio import clock
from sensorium.text import Tokenizer
from sensorium.text.models import BertModel

SIZES = {
    "vocab_size": 14, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
    "intermediate_size": 32, "max_position_embeddings": 16,
}  # fmt: skip
WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] the cat sat on a mat dog ran far"


@pytest.fixture
def reader(tmp_path):
    """A small sentence encoder in Hugging Face's layout."""
    sn.manual_seed(3)
    model = BertModel(**SIZES).eval()
    model.preprocess = Tokenizer.from_bytes(WORDS.replace(" ", "\n").encode(), kind="vocab.txt")
    folder = tmp_path / "reader"
    facts = {"architecture": "BertModel", "task": "sentence-similarity", "config": SIZES}
    hub.save(model, folder, **facts)
    return str(folder)


@pytest.fixture
def tone(tmp_path):
    """A second of 220 Hz at 16 kHz."""
    path = tmp_path / "tone.wav"
    io.save(
        path,
        sn.tensor(np.sin(440 * np.pi * np.arange(16000) / 16000).astype(np.float32))[None] / 2,
        16000,
    )
    return path


@pytest.fixture
def untrained(tmp_path):
    """Folders of models with fresh weights."""

    def make(name):
        sn.manual_seed(0)
        folder = tmp_path / name
        hub.save(hub.load(name, weights=None), folder)
        return str(folder)

    return make


# -- texts ---------------------------------------------------------------------------------------
def test_embed_gives_vectors_of_length_1(run, reader):
    code, out, err = run("embed", "the cat sat", "a dog ran", "--model", reader, "--json")
    found = json.loads(out)
    vectors = np.array([row["vector"] for row in found["texts"]])
    assert code == 0 and err == "" and vectors.shape == (2, 16)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    code, out, _ = run("embed", "the cat sat", "--model", reader)
    assert code == 0 and out.startswith("the cat sat") and "16 numbers" in out


def test_embed_reads_lines_from_stdin(run, reader, monkeypatch):
    import io as streams
    import sys

    monkeypatch.setattr(sys, "stdin", streams.StringIO("the cat\n\na dog\n"))
    found = json.loads(run("embed", "-", "--model", reader, "--json")[1])
    assert [row["text"] for row in found["texts"]] == ["the cat", "a dog"]


def test_similar_finds_the_line_itself_first(run, reader, tmp_path):
    lines = tmp_path / "lines.txt"
    lines.write_text("the dog ran far\n\na cat sat on the mat\nfar\n")
    words = ("similar", "a cat sat on the mat", lines, "--model", reader, "--top", 2)
    code, out, err = run(*words, "--json")
    found = json.loads(out)
    assert code == 0 and err == "" and found["lines"] == 3 and len(found["matches"]) == 2
    assert found["matches"][0]["line"] == 3 and found["matches"][0]["score"] == pytest.approx(1)
    assert run(*words)[1].splitlines()[0].split()[0] == "1.000"


def test_similar_names_a_file_that_is_no_text(run, reader, tmp_path):
    bad, blank = tmp_path / "bad.txt", tmp_path / "blank.txt"
    bad.write_bytes(b"abc\xff")
    blank.write_text("\n \n")
    assert (
        "bad.txt: is no text in UTF-8: byte 0xff at 3"
        in run("similar", "x", bad, "--model", reader)[2]
    )
    assert "no line with text" in run("similar", "x", blank, "--model", reader)[2]
    code, out, err = run("similar", "x", tmp_path / "none.txt", "--model", reader)
    assert code == 1 and out == "" and "none.txt" in err


# -- recordings ----------------------------------------------------------------------------------
def test_vad_and_a_bad_file_beside_a_good_one(run, untrained, tone, tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_bytes(tone.read_bytes()[:9000])
    code, out, err = run("vad", bad, tone, "--model", untrained("silero-vad"), "--json")
    first, second = json.loads(out)["recordings"]
    assert code == 1 and "bad.wav" in first["error"] and err.count("\n") == 1
    assert isinstance(second["speech"], list)


def test_pitch_has_a_row_every_hop_and_draws(run, untrained, tone, tmp_path):
    picture = tmp_path / "pitch.png"
    words = ("pitch", tone, "--model", untrained("crepe_tiny"), "--hop", 0.1)
    code, out, err = run(*words, "--plot", picture)
    assert code == 0 and len(out.splitlines()) == 11 and "drawn to" in err
    with Image.open(picture) as image:
        assert image.size == (1000, 420) and len(image.getcolors(100_000)) > 3
    found = json.loads(run(*words, "--json")[1])["recordings"][0]
    assert len(found["time"]) == len(found["frequency"]) == len(found["periodicity"]) == 11
    assert run("pitch", tone, tone, "--plot", picture)[0] == 2


def test_times_as_subtitles_write_them():
    assert [clock(s) for s in (0, 59.9996, 3600)] == [
        "00:00:00,000",
        "00:01:00,000",
        "01:00:00,000",
    ]


# -- real weights --------------------------------------------------------------------------------
@pytest.fixture
def sentence(online):
    return recordings.fetch(recordings.SENTENCE)


def errors(text):
    """Word errors in the sentence, letters' case and punctuation left aside."""
    return word_error_rate(recordings.SENTENCE.text, text, normalize=plain_words)


@pytest.mark.network
def test_transcribe_writes_the_sentence_down(run, sentence):
    code, out, _ = run("transcribe", sentence)
    assert code == 0 and errors(out) == 0
    found = json.loads(run("transcribe", sentence, "--json")[1])["recordings"][0]
    assert errors(found["text"]) == 0 and found["duration"] == pytest.approx(4, abs=0.1)
    code, out, _ = run("transcribe", sentence, "--srt")
    number, span, text = out.strip().splitlines()
    assert number == "1" and span.startswith("00:00:00,") and errors(text) == 0


@pytest.mark.network
def test_vad_and_pitch_of_the_sentence(run, sentence):
    (span,) = json.loads(run("vad", sentence, "--json")[1])["recordings"][0]["speech"]
    assert 0.2 < span["start"] < 0.5 and 3.3 < span["end"] < 3.8
    track = json.loads(run("pitch", sentence, "--json")[1])["recordings"][0]
    voiced = [f for f, p in zip(track["frequency"], track["periodicity"]) if p > 0.6]
    assert len(voiced) > 50 and 80 < np.median(voiced) < 300


@pytest.mark.network
def test_similar_finds_meaning(run, online, tmp_path):
    lines = tmp_path / "lines.txt"
    lines.write_text("The stock market fell.\nA kitten sleeps on the sofa.\nHe repairs bicycles.\n")
    found = json.loads(run("similar", "a small cat takes a nap", lines, "--json")[1])
    assert found["matches"][0]["line"] == 2 and found["matches"][0]["score"] > 0.4
