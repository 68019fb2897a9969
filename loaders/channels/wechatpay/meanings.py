"""WeChat Pay's codes for people: what each says, whether it settles the request, what staff should do.

A code stands without underscores, in upper case: v2 and v3 spell them differently. Source: the error
codes of 查询订单, 关闭订单, 申请退款, 查询单笔退款 and 申请账单 of API v3.
"""

from __future__ import annotations

from dataclasses import dataclass


def bare(code: str) -> str:
    """A code as v2 and v3 both spell it: NOTENOUGH and NOT_ENOUGH are one."""
    return code.strip().upper().replace("_", "").replace(" ", "")


@dataclass(frozen=True, slots=True)
class Row:
    """Codes of one meaning.

    `is_known`: the request is settled, nothing moved. `may_repeat`: unchanged, it may succeed later.
    """

    text: str
    action: str
    codes: str
    is_known: bool = True
    may_repeat: bool = False


ACCEPTED = Row("The channel accepted the call.", "Look at the trade's own state.",
               "SUCCESS OK 0 200 204")
WAITING = Row("The buyer is paying at this moment.",
              "Wait and query the order every few seconds; close it if it stays so for a minute.",
              "USER_PAYING NOTPAY ACCEPT 202", is_known=False)
OPEN = Row("The channel could not say what became of the call.",
           "Query the order or refund; if that proves nothing, repeat under the same number and"
           " amount.",
           "SYSTEM_ERROR BANK_SYSTEM_ERROR BIZERR_NEED_RETRY 500 502", is_known=False,
           may_repeat=True)
LIMITED = Row("Too many calls; this one was not carried out.", "Wait a little and repeat unchanged.",
              "FREQUENCY_LIMITED FREQUENCY_LIMIT_EXCEED RATELIMIT_EXCEEDED", is_known=False,
              may_repeat=True)
UNFAMILIAR = Row("The channel answered with a code unknown to this program.",
                 "Query the order; send the code and text to WeChat Pay's support.", "",
                 is_known=False)
SILENT = Row("The channel could not say what became of the call.", "Query the trade.", "",
             is_known=False)

ROWS = (
    ACCEPTED, WAITING, OPEN, LIMITED,
    Row("The buyer's balance is too small.", "Ask the buyer to pay by other means.",
        "NOT_ENOUGH BALANCE_NOT_ENOUGH BANK_CARD_NOT_ENOUGH"),
    Row("The amount is above the buyer's limit.",
        "Ask the buyer to pay by other means or on another day.",
        "QUOTA_EXCEED TRADE_LIMIT USER_TRADE_LIMIT"),
    Row("The amount is above the shop's receiving limit.",
        "Have the limit raised on the merchant platform; take this payment by other means.",
        "MCH_LIMIT MERCHANT_QUOTA_EXCEED AMOUNT_LIMIT"),
    Row("WeChat Pay's risk control refused it.",
        "Look at the notices on the merchant platform; ask the buyer to pay by other means.",
        "RULE_LIMIT RISK TRADE_RISK RISK_REJECT MERCHANT_BLOCKED"),
    Row("The buyer's account may not pay this.", "Ask the buyer to pay by other means.",
        "ACCOUNT_ERROR V2_ACCOUNT_SIMPLE_BAN USER_NOT_EXIST NOT_SUPPORT_CARD NOT_SUPORT_CARD"
        " BUYER_MISMATCH OPENID_MISMATCH REALNAME_CHECK_ERROR USER_ACCOUNT_ABNORMAL"),
    Row("The payment code or agreement is no longer valid.", "Ask the buyer to scan again.",
        "AUTH_CODE_EXPIRE AUTH_CODE_EXPIRED AUTH_CODE_ERROR AUTH_CODE_INVALID CONTRACT_NOT_EXIST"
        " CONTRACT_ERROR"),
    Row("The bank refused or could not be reached.",
        "Ask the buyer to try again or to pay by other means.", "BANK_ERROR PAY_ERROR TRADE_ERROR"),
    Row("The buyer cancelled.", "Nothing to do.",
        "GET_BRAND_WCPAY_REQUEST:CANCEL REQUESTPAYMENT:FAIL CANCEL -2"),
    Row("The cashier could not be opened.", "Ask the buyer to scan again.",
        "GET_BRAND_WCPAY_REQUEST:FAIL -1"),
    Row("The order is paid already.", "Query the order; do not take the money again.",
        "ORDER_PAID", is_known=False),
    Row("The trade's state does not allow this.", "Query the trade.",
        "TRADE_STATE_ERROR ORDER_REVERSED"),
    Row("The order is closed already.", "Query the trade.", "ORDER_CLOSED"),
    Row("The order number was used before with other details.",
        "Query the order; create a new one only when this one is closed.", "OUT_TRADE_NO_USED",
        is_known=False),
    Row("The channel knows no such trade.", "Check the number, and that it belongs to this shop.",
        "ORDER_NOT_EXIST RESOURCE_NOT_EXISTS INVALID_TRANSACTIONID"),
    Row("The request is not as the channel wants it.",
        "Tell the developer: the raw text names the field.",
        "PARAM_ERROR INVALID_REQUEST XML_FORMAT_ERROR LACK_PARAMS REQUIRE_POST_METHOD"
        " POST_DATA_EMPTY NOT_UTF8"),
    Row("The channel does not accept our signature.",
        "Check private_key_file, serial_no and the clock (mdash check).", "SIGN_ERROR CERT_ERROR"),
    Row("The shop's contract or account does not allow this.",
        "Look at the signed products and the account on the merchant platform.",
        "NO_AUTH MCH_NOT_EXISTS MCH_ID_NOT_EXIST APPID_NOT_EXIST APPID_MCHID_NOT_MATCH"),
    Row("There is no bill of that day: nothing was traded.", "Nothing to do.",
        "NO_STATEMENT_EXIST NO_BILL_EXIST"),
    Row("The bill is still being made.", "Ask again after 10:00 of the next day.",
        "STATEMENT_CREATING BILL_CREATING", is_known=False),
)
TABLE = {bare(code): row for row in ROWS for code in row.codes.split()}

_REFUND, _REFUND_QUERY = "wechatpay.refund", "wechatpay.refund.query"
BY_CALL = {
    (_REFUND, bare("NOT_ENOUGH")): Row(
        "The shop's balance is too small for the refund.",
        "Top up the account that refunds are paid from (退款出资账户), then ask for the refund"
        " again.", ""),
    (_REFUND, bare("USER_ACCOUNT_ABNORMAL")): Row(
        "The buyer's account is closed; the money cannot go back the way it came.",
        "Settle it with the buyer by bank transfer.", ""),
    (_REFUND, bare("INVALID_REQUEST")): Row(
        "This trade cannot be refunded so: it is refunded already, too old, or the amount too large.",
        "Query the trade's refunds and correct the amount.", ""),
    (_REFUND, bare("ORDER_NOT_EXIST")): Row(
        "The channel knows no such trade.", "Check the number, and that it belongs to this shop.", ""),
    (_REFUND_QUERY, bare("RESOURCE_NOT_EXISTS")): Row(
        "The channel knows no such refund.",
        "Wait a minute and ask again; if it stays so, repeat it under the same number and amount.",
        "", is_known=False),
    ("wechatpay.query", bare("ORDER_NOT_EXIST")): Row(
        "Not paid yet: the buyer has not reached the cashier.", "Wait, or close the order.", ""),
    ("wechatpay.close", bare("ORDER_NOT_EXIST")): Row(
        "There is nothing to close: the buyer has not reached the cashier.",
        "Do not use the order's code any more.", ""),
}
"""Where a code means something else in one call."""

REFUND_STATES = {
    "PROCESSING": Row("The refund is being worked on.",
                      "Ask again in a minute; into a bank card it may take three working days.", "",
                      is_known=False),
    "CLOSED": Row("The refund was closed; no money moved.",
                  "Look why, then ask for it under a new number.", ""),
    "ABNORMAL": Row("The money left the shop but could not reach the buyer's account. Handle it on"
                    " the merchant platform (交易中心 → 退款异常处理).",
                    "Ask again when it is handled there; do not refund it another way.", "",
                    is_known=False),
}
"""States of a refund that are not yet, or not any more, a refund."""


def sentences() -> set[str]:
    """All templates of the tables."""
    rows = (*ROWS, UNFAMILIAR, SILENT, *BY_CALL.values(), *REFUND_STATES.values())
    return {row.text for row in rows} | {row.action for row in rows}
