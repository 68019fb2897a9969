"""A key of the home is made once and whole, whoever asks at the same time; a broken one is refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from loaders.errors import ConfigurationError
from loaders.privacy import home_key


def test_all_who_ask_at_once_get_the_same_whole_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: home_key(tmp_path, "a.key"), range(64)))
    assert [len(key) for key in found] == [32]
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["a.key"]
    assert (tmp_path / "keys" / "a.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_key_that_is_cut_off_is_refused_and_stays(tmp_path: Path, size: int) -> None:
    path = tmp_path / "keys" / "a.key"
    path.parent.mkdir()
    path.write_bytes(b"k" * size)
    with pytest.raises(ConfigurationError, match="key"):
        home_key(tmp_path, "a.key")
    assert path.stat().st_size == size
