"""Alipay's words and numbers in ours: statuses, failure taxonomy (METRICS D6), yuan in fen.

Source: open-platform documents of the pay, precreate and create calls and the common codes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from loaders.channels.alipay.meanings import BY_CALL, LIMITED, OPEN, TABLE, UNFAMILIAR, Row
from loaders.records import EARLIEST, LATEST, CodeMeaning, Outcome

PRODUCT_KINDS: Mapping[str, str] = {
    "QUICK_MSECURITY_PAY": "app", "QUICK_WAP_WAY": "mobile_page", "JSAPI_PAY": "mobile_page",
    "QR_CODE_OFFLINE": "qr_code", "FACE_TO_FACE_PAYMENT": "counter",
}
"""Products in words that channels share, so that like is compared with like."""

PAID_STATUSES = frozenset({"TRADE_SUCCESS", "TRADE_FINISHED"})
CLOSED_STATUS = "TRADE_CLOSED"
STATUSES = PAID_STATUSES | {CLOSED_STATUS, "WAIT_BUYER_PAY"}

_MEANING = {
    code: (row.reason, row.source)
    for code, row in TABLE.items()
    if row.reason is not None and row.source is not None and row is not OPEN
}
_FAILED = frozenset({"20001", "40001", "40002", "40003", "40004", "40006"})
_MERCHANT_CODES = frozenset({"20001", "40001", "40002", "40003", "40006"})
_ACCEPTED = frozenset({"10000", "9000"})
_NOT_A_PAYMENT_ANSWER = frozenset({"TRADE_HAS_SUCCESS", "5000"})
_WAITING = frozenset({"10003", "8000"})
_OPEN = frozenset({"20000", "6004"})
_OPEN_SUB_CODES = frozenset(OPEN.codes.split())
_ACCEPTANCE = Outcome(None, None, None, known=True, may_pay=True)
_UNKNOWN = Outcome("timeout_unknown", "channel", "confirm", known=False, may_pay=True)


def bare(code: str) -> str:
    """A code without its prefixes: the channel spells them inconsistently (ACQ., AQC., isp.)."""
    return code.strip().rsplit(".", 1)[-1].replace("-", "_").upper()


def answer(
    method: str | None, reached: bool, code: str | None, sub_code: str | None
) -> Outcome:
    """What Alipay's answer to an attempt means; codes nobody mapped are `unmapped`, not hidden."""
    main, sub = (code or "").strip(), bare(sub_code or "")
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


def meaning(method: str | None, code: str | None, sub_code: str | None) -> CodeMeaning:
    """What a code says, and what staff should do; codes nobody mapped are unknown."""
    row = _row(method or "", (code or "").strip(), bare(sub_code or ""))
    return CodeMeaning(
        text=row.text,
        action=row.action,
        outcome=answer(method, True, code, sub_code),
        is_known=row.is_known,
        may_repeat=row.may_repeat,
        is_first_final=row.is_first_final,
    )


def _row(method: str, main: str, sub: str) -> Row:
    if main in _OPEN or sub in OPEN.codes.split():
        return OPEN
    if main == "40005":
        return LIMITED
    if not sub:
        return TABLE.get(main, UNFAMILIAR)
    if main not in _FAILED:
        return UNFAMILIAR
    special = BY_CALL.get((".".join(method.split(".")[-2:]), sub))
    return special or TABLE.get(sub, UNFAMILIAR)


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
    says = _says(response) if is_query else None
    paid_at = response.get("send_pay_date")
    return {
        "order_no": str(order_no),
        "trade_no": response.get("trade_no") or None,
        "method": method,
        "reached_channel": call.get("reached_channel", True),
        "code": response.get("code"),
        "sub_code": response.get("sub_code"),
        "refund_no": request.get("out_request_no"),
        "says": says,
        "paid_amount": response.get("total_amount") if says == "paid" else None,
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
    return "absent" if bare(str(response.get("sub_code") or "")) == "TRADE_NOT_EXIST" else None
