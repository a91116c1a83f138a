"""A save that loses power: every state that the disk may be in is built and resumed from.

The file system calls of two saves are recorded (the second deletes a checkpoint, too). For each
moment, what was not yet fsynced may be there or not: of the changes to a folder since its fsync any
first part, of a file's bytes none, half, or zeros. The idea is that of ALICE (Pillai et al., OSDI
2014). Whatever the state, the newest acknowledged checkpoint, or a newer one, must restore.
"""

from __future__ import annotations

import itertools
import os
import stat
import warnings
from dataclasses import dataclass, field

import pytest

import sensorium as sn
from sensorium.checkpoint import Checkpointer

pytestmark = pytest.mark.skipif(os.name == "nt", reason="wants calls by descriptor")


@dataclass(eq=False)
class Node:
    """A file (its bytes once fsynced) or a folder (its changes, each a function of its entries)."""

    folder: bool
    data: bytes = b""
    synced: list = field(default_factory=list)  # moments
    changes: list = field(default_factory=list)  # (moment, function)

    def possible(self, moment):
        """How many of the changes before this moment may have reached the disk: from, to."""
        count = sum(m < moment for m, _ in self.changes)
        last = max((s for s in self.synced if s < moment), default=-1)
        return range(sum(m < last for m, _ in self.changes), count + 1)


class Recorder:
    """Stands in for the calls of ``os`` that change a file system, and notes them."""

    def __init__(self, root, patch, forgetful):
        self.forgetful = forgetful  # a disk that takes the fsync of a file for done
        self.root, self.moment, self.names, self.acknowledged = str(root), 0, {}, []
        self.nodes = {}
        self.known(self.root)
        self.real = {
            n: getattr(os, n) for n in ("open", "fsync", "mkdir", "unlink", "rmdir", "link")
        }
        self.rename = os.rename
        for name in self.real:
            patch.setattr(os, name, getattr(self, name))
        patch.setattr(os, "rename", self.renamed)
        patch.setattr(os, "replace", self.renamed)

    def known(self, path):
        """What is there at the start is on the disk."""
        node = self.nodes[path] = Node(os.path.isdir(path))
        if node.folder:
            for name in os.listdir(path):
                child = self.known(os.path.join(path, name))
                node.changes.append((-2, lambda e, name=name, child=child: e.update({name: child})))
            node.synced.append(-1)
        else:
            with open(path, "rb") as file:
                node.data = file.read()
            node.synced.append(-1)
        return node

    def path(self, path, dir_fd=None):
        path = os.fspath(path)
        return os.path.join(self.names[dir_fd], path) if dir_fd is not None else path

    def change(self, path, function):
        """Note a change of the folder that path is in."""
        self.nodes[os.path.dirname(path)].changes.append((self.moment, function))
        self.moment += 1

    def added(self, path, node):
        name = os.path.basename(path)
        self.nodes[path] = node
        self.change(path, lambda entries: entries.update({name: node}))

    def gone(self, path):
        name = os.path.basename(path)
        self.nodes.pop(path, None)
        self.change(path, lambda entries: entries.pop(name))

    def open(self, path, flags, mode=0o777, *, dir_fd=None):
        where = self.path(path, dir_fd)
        new = flags & os.O_CREAT and not os.path.lexists(where)
        descriptor = self.real["open"](path, flags, mode, dir_fd=dir_fd)
        self.names[descriptor] = where
        if new:
            self.added(where, Node(False))
        return descriptor

    def mkdir(self, path, mode=0o777):
        self.real["mkdir"](path, mode)
        self.added(self.path(path), Node(True))

    def fsync(self, descriptor):
        self.real["fsync"](descriptor)
        node = self.nodes[self.names[descriptor]]
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            with open(self.names[descriptor], "rb") as file:
                node.data = file.read()
        if node.folder or not self.forgetful:
            node.synced.append(self.moment)
        self.moment += 1

    def unlink(self, path, *, dir_fd=None):
        self.real["unlink"](path, dir_fd=dir_fd)
        self.gone(self.path(path, dir_fd))

    def rmdir(self, path, *, dir_fd=None):
        self.real["rmdir"](path, dir_fd=dir_fd)
        self.gone(self.path(path, dir_fd))

    def link(self, a, b):
        self.real["link"](a, b)
        self.added(str(b), self.nodes[str(a)])

    def renamed(self, a, b):
        self.rename(a, b)
        a, b = str(a), str(b)
        assert os.path.dirname(a) == os.path.dirname(b)
        old, new = os.path.basename(a), os.path.basename(b)
        for path in [p for p in self.nodes if p == a or p.startswith(a + os.sep)]:
            self.nodes[b + path[len(a) :]] = self.nodes.pop(path)
        self.change(b, lambda entries: entries.update({new: entries.pop(old)}))


def entries_of(node, count):
    entries = {}
    for _, function in node.changes[:count]:
        function(entries)
    return entries


def states(root, folders, moment):
    """The trees that may be on the disk when power fails before this moment, as nested dicts."""
    open_ended = [f for f in folders if len(f.possible(moment)) > 1]
    for counts in itertools.product(*(f.possible(moment) for f in open_ended)):
        chosen = {id(f): n for f, n in zip(open_ended, counts)}

        def tree(node, lost, chosen=chosen):
            if node.folder:
                count = chosen.get(id(node), node.possible(moment)[-1])
                return {n: tree(child, lost) for n, child in entries_of(node, count).items()}
            return node.data if any(s < moment for s in node.synced) else lost(node.data)

        for lost in (lambda d: b"", lambda d: d[: len(d) // 2], lambda d: bytes(len(d))):
            yield tree(root, lost)


def build(tree, path):
    path.mkdir()
    for name, value in tree.items():
        if isinstance(value, dict):
            build(value, path / name)
        else:
            (path / name).write_bytes(value)


def flat(tree):
    return tuple(sorted((n, flat(v) if isinstance(v, dict) else v) for n, v in tree.items()))


def recorded(folder, patched, forgetful=False):
    """The folder's node after two saves, and (moment, step) of what was acknowledged."""
    model = sn.nn.Linear(3, 1)
    checkpointer = Checkpointer(folder, model=model, keep=1, rng=False)

    def saved(step):
        with sn.no_grad():
            model.weight.fill_(float(step))
        checkpointer.save(step)

    saved(1)
    acknowledged = [(0, 1)]
    with patched.context() as patch:
        recorder = Recorder(folder, patch, forgetful)
        root = recorder.nodes[str(folder)]
        for step in (2, 3):
            saved(step)
            acknowledged.append((recorder.moment, step))
    checkpointer.close()
    return root, acknowledged


def checked(root, acknowledged, folder):
    """How many different states there are, and the bad ones' (moment, what happened)."""
    seen, bad = set(), []
    for moment in range(acknowledged[-1][0] + 1):
        least = max(step for when, step in acknowledged if when <= moment)
        for tree in states(root, _all_folders(root), moment):
            key = (least, flat(tree))
            if key not in seen:
                seen.add(key)
                build(tree, place := folder / str(len(seen)))
                try:
                    step = resumed(place)
                except Exception as error:  # noqa: BLE001  whatever it is, it is bad
                    bad.append((moment, repr(error)))
                else:
                    bad += [(moment, step)] if step < least else []
    return len(seen), bad


def test_whatever_reached_the_disk_the_acknowledged_checkpoint_restores(tmp_path, monkeypatch):
    root, acknowledged = recorded(tmp_path / "run", monkeypatch)
    count, bad = checked(root, acknowledged, tmp_path)
    assert bad == [] and count > 40, count


def test_the_states_would_show_a_missing_fsync(tmp_path, monkeypatch):
    root, acknowledged = recorded(tmp_path / "run", monkeypatch, forgetful=True)
    _, bad = checked(root, acknowledged, tmp_path)
    assert bad


def _all_folders(root):
    """Every folder there ever was."""
    found, waiting = [], [root]
    while waiting:
        node = waiting.pop()
        if node.folder and node not in found:
            found.append(node)
            for count in range(len(node.changes) + 1):
                waiting += entries_of(node, count).values()
    return found


def resumed(folder):
    """The step that restores, with the numbers that belong to it."""
    model = sn.nn.Linear(3, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        step = Checkpointer(folder, model=model, rng=False, read_only=True).restore()
    assert model.weight.tolist() == [[float(step)] * 3]
    return step
