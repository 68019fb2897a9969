"""What WeChat Pay's answers mean, and what its calls are."""

from __future__ import annotations

from typing import Any

import pytest

from loaders.channels import channel_of_call
from loaders.channels.wechatpay import codes, notifications

CODEPAY, JSAPI = "wechatpay.codepay", "wechatpay.jsapi"


@pytest.mark.parametrize(("method", "code", "sub_code", "reason", "source"), [
    (CODEPAY, "NOT_ENOUGH", None, "insufficient_funds", "customer"),
    (CODEPAY, "FAIL", "NOTENOUGH", "insufficient_funds", "customer"),
    (CODEPAY, "FAIL", "AUTHCODEEXPIRE", "credential_invalid", "customer"),
    (CODEPAY, "ACCOUNT_ERROR", None, "payer_restricted", "customer"),
    (CODEPAY, "RULE_LIMIT", None, "risk_rejected", "risk"),
    (CODEPAY, "BANK_ERROR", None, "channel_error", "bank"),
    (JSAPI, "PARAM_ERROR", None, "merchant_config", "merchant"),
    (JSAPI, "FREQUENCY_LIMITED", None, "channel_error", "merchant"),
    (JSAPI, "get_brand_wcpay_request:cancel", None, "user_cancelled", "customer"),
    (JSAPI, "NEVER_HEARD_OF", None, "unmapped", "unknown"),
])
def test_failures_have_a_class_and_a_source(
    method: str, code: str, sub_code: str | None, reason: str, source: str
) -> None:
    found = codes.answer(method, True, code, sub_code)
    assert (found.reason, found.source, found.known, found.may_pay) == (reason, source, True, False)


def test_an_open_answer_is_not_a_failure() -> None:
    for code in ("USERPAYING", "USER_PAYING", "ACCEPT"):
        found = codes.answer(CODEPAY, True, code, None)
        assert (found.reason, found.known, found.may_pay) == (None, False, True)
    for code in ("SYSTEM_ERROR", "SYSTEMERROR"):
        found = codes.answer(CODEPAY, True, code, None)
        assert (found.reason, found.known, found.may_pay) == ("timeout_unknown", False, True)


def test_silence_is_acceptance_only_of_calls_that_prepare() -> None:
    assert codes.answer(JSAPI, True, None, None).reason is None
    assert codes.answer(CODEPAY, True, None, None).reason == "timeout_unknown"
    assert codes.answer(JSAPI, False, None, None).reason == "channel_error"
    assert codes.answer(JSAPI, True, "ORDERPAID", None).may_pay is False


@pytest.mark.parametrize(("method", "name", "is_payment"), [
    ("POST /v3/pay/transactions/jsapi", "wechatpay.jsapi", True),
    ("/pay/micropay", "wechatpay.micropay", True),
    ("GET /v3/pay/transactions/out-trade-no/M1?mchid=1", "wechatpay.query", False),
    ("/v3/pay/transactions/out-trade-no/M1/close", "wechatpay.close", False),
    ("/v3/refund/domestic/refunds", "wechatpay.refund", False),
    ("/v3/refund/domestic/refunds/R1", "wechatpay.refund.query", False),
])
def test_calls_are_known_by_their_path(method: str, name: str, is_payment: bool) -> None:
    channel = channel_of_call(method)
    assert channel is not None
    assert channel.name == "wechatpay"
    assert codes.read_call({"method": method, "request": {"out_trade_no": "M1"}})["method"] == name
    assert codes.is_payment_call(method) is is_payment
    assert codes.is_payment_call(name) is is_payment


@pytest.mark.parametrize(("answer", "says"), [
    ({"trade_state": "SUCCESS"}, "paid"), ({"trade_state": "REFUND"}, "paid"),
    ({"trade_state": "NOTPAY"}, "waiting"), ({"trade_state": "USERPAYING"}, "waiting"),
    ({"trade_state": "CLOSED"}, "closed"), ({"trade_state": "REVOKED"}, "closed"),
    ({"trade_state": "PAYERROR"}, "closed"), ({"code": "ORDER_NOT_EXIST"}, "absent"),
    ({"code": "SYSTEM_ERROR"}, None),
])
def test_what_a_query_says_of_a_trade(answer: dict[str, Any], says: str | None) -> None:
    call = {"method": "/v3/pay/transactions/out-trade-no/M1", "response": answer}
    assert codes.read_call(call)["says"] == says


def test_deliveries_are_due_as_the_documents_say() -> None:
    hours, minutes = divmod(notifications.RETRY_LADDER_S[-1] // 60, 60)
    assert (len(notifications.RETRY_LADDER_S), hours, minutes) == (15, 24, 4)
