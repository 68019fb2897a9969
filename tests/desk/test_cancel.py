"""Cancelling a payment whose outcome is unknown: guarded like a refund, counted like one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from dashboard.operations import cancel
from dashboard.operations.cancel import Cancellation
from dashboard.operations.ledger import now
from loaders.errors import Forbidden, RefusedInput
from sample_data.gateway.gateway import china_now
from sample_data.gateway.ledger import Trade
from tests.desk.conftest import OMAR, VERA, Desk, person


def waiting(desk: Desk, amount_fen: int = 10_000) -> Trade:
    """An order of which nobody knows whether it is paid; at the gateway it waits."""
    at = china_now().replace(microsecond=0) - timedelta(minutes=5)
    trade = desk.wire.gateway.ledger.place(Trade("M1", "", amount_fen, at, subject="杯"))
    desk.books["M1"] = replace(known(desk), order_no="M1", trade_no=trade.trade_no,
                               amount_fen=amount_fen, paid_at=None)
    return trade


def known(desk: Desk) -> Any:
    desk.paid("other")
    return desk.books["other"]


def do(desk: Desk, by: Any = OMAR) -> Cancellation:
    return cancel.cancel(desk.refunds, by, "alipay", "M1")


def test_an_unpaid_one_is_closed_and_its_number_may_be_asked_for_again(desk: Desk) -> None:
    trade = waiting(desk)
    made = do(desk)
    assert (made.state, made.action, trade.status) == ("done", "closed", "TRADE_CLOSED")
    assert do(desk).cancel_no == made.cancel_no
    assert desk.actions(made.cancel_no) == ["payment_cancelled", "payment_cancelled"]


def test_the_rules_of_a_refund_hold(desk: Desk) -> None:
    waiting(desk)
    with pytest.raises(Forbidden):
        do(desk, VERA)
    with pytest.raises(RefusedInput):
        do(desk, person("little", refund_limit_fen=9_999))
    desk.settings.refunds.max_amount = Decimal(50)
    with pytest.raises(RefusedInput):
        do(desk)
    desk.settings.refunds.max_amount = None
    desk.books["M1"] = replace(desk.books["M1"], paid_at=now())
    with pytest.raises(RefusedInput, match="refund it instead"):
        do(desk)
    assert desk.wire.heard == []


def test_a_payment_that_the_channel_knows_as_paid_is_not_cancelled(desk: Desk) -> None:
    trade = waiting(desk)
    desk.wire.gateway.ledger.pay(trade, china_now())
    assert do(desk).state == "refused"
    assert trade.refunds == []


def test_an_unknown_one_sets_the_whole_payment_aside_until_it_is_settled(desk: Desk) -> None:
    trade = waiting(desk)
    desk.wire.plan = lambda call: {"query": "silent_before", "cancel": "silent_after"}.get(call, "")
    desk.wire.gateway.ledger.pay(trade, china_now())
    made = do(desk)
    assert (made.state, trade.refunded_fen) == ("unknown", 10_000)
    desk.books["M1"] = replace(desk.books["M1"], paid_at=now())
    with pytest.raises(RefusedInput, match="Nothing is left"):
        desk.ask(1)
    found = desk.refunds.standing(OMAR, "alipay", "M1")
    assert (found.refunded_fen, found.set_aside_fen) == (0, 10_000), "nothing is proven"
    assert cancel.resolve(desk.refunds) == [], "it is not its time yet"
    desk.wire.plan = lambda _: ""
    assert (do(desk).state, do(desk).action) == ("done", "refunded")
    found = desk.refunds.standing(OMAR, "alipay", "M1")
    assert (found.refunded_fen, found.set_aside_fen) == (10_000, 0)
    with pytest.raises(RefusedInput):
        desk.ask(1)
    assert trade.refunded_fen == 10_000


def test_a_final_no_refuses_the_first_message_only(desk: Desk) -> None:
    waiting(desk)
    no = "refuse=ACQ.TRADE_CANCEL_TIME_OUT"
    desk.wire.plan = lambda call: {"cancel": no}.get(call, "")
    assert do(desk).state == "refused"
    desk.wire.plan = lambda call: {"cancel": "silent_before"}.get(call, "")
    assert do(desk).state == "unknown"
    desk.wire.plan = lambda call: {"cancel": no}.get(call, "")
    assert do(desk).state == "unknown"
    desk.wire.plan = lambda _: ""
    assert do(desk).state == "done"
