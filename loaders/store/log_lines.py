"""Log lines on their way into the lake: which are new, which deliver again what is known."""

from __future__ import annotations

from collections.abc import Sequence

from loaders.staging import Load, Staged
from loaders.store.bill_lines import paths_of
from loaders.store.connection import has_table
from loaders.store.erasure import BUYERS, withhold
from loaders.store.warehouse import Warehouse

_NO_DAY = "date '1970-01-01'"


def gather_log(warehouse: Warehouse, table: str, items: Sequence[Staged]) -> list[str]:
    """Put the lines not read before into fresh_<table>, counting the others as duplicates."""
    if not items:
        return []
    parts = " union all ".join(
        f"select {item.load.load_id}::bigint as load_id, * replace"
        f" (coalesce(hint_day, {_NO_DAY}) as hint_day) from read_parquet({paths_of(item)})"
        for item in items
    )
    run = warehouse.execute
    run(f"create or replace temp table incoming_lines as {parts}")
    run("set variable hint_first = (select min(hint_day) from incoming_lines)")
    run("set variable hint_last = (select max(hint_day) from incoming_lines)")
    run(
        f"create or replace temp table fresh_{table} as select * from incoming_lines anti join"
        f" (select line_key from lake.{table} where hint_day between"
        " getvariable('hint_first') and getvariable('hint_last')) as known using (line_key)"
        " qualify row_number() over (partition by line_key order by load_id, line) = 1"
    )
    withhold(warehouse, f"fresh_{table}", BUYERS[table])
    _count_lines(warehouse, table, items)
    run("drop table incoming_lines")
    only = " and verdict = 'valid'" if table == "deliveries" else ""
    return [
        f"select order_no, hint_day, false as is_payment_line from fresh_{table}"
        f" where order_no is not null{only}"
    ]


def _count_lines(warehouse: Warehouse, table: str, items: Sequence[Staged]) -> None:
    is_counted = "verdict = 'valid'" if table == "deliveries" else "true"
    for item in items:
        load = item.load
        all_good, fresh = (
            warehouse.execute(
                f"select count(*) from {source} where load_id = ? and {is_counted}",
                [load.load_id],
            ).fetchone()
            for source in ("incoming_lines", f"fresh_{table}")
        )
        load.rows = fresh[0] if fresh else 0
        load.duplicates = (all_good[0] if all_good else 0) - load.rows
        if table == "deliveries":
            _forgive_read_before(warehouse, load)
            again = _deliveries_of_known(warehouse, load)
            load.rows -= again
            load.duplicates += again


def _forgive_read_before(warehouse: Warehouse, load: Load) -> None:
    """A rejected line that was read and rejected before is a duplicate now, not a reject."""
    seen = {
        row[0]
        for row in warehouse.execute(
            "select line from incoming_lines where load_id = ? and verdict <> 'valid' and line"
            " not in (select line from fresh_deliveries where load_id = ?)",
            [load.load_id, load.load_id],
        ).fetchall()
    }
    if seen:
        load.rejects = [reject for reject in load.rejects if reject.line not in seen]
        load.reject_count -= len(seen)
        load.duplicates += len(seen)


def _deliveries_of_known(warehouse: Warehouse, load: Load) -> int:
    """How many fresh lines deliver a notification that an earlier line delivered."""
    row = warehouse.execute(
        "with known as (select distinct channel, notify_id from lake.deliveries where hint_day"
        " between getvariable('hint_first') and getvariable('hint_last') and verdict = 'valid'),"
        " counted as (select fresh.load_id, known.notify_id is not null or row_number() over"
        " (partition by fresh.channel, fresh.notify_id order by fresh.load_id, fresh.line) > 1"
        " as is_again from fresh_deliveries as fresh left join known using (channel, notify_id)"
        " where fresh.verdict = 'valid')"
        " select count(*) filter (where is_again) from counted where load_id = ?",
        [load.load_id],
    ).fetchone()
    return int(row[0]) if row else 0


def insert_log(warehouse: Warehouse, table: str) -> None:
    """Append the lines of fresh_<table>; each lies with its order's home day."""
    warehouse.execute(
        f"insert into lake.{table} by name select fresh.*, coalesce(touched.home_day,"
        f" fresh.hint_day) as home_day from fresh_{table} as fresh left join all_touched as touched"
        " using (order_no) order by home_day"
        if _has_touched(warehouse)
        else f"insert into lake.{table} by name select *, hint_day as home_day from fresh_{table}"
    )


def append_message_ids(warehouse: Warehouse) -> None:
    """Ids of notifications, so that a pasted one finds its order."""
    warehouse.execute(
        "insert into lake.id_days by name select id_bucket(id_hash) as bucket, id_hash, home_day"
        " from (select distinct id_hash(fresh.notify_id) as id_hash, touched.home_day"
        " from fresh_deliveries as fresh inner join all_touched as touched using (order_no)"
        " where fresh.verdict = 'valid')"
    )


def _has_touched(warehouse: Warehouse) -> bool:
    return has_table(warehouse.connection, "all_touched")


def wrong_amounts(warehouse: Warehouse) -> dict[int, list[int]]:
    """Lines of messages whose amount is not their order's, by load."""
    rows = warehouse.execute(
        "select fresh.load_id, fresh.line from fresh_deliveries as fresh inner join lake.trade as"
        " trade using (channel, order_no) where fresh.verdict = 'valid' and trade.home_day between"
        " (select min(home_day) from all_touched) and (select max(home_day) from all_touched)"
        " and fresh.amount_fen <>"
        " trade.amount_fen and (trade.ordered_at is not null or trade.billed_on is not null)"
    ).fetchall()
    wrong: dict[int, list[int]] = {}
    for load_id, line in rows:
        wrong.setdefault(load_id, []).append(line)
    return wrong
