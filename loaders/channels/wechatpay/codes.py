"""WeChat Pay's words in ours: trade states, failure taxonomy (METRICS D6), calls of its API.

Source: documents of API v3 and v2 of 下单, 付款码支付 and 查询订单, and of the common error codes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from loaders.channels.wechatpay import meanings
from loaders.channels.wechatpay.meanings import Row, bare
from loaders.records import EARLIEST, LATEST, CodeMeaning, Outcome

QUERY, CLOSE = "wechatpay.query", "wechatpay.close"
REFUND, REFUND_QUERY = "wechatpay.refund", "wechatpay.refund.query"
"""What the calls are named, whatever path they go by."""

PRODUCT_KINDS: Mapping[str, str] = {
    "APP": "app", "MWEB": "mobile_page", "H5": "mobile_page", "JSAPI": "mobile_page",
    "NATIVE": "qr_code", "MICROPAY": "counter", "FACE": "counter", "FACEPAY": "counter",
}
"""Products in words that channels share, so that like is compared with like."""

PAID_STATES = frozenset({"SUCCESS", "REFUND"})
"""An order in the state REFUND was paid first."""
CLOSED_STATES = frozenset({"CLOSED", "REVOKED", "PAYERROR"})
_WAITING_STATES = frozenset({"NOTPAY", "USERPAYING", "ACCEPT"})

_CODES: dict[tuple[str, str], str] = {
    ("insufficient_funds", "customer"): "NOT_ENOUGH BALANCE_NOT_ENOUGH",
    ("insufficient_funds", "bank"): "BANK_CARD_NOT_ENOUGH",
    ("limit_exceeded", "customer"): "QUOTA_EXCEED TRADE_LIMIT USER_TRADE_LIMIT",
    ("limit_exceeded", "merchant"): "MCH_LIMIT MERCHANT_QUOTA_EXCEED AMOUNT_LIMIT",
    ("risk_rejected", "risk"): "RULE_LIMIT RISK TRADE_RISK RISK_REJECT MERCHANT_BLOCKED",
    ("payer_restricted", "customer"): (
        "ACCOUNT_ERROR V2_ACCOUNT_SIMPLE_BAN USER_ACCOUNT_ABNORMAL USER_NOT_EXIST NOT_SUPPORT_CARD"
        " NOT_SUPORT_CARD BUYER_MISMATCH OPENID_MISMATCH REALNAME_CHECK_ERROR"
    ),
    ("credential_invalid", "customer"): (
        "AUTH_CODE_EXPIRE AUTH_CODE_EXPIRED AUTH_CODE_ERROR AUTH_CODE_INVALID CONTRACT_NOT_EXIST"
        " CONTRACT_ERROR"
    ),
    ("merchant_config", "merchant"): (
        "PARAM_ERROR INVALID_REQUEST SIGN_ERROR NO_AUTH MCH_NOT_EXISTS MCH_ID_NOT_EXIST"
        " APPID_NOT_EXIST APPID_MCHID_NOT_MATCH OUT_TRADE_NO_USED ORDER_CLOSED ORDER_REVERSED"
        " XML_FORMAT_ERROR LACK_PARAMS REQUIRE_POST_METHOD POST_DATA_EMPTY NOT_UTF8"
        " INVALID_TRANSACTIONID ORDER_NOT_EXIST RESOURCE_NOT_EXISTS CERT_ERROR"
    ),
    ("channel_error", "merchant"): "FREQUENCY_LIMITED FREQUENCY_LIMIT_EXCEED RATELIMIT_EXCEEDED",
    ("channel_error", "bank"): "BANK_ERROR PAY_ERROR TRADE_ERROR",
    # Results of the WeChat app, as the shop's own client reports them.
    ("user_cancelled", "customer"): "GET_BRAND_WCPAY_REQUEST:CANCEL REQUESTPAYMENT:FAIL CANCEL -2",
    ("channel_error", "customer"): "GET_BRAND_WCPAY_REQUEST:FAIL -1",
}


_MEANING = {bare(code): meaning for meaning, codes in _CODES.items() for code in codes.split()}
_ACCEPTED = frozenset(
    map(bare, ("SUCCESS", "OK", "0", "200", "204", "GET_BRAND_WCPAY_REQUEST:OK"))
)
_PAID_BEFORE = frozenset(map(bare, ("ORDER_PAID", "TRADE_STATE_ERROR")))
_WAITING = frozenset(map(bare, ("USER_PAYING", "NOTPAY", "ACCEPT", "202")))
_OPEN = frozenset(map(bare, ("SYSTEM_ERROR", "BANK_SYSTEM_ERROR", "BIZERR_NEED_RETRY", "500", "502")))
_ACCEPTANCE = Outcome(None, None, None, known=True, may_pay=True)
_UNKNOWN = Outcome("timeout_unknown", "channel", "confirm", known=False, may_pay=True)
_NOT_PAYMENTS = ("query", "refund", "close", "reverse", "cancel", "bill", "certificates")


def answer(
    method: str | None, reached: bool, code: str | None, sub_code: str | None
) -> Outcome:
    """What WeChat Pay's answer to an attempt means; codes nobody mapped are `unmapped`, not hidden.

    v2 puts what went wrong into err_code (`sub_code`) below a result_code of FAIL.
    """
    main, sub = bare(code or ""), bare(sub_code or "")
    said = sub or main
    if not said:
        return _unanswered(method, reached)
    if said in _ACCEPTED:
        return _ACCEPTANCE
    if said in _WAITING:
        return Outcome(None, None, None, known=False, may_pay=True)
    if said in _OPEN:
        return _UNKNOWN
    if said in _PAID_BEFORE:
        return Outcome(None, None, None, known=True)
    if said == "NOTENOUGH" and (method or "").endswith(".refund"):
        return Outcome("insufficient_funds", "merchant", "pay", known=True)
    reason, source = _MEANING.get(said) or _MEANING.get(main) or ("unmapped", "unknown")
    return Outcome(reason, source, _stage(method, reached, reason), known=True)


def meaning(method: str | None, code: str | None, sub_code: str | None) -> CodeMeaning:
    """What a code says, and what staff should do; codes nobody mapped are unknown."""
    row = _row(method or "", bare(code or ""), bare(sub_code or ""))
    outcome = answer(method, True, code, sub_code)
    return CodeMeaning(row.text, row.action, outcome, row.is_known, row.may_repeat)


def _row(method: str, main: str, sub: str) -> Row:
    """v2 says what went wrong in `sub`, below a `main` that only says that something did."""
    if sub and main not in ("", "FAIL", "SUCCESS"):
        return meanings.UNFAMILIAR
    said = sub or main
    if not said:
        return meanings.SILENT
    special = meanings.BY_CALL.get((method, said))
    return special or meanings.TABLE.get(said, meanings.UNFAMILIAR)


def _unanswered(method: str | None, reached: bool) -> Outcome:
    if not reached:
        return Outcome("channel_error", "unknown", "submit", known=True)
    is_silent = "codepay" in (method or "").lower() or "micropay" in (method or "").lower()
    return _UNKNOWN if is_silent else _ACCEPTANCE


def _stage(method: str | None, reached: bool, reason: str) -> str:
    if not reached:
        return "submit"
    if "query" in (method or "").lower():
        return "confirm"
    return "create" if reason == "merchant_config" else "pay"


def is_payment_call(method: str | None) -> bool:
    """True for a call that tries to be paid; queries, refunds and closes are none."""
    if method is None:
        return True
    name = method.lower()
    return not _is_query(method) and not any(word in name for word in _NOT_PAYMENTS)


def is_call(method: str) -> bool:
    """True if this is the name of a call of this channel's API: a v3 or v2 path."""
    path = _path(method)
    return path.startswith(("/v3/pay/", "/v3/refund/", "/v3/combine-transactions/")) or path in (
        "/pay/unifiedorder", "/pay/micropay", "/pay/orderquery", "/pay/closeorder", "/pay/refundquery",
        "/secapi/pay/refund", "/secapi/pay/reverse",
    )


def _path(method: str) -> str:
    """The path of `GET https://…/v3/pay/…?mchid=…`, however much of it was logged."""
    path = method.strip().rsplit(" ", 1)[-1].partition("?")[0]
    return "/" + path.split("/", 3)[-1] if "://" in path else path


def _is_query(method: str) -> bool:
    """v3 asks about an order by a path that ends with its number."""
    path = _path(method)
    return "/out-trade-no/" in path or "/transactions/id/" in path


def read_call(call: Mapping[str, Any]) -> dict[str, Any]:
    """One line of a raw API call log as an attempt's fields. Raises ValueError.

    What the channel said of the trade (`says`) is only read from answers to queries.
    """
    request, response = _object(call.get("request")), _object(call.get("response"))
    method = str(call.get("method") or "")
    order_no = request.get("out_trade_no") or response.get("out_trade_no")
    if not order_no and "/out-trade-no/" in _path(method):
        order_no = _path(method).split("/out-trade-no/", 1)[1].split("/", 1)[0]
    if not order_no:
        raise ValueError("out_trade_no")
    is_query = _named(method) == QUERY or "orderquery" in method
    says = _says(response) if is_query else None
    paid_at = response.get("success_time") if is_query else None
    return {
        "order_no": str(order_no),
        "trade_no": response.get("transaction_id") or None,
        "method": _named(method),
        "reached_channel": call.get("reached_channel", True),
        "code": response.get("code") or response.get("result_code"),
        "sub_code": response.get("err_code"),
        "refund_no": request.get("out_refund_no"),
        "says": says,
        "paid_amount": _yuan(_object(response.get("amount"))) if says == "paid" else None,
        "channel_paid_at": _utc(str(paid_at)) if paid_at else None,
    }


def _yuan(amount: Mapping[str, Any]) -> str | None:
    """What an answer says the order is over, as yuan; None where it does not say."""
    total = amount.get("total")
    if type(total) is not int or total < 0 or amount.get("currency", "CNY") != "CNY":
        return None
    return f"{total // 100}.{total % 100:02d}"


def _named(method: str) -> str:
    """A call by what it does, without host, query and the order's number."""
    path = _path(method)
    if path.startswith("wechatpay."):
        return path
    if path.endswith("/close"):
        return CLOSE
    if _is_query(method):
        return QUERY
    if path.startswith("/v3/refund/"):
        return REFUND if path.endswith("/refunds") else REFUND_QUERY
    return "wechatpay." + path.rstrip("/").rsplit("/", 1)[-1].rsplit(".", 1)[-1]


def _says(response: Mapping[str, Any]) -> str | None:
    state = response.get("trade_state")
    if state in PAID_STATES:
        return "paid"
    if state in CLOSED_STATES:
        return "closed"
    if state in _WAITING_STATES:
        return "waiting"
    said = bare(str(response.get("code") or response.get("err_code") or ""))
    return "absent" if said == "ORDERNOTEXIST" else None


def _utc(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    offset = at.utcoffset()
    at = at.replace(tzinfo=None) - (timedelta(hours=8) if offset is None else offset)
    if not EARLIEST <= at <= LATEST:
        raise ValueError("success_time")
    return at


def _object(value: object) -> dict[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return dict(value) if isinstance(value, Mapping) else {}
