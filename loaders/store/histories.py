"""What is kept of each buyer beside the orders: renewed for the buyers whose orders a load changed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files

import duckdb

_KEYS = (
    "buyer_key, created_at, paid_at, channel, product, client, store, campaign, first_attempt,"
    " first_reason"
)
_SIGNED = {"buyer_cells": ("returned", "net_fen"), "buyer_gaps": ("gaps",)}
"""Tables of counts over buyers, kept by adding what a load changed; with their counts."""
TABLES = ("buyer_histories", *_SIGNED)
ORDERS_AT_ONCE = 500_000
_PLACES = {
    "week": r"(shop_day(\1) - date '1970-01-05') // 7",
    "month": r"(year(shop_time(\1)) - 1) * 12 + month(shop_time(\1)) - 1",
}
"""The number of the week and month in which an instant lies."""
_CLASSES = {
    "buyers_before": "select * from lake.buyer_histories semi join"
    " (select distinct buyer_key from buyer_delta) using (buyer_key)",
    "later_buyers": "select buyer_key from buyer_delta inner join buyers_before using (buyer_key)"
    " where first_at is not null group by buyer_key having bool_and(orders = 0 or (created_at >"
    " begun_at and (paid_at is null or (orders > 0 and paid_at > last_at))))",
    "moved_buyers": "select distinct buyer_key from buyer_delta anti join later_buyers"
    " using (buyer_key) where buyer_key is not null",
    "moved_orders": f"select {_KEYS}, orders, net_fen from lake.buyer_orders semi join"
    " (select buyer_key from moved_buyers semi join buyers_before using (buyer_key)) using"
    f" (buyer_key) union all select {_KEYS}, orders, net_fen from buyer_delta semi join"
    " moved_buyers using (buyer_key) anti join buyers_before using (buyer_key)",
}
"""Tables of a renewal: histories so far, who only bought again after, the others, and their orders."""
Run = Callable[[str], duckdb.DuckDBPyConnection]


@cache
def model(name: str) -> str:
    """The SQL of one of these tables; `{orders}` is a relation of summed buyers' orders."""
    text = (files("loaders.store") / "models" / f"{name}.sql").read_text("utf-8")
    for grain, place in _PLACES.items():
        text = re.sub(rf"{{{grain}\((\w+)\)}}", place, text)
    return text


def summed(source: str) -> str:
    """One row per order of signed rows of `buyer_orders`."""
    return (
        f"select {_KEYS}, sum(orders)::bigint as orders, sum(net_fen)::bigint as net_fen"
        f" from {source} group by all having sum(orders) > 0"
    )


def renew(run: Run) -> None:
    """Bring the tables up to date after `buyer_delta` was added to the buyers' orders.

    To buyers who did nothing but buy again after all they had bought, that is added. Of the others
    all orders are read.
    """
    for name, query in _CLASSES.items():
        run(f"create or replace temp table {name} as {query}")
    run("delete from lake.buyer_histories where buyer_key in (select buyer_key from buyers_before)")
    for name in TABLES:
        run(f"insert into lake.{name} by name {model(name.replace('buyer_', 'later_'))}")
    for part in _parts(run, "moved_orders"):
        run(f"create or replace temp table orders_now as {summed(f'moved_orders where {part}')}")
        run(
            "create or replace temp table orders_before as "
            + summed(
                "(select * from orders_now union all by name select * replace (-orders as orders,"
                " -net_fen as net_fen) from buyer_delta semi join moved_buyers using (buyer_key)"
                f" where {part})"
            )
        )
        _add(run, "orders_now", "orders_before")
    for name in (*_CLASSES, "orders_now", "orders_before"):
        run(f"drop table if exists {name}")


def fill(run: Run) -> None:
    """Make the tables anew of all orders, in a lake of an earlier version."""
    for name in TABLES:
        run(f"delete from lake.{name}")
    for part in _parts(run, "lake.buyer_orders"):
        run(f"create or replace temp table orders_now as {summed(f'lake.buyer_orders where {part}')}")
        _add(run, "orders_now", None)
        run("drop table orders_now")


def _parts(run: Run, orders: str) -> Sequence[str]:
    """Conditions that take the buyers of these orders a bounded number at a time."""
    found = run(f"select count(*) from {orders}").fetchone() or (0,)
    count = -(-int(found[0]) // ORDERS_AT_ONCE)
    return [f"buyer_key % {count} = {part}" for part in range(count)]


def _add(run: Run, now: str, before: str | None) -> None:
    histories = model("buyer_histories").replace("{orders}", now)
    run(f"insert into lake.buyer_histories by name {histories}")
    for name, counts in _SIGNED.items():
        made = f"select * from ({model(name).replace('{orders}', now)})"
        if before is not None:
            taken = ", ".join(f"-{count} as {count}" for count in counts)
            old = model(name).replace("{orders}", before)
            made += f" union all by name select * replace ({taken}) from ({old})"
        sums = ", ".join(f"sum({count})::bigint as {count}" for count in counts)
        some = " or ".join(f"sum({count}) <> 0" for count in counts)
        run(
            f"insert into lake.{name} by name select * exclude ({', '.join(counts)}), {sums}"
            f" from ({made}) group by all having {some}"
        )
