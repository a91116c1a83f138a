"""Laws of the disk: full, failing, read-only. What was there stays, nothing half-made is left, and
the next call heals."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import subprocess
import sys

import fault_server as fs
import pytest

from sensorium.errors import CacheError, DiskSpaceError
from sensorium.hub import sink, store


# -- full disks and read-only caches -----------------------------------------------------------------
def test_too_little_space_is_told_before_the_transfer(server, get, body, monkeypatch):
    url, digest = server.publish("/a.bin", body)
    usage = type("usage", (), {"free": 1000})
    monkeypatch.setattr(sink.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(DiskSpaceError, match="need 200000 bytes, 1000 are free"):
        get(url, sha256=digest)
    monkeypatch.undo()


@pytest.mark.parametrize("call", ["write", "fsync", "replace", "chmod"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_failing_disk_leaves_nothing_and_heals(
    server, get, body, home, monkeypatch, call, number
):
    url, digest = server.publish("/a.bin", body)

    def fail(*args, **options):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(sink.os, call, fail)
        kind = CacheError if number == errno.EIO else DiskSpaceError
        with pytest.raises(kind, match="SENSORIUM_HOME"):
            get(url, sha256=digest)
    assert not list(home.glob("tmp/*")) and not list(home.glob("index/*"))
    assert get(url, sha256=digest).read_bytes() == body


@pytest.mark.parametrize("call", ["open", "write", "fsync", "replace", "chmod", "mkdir"])
def test_the_kth_call_of_a_disk_fails(server, get, body, home, call):
    """For every k: the k-th call of its kind fails; a result is right, an error is a CacheError,
    and the next fetch heals."""
    original, k, seen = getattr(os, call), 0, 0

    def fail(*args, **options):
        nonlocal seen
        seen += isinstance(args[0], int) or str(home) in str(args[0])
        if seen == k:
            seen += 1
            raise OSError(errno.ENOSPC, "no space")
        return original(*args, **options)

    while seen >= k:  # until a run ends before its k-th call
        k, seen = k + 1, 0
        content = body + bytes([k])
        url, digest = server.publish(f"/{k}.bin", content)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, call, fail)
            with contextlib.suppress(CacheError):
                assert get(url, sha256=digest).read_bytes() == content
        assert get(url, sha256=digest).read_bytes() == content
    assert k >= 2


def test_an_entry_that_cannot_be_written_is_an_error(server, get, body, monkeypatch):
    url, digest = server.publish("/a.bin", body)
    original = os.write

    def write(descriptor, data):
        if len(data) < 1000:
            raise OSError(errno.ENOSPC, "no space")
        return original(descriptor, data)

    with monkeypatch.context() as patch:
        patch.setattr(sink.os, "write", write)
        with pytest.raises(DiskSpaceError):
            get(url, hash_prefix=digest[:8])
    assert get(url, hash_prefix=digest[:8]).read_bytes() == body


def test_a_blob_that_vanishes_while_it_is_stored(server, get, body, monkeypatch):
    url, digest = server.publish("/a.bin", body)
    with monkeypatch.context() as patch:
        patch.setattr(store, "_stamp", lambda path: None)
        with pytest.raises(CacheError, match="vanished"):
            get(url, hash_prefix=digest[:8])
    assert get(url, hash_prefix=digest[:8]).read_bytes() == body


def test_a_rename_that_reports_failure_after_success_is_success(server, get, body, monkeypatch):
    """As network file systems do: the file that stands there decides, not the return code."""
    url, digest = server.publish("/a.bin", body)
    original = os.replace

    def replace(source, target):
        original(source, target)
        if "blobs" in str(target):
            raise OSError(errno.EIO, "lost reply")

    with monkeypatch.context() as patch:
        patch.setattr(sink.os, "replace", replace)
        assert get(url, sha256=digest).read_bytes() == body


def test_a_file_size_limit_is_a_full_disk(server, home, body):
    """RLIMIT_FSIZE in a child: the kernel's own refusal in the middle of the file."""
    url, digest = server.publish("/a.bin", body)
    code = (
        "import sys; from sensorium import hub; from sensorium.errors import DiskSpaceError\n"
        "try: hub.fetch(sys.argv[1], sha256=sys.argv[2])\n"
        "except DiskSpaceError as error: print(error)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, url, digest],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )
    assert "too large" in run.stdout, run.stderr
    assert not list(home.glob("blobs/*"))


def test_a_full_tmpfs(server, get, body, tmp_path, monkeypatch):
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a tmpfs needs root")
    try:
        monkeypatch.setenv("SENSORIUM_HOME", str(folder))
        url, digest = server.publish("/a.bin", body, fs.chunked)  # no length: found out midway
        with pytest.raises(DiskSpaceError):
            get(url, sha256=digest)
        server.plan("/a.bin", fs.ok)
        with pytest.raises(DiskSpaceError, match="need 200000 bytes"):
            get(url, sha256=digest)
        assert not list(folder.glob("blobs/*")) and not list(folder.glob("tmp/*"))
        small, digest = server.publish("/small.bin", body[:1000])
        assert get(small, sha256=digest).read_bytes() == body[:1000]
    finally:
        subprocess.run(["umount", str(folder)], check=True)


_READ_ONLY = """
import os, sys
from sensorium import hub  # before the change of user, who may not read the interpreter
from sensorium.errors import CacheError
os.setgid(65534); os.setuid(65534)
folder, url, digest, other = sys.argv[1:]
try:
    open(os.path.join(folder, "probe"), "w")
    sys.exit("the probe could be written: this test proves nothing")
except PermissionError:
    pass
print(hub.fetch(url, sha256=digest))
try:
    hub.fetch(other, sha256="0" * 64)
except CacheError as error:
    assert folder in str(error) and "SENSORIUM_HOME" in str(error), error
    print("CacheError")
"""


def test_a_read_only_cache_serves_hits(server, get, body, tmp_path_factory, monkeypatch):
    if os.getuid() != 0:
        pytest.skip("dropping to another user needs root")
    import tempfile

    with tempfile.TemporaryDirectory() as base:  # pytest's own folders are closed to other users
        os.chmod(base, 0o755)
        folder = os.path.join(base, "cache")
        monkeypatch.setenv("SENSORIUM_HOME", folder)
        url, digest = server.publish("/a.bin", body)
        path = get(url, sha256=digest)
        for where, _, _ in os.walk(folder):
            os.chmod(where, 0o555)
        arguments = [folder, url, digest, server.url("/other.bin")]
        run = subprocess.run(
            [sys.executable, "-c", _READ_ONLY, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert run.stdout.split() == [str(path), "CacheError"], run.stderr
