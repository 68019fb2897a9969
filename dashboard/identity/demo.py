"""The demo's accounts, one of each role, whom a click signs in; no other home can have them."""

from __future__ import annotations

import hmac
from pathlib import Path

from sqlalchemy import insert, select

from dashboard.identity.rights import ROLES, SYSTEM
from dashboard.identity.tables import ACCOUNTS
from dashboard.operations import audit
from dashboard.operations.ledger import Ledger, now
from loaders.privacy import home_key
from loaders.settings import Settings

_MARK, _BEGUN, _KEY = "demo-ready", "demo-started", "demo-sign-in.key"


def mark(settings: Settings) -> None:
    """Say that the demo made this home, and give it its people; only `mdash demo` does."""
    home = settings.home
    (home / _MARK).write_text(_proof(home), "utf-8")
    ledger = Ledger(settings)
    try:
        _people(ledger)
    finally:
        ledger.close()


def is_demo(settings: Settings) -> bool:
    """True for a home that the demo made, served to this machine alone."""
    home = settings.home
    if not settings.server.is_loopback or not (home / _BEGUN).exists():
        return False
    try:
        told = (home / _MARK).read_text("utf-8")
    except OSError:
        return False
    return (home / "keys" / _KEY).exists() and hmac.compare_digest(told, _proof(home))


def people(ledger: Ledger) -> list[str]:
    """The demo's people who may be signed in by a click."""
    if not is_demo(ledger.settings):
        return []
    with ledger.reading() as connection:
        found = connection.execute(
            select(ACCOUNTS.c.name).where(ACCOUNTS.c.is_demo, ACCOUNTS.c.is_active)
        ).scalars().all()
    return [name for name in reversed(ROLES) if name in found]


def _people(ledger: Ledger) -> None:
    with ledger.transaction() as connection:
        if connection.execute(select(ACCOUNTS.c.name)).first():
            return
        for name in ROLES:
            connection.execute(insert(ACCOUNTS).values(
                name=name, role=name, is_active=True, is_demo=True, created_at=now()
            ))
            audit.append(ledger, connection, SYSTEM.name, "account_added", name, role=name, demo=True)


def _proof(home: Path) -> str:
    return hmac.digest(home_key(home, _KEY), b"demo", "sha256").hex()
