"""The ledger in PostgreSQL, on a real server: the same promises as in SQLite."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from dashboard.operations import alert_rules, notes, outbox, views
from dashboard.operations.ledger import Ledger
from loaders.errors import ConfigurationError
from loaders.settings import Settings, load_settings
from tests.store.test_postgres import catalog, server

__all__ = ["catalog", "server"]
pytestmark = pytest.mark.postgres


@pytest.fixture
def shared(catalog: str, tmp_path: Path) -> Settings:
    """Settings whose ledger stands beside the shared catalog, without being told so."""
    settings = load_settings(tmp_path / "home")
    settings.store.catalog = catalog
    return settings


@pytest.fixture
def ledgers(shared: Settings) -> Iterator[list[Ledger]]:
    """Two machines' ledgers."""
    found = [Ledger(shared) for _ in range(2)]
    yield found
    for ledger in found:
        ledger.close()


def test_two_machines_share_one_ledger(ledgers: list[Ledger], shared: Settings) -> None:
    view = views.save(ledgers[0], "ours", "overview", "product=A", is_shared=True)
    note = notes.add_note(ledgers[0], "x", at=datetime(2026, 10, 1, 12, 0, 0, 123456))
    assert views.views(ledgers[1], "ann") == [view]
    assert note.at == datetime(2026, 10, 1, 12, 0, 0, 123456)
    assert len(alert_rules.rules(ledgers[1])) == len(alert_rules.BEGINNING)
    assert not (shared.home / "ledger.sqlite").exists()


def test_two_machines_begin_and_write_in_turn(shared: Settings) -> None:
    """Both make the schema at once, and each adds one to what it read."""
    sent: list[str] = []

    def work() -> None:
        ledger = Ledger(shared)
        with ledger.transaction() as connection:
            connection.execute(text("create table if not exists counter (n integer)"))
            if not connection.execute(text("select count(*) from counter")).scalar_one():
                connection.execute(text("insert into counter values (0)"))
        for at in range(5):
            with ledger.transaction() as connection:
                held = connection.execute(text("select n from counter")).scalar_one()
                connection.execute(text("update counter set n = :n"), {"n": held + 1})
                outbox.put(connection, f"key-{at}", "mail", "a@b.example", {"text": str(at)})
            outbox.deliver(ledger, lambda envelope: sent.append(envelope.key))
        ledger.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ledger = Ledger(shared)
    with ledger.reading() as connection:
        assert connection.execute(text("select n from counter")).scalar_one() == 15
    ledger.close()
    assert sorted(sent) == sorted(set(sent))
    assert len(sent) == 5


def test_an_error_of_the_server_shows_no_password(tmp_path: Path) -> None:
    settings = load_settings(tmp_path)
    settings.store.ledger = "postgresql://mdash:hunter2@127.0.0.1:1/nothing"
    with pytest.raises(ConfigurationError) as caught, Ledger(settings).reading():
        pass
    assert "hunter2" not in str(caught.value)
