"""Notifications arrive signed, are repeated by the ladder until `success`, and say what happened."""

from __future__ import annotations

import time
from itertools import pairwise
from urllib.parse import parse_qs

import pytest

from loaders.channels.alipay import notifications
from loaders.records import Notification
from sample_data.gateway.notifier import GAPS_S
from tests.gateway.conftest import Caller, Heard, Start

pytestmark = pytest.mark.slow


def read(caller: Caller, body: str) -> Notification:
    keys = notifications.Keys(
        caller.channel_public, caller.keys.app_id, caller.keys.seller_id, "utf-8"
    )
    return notifications.read({}, body, keys)


def test_the_ladder_is_the_channels() -> None:
    minute, hour = 60, 3600
    assert (
        4 * minute, 10 * minute, 10 * minute, hour, 2 * hour, 6 * hour, 15 * hour,
    ) == GAPS_S


@pytest.mark.parametrize("charset", ["utf-8", "gbk"])
@pytest.mark.parametrize("kind", ["RSA2", "RSA"])
def test_a_payment_is_told(caller: Caller, merchant: Heard, charset: str, kind: str) -> None:
    caller.paid("N1", notify_url=merchant.url, charset=charset, sign_type=kind)
    [(_, agent, body)] = merchant.wait(1)
    said = read(caller, body)
    assert (said.order_no, said.proves_paid, said.amount_fen, said.is_ours, said.is_refund) == (
        "N1", True, 1200, True, False,
    )
    assert agent == "Mozilla/4.0"
    assert parse_qs(body, encoding=charset)["subject"] == ["保温杯"]


def test_repeated_by_the_ladder_until_exactly_success(start: Start, merchant: Heard) -> None:
    caller = start(speed=1200.0)
    merchant.answers = [b"fail", b"success\n", b'"success"']
    caller.paid("N1", notify_url=merchant.url)
    tries = merchant.wait(4)
    gaps = [later - before for (before, *_), (later, *_) in pairwise(tries)]
    for gap, wanted in zip(gaps, (0.2, 0.5, 0.5), strict=True):
        assert wanted - 0.02 <= gap < wanted + 3
    said = [read(caller, body) for _, _, body in tries]
    assert len({item.notify_id for item in said}) == 1
    assert len({parse_qs(body)["sign"][0] for _, _, body in tries}) > 1
    for _ in range(100):
        [delivery] = caller.control("notifications")
        if delivery["is_done"]:
            break
        time.sleep(0.05)
    assert (len(delivery["answers"]), delivery["is_done"]) == (4, True)


def test_given_up_after_eight_tries(start: Start, merchant: Heard) -> None:
    caller = start(speed=1_000_000.0)
    merchant.answers = [b"no"] * 20
    caller.paid("N1", notify_url=merchant.url)
    merchant.wait(8)
    [delivery] = caller.control("notifications")
    assert (len(delivery["answers"]), delivery["is_done"]) in {(7, False), (8, False)}


def test_refunds_and_closes_are_told_once_each(caller: Caller, merchant: Heard) -> None:
    caller.paid("N1", notify_url=merchant.url)
    merchant.wait(1)
    caller.refund("N1", "5.00", "R1")
    merchant.wait(2)
    caller.refund("N1", "5.00", "R1")
    caller.refund("N1", "7.00", "R2")
    said = [read(caller, body) for _, _, body in merchant.wait(3)][1:]
    assert [(item.refund_no, item.refunded_total_fen, item.is_closed) for item in said] == [
        ("R1", 500, False), ("R2", 1200, True),
    ]
    caller.call(
        "alipay.trade.create",
        {"out_trade_no": "N2", "total_amount": "1", "subject": "杯", "buyer_id": "2088"},
        notify_url=merchant.url,
    )
    caller.call("alipay.trade.close", {"out_trade_no": "N2"})
    closed = read(caller, merchant.wait(4)[3][2])
    assert (closed.order_no, closed.is_closed, closed.proves_paid) == ("N2", True, False)


def test_what_is_not_paid_in_time_is_closed_and_told(caller: Caller, merchant: Heard) -> None:
    caller.call(
        "alipay.trade.create",
        {"out_trade_no": "N1", "total_amount": "1", "subject": "杯", "buyer_id": "2088",
         "timeout_express": "5m"},
        notify_url=merchant.url,
    )
    caller.control("clock", {"forward_s": 301})
    assert read(caller, merchant.wait(1)[0][2]).is_closed
    assert caller.query("N1")["trade_status"] == "TRADE_CLOSED"


def test_a_contract_may_leave_out_refunds_and_closes(start: Start, merchant: Heard) -> None:
    caller = start(notifies="paid")
    caller.paid("N1", notify_url=merchant.url)
    caller.refund("N1", "12.00", "R1")
    caller.paid("N2", notify_url=merchant.url)
    said = [read(caller, body) for _, _, body in merchant.wait(2)]
    assert sorted(item.order_no for item in said) == ["N1", "N2"]
    assert not any(item.is_refund for item in said)


def test_a_buyer_pays_by_himself_after_a_while(start: Start, merchant: Heard) -> None:
    caller = start(auto_pay_s=60, speed=600.0)
    caller.call(
        "alipay.trade.precreate", {"out_trade_no": "N1", "total_amount": "1", "subject": "杯"},
        notify_url=merchant.url,
    )
    assert caller.query("N1").get("sub_code") == "ACQ.TRADE_NOT_EXIST"
    assert read(caller, merchant.wait(1)[0][2]).proves_paid
    assert caller.query("N1")["trade_status"] == "TRADE_SUCCESS"
