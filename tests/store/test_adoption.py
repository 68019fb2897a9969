"""Files taken over into the lake as they are: the same rows, found, moved, undone and tidied alike."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from loaders.channels import retry_ladders
from loaders.load import load_paths
from loaders.settings import load_settings
from loaders.store import bill_lines
from loaders.store.warehouse import Warehouse
from sample_data.files import Line, bill_zip, trade_bill
from sample_data.merchant import Order, Refund
from tests.conftest import Mdash, Ran, run_mdash
from tests.store.test_bills import DAY
from tests.store.test_plain_orders import totals

_TABLES = ("trade_lines", "trade", "refund", "id_days", "daily_settlement")


def many_lines(days_later: int = 0) -> list[Line]:
    """300 payments of a day and a refund of every tenth."""
    found: list[Line] = []
    start = datetime(2026, 5, 3) + timedelta(days=days_later)
    for number in range(300):
        at = start + timedelta(seconds=number * 280)
        order = Order(
            number + 1000 * days_later, at, "QUICK_WAP_WAY", "h5", None, None, 1,
            [("A1", "手机壳", 1, 1000)], 1000 + number, None, "paid", paid_at=at + timedelta(seconds=9),
            fee_fen=6,
        )
        order.store = f"S{number % 3}"
        found.append(Line(order, None))
        if number % 10 == 0:
            refund = Refund(f"RF{days_later}-{number}", 400, at, at + timedelta(seconds=60))
            found.append(Line(order, refund))
    return found


def bill(folder: Path, days_later: int = 0) -> Path:
    day = DAY + timedelta(days=days_later)
    path = folder / f"bill-{days_later}.csv"
    path.write_bytes(trade_bill(day, day, many_lines(days_later)))
    return path


def files_of(home: Path, table: str) -> list[Path]:
    return sorted((home / "lake" / "main" / table).rglob("*.parquet"))


def rows_of(home: Path) -> dict[str, Any]:
    with Warehouse(load_settings(home), retry_ladders()) as warehouse:
        return {table: totals(warehouse, table) for table in _TABLES}


def test_they_hold_what_inserted_rows_would(
    mdash: Mdash, home: Path, fresh_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = bill(tmp_path)
    assert mdash("load", str(path)).code == 0
    other = tmp_path / "other"
    other.mkdir()
    (other / "mdash.toml").write_bytes((fresh_home / "mdash.toml").read_bytes())
    adopted: list[int] = []
    real = bill_lines.adopt
    monkeypatch.setattr(Warehouse, "whole_rows", lambda *_: None)
    monkeypatch.setattr("loaders.store.adoption.local_data", lambda _: None)

    def counted(warehouse: Warehouse, table: str, parts: Sequence[Path]) -> None:
        adopted.append(len(parts))
        real(warehouse, table, parts)

    monkeypatch.setattr(bill_lines, "adopt", counted)
    load_paths(load_settings(other), [path])
    assert sum(adopted) == 0
    monkeypatch.undo()
    assert rows_of(home) == rows_of(other)
    assert len(rows_of(home)["trade"]) == 300


def test_rows_in_good_order_are_written_once(mdash: Mdash, home: Path, tmp_path: Path) -> None:
    assert mdash("load", str(bill(tmp_path))).code == 0
    [lines] = files_of(home, "trade_lines")
    names = {column[0] for column in _query(home, f"describe from '{lines}'")}
    assert {"load_id", "home_day", "channel", "account", "problem"} <= names


@pytest.mark.slow
def test_a_home_can_be_moved(mdash: Mdash, home: Path, tmp_path: Path) -> None:
    assert mdash("load", str(bill(tmp_path))).code == 0
    moved = home.rename(tmp_path / "elsewhere")
    assert _count(run_mdash(moved, "sql", "select count(*) as n from settlement_lines")) == 330
    paid = "select count(*) as n from trades where paid_at is not null"
    assert _count(run_mdash(moved, "sql", paid)) == 300


def test_a_home_may_have_any_name(home: Path, tmp_path: Path) -> None:
    odd = home.rename(tmp_path / "O'Brien's 店 [1]")
    assert run_mdash(odd, "load", str(bill(odd.parent))).code == 0
    assert _count(run_mdash(odd, "sql", "select count(*) as n from settlement_lines")) == 330


@pytest.mark.slow
def test_a_failed_load_leaves_no_file(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Warehouse, days: str) -> None:
        raise MemoryError(days)

    monkeypatch.setattr(Warehouse, "settle_days", broken)
    with pytest.raises(MemoryError):
        load_paths(load_settings(home), [bill(tmp_path)])
    assert [files_of(home, table) for table in ("trade_lines", "trade")] == [[], []]
    monkeypatch.undo()
    [report] = load_paths(load_settings(home), [bill(tmp_path)])
    assert report.rows == 330


class _Interrupted:
    """A connection on which a person's Ctrl-C arrives while it commits."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, sql: str, *rest: Any) -> Any:
        found = self._connection.execute(sql, *rest)
        if sql == "commit":
            raise KeyboardInterrupt
        return found


def test_what_is_committed_keeps_its_files(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(self: Warehouse, *given: Any) -> Any:
        self.connection = real(self, *given)
        return _Interrupted(self.connection)

    real = Warehouse._opened
    monkeypatch.setattr(Warehouse, "_opened", opened)
    with pytest.raises(KeyboardInterrupt):
        load_paths(load_settings(home), [bill(tmp_path)])
    monkeypatch.undo()
    assert len(rows_of(home)["trade"]) == 300


def test_a_line_lies_with_its_order_of_another_day(mdash: Mdash, home: Path, tmp_path: Path) -> None:
    log = tmp_path / "checkout.jsonl"
    late = many_lines()[0].order
    log.write_text(json.dumps(_asked(late.order_no)) + "\n", "utf-8")
    assert mdash("load", str(log)).code == 0
    assert mdash("load", str(bill(tmp_path))).code == 0
    found = _query(
        home, "select distinct cast(home_day as varchar) from lake.trade_lines where order_no ="
        f" '{late.order_no}'",
    )
    assert found == [("2026-05-02",)]
    assert _count(mdash("sql", "select count(*) as n from settlement_lines")) == 330
    assert _count(mdash("sql", "select count(*) as n from trades")) == 300


def test_lines_of_one_number_in_two_parts_are_told_apart(
    mdash: Mdash, home: Path, tmp_path: Path
) -> None:
    every = many_lines()
    parts = every[:165], every[165:]
    early = [part[0].order.order_no for part in parts] + [parts[0][1].order.order_no]
    log = tmp_path / "checkout.jsonl"
    log.write_text("".join(json.dumps(_asked(number)) + "\n" for number in early), "utf-8")
    assert mdash("load", str(log)).code == 0
    path = tmp_path / "bill.zip"
    bill_zip(path, [
        (f"x_业务明细_{place}.csv", trade_bill(DAY, DAY, part)) for place, part in enumerate(parts)
    ])
    assert mdash("load", str(path)).code == 0
    found = _query(
        home, "select order_no, count(*), any_value(cast(home_day as varchar)),"
        " count(distinct home_day) from lake.trade_lines group by order_no",
    )
    assert {row[0] for row in found if row[2] == "2026-05-02"} == set(early)
    assert {row[3] for row in found} == {1}
    assert sum(row[1] for row in found) == 330


@pytest.mark.slow
def test_what_is_true_of_few_rows_is_found_among_them(
    mdash: Mdash, home: Path, tmp_path: Path
) -> None:
    """Truths have no range in the files that were taken over; none may be taken for false."""
    assert mdash("load", str(bill(tmp_path))).code == 0
    wanted = many_lines()[5].order.order_no
    with Warehouse(load_settings(home), retry_ladders()) as warehouse:
        with warehouse.transaction("mark"):
            warehouse.execute("update lake.trade set is_final = true where order_no = ?", [wanted])
        for truth, count in (("is_final", 1), ("not is_final", 299), ("is_final is null", 0)):
            row = warehouse.execute(f"select count(*) from lake.trade where {truth}").fetchone()
            assert row == (count,)


@pytest.mark.slow
def test_maintain_joins_them_and_undo_takes_them_back(
    mdash: Mdash, home: Path, tmp_path: Path
) -> None:
    for later in range(3):
        assert mdash("load", str(bill(tmp_path, later))).code == 0
    before = rows_of(home)
    files = len(_query(home, "from ducklake_list_files('lake', 'trade_lines')"))
    assert mdash("maintain").code == 0
    assert rows_of(home) == before
    assert len(_query(home, "from ducklake_list_files('lake', 'trade_lines')")) < files
    assert mdash("undo", "2").code == 0
    assert _count(mdash("sql", "select count(*) as n from settlement_lines")) == 660
    assert _count(mdash("sql", "select count(*) as n from trades")) == 600


def _asked(order_no: str) -> dict[str, str]:
    """An order's event in a checkout log, of the day before the bill's."""
    return {
        "event": "order", "order_no": order_no, "channel": "alipay", "amount": "10.00",
        "at": "2026-05-02T23:59:00+08:00", "product": "QUICK_WAP_WAY",
    }


def _query(home: Path, sql: str) -> list[tuple[Any, ...]]:
    with Warehouse(load_settings(home), retry_ladders()) as warehouse:
        return warehouse.execute(sql).fetchall()


def _count(ran: Ran) -> int:
    assert ran.code == 0, ran.err
    return int(ran.out.split()[-1])
