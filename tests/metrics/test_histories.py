"""What is kept of the buyers is what their orders say, after every load, undoing and erasing."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from dashboard.metrics.buyers import orders_sql
from dashboard.metrics.catalogue import Asked, sql
from dashboard.metrics.held import buyer_rows
from dashboard.metrics.question import Question
from loaders.channels import retry_ladders
from loaders.settings import load_settings
from loaders.store import histories
from loaders.store import warehouse as store
from loaders.store.erasure import erase
from loaders.store.histories import TABLES, model, summed
from loaders.store.reader import Reader, Row
from loaders.store.warehouse import Warehouse
from sample_data.merchant import Order, Refund
from tests.conftest import Sample, make_home, run_mdash
from tests.metrics.test_planted_buyers import load, made

_COUNTS = {"histories": (), "cells": ("returned", "net_fen"), "gaps": ("gaps",)}


def added_up(name: str, source: str) -> str:
    """Rows of a relation whose counts are signed, added up."""
    counts = _COUNTS[name]
    if not counts:
        return f"select * from {source}"
    sums = ", ".join(f"sum({count}) as {count}" for count in counts)
    return (
        f"select * exclude ({', '.join(counts)}), {sums} from {source} group by all"
        f" having {' or '.join(f'sum({count}) <> 0' for count in counts)}"
    )


def differences(one: list[Row], other: list[Row]) -> int:
    """Rows that stand in one of two lists alone."""
    left, right = (Counter(repr(sorted(row.items())) for row in rows) for rows in (one, other))
    return (left - right).total() + (right - left).total()


def wrong_now(home: Path) -> dict[str, int]:
    """For each table, how many rows differ from what all orders say."""
    reader = Reader(load_settings(home), retry_ladders())
    orders = f"({summed('lake.buyer_orders where buyer_key is not null')})"
    found = {}
    for table in TABLES:
        name = table.removeprefix("buyer_")
        made_anew = model(table).replace("{orders}", orders)
        found[table] = differences(
            reader.rows(added_up(name, f"lake.{table}")),
            reader.rows(added_up(name, f"({made_anew})")),
        )
    reader.close()
    return found


RIGHT = dict.fromkeys(TABLES, 0)


def orders_of_three_months() -> list[Order]:
    """Sixty orders of seven buyers, some refunded in part or whole, some twice at one moment."""
    at, found = datetime(2026, 1, 2, 23, 50), []
    for number in range(60):
        found.append(made(number, number * 5 % 7, at, 1_000 + number * 13))
        at += timedelta(hours=0 if number % 9 == 4 else 31 + number % 5)
    for order in found[::6]:
        done = order.created_at + timedelta(days=9)
        fen = order.amount_fen if order.number % 4 else 300
        order.refunds.append(Refund(f"R{order.number}", fen, done, done))
    return found


@pytest.mark.slow
def test_loads_undoing_and_erasing_leave_what_the_orders_say(
    tmp_path: Path, channel_key: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MERGED_AT_ONCE", 13)
    monkeypatch.setattr(histories, "ORDERS_AT_ONCE", 9)
    home, orders = make_home(tmp_path / "home", channel_key), orders_of_three_months()
    load(home, tmp_path / "a", orders, date(2026, 1, 1), date(2026, 2, 10))
    assert wrong_now(home) == RIGHT
    load(home, tmp_path / "b", orders, date(2026, 2, 11), date(2026, 4, 10))
    assert wrong_now(home) == RIGHT
    with Warehouse(load_settings(home), retry_ladders()) as warehouse:
        row = warehouse.execute("select max(buyer) from lake.buyer_orders").fetchone()
        assert row is not None
        erase(warehouse, [row[0]])
    assert wrong_now(home) == RIGHT
    with Warehouse(load_settings(home), retry_ladders()) as warehouse:
        warehouse.maintain()
    assert wrong_now(home) == RIGHT
    assert run_mdash(home, "undo", "3").code == 0
    assert wrong_now(home) == RIGHT


def test_a_lake_of_an_earlier_version_is_filled(tmp_path: Path, channel_key: bytes) -> None:
    home = make_home(tmp_path / "home", channel_key)
    load(home, tmp_path / "a", orders_of_three_months(), date(2026, 1, 1), date(2026, 4, 10))
    with Warehouse(load_settings(home), retry_ladders()) as warehouse:
        for table in TABLES:
            warehouse.execute(f"drop table lake.{table}")
    with Warehouse(load_settings(home), retry_ladders()) as warehouse:
        row = warehouse.execute("select count(*) from lake.buyer_histories").fetchone()
        assert row == (7,)
    assert wrong_now(home) == RIGHT


@pytest.mark.slow
@pytest.mark.parametrize("days", [0, 1, 40, 200])
def test_as_of_any_moment_it_is_what_the_orders_said_then(sample: Sample, days: int) -> None:
    """Taken from what is kept, and made anew of all orders as of then."""
    reader = Reader(load_settings(sample.home), retry_ladders())
    as_of = reader.watermarks()["notification_log"] - timedelta(days=days)
    asked = Asked(reader, Question(as_of.date(), as_of.date()), as_of, frozenset())
    orders = orders_sql().replace("{first_order}", "")
    for name in _COUNTS:
        made_anew = model(f"buyer_{name}").replace("{orders}", "ordered")
        plain = asked.rows(f"with {orders} {added_up(name, f'({made_anew})')}")
        kept = buyer_rows(asked, f"with {sql('buyer_histories')} {added_up(name, name)}")
        assert differences(kept, plain) == 0, name
    reader.close()
