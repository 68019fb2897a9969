"""A home with one person of each built-in role."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.identity.accounts import Accounts
from dashboard.identity.rights import ROLES
from dashboard.operations.ledger import Ledger
from loaders.settings import Settings, load_settings

PASSWORD = "correct horse battery"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A new home's settings."""
    return load_settings(tmp_path / "people-home")


@pytest.fixture
def ledger(settings: Settings) -> Iterator[Ledger]:
    """That home's ledger."""
    made = Ledger(settings)
    yield made
    made.close()


@pytest.fixture
def empty(ledger: Ledger) -> Accounts:
    """Accounts of a home that has none."""
    return Accounts(ledger)


@pytest.fixture
def accounts(empty: Accounts) -> Accounts:
    """One account of each built-in role, named as the role; the admin alone has a password."""
    empty.add(None, "admin", "admin", PASSWORD)
    boss = empty.person("admin")
    for role in ROLES:
        if role != "admin":
            empty.add(boss, role, role)
    return empty
