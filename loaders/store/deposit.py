"""Staged loads into the lake, whole or not at all; and a load out of it again."""

from __future__ import annotations

import json
from collections.abc import Sequence, Set
from datetime import UTC, date, datetime

import pyarrow as pa

from loaders.columns import column, texts
from loaders.errors import RefusedInput
from loaders.privacy import mask_personal
from loaders.records import Reject
from loaders.staging import Load, Staged
from loaders.store.bill_lines import claim_days, closed_orders, insert_lines, trade_lines_of
from loaders.store.growing import grow
from loaders.store.log_lines import append_message_ids, gather_log, insert_log, wrong_amounts
from loaders.store.warehouse import Warehouse

BILL_TABLES = {"trade_bill": "trade_lines", "account_bill": "account_log"}
LOG_TABLES = {"notification_log": "deliveries", "checkout_log": "checkout_log"}
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
        keys = [claim_days(warehouse, item) for item in bills]
        for table in LOG_TABLES.values():
            keys.extend(gather_log(warehouse, table, [i for i in logs if i.table == table]))
        wanted = [key for key in keys if key]
        if wanted:
            warehouse.assign_homes(" union all ".join(wanted))
        for item in bills:
            insert_lines(warehouse, item)
        for table in {item.table for item in logs}:
            insert_log(warehouse, table)
        if wanted:
            warehouse.merge_models(trade_lines_of(warehouse, bills))
            if any(item.table == "deliveries" for item in logs):
                append_message_ids(warehouse)
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
    wrong = wrong_amounts(warehouse) if any(i.table == "deliveries" for i in logs) else {}
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
        return closed_orders(
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
