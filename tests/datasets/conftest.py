"""A cache of Keras in a folder of the test, with small files in place of the real ones."""

import pytest

from lamina.utils import files


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The folder ``datasets`` of the cache; whatever lies there counts as the right file."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(files, "validate_file", lambda path, file_hash, algorithm="auto": True)
    folder = tmp_path / "datasets"
    folder.mkdir()
    return folder


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """An empty cache, and no network."""

    def refuse(origin, timeout):
        raise OSError("no network")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr("urllib.request.urlopen", refuse)
    return tmp_path / "datasets"
