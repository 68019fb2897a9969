"""The broken shop, loaded once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.reconciliation.shop import Shop, shop


@pytest.fixture(scope="session")
def broken(channel_key: bytes) -> Shop:
    """A shop broken once in every way."""
    return shop(channel_key)


@pytest.fixture(scope="session")
def broken_home(
    broken: Shop, made_once: Callable[..., Path], fresh_home: Path, channel_key: bytes
) -> Path:
    """The home that loaded all its files at once. Tests must not change it."""
    def make(folder: Path) -> None:
        shutil.copytree(fresh_home, folder / "home")
        broken.home(folder, channel_key)

    return made_once("broken", make) / "home"
