"""The broken shop, loaded once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reconciliation.shop import Shop, shop


@pytest.fixture(scope="session")
def broken(channel_key: bytes) -> Shop:
    """A shop broken once in every way."""
    return shop(channel_key)


@pytest.fixture(scope="session")
def broken_home(broken: Shop, tmp_path_factory: pytest.TempPathFactory, channel_key: bytes) -> Path:
    """The home that loaded all its files at once. Tests must not change it."""
    return broken.home(tmp_path_factory.mktemp("broken"), channel_key)
