"""Opening the store: extensions are checked when they are new to the process, and never after."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from loaders.channels import retry_ladders
from loaders.errors import ConfigurationError
from loaders.settings import load_settings
from loaders.store import connection as store


def test_an_extension_that_was_altered_since_it_was_checked_is_refused(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = store._packaged("sqlite_scanner")
    assert found
    copy = tmp_path / found.name
    shutil.copyfile(found, copy)
    packaged = store._packaged
    monkeypatch.setattr(
        store, "_packaged", lambda name: copy if name == "sqlite_scanner" else packaged(name)
    )
    settings = load_settings(home)
    for _ in range(2):
        with store.connect(settings, retry_ladders(), read_only=True) as lake:
            assert lake.execute("select turn from lake.writer").fetchone() == (0,)
    other = tmp_path / "other"
    other.write_bytes(copy.read_bytes()[:-1] + b"\0")
    other.replace(copy)
    with pytest.raises(ConfigurationError, match="signature"):
        store.connect(settings, retry_ladders(), read_only=True)


def test_a_connection_takes_no_extension_without_a_signature(home: Path) -> None:
    settings = load_settings(home)
    for _ in range(2):
        with store.connect(settings, retry_ladders(), read_only=True) as lake:
            allowed = lake.execute("select current_setting('allow_unsigned_extensions')").fetchone()
            assert allowed == (False,)
            with pytest.raises(duckdb.InvalidInputException):
                lake.execute("set allow_unsigned_extensions = true")


def test_a_table_is_there_or_not(home: Path) -> None:
    with store.connect(load_settings(home), retry_ladders(), read_only=True) as lake:
        assert store.has_table(lake, "lake.writer")
        assert not store.has_table(lake, "lake.nothing")
        assert not store.has_table(lake, "writer")
