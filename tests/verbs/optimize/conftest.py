"""What one test measured is not remembered in another."""

import pytest


@pytest.fixture(autouse=True)
def no_memory(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
