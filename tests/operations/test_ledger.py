"""The ledger keeps what it was told, alone while it writes, readable by its user only."""

from __future__ import annotations

import sqlite3
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError

from dashboard.operations import views
from dashboard.operations.ledger import UPGRADES, Ledger
from dashboard.operations.tables import ALERT_EPISODES, NOTES, VERSION
from loaders.errors import ConfigurationError, RefusedInput
from loaders.settings import Settings, load_settings


def test_sqlite_is_durable_strict_and_private(ledger: Ledger, settings: Settings) -> None:
    with ledger.transaction() as connection:
        told = [connection.execute(text(f"pragma {name}")).scalar_one()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")]
    assert told == ["wal", 2, 1, 30_000]
    for file in settings.home.glob("ledger.sqlite*"):
        assert file.stat().st_mode & 0o077 == 0, file


def test_a_transaction_is_all_or_nothing(ledger: Ledger) -> None:
    def fail() -> None:
        with ledger.transaction() as connection:
            connection.execute(insert(VERSION).values(version=99))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with ledger.reading() as connection:
        assert connection.execute(select(VERSION.c.version)).scalars().all() == [len(UPGRADES)]


def test_writers_wait_for_each_other(settings: Settings) -> None:
    """Each adds one to what it read; without a lock from the beginning some would be lost."""
    def work() -> None:
        ledger = Ledger(settings)
        for _ in range(5):
            with ledger.transaction() as connection:
                held = connection.execute(text("select n from counter")).scalar_one()
                connection.execute(text("update counter set n = :n"), {"n": held + 1})

    with Ledger(settings).transaction() as connection:
        connection.execute(text("create table counter (n integer)"))
        connection.execute(text("insert into counter values (0)"))
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Ledger(settings).reading() as connection:
        assert connection.execute(text("select n from counter")).scalar_one() == 20


def test_a_newer_ledger_is_left_alone(settings: Settings) -> None:
    with Ledger(settings).transaction() as connection:
        connection.execute(text("update ledger_version set version = 1000"))
    with pytest.raises(ConfigurationError, match="newer"), Ledger(settings).reading():
        pass


def test_an_empty_file_becomes_a_ledger(settings: Settings) -> None:
    settings.home.mkdir()
    sqlite3.connect(settings.home / "ledger.sqlite").close()
    assert views.views(Ledger(settings)) == []


def test_an_instant_with_a_zone_is_refused(ledger: Ledger) -> None:
    with pytest.raises(Exception, match="naive UTC"), ledger.transaction() as connection:
        connection.execute(insert(NOTES).values(
            at=datetime.now(UTC), text="x", author="x", filters={}, created_at=datetime(2026, 1, 1)
        ))


def test_references_hold(ledger: Ledger) -> None:
    with pytest.raises(IntegrityError), ledger.transaction() as connection:
        connection.execute(insert(ALERT_EPISODES).values(
            rule_id=404, part="", begun_at=datetime(2026, 1, 1), noticed_at=datetime(2026, 1, 1),
            n=1, contributors=[], recorded_at=datetime(2026, 1, 1),
        ))


def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    settings = load_settings(tmp_path)
    settings.store.ledger = "mysql://root:secret@db/x"
    with pytest.raises(ConfigurationError) as caught, Ledger(settings).reading():
        pass
    assert "secret" not in str(caught.value)


def test_views_are_private_until_shared(ledger: Ledger) -> None:
    mine = views.save(ledger, "  my   view ", "overview", "?product=A&from=2026-10-01", owner="ann")
    views.save(ledger, "ours", "failures", "", owner="bob", is_shared=True)
    views.save(ledger, "his", "failures", "", owner="bob")
    assert mine.name == "my view"
    assert mine.link == "/overview?product=A&from=2026-10-01"
    assert [view.name for view in views.views(ledger, "ann")] == ["my view", "ours"]
    again = views.save(ledger, "my view", "latency", "", owner="ann")
    assert (again.id, again.page) == (mine.id, "latency")


def test_only_its_owner_changes_a_view(ledger: Ledger) -> None:
    view = views.save(ledger, "one", "overview", "", owner="ann", is_shared=True)
    with pytest.raises(RefusedInput):
        views.rename(ledger, view.id, "two", owner="bob")
    with pytest.raises(RefusedInput):
        views.remove(ledger, view.id, owner="bob")
    views.save(ledger, "two", "overview", "", owner="ann")
    with pytest.raises(RefusedInput, match="already"):
        views.rename(ledger, view.id, "two", owner="ann")
    assert views.rename(ledger, view.id, "three", owner="ann").name == "three"
    views.remove(ledger, view.id, owner="ann")
    assert [item.name for item in views.views(ledger, "ann")] == ["two"]


@pytest.mark.parametrize(
    ("page", "query"),
    [("../x", ""), ("//evil.example", ""), ("", ""), ("Over view", ""), ("overview", "a=" + "x" * 3000)],
)
def test_what_is_no_view_is_refused(ledger: Ledger, page: str, query: str) -> None:
    with pytest.raises(RefusedInput):
        views.save(ledger, "x", page, query)


def test_a_saved_query_is_only_a_query(ledger: Ledger) -> None:
    view = views.save(ledger, "x", "overview", "store=店 1&q=<script>\r\nX: 1#frag")
    assert view.query.isascii()
    assert not set(view.query) & set("<>\r\n# ")
