"""The command: what it prints where, exit codes, and that ``--json`` is one document and no more."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import sensorium
from sensorium import hub
from sensorium.hub import Card, Weights
from sensorium.model_zoo import digits
from sensorium.model_zoo.cli import output


@pytest.fixture
def digit(tmp_path):
    """The file of a held-out digit, and which it is."""
    images, truth = digits.held_out()
    path = tmp_path / "digit.png"
    Image.fromarray((images[0, 0] * 255).astype(np.uint8)).save(path)
    return str(path), str(truth[0])


@pytest.fixture
def card(monkeypatch, tmp_path):
    """The name of a model whose weights a server on this machine has."""
    (tmp_path / "served").mkdir()
    file = tmp_path / "served" / "tiny.npy"
    np.save(file, np.arange(100))
    handler = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(file.parent)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    weights = Weights(
        name="own",
        default=True,
        sources=[f"http://127.0.0.1:{server.server_port}/tiny.npy"],
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        licence="CC0-1.0",
    )
    made = Card(name="tiny", task="image-classification", architecture="tiny", weights=[weights])
    never = dict.fromkeys(
        (
            "build",
            "convert",
            "preprocess",
            "pipeline",
            "adopt",
            "headed",
            "checkpoint",
            "companions",
        ),
        print,
    )
    zoo = SimpleNamespace(cards=lambda: [made], architectures=lambda: ["tiny"], **never)
    hub.register(zoo)
    monkeypatch.setenv("SENSORIUM_OFFLINE", "0")
    yield made.name
    hub.unregister(zoo)
    server.shutdown()
    server.server_close()
    thread.join()


# -- the whole -----------------------------------------------------------------------------------
def test_version_and_help_end_well(run):
    assert run("--version") == (0, f"sensorium {sensorium.__version__}\n", "")
    code, out, _ = run("--help")
    assert code == 0 and all(word in out for word in ("demo", "classify", "embed", "hub", "doctor"))


@pytest.mark.parametrize(
    "words",
    [(), ("classify",), ("hub",), ("hub", "info"), ("sing",), ("classify", "x", "--top", "0"),
     ("demo", "--top", "some"), ("hub", "list", "--colour")],
)  # fmt: skip
def test_misuse_is_2_with_a_usage_line(run, words):
    code, out, err = run(*words)
    assert code == 2 and out == "" and err.startswith("usage: sensorium")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("hub", "info", "resnt50"), "did you mean resnet50"),
        (("hub", "pull", "resnet18"), "SENSORIUM_OFFLINE"),
        (("hub", "pull", "resnet18", "--weights", "v9"), "imagenet1k_v1"),
        (("hub", "list", "nothing*"), "nothing*"),
        (("hub", "rm", "resnet18"), "nothing in the cache belongs to 'resnet18'"),
        (("hub", "path", "resnet18"), "nothing in the cache"),
        (("hub", "verify", "resnet18"), "nothing in the cache"),
        (("classify", "x.png", "--model", "resnet18"), "SENSORIUM_OFFLINE"),
        (("classify", "x.png", "--model", "digits_resnet"), "x.png"),
    ],
)
def test_a_failure_is_1_with_one_line(run, words, said):
    code, out, err = run(*words)
    assert code == 1 and out == ""
    assert err.startswith("sensorium: error: ") and err.count("\n") == 1 and said in err


def test_a_bug_is_one_line_too_and_a_traceback_with_debug(run, monkeypatch, digit):
    def broken(*_, **__):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(hub, "pipeline", broken)
    code, _, err = run("classify", digit[0])
    assert (
        code == 1 and err == "sensorium: error: ZeroDivisionError: by zero (--debug shows where)\n"
    )
    assert "Traceback" in run("classify", digit[0], "--debug")[2]


def test_interruption_is_130(run, monkeypatch, digit):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(hub, "pipeline", interrupted)
    assert run("classify", digit[0]) == (130, "", "sensorium: interrupted\n")


def test_a_reader_that_stops_early_is_no_error():
    script = "import sys; from sensorium.model_zoo.cli import main; sys.exit(main(['hub', 'list']))"
    reading, writing = os.pipe()
    os.close(reading)  # whoever was to read has gone
    done = subprocess.run(
        [sys.executable, "-c", script], stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)
    assert done.returncode == 0 and done.stderr == b""


def test_parsing_imports_nothing_heavy():
    code = (
        "import sys; from sensorium.model_zoo.cli.main import parser; parser();"
        "print([m for m in ('PIL', 'requests', 'sensorium.nn', 'sensorium.vision') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# -- classify ------------------------------------------------------------------------------------
def test_classify_prints_labels_with_bars(run, digit):
    code, out, err = run("classify", digit[0], "--model", "digits_resnet", "--top", 2)
    path, first, second = out.strip().splitlines()
    assert code == 0 and err == "" and path == digit[0]
    assert first.split()[0].endswith("%") and first.split()[-1] == digit[1] and "█" in first
    assert float(first.split("%")[0]) > float(second.split("%")[0])
    assert "\x1b" not in out


def test_classify_json_is_one_document(run, digit):
    code, out, err = run("classify", digit[0], digit[0], "--model", "digits_resnet", "--json")
    found = json.loads(out)
    assert code == 0 and err == ""
    assert found["model"] == "digits_resnet" and found["weights"] == "digits_v1"
    assert [image["path"] for image in found["images"]] == [digit[0]] * 2
    labels = found["images"][0]["labels"]
    assert len(labels) == 5 and labels[0]["name"] == digit[1] and 0 <= labels[0]["score"] <= 1


def test_a_bad_image_does_not_spoil_the_others(run, digit, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"<html>")
    options = ("--model", "digits_resnet", "--json")
    code, out, err = run("classify", bad, digit[0], *options)
    first, second = json.loads(out)["images"]
    assert code == 1 and "bad.png" in first["error"] and second["labels"][0]["name"] == digit[1]
    assert err.count("\n") == 1 and "bad.png" in err


# -- hub -----------------------------------------------------------------------------------------
def test_hub_list_shows_every_model_in_80_columns(run):
    code, out, _ = run("hub", "list")
    lines = out.splitlines()
    assert code == 0 and len(lines) == 1 + len(hub.list()) and max(map(len, lines)) <= 80
    names = [row["name"] for row in json.loads(run("hub", "list", "--json")[1])]
    assert names == hub.list()
    (row,) = json.loads(run("hub", "list", "digits*", "--json")[1])
    assert row["weights"][0]["here"] and row["num_params"] == 77754


def test_hub_info_is_the_card(run):
    assert run("hub", "info", "resnet50")[1].strip() == hub.help("resnet50").strip()
    assert json.loads(run("hub", "info", "resnet50", "--json")[1])["num_params"] == 25557032


def test_pull_path_verify_rm_are_one_life_of_a_file(run, home, card):
    code, out, _ = run("hub", "pull", card)
    assert code == 0
    path = out.strip()
    assert run("hub", "path", card)[1].strip() == path
    assert run("hub", "path")[1].strip() == str(home)
    code, out, _ = run("hub", "verify", "--json")
    assert code == 0 and [row["right"] for row in json.loads(out)] == [True]
    os.chmod(path, 0o600)
    with open(path, "r+b") as file:
        file.write(b"damage")
    with pytest.warns(UserWarning, match="damaged"):
        code, out, _ = run("hub", "verify", card)
    assert code == 1 and "WRONG" in out and "1 wrong" in out
    assert run("hub", "pull", card)[0] == 0
    assert run("hub", "rm", card)[0] == 0
    assert run("hub", "path", card)[0] == 1


def test_the_embedded_model_has_a_path_and_needs_no_pull(run):
    code, out, _ = run("hub", "path", "digits_resnet")
    assert code == 0 and out.strip().endswith("digits_resnet.safetensors")
    assert run("hub", "pull", "digits_resnet")[1] == out


# -- doctor --------------------------------------------------------------------------------------
def test_doctor_tells_versions_engines_cache_and_sources(run, home):
    code, out, err = run("doctor")
    assert code == 0 and err == "" and sensorium.__version__ in out
    found = json.loads(run("doctor", "--json")[1])
    assert set(found) == {"versions", "engines", "threads", "cache", "sources"}
    assert found["cache"]["path"] == str(home) and found["cache"]["writable"]
    assert found["sources"] == {"network": "not asked: SENSORIUM_OFFLINE is set"}
    assert found["threads"]["used"] >= 1


def test_doctor_says_why_an_engine_is_not_used():
    script = "from sensorium.model_zoo.cli import main; main(['doctor', '--json'])"
    environment = {**os.environ, "SENSORIUM_ONEDNN": "0"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert "SENSORIUM_ONEDNN=0" in json.loads(done.stdout)["engines"]["cpu"]


# -- drawing -------------------------------------------------------------------------------------
def test_bars_are_as_long_as_their_share():
    assert [len(output.bar(share, 10).rstrip()) for share in (0, 0.5, 1)] == [0, 5, 10]
    assert output.bar(0.5625, 2) == "█▏"


def test_bars_are_ascii_where_the_terminal_is(monkeypatch):
    class Ascii:
        encoding = "ascii"

    monkeypatch.setattr(sys, "stdout", Ascii())
    assert output.bar(0.5, 4) == "##  "


def test_what_an_encoding_lacks_is_replaced():
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    script = (
        "from sensorium.model_zoo.cli.output import Output; Output(json=False).line('caf\\u00e9')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, check=True
    )
    assert done.stdout == b"caf?\n"


def test_the_console_script_is_installed():
    program = shutil.which("sensorium", path=os.path.dirname(sys.executable))
    if program is None:
        pytest.skip("not installed as a distribution")
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("sensorium ")
