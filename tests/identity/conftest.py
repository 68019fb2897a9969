"""A home with one person of each built-in role."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from dashboard.identity import passwords
from dashboard.identity.accounts import Accounts
from dashboard.identity.rights import ROLES
from dashboard.operations.ledger import Ledger
from loaders.settings import Settings, load_settings

PASSWORD = "correct horse battery"


@pytest.fixture(scope="session", autouse=True)
def _light_hashing() -> Iterator[None]:
    """Passwords hashed by the same algorithm with little memory; its full cost is tested apart."""
    patch = pytest.MonkeyPatch()
    patch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
    passwords._nobodys.cache_clear()
    yield
    patch.undo()
    passwords._nobodys.cache_clear()


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


@pytest.fixture(scope="session")
def _staffed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("staffed") / "home"
    made = Ledger(load_settings(home))
    accounts = Accounts(made)
    accounts.add(None, "admin", "admin", PASSWORD)
    boss = accounts.person("admin")
    for role in ROLES:
        if role != "admin":
            accounts.add(boss, role, role)
    made.close()
    return home


@pytest.fixture
def accounts(_staffed: Path, settings: Settings, ledger: Ledger) -> Accounts:
    """One account of each built-in role, named as the role; the admin alone has a password."""
    shutil.copytree(_staffed, settings.home)
    return Accounts(ledger)
