"""Finding the files of datasets that are folders."""

from __future__ import annotations

import os
from collections.abc import Iterator


def files_below(folder: str, above: frozenset[tuple[int, int]] = frozenset()) -> Iterator[str]:
    """Paths of all files below folder, in the order of sorted names, a folder's own files first.

    Links are followed, but not into a folder that holds the link (``above``: the folders on the
    way): that has no end.
    """
    status = os.stat(folder)
    identity = (status.st_dev, status.st_ino)
    if identity in above:
        return
    entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    yield from (entry.path for entry in entries if entry.is_file())
    for entry in entries:
        if entry.is_dir():
            yield from files_below(entry.path, above | {identity})
