"""Unmasking is recorded, and an erased buyer is forgotten while every count stays."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from dashboard.identity.rights import ROLES, Person, Role
from dashboard.operations import vault
from dashboard.services import Services
from loaders.channels import retry_ladders
from loaders.durable_log import log_folder
from loaders.errors import Forbidden, RefusedInput
from loaders.load import load_paths
from loaders.privacy import pseudonym, pseudonym_key
from loaders.settings import load_settings
from loaders.store.reader import Reader
from loaders.store.warehouse import Warehouse
from loaders.tail import load_new
from tests.conftest import run_mdash
from tests.store.messages import body, envelope, fields, order

pytestmark = pytest.mark.slow

PAYER = "2088000000000099"
NAMED = "anna.li@example.com"
REASON = "the buyer asked where the money is"


@pytest.fixture(scope="module")
def filled(
    tmp_path_factory: pytest.TempPathFactory, fresh_home: Path, channel_key: bytes
) -> Path:
    """Three orders of one buyer and one of another, with their messages in the home's own log."""
    folder = tmp_path_factory.mktemp("buyers")
    home = Path(shutil.copytree(fresh_home, folder / "home"))
    settings = load_settings(home)
    path = folder / "orders.jsonl"
    path.write_text("\n".join(
        order(f"M{number}", buyer=buyer, at=f"2026-05-0{number}T12:00:00+08:00",
              items=[{"sku": f"A{number}"}], expires_at=f"2026-05-0{number}T12:30:00+08:00")
        for number, buyer in ((1, "anna"), (2, "anna"), (3, "anna"), (4, "bert"))
    ))
    load_paths(settings, [path])
    folder = log_folder(home)
    folder.mkdir(mode=0o700)
    (folder / "2026-05-01.1.0001.jsonl").write_text("".join(
        envelope(body(channel_key, fields(
            f"M{number}", buyer_id=payer, buyer_logon_id=NAMED, gmt_create=f"2026-05-0{number} 12:00:00",
            gmt_payment=f"2026-05-0{number} 12:00:30",
        )), f"2026-05-0{number}T12:00:31+08:00") + "\n"
        for number, payer in ((1, PAYER), (2, PAYER), (3, PAYER), (4, "2088000000000011"))
    ))
    load_new(settings)
    return home


@pytest.fixture
def shop(tmp_path: Path, filled: Path) -> Path:
    """A copy of that home."""
    return Path(shutil.copytree(filled, tmp_path / "shop"))


def acting(home: Path, role: Role = ROLES["admin"]) -> Services:
    return Services(load_settings(home), person=Person("ada", role))


def rows(home: Path, sql: str) -> list[dict[str, Any]]:
    reader = Reader(load_settings(home), retry_ladders())
    try:
        return reader.rows(sql)
    finally:
        reader.close()


def numbers(home: Path) -> list[Any]:
    """Everything that counts buyers, in one list."""
    return [
        rows(home, "select buyer is null as nobody, count(*) as n, sum(amount_fen)::bigint as fen"
                   " from lake.trade group by buyer order by all"),
        rows(home, "select channel, sum(orders)::bigint as orders, sum(net_fen)::bigint as fen from"
                   " lake.buyer_orders group by channel, buyer_key order by all"),
        rows(home, "select channel, list(item order by item) as items, sum(orders)::bigint as n"
                   " from lake.buyer_items group by channel, buyer_key order by all"),
        rows(home, "select first_paid_at, orders, paid_fen from lake.buyers order by all"),
        rows(home, "select count(distinct payer) as payers from lake.deliveries"),
    ]


def items_of(home: Path, buyer: str) -> list[str]:
    """What the lake's table of items says that a pseudonym bought."""
    found = rows(home, "select item from lake.buyer_items where buyer_key ="
                       f" id_hash('alipay:{buyer}')::ubigint order by item")
    return [row["item"] for row in found]


def buyer_of(home: Path, order_no: str) -> str:
    return str(rows(home, f"select buyer from lake.trade where order_no = '{order_no}'")[0]["buyer"])


def test_unmasking_shows_what_the_channel_told_and_is_recorded(shop: Path) -> None:
    mine = acting(shop)
    assert mine.unmask("alipay", "M2", "payer_id", REASON) == PAYER
    assert mine.unmask("alipay", "M2", "payer_logon", "call 13812345678 back") == NAMED
    entries = mine.trail.read(action="unmasked")
    assert [row["subject"] for row in entries] == ["alipay/M2", "alipay/M2"]
    kept = " ".join(row["detail"] for row in entries)
    assert REASON in kept
    for secret in (PAYER, NAMED, "13812345678"):
        assert secret not in kept


def test_unmasking_needs_a_reason(shop: Path) -> None:
    mine = acting(shop)
    for reason in ("", "   why ", "x" * 201):
        with pytest.raises(RefusedInput, match="reason"):
            mine.unmask("alipay", "M2", "payer_id", reason)
    assert mine.trail.read(action="unmasked") == []


def test_unmasking_needs_the_right_for_the_trade_s_store(shop: Path) -> None:
    elsewhere = Role("elsewhere", frozenset({"see", "unmask"}), stores=frozenset({"S9"}))
    for role in (ROLES["operator"], elsewhere):
        with pytest.raises(Forbidden):
            acting(shop, role).unmask("alipay", "M2", "payer_id", REASON)
    assert len(acting(shop).trail.read(action="refused")) == 2


def test_what_the_log_no_longer_holds_cannot_be_unmasked(shop: Path) -> None:
    for path in log_folder(shop).glob("*.jsonl"):
        path.unlink()
    with pytest.raises(RefusedInput, match="its time is over"):
        acting(shop).unmask("alipay", "M2", "payer_id", REASON)


@pytest.mark.parametrize("named", ["anna", "pseudonym", PAYER])
def test_an_erased_buyer_is_forgotten_and_every_count_stays(shop: Path, named: str) -> None:
    before, known = numbers(shop), buyer_of(shop, "M1")
    bert = buyer_of(shop, "M4")
    assert items_of(shop, known) == ["A1", "A2", "A3"]
    mine = acting(shop)
    done = mine.erase(known if named == "pseudonym" else named, REASON)
    assert (done.pseudonyms, done.trades) == (2, 3)
    assert numbers(shop) == before
    assert buyer_of(shop, "M1") == buyer_of(shop, "M3") != known
    assert buyer_of(shop, "M4") == bert
    assert items_of(shop, known) == []
    assert items_of(shop, buyer_of(shop, "M1")) == ["A1", "A2", "A3"]
    assert items_of(shop, bert) == ["A4"]
    fresh = acting(shop)
    for wanted in (known, "anna", PAYER):
        assert fresh.find_trades(wanted) == []
    assert len(fresh.find_trades(buyer_of(shop, "M1"))) == 3
    with pytest.raises(RefusedInput, match="erased"):
        fresh.unmask("alipay", "M1", "payer_id", REASON)
    with pytest.raises(RefusedInput, match="No buyer"):
        fresh.erase("anna", REASON)
    (entry,) = fresh.trail.read(action="erased")
    assert (entry["actor"], entry["subject"]) == ("ada", "a buyer")
    assert json.loads(entry["detail"])["trades"] == 3
    for secret in (known, "anna", PAYER, buyer_of(shop, "M1")):
        assert secret not in entry["detail"]


@pytest.mark.slow
def test_a_later_load_does_not_bring_an_erased_buyer_back(
    shop: Path, tmp_path: Path, channel_key: bytes
) -> None:
    known = buyer_of(shop, "M1")
    acting(shop).erase("anna", REASON)
    forgotten, before = buyer_of(shop, "M1"), numbers(shop)
    more = tmp_path / "more.jsonl"
    more.write_text("\n".join(
        [order("M1", buyer="anna", at="2026-05-01T12:00:00+08:00",
               expires_at="2026-05-01T12:30:00+08:00"), order("M9", buyer="anna"),
         order("M8", buyer="carl")]
    ))
    messages = tmp_path / "again.jsonl"
    messages.write_text(envelope(body(channel_key, fields(
        "M1", buyer_id=PAYER, notify_id="other", gmt_create="2026-05-01 12:00:00",
        gmt_payment="2026-05-01 12:00:30")), "2026-05-01T13:00:31+08:00") + "\n")
    load_paths(load_settings(shop), [more, messages])
    assert buyer_of(shop, "M1") == forgotten
    assert buyer_of(shop, "M9") == "None"
    assert buyer_of(shop, "M8").startswith("b")
    key = pseudonym_key(shop)
    told = {pseudonym(key, "shop", "anna"), pseudonym(key, "alipay", PAYER), known}
    for table, column in (("trade", "buyer"), ("deliveries", "payer"), ("checkout_log", "buyer"),
                          ("buyer_orders", "buyer"), ("erased", "mark")):
        held = {row["v"] for row in rows(shop, f"select {column} as v from lake.{table}")}
        assert not told & held, table
    carl = {"channel": "alipay", "orders": 1, "fen": 0}
    assert [row for row in numbers(shop)[1] if row != carl] == before[1]
    with Warehouse(load_settings(shop), retry_ladders()) as warehouse:
        warehouse.maintain()
    assert [row for row in numbers(shop)[1] if row != carl] == before[1]


@pytest.fixture
def shared(shop: Path, tmp_path: Path, channel_key: bytes) -> Path:
    """Also: cora and dora whose orders one payer paid, and erik whose order has a number of anna's."""
    path = tmp_path / "more.jsonl"
    path.write_text("\n".join([
        order("M5", buyer="cora"), order("M6", buyer="dora"),
        order("M1", buyer="erik", channel="wechatpay", product="JSAPI"),
    ]))
    messages = tmp_path / "messages.jsonl"
    messages.write_text("".join(
        envelope(body(channel_key, fields(name, buyer_id=BOTH)), "2026-05-03T12:01:31+08:00") + "\n"
        for name in ("M5", "M6")
    ))
    load_paths(load_settings(shop), [path, messages])
    return shop


BOTH = "2088000000000055"


def test_nobody_is_erased_with_a_buyer_who_is_not_surely_the_same(shared: Path) -> None:
    buyers = {row["order_no"]: row["buyer"] for row in rows(
        shared, "select channel || order_no as order_no, buyer from lake.trade")}
    assert acting(shared).erase_preview("anna").startswith("Erasing takes 2 ids of this buyer out of 3")
    done = acting(shared).erase("anna", REASON)
    assert (done.pseudonyms, done.trades) == (2, 3)
    assert acting(shared).erase("cora", REASON).pseudonyms == 1
    left = {row["order_no"]: row["buyer"] for row in rows(
        shared, "select channel || order_no as order_no, buyer from lake.trade")}
    changed = {name for name, buyer in buyers.items() if left[name] != buyer}
    assert changed == {"alipayM1", "alipayM2", "alipayM3", "alipayM5"}
    payer = pseudonym(pseudonym_key(shared), "alipay", BOTH)
    paid = rows(shared, f"select order_no from lake.deliveries where payer = '{payer}' order by 1")
    assert [row["order_no"] for row in paid] == ["M5", "M6"]


def test_a_payer_of_several_buyers_is_erased_alone_when_named(shared: Path) -> None:
    assert acting(shared).erase(BOTH, REASON).pseudonyms == 1
    assert len(acting(shared).find_trades("dora")) == 1


def test_erasing_needs_an_account_that_administers(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Forbidden):
        acting(shop, ROLES["approver"]).erase("anna", REASON)
    monkeypatch.setattr("sys.stdin", io.StringIO("anna\n"))
    ran = run_mdash(shop, "erase", "-", "--as", "nobody", "--reason", REASON)
    assert ran.code == 4
    assert "anna" not in ran.err


def test_the_fields_that_can_be_unmasked_have_their_chinese() -> None:
    say = Services(load_settings(Path("/nowhere")), language="zh").say
    assert all(say(text) != text for text in vault.FIELDS.values())
