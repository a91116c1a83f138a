"""The demo: all three senses, or what can be had of them; and its page in a browser."""

from __future__ import annotations

import contextlib
import html
import io
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sensorium.audio.metrics import plain_words, word_error_rate
from sensorium.model_zoo import digits
from sensorium.model_zoo.cli import main, recordings
from sensorium.model_zoo.cli.demo import see
from sensorium.model_zoo.cli.demo.command import PAGE
from sensorium.model_zoo.page import Heard, ReadTexts, Seen, page


def test_without_network_it_reads_digits_says_what_is_missing_and_ends_well(run):
    code, out, err = run("demo")
    assert code == 0 and "of 20 right" in out and "@@" in out
    assert err.count("cannot be had now") == 3 and "SENSORIUM_OFFLINE" in err
    assert max(map(len, out.splitlines())) <= 80
    text = Path(PAGE).read_text()
    assert 'id="seen"' in text and 'id="read"' not in text
    assert "Not this time" in text and "all-minilm-l6-v2" in text


def test_json_without_network_is_one_document(run):
    code, out, _ = run("demo", "--json")
    found = json.loads(out)
    assert code == 0 and found["online"] is False and found["seen"]["model"] == "digits_resnet"
    assert len(found["seen"]["digits"]) == 20 and found["seen"]["right"] >= 19
    assert all(found[part]["missing"] for part in ("seen", "read", "heard"))


def test_images_of_the_user_are_named_and_a_bad_one_does_not_spoil_the_rest(
    run, monkeypatch, tmp_path
):
    images, truth = digits.held_out()
    good, bad = tmp_path / "digit.png", tmp_path / "bad.png"
    Image.fromarray((images[0, 0] * 255).astype(np.uint8)).save(good)
    bad.write_bytes(b"<html>")
    monkeypatch.setattr(see, "MODEL", "digits_resnet")
    code, out, err = run("demo", bad, good, "--page", tmp_path / "own.html", "--json")
    first, second = json.loads(out)["seen"]["images"]
    assert code == 1 and "bad.png" in first["error"] and "bad.png" in err
    assert second["labels"][0]["name"] == str(truth[0])
    assert (tmp_path / "own.html").exists() and not Path(PAGE).exists()


def test_a_page_that_cannot_be_written_is_an_error_of_one_line(run):
    code, _, err = run("demo", "--page", "no/such/folder/x.html")
    assert code == 1 and "no/such/folder" in err.splitlines()[-1]


# -- with real weights ---------------------------------------------------------------------------
@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """The document and the page of a demo with everything there."""
    page, said = tmp_path_factory.mktemp("demo") / "page.html", io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        patch.delenv("SENSORIUM_OFFLINE", raising=False)
        assert main(["demo", "--json", "--page", str(page)]) == 0
    return json.loads(said.getvalue()), page


@pytest.mark.network
@pytest.mark.slow
def test_it_sees_reads_and_hears(shown):
    found, page = shown
    assert found["online"]
    (image,) = found["seen"]["images"]
    assert image["labels"][0]["name"] in {"tiger cat", "Egyptian cat", "tabby"}
    assert found["read"]["matches"][0]["text"].startswith("Young cats rest all night")
    said = found["heard"]["text"]
    assert word_error_rate(recordings.SENTENCE.text, said, normalize=plain_words) == 0
    (span,) = found["heard"]["speech"]
    assert 0.2 < span["start"] < 0.5 and 3.3 < span["end"] < 3.8
    text = page.read_text()
    assert not re.search(r"""(src|href)=["'](?!data:)""", text), "the page loads something"


# -- in a browser --------------------------------------------------------------------------------
@pytest.fixture
def look(tmp_path):
    """What a headless browser makes of a page."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    browser = next(filter(None, map(shutil.which, names)), None)
    if browser is None:
        pytest.fail("no Chromium: the page cannot be checked (.ci/run installs one)")
    return lambda page: _ask(browser, page, tmp_path)


@pytest.mark.network
@pytest.mark.slow
def test_the_page_in_a_browser(shown, look):
    facts = look(shown[1].read_text())
    assert facts["sections"] == ["seen", "read", "heard"]
    assert facts["pictures"] == 2 and facts["broken"] == 0  # photograph and spectrogram
    assert facts["bars"] == 3 and facts["cells"] == 36
    assert facts["wide"] <= facts["window"], "something sticks out sideways"
    assert all(height > 40 for height in facts["charts"]) and facts["wave"] > 100
    assert facts["text"] == shown[0]["heard"]["text"]


@pytest.mark.slow
def test_a_page_of_anything_in_a_browser(look):
    rng = np.random.default_rng(0)
    hostile = "<script>document.title='x'</script> & \"quotes\" " + "long" * 40
    texts = [hostile, "b", "c"]
    text = page(
        seen=Seen(
            Image.new("RGB", (30, 2000)), hostile, hostile, [(hostile, 1.0), ("b", 0.0)], "m"
        ),
        read=ReadTexts(texts[0], texts[1:], np.eye(3).tolist(), "m"),
        heard=Heard(
            np.zeros(16), 16000, rng.random((8, 4)), [0.5], [(0.0, 0.001)], hostile, "t", "c", "m"
        ),
        facts={"a": hostile},
        missing=[hostile],
    )
    facts = look(text)
    assert facts["sections"] == ["seen", "read", "heard", ""] and facts["broken"] == 0
    assert facts["wide"] <= facts["window"] and facts["bars"] == 2 and facts["cells"] == 9
    assert facts["text"].startswith("<script>document.title")


SCRIPT = """
<script>window.addEventListener("load", () => {
  const all = (what) => [...document.querySelectorAll(what)];
  const facts = {
    sections: all("main > section").map((s) => s.id),
    pictures: all("img").length,
    broken: all("img").filter((i) => !i.complete || i.naturalWidth === 0).length,
    bars: all(".bar").length, cells: all(".heat td[style]").length,
    wide: document.documentElement.scrollWidth, window: window.innerWidth,
    charts: all(".chart").map((c) => c.getBoundingClientRect().height),
    wave: document.querySelector(".wave").getBoundingClientRect().width,
    text: document.querySelector("blockquote").innerText,
  };
  document.title = "FACTS" + JSON.stringify(facts) + "END";
});</script>
"""


def _ask(browser: str, page: str, folder: Path) -> dict[str, Any]:
    """A script asks, the title answers."""
    asked = folder / "asked.html"
    asked.write_text(page.replace("</body>", f"{SCRIPT}</body>"))
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
               f"--user-data-dir={folder}", "--window-size=1200,1600", asked.as_uri()]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    told = re.search(r"FACTS(.*)END</title>", done.stdout, re.DOTALL)
    assert told, done.stdout[:2000]
    return json.loads(html.unescape(told[1]))
