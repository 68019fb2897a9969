"""Money adds up, whatever is asked for in whatever order, and refunds obey the channel's rules."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sample_data.gateway.gateway import OPENING_FEN, china_now
from sample_data.gateway.ledger import CLOSED, FINISHED, SUCCESS, Ledger, Trade, fee_of
from sample_data.gateway.refusals import Refused
from sample_data.gateway.seeding import seed
from sample_data.gateway.statements import lines_between
from sample_data.merchant import Merchant
from tests.gateway.conftest import Caller

pytestmark = pytest.mark.slow

START = datetime(2026, 11, 1, 10)
ORDERS = st.integers(0, 1)
FEN = st.sampled_from([333, 334, 500, 667, 999, 1_000]) | st.integers(-1, 1_200)
NUMBERS = st.sampled_from(["", "R1", "R2", "R3"])


class Shop(RuleBasedStateMachine):
    """Anything a merchant and its buyers can ask for, checked against sums made by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger(1_000)
        self.now = START
        self.refunds: dict[tuple[str, str], int] = {}

    def trade(self, at: int) -> Trade:
        found = self.ledger.order(f"M{at}")
        if found is None:
            found = self.ledger.place(Trade(f"M{at}", "", 1_000, self.now))
        return found

    @initialize()
    def one_is_paid(self) -> None:
        self.ledger.pay(self.trade(0), self.now)

    @rule(at=ORDERS)
    def pay(self, at: int) -> None:
        with suppress(Refused):
            self.ledger.pay(self.trade(at), self.now)

    @rule(at=ORDERS, number=NUMBERS, fen=FEN)
    def refund(self, at: int, number: str, fen: int) -> None:
        trade = self.trade(at)
        before = trade.refunded_fen
        try:
            made, is_new = self.ledger.refund(trade, number, fen, self.now)
        except Refused:
            assert trade.refunded_fen == before
            return
        assert (trade.refunded_fen == before + fen) == is_new
        key = (trade.order_no, made.number)
        assert (key in self.refunds) != is_new
        assert self.refunds.setdefault(key, fen) == fen

    @rule(at=ORDERS)
    def close(self, at: int) -> None:
        with suppress(Refused):
            self.ledger.close(self.trade(at), self.now)

    @rule(at=ORDERS)
    def cancel(self, at: int) -> None:
        trade = self.trade(at)
        with suppress(Refused):
            action, is_new = self.ledger.cancel(trade, self.now)
            if is_new and action == "refund":
                self.refunds[trade.order_no, trade.order_no] = trade.amount_fen

    @rule(at=ORDERS, number=NUMBERS, fen=FEN)
    def settle(self, at: int, number: str, fen: int) -> None:
        with suppress(Refused):
            self.ledger.settle(self.trade(at), number, [("2088", fen)], self.now)

    @rule(hours=st.integers(1, 9_000))
    def wait(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @invariant()
    def the_balance_is_what_moved(self) -> None:
        paid = [trade for trade in self.ledger if trade.is_paid]
        gross = sum(trade.amount_fen for trade in paid)
        fees = sum(trade.fee_fen - sum(r.fee_fen for r in trade.refunds) for trade in paid)
        back = sum(self.refunds.values())
        shared = sum(trade.settled_fen for trade in paid)
        assert self.ledger.balance_fen == 1_000 + gross - fees - back - shared
        lines = lines_between(self.ledger, START, self.now + timedelta(days=1))
        moves = sum(fen for line in lines for _, fen in line.moves)
        assert self.ledger.balance_fen == 1_000 + moves

    @invariant()
    def nobody_gets_more_than_he_paid(self) -> None:
        for trade in self.ledger:
            assert 0 <= trade.refunded_fen <= (trade.amount_fen if trade.is_paid else 0)
            given_back = sum(refund.fee_fen for refund in trade.refunds)
            assert 0 <= given_back <= trade.fee_fen
            if trade.refunded_fen == trade.amount_fen:
                assert (trade.status, given_back) == (CLOSED, trade.fee_fen)

    @invariant()
    def the_balance_is_never_overdrawn_by_a_refund(self) -> None:
        assert self.ledger.balance_fen >= 0


Shop.TestCase.settings = settings(max_examples=100, stateful_step_count=15, deadline=None)
TestShop = Shop.TestCase


@settings(max_examples=100, deadline=None)
@given(
    amount=st.integers(2, 2_000),
    asked=st.lists(st.tuples(st.sampled_from("ABCD"), st.integers(1, 1_200)), max_size=8),
)
def test_refunds_in_parts_never_exceed_the_payment_and_return_the_whole_fee(
    amount: int, asked: list[tuple[str, int]]
) -> None:
    ledger = Ledger(100_000)
    trade = ledger.place(Trade("M1", "", amount, START))
    ledger.pay(trade, START)
    done: dict[str, int] = {}
    for number, fen in asked:
        fits = sum(done.values()) + fen <= amount
        try:
            _, is_new = ledger.refund(trade, number, fen, START)
        except Refused:
            assert not fits or number in done
            continue
        assert is_new == (number not in done)
        assert done.setdefault(number, fen) == fen
        assert trade.refunded_fen == sum(done.values()) <= amount
    if rest := amount - trade.refunded_fen:
        ledger.refund(trade, "REST", rest, START)
    assert (trade.status, trade.kept_fen, ledger.balance_fen) == (CLOSED, 0, 100_000)


@pytest.mark.parametrize(
    ("steps", "sub_code"),
    [
        ([("R1", "5.00"), ("R1", "6.00")], "ACQ.DISCORDANT_REPEAT_REQUEST"),
        ([("R1", "5.00"), ("R2", "7.01")], "ACQ.REASON_TRADE_REFUND_FEE_ERR"),
        ([("R1", "12.00"), ("R2", "0.01")], "ACQ.TRADE_HAS_CLOSE"),
        ([("R1", "12.01")], "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL"),
        ([("", "5.00")], "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL"),
        ([("R1", "0.00")], "ACQ.REFUND_FEE_ERROR"),
        ([("R1", "five")], "ACQ.INVALID_PARAMETER"),
    ],
)
def test_a_refund_that_breaks_a_rule_changes_nothing(
    caller: Caller, steps: list[tuple[str, str]], sub_code: str
) -> None:
    caller.paid("M1")
    *good, (number, yuan) = steps
    for earlier, amount in good:
        assert caller.refund("M1", amount, earlier)["fund_change"] == "Y"
    before = caller.control("trades/M1")
    assert caller.refund("M1", yuan, number)["sub_code"] == sub_code
    assert caller.control("trades/M1") == before


def test_a_refund_without_a_number_is_the_whole_and_goes_by_the_orders_number(caller: Caller) -> None:
    caller.paid("M1")
    biz = {"out_trade_no": "M1", "refund_amount": "12.00", "refund_reason": "七天无理由"}
    assert caller.call("alipay.trade.refund", biz)["fund_change"] == "Y"
    told = caller.call(
        "alipay.trade.fastpay.refund.query",
        {"out_trade_no": "M1", "out_request_no": "M1", "query_options": ["gmt_refund_pay"]},
    )
    assert (told["refund_status"], told["refund_reason"]) == ("REFUND_SUCCESS", "七天无理由")
    assert len(told["gmt_refund_pay"]) == 19
    other = caller.call(
        "alipay.trade.fastpay.refund.query", {"out_trade_no": "M1", "out_request_no": "R9"}
    )
    assert set(other) == {"code", "msg"}


def test_unpaid_old_and_unknown_trades_are_not_refunded(caller: Caller) -> None:
    order = {"out_trade_no": "M1", "total_amount": "1", "subject": "杯", "buyer_id": "2088"}
    caller.call("alipay.trade.create", order)
    assert caller.refund("M1", "1.00", "R1")["sub_code"] == "ACQ.TRADE_STATUS_ERROR"
    assert caller.refund("M9", "1.00", "R1")["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    caller.control("pay", {"order": "M1"})
    caller.control("clock", {"forward_s": 366 * 86_400})
    assert caller.refund("M1", "1.00", "R1")["sub_code"] == "ACQ.TRADE_HAS_FINISHED"
    late = caller.call("alipay.trade.cancel", {"out_trade_no": "M1"})
    assert late["sub_code"] == "ACQ.TRADE_CANCEL_TIME_OUT"


def test_an_order_is_paid_once_and_under_one_amount(caller: Caller) -> None:
    caller.paid("M1")
    assert caller.paid("M1")["sub_code"] == "ACQ.TRADE_HAS_SUCCESS"
    assert caller.paid("M1", "13.00")["sub_code"] == "ACQ.CONTEXT_INCONSISTENT"
    assert caller.paid("M2", "0.00")["sub_code"] == "ACQ.TOTAL_FEE_EXCEED"
    assert caller.control("account")["balance_fen"] == 100_000_00 + 12_00 - fee_of(12_00)


def test_a_large_bar_code_payment_waits_for_the_password(caller: Caller) -> None:
    assert caller.paid("M1", "1000.01")["code"] == "10003"
    assert caller.query("M1")["trade_status"] == "WAIT_BUYER_PAY"
    caller.control("pay", {"order": "M1"})
    assert caller.query("M1")["trade_status"] == "TRADE_SUCCESS"
    bad = {"out_trade_no": "M2", "total_amount": "1", "subject": "杯", "auth_code": "123"}
    refused = caller.call("alipay.trade.pay", bad)
    assert refused["sub_code"] == "ACQ.PAYMENT_AUTH_CODE_INVALID"


def test_cancelling_what_is_not_there_does_nothing(caller: Caller) -> None:
    answer = caller.call("alipay.trade.cancel", {"out_trade_no": "M404"})
    assert (answer["code"], answer["retry_flag"], answer.get("action")) == ("10000", "N", None)


def test_the_sample_merchants_money_is_the_gateways() -> None:
    shop = Merchant(seed=5, orders=3_000, last_day=(china_now() - timedelta(days=1)).date())
    ledger = Ledger(OPENING_FEN)
    seed(ledger, shop, china_now())
    orders = list(shop.orders())
    paid = [order for order in orders if order.paid_at]
    assert sum(trade.is_paid for trade in ledger) == len(paid)
    back = sum(refund.amount_fen for order in paid for refund in order.refunds)
    assert sum(trade.refunded_fen for trade in ledger) == back
    kept = sum(trade.kept_fen for trade in ledger)
    assert ledger.balance_fen == OPENING_FEN + kept
    assert {trade.status for trade in ledger} == {SUCCESS, FINISHED, CLOSED}
