"""UnionPay's response codes in ours: failure taxonomy (METRICS D6), and what staff should do.

Source: 全渠道平台接入接口规范 第5部分 附录, 应答码.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loaders.records import CodeMeaning, Outcome


@dataclass(frozen=True, slots=True)
class Row:
    """Codes of one meaning. `is_known`: the request is settled, nothing moved."""

    reason: str | None
    source: str | None
    text: str
    action: str
    codes: str
    is_known: bool = True
    may_repeat: bool = False


PRODUCT_KINDS: Mapping[str, str] = {}
"""Its files do not name products."""

ACCEPTED = Row(None, None, "The channel accepted the call.", "Look at the trade's own state.", "00 A6")
OPEN = Row("timeout_unknown", "channel", "The channel could not say what became of the call.",
           "Query the trade after some minutes; repeat nothing before.",
           "03 04 05 74 75 83", is_known=False)
BUSY = Row("channel_error", "channel", "The channel is busy or closed for now.",
           "Wait a little and repeat unchanged.", "02 06 39", may_repeat=True, is_known=False)
UNFAMILIAR = Row("unmapped", "unknown", "The channel answered with a code unknown to this program.",
                 "Query the order; send the code and text to UnionPay's support.", "",
                 is_known=False)
ROWS = (
    ACCEPTED, OPEN, BUSY,
    Row("insufficient_funds", "bank", "The balance of the buyer's bank card is too small.",
        "Ask the buyer to pay by other means.", "64"),
    Row("limit_exceeded", "customer", "The amount is above the buyer's limit.",
        "Ask the buyer to pay by other means or on another day.", "33 81 86"),
    Row("risk_rejected", "risk", "UnionPay's risk control refused the payment.",
        "Ask the buyer to pay by other means.", "38"),
    Row("payer_restricted", "customer", "The buyer's card may not pay this.",
        "Ask the buyer to call the bank or to pay by other means.",
        "62 63 68 72 73 77 78 79"),
    Row("credential_invalid", "customer", "A password, code or detail of the card was wrong.",
        "Ask the buyer to try again.", "61 65 66 67 71 76 80 82 85 87"),
    Row("user_cancelled", "customer", "The buyer took too long.", "Ask the buyer to try again.",
        "42 69 70"),
    Row("channel_error", "bank", "The bank refused or could not be reached.",
        "Ask the buyer to try again or to pay by other means.", "01 30 60"),
    Row("merchant_config", "merchant", "The channel does not accept our signature.",
        "Check the signing certificate and its key.", "11"),
    Row("merchant_config", "merchant", "The request is not as the channel wants it.",
        "Tell the developer: the raw text names the field.", "10 13 14 36 40 84"),
    Row("merchant_config", "merchant", "The order number was used before with other details.",
        "Query the order; create a new one only when this one is closed.", "12", is_known=False),
    Row("merchant_config", "merchant", "The shop's contract or account does not allow this.",
        "Ask UnionPay's support, or the acquirer.", "31 32"),
    Row("merchant_config", "merchant", "The channel knows no such trade.",
        "Check the number and the time of the order.", "34 35"),
    Row("channel_error", "merchant", "Too many calls; this one was not carried out.",
        "Wait a little and repeat unchanged.", "37", is_known=False, may_repeat=True),
    Row("merchant_config", "merchant", "There is no bill: not made yet, or no trades that day.",
        "Ask again after 09:00 of the next day.", "98"),
)
TABLE = {code: row for row in ROWS for code in row.codes.split()}
_PAYMENTS = frozenset({"01", "02", "03", "11", "79"})
_METHODS = frozenset({
    "fronttransreq", "backtransreq", "apptransreq", "cardtransreq", "querytrans", "filedownload",
})


def sentences() -> set[str]:
    """All templates of the table."""
    rows = (*ROWS, UNFAMILIAR)
    return {row.text for row in rows} | {row.action for row in rows}


def _code(code: str | None, sub_code: str | None) -> str:
    """The one code that was said; two that do not go together are none."""
    main, sub = (code or "").strip().upper(), (sub_code or "").strip().upper()
    return main if not sub or sub == main else (sub if not main else f"{main} {sub}")


def answer(
    method: str | None, reached: bool, code: str | None, sub_code: str | None
) -> Outcome:
    """What UnionPay's answer to an attempt means; codes nobody mapped are `unmapped`, not hidden."""
    said = _code(code, sub_code)
    if not said:
        if not reached:
            return Outcome("channel_error", "unknown", "submit", known=True)
        return Outcome("timeout_unknown", "channel", "confirm", known=False, may_pay=True)
    row = TABLE.get(said, UNFAMILIAR)
    if row is ACCEPTED:
        return Outcome(None, None, None, known=True, may_pay=True)
    if row is OPEN:
        return Outcome("timeout_unknown", "channel", "confirm", known=False, may_pay=True)
    return Outcome(row.reason, row.source, _stage(method, reached, row.reason), known=True)


def _stage(method: str | None, reached: bool, reason: str | None) -> str:
    if not reached:
        return "submit"
    if (method or "").lower().endswith("query"):
        return "confirm"
    return "create" if reason == "merchant_config" else "pay"


def meaning(method: str | None, code: str | None, sub_code: str | None) -> CodeMeaning:
    """What a code says, and what staff should do; codes nobody mapped are unknown."""
    row = TABLE.get(_code(code, sub_code), UNFAMILIAR)
    return CodeMeaning(
        row.text, row.action, answer(method, True, code, sub_code), row.is_known, row.may_repeat
    )


def is_payment_call(method: str | None) -> bool:
    """True for a call that tries to be paid; queries and what gives money back are none."""
    if method is None:
        return True
    name = method.lower()
    return not any(word in name for word in ("query", "refund", "undo", "file"))


def is_call(method: str) -> bool:
    """True if this is the name of a call of this channel's API: its gateway's last word."""
    return method.rsplit("/", 1)[-1].lower().removesuffix(".do") in _METHODS


def read_call(call: Mapping[str, Any]) -> dict[str, Any]:
    """One line of a raw API call log as an attempt's fields. Raises ValueError."""
    request, response = (
        dict(part) if isinstance(part := call.get(name), Mapping) else {}
        for name in ("request", "response")
    )
    order_no = request.get("orderId") or response.get("orderId")
    if not order_no:
        raise ValueError("orderId")
    kind = str(request.get("txnType") or "")
    is_query = kind == "00"
    is_back = bool(kind) and not is_query and kind not in _PAYMENTS
    name = "query" if is_query else ("refund" if is_back else "pay")
    return {
        "order_no": str(order_no),
        "trade_no": response.get("queryId") or None,
        "method": f"unionpay.{name}",
        "reached_channel": call.get("reached_channel", True),
        "code": response.get("respCode"),
        "sub_code": None,
        "refund_no": None,
        "says": _says(response) if is_query else None,
        "channel_paid_at": None,
    }


def _says(response: Mapping[str, Any]) -> str | None:
    """What a query's answer says of the trade: it was answered, and how the trade stands."""
    code = str(response.get("respCode") or "")
    if code == "34":
        return "absent"
    if code != "00":
        return None
    stands = str(response.get("origRespCode") or "")
    if stands in ("00", "A6"):
        return "paid"
    row = TABLE.get(stands, UNFAMILIAR)
    return "waiting" if row in (OPEN, BUSY) else None
