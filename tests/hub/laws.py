"""What every fault must end in; shared by the tests of this folder."""

from __future__ import annotations

import pickle

import fault_server as fs
import pytest

from sensorium.errors import HubError


def heals(server, get, path, body, **known):
    """The same call against the healthy server gives the file."""
    server.plan(path, fs.ok)
    assert get(server.url(path), **known).read_bytes() == body


def fails(get, kind, url, *words, **known):
    """The call raises exactly ``kind``, its message names each of ``words`` and it pickles."""
    with pytest.raises(HubError) as caught:
        get(url, **known)
    assert type(caught.value) is kind, repr(caught.value)
    for word in words:
        assert word in str(caught.value)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert type(copy) is kind and str(copy) == str(caught.value)
