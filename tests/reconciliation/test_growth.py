"""Reconciling a day opens the files of the days around it, however long the history is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from loaders.channels import retry_ladders
from loaders.settings import load_settings
from loaders.store.connection import connect
from loaders.store.reconciliation import compared
from sample_data.files import Line, account_bill, trade_bill
from sample_data.merchant import Order
from tests.conftest import run_mdash

DAY = date(2026, 9, 1)
LINES = 400


def day_of(day: date) -> list[Line]:
    """Payments through a day."""
    made = []
    for at in range(LINES):
        moment = datetime.combine(day, time()) + timedelta(seconds=200 * at)
        number = day.toordinal() * 1_000 + at
        made.append(Line(Order(number, moment, "QUICK_WAP_WAY", "h5", None, None, 1,
                               [("A1", "杯", 1, 1000)], 1000, None, "paid", paid_at=moment, fee_fen=6),
                         None))
    return made


def load_days(home: Path, folder: Path, days: range) -> None:
    for at in days:
        day = DAY - timedelta(days=at)
        lines = day_of(day)
        (folder / f"t{at}.csv").write_bytes(trade_bill(day, day, lines))
        (folder / f"a{at}.csv").write_bytes(account_bill(day, day, lines))
    names = [str(folder / f"{kind}{at}.csv") for at in days for kind in "ta"]
    ran = run_mdash(home, "load", *names)
    assert ran.code == 0, ran.err


def read(node: dict[str, Any]) -> Iterator[int]:
    """Files that each scan below this node opened."""
    yield int((node.get("extra_info") or {}).get("Total Files Read") or 0)
    for child in node.get("children", []):
        yield from read(child)


def files_read(home: Path, first_day: date, last_day: date, to_file: Path) -> int:
    connection = connect(load_settings(home), retry_ladders(), read_only=True)
    try:
        connection.execute("set enable_profiling = 'json'")
        connection.execute(f"set profiling_output = '{to_file}'")
        found = connection.execute(compared(first_day, last_day)).fetchall()
        assert len(found) == 3 * LINES * ((last_day - first_day).days + 1)
        connection.execute("set enable_profiling = 'no_output'")
    finally:
        connection.close()
    return sum(read(json.loads(to_file.read_text("utf-8"))))


@pytest.mark.slow
def test_work_does_not_grow_with_history(fresh_home: Path, tmp_path: Path) -> None:
    home = Path(shutil.copytree(fresh_home, tmp_path / "home"))
    load_days(home, tmp_path, range(12))
    day = DAY - timedelta(days=4)
    short = files_read(home, day, day, tmp_path / "short.json")
    load_days(home, tmp_path, range(12, 48))
    long = files_read(home, day, day, tmp_path / "long.json")
    whole = files_read(home, DAY - timedelta(days=47), DAY, tmp_path / "whole.json")
    assert 0 < long <= short + 2
    assert whole > 3 * long
