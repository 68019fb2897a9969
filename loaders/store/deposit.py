"""Staged loads into the lake, whole or not at all; and a load out of it again."""

from __future__ import annotations

import json
from collections.abc import Sequence, Set
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa

from loaders.columns import column, texts
from loaders.errors import RefusedInput
from loaders.privacy import mask_personal
from loaders.records import Reject
from loaders.staging import Load, Staged
from loaders.store.adoption import adopt
from loaders.store.connection import INLINED_ROWS, has_table
from loaders.store.erasure import BUYERS, withhold
from loaders.store.growing import grow
from loaders.store.plain import Lines
from loaders.store.warehouse import Warehouse

BILL_TABLES = {"trade_bill": "trade_lines", "account_bill": "account_log"}
LOG_TABLES = {"notification_log": "deliveries", "checkout_log": "checkout_log"}
_NO_DAY = "date '1970-01-01'"
_AMOUNT = "The message's amount is not the order's; it is not counted as a payment."


def known_sha256(
    warehouse: Warehouse, digest: str
) -> tuple[str | None, str, tuple[date, date] | None] | None:
    """Channel, kind and days of the load with these bytes, if it stands."""
    row = warehouse.execute(
        "select channel, kind, first_day, last_day from lake.loads where sha256 = ?"
        " and status not in ('undone', 'partial') limit 1",
        [digest],
    ).fetchone()
    if row is None:
        return None
    return row[0], row[1], (row[2], row[3]) if row[2] and row[3] else None


def deposit(warehouse: Warehouse, staged: Sequence[Staged]) -> None:
    """Store staged loads in one transaction, bring the models up to date, fill in the counts."""
    names = ", ".join(item.load.file for item in staged[:3])
    with warehouse.transaction(f"load {names}{' …' if len(staged) > 3 else ''}"):
        first_id = warehouse.next_load_id()
        bills: list[Staged] = []
        logs: list[Staged] = []
        grown = {item.load.load_id for item in staged} - {0}
        for number, item in enumerate(staged):
            item.load.load_id = item.load.load_id or first_id + number
            if _is_known_content(warehouse, item):
                item.load.status = "duplicate"
                continue
            (logs if item.load.kind in LOG_TABLES else bills).append(item)
            if item.load.load_id not in grown:
                _insert_load(warehouse, item.load)
        keys = [_claim_days(warehouse, item) for item in bills]
        for table in LOG_TABLES.values():
            keys.extend(_gather_log(warehouse, table, [i for i in logs if i.table == table]))
        wanted = [key for key in keys if key]
        if wanted:
            warehouse.assign_homes(" union all ".join(wanted))
        for item in bills:
            _insert_lines(warehouse, item)
        for table in {item.table for item in logs}:
            _insert_log(warehouse, table)
        if wanted:
            warehouse.merge_models(_trade_lines(warehouse, bills))
            if any(item.table == "deliveries" for item in logs):
                _append_message_ids(warehouse)
        _settle(warehouse, bills)
        _finish(warehouse, bills, logs, grown)


def _is_known_content(warehouse: Warehouse, item: Staged) -> bool:
    load = item.load
    if load.kind not in BILL_TABLES:
        return False
    row = warehouse.execute(
        "select 1 from lake.loads where content_key = ? and kind = ? and status <> 'undone'",
        [load.content_key, load.kind],
    ).fetchone()
    return row is not None


def _insert_load(warehouse: Warehouse, load: Load) -> None:
    warehouse.execute(
        "insert into lake.loads (load_id, file, channel, kind, account, sha256, content_key,"
        " first_day, last_day, exported_at, rows, rejected, duplicates, status, loaded_at,"
        " watermark) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            load.load_id, load.file, load.channel, load.kind, load.account, load.sha256,
            load.content_key, load.first_day, load.last_day, load.exported_at, load.rows,
            load.reject_count, load.duplicates, load.status,
            datetime.now(UTC).replace(tzinfo=None), load.watermark,
        ],
    )


def _claim_days(warehouse: Warehouse, item: Staged) -> str | None:
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
        f" kind = 'payment' as is_payment_line from read_parquet({_paths(item)})"
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
    lines = f"read_parquet({_paths(item)})"
    if not item.parts or not warehouse.execute(
        f"select 1 from {lines} where kind = 'refund_closed' limit 1"
    ).fetchone():
        return None
    return _closed_orders(f"{lines} where problem is null and kind = 'refund_closed'")


def _closed_orders(lines: str) -> str:
    """Orders of the refunds whose closing these rows of a fund flow are."""
    return (
        "select order_no, home_day as hint_day, false as is_payment_line from lake.trade_lines"
        f" where refund_no in (select order_no from {lines})"
    )


def _paths(item: Staged) -> str:
    return _listed(item.parts)


def _listed(paths: Sequence[Path]) -> str:
    return "[" + ", ".join(f"'{path}'" for path in paths) + "]"


def _insert_lines(warehouse: Warehouse, item: Staged) -> None:
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
    source = f"read_parquet({_listed(parts)}, union_by_name = true)"
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
    listed = ", ".join(f"{own.get(name, 'part.' + name)} as {name}" for name in columns)
    warehouse.execute(
        f"insert into lake.{item.table} by name select {listed} from {source}"
        f" as part {'left join all_touched as touched using (order_no)' if is_keyed else ''}"
        " where problem is null"
    )


def _trade_lines(warehouse: Warehouse, bills: Sequence[Staged]) -> list[Lines]:
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


def _gather_log(warehouse: Warehouse, table: str, items: Sequence[Staged]) -> list[str]:
    """Put the lines not read before into fresh_<table>, counting the others as duplicates."""
    if not items:
        return []
    parts = " union all ".join(
        f"select {item.load.load_id}::bigint as load_id, * replace"
        f" (coalesce(hint_day, {_NO_DAY}) as hint_day) from read_parquet({_paths(item)})"
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


def _insert_log(warehouse: Warehouse, table: str) -> None:
    warehouse.execute(
        f"insert into lake.{table} by name select fresh.*, coalesce(touched.home_day,"
        f" fresh.hint_day) as home_day from fresh_{table} as fresh left join all_touched as touched"
        " using (order_no) order by home_day"
        if _has_touched(warehouse)
        else f"insert into lake.{table} by name select *, hint_day as home_day from fresh_{table}"
    )


def _append_message_ids(warehouse: Warehouse) -> None:
    """Ids of notifications, so that a pasted one finds its order."""
    warehouse.execute(
        "insert into lake.id_days by name select id_bucket(id_hash) as bucket, id_hash, home_day"
        " from (select distinct id_hash(fresh.notify_id) as id_hash, touched.home_day"
        " from fresh_deliveries as fresh inner join all_touched as touched using (order_no)"
        " where fresh.verdict = 'valid')"
    )


def _has_touched(warehouse: Warehouse) -> bool:
    return has_table(warehouse.connection, "all_touched")


def _settle(warehouse: Warehouse, bills: Sequence[Staged]) -> None:
    days = [
        f"select '{load.channel}' as channel, '{load.account}' as account, '{load.kind}' as kind,"
        f" cast(day as date) as day from generate_series(timestamp '{load.first_day}',"
        f" timestamp '{load.last_day}', interval 1 day) as days(day)"
        for load in (item.load for item in bills)
    ]
    if days:
        warehouse.settle_days(" union all ".join(days))


def _finish(
    warehouse: Warehouse, bills: Sequence[Staged], logs: Sequence[Staged], grown: Set[int]
) -> None:
    """Reject messages whose amount is not the order's, and write the final counts."""
    wrong = _wrong_amounts(warehouse) if any(i.table == "deliveries" for i in logs) else {}
    for item in [*bills, *logs]:
        load = item.load
        lines = wrong.get(load.load_id, [])
        load.reject_all([Reject(line, _AMOUNT) for line in lines])
        load.rows = max(0, load.rows - len(lines))
        counts = [load.rows, load.reject_count, load.duplicates]
        if load.load_id in grown:
            grow(warehouse, load, counts)
        else:
            warehouse.execute(
                "update lake.loads set rows = ?, rejected = ?, duplicates = ?, status = ?"
                " where load_id = ?",
                [*counts, load.status, load.load_id],
            )
        if load.rejects or load.cards:
            warehouse.insert("rejects", _reject_table(load))
    for table in LOG_TABLES.values():
        warehouse.execute(f"drop table if exists fresh_{table}")


def _wrong_amounts(warehouse: Warehouse) -> dict[int, list[int]]:
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


def _reject_table(load: Load) -> pa.Table:
    told = [*load.rejects, *load.cards]
    count = len(told)
    values = [
        mask_personal(json.dumps(reject.values, ensure_ascii=False, default=str)) for reject in told
    ]
    return pa.table(
        {
            "load_id": column([load.load_id] * count, pa.int64()),
            "file": texts([load.file] * count),
            "line": column([reject.line for reject in told], pa.int64()),
            "template": texts([reject.template for reject in told]),
            "template_values": texts(values),
        }
    )


def _orders_of(kind: str, table: str, load_id: int) -> str:
    """Orders a load speaks of, and those of the exports whose days it took over."""
    if kind == "account_bill":
        return _closed_orders(
            f"lake.{table} where kind = 'refund_closed' and load_id = {load_id}"
        )
    own = (
        "select order_no, home_day as hint_day, false as is_payment_line"
        f" from lake.{table} where load_id = {load_id}"
    )
    if kind != "trade_bill":
        return own
    return (
        f"{own} union all select line.order_no, line.home_day, false from lake.trade_lines as line"
        " semi join (select channel, account, day from lake.bill_days"
        f" where load_id = {load_id}) as days on line.channel = days.channel"
        " and line.account = days.account and line.billed_on = days.day"
    )


def undo(warehouse: Warehouse, load_id: int) -> int:
    """Take a load back. Returns how many later loads may lack lines and should be loaded again.

    Raises RefusedInput if there is no such load.
    """
    row = warehouse.execute(
        "select kind, file from lake.loads where load_id = ? and status <> 'undone'", [load_id]
    ).fetchone()
    if row is None:
        raise RefusedInput("There is no load with the number {number}.", number=load_id)
    kind, file = row
    table = BILL_TABLES.get(kind) or LOG_TABLES[kind]
    with warehouse.transaction(f"undo load {load_id} {file}"):
        run = warehouse.execute
        warehouse.assign_homes(_orders_of(kind, table, load_id))
        run("update lake.loads set status = 'undone' where load_id = ?", [load_id])
        partial = run(
            "select count(*) from lake.loads where kind = ? and load_id > ? and duplicates > 0"
            " and status = 'loaded'",
            [kind, load_id],
        ).fetchone()
        run(
            "update lake.loads set status = 'partial' where kind = ? and load_id > ? and"
            " duplicates > 0 and status = 'loaded'",
            [kind, load_id],
        )
        run(f"delete from lake.{table} where load_id = {load_id}")
        warehouse.merge_models()
        if kind in BILL_TABLES:
            warehouse.settle_days(
                f"select channel, account, kind, day from lake.bill_days where load_id = {load_id}"
            )
    return int(partial[0]) if partial else 0
