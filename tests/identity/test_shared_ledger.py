"""A ledger that two homes share: `mdash check` says when it was sealed with other keys."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyotp
import pytest

from dashboard.checks import findings
from dashboard.identity.accounts import Accounts
from dashboard.identity.sign_in import SignIn
from dashboard.operations import audit
from dashboard.operations.ledger import Ledger
from loaders.settings import Settings, load_settings
from tests.identity.conftest import PASSWORD

KEYS = ("trail.key", "identity.key")


def told(settings: Settings) -> list[tuple[bool, str]]:
    settings.shop.language = "en"
    return [(item["ok"], item["message"]) for item in findings(settings) if item["what"] == "Ledger"]


@pytest.fixture
def other(accounts: Accounts, ledger: Ledger, tmp_path: Path) -> Settings:
    """Another home over the same ledger, with keys of its own."""
    door = SignIn(ledger)
    door.take_second_factor("admin", PASSWORD, pyotp.TOTP(door.offer_second_factor("admin")).now())
    ledger.close()
    made = load_settings(tmp_path / "other")
    made.home.mkdir()
    shutil.copy(ledger.settings.home / "ledger.sqlite", made.home)
    return made


def test_another_homes_keys_are_asked_for(ledger: Ledger, other: Settings) -> None:
    assert told(ledger.settings) == [(True, "Its seals are this home's.")]
    assert [ok for ok, _ in told(other)] == [False]
    keys = ledger.settings.home / "keys"
    shutil.copy(keys / KEYS[1], other.home / "keys")
    assert "keys/trail.key" in told(other)[0][1]
    audit.record(Ledger(other), "admin", "signed_in")
    assert [ok for ok, _ in told(other)] == [False]


def test_with_both_keys_all_is_well(ledger: Ledger, other: Settings) -> None:
    (other.home / "keys").mkdir()
    for name in KEYS:
        shutil.copy(ledger.settings.home / "keys" / name, other.home / "keys")
    assert told(other) == [(True, "Its seals are this home's.")]


def test_a_home_without_a_ledger_gets_none_by_being_checked(tmp_path: Path) -> None:
    settings = load_settings(tmp_path / "new")
    assert told(settings) == []
    assert not (settings.home / "ledger.sqlite").exists()
