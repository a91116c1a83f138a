"""Laws of Hugging Face's layout: every file from one commit and verified, nothing named by a server
used as a path, all of a model or nothing, and what was loaded once loads again without a network."""

from __future__ import annotations

import hashlib
import json

import fault_server as fs
import numpy as np
import pytest
import toys
from safetensors.numpy import save as save_safetensors

from sensorium import hub
from sensorium.errors import (
    AuthError,
    CacheError,
    CardError,
    CorruptError,
    DownloadError,
    FormatError,
    IntegrityError,
    NotFoundError,
    OfflineError,
)
from sensorium.hub import registry

LIST = "/api/models/me/toy/revision/main?blobs=true"


@pytest.fixture(autouse=True)
def zoo(monkeypatch, server):
    """One toy zoo and nothing else; ``hf://`` points to the fault server."""
    monkeypatch.setattr(registry, "_installed", list)
    monkeypatch.setattr(registry, "_table", None)
    monkeypatch.setattr(registry, "_registered", [])
    monkeypatch.setenv("HF_ENDPOINT", server.url(""))
    made = toys.Zoo()
    hub.register(made)
    return made


def write(folder, files):
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return str(folder)


# -- a repository --------------------------------------------------------------------------------
def test_a_repository_is_loaded_from_one_commit(server):
    toys.publish(server, "me/toy", toys.files(2.0))
    model = hub.load("hf://me/toy")
    assert model.fill == {"body.weight": 2.0, "fc.weight": 2.0} and not model.training
    assert {r.path for r in server.log[1:]} == {
        f"/me/toy/resolve/{toys.COMMIT}/{name}"
        for name in ("config.json", "model.safetensors", "tokenizer.json")
    }
    assert model.preprocess.files.keys() == {"config.json", "tokenizer.json"} == model.files.keys()
    assert model.preprocess.files["tokenizer.json"] == b'{"version": "1.0"}'
    (weights,) = model.card.weights
    assert weights.labels == ["cat", "dog"] and len(weights.sha256) == 64
    assert weights.files["tokenizer.json"].git_sha1 and model.card.name == "toy"
    assert hub.pipeline("hf://me/toy")("x") == ("x", ["cat", "dog"])


def test_what_was_loaded_once_loads_offline(server, monkeypatch):
    toys.publish(server, "me/toy", toys.files(2.0))
    hub.load("hf://me/toy")
    count = len(server.log)
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    assert hub.load("hf://me/toy").fill["fc.weight"] == 2.0 and len(server.log) == count
    with pytest.raises(OfflineError, match="hf://me/other@main was not loaded before"):
        hub.load("hf://me/other")


def test_a_moved_branch_is_followed_and_a_commit_is_not_asked_for_again(server):
    toys.publish(server, "me/toy", toys.files(1.0))
    toys.publish(server, "me/toy", toys.files(1.0), revision=toys.COMMIT)
    assert hub.load("hf://me/toy").fill["fc.weight"] == 1.0
    hub.load(f"hf://me/toy@{toys.COMMIT}")
    toys.publish(server, "me/toy", toys.files(5.0), commit=toys.NEXT)
    assert hub.load("hf://me/toy").fill["fc.weight"] == 5.0
    count = len(server.log)
    assert hub.load(f"hf://me/toy@{toys.COMMIT}").fill["fc.weight"] == 1.0
    assert len(server.log) == count


def test_the_same_weights_under_a_new_commit_are_not_downloaded_again(server):
    toys.publish(server, "me/toy", toys.files(1.0))
    hub.load("hf://me/toy")
    toys.publish(server, "me/toy", toys.files(1.0, README_md=b"# more"), commit=toys.NEXT)
    server.log.clear()
    hub.load("hf://me/toy")
    assert "model.safetensors" not in toys.asked(server)


def test_a_server_that_is_gone_leaves_what_the_cache_knows(server):
    toys.publish(server, "me/toy", toys.files(3.0))
    hub.load("hf://me/toy")
    server.plan(LIST, fs.status("503 X"))
    with pytest.warns(UserWarning, match="using what the cache knows"):
        assert hub.load("hf://me/toy").fill["fc.weight"] == 3.0


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_wrong_bytes_are_refused_whichever_hash_is_known(server, name, home):
    toys.publish(server, "me/toy", toys.files(2.0))
    path = f"/me/toy/resolve/{toys.COMMIT}/{name}"
    good = server.plans[path]
    server.plan(path, fs.wrong_byte)
    kind = "sha256" if name == "model.safetensors" else "git blob"
    with pytest.raises(IntegrityError, match=f"{name}: expected {kind}"):
        hub.load("hf://me/toy")
    server.plan(path, *good)
    assert hub.load("hf://me/toy").fill["fc.weight"] == 2.0


def test_an_endpoint_without_a_list_is_asked_file_by_file(server, monkeypatch):
    toys.publish(server, "me/toy", toys.files(2.0), listed=False)
    model = hub.load("hf://me/toy")
    (weights,) = model.card.weights
    assert model.fill["fc.weight"] == 2.0 and weights.sha256
    assert weights.files["tokenizer.json"].git_sha1
    assert all(toys.COMMIT in source for source in weights.sources)
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    assert hub.load("hf://me/toy").fill["fc.weight"] == 2.0


def test_a_server_that_tells_no_hash_gives_only_files_that_vouch_for_themselves(server):
    plain = toys.files(2.0)
    for name, data in plain.items():
        server.publish(f"/me/toy/resolve/main/{name}", data)
    assert hub.load("hf://me/toy").fill["fc.weight"] == 2.0
    del server.plans["/me/toy/resolve/main/tokenizer.json"]
    server.publish("/me/toy/resolve/main/vocab.txt", b"[PAD]\n[UNK]\n")
    with pytest.raises(IntegrityError, match=r"vocab\.txt: no hash is known"):
        hub.load("hf://me/toy")


@pytest.mark.parametrize(
    ("line", "code", "kind", "words"),
    [
        ("404 X", "RepoNotFound", NotFoundError, "no such repository"),
        ("404 X", "RevisionNotFound", NotFoundError, "no such revision"),
        ("403 X", "GatedRepo", AuthError, "gated: accept its terms"),
        ("401 X", "", AuthError, "HF_TOKEN"),
    ],
)
def test_refusals_say_what_is_missing(server, line, code, kind, words):
    server.plan(LIST, fs.status(line, f"X-Error-Code: {code}"))
    with pytest.raises(kind, match=words):
        hub.load("hf://me/toy")
    assert len(server.log) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{}",
        b'{"sha": "../x", "siblings": []}',
        b'{"sha": "%s", "siblings": 5}' % (b"1" * 40),
    ],
)
def test_a_list_that_is_none_is_done_without(server, body):
    toys.publish(server, "me/toy", toys.files(2.0), listed=False)
    server.publish(LIST, body)
    assert hub.load("hf://me/toy").fill["fc.weight"] == 2.0


def test_names_in_a_list_are_looked_up_and_never_paths(server, home, tmp_path):
    given = toys.files(2.0) | {"../../evil": b"x", "/etc/passwd": b"x", "a/b/c/d": b"x"}
    toys.publish(server, "me/toy", given)
    hub.load("hf://me/toy")
    assert not [*tmp_path.rglob("evil")]
    (kept,) = (home / "models").iterdir()
    assert json.loads(kept.read_text())["files"].keys() == toys.files().keys()


def test_a_kept_list_that_was_damaged_or_is_newer(server, monkeypatch, home):
    toys.publish(server, "me/toy", toys.files(2.0))
    hub.load("hf://me/toy")
    (kept,) = (home / "models").iterdir()
    good = kept.read_bytes()
    kept.unlink()
    for bad in (b"", b"{", b"[]", b'{"version": 1}', good.replace(b'"1111', b'"x111', 1)):
        kept.write_bytes(bad)
        assert hub.load("hf://me/toy").fill["fc.weight"] == 2.0
        assert kept.read_bytes() == good
        kept.unlink()
    kept.write_bytes(good.replace(b'"version": 1', b'"version": 9'))
    with pytest.raises(CacheError, match=r"newer version.*upgrade"):
        hub.load("hf://me/toy")


def test_removing_a_repository_from_the_cache_forgets_its_list(server, home):
    toys.publish(server, "me/toy", toys.files(2.0))
    hub.load("hf://me/toy")
    assert hub.cache.remove("hf://me/toy") > 0
    assert not [*(home / "models").iterdir()] and hub.cache.list() == []


@pytest.mark.parametrize(
    "name", ["hf://gpt2", "hf://../x", "hf://me/toy/x", "https://x/y", "hf://"]
)
def test_what_is_no_repository_is_refused_without_a_request(server, name):
    with pytest.raises(NotFoundError, match="hf://organisation/repository"):
        hub.load(name)
    assert server.log == []


def test_the_token_goes_to_the_endpoint(server, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret")
    toys.publish(server, "me/toy", toys.files(2.0))
    hub.load("hf://me/toy")
    assert {r.headers.get("authorization") for r in server.log} == {"Bearer secret"}


# -- the choice of files -------------------------------------------------------------------------
def test_fresh_weights_and_weights_of_ones_own(server, tmp_path):
    toys.publish(server, "me/toy", toys.files(2.0))
    model = hub.load("hf://me/toy", weights=None)
    assert model.fill["fc.weight"] == 0.0 and "model.safetensors" not in toys.asked(server)
    assert "tokenizer.json" in model.preprocess.files
    (tmp_path / "own.safetensors").write_bytes(save_safetensors(toys.state(7.0)))
    model = hub.load("hf://me/toy", weights=str(tmp_path / "own.safetensors"))
    assert model.fill["fc.weight"] == 7.0 and "tokenizer.json" in model.files
    model = hub.load("hf://me/toy", num_classes=4)
    assert model.values["fc.weight"].shape == (4, 3) and model.card.default().labels == ""
    assert model.fill == {"body.weight": 2.0, "fc.weight": 0.0}


def test_pull_brings_every_file(server):
    toys.publish(server, "me/toy", toys.sharded(2.0))
    found = hub.pull("hf://me/toy")
    assert [*found] == [
        "model.safetensors.index.json",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "tokenizer.json",
        "config.json",
    ]
    assert all(path.is_file() for path in found.values())


def test_a_folder_in_the_layout(tmp_path):
    folder = write(tmp_path / "m", toys.files(4.0))
    model = hub.load(folder)
    assert model.fill["fc.weight"] == 4.0 and model.card.name == "m"
    assert hub.load(f"file://{folder}").fill["fc.weight"] == 4.0
    (tmp_path / "m" / "model.safetensors").unlink()
    with pytest.raises(NotFoundError, match="has no published weights"):
        hub.load(folder)
    assert hub.load(folder, weights=None).fill["fc.weight"] == 0.0


def test_a_bin_file_is_read_as_data_and_never_unpickled(tmp_path):
    given = toys.files(4.0)
    given["pytorch_model.bin"] = given.pop("model.safetensors")  # told by content
    folder = write(tmp_path / "m", given)
    assert hub.load(folder).fill["fc.weight"] == 4.0
    (tmp_path / "m" / "pytorch_model.bin").write_bytes(b"\x80\x04cos\nsystem\nX\2\0\0\0ls\x85R.")
    with pytest.raises(FormatError, match="pickle"):
        hub.load(folder)


def test_a_model_that_no_zoo_knows(tmp_path):
    folder = write(tmp_path / "m", {"config.json": b'{"model_type": "other"}'})
    with pytest.raises(NotFoundError, match=r"no installed zoo knows this model.*'other'"):
        hub.load(folder)
    write(tmp_path / "m", {"config.json": b"[1]"})
    with pytest.raises(CardError, match="wanted an object, got list"):
        hub.load(folder)
    write(tmp_path / "m", {"config.json": b'{"a": 1, "a": 2}'})
    with pytest.raises(CardError, match="'a' stands there twice"):
        hub.load(folder)


@pytest.mark.parametrize(
    ("table", "names"),
    [
        ({"0": "a", "1": "b"}, ["a", "b"]),
        ({"0": "LABEL_0", "1": "LABEL_1"}, ""),
        ({"0": "a", "2": "b"}, ""),
        ({"0": 5}, ""),
        ([], ""),
    ],
)
def test_labels_are_those_of_the_configuration(tmp_path, table, names):
    config = json.dumps(toys.CONFIG | {"id2label": table}).encode()
    folder = write(tmp_path / "m", toys.files(1.0) | {"config.json": config})
    assert hub.card(folder).default().labels == names


def test_links_stay_inside_or_lead_to_the_cache_of_blobs(tmp_path):
    given = toys.files(4.0)
    cache = tmp_path / "models--me--toy"
    snapshot = cache / "snapshots" / toys.COMMIT
    write(cache / "blobs", {hashlib.sha256(data).hexdigest(): data for data in given.values()})
    snapshot.mkdir(parents=True)
    for name, data in given.items():
        (snapshot / name).symlink_to(f"../../blobs/{hashlib.sha256(data).hexdigest()}")
    assert hub.load(str(snapshot)).fill["fc.weight"] == 4.0
    folder = write(tmp_path / "m", given)
    (tmp_path / "m" / "tokenizer.json").unlink()
    (tmp_path / "m" / "tokenizer.json").symlink_to("/etc/passwd")
    with pytest.raises(NotFoundError, match="leaves its folder"):
        hub.load(folder)


# -- shards --------------------------------------------------------------------------------------
def test_shards_are_one_model(server, tmp_path):
    toys.publish(server, "me/toy", toys.sharded(6.0))
    for name in ("hf://me/toy", write(tmp_path / "m", toys.sharded(6.0))):
        model = hub.load(name)
        assert model.fill == {"body.weight": 6.0, "fc.weight": 6.0}
        assert len(model.card.default().shards) == 2
    assert "shards   2 files" in hub.help("hf://me/toy")
    own = str(tmp_path / "m" / "model.safetensors.index.json")
    assert hub.load("hf://me/toy", weights=own).fill["fc.weight"] == 6.0


@pytest.mark.parametrize(
    "place",
    ["../x", "/etc/passwd", "a/b", "a\\b", "..", "", "a\0b", "C:x", 5, None, "é", "x" * 300],
)
def test_a_shard_named_outside_its_folder_is_refused_before_any_is_asked_for(
    server, tmp_path, place
):
    hostile = toys.sharded(1.0, weight_map={"a": "model-00001-of-00002.safetensors", "b": place})
    toys.publish(server, "me/toy", hostile)
    for name in ("hf://me/toy", write(tmp_path / "m", hostile)):
        with pytest.raises(CorruptError, match="no plain file name"):
            hub.load(name)
    assert [n for n in toys.asked(server) if n.endswith(".safetensors")] == []


def test_a_missing_shard_is_told_before_the_others_are_fetched(server, tmp_path):
    given = toys.sharded(1.0)
    del given["model-00002-of-00002.safetensors"]
    toys.publish(server, "me/toy", given)
    for name in ("hf://me/toy", write(tmp_path / "m", given)):
        with pytest.raises(NotFoundError, match="1 of 2 shards are missing: model-00002"):
            hub.load(name)
    assert [n for n in toys.asked(server) if n.endswith(".safetensors")] == []


@pytest.mark.parametrize("fault", ["lacks", "also holds"])
def test_a_shard_with_other_tensors_than_the_index_says(tmp_path, fault):
    given = toys.sharded(1.0)
    first = {"toy.body.weight": np.ones(3)} if fault == "also holds" else {}
    given["model-00001-of-00002.safetensors"] = save_safetensors(first | {"more": np.ones(3)})
    with pytest.raises(CorruptError, match=f"shard model-00001-of-00002.safetensors {fault} 1"):
        hub.load(write(tmp_path / "m", given))


def test_no_model_while_one_shard_is_wrong(server, monkeypatch):
    toys.publish(server, "me/toy", toys.sharded(1.0))
    path = f"/me/toy/resolve/{toys.COMMIT}/model-00002-of-00002.safetensors"
    good = server.plans[path]
    server.plan(path, fs.wrong_byte)
    with pytest.raises(IntegrityError, match="model-00002"):
        hub.load("hf://me/toy")
    with monkeypatch.context() as patch:
        patch.setenv("SENSORIUM_OFFLINE", "1")
        with pytest.raises(OfflineError):
            hub.load("hf://me/toy")
    server.plan(path, *good)
    assert hub.load("hf://me/toy").fill["fc.weight"] == 1.0
    assert toys.asked(server).count("model-00001-of-00002.safetensors") == 1


def test_a_dead_server_is_a_download_error(server, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("sensorium.hub.transport.time.sleep", lambda seconds: None)
    monkeypatch.setattr("sensorium.hub.repository.Policy", lambda: _impatient())
    with pytest.raises(DownloadError, match="Check the network"):
        hub.load("hf://me/toy")


def _impatient():
    from sensorium.hub.transport import Policy

    return Policy(attempts=2, sleep=lambda seconds: None)


def test_a_file_that_is_pruned_before_it_is_read_is_fetched_again(server, monkeypatch):
    from sensorium.hub import loading

    toys.publish(server, "me/toy", toys.files(2.0))
    original, pruned = loading._read, []

    def read(path, shards):
        pruned.append(pruned or hub.cache.prune(0))
        return original(path, shards)

    monkeypatch.setattr(loading, "_read", read)
    assert hub.load("hf://me/toy").fill["fc.weight"] == 2.0 and len(pruned) == 2
