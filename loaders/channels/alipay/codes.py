"""Alipay's words and numbers in ours: statuses, failure taxonomy (METRICS D6), yuan in fen.

Source: open-platform documents of the pay, precreate and create calls and the common codes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from loaders.records import EARLIEST, LATEST, Outcome

PAID_STATUSES = frozenset({"TRADE_SUCCESS", "TRADE_FINISHED"})
CLOSED_STATUS = "TRADE_CLOSED"
STATUSES = PAID_STATUSES | {CLOSED_STATUS, "WAIT_BUYER_PAY"}

_CODES: dict[tuple[str, str], str] = {
    ("insufficient_funds", "customer"): "BUYER_BALANCE_NOT_ENOUGH AUTH_AMOUNT_NOT_ENOUGH",
    ("insufficient_funds", "bank"): "BUYER_BANKCARD_BALANCE_NOT_ENOUGH",
    ("limit_exceeded", "customer"): (
        "BUYER_PAYMENT_AMOUNT_DAY_LIMIT_ERROR BUYER_PAYMENT_AMOUNT_MONTH_LIMIT_ERROR"
        " CYCLE_PAY_SINGLE_FEE_EXCEED CYCLE_PAY_TOTAL_FEE_EXCEED CYCLE_PAY_TOTAL_TIMES_EXCEED"
        " ZM_AUTH_AMOUNT_EXCEED ZM_AUTH_RULE_LIMIT"
    ),
    ("limit_exceeded", "merchant"): (
        "BEYOND_PAY_RESTRICTION BEYOND_PER_RECEIPT_RESTRICTION BEYOND_PER_RECEIPT_DAY_RESTRICTION"
        " BEYOND_PER_RECEIPT_SINGLE_RESTRICTION PRODUCT_AMOUNT_LIMIT_ERROR TOTAL_FEE_EXCEED"
        " REQUEST_AMOUNT_EXCEED MERCHANT_PERM_RECEIPT_SUSPEND_LIMIT"
        " MERCHANT_PERM_RECEIPT_SINGLE_LIMIT MERCHANT_PERM_RECEIPT_DAY_LIMIT"
        " OVER_MAX_DEDUCT_COUNT OVER_MAX_UNDER_WAY_DEDUCT_COUNT OVER_MERCHANT_DAILY_DEDUCT_AMOUNT"
    ),
    ("risk_rejected", "risk"): "PAYMENT_REQUEST_HAS_RISK SELLER_BEEN_BLOCKED",
    ("payer_restricted", "customer"): (
        "BUYER_ENABLE_STATUS_FORBID ERROR_BALANCE_PAYMENT_DISABLE MOBILE_PAYMENT_SWITCH_OFF"
        " USER_FACE_PAYMENT_SWITCH_OFF ERROR_BUYER_CERTIFY_LEVEL_LIMIT BUYER_SELLER_EQUAL"
        " TRADE_BUYER_NOT_MATCH BUYER_NOT_EXIST NO_PAYMENT_INSTRUMENTS_AVAILABLE"
        " NOT_CERTIFIED_USER BUYER_NOT_MAINLAND_CERT PAYER_UNMATCHED CARD_USER_NOT_MATCH"
        " CARD_TYPE_ERROR BUYER_UNSUPPORT_ADVANCE CUSTOMER_VALIDATE_ERROR ZM_CREDIT_AUTH_FAIL"
    ),
    ("credential_invalid", "customer"): (
        "PAYMENT_AUTH_CODE_INVALID AUTH_TOKEN_IS_NOT_EXIST AUTH_NO_ERROR AGREEMENT_NOT_EXIST"
        " AGREEMENT_INVALID AGREEMENT_STATUS_NOT_NORMAL AGREEMENT_ERROR AUTH_ORDER_NOT_PAID"
        " AUTH_ORDER_HAS_FINISHED AUTH_ORDER_HAS_CLOSED"
    ),
    ("merchant_config", "merchant"): (
        "INVALID_PARAMETER ACCESS_FORBIDDEN EXIST_FORBIDDEN_WORD PARTNER_ERROR CONTEXT_INCONSISTENT"
        " TRADE_HAS_CLOSE INVALID_STORE_ID STORE_INFO_INVALID SUB_MERCHANT_CREATE_FAIL"
        " SUB_MERCHANT_TYPE_INVALID MERCHANT_AGREEMENT_NOT_EXIST MERCHANT_AGREEMENT_INVALID"
        " MERCHANT_STATUS_NOT_NORMAL CERT_EXPIRED AMOUNT_OR_CURRENCY_ERROR CURRENCY_NOT_SUPPORT"
        " MERCHANT_UNSUPPORT_ADVANCE ORDER_UNSUPPORT_ADVANCE CYCLE_PAY_DATE_NOT_MATCH"
        " SECONDARY_MERCHANT_STATUS_ERROR SECONDARY_MERCHANT_ALIPAY_ACCOUNT_INVALID"
        " INVALID_RECEIVE_ACCOUNT SELLER_NOT_EXIST PRE_AUTH_PROD_CODE_INCONSISTENT"
        " SECONDARY_MERCHANT_ID_INVALID NOW_TIME_AFTER_EXPIRE_TIME_ERROR"
        " SECONDARY_MERCHANT_NOT_MATCH SUB_GOODS_SIZE_MAX_COUNT SECONDARY_MERCHANT_ID_BLANK"
        " SMILE_PAY_MERCHANT_NOT_MATCH SECONDARY_MERCHANT_ISV_PUNISH_INDIRECT"
        " RESTRICTED_MERCHANT_INDUSTRY PLATFORM_BUSINESS_ACQUIRE_MODE_MUST_MERCHANT_ID"
        " USER_LOGONID_DUP ROYALTY_ACCOUNT_NOT_EXIST RISK_MERCHANT_IP_NOT_EXIST"
        " UN_SUPPORT_TRADE_SCENE OVER_DEDUCT_PERIOD APPLY_PC_MERCHANT_CODE_ERROR"
        " DEFAULT_SETTLE_RULE_NOT_EXIST TRADE_STATUS_ERROR ILLEGAL_ARGUMENT UNBOUND_APPLICATION"
        " BIZ_PRODUCT_NOT_ALLOWED ERROR_SELLER_CERTIFY_LEVEL_LIMIT OPEN_ID_NOT_TINY_APP"
        " PRODUCT_NOT_SUPPORT_IN_TINY_APP SECONDARY_MERCHANT_CARD_ALIAS_NO_INVALID"
    ),
    ("channel_error", "bank"): "PAYMENT_FAIL NOT_SUPPORT_PAYMENT_INST",
    ("channel_error", "channel"): "PULL_MOBILE_CASHIER_FAIL TRADE_SETTLE_ERROR",
    # Results of the Alipay app, as the shop's own client reports them.
    ("user_cancelled", "customer"): "6001",
    ("channel_error", "customer"): "6002",
}
_MEANING = {code: meaning for meaning, codes in _CODES.items() for code in codes.split()}
_MERCHANT_CODES = frozenset({"20001", "40001", "40002", "40003", "40006"})
_ACCEPTED = frozenset({"10000", "9000"})
_NOT_A_PAYMENT_ANSWER = frozenset({"TRADE_HAS_SUCCESS", "5000"})
_WAITING = frozenset({"10003", "8000"})
_OPEN = frozenset({"20000", "6004"})
_OPEN_SUB_CODES = frozenset({"SYSTEM_ERROR", "UNKNOW_ERROR", "UNKNOWN_ERROR"})
_ACCEPTANCE = Outcome(None, None, None, known=True, may_pay=True)
_UNKNOWN = Outcome("timeout_unknown", "channel", "confirm", known=False, may_pay=True)


def _bare(code: str) -> str:
    """A code without its prefixes: the channel spells them inconsistently (ACQ., AQC., isp.)."""
    return code.strip().rsplit(".", 1)[-1].replace("-", "_").upper()


def answer(
    method: str | None, reached: bool, code: str | None, sub_code: str | None
) -> Outcome:
    """What Alipay's answer to an attempt means; codes nobody mapped are `unmapped`, not hidden."""
    main, sub = (code or "").strip(), _bare(sub_code or "")
    if not reached and not main and not sub:
        return Outcome("channel_error", "unknown", "submit", known=True)
    if main in _WAITING and not sub:
        return Outcome(None, None, None, known=False, may_pay=True)
    if main in _OPEN or sub in _OPEN_SUB_CODES:
        return _UNKNOWN
    if not main and not sub:
        silent = (method or "").endswith("trade.pay")
        return _UNKNOWN if silent else _ACCEPTANCE
    if {main, sub} & _NOT_A_PAYMENT_ANSWER:
        return Outcome(None, None, None, known=True)
    if main in _ACCEPTED and not sub:
        return _ACCEPTANCE
    reason, source = _MEANING.get(sub) or _MEANING.get(main) or _by_gateway_code(main, sub_code)
    return Outcome(reason, source, _stage(method, reached, reason), known=True)


def _by_gateway_code(main: str, sub_code: str | None) -> tuple[str, str]:
    if main in _MERCHANT_CODES or (sub_code or "").startswith("isv."):
        return "merchant_config", "merchant"
    if main == "40005":
        return "channel_error", "merchant"
    return "unmapped", "unknown"


def _stage(method: str | None, reached: bool, reason: str) -> str:
    if not reached:
        return "submit"
    if (method or "").endswith("query"):
        return "confirm"
    return "create" if reason == "merchant_config" else "pay"


def is_payment_call(method: str | None) -> bool:
    """True for a call that tries to be paid; queries, refunds and closes are none."""
    if method is None:
        return True
    return not method.endswith(("query", "refund", "close", "cancel", "settle"))


def is_call(method: str) -> bool:
    """True if this is the name of a call of this channel's API."""
    return method.startswith("alipay.")


def read_call(call: Mapping[str, Any]) -> dict[str, Any]:
    """One line of a raw API call log as an attempt's fields. Raises ValueError.

    What the channel said of the trade (`says`) is only read from answers to queries.
    """
    request, response = _object(call.get("request")), _object(call.get("response"))
    request = _object(request.get("biz_content")) or request
    for name, node in response.items():
        if name.endswith("_response") and isinstance(node, Mapping):
            response = dict(node)
            break
    method = str(call.get("method") or "")
    order_no = request.get("out_trade_no") or response.get("out_trade_no")
    if not order_no:
        raise ValueError("out_trade_no")
    is_query = method.endswith("trade.query")
    paid_at = response.get("send_pay_date")
    return {
        "order_no": str(order_no),
        "trade_no": response.get("trade_no") or None,
        "method": method,
        "reached_channel": True,
        "code": response.get("code"),
        "sub_code": response.get("sub_code"),
        "refund_no": request.get("out_request_no"),
        "says": _says(response) if is_query else None,
        "channel_paid_at": (
            _china_time(str(paid_at)) if is_query and paid_at else None
        ),
    }


def _china_time(text: str) -> datetime:
    at = datetime.fromisoformat(text).replace(tzinfo=None)
    if not EARLIEST <= at <= LATEST:
        raise ValueError("send_pay_date")
    return at - timedelta(hours=8)


def _object(value: object) -> dict[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return dict(value) if isinstance(value, Mapping) else {}


def _says(response: Mapping[str, Any]) -> str | None:
    if str(response.get("code")) == "10000":
        status = response.get("trade_status")
        if status in PAID_STATUSES:
            return "paid"
        return "closed" if status == CLOSED_STATUS else "waiting"
    return "absent" if _bare(str(response.get("sub_code") or "")) == "TRADE_NOT_EXIST" else None
