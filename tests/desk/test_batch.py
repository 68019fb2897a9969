"""Refunds from a table: looked at as a whole, each line under the same guards, never twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from dashboard.operations import batch, double_payments
from dashboard.operations.ledger import Ledger
from dashboard.operations.policy import LakeBooks
from loaders.channels import retry_ladders
from loaders.errors import Forbidden, RefusedInput
from loaders.settings import load_settings
from loaders.store.reader import Reader
from tests.conftest import Sample
from tests.desk.conftest import OMAR, VERA, Desk, agree

LINES = "订单号,退款金额,退款原因\nM1,60.00,破损\nM2,1.00,少件\nM1,41,破损\nM3,1,x\nM1,abc,x\nM1,1,\n"


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-8", "gb18030"])
def test_each_line_says_what_it_would_do_and_nothing_is_sent(desk: Desk, codec: str) -> None:
    desk.paid()
    desk.paid("M2")
    found = batch.preview(desk.refunds, OMAR, LINES.encode(codec))
    assert [(row.line, row.amount_fen, row.why is None) for row in found.rows] == [
        (2, 6_000, True), (3, 100, True), (4, 4_100, False), (5, 100, False), (6, None, False),
        (7, 100, False),
    ]
    assert found.total_fen == 6_100
    assert desk.wire.heard == []
    assert desk.refunds.refunds() == []


def test_a_batch_runs_once_however_often_it_is_run(desk: Desk) -> None:
    trade = desk.paid()
    desk.paid("M2")
    desk.settings.refunds.approval_above = Decimal(50)
    found = batch.preview(desk.refunds, OMAR, LINES.encode())
    first = [(row.refund.state if row.refund else None) for row in
             batch.run(desk.refunds, lambda: OMAR, found, "november")]
    assert first == ["awaiting_approval", "done", None, None, None, None]
    again = list(batch.run(desk.refunds, lambda: OMAR, found, "november"))
    assert [item.refund.state for item in again if item.refund] == ["awaiting_approval", "done"]
    assert len(desk.refunds.refunds()) == 2
    assert {item.batch for item in desk.refunds.refunds()} == {"november"}
    assert trade.refunds == []
    agree(desk, "M2")


def ask_all(desk: Desk, text: str, **more: bool) -> list[str | None]:
    """Look at a file and ask for its lines: the state of each, None without a refund."""
    found = batch.preview(desk.refunds, OMAR, text.encode(), **more)
    return [row.refund.state if row.refund else None for row in
            batch.run(desk.refunds, lambda: OMAR, found, "x")]


def test_a_corrected_file_refunds_only_what_was_corrected(desk: Desk) -> None:
    trade, other = desk.paid(), desk.paid("M2")
    wrong = "id,amount,reason\nM9,1,typo\nM1,40.00,broken\nM1,1,x\nM1,1,x\n"
    assert ask_all(desk, wrong) == [None, "done", "done", "done"]
    right = wrong.replace("M9", "M2")
    found = batch.preview(desk.refunds, OMAR, right.encode())
    assert [row.refund is not None for row in found.rows] == [False, True, True, True]
    assert (found.total_fen, found.repeats) == (100, 0)
    for text in (right, right.replace("\n", "\r\n"), "id,amount,reason\nM1,40,broken\n"):
        assert set(ask_all(desk, text)) == {"done"}
    assert sorted(item.amount_fen for item in trade.refunds) == [100, 100, 4_000]
    assert [item.amount_fen for item in other.refunds] == [100]


def test_what_looks_like_a_repeat_is_left_out_until_somebody_means_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    trade = desk.paid()
    desk.ask(1_000, refund_no="by-hand")
    text = "id,amount,reason\nM1,10,broken\nM1,11,broken\n"
    found = batch.preview(desk.refunds, OMAR, text.encode())
    assert (found.total_fen, found.repeats) == (1_100, 1)
    assert "by-hand" in str(found.rows[0].why)
    assert ask_all(desk, text) == [None, "done"]
    assert trade.refunded_fen == 2_100
    assert ask_all(desk, text, takes_repeats=True) == ["done", "done"]
    assert trade.refunded_fen == 3_100
    monkeypatch.setattr(batch, "RECENT", timedelta(0))
    assert batch.preview(desk.refunds, OMAR, b"id,amount,reason\nM1,11,other\n").repeats == 0


def test_a_repeat_made_between_the_look_and_the_click_is_left_out(desk: Desk) -> None:
    trade = desk.paid()
    found = batch.preview(desk.refunds, OMAR, b"id,amount,reason\nM1,10,broken\n")
    desk.ask(1_000)
    assert next(batch.run(desk.refunds, lambda: OMAR, found, "x")).refund is None
    found = batch.preview(
        desk.refunds, OMAR, b"id,amount,reason\nM1,10,broken\nM1,11,x\n", takes_repeats=True
    )
    desk.ask(1_100)
    rows = list(batch.run(desk.refunds, lambda: OMAR, found, "x"))
    assert [row.refund is not None for row in rows] == [True, False], "only the one that was meant"
    assert trade.refunded_fen == 3_100


def test_who_loses_the_right_midway_refunds_no_further_line(desk: Desk) -> None:
    trade = desk.paid()
    found = batch.preview(desk.refunds, OMAR, b"id,amount,reason\nM1,10,a\nM1,11,b\n")
    people = iter([OMAR, replace(OMAR, role=VERA.role)])
    rows = list(batch.run(desk.refunds, lambda: next(people), found, "x"))
    assert [row.refund is not None for row in rows] == [True, False]
    assert isinstance(rows[1].why, Forbidden)
    assert trade.refunded_fen == 1_000


@pytest.mark.parametrize("content", [
    b"", b"a,b\n1,2\n", b"\xff\xfe\x00", b'id,amount,reason\n"M1', b"id,amount,reason\n" * 1_002,
    b" " * (2**20 + 1),
])
def test_a_file_that_is_no_batch_is_refused(desk: Desk, content: bytes) -> None:
    with pytest.raises(RefusedInput):
        batch.preview(desk.refunds, OMAR, content)
    with pytest.raises(Forbidden):
        batch.preview(desk.refunds, VERA, content)


@pytest.mark.slow
def test_the_store_tells_what_was_paid_and_given_back(sample: Sample) -> None:
    reader = Reader(load_settings(sample.home), retry_ladders())
    row = reader.one("select * from lake.refund order by refunded_at desc, refund_no limit 1")
    books = LakeBooks(reader)
    order = books.order(row["channel"], row["order_no"])
    assert order is not None
    assert order.paid_at is not None
    assert order.refunds[row["refund_no"]] == row["amount_fen"]
    assert books.find(row["refund_no"]) == [(row["channel"], row["order_no"])]
    assert books.order("alipay", "nobody") is None
    assert books.find("nobody") == []
    reader.close()


@pytest.mark.slow
def test_a_purchase_that_was_paid_twice_is_found(home: Path, tmp_path: Path) -> None:
    from tests.conftest import run_mdash

    at = datetime(2026, 10, 5, 12, 0)
    paid = [("A", "u1", "8.00", 0, "alipay"), ("B", "u1", "8.00", 4, "alipay"),
            ("C", "u1", "8.00", 60, "alipay"), ("D", "u2", "8.00", 5, "alipay"),
            ("E", "u1", "9.00", 5, "alipay")]
    lines = []
    for order_no, buyer, amount, minute, channel in paid:
        when = at + timedelta(minutes=minute)
        lines.append(
            f'{{"event":"order","order_no":"{order_no}","at":"{when.isoformat()}+08:00",'
            f'"channel":"{channel}","amount":"{amount}","buyer":"{buyer}","store":"S"}}\n'
            f'{{"at":"{when.isoformat()}+08:00","channel":"{channel}","method":'
            f'"alipay.trade.query","request":{{"out_trade_no":"{order_no}"}},"response":{{"code":'
            f'"10000","trade_status":"TRADE_SUCCESS","out_trade_no":"{order_no}","trade_no":'
            f'"T{order_no}","send_pay_date":"{when:%Y-%m-%d %H:%M:%S}"}},"elapsed_ms":9}}\n'
        )
    log = tmp_path / "checkout.jsonl"
    log.write_text("".join(lines), "utf-8")
    assert run_mdash(home, "load", str(log)).code == 0
    settings = load_settings(home)
    reader, ledger = Reader(settings, retry_ladders()), Ledger(settings)
    found = double_payments.find(reader, ledger, date(2026, 10, 1), date(2026, 10, 31))
    assert [(item.order_no, item.twin_order_no, item.amount_fen) for item in found] == [
        ("B", "A", 800)
    ]
    assert "10 minutes" in str(found[0].why)
    assert double_payments.find(reader, ledger, date(2026, 10, 6), date(2026, 10, 31)) == []
    reader.close()
    ledger.close()
