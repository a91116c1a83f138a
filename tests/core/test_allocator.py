"""malloc's policy is set once, unless the user has one, and a user can refuse it."""

from __future__ import annotations

import platform

import pytest

from sensorium.backends.cpu import allocator


@pytest.fixture(autouse=True)
def no_policy_of_the_user(monkeypatch):
    for name in [n for n in allocator.os.environ if n.startswith("MALLOC_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("SENSORIUM_KEEP_MEMORY", raising=False)


def test_it_is_set_where_the_c_library_has_it():
    assert allocator.keep_freed_memory() == (platform.libc_ver()[0] == "glibc")


@pytest.mark.parametrize("name", ["SENSORIUM_KEEP_MEMORY", "MALLOC_TRIM_THRESHOLD_"])
def test_the_environment_can_refuse_it(monkeypatch, name):
    monkeypatch.setenv(name, "0")
    assert not allocator.keep_freed_memory()
