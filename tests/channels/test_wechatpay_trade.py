"""What is asked of WeChat Pay, and what is made of its replies, the misleading ones included."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from loaders.channels import CHANNELS
from loaders.channels.protocol import Reply
from loaders.channels.wechatpay import account, codes, payments, trade
from loaders.errors import BadSignature, ConfigurationError, RefusedInput
from loaders.exchange import BillQuestion, PaymentOrder
from loaders.records import (
    Answer,
    RefundOrder,
    RefundRules,
    TradeQuestion,
    TradeState,
    refund_outcome,
    trade_outcome,
)
from sample_data.wechat_files import APPID, MCHID, SERIAL
from tests.channels.wechat_desk import STAMP, WechatDesk, spoiled

M1 = TradeQuestion(order_no="M1", amount_fen=8888)
TEN = RefundOrder("R1", 1000, order_no="M1", reason="尺码不合", total_fen=8888)
PAID = {
    "mchid": MCHID, "appid": APPID, "out_trade_no": "M1", "transaction_id": "4200001",
    "trade_type": "JSAPI", "trade_state": "SUCCESS", "trade_state_desc": "支付成功",
    "success_time": "2026-11-01T10:00:03+08:00", "payer": {"openid": "oUpF8uM"},
    "amount": {"total": 8888, "payer_total": 8000, "currency": "CNY"},
}
REFUND = {
    "refund_id": "50300", "out_refund_no": "R1", "transaction_id": "4200001", "out_trade_no": "M1",
    "status": "SUCCESS", "success_time": "2026-11-01T10:05:00+08:00",
    "user_received_account": "招商银行信用卡0403", "create_time": "2026-11-01T10:04:58+08:00",
    "amount": {"total": 8888, "refund": 1000, "payer_total": 8888, "currency": "CNY"},
}


def query(wechat: WechatDesk, reply: Reply) -> Answer[TradeState]:
    return trade.read_query(reply, M1, wechat.keys)


def test_a_trade_is_asked_for_by_either_number(wechat: WechatDesk) -> None:
    by_order = trade.ask_query(M1, wechat.keys, STAMP)
    assert by_order.url.endswith(f"/v3/pay/transactions/out-trade-no/M1?mchid={MCHID}")
    assert wechat.opened(by_order) == {}
    assert by_order.headers["wechatpay-serial"] == SERIAL
    by_trade = trade.ask_query(TradeQuestion(trade_no="4200001"), wechat.keys, STAMP)
    assert by_trade.url.endswith(f"/v3/pay/transactions/id/4200001?mchid={MCHID}")
    assert by_order.may_repeat
    for wrong in (TradeQuestion(), TradeQuestion("M/1"), TradeQuestion("M" * 33)):
        with pytest.raises(RefusedInput):
            trade.ask_query(wrong, wechat.keys, STAMP)


@pytest.mark.parametrize(("state", "outcome"), [
    ("SUCCESS", "paid"), ("REFUND", "paid"), ("NOTPAY", "unpaid"), ("USERPAYING", "unpaid"),
    ("CLOSED", "closed"), ("REVOKED", "closed"), ("PAYERROR", "closed"),
])
def test_every_state_of_a_trade(wechat: WechatDesk, state: str, outcome: str) -> None:
    answer = query(wechat, wechat.answer(**PAID | {"trade_state": state}))
    assert trade_outcome(answer) == outcome
    assert answer.is_success
    assert answer.data is not None
    assert answer.data.paid_at == (datetime(2026, 11, 1, 2, 0, 3) if outcome == "paid" else None)


def test_what_a_paid_trade_says_and_what_the_log_keeps(wechat: WechatDesk) -> None:
    answer = query(wechat, wechat.answer(**PAID))
    assert answer.data == TradeState(
        "M1", "4200001", "paid", "SUCCESS", 8888, 8888, 8000, datetime(2026, 11, 1, 2, 0, 3),
        "oUpF8uM",
    )
    assert "oUpF8uM" not in json.dumps(dict(answer.noted))
    line = {"method": codes.QUERY, "request": {"out_trade_no": "M1"}, "response": dict(answer.noted)}
    read = codes.read_call(line)
    assert (read["says"], read["channel_paid_at"]) == ("paid", datetime(2026, 11, 1, 2, 0, 3))


def test_an_order_the_channel_never_saw_is_unpaid(wechat: WechatDesk) -> None:
    answer = query(wechat, wechat.refusal("ORDER_NOT_EXIST", 404))
    assert (trade_outcome(answer), answer.is_success) == ("unpaid", False)
    assert answer.meaning is not None
    assert answer.meaning.text.startswith("Not paid yet")


@pytest.mark.parametrize("changed", [
    {"out_trade_no": "M2"}, {"out_trade_no": None, "transaction_id": None}, {"mchid": "1900000110"},
    {"appid": "wx2"}, {"trade_state": "NEVER_HEARD_OF"}, {"trade_state": None},
    {"amount": {"total": 8887}}, {"amount": {"total": "8888"}}, {"amount": {"total": 88.88}},
    {"amount": {"total": 8888, "currency": "USD"}}, {"amount": None}, {"success_time": "gestern"},
])
def test_a_signed_answer_that_does_not_fit_proves_nothing(
    wechat: WechatDesk, changed: dict[str, Any]
) -> None:
    fields = {name: value for name, value in (PAID | changed).items() if value is not None}
    answer = query(wechat, wechat.answer(**fields))
    assert trade_outcome(answer) == "unknown"
    assert answer.why is not None


@pytest.mark.parametrize("headers", [
    {"wechatpay_signature": ""}, {"wechatpay_signature": "WECHATPAY/SIGNTEST/abc="},
    {"wechatpay_signature": "AAAA"}, {"wechatpay_nonce": "other"}, {"wechatpay_timestamp": "1"},
    {"wechatpay_serial": "PUB_KEY_ID_OTHER"}, {"wechatpay_serial": ""},
])
def test_an_answer_that_does_not_verify_proves_nothing(
    wechat: WechatDesk, headers: dict[str, str]
) -> None:
    answer = query(wechat, spoiled(wechat.answer(**PAID), **headers))
    assert trade_outcome(answer) == "unknown"
    assert isinstance(answer.why, BadSignature)
    assert answer.data is None


@pytest.mark.parametrize(("late_s", "is_known"), [
    (-300, True), (300, True), (-301, False), (301, False),
])
def test_an_answer_counts_within_five_minutes_of_its_signature(
    wechat: WechatDesk, late_s: int, is_known: bool
) -> None:
    reply = wechat.signed(json.dumps(PAID), at=STAMP.at - timedelta(seconds=late_s))
    assert query(wechat, reply).is_known is is_known


@pytest.mark.parametrize("body", [
    "", "[]", "null", "{", '{"trade_state":"SUCCESS","trade_state":"NOTPAY"}', "<html>", "{}",
    '{"out_trade_no":["M1"]}',
])
def test_a_damaged_answer_proves_nothing(wechat: WechatDesk, body: str) -> None:
    assert trade_outcome(query(wechat, wechat.signed(body))) == "unknown"
    assert trade_outcome(query(wechat, Reply(200, {}, body.encode(), STAMP.at))) == "unknown"
    assert trade_outcome(query(wechat, Reply(502, {}, b"\xff\xfe", STAMP.at))) == "unknown"


def test_a_refund_is_asked_for_and_only_success_proves_it(wechat: WechatDesk) -> None:
    message = trade.ask_refund(TEN, wechat.keys, STAMP)
    assert message.moves_money
    assert not message.may_repeat
    assert wechat.opened(message) == {
        "out_trade_no": "M1", "out_refund_no": "R1", "reason": "尺码不合",
        "amount": {"refund": 1000, "total": 8888, "currency": "CNY"},
    }
    done = trade.read_refund(wechat.answer(**REFUND), TEN, wechat.keys)
    assert refund_outcome(done) == "done"
    assert done.data is not None
    assert done.data.refunded_at == datetime(2026, 11, 1, 2, 5)
    assert "招商" not in json.dumps([str(done.data), dict(done.noted)], ensure_ascii=False)


@pytest.mark.parametrize(("status", "outcome", "state"), [
    ("PROCESSING", "unknown", "accepted"), ("ABNORMAL", "unknown", "stuck"),
    ("CLOSED", "refused", "closed"), ("SUCCESS", "done", "done"),
])
def test_what_each_state_of_a_refund_proves(
    wechat: WechatDesk, status: str, outcome: str, state: str
) -> None:
    for reader in (trade.read_refund, trade.read_refund_query):
        answer = reader(wechat.answer(**REFUND | {"status": status}), TEN, wechat.keys)
        assert refund_outcome(answer) == outcome
        assert answer.data is not None
        assert answer.data.state == state
        assert (answer.meaning is None) is (status == "SUCCESS")


@pytest.mark.parametrize("changed", [
    {"out_refund_no": "R2"}, {"out_refund_no": None}, {"out_trade_no": "M2"}, {"status": "NEW"},
    {"amount": {"refund": 999, "total": 8888}}, {"amount": {"refund": 1000, "total": 8887}},
    {"amount": None},
])
def test_an_answer_about_another_refund_proves_nothing(
    wechat: WechatDesk, changed: dict[str, Any]
) -> None:
    fields = {name: value for name, value in (REFUND | changed).items() if value is not None}
    for reader in (trade.read_refund, trade.read_refund_query):
        assert refund_outcome(reader(wechat.answer(**fields), TEN, wechat.keys)) == "unknown"


@pytest.mark.parametrize(("code", "status", "outcome"), [
    ("NOT_ENOUGH", 403, "refused"), ("USER_ACCOUNT_ABNORMAL", 403, "refused"),
    ("INVALID_REQUEST", 400, "refused"), ("PARAM_ERROR", 400, "refused"),
    ("SYSTEM_ERROR", 500, "unknown"), ("FREQUENCY_LIMITED", 429, "unknown"),
    ("NEVER_HEARD_OF", 400, "unknown"), ("NOT_ENOUGH", 500, "unknown"),
])
def test_which_refusals_of_a_refund_settle_it(
    wechat: WechatDesk, code: str, status: int, outcome: str
) -> None:
    answer = trade.read_refund(wechat.refusal(code, status), TEN, wechat.keys)
    assert refund_outcome(answer) == outcome
    assert answer.code == code
    unsigned = replace(wechat.refusal(code, status), headers={})
    said = trade.read_refund(unsigned, TEN, wechat.keys)
    assert (refund_outcome(said), said.code) == ("unknown", code)
    assert isinstance(said.why, BadSignature)


def test_the_shops_balance_is_told_from_the_buyers() -> None:
    names = (codes.REFUND, "wechatpay.codepay")
    shop, buyer = (codes.meaning(name, "NOT_ENOUGH", None) for name in names)
    assert (shop.outcome.source, buyer.outcome.source) == ("merchant", "customer")
    assert shop.text != buyer.text


def test_a_refund_nobody_knows_proves_nothing_so_soon(wechat: WechatDesk) -> None:
    message = trade.ask_refund_query(TEN, wechat.keys, STAMP)
    assert message.url.endswith("/v3/refund/domestic/refunds/R1")
    wechat.opened(message)
    answer = trade.read_refund_query(wechat.refusal("RESOURCE_NOT_EXISTS", 404), TEN, wechat.keys)
    assert refund_outcome(answer) == "unknown"
    assert answer.data is not None
    assert answer.data.state == "absent"


@pytest.mark.parametrize("order", [
    replace(TEN, refund_no=""), replace(TEN, total_fen=None), replace(TEN, order_no=""),
    replace(TEN, amount_fen=0), replace(TEN, reason="长" * 27), replace(TEN, refund_no="R 1"),
    replace(TEN, reason="a\nb"),
])
def test_refunds_the_channel_would_not_take_are_not_sent(
    wechat: WechatDesk, order: RefundOrder
) -> None:
    with pytest.raises(RefusedInput):
        trade.ask_refund(order, wechat.keys, STAMP)


def test_closing(wechat: WechatDesk) -> None:
    message = trade.ask_close(M1, wechat.keys, STAMP)
    assert message.url.endswith("/out-trade-no/M1/close")
    assert wechat.opened(message) == {"mchid": MCHID}
    for reply, action in (
        (wechat.answer(204), "closed"), (wechat.refusal("ORDER_CLOSED"), "closed"),
        (wechat.refusal("ORDER_NOT_EXIST", 404), "nothing"),
    ):
        answer = trade.read_close(reply, M1, wechat.keys)
        assert answer.is_known
        assert answer.data is not None
        assert answer.data.action == action
    paid = trade.read_close(wechat.refusal("ORDER_PAID"), M1, wechat.keys)
    assert (paid.is_known, paid.data) == (False, None)
    assert not trade.read_close(Reply(204, {}, b"", STAMP.at), M1, wechat.keys).is_known


@pytest.mark.parametrize(("kind", "path"), [
    ("trade", "/v3/bill/tradebill?bill_date=2026-10-31&bill_type=ALL&tar_type=GZIP"),
    ("account", "/v3/bill/fundflowbill?bill_date=2026-10-31&account_type=BASIC&tar_type=GZIP"),
])
def test_bills(wechat: WechatDesk, kind: Any, path: str) -> None:
    question = BillQuestion(kind, "2026-10-31")
    message = account.ask_bill(question, wechat.keys, STAMP)
    assert message.url.endswith(path)
    wechat.opened(message)
    url = "https://api.mch.weixin.qq.com/v3/billdownload/file?token=x"
    digest = "79bb0f45fc4c42234a918000b2668d689e2bde04"
    found = account.read_bill(
        wechat.answer(hash_type="SHA1", hash_value=digest.upper(), download_url=url), question,
        wechat.keys,
    )
    assert found.data is not None
    assert (found.data.state, found.data.sha1, found.data.url) == ("ready", digest, url)
    fetched = trade.download_headers(url, wechat.keys, STAMP)
    wechat.opened(replace(message, url=url, headers=fetched))
    with pytest.raises(RefusedInput):
        trade.download_headers("https://example.com/x", wechat.keys, STAMP)
    for code, state in (("NO_STATEMENT_EXIST", "empty"), ("STATEMENT_CREATING", "absent")):
        none = account.read_bill(wechat.refusal(code), question, wechat.keys)
        assert none.data is not None
        assert none.data.state == state
    bare = account.read_bill(wechat.answer(download_url=url), question, wechat.keys)
    assert bare.data is None
    with pytest.raises(RefusedInput):
        account.ask_bill(BillQuestion(kind, "2026-10"), wechat.keys, STAMP)


def test_a_code_to_scan(wechat: WechatDesk) -> None:
    order = PaymentOrder("M1", 8888, "保温杯", expires_at=datetime(2026, 11, 1, 3),
                         notify_url="https://example.com/notify/wechatpay")
    asked = wechat.opened(payments.ask_precreate(order, wechat.keys, STAMP))
    assert asked["amount"] == {"total": 8888, "currency": "CNY"}
    assert asked["time_expire"] == "2026-11-01T11:00:00+08:00"
    answer = payments.read_precreate(
        wechat.answer(code_url="weixin://wxpay/bizpayurl?pr=p4lpSuKzz"), order, wechat.keys
    )
    assert answer.data is not None
    assert answer.data.qr_code == "weixin://wxpay/bizpayurl?pr=p4lpSuKzz"
    with pytest.raises(RefusedInput):
        payments.ask_precreate(replace(order, notify_url=""), wechat.keys, STAMP)


def test_refund_rules_stand_with_the_channel() -> None:
    assert CHANNELS["wechatpay"].refund_rules == RefundRules(365, 50, 60, 80)
    assert CHANNELS["alipay"].refund_rules.spacing_s == 3


def test_keys_are_read_and_wrong_ones_explained(wechat: WechatDesk) -> None:
    def pem(key: Any) -> bytes:
        return bytes(key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ))

    def public(key: Any) -> bytes:
        return bytes(key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ))

    files = {
        "own.pem": pem(wechat.keys.private_key), "own_public.pem": public(wechat.keys.private_key),
        "channel.pem": public(wechat.channel_key), "junk": b"junk",
    }
    config = {
        "mchid": MCHID, "appid": APPID, "serial_no": "5f3a9c0011", "private_key_file": "own.pem",
        "platform_public_key_file": "channel.pem", "platform_serial": SERIAL,
    }
    keys = trade.read_keys(config, files.__getitem__)
    assert (keys.serial_no, keys.base_url) == ("5F3A9C0011", "https://api.mch.weixin.qq.com")
    assert trade.concerns(config, files.__getitem__, STAMP.at) == []
    for changed, why in (
        ({"mchid": ""}, "mchid"), ({"serial_no": SERIAL}, "platform_serial"),
        ({"private_key_file": ""}, "apiclient_key.pem"),
        ({"private_key_file": "own_public.pem"}, "public key"),
        ({"private_key_file": "junk"}, "apiclient_key.pem"),
        ({"platform_public_key_file": ""}, "platform_public_key_file"),
        ({"platform_public_key_file": "own_public.pem"}, "your own"),
        ({"base_url": "http://api.mch.weixin.qq.com"}, "https://"),
        ({"base_url": "https://api.mch.weixin.qq.com/v3"}, "a host alone"),
    ):
        with pytest.raises(ConfigurationError, match=why):
            trade.read_keys(config | changed, files.__getitem__)
