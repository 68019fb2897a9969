"""The sample merchant's WeChat Pay side: it took the channel on two months ago; and all its files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path

from loaders.channels.wechatpay.signing import PrivateKey
from sample_data.files import Line, bill_lines, checkout_events, notifications
from sample_data.merchant import Merchant, Order
from sample_data.wechat_files import (
    fund_flow,
    log_line,
    message,
    packed,
    refund_result,
    signed_headers,
    trade_bill,
    transaction,
)

DAYS = 60
_DAILY = 7
_FIRST_NUMBER = 50_000_000
_SHARE = 4
"""One WeChat order for so many of the other channel's."""
_METHOD, _PRODUCT, _CLIENT = "wechatpay.jsapi", "JSAPI", "miniprogram"
_CODES = {
    "10000": "SUCCESS", "20000": "SYSTEM_ERROR", "isv.invalid-signature": "SIGN_ERROR",
    "ACQ.PAYMENT_REQUEST_HAS_RISK": "RULE_LIMIT", "ACQ.BUYER_BALANCE_NOT_ENOUGH": "NOT_ENOUGH",
    "ACQ.BUYER_BANKCARD_BALANCE_NOT_ENOUGH": "BANK_CARD_NOT_ENOUGH",
    "ACQ.BUYER_PAYMENT_AMOUNT_DAY_LIMIT_ERROR": "QUOTA_EXCEED",
    "ACQ.BUYER_ENABLE_STATUS_FORBID": "ACCOUNT_ERROR",
    "ACQ.PAYMENT_AUTH_CODE_INVALID": "AUTH_CODE_INVALID", "ACQ.PAYMENT_FAIL": "BANK_ERROR",
    "ACQ.SOMETHING_NEW": "SOMETHING_NEW", "isp.unknow-error": "SYSTEM_ERROR",
}


class WechatMerchant(Merchant):
    """The same shop's orders by WeChat Pay, in quieter weather: the planted troubles spare it."""

    def __init__(self, orders: int, last_day: date) -> None:
        super().__init__(seed=2, orders=max(orders // _SHARE, 425), last_day=last_day)
        self.since = last_day - timedelta(days=DAYS - 1)

    @cached_property
    def outage(self) -> tuple[datetime, datetime]:
        """None."""
        return datetime.min, datetime.min

    @cached_property
    def slow_afternoon(self) -> tuple[datetime, datetime]:
        """None."""
        return datetime.min, datetime.min

    @cached_property
    def failing_bank(self) -> tuple[datetime, datetime]:
        """None."""
        return datetime.min, datetime.min

    def orders(self) -> Iterator[Order]:
        """The orders since the shop took the channel on, numbered apart."""
        for order in super().orders():
            if order.created_at.date() >= self.since:
                number = _FIRST_NUMBER + order.number
                refunds = [replace(item, number=f"R{number:09d}") for item in order.refunds]
                yield replace(order, number=number, product=_PRODUCT, client=_CLIENT, store=None,
                              campaign=None, refunds=refunds)


def events(order: Order) -> list[dict[str, object]]:
    """What the shop's checkout logged of an order, in this channel's words."""
    logged = checkout_events(replace(order, product="QUICK_WAP_WAY", refunds=[]))
    for event in logged:
        if event["event"] == "order":
            event |= {"channel": "wechatpay", "product": order.product}
        if event["event"] == "attempt":
            said = event["sub_code"] or event["code"]
            event |= {"method": _METHOD, "code": _CODES.get(str(said)), "sub_code": None}
    return logged


def log_lines(order: Order, key: PrivateKey) -> list[tuple[datetime, str]]:
    """When each message about an order came, and its line in the receiver's log."""
    if not order.received_at:
        return []
    came = [at for at, _ in notifications(order)]
    told = [("TRANSACTION.SUCCESS", transaction(order))] * len(order.received_at)
    told += [("REFUND.SUCCESS", refund_result(order, item)) for item in order.refunds]
    found = []
    for at, (event, content) in zip(came, told, strict=True):
        body = message(event, content, at)
        found.append((at, log_line(body, signed_headers(body, at, key), at)))
    return found


def write_shop(merchant: WechatMerchant, folder: Path, key: PrivateKey) -> list[Order]:
    """Write every file of this side below `folder`; `key` is what the channel signs with."""
    folder.mkdir(parents=True, exist_ok=True)
    orders = list(merchant.orders())
    logged = [json.dumps(event, ensure_ascii=False) for order in orders for event in events(order)]
    _write(folder / "checkout-wechat.jsonl", logged)
    messages = sorted(item for order in orders for item in log_lines(order, key))
    _write(folder / "wechat.jsonl", [line for _, line in messages])
    _write_bills(merchant, bill_lines(orders), folder)
    return orders


def _write(path: Path, lines: Sequence[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")


def _write_bills(
    merchant: WechatMerchant, days: dict[date, list[Line]], folder: Path
) -> None:
    """One file of the first weeks, then one a day."""
    spans: dict[date, list[Line]] = {}
    for day, lines in sorted(days.items()):
        is_daily = (merchant.last_day - day).days < _DAILY
        spans.setdefault(day if is_daily else merchant.since, []).extend(lines)
    for day, lines in spans.items():
        for name, content in (("All", trade_bill(lines)), ("Basic", fund_flow(lines))):
            path = folder / f"wechat{name}{day}.csv.gz"
            path.write_bytes(packed(path.stem, content))
