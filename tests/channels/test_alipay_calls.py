"""Every call Alipay offers: orders, splits, bills and the account, and what holds for all of them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

import pytest
from alipay import AliPay

from loaders.channels.alipay import payments, signing, trade
from loaders.channels.protocol import Call
from loaders.errors import RefusedInput
from loaders.exchange import (
    AccountQuestion,
    BalanceQuestion,
    BillQuestion,
    Goods,
    PaymentOrder,
    Share,
    SplitOrder,
    SplitQuestion,
)
from tests.channels.alipay_desk import STAMP, Desk
from tests.channels.test_alipay_credentials import PUBLIC, private
from tests.channels.test_alipay_trade import M1, TEN, changed

ORDER = PaymentOrder(
    order_no="M1", amount_fen=8888, title="手机壳", expires_at=datetime(2026, 11, 1, 2, 30),
    notify_url="https://shop.example/notify/alipay", auth_code="280000000000000001",
    payer_id="2088102122524333", goods=(Goods("A1", "手机壳", 1, 8888),),
    return_url="https://shop.example/thanks",
)


@pytest.mark.parametrize(
    ("name", "reply", "is_known"),
    [
        ("precreate", {"out_trade_no": "M1", "qr_code": "https://qr.alipay.com/bav"}, True),
        ("precreate", {"out_trade_no": "M1"}, False),
        ("create", {"out_trade_no": "M1", "trade_no": "T1"}, True),
        ("pay", {"out_trade_no": "M1", "trade_no": "T1", "total_amount": "88.88"}, False),
        ("pay", {"code": "10003", "out_trade_no": "M1", "trade_no": "T1"}, False),
    ],
)
def test_orders_are_created(
    desk: Desk, name: str, reply: dict[str, Any], is_known: bool
) -> None:
    call = trade.CALLS[name]
    message = call.ask(ORDER, desk.keys, STAMP)
    content = desk.content(message)
    assert content["total_amount"] == "88.88"
    assert content["time_expire"] == "2026-11-01 10:30:00"
    assert content["goods_detail"][0]["price"] == "88.88"
    assert desk.opened(message)["notify_url"] == ORDER.notify_url
    assert message.moves_money is (name == "pay")
    answer = call.read(desk.answer(message.method, **reply), ORDER, desk.keys)
    assert answer.is_success
    assert answer.is_known is is_known
    other = call.read(
        desk.answer(message.method, **(reply | {"out_trade_no": "M2"})), ORDER, desk.keys)
    assert other.data is None


@pytest.mark.parametrize(
    "order",
    [
        PaymentOrder("M-1", 1, "x"), PaymentOrder("M1", 0, "x"), PaymentOrder("M1", 1, ""),
        PaymentOrder("M1", 1, "a=b"), PaymentOrder("M1", 10_000_000_001, "x"),
        PaymentOrder("M1", 1, "x" * 257), PaymentOrder("M1", 1, "x", description="\n"),
    ],
)
def test_what_the_channel_would_refuse_is_not_sent(desk: Desk, order: PaymentOrder) -> None:
    with pytest.raises(RefusedInput):
        payments.ask_precreate(order, desk.keys, STAMP)


def test_pages_and_apps_pay_with_a_signed_string(desk: Desk) -> None:
    for kind, product in (("app", "QUICK_MSECURITY_PAY"), ("wap", "QUICK_WAP_WAY"),
                          ("page", "FAST_INSTANT_TRADE_PAY")):
        made = payments.payment_string(kind, ORDER, desk.keys, STAMP)
        assert made.startswith(desk.keys.gateway_url + "?") is (kind != "app")
        text = made.rpartition("?")[2] if kind != "app" else made
        fields = dict(parse_qsl(text))
        assert text.rpartition("&")[2].startswith("sign=")
        assert json.loads(fields["biz_content"])["product_code"] == product
        assert ("return_url" in fields) is (kind != "app")
        content = signing.request_string(fields).encode()
        assert signing.verify(content, fields["sign"], desk.keys.private_key.public_key())


def test_the_app_string_is_the_one_a_common_client_makes(desk: Desk) -> None:
    from urllib.parse import parse_qsl

    client = AliPay(
        appid=desk.keys.app_id, app_notify_url=None,
        app_private_key_string=private(desk.keys.private_key, "TraditionalOpenSSL").decode(),
        alipay_public_key_string=desk.keys.public_key.public_bytes(*PUBLIC).decode(),
    )
    made = payments.payment_string("app", ORDER, desk.keys, STAMP)
    fields = dict(parse_qsl(made))
    fields.pop("sign")
    assert client.sign_data(fields) == made


def test_splits(desk: Desk) -> None:
    order = SplitOrder("S1", "T1", (Share("2088101126765726", 100),), is_last=True)
    message = trade.CALLS["split"].ask(order, desk.keys, STAMP)
    assert desk.content(message)["royalty_parameters"] == [{
        "royalty_type": "transfer", "trans_in_type": "userId", "trans_in": "2088101126765726",
        "amount": "1.00"}]
    assert message.moves_money
    answer = trade.CALLS["split"].read(
        desk.answer(message.method, trade_no="T1", settle_no="L1"), order, desk.keys)
    assert answer.is_known
    question = SplitQuestion(trade_no="T1", split_no="S1")
    method = trade.CALLS["split_query"].ask(question, desk.keys, STAMP).method
    for state, is_known in (("SUCCESS", True), ("FAIL", True), ("PROCESSING", False), ("?", False)):
        reply = desk.answer(method, out_request_no="S1", royalty_detail_list=[
            {"operation_type": "transfer", "amount": "1.00", "state": state, "trans_in": "2088"}])
        answer = trade.CALLS["split_query"].read(reply, question, desk.keys)
        assert answer.is_known is is_known
        assert (answer.data is None) is (state == "?")


def test_bills_entries_and_balance(desk: Desk) -> None:
    call, question = trade.CALLS["bill"], BillQuestion("account", "2026-11-01")
    message = call.ask(question, desk.keys, STAMP)
    assert desk.content(message) == {"bill_type": "signcustomer", "bill_date": "2026-11-01"}
    for fields, state in [
        ({"bill_download_url": "http://dwbillcenter.alipay.com/x"}, "ready"),
        ({"bill_download_url": "http://x", "bill_file_code": "EMPTY_DATA_WITH_BILL_FILE"}, "empty"),
        ({"code": "40004", "sub_code": "isp.bill_not_exist"}, "absent"),
    ]:
        answer = call.read(desk.answer(message.method, **fields), question, desk.keys)
        assert answer.data.state == state
        assert "dwbillcenter" not in repr(answer)
    call, span = trade.CALLS["account_log"], AccountQuestion(
        datetime(2026, 10, 1), datetime(2026, 11, 1))
    message = call.ask(span, desk.keys, STAMP)
    assert desk.content(message)["start_time"] == "2026-10-01 08:00:00"
    item = {"account_log_id": "A1", "trans_dt": "2026-10-02 08:00:00", "trans_amount": "-0.53",
            "direction": "支出", "balance": "12.00", "merchant_order_no": "M1", "type": "收费"}
    page = call.read(desk.answer(message.method, detail_list=[item], page_no="1", total_size="1"),
                     span, desk.keys)
    assert page.data.entries[0].amount_fen == -53
    none = call.read(desk.answer(message.method, page_no="1", total_size="0"), span, desk.keys)
    assert (none.is_known, none.data.entries) == (True, ())
    for wrong in ({"direction": "收入"}, {"trans_amount": "x"}, {"account_log_id": None}):
        reply = desk.answer(message.method, detail_list=[changed(item, **wrong)])
        assert not call.read(reply, span, desk.keys).is_known
    with pytest.raises(RefusedInput, match="31 days"):
        call.ask(AccountQuestion(datetime(2026, 9, 1), datetime(2026, 11, 1)), desk.keys, STAMP)
    call = trade.CALLS["balance"]
    message = call.ask(BalanceQuestion(), desk.keys, STAMP)
    answer = call.read(
        desk.answer(message.method, available_amount="9.90", freeze_amount="0.10"),
        BalanceQuestion(), desk.keys)
    assert (answer.data.available_fen, answer.data.frozen_fen) == (990, 10)


REQUESTS: dict[str, Any] = {
    "query": M1, "refund": TEN, "refund_query": TEN, "close": M1, "cancel": M1,
    "precreate": ORDER, "create": ORDER, "pay": ORDER,
    "split": SplitOrder("S1", "T1", (Share("2088101126765726", 100),)),
    "split_query": SplitQuestion(settle_no="L1"),
    "bill": BillQuestion("trade", "2026-11"), "account_log": AccountQuestion(order_no="M1"),
    "balance": BalanceQuestion(),
}


def test_every_call_is_tried_here() -> None:
    assert REQUESTS.keys() == trade.CALLS.keys()


@pytest.mark.parametrize("name", REQUESTS)
def test_no_call_takes_an_unsigned_or_empty_answer_for_success(desk: Desk, name: str) -> None:
    call: Call = trade.CALLS[name]
    request = REQUESTS[name]
    message = call.ask(request, desk.keys, STAMP)
    node = message.method.replace(".", "_") + "_response"
    for reply in (
        desk.reply(""), desk.reply("{}"), desk.reply("<html>", status=502),
        desk.reply(f'{{"{node}":{{"code":"10000"}}}}'), desk.reply(f'{{"{node}":{{}}}}'),
        desk.signed("{}", message.method), desk.signed("[]", message.method),
        desk.signed('{"code":"10000","code":"40004"}', message.method),
    ):
        answer = call.read(reply, request, desk.keys)
        assert not answer.is_known
        assert answer.data is None


def test_money_is_moved_only_by_calls_that_say_so(desk: Desk) -> None:
    moving = {name for name, call in trade.CALLS.items()
              if call.ask(REQUESTS[name], desk.keys, STAMP).moves_money}
    repeatable = {name for name, call in trade.CALLS.items()
                  if call.ask(REQUESTS[name], desk.keys, STAMP).may_repeat}
    assert moving == {"refund", "cancel", "pay", "split"}
    assert moving & repeatable == set()
    assert repeatable == {"query", "refund_query", "close", "split_query", "bill", "account_log",
                          "balance"}
