"""What is known about a file before it arrives: its hash and the most bytes it may have."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from sensorium.errors import IntegrityError

_SHA256 = re.compile(r"[0-9a-f]{64}")
_PREFIX = re.compile(r"[0-9a-f]{8,64}")
_GIT = re.compile(r"[0-9a-f]{40}")
# name-<sha256 prefix>.ext, the rule by which torchvision and torch.hub name their files
_PUBLISHED = re.compile(r"-([0-9a-f]{8,64})\.[A-Za-z0-9]+$")


class Hashed(Protocol):
    """Bytes that know their hashes."""

    def digest(self) -> str: ...
    def git_digest(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Expect:
    """sha256 in full, or its published first digits (at least 8), or git's blob sha1 where a
    server publishes no other, or nothing; at most ``size`` bytes.

    >>> Expect(hash_prefix="ba7816bf").matches(
    ...     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    True
    """

    sha256: str | None = None
    hash_prefix: str | None = None
    size: int | None = None
    git_sha1: str | None = None

    def __post_init__(self) -> None:
        if self.sha256 is not None and not _SHA256.fullmatch(self.sha256):
            raise IntegrityError(
                f"sha256 has 64 lower-case hexadecimal digits, got {self.sha256!r}"
            )
        if self.hash_prefix is not None and not _PREFIX.fullmatch(self.hash_prefix):
            raise IntegrityError(
                f"hash_prefix has 8 to 64 lower-case hexadecimal digits, got {self.hash_prefix!r}"
            )
        if self.git_sha1 is not None and not _GIT.fullmatch(self.git_sha1):
            raise IntegrityError(
                f"git_sha1 has 40 lower-case hexadecimal digits, got {self.git_sha1!r}"
            )
        if self.size is not None and not (type(self.size) is int and self.size > 0):
            raise IntegrityError(f"size is a positive number of bytes, got {self.size!r}")

    @property
    def digits(self) -> str:
        """The known digits of the sha256; empty when nothing is known."""
        return self.sha256 or self.hash_prefix or ""

    @property
    def known(self) -> str:
        """What identifies the content: digits of its sha256, else git's sha1; empty for nothing."""
        return self.digits or (f"git:{self.git_sha1}" if self.git_sha1 else "")

    def problem(self, content: Hashed, what: str) -> str | None:
        """Which of the hashes ``content`` does not have, or None."""
        if not self.matches(content.digest()):
            return self.mismatch(content.digest(), what)
        if self.git_sha1 and content.git_digest() != self.git_sha1:
            return f"{what}: expected git blob {self.git_sha1}, got {content.git_digest()}"
        return None

    def matches(self, digest: str) -> bool:
        """True if every known digit of the sha256 agrees (also when none is known)."""
        return digest.startswith(self.sha256 or "") and digest.startswith(self.hash_prefix or "")

    def mismatch(self, digest: str, what: str) -> str:
        known = "sha256" if self.sha256 else "sha256 beginning"
        return f"{what}: expected {known} {self.digits}, got {digest}"


def git_blob_sha1(file: BinaryIO, size: int) -> str:
    """git's name of a file's content: sha1 of ``blob SIZE``, a NUL and the bytes.

    >>> import io
    >>> git_blob_sha1(io.BytesIO(b"hello"), 5)  # git hash-object
    'b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0'
    """
    found = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    while block := file.read(1 << 20):
        found.update(block)
    return found.hexdigest()


def published_prefix(file_name: str) -> str | None:
    """The hash prefix that a file name carries, or None.

    >>> published_prefix("resnet50-11ad3fa6.pth")
    '11ad3fa6'
    >>> published_prefix("vit-b.v2-abcdef12.pth"), published_prefix("model-.pth")
    ('abcdef12', None)
    """
    match = _PUBLISHED.search(file_name)
    return match[1] if match else None
