"""Bill rows on their way into the lake: whose days they own, and where each row lies."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from loaders.sql_text import listed
from loaders.staging import Load, Staged
from loaders.store.adoption import adopt
from loaders.store.connection import INLINED_ROWS
from loaders.store.plain import Lines
from loaders.store.warehouse import Warehouse


def claim_days(warehouse: Warehouse, item: Staged) -> str | None:
    """Enter the bill's days. Returns the query of the order numbers that this touches."""
    load = item.load
    scope = "channel = ? and account = ? and kind = ? and day between ? and ?"
    named = [load.channel, load.account, load.kind, load.first_day, load.last_day]
    before = warehouse.execute(
        f"select count(*) from lake.current_days where {scope} and load_id in (select load_id from"
        " lake.bill_days where ? in ('whole', coalesce(part, 'whole')) or coalesce(part, 'whole') ="
        " 'whole')",
        [*named, load.part],
    ).fetchone()
    warehouse.execute(
        "insert into lake.bill_days by name select ? as load_id, ? as channel, ? as account,"
        " ? as kind, cast(day as date) as day, ? as exported_at, ? as content_key, 0 as rows,"
        " ? as part from generate_series(?::timestamp, ?::timestamp, interval 1 day) as days(day)",
        [load.load_id, *named[:3], load.exported_at, load.content_key, load.part, *named[3:]],
    )
    won = _owned_days(warehouse, [load]).get(load.load_id, set())
    load.rows = sum(count for day, count in item.day_rows.items() if day in won)
    had = before[0] if before else 0
    if had:
        load.status = "replaced" if won else "superseded"
    if load.kind != "trade_bill":
        return _closed_in(warehouse, item)
    keys = (
        "select order_no, shop_day(coalesce(created_at, finished_at)) as hint_day,"
        f" kind = 'payment' as is_payment_line from read_parquet({paths_of(item)})"
        " where problem is null"
        if item.parts
        else None
    )
    if had:
        displaced = (
            "select order_no, home_day as hint_day, false as is_payment_line from lake.trade_lines where"
            f" channel = '{load.channel}' and account = '{load.account}'"
            f" and billed_on between '{load.first_day}' and '{load.last_day}'"
        )
        keys = f"{keys} union all {displaced}" if keys else displaced
    return keys


def _closed_in(warehouse: Warehouse, item: Staged) -> str | None:
    """The query of the orders of which a fund flow says that a refund was closed."""
    lines = f"read_parquet({paths_of(item)})"
    if not item.parts or not warehouse.execute(
        f"select 1 from {lines} where kind = 'refund_closed' limit 1"
    ).fetchone():
        return None
    return closed_orders(f"{lines} where problem is null and kind = 'refund_closed'")


def closed_orders(lines: str) -> str:
    """Orders of the refunds whose closing these rows of a fund flow are."""
    return (
        "select order_no, home_day as hint_day, false as is_payment_line from lake.trade_lines"
        f" where refund_no in (select order_no from {lines})"
    )


def paths_of(item: Staged) -> str:
    """A load's files as an SQL list."""
    return listed(item.parts)


def insert_lines(warehouse: Warehouse, item: Staged) -> None:
    """Append a bill's good rows; each lies with its order's home day."""
    load = item.load
    is_ours = item.whole_for == (load.load_id, load.account)
    is_many = sum(item.day_rows.values()) > INLINED_ROWS
    whole = set(item.whole if is_ours and is_many else ())
    adopt(warehouse, item.table, sorted(whole))
    if whole and load.kind == "trade_bill":
        _move_home(warehouse, load)
    rest = [part for part in item.parts if part not in whole]
    if rest:
        _insert_parts(warehouse, item, rest)


def _move_home(warehouse: Warehouse, load: Load) -> None:
    """Put rows that were taken over to their order's home day where that is not their own."""
    run = warehouse.execute
    own = f"from lake.trade_lines where load_id = {load.load_id}"
    run(
        "create or replace temp table moved as select distinct own.order_no, own.home_day,"
        f" touched.home_day as home from (select order_no, home_day {own}) as own inner join all_touched"
        " as touched using (order_no) where own.home_day <> touched.home_day"
    )
    if run("select 1 from moved limit 1").fetchone() is not None:
        run(
            "create or replace temp table moved_lines as select own.* replace (moved.home as"
            f" home_day) from (select * {own}) as own inner join moved using (order_no, home_day)"
        )
        run(f"delete {own} and (order_no, home_day) in (select (order_no, home_day) from moved)")
        run("insert into lake.trade_lines by name select * from moved_lines")
        run("drop table moved_lines")
    run("drop table moved")


def _insert_parts(warehouse: Warehouse, item: Staged, parts: Sequence[Path]) -> None:
    load = item.load
    source = f"read_parquet({listed(parts)}, union_by_name = true)"
    described = warehouse.execute(f"describe select * from {source}")
    read = {row[0] for row in described.fetchall()}
    is_keyed = load.kind == "trade_bill"
    own = {
        "load_id": f"{load.load_id}::bigint",
        "home_day": "coalesce(touched.home_day, shop_day(coalesce(created_at, finished_at)))"
        if is_keyed
        else "billed_on",
        "channel": f"'{load.channel}'",
        "account": f"'{load.account}'",
    }
    columns = [name for name in _columns(warehouse, item.table) if name in own or name in read]
    chosen = ", ".join(f"{own.get(name, 'part.' + name)} as {name}" for name in columns)
    warehouse.execute(
        f"insert into lake.{item.table} by name select {chosen} from {source}"
        f" as part {'left join all_touched as touched using (order_no)' if is_keyed else ''}"
        " where problem is null"
    )


def trade_lines_of(warehouse: Warehouse, bills: Sequence[Staged]) -> list[Lines]:
    """The lines of the trade bills: those that own all their days by channel, each other alone."""
    whole: dict[str, list[Path]] = {}
    lines: list[Lines] = []
    trade_bills = [item for item in bills if item.load.kind == "trade_bill" and item.parts]
    owned = _owned_days(warehouse, [item.load for item in trade_bills])
    for item in trade_bills:
        channel, days = str(item.load.channel), owned.get(item.load.load_id, set())
        if days >= set(item.day_rows):
            whole.setdefault(channel, []).extend(item.parts)
        else:
            lines.append(Lines(channel, item.parts, sorted(days)))
    return lines + [Lines(channel, parts) for channel, parts in whole.items()]


def _owned_days(warehouse: Warehouse, loads: Sequence[Load]) -> dict[int, set[date]]:
    """The days of which each load is the export that counts."""
    if not loads:
        return {}
    first = min(load.first_day for load in loads if load.first_day)
    last = max(load.last_day for load in loads if load.last_day)
    numbers = ", ".join(str(load.load_id) for load in loads)
    rows = warehouse.execute(
        "select load_id, day from lake.current_days where day between ? and ?"
        f" and load_id in ({numbers})",
        [first, last],
    ).fetchall()
    owned: dict[int, set[date]] = {}
    for load_id, day in rows:
        owned.setdefault(load_id, set()).add(day)
    return owned


def _columns(warehouse: Warehouse, table: str) -> list[str]:
    rows = warehouse.execute(
        "select column_name from duckdb_columns() where database_name = 'lake'"
        " and table_name = ? order by column_index",
        [table],
    ).fetchall()
    return [row[0] for row in rows]
