"""A zoo of one toy network that also knows Hugging Face's layout, and a hub that publishes it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re

import numpy as np
from safetensors.numpy import save as save_safetensors

from sensorium.errors import StateDictError
from sensorium.hub import Card

COMMIT, NEXT = "1" * 40, "2" * 40
CONFIG = {"model_type": "toy", "size": 3, "id2label": {"0": "cat", "1": "dog"}}


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
    """As much of a module as ``load`` and ``save`` ask for."""

    def __init__(self, num_classes=2, size=3):
        self.training, self.size, self.num_classes = True, size, num_classes
        self.values = {"body.weight": np.zeros(size), "fc.weight": np.zeros((num_classes, size))}

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

    @property
    def fill(self):
        return {key: float(np.unique(value)[0]) for key, value in self.values.items()}


class Words:
    """A tokenizer of sorts: it came from these files."""

    def __init__(self, files):
        self.files = {name: path.read_bytes() for name, path in files.items()}


class Zoo:
    """Knows ``model_type: toy``; keeps what it was asked to convert and pipe."""

    def cards(self):
        return []

    def architectures(self):
        return ["toynet"]

    def build(self, card, config):
        return Toy(**config)

    def convert(self, card, state):
        return {key.removeprefix("toy."): value for key, value in state.items()}

    def preprocess(self, card, weights, files):
        return Words(files) if weights else None

    def pipeline(self, card, weights, model):
        return lambda x: (x, weights.labels)

    def adopt(self, config):
        if config.get("model_type") != "toy":
            return None
        return Card(
            name="toy",
            task="toying",
            architecture="toynet",
            config={"size": config["size"]},
            classifier="fc",
            weights=[],
        )

    def headed(self, card, num_classes):
        return dataclasses.replace(card, config=card.config | {"num_classes": num_classes})

    def checkpoint(self, model):
        return model.state_dict()

    def companions(self, model, labels):
        words = getattr(getattr(model, "preprocess", None), "files", {})
        files = {"config.json": json.dumps(CONFIG | {"size": model.size}).encode()}
        return files | {name: words[name] for name in words if name == "tokenizer.json"}


def state(fill, prefix=""):
    return {f"{prefix}body.weight": np.full(3, fill), f"{prefix}fc.weight": np.full((2, 3), fill)}


def files(fill=1.0, **more):
    """A repository of the toy: name -> bytes; underscores of ``more`` are dots."""
    plain = {
        "config.json": json.dumps(CONFIG).encode(),
        "model.safetensors": save_safetensors(state(fill, "toy.")),
        "tokenizer.json": b'{"version": "1.0"}',
        "README.md": b"# toy",
    }
    return plain | {name.replace("_", "."): data for name, data in more.items()}


def sharded(fill=1.0, weight_map=None):
    """The same with its weights in two shards."""
    parts = state(fill, "toy.")
    names = {key: f"model-0000{n}-of-00002.safetensors" for n, key in enumerate(parts, 1)}
    index = {"metadata": {"total_size": 72}, "weight_map": weight_map or names}
    kept = {name: data for name, data in files().items() if name != "model.safetensors"}
    kept |= {name: save_safetensors({key: parts[key]}) for key, name in names.items()}
    return kept | {"model.safetensors.index.json": json.dumps(index).encode()}


def git_sha1(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def is_large(name):
    return name.endswith((".safetensors", ".bin"))


def publish(server, repository, given, *, commit=COMMIT, revision="main", listed=True):
    """Serve a repository as the Hugging Face Hub does: a list with hashes, and files by commit."""
    rows = []
    for name, data in given.items():
        row = {"rfilename": name, "size": len(data), "blobId": git_sha1(data)}
        if is_large(name):
            row["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        rows.append(row)
        for where in (commit, revision):
            tag = hashlib.sha256(data).hexdigest() if is_large(name) else git_sha1(data)
            path = f"/{repository}/resolve/{where}/{name}"
            server.publish(path, data, told(tag, commit))
    if listed:
        body = json.dumps({"sha": commit, "siblings": rows}).encode()
        server.publish(f"/api/models/{repository}/revision/{revision}?blobs=true", body)


def told(tag, commit):
    """A file with the headers that say its hash and its commit."""

    def action(request, body):
        lines = (f'ETag: "{tag}"', f"X-Repo-Commit: {commit}", f"Content-Length: {len(body)}")
        request.head("200 OK", *lines)
        request.send(body)

    return action


def asked(server):
    """The files asked for, in order, without their repository and commit."""
    return [re.sub(r"^/[^/]+/[^/]+/resolve/[^/]+/", "", request.path) for request in server.log]
