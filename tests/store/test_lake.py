"""The lake's promises: order does not matter, a kill loses nothing, readers never fail."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from sample_data.files import write_files
from sample_data.merchant import Merchant
from tests.conftest import run_mdash

pytestmark = pytest.mark.slow

METRICS = ("sales", "conversion", "payment_success", "outcomes", "failures", "latency",
           "notifications", "refund_rate", "settlement")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, channel_key: bytes) -> list[Path]:
    folder = tmp_path_factory.mktemp("small")
    write_files(Merchant(seed=3, orders=600, last_day=date(2026, 10, 10)), folder, channel_key,
                daily_from=date(2026, 10, 6))
    every = sorted(path for path in folder.rglob("*") if path.is_file())
    return [path for path in every if any(
        stamp in path.name for stamp in ("2026-09", "2026-10", "202609", "202610", "alipay")
    )]


def everything(home: Path) -> dict[str, Any]:
    found = {}
    for name in METRICS:
        by = () if name in ("latency", "notifications") else ("--by", "month")
        ran = run_mdash(home, "metric", name, "--from", "2025-08-01", "--to", "2026-12-31", *by,
                        "--format", "json")
        assert ran.code == 0, ran.err
        found[name] = ran.json()
    return found


def test_files_in_any_order_give_the_same_numbers_and_undo_is_exact(
    files: list[Path], home: Path, fresh_home: Path, tmp_path: Path
) -> None:
    import shutil

    other = Path(shutil.copytree(fresh_home, tmp_path / "other"))
    assert run_mdash(home, "load", *map(str, files)).code == 0
    shuffled = list(files)
    random.Random(5).shuffle(shuffled)
    middle = len(shuffled) // 2
    assert run_mdash(other, "load", *map(str, shuffled[:middle])).code == 0
    half = everything(other)
    assert run_mdash(other, "load", *map(str, shuffled[middle:])).code == 0
    assert everything(other) == everything(home)
    again = run_mdash(other, "load", *map(str, files), "--json").json()
    assert (again["rows"], again["rejected"]) == (0, 0)
    assert everything(other) == everything(home)
    rows = run_mdash(other, "sql", f"select load_id from loads order by load_id desc limit "
                     f"{len(shuffled) - middle}", "--format", "json").json()["rows"]
    for row in rows:
        assert run_mdash(other, "undo", str(row["load_id"])).code == 0
    assert everything(other) == half
    assert run_mdash(other, "maintain").code == 0
    assert everything(other) == half


def start(home: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "dashboard.cli", "--home", str(home), *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )


def test_a_kill_at_any_moment_loses_and_doubles_nothing(
    files: list[Path], home: Path
) -> None:
    bills = [str(path) for path in files if path.name.startswith("2088")][:8]
    chance = random.Random(11)
    for _ in range(4):
        process = start(home, "load", *bills, "--json")
        time.sleep(0.8 + 2.2 * chance.random())
        process.send_signal(signal.SIGKILL)
        process.communicate()
        _raw_agrees_with_the_models(home)
    done = run_mdash(home, "load", *bills, "--json")
    assert done.code == 0, done.err
    _raw_agrees_with_the_models(home)
    once = run_mdash(home, "sql", "select count(*) as n, count(distinct (trade_no, type, refund_no))"
                     " as u from settlement_lines", "--format", "json").json()["rows"][0]
    assert once["n"] == once["u"] > 0


def _raw_agrees_with_the_models(home: Path) -> None:
    ran = run_mdash(
        home, "sql",
        "select (select coalesce(sum(receipt_fen), 0) from settlement_lines where kind = 'payment')"
        " as raw, (select coalesce(sum(receipt_fen), 0) from trades) as model",
        "--format", "json",
    )
    assert ran.code == 0, ran.err
    row = ran.json()["rows"][0]
    assert row["raw"] == row["model"]


def test_two_processes_read_without_an_error_while_one_loads(
    files: list[Path], home: Path
) -> None:
    loader = start(home, "load", *map(str, files), "--json")
    reads = 0
    while loader.poll() is None and reads < 40:
        readers = [start(home, "metric", "sales", "--from", "2026-09-01", "--to", "2026-10-31",
                         "--format", "json") for _ in range(2)]
        for reader in readers:
            out, err = reader.communicate(timeout=60)
            assert reader.returncode == 0, err
            assert json.loads(out)["metric"] == "sales"
            reads += 1
    out, err = loader.communicate(timeout=120)
    assert loader.returncode == 0, err
    assert reads >= 2


def test_two_loads_at_once_wait_for_each_other(files: list[Path], home: Path) -> None:
    bills = [str(path) for path in files if path.name.startswith("2088")][:6]
    both = [start(home, "load", *half, "--json") for half in (bills[:3], bills[3:])]
    for process in both:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    _raw_agrees_with_the_models(home)
    loads = run_mdash(home, "sql", "select count(*) as n, count(distinct load_id) as u from loads",
                      "--format", "json").json()["rows"][0]
    assert loads["n"] == loads["u"] == 6


def test_the_store_is_readable_by_its_user_alone(home: Path) -> None:
    assert (home / "catalog.sqlite").stat().st_mode & 0o077 == 0
