"""The job for bills: bytes → checked, staged rows of settlement and account lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa

from loaders.bill_blocks import Block, BlockReader
from loaders.channels.protocol import NOT_BACK, RESAVED, Channel
from loaders.errors import RefusedInput
from loaders.files import Content
from loaders.parallel import in_order
from loaders.records import BillFrame, Reject
from loaders.sql_text import listed, quoted
from loaders.staging import Load, Staged
from loaders.whole_rows import WholeRows

TABLES = {"trade_bill": "trade_lines", "account_bill": "account_log"}
_FEN = 1_000
_MISMATCH = (
    "The bill's total of {total} says {stated}, its rows give {counted}. The file is damaged or"
    " edited; download it again."
)


_TOTAL_NAMES = {
    "rows": "笔数", "rows_count": "总交易单数", "gross_fen": "应结订单总金额",
    "ordered_fen": "订单总金额", "refund_fen": "退款总金额", "returned_fen": "申请退款总金额",
    "service_thousandths": "手续费总金额",
    "payment_count": "交易合计笔数", "payment_fen": "交易合计金额", "refund_count": "退款合计笔数",
    "income_count": "收入笔数", "income_fen": "收入金额", "expense_count": "支出笔数",
    "expense_fen": "支出金额",
}
"""What the channels call their totals: so a person finds them in the file."""
_DECIMALS = {"fen": 2, "thousandths": 5}


def stage(
    channel: Channel, kind: str, contents: Sequence[Content], load: Load, work: Path,
    whole_rows: WholeRows | None = None,
) -> tuple[Staged, dict[str, int]]:
    """Read the parts of one bill; returns the staged rows and their control totals.

    With `whole_rows`, blocks in good order are written as the lake keeps them. Raises RefusedInput
    when a part is cut off, re-saved, or contradicts its totals.
    """
    bills = channel.bills
    if bills is None:
        raise RefusedInput("The channel {channel} has no bills.", channel=channel.name)
    connection = duckdb.connect(":memory:")
    connection.execute("set memory_limit = '400MB'")
    connection.execute(f"set temp_directory = {quoted(work)}")
    connection.execute("set threads = 1")
    staged = Staged(load, TABLES[kind], [])
    stated: dict[str, int] = {}
    try:
        for number, content in enumerate(contents):
            frame = bills.frame(content.sample(), kind)
            _widen(load, frame)
            staged.day_ends = min(staged.day_ends, frame.day_ends)
            before = load.reject_count
            fill = _filling(whole_rows, staged, channel) if whole_rows else None
            reader = BlockReader(channel, frame, content, fill)
            made = _read_part(reader, staged, connection, work / f"{load.sha256[:16]}-{number}")
            totals = _count(connection, kind, made)
            _check(frame.totals, totals, load.reject_count - before)
            _add(stated, frame.totals or totals)
        _place(connection, staged)
    finally:
        connection.close()
    return staged, stated


def _widen(load: Load, frame: BillFrame) -> None:
    load.account = load.account or frame.account or ""
    load.part = frame.part
    if frame.first_day and frame.last_day:
        load.first_day = min(load.first_day or frame.first_day, frame.first_day)
        load.last_day = max(load.last_day or frame.last_day, frame.last_day)
    if frame.exported_at:
        load.exported_at = max(load.exported_at or frame.exported_at, frame.exported_at)


def _add(totals: dict[str, int], more: Mapping[str, int]) -> None:
    for name, value in more.items():
        totals[name] = totals.get(name, 0) + value


def _filling(
    whole_rows: WholeRows, staged: Staged, channel: Channel
) -> Callable[[pa.Table], pa.Table]:
    """What makes a block's rows whole, as the load stands now."""
    load = staged.load
    account, is_keyed = load.account, load.kind == "trade_bill"
    if staged.whole_for != (whole_rows.load_id, account):
        staged.whole.clear()
        staged.whole_for = (whole_rows.load_id, account)
    return lambda rows: whole_rows.fill(rows, channel.name, account, is_keyed=is_keyed)


def _read_part(
    reader: BlockReader, staged: Staged, connection: duckdb.DuckDBPyConnection, stem: Path
) -> list[Path]:
    """Turn one part into Parquet, two blocks at a time. Returns its files."""

    def convert(block: Block) -> _Converted:
        target = stem.with_name(f"{stem.name}-{block[0]}.parquet")
        return target, *reader.to_parquet(block, target, connection)

    made = []
    for target, rejects, cards, is_whole in in_order(convert, reader.blocks()):
        staged.load.reject_all(rejects)
        staged.load.tell_cards(cards)
        made.append(target)
        if is_whole:
            staged.whole.append(target)
    staged.parts.extend(made)
    return made


_Converted = tuple[Path, list[Reject], list[int], bool]
"""A block's Parquet, what was rejected of it, the lines with a full card number, whether it is whole."""


def _count(
    connection: duckdb.DuckDBPyConnection, kind: str, paths: Sequence[Path]
) -> dict[str, int]:
    """What the rows add up to, under the names of the bill's own totals."""
    if not paths:
        return {}
    is_trade = kind == "trade_bill"
    wanted = _TRADE_SUMS if is_trade else _ACCOUNT_SUMS
    sums = ", ".join(f"coalesce(sum({amount}), 0)::bigint" for amount in wanted.values())
    ids = "trade_no" if is_trade else "log_no"
    rows = connection.execute(
        f"select kind, count(*) filter (where contains({ids}, 'E+')), {sums}"
        f" from read_parquet({listed(paths)}) where problem is null group by kind"
    ).fetchall()
    if any(row[1] for row in rows):
        raise RefusedInput(RESAVED)
    by_kind = {row[0]: dict(zip(wanted, row[2:], strict=True)) for row in rows}
    return _trade_totals(by_kind) if is_trade else _added(by_kind.values())


_TRADE_SUMS = {
    "rows": "1", "receipt": "receipt_fen", "order": "order_fen", "service": "service_fen * 1000",
}
_ACCOUNT_SUMS = {
    "income_count": "(income_fen <> 0 or expense_fen is null)::int",
    "income_fen": "income_fen",
    "expense_count": "(expense_fen <> 0 or income_fen is null)::int",
    "expense_fen": "expense_fen",
}


def _trade_totals(by_kind: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """The sums of a trade bill's rows of each kind, as bills add them up."""
    none = dict.fromkeys(_TRADE_SUMS, 0)
    payments, refunds = by_kind.get("payment", none), by_kind.get("refund", none)
    names = {state: f"refund_{state}" for state in NOT_BACK}
    not_back = {state: by_kind.get(name, none) for state, name in names.items()}
    kinds = by_kind.items()
    paid = _added([none, *(sums for kind, sums in kinds if not kind.startswith("refund"))])
    moved = _added([none, *(sums for kind, sums in kinds if kind not in names.values())])
    return {
        "rows_count": _added([none, *by_kind.values()])["rows"],
        "payment_count": payments["rows"],
        "payment_fen": payments["receipt"],
        "refund_count": refunds["rows"],
        "refund_fen": refunds["receipt"],
        "gross_fen": paid["receipt"],
        "ordered_fen": paid["order"],
        "returned_fen": refunds["order"],
        "service_thousandths": moved["service"],
        **{f"refund_fen_{state}": sums["receipt"] for state, sums in not_back.items()},
        **{f"returned_fen_{state}": sums["order"] for state, sums in not_back.items()},
        **{f"service_thousandths_{state}": sums["service"] for state, sums in not_back.items()},
    }


def _added(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for part in parts:
        _add(totals, part)
    return totals


def _check(stated: dict[str, int], counted: dict[str, int], rejected: int) -> None:
    """Compare a part with its own totals; with rejected rows only the number of rows can agree."""
    if not stated:
        return
    if rejected:
        rows = [name for name in stated if name.endswith("_count")]
        says, gives = sum(stated[name] for name in rows), rejected
        gives += sum(counted.get(name, 0) for name in rows)
        if says != gives:
            raise _mismatch("rows", says, gives)
        return
    for name, value in stated.items():
        found = _readings(name, counted)
        if name.endswith("_thousandths") and value % _FEN == 0:
            found = [(amount + _FEN // 2) // _FEN * _FEN for amount in found]
        if value not in found and not (name == "expense_fen" and abs(value) == abs(found[0])):
            raise _mismatch(name, value, found[0])


def _mismatch(name: str, stated: int, counted: int) -> RefusedInput:
    """The refusal, with the total's name and amounts as the bill writes them."""
    decimals = _DECIMALS.get(name.rsplit("_", 1)[-1], 0)
    sign = -1 if stated < 0 else 1
    says, gives = (str(Decimal(sign * value).scaleb(-decimals)) for value in (stated, counted))
    return RefusedInput(_MISMATCH, total=_TOTAL_NAMES.get(name, name), stated=says, counted=gives)


def _readings(name: str, counted: dict[str, int]) -> list[int]:
    """What a total may come to: whether it has the refunds that gave nothing back is not published."""
    sums = [counted.get(name, 0)]
    for state in NOT_BACK:
        sums += [total + counted.get(f"{name}_{state}", 0) for total in sums]
    return sums


def _place(connection: duckdb.DuckDBPyConnection, staged: Staged) -> None:
    """Set the load's days and how many good rows each has."""
    load = staged.load
    rows: list[tuple[date, int]] = []
    if staged.parts:
        rows = connection.execute(
            f"select billed_on, count(*) from read_parquet({listed(staged.parts)})"
            " where problem is null group by billed_on"
        ).fetchall()
    if load.first_day is None and rows:
        load.first_day, load.last_day = min(rows)[0], max(rows)[0]
    if load.first_day is None or load.last_day is None:
        raise RefusedInput(
            "The bill names no day and has no row, so it says nothing. Give it the name with which it"
            " was downloaded, if that has the day."
        )
    for day, count in rows:
        if not load.first_day <= day <= load.last_day:
            raise RefusedInput(
                "The bill says {first} to {last}, but holds rows of {day}. Download it again.",
                first=load.first_day, last=load.last_day, day=day,
            )
        staged.day_rows[day] = count
    load.watermark = utc_end_of(load.last_day) - (timedelta(days=1) - staged.day_ends)


def utc_end_of(day: date) -> datetime:
    """The end of a bill's day (China time) as naive UTC."""
    return datetime.combine(day, time()) + timedelta(hours=16)
