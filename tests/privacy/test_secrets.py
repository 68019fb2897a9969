"""Planted secrets and personal data are found nowhere but where they must be."""

from __future__ import annotations

import io
import json
import logging
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dashboard.identity.accounts import Accounts
from dashboard.operations.ledger import Ledger
from dashboard.services import Services
from loaders import logs
from loaders.call_log import CallLog, now
from loaders.channels import retry_ladders
from loaders.channels.protocol import Message
from loaders.durable_log import log_folder
from loaders.errors import NoAnswer
from loaders.records import Answer
from loaders.settings import load_settings
from loaders.store.connection import connect
from loaders.tail import load_new
from sample_data.files import trade_bill
from tests.conftest import run_mdash
from tests.store.messages import attempt, body, envelope, fields, order
from tests.store.test_bills import DAY, lines

pytestmark = pytest.mark.slow

CARD, PHONE, LOGON, BUYER = "6222021234567890128", "13812345678", "anna.li@example.com", "anna-li-77"
PAYER = "2088000000004321"
PLANTED = (CARD, PHONE, LOGON, BUYER, PAYER)


def bill() -> bytes:
    """A bill in whose texts everything stands that people write there."""
    raw = trade_bill(DAY, DAY, lines())
    for text in (f"卡{CARD}", f"充值{PHONE}", f"{LOGON}收"):
        raw = raw.replace("手机壳".encode("gbk"), text.encode("gbk"), 1)
    return raw


def log() -> str:
    good = order("M1", buyer=BUYER, items=[{"name": f"{PHONE} {CARD}"}], campaign=LOGON)
    odd = json.dumps({"event": PHONE, "order_no": "M2", "at": "2026-05-03T12:00:00+08:00"})
    return "\n".join([good, attempt(code=PHONE, sub_code=CARD), odd, f'{{"x": "{LOGON}"'])


def everything(home: Path) -> Iterator[tuple[str, str]]:
    """Every text that a home keeps outside of its keys and of the channels' whole messages."""
    for path in home.rglob("*"):
        kept_whole = {"keys", "notifications"} & set(path.relative_to(home).parts)
        if path.is_file() and not kept_whole:
            yield str(path), path.read_bytes().decode("latin-1")
    with closing(connect(load_settings(home), retry_ladders(), read_only=True)) as lake:
        for (name,) in lake.execute(
            "select table_name from duckdb_tables() where database_name = 'lake'"
        ).fetchall():
            yield name, str(lake.execute(f"select * from lake.{name}").fetchall())
    with closing(sqlite3.connect(home / "ledger.sqlite")) as ledger:
        for (name,) in ledger.execute("select name from sqlite_master where type = 'table'"):
            yield name, str(ledger.execute(f"select * from {name}").fetchall())


def call(home: Path) -> None:
    """A call to the channel whose answer repeats what it should not."""
    message = Message("alipay", "alipay.trade.query", "POST", "", body=PHONE.encode())
    why = NoAnswer("The bill of {period} is not there yet.", period=f"{PHONE} {LOGON}")
    CallLog(home / "logs").write(message, Answer(why=why, text=LOGON), now(), 5, 1)


def test_planted_secrets_are_nowhere(
    tmp_path: Path, fresh_home: Path, channel_key: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Path(shutil.copytree(fresh_home, tmp_path / "home"))
    settings = load_settings(home)
    files = tmp_path / "in"
    files.mkdir()
    (files / "bill.csv").write_bytes(bill())
    (files / "log.jsonl").write_text(log())
    folder = log_folder(home)
    folder.mkdir(mode=0o700)
    (folder / "2026-05-03.1.0001.jsonl").write_text(envelope(body(channel_key, fields(
        buyer_id=PAYER, buyer_logon_id=LOGON, subject=f"{PHONE} {CARD}"))) + "\n")
    said = []
    ran = run_mdash(home, "load", str(files), "--json")
    said += [ran.out, ran.err]
    assert ran.code == 3, ran.err
    load_new(settings)
    assert {item["cards_masked"] for item in ran.json()["files"]} == {1, 2}
    call(home)
    accounts = Accounts(Ledger(settings))
    accounts.add(None, "ada", "admin", "correct horse battery 9!")
    for arguments in (
        ["export", "sales", "--from", "2026-05-01", "--to", "2026-05-31", "--to-file",
         str(home / "sales.csv")],
        ["sql", f"select cast('{PHONE}' as date)"], ["trade", "M1", "--json"],
        ["erase", PHONE, "--as", "ada", "--reason", f"she wrote from {LOGON}"],
        ["unmask", "M1", "--field", "payer_id", "--as", LOGON, "--reason", "she called us"],
        ["audit", "export"], ["undo", "99"],
    ):
        done = run_mdash(home, *arguments)
        said += [done.out, done.err]
    monkeypatch.setattr("dashboard.terminal.Context.settings", broken)
    said.append(run_mdash(home, "check").err)
    mine = Services(settings, person=accounts.person("ada"))
    assert mine.unmask("alipay", "M1", "payer_logon", f"call {PHONE} back") == LOGON
    said.append(str(mine.rejects()))
    held = [*everything(home), *((f"said {number}", text) for number, text in enumerate(said))]
    lead = channel_key.decode().splitlines()[1]
    found = [(where, secret) for where, text in held for secret in (*PLANTED, lead) if secret in text]
    assert found == []
    told = [row for row in mine.rejects() if "payment card" in row["why"]]
    assert {(row["file"], row["line"]) for row in told} >= {
        ("bill.csv", 6), ("log.jsonl", 1), ("log.jsonl", 2), ("2026-05-03.1.0001.jsonl", 1)}
    assert (home / "crashes" / "last.txt").exists()


def broken(_: object) -> None:
    raise ValueError(f"{PHONE} {LOGON} {CARD}")


def test_no_library_s_logger_writes_the_text_of_an_error() -> None:
    before = logging.getLogRecordFactory()
    sink = io.StringIO()
    logger = logging.Logger("streamlit.error_util")
    logger.addHandler(logging.StreamHandler(sink))
    try:
        logs.configure()
        try:
            broken(None)
        except ValueError as error:
            logger.error("Uncaught app execution", exc_info=error)
    finally:
        logging.setLogRecordFactory(before)
    assert "ValueError: test_secrets.py" in sink.getvalue()
    assert not [secret for secret in PLANTED if secret in sink.getvalue()]
