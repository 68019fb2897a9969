"""Notes of people and everything else that is marked on a chart."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import insert, update

from dashboard.operations.ledger import Ledger
from dashboard.operations.notes import (
    add_note,
    marked,
    notes,
    remove_note,
    see_definitions,
    timeline,
)
from dashboard.operations.tables import METRIC_VERSIONS
from loaders.channels import retry_ladders
from loaders.errors import RefusedInput
from loaders.settings import Settings, load_settings
from loaders.store.reader import Reader
from tests.conftest import Sample

ZONE = "Asia/Shanghai"
DAY = date(2026, 10, 20)


def test_a_note_stands_at_its_day_or_instant(ledger: Ledger) -> None:
    add_note(ledger, " 改了\n收银台 ", day=DAY, author="ann", filters={"product": "QUICK_WAP_WAY"})
    add_note(ledger, "just after midnight", at=datetime(2026, 10, 19, 16, 0, 1))
    add_note(ledger, "just before midnight", at=datetime(2026, 10, 19, 15, 59, 59))
    found = notes(ledger, DAY, DAY, ZONE)
    assert [note.text for note in found] == ["改了 收银台", "just after midnight"]
    early = notes(ledger, DAY - timedelta(days=1), DAY - timedelta(days=1), ZONE)
    assert [note.text for note in early] == ["just before midnight"]


def test_only_its_author_deletes_a_note(ledger: Ledger) -> None:
    note = add_note(ledger, "x", day=DAY, author="ann")
    with pytest.raises(RefusedInput):
        remove_note(ledger, note.id, author="bob")
    remove_note(ledger, note.id, author="ann")
    assert notes(ledger, DAY, DAY, ZONE) == []


def test_what_is_no_note_is_refused(ledger: Ledger) -> None:
    at = datetime(2026, 10, 20)
    with pytest.raises(RefusedInput):
        add_note(ledger, "  ", day=DAY)
    with pytest.raises(RefusedInput):
        add_note(ledger, "x" * 501, day=DAY)
    with pytest.raises(RefusedInput):
        add_note(ledger, "x")
    with pytest.raises(RefusedInput):
        add_note(ledger, "x", day=DAY, at=at)
    with pytest.raises(RefusedInput):
        add_note(ledger, "x", day=DAY, filters={"buyer": "wei"})


def test_a_changed_definition_is_marked_and_the_first_one_is_not(
    ledger: Ledger, settings: Settings
) -> None:
    reader = Reader(settings, retry_ladders())
    see_definitions(ledger)
    far = date(2020, 1, 1), date(2099, 1, 1)
    assert timeline(ledger, reader, *far) == []
    with ledger.transaction() as connection:
        connection.execute(
            update(METRIC_VERSIONS).where(METRIC_VERSIONS.c.metric == "sales").values(version=0)
        )
        connection.execute(insert(METRIC_VERSIONS).values(
            metric="new", version=7, first_seen_at=datetime(2026, 1, 1)))
    [mark] = timeline(ledger, reader, *far)
    assert (mark.kind, mark.values) == ("definition", {"metric": "sales", "version": 2})


def test_everything_worth_marking_comes_in_time_order(ledger: Ledger, sample: Sample) -> None:
    reader = Reader(load_settings(sample.home), retry_ladders())
    add_note(ledger, "x", day=date(2026, 6, 19), filters={"product": "QUICK_WAP_WAY"})
    found = timeline(ledger, reader, date(2026, 6, 1), date(2026, 6, 30))
    reader.close()
    sale = [order.created_at.date() for order in sample.orders if order.campaign == "618"]
    told = [(item.kind, item.values.get("name", item.values.get("text"))) for item in found]
    assert told == [("campaign", "member"), ("campaign", "618"), ("note", "x")]
    mark = found[1]
    assert mark.begin == datetime.combine(min(sale), datetime.min.time()) - timedelta(hours=8)
    assert mark.end == datetime.combine(max(sale), datetime.min.time()) + timedelta(hours=16)
    assert marked(found, {"product": ["OTHER"]}) == found[:2]
    assert marked(found, {"campaign": ["618"]}) == found[1:]
    assert marked(found, {}) == found


def test_loads_are_marked_when_they_came(ledger: Ledger, sample: Sample) -> None:
    reader = Reader(load_settings(sample.home), retry_ladders())
    found = timeline(ledger, reader, date(2020, 1, 1), date(2099, 1, 1))
    loaded = reader.one("select count(*) as n from lake.loads where status = 'loaded'")["n"]
    reader.close()
    assert sum(item.kind == "load" for item in found) == loaded > 0
