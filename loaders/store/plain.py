"""Orders of which one payment line of a bill is all that is known: their trades, ids and roll-ups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from loaders.sql_text import listed
from loaders.store.adoption import append

if TYPE_CHECKING:
    from loaders.store.warehouse import Warehouse

_IDS = "insert into lake.id_days by name select id_bucket(id_hash) as bucket, id_hash, home_day from"
_UNLIKE = frozenset(
    {
        "order_no", "trade_no", "amount_fen", "receipt_fen", "fee_fen", "created_at", "decided_at",
        "paid_at",
    }
)
_SUMMED = """(
    select
        channel, store, created_at, finished_at, null::varchar as order_no,
        null::varchar as trade_no, unnest([rows_count - 1, 1]) as sign,
        unnest([0, order_fen]) as order_fen, null::bigint as receipt_fen,
        null::decimal(18, 3) as service_fen, null::date as billed_on
    from (
        select
            channel, store, time_bucket(interval 15 minute, created_at) as created_at,
            time_bucket(interval 15 minute, paid_at) as finished_at, count(*) as rows_count,
            sum(amount_fen)::bigint as order_fen
        from lake.trade
        where turn = getvariable('turn')
        group by all
    )
)"""
"""The written trades as two rows per quarter of an hour: one with their sum, one with the other ones'
count. Roll-ups add up both alike, by hours of any time zone."""


@dataclass(frozen=True, slots=True)
class Lines:
    """The rows of a channel's trade bills in Parquet; only `days` of them count, without these all."""

    channel: str
    paths: Sequence[Path]
    days: Sequence[date] | None = None

    def select(self, *, is_owned: bool) -> str:
        """The SQL of the lines of new orders; with `is_owned` of the days that the bills own."""
        owned = ""
        if is_owned and self.days is not None:
            days = ", ".join(f"date '{day}'" for day in self.days)
            owned = f" and billed_on in ({days})" if days else " and false"
        return (
            f"select '{self.channel}' as channel, columns(name -> name <> 'channel') from"
            f" read_parquet({listed(self.paths)}, union_by_name = true) where problem is null"
            f" and order_no is not null{owned}"
        )


def write(warehouse: Warehouse, staged: Sequence[Lines]) -> None:
    """Write the trades and ids of the lines whose orders are not in `all_touched`.

    An order's number is kept also where a newer export leaves its line without effect, so that
    what comes later joins it.
    """
    run = warehouse.connection.execute
    same = _text("plain_same")
    run(f"create or replace temp view plain_lines as {_new(staged, is_owned=True)}")
    append(
        warehouse, "trade", _model("getvariable('turn') as turn", "plain_lines"), same, _UNLIKE
    )
    run(
        f"{_IDS} (select id_hash(order_no) as id_hash, shop_day(coalesce(created_at, finished_at))"
        f" as home_day from ({_new(staged, is_owned=False)}) union all select id_hash(trade_no),"
        " shop_day(coalesce(created_at, finished_at)) from plain_lines where trade_no is not null)"
    )
    summed = _model("sign", _SUMMED)
    run(f"create or replace temp table plain_sums as select * from ({summed}), ({same})")
    run("create or replace temp view changed as select * from plain_sums")
    run("create or replace temp view changed_refund as select 1 as sign, * from lake.refund where false")


def _model(mark: str, lines: str) -> str:
    return _text("plain_trade").replace("{mark}", mark).replace("{lines}", lines)


def _text(name: str) -> str:
    """A model without the comment at its head."""
    text = (files("loaders.store") / "models" / f"{name}.sql").read_text("utf-8")
    return "select\n" + text.split("select\n", 1)[1]


def _new(staged: Sequence[Lines], *, is_owned: bool) -> str:
    """The lines of all bills, shaped like the lake's, without the orders in `all_touched`."""
    lines = " union all by name ".join(part.select(is_owned=is_owned) for part in staged)
    return (
        f"select * from (select * from lake.trade_lines where false union all by name {lines})"
        " anti join all_touched using (order_no)"
    )
