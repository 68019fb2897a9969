"""Renewing what is kept of the buyers, against making it anew of all orders, for many random loads."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

import duckdb
import pytest

from loaders.store import histories
from loaders.store.connection import _define_macros
from loaders.store.histories import TABLES, model, renew, summed
from loaders.store.warehouse import sql_file, statements

COUNTS = {"buyer_cells": ("returned", "net_fen"), "buyer_gaps": ("gaps",)}
BEGIN = datetime(2026, 1, 1)
Order = tuple[object, ...]


@pytest.fixture
def lake() -> Iterator[duckdb.DuckDBPyConnection]:
    """The tables of the buyers in a database of their own."""
    connection = duckdb.connect(":memory:")
    connection.execute("attach ':memory:' as lake")
    _define_macros(connection, "Asia/Shanghai", {})
    connection.execute("use lake")
    for statement in statements(sql_file("schema", "tables")):
        if "exists buyer_" in statement:
            connection.execute(statement)
    connection.execute("use memory")
    yield connection
    connection.close()


def some_order(chance: random.Random, day: int) -> Order:
    """An order of one of nine buyers around a day: paid or not, at times two at one moment."""
    at = BEGIN + timedelta(days=day, hours=8 * chance.randrange(3))
    paid = None if chance.random() < 0.25 else at + timedelta(hours=chance.choice((0, 1, 30)))
    failed = chance.random() < 0.3
    return (
        at, paid, chance.randrange(9), chance.choice("pq"), "failed" if failed else "succeeded",
        "timeout" if failed else None, None if paid is None else chance.randrange(1, 5) * 100,
    )


def changed(chance: random.Random, order: Order) -> Order:
    """The order as a later load may tell it: paid now, refunded in part, or in whole."""
    at, paid, buyer, product, first, reason, _ = order
    if paid is None:
        assert isinstance(at, datetime)
        return (at, at + timedelta(hours=chance.randrange(40)), buyer, product, first, reason, 700)
    if chance.random() < 0.5:
        return (at, paid, buyer, product, first, reason, 1)
    return (at, None, buyer, product, first, reason, None)


def add(lake: duckdb.DuckDBPyConnection, taken: list[Order], given: list[Order]) -> None:
    """One load: orders as they were, taken out, and as they are, put in."""
    lake.execute("create or replace temp table signed as select * from lake.buyer_orders limit 0")
    for sign, orders in ((-1, taken), (1, given)):
        for at, paid, buyer, product, first, reason, net in orders:
            lake.execute(
                "insert into signed by name select ?::timestamp as created_at, ?::timestamp as paid_at,"
                " ?::ubigint as buyer_key, 'alipay' as channel, ? as product, ? as first_attempt,"
                f" ?::varchar as first_reason, {sign} as orders, {sign} * coalesce(?, 0) as net_fen",
                [at, paid, buyer, product, first, reason, net],
            )
    lake.execute(
        "create or replace temp table buyer_delta as select * exclude (orders, net_fen),"
        " sum(orders)::bigint as orders, sum(net_fen)::bigint as net_fen from signed group by all"
        " having sum(orders) <> 0 or sum(net_fen) <> 0"
    )
    lake.execute("insert into lake.buyer_orders by name select * from buyer_delta")
    renew(lake.execute)


def wrong(lake: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """For each table, rows that differ from what all orders say."""
    orders, found = f"({summed('lake.buyer_orders')})", {}
    for table in TABLES:
        sides = []
        for source in (f"lake.{table}", f"({model(table).replace('{orders}', orders)})"):
            counts = COUNTS.get(table, ())
            sums = "".join(f", sum({name}) as {name}" for name in counts)
            leave = f"exclude ({', '.join(counts)})" if counts else ""
            some = " or ".join(f"sum({name}) <> 0" for name in counts)
            rows = lake.execute(
                f"select * {leave} {sums} from (select * from {source})"
                + (f" group by all having {some}" if counts else "")
            )
            names = sorted((item[0], place) for place, item in enumerate(rows.description or ()))
            sides.append(Counter(
                repr([(name, row[place]) for name, place in names]) for row in rows.fetchall()
            ))
        found[table] = (sides[0] - sides[1]).total() + (sides[1] - sides[0]).total()
    return found


@pytest.mark.parametrize("seed", range(3))
def test_any_load_leaves_what_all_orders_say(
    lake: duckdb.DuckDBPyConnection, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(histories, "ORDERS_AT_ONCE", 20)
    chance = random.Random(seed)
    known: list[Order] = []
    for number in range(12):
        day = number * 9 if chance.random() < 0.8 else chance.randrange(100)
        given = [some_order(chance, day + chance.randrange(8)) for _ in range(chance.randrange(12))]
        taken = chance.sample(known, min(len(known), chance.choice((0, 0, 2, 5))))
        for order in taken:
            known.remove(order)
        given += [changed(chance, order) for order in taken]
        known += given
        add(lake, taken, given)
        if number % 3 == 2:
            assert wrong(lake) == dict.fromkeys(TABLES, 0), number


def test_of_buyers_who_only_buy_again_no_earlier_order_is_read(
    lake: duckdb.DuckDBPyConnection
) -> None:
    """What a day's load costs depends on the day: the orders before it may as well be gone."""
    at = BEGIN
    add(lake, [], [(at, at, 1, "p", "succeeded", None, 100), (at, None, 2, "p", "failed", "x", None)])
    before = lake.execute("select * from lake.buyer_orders").to_arrow_table()
    lake.execute("delete from lake.buyer_orders")
    later = at + timedelta(days=40)
    add(lake, [], [(later, later, 1, "q", "succeeded", None, 50)])
    lake.register("before", before)
    lake.execute("insert into lake.buyer_orders by name select * from before")
    assert wrong(lake) == dict.fromkeys(TABLES, 0)
