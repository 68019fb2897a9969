"""What is asked of Alipay, and what is made of its replies, the misleading ones included."""

from __future__ import annotations

import gc
import json
from datetime import datetime
from typing import Any

import pytest

from loaders.channels.alipay import trade
from loaders.channels.protocol import Reply
from loaders.errors import BadSignature
from loaders.records import (
    Answer,
    RefundOrder,
    TradeQuestion,
    TradeState,
    refund_outcome,
    trade_outcome,
)
from tests.channels.alipay_desk import STAMP, Desk

QUERY, REFUND, REFUND_QUERY = trade.QUERY, trade.REFUND, trade.REFUND_QUERY
M1 = TradeQuestion(order_no="M1", amount_fen=8888)
TEN = RefundOrder(refund_no="R1", order_no="M1", amount_fen=1000, refunded_before_fen=0,
                  total_fen=8888)
PAID = {
    "out_trade_no": "M1", "trade_no": "2026110122001", "trade_status": "TRADE_SUCCESS",
    "total_amount": "88.88", "receipt_amount": "88.88", "buyer_pay_amount": "80.00",
    "send_pay_date": "2026-11-01 10:00:03", "buyer_user_id": "2088102122524333",
    "buyer_logon_id": "zhangsan@example.com", "store_id": "S01",
    "fund_bill_list": [{"fund_channel": "PCREDIT", "amount": "80.00"}],
}
REFUNDED = {"out_trade_no": "M1", "trade_no": "2026110122001", "fund_change": "Y",
            "refund_fee": "10.00"}


def query(desk: Desk, reply: Reply) -> Answer[TradeState]:
    return trade.read_query(reply, M1, desk.keys)


def changed(fields: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The fields with some replaced, None taking one away."""
    return {name: value for name, value in (fields | changes).items() if value is not None}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"sign_type": "RSA"},
        {"charset": "gbk"},
        {"app_auth_token": "201510BBaabdb44d8fd04607abf8d5931ec75D84"},
        {"aes_key": bytes(range(16))},
        {"aes_key": bytes(range(16)), "encrypt_type": "AES_V2", "charset": "gbk"},
        {"app_cert_sn": "a" * 32, "root_cert_sn": "b" * 32 + "_" + "c" * 32,
         "alipay_cert_sn": "d" * 32},
    ],
    ids=["plain", "rsa", "gbk", "isv", "aes", "aes_v2", "certificates"],
)
def test_a_refund_is_asked_for_and_answered_in_every_mode(
    desk: Desk, settings: dict[str, Any]
) -> None:
    desk = desk.having(**settings)
    order = RefundOrder("R1", 1000, order_no="M1", reason="尺码不合 /退")
    message = trade.ask_refund(order, desk.keys, STAMP)
    fields = desk.opened(message)
    assert desk.content(message) == {
        "out_trade_no": "M1", "refund_amount": "10.00", "out_request_no": "R1",
        "refund_reason": "尺码不合 /退",
    }
    assert fields["timestamp"] == "2026-11-01 10:00:00"
    assert fields.get("app_auth_token", "") == desk.keys.app_auth_token
    assert ("encrypt_type" in fields) is (desk.keys.aes_key is not None)
    assert "201510BB" not in message.url + repr(message)
    assert message.moves_money
    assert not message.may_repeat
    answer = trade.read_refund(desk.answer(REFUND, **REFUNDED), order, desk.keys)
    assert refund_outcome(answer) == "done"
    assert answer.data is not None
    assert answer.data.amount_fen == 1000


def test_a_query_reads_the_trade_whole_fen_utc_and_masked(desk: Desk) -> None:
    answer = query(desk, desk.answer(QUERY, **PAID))
    state = answer.data
    assert state is not None
    assert (state.outcome, state.amount_fen, state.payer_paid_fen) == ("paid", 8888, 8000)
    assert state.paid_at == datetime(2026, 11, 1, 2, 0, 3)
    assert state.payer_logon == "zha***@example.com"
    assert [(fund.means, fund.amount_fen) for fund in state.funds] == [("PCREDIT", 8000)]
    assert answer.is_verified
    assert answer.why is None
    assert "zhang" not in json.dumps(dict(answer.noted))


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({}, "paid"),
        ({"trade_status": "TRADE_FINISHED"}, "paid"),
        ({"trade_status": "WAIT_BUYER_PAY", "send_pay_date": None}, "unpaid"),
        ({"trade_status": "TRADE_CLOSED"}, "refunded"),
        ({"trade_status": "TRADE_CLOSED", "send_pay_date": None, "receipt_amount": "0.00",
          "buyer_pay_amount": "0.00"}, "closed"),
        ({"code": "40004", "sub_code": "ACQ.TRADE_NOT_EXIST", "trade_status": None,
          "total_amount": None, "receipt_amount": "0.00"}, "unpaid"),
        ({"total_amount": 88.88}, "paid"),
        # What does not count:
        ({"out_trade_no": "M2"}, "unknown"),
        ({"out_trade_no": None}, "unknown"),
        ({"total_amount": "88.80"}, "unknown"),
        ({"total_amount": None}, "unknown"),
        ({"total_amount": "1e3"}, "unknown"),
        ({"trade_status": "TRADE_ODD"}, "unknown"),
        ({"trade_status": None}, "unknown"),
        ({"send_pay_date": "yesterday"}, "unknown"),
        ({"fund_bill_list": "{"}, "unknown"),
        ({"code": "20000", "sub_code": "isp.unknow-error"}, "unknown"),
        ({"code": "40004", "sub_code": "ACQ.SYSTEM_ERROR"}, "unknown"),
        ({"code": "40004", "sub_code": "ACQ.NEVER_HEARD_OF"}, "unknown"),
        ({"code": "40004"}, "unknown"),
        ({"code": "40005", "sub_code": "isv.app-call-limited"}, "unknown"),
        ({"code": "10000", "sub_code": "ACQ.SYSTEM_ERROR"}, "unknown"),
        ({"code": "20000", "sub_code": "ACQ.TRADE_NOT_EXIST"}, "unknown"),
        ({"code": "10000", "sub_code": "ACQ.TRADE_NOT_EXIST"}, "unknown"),
        ({"code": "40004", "sub_code": "ACQ.TRADE_NOT_EXIST", "out_trade_no": "M2"}, "unknown"),
        ({"code": 10000}, "paid"),
        ({"code": None}, "unknown"),
        ({"code": ["10000"]}, "unknown"),
    ],
)
def test_what_a_signed_answer_to_a_query_proves(
    desk: Desk, change: dict[str, Any], outcome: str
) -> None:
    fields = changed({"code": "10000"} | PAID, **change)
    answer = query(desk, desk.signed(json.dumps(fields), QUERY))
    assert trade_outcome(answer) == outcome
    if outcome == "unknown":
        assert answer.data is None
        assert answer.noted.keys() <= {"code", "sub_code"}
        assert answer.noted.get("code") != "10000"


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({}, "done"),
        ({"fund_change": "N"}, "unknown"),
        ({"fund_change": None}, "unknown"),
        ({"refund_fee": None}, "unknown"),
        ({"refund_fee": "9.99"}, "unknown"),
        ({"refund_fee": "10.01"}, "unknown"),
        ({"send_back_fee": "10.01"}, "unknown"),
        ({"send_back_fee": "8.00"}, "done"),
        ({"out_trade_no": "M2"}, "unknown"),
        ({"out_trade_no": None, "trade_no": None}, "unknown"),
        ({"out_request_no": "R2"}, "unknown"),
        ({"code": "10003"}, "unknown"),
        ({"code": "20000", "sub_code": "aop.ACQ.SYSTEM_ERROR"}, "unknown"),
        ({"code": "40004", "sub_code": "ACQ.SYSTEM_ERROR"}, "unknown"),
        ({"code": "40004", "sub_code": "AQC.SYSTEM_ERROR"}, "unknown"),
        ({"code": "40004", "sub_code": "ACQ.DISCORDANT_REPEAT_REQUEST"}, "unknown"),
        ({"code": "40004", "sub_code": "ACQ.SELLER_BALANCE_NOT_ENOUGH"}, "refused"),
        ({"code": "40004", "sub_code": "ACQ.TRADE_HAS_FINISHED"}, "refused"),
        ({"code": "40004", "sub_code": "ACQ.TRADE_HAS_FINISHED", "out_trade_no": "M2"}, "unknown"),
        ({"code": "40005", "sub_code": "isv.method-call-limited"}, "unknown"),
        ({"code": "40006", "sub_code": "isv.insufficient-isv-permissions"}, "refused"),
        ({"code": "40002", "sub_code": "isv.brand-new"}, "unknown"),
        ({"code": "49999", "sub_code": "ACQ.TRADE_HAS_FINISHED"}, "unknown"),
    ],
)
def test_what_a_signed_answer_to_a_refund_proves(
    desk: Desk, change: dict[str, Any], outcome: str
) -> None:
    fields = changed({"code": "10000"} | REFUNDED, **change)
    answer = trade.read_refund(desk.signed(json.dumps(fields), REFUND), TEN, desk.keys)
    assert refund_outcome(answer) == outcome


def test_a_second_refund_is_told_from_the_first_ones_answer(desk: Desk) -> None:
    second = RefundOrder("R2", 1000, order_no="M1", refunded_before_fen=1000)
    old = desk.answer(REFUND, **REFUNDED)
    assert refund_outcome(trade.read_refund(old, second, desk.keys)) == "unknown"
    new = desk.answer(REFUND, **(REFUNDED | {"refund_fee": "20.00"}))
    assert refund_outcome(trade.read_refund(new, second, desk.keys)) == "done"


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({}, "done"),
        ({"refund_status": None}, "unknown"),
        ({"refund_status": None, "refund_amount": None, "out_request_no": None,
          "out_trade_no": None}, "unknown"),
        ({"refund_status": "REFUND_PROCESSING"}, "unknown"),
        ({"refund_amount": "9.99"}, "unknown"),
        ({"refund_amount": None}, "unknown"),
        ({"out_request_no": "R2"}, "unknown"),
        ({"out_request_no": None}, "unknown"),
        ({"out_trade_no": "M2"}, "unknown"),
        ({"code": "40004", "sub_code": "ACQ.SYSTEM_ERROR"}, "unknown"),
        ({"code": "40004", "sub_code": "TRADE_NOT_EXIST", "refund_status": None}, "refused"),
    ],
)
def test_what_a_signed_answer_to_a_refund_query_proves(
    desk: Desk, change: dict[str, Any], outcome: str
) -> None:
    fields = changed({
        "code": "10000", "out_trade_no": "M1", "trade_no": "T1", "out_request_no": "R1",
        "refund_status": "REFUND_SUCCESS", "refund_amount": "10.00", "total_amount": "88.88",
        "gmt_refund_pay": "2026-11-01 10:00:09",
        "deposit_back_info": {"has_deposit_back": "true", "dback_status": "P"},
    }, **change)
    answer = trade.read_refund_query(desk.signed(json.dumps(fields), REFUND_QUERY), TEN, desk.keys)
    assert refund_outcome(answer) == outcome
    if outcome == "done":
        assert answer.data is not None
        assert answer.data.bank_state == "P"
        assert answer.data.refunded_at == datetime(2026, 11, 1, 2, 0, 9)


def test_replies_that_are_refused_whole(desk: Desk) -> None:
    genuine = desk.answer(QUERY, **PAID).body.decode()
    node = "alipay_trade_query_response"
    text = desk.text(PAID)
    odd = {
        "unsigned": f'{{"{node}":{text}}}',
        "empty signature": f'{{"{node}":{text},"sign":""}}',
        "signature of another text": genuine.replace("88.88", "88.89"),
        "duplicate node": genuine.replace('"sign"', f'"{node}":{{"code":"10000"}},"sign"'),
        "duplicate node, escaped": genuine.replace(
            '"sign"', '"alipay_trade\\u005fquery_response":{},"sign"'),
        "node and error node": genuine.replace('"sign"', '"error_response":{},"sign"'),
        "two signatures": genuine.replace('"sign"', '"sign":"AA==","sign"'),
        "node of another call": genuine.replace("trade_query", "trade_refund"),
        "truncated": genuine[:-30],
        "something after it": genuine + "{}",
        "page": "<html>502 Bad Gateway</html>",
        "nothing": "",
        "a list": "[]",
        "nested without end": "[" * 100_000,
        "nested node": f'{{"{node}":' + '{"a":' * 100_000,
    }
    gc.collect()  # lest what other tests left is finalised in the depth of a nested text
    for name, body in odd.items():
        answer = query(desk, desk.reply(body))
        assert answer.data is None, name
        assert not answer.is_known, name
        assert not answer.is_success, name
        assert answer.why is not None, name
        assert not answer.noted, name
    assert trade_outcome(query(desk, desk.reply(genuine))) == "paid"
    spaced = genuine.replace('":{"code"', '" :\n {"code"', 1)
    assert trade_outcome(query(desk, desk.reply(" " + spaced + "\n"))) == "paid"


def test_errors_are_read_signed_or_not_but_an_unsigned_one_proves_nothing(desk: Desk) -> None:
    error = '{"code":"40002","msg":"Invalid Arguments","sub_code":"isv.invalid-app-id"}'
    unsigned = trade.read_refund(desk.reply(f'{{"error_response":{error}}}'), TEN, desk.keys)
    assert (unsigned.code, unsigned.sub_code) == ("40002", "isv.invalid-app-id")
    assert unsigned.meaning is not None
    assert "sandbox" in unsigned.meaning.action
    assert isinstance(unsigned.why, BadSignature)
    assert refund_outcome(unsigned) == "unknown"
    signed = trade.read_refund(desk.signed(error, REFUND, node="error_response"), TEN, desk.keys)
    assert refund_outcome(signed) == "refused"
    assert signed.is_verified


def test_an_error_that_echoes_the_request_gives_no_secret_away(desk: Desk) -> None:
    desk = desk.having(app_auth_token="201510BBsecret")
    echo = ("验签出错，网关生成的验签字符串为：app_auth_token=201510BBsecret&amp;biz_content={&quot;"
            "auth_code&quot;:&quot;280000000000000001&quot;,&quot;out_trade_no&quot;:&quot;M1&quot;}")
    answer = query(desk, desk.answer(
        QUERY, code="40002", sub_code="isv.invalid-signature", sub_msg=echo))
    assert answer.text is not None
    assert "201510BB" not in answer.text
    assert "28000" not in answer.text
    assert "M1" in answer.text


def test_an_error_page_in_gbk_is_no_answer(desk: Desk) -> None:
    page = Reply(200, {"content-type": "text/html;charset=GBK"},
                 "<html>系统有点儿忙</html>".encode("gbk"))
    answer = query(desk, page)
    assert trade_outcome(answer) == "unknown"
    assert "HTTP 200" in str(answer.why)


def test_a_gbk_reply_whose_bytes_look_like_json_signs_is_verified_as_it_came(desk: Desk) -> None:
    desk = desk.having(charset="gbk")
    answer = query(desk, desk.answer(QUERY, **(PAID | {"subject": "傺誠珅"})))  # trail bytes \ [ {
    assert trade_outcome(answer) == "paid"


def test_signed_bytes_are_never_read_in_another_charset_than_asked_for(desk: Desk) -> None:
    genuine = desk.having(charset="gbk").answer(QUERY, **(PAID | {"subject": "手机"}))
    assert genuine.headers["content-type"].endswith("gbk")
    assert query(desk.having(charset="gbk"), genuine).data is not None
    assert query(desk, genuine).data is None


def test_another_certificate_of_the_channel_is_named(desk: Desk) -> None:
    desk = desk.having(alipay_cert_sn="a" * 32)
    text = desk.text(PAID)
    old = desk.signed(text, QUERY, extra=f'"alipay_cert_sn":"{"a" * 32}",')
    new = desk.signed(text, QUERY, extra=f'"alipay_cert_sn":"{"b" * 32}",')
    assert trade_outcome(query(desk, old)) == "paid"
    answer = query(desk, new)
    assert trade_outcome(answer) == "unknown"
    assert "another certificate" in str(answer.why)


def test_encrypted_replies_need_the_right_key(desk: Desk) -> None:
    sealed = desk.having(aes_key=bytes(16)).answer(QUERY, **PAID)
    for keys in (desk, desk.having(aes_key=bytes(range(16)))):
        answer = query(keys, sealed)
        assert trade_outcome(answer) == "unknown"
        assert "aes_key_file" in str(answer.why)


def test_close_and_cancel(desk: Desk) -> None:
    ids = {"out_trade_no": "M1", "trade_no": "T1"}
    closed = trade.read_close(desk.answer(trade.CLOSE, **ids), M1, desk.keys)
    assert closed.data is not None
    assert (closed.data.action, closed.is_known) == ("closed", True)
    none = trade.read_close(
        desk.answer(trade.CLOSE, code="40004", sub_code="ACQ.TRADE_NOT_EXIST"), M1, desk.keys)
    assert none.data is not None
    assert none.data.action == "nothing"
    for fields, action, is_known in [
        ({"action": "close", "retry_flag": "N"}, "closed", True),
        ({"action": "refund", "retry_flag": "N"}, "refunded", True),
        ({"retry_flag": "N"}, "nothing", True),
        ({"retry_flag": "Y"}, "nothing", False),
    ]:
        answer = trade.read_cancel(desk.answer(trade.CANCEL, **ids, **fields), M1, desk.keys)
        assert answer.data is not None
        assert (answer.data.action, answer.is_known) == (action, is_known)
    odd = trade.read_cancel(desk.answer(trade.CANCEL, **ids, action="burn"), M1, desk.keys)
    assert not odd.is_known
    assert trade.ask_cancel(M1, desk.keys, STAMP).moves_money
