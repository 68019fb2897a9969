"""Asking Alipay for bills, entries of the account and its balance.

Source: open-platform documents of alipay.data.dataservice.bill.downloadurl.query and alipay.data.bill.*.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from loaders.channels.alipay.credentials import Credentials
from loaders.channels.alipay.replies import Node, Reading, read
from loaders.channels.alipay.requests import checked, china_time, message
from loaders.channels.protocol import Call, Message, Reply, Stamp
from loaders.errors import RefusedInput
from loaders.exchange import (
    AccountEntry,
    AccountPage,
    AccountQuestion,
    Balance,
    BalanceQuestion,
    BillLink,
    BillQuestion,
)
from loaders.records import Answer

BILL = "alipay.data.dataservice.bill.downloadurl.query"
ACCOUNT_LOG = "alipay.data.bill.accountlog.query"
BALANCE = "alipay.data.bill.balance.query"
_KINDS = {"trade": "trade", "account": "signcustomer"}
_PERIOD = re.compile(r"\d{4}-\d{2}(-\d{2})?")
_COUNT = re.compile(r"[0-9]{1,12}")
_LONGEST = timedelta(days=31)


def ask_bill(question: BillQuestion, keys: Credentials, stamp: Stamp) -> Message:
    """Ask where a bill lies; the address lapses after 30 seconds."""
    if not _PERIOD.fullmatch(question.period) or question.kind not in _KINDS:
        raise RefusedInput("A bill is asked for by kind (trade, account) and day or month.")
    content = {"bill_type": _KINDS[question.kind], "bill_date": question.period}
    return message(BILL, content, keys, stamp, may_repeat=True)


def read_bill(reply: Reply, question: BillQuestion, keys: Credentials) -> Answer[BillLink]:
    """Where the bill lies, or that there is none: not made yet, or no trades that day."""
    del question

    def link(node: Node) -> Reading[BillLink]:
        url = node.text("bill_download_url")
        if node.text("bill_file_code") == "EMPTY_DATA_WITH_BILL_FILE":
            return BillLink("empty", url), True
        if url is None:
            raise RefusedInput("The reply holds no answer to this request.")
        return BillLink("ready", url), True

    return read(reply, BILL, keys, link, on_code={
        "BILL_NOT_EXIST": BillLink("absent"),
        "NO_BILL_DATA": BillLink("empty"),
        "BILL_DATE_BEFORE_REGISTRATION": BillLink("empty"),
    })


def ask_account_log(question: AccountQuestion, keys: Credentials, stamp: Stamp) -> Message:
    """Ask for entries of the account: of a span up to 31 days (end excluded), or of one order."""
    content: dict[str, Any] = {
        "page_no": str(question.page),
        "page_size": str(question.page_size),
    }
    if question.order_no or question.trade_no:
        content["merchant_order_no"] = checked("order_no", question.order_no, 64)
        content["alipay_order_no"] = (
            "" if question.order_no else checked("trade_no", question.trade_no, 64)
        )
    elif question.start and question.end and timedelta(0) < question.end - question.start <= _LONGEST:
        content["start_time"] = china_time(question.start)
        content["end_time"] = china_time(question.end)
    else:
        raise RefusedInput("Ask for a span of at most 31 days, or for one order.")
    return message(ACCOUNT_LOG, content, keys, stamp, may_repeat=True)


def read_account_log(
    reply: Reply, question: AccountQuestion, keys: Credentials
) -> Answer[AccountPage]:
    """One page of entries; none leaves the list out."""

    def page(node: Node) -> Reading[AccountPage]:
        entries = tuple(_entry(item) for item in node.items("detail_list"))
        total = node.text("total_size") or str(len(entries))
        is_other_page = node.text("page_no") not in (None, str(question.page))
        if is_other_page or not _COUNT.fullmatch(total):
            raise RefusedInput("The reply holds no answer to this request.")
        return AccountPage(entries, question.page, int(total)), True

    return read(reply, ACCOUNT_LOG, keys, page)


def _entry(node: Node) -> AccountEntry:
    at, amount, number = node.instant("trans_dt"), node.fen("trans_amount"), node.text("account_log_id")
    if at is None or amount is None or number is None:
        raise RefusedInput("An entry of the account lacks its number, time or amount.")
    direction = node.text("direction")
    if direction is not None and amount and (direction == "支出") is not (amount < 0):
        raise RefusedInput("An entry's direction contradicts the sign of its amount.")
    return AccountEntry(
        entry_no=number,
        at=at,
        amount_fen=amount,
        balance_fen=node.fen("balance"),
        order_no=node.text("merchant_order_no"),
        trade_no=node.text("alipay_order_no"),
        refund_no=node.text("merchant_out_refund_no"),
        kind=node.text("type"),
        memo=node.text("trans_memo"),
    )


def ask_balance(question: BalanceQuestion, keys: Credentials, stamp: Stamp) -> Message:
    """Ask for the shop's balance."""
    del question
    return message(BALANCE, {}, keys, stamp, may_repeat=True)


def read_balance(reply: Reply, question: BalanceQuestion, keys: Credentials) -> Answer[Balance]:
    """The shop's balance."""
    del question

    def balance(node: Node) -> Reading[Balance]:
        available = node.fen("available_amount")
        if available is None:
            raise RefusedInput("The reply holds no answer to this request.")
        return Balance(
            total_fen=node.fen("total_amount"),
            available_fen=available,
            frozen_fen=node.fen("freeze_amount"),
            settling_fen=node.fen("settle_amount"),
        ), True

    return read(reply, BALANCE, keys, balance)


CALLS: Mapping[str, Call] = {
    "bill": Call(BillQuestion, ask_bill, read_bill),
    "account_log": Call(AccountQuestion, ask_account_log, read_account_log),
    "balance": Call(BalanceQuestion, ask_balance, read_balance),
}
