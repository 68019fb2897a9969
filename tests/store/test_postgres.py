"""The same code over a PostgreSQL catalog, on a real server started for the test."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from loaders.channels import retry_ladders
from loaders.errors import StoreBusy
from loaders.settings import load_settings
from loaders.store.warehouse import Warehouse
from sample_data.files import trade_bill
from tests.conftest import make_home, run_mdash
from tests.store.test_bills import DAY, lines

pytestmark = pytest.mark.postgres


def programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    assert found, "PostgreSQL's programs are not installed"
    return found[-1]


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    # Beside pytest's own folders: every new run of it closes those to other users.
    folder = Path(tempfile.mkdtemp(prefix="mdash-pg-"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    as_user: list[str] = []
    if os.geteuid() == 0:  # the server refuses to run as root
        name = pwd.getpwnam("postgres").pw_name
        shutil.chown(folder, name)
        as_user = ["runuser", "-u", name, "--"]
    data, run = folder / "data", programs()
    subprocess.run([*as_user, str(run / "initdb"), "-D", str(data), "-U", "mdash", "-A", "trust"],
                   check=True, capture_output=True)
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
    subprocess.run([*as_user, str(run / "pg_ctl"), "-D", str(data), "-o", options, "-w", "-l",
                    str(folder / "log"), "start"], check=True, capture_output=True)
    try:
        yield port
    finally:
        subprocess.run([*as_user, str(run / "pg_ctl"), "-D", str(data), "-m", "fast", "stop"],
                       check=True, capture_output=True)
        shutil.rmtree(folder)


@pytest.fixture
def catalog(server: int, request: pytest.FixtureRequest) -> str:
    """A catalog of the test's own."""
    name = f"lake_{abs(hash(request.node.name))}"
    subprocess.run([str(programs() / "createdb"), "-h", "127.0.0.1", "-p", str(server), "-U",
                    "mdash", name], check=True, capture_output=True)
    return f"postgres:host=127.0.0.1 port={server} user=mdash dbname={name}"


def test_two_homes_share_one_store(catalog: str, tmp_path: Path, channel_key: bytes) -> None:
    store = f'[store]\ncatalog = "{catalog}"\ndata = "{tmp_path}/shared/"'
    homes = [make_home(tmp_path / name, channel_key, store) for name in ("one", "two")]
    bill = tmp_path / "bill.csv"
    bill.write_bytes(trade_bill(DAY, DAY, lines()))
    assert run_mdash(homes[0], "load", str(bill)).code == 0
    period = ("--from", "2026-05-01", "--to", "2026-05-31", "--format", "json")
    for home in homes:
        row = run_mdash(home, "metric", "settlement", *period).json()["rows"][0]
        assert (row["gross_fen"], row["net_fen"]) == (6000, 5566)
    again = run_mdash(homes[1], "load", str(bill), "--json").json()["files"][0]
    assert again["status"] == "duplicate"
    assert run_mdash(homes[1], "maintain").code == 0


def test_two_machines_that_write_at_once_never_double(
    catalog: str, tmp_path: Path, channel_key: bytes
) -> None:
    from datetime import timedelta

    store = f'[store]\ncatalog = "{catalog}"\ndata = "{tmp_path}/shared2/"'
    homes = [make_home(tmp_path / name, channel_key, store) for name in ("three", "four")]
    results: list[int] = []
    told: list[str] = []

    def work(number: int) -> None:
        for at in range(3):
            day = DAY + timedelta(days=20 + at * 2 + number)
            bill = tmp_path / f"bill-{number}-{at}.csv"
            bill.write_bytes(trade_bill(day, day, []))
            done = subprocess.run(
                [sys.executable, "-m", "dashboard.cli", "--home", str(homes[number]), "load", str(bill)],
                capture_output=True, text=True, check=False,
            )
            results.append(done.returncode)
            told.append(done.stderr)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = run_mdash(homes[0], "sql", "select count(*) as n, count(distinct load_id) as u from"
                     " loads where first_day > '2026-05-20'", "--format", "json").json()["rows"][0]
    assert rows["n"] == rows["u"] == results.count(0)
    assert results.count(0) == 6, told


def _write_at_once(first: Warehouse, second: Warehouse) -> None:
    with first.transaction("one"):
        first.execute("insert into lake.loads (load_id, file) values (1, 'one')")
        with second.transaction("two"):
            second.execute("insert into lake.loads (load_id, file) values (1, 'two')")


def test_of_two_transactions_at_once_one_is_rolled_back_whole(
    catalog: str, tmp_path: Path, channel_key: bytes
) -> None:
    store = f'[store]\ncatalog = "{catalog}"\ndata = "{tmp_path}/shared3/"'
    first, second = (
        Warehouse(load_settings(make_home(tmp_path / name, channel_key, store)), retry_ladders())
        for name in ("five", "six")
    )
    with first, second:
        with pytest.raises(StoreBusy):
            _write_at_once(first, second)
        assert first.execute("select file from lake.loads").fetchall() == [("two",)]
        with first.transaction("again"):
            first.execute("insert into lake.loads (load_id, file) values (2, 'one')")
        assert len(second.execute("select file from lake.loads").fetchall()) == 2
