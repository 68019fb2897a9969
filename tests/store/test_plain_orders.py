"""Orders known from one payment line alone are written in a pass of their own, with the same result."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from loaders.channels import retry_ladders
from loaders.settings import load_settings
from loaders.store.warehouse import Warehouse
from sample_data.files import Line, trade_bill
from sample_data.wechat_files import MCHID
from sample_data.wechat_files import trade_bill as wechat_bill
from tests.conftest import Mdash
from tests.store.test_bills import DAY, lines

_TABLES = ("trade", "refund", "id_days", "hourly_orders", "hourly_failures", "hourly_rungs",
           "hourly_money", "daily_latency", "buyer_orders", "buyer_items")


def plain_lines() -> list[Line]:
    """Many orders of one payment line, one with a refund, one finished a day after its creation."""
    found = lines(9)
    for place, line in enumerate(found):
        line.order.store = f"S{place % 2}" if place % 3 else None
        assert line.order.paid_at is not None
        line.order.paid_at += timedelta(minutes=place * 7)
    return found


def totals(warehouse: Warehouse, table: str) -> dict[tuple[Any, ...], tuple[int, ...]]:
    """A table's rows, its counts and sums added up by all other columns."""
    cursor = warehouse.execute(f"select * from lake.{table}")
    names = [column[0] for column in cursor.description or ()]
    summed = [name for name, kind in zip(names, cursor.description or (), strict=True)
              if table not in ("trade", "refund", "id_days") and kind[1] in ("BIGINT", "HUGEINT")]
    found: dict[tuple[Any, ...], tuple[int, ...]] = {}
    for row in cursor.fetchall():
        values = dict(zip(names, row, strict=True))
        values.pop("turn", None)
        amounts = tuple(int(values.pop(name) or 0) for name in summed)
        key = tuple(_hashable(values.values()))
        so_far = found.get(key, (0,) * len(summed))
        found[key] = tuple(a + b for a, b in zip(so_far, amounts, strict=True))
    return {key: amounts for key, amounts in found.items() if any(amounts) or not summed}


def _hashable(values: Iterable[Any]) -> Iterable[Any]:
    for value in values:
        yield str(value) if isinstance(value, list | dict | Decimal) else value


@pytest.mark.parametrize(
    "channel", ["alipay", pytest.param("wechatpay", marks=pytest.mark.slow)]
)
def test_recomputed_one_by_one_they_are_the_same(
    mdash: Mdash, home: Path, tmp_path: Path, channel: str
) -> None:
    path = tmp_path / ("bill.csv" if channel == "alipay" else f"{MCHID}All{DAY}.csv")
    path.write_bytes(
        trade_bill(DAY, DAY, plain_lines()) if channel == "alipay"
        else wechat_bill(plain_lines())
    )
    assert mdash("load", str(path)).code == 0
    with Warehouse(load_settings(home), retry_ladders()) as warehouse:
        before = {table: totals(warehouse, table) for table in _TABLES}
        with warehouse.transaction("recompute"):
            warehouse.assign_homes(
                "select order_no, home_day as hint_day, false as is_payment_line from lake.trade_lines"
            )
            warehouse.merge_models()
        after = {table: totals(warehouse, table) for table in _TABLES}
    assert len(before["trade"]) == 9
    assert before == after


def test_an_id_has_the_hash_that_lakes_hold(home: Path) -> None:
    digest = hashlib.md5("M2026中文".encode(), usedforsecurity=False).digest()
    with Warehouse(load_settings(home), retry_ladders()) as warehouse:
        row = warehouse.execute("select id_hash('M2026中文')").fetchone()
    swapped = int.from_bytes(digest[8:], "little")
    assert row == (swapped >> 1,)
