"""The merchant's account as the channel answers about it: its log and its balance."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sample_data.files import yuan
from sample_data.gateway.refusals import business
from sample_data.gateway.statements import StatementLine, lines_between, lines_of

if TYPE_CHECKING:
    from sample_data.gateway.envelope import Call
    from sample_data.gateway.gateway import Gateway

_LONGEST = timedelta(days=31)


def balance(gateway: Gateway, call: Call) -> dict[str, Any]:
    """alipay.data.bill.balance.query."""
    del call
    total = yuan(gateway.ledger.balance_fen)
    return {"total_amount": total, "available_amount": total, "freeze_amount": "0.00"}


def account_log(gateway: Gateway, call: Call) -> dict[str, Any]:
    """alipay.data.bill.accountlog.query: a span of at most 31 days, or one trade."""
    page, size = _whole(call, "page_no", 1), _whole(call, "page_size", 2000)
    if page < 1 or not 1 <= size <= 2000:
        raise business("INVALID_PARAMETER")
    rows = [row for line in _chosen(gateway, call) for row in _rows(line)]
    node: dict[str, Any] = {
        "page_no": str(page), "page_size": str(size), "total_size": str(len(rows)),
    }
    if shown := rows[(page - 1) * size : page * size]:
        node["detail_list"] = shown
    return node


def _whole(call: Call, name: str, default: int) -> int:
    text = call.text(name)
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 9):
        raise business("INVALID_PARAMETER")
    return int(text)


def _chosen(gateway: Gateway, call: Call) -> list[StatementLine]:
    trade_no, order_no = call.text("alipay_order_no"), call.text("merchant_order_no")
    if trade_no and order_no:
        raise business("INVALID_PARAMETER")
    if trade_no or order_no:
        return list(lines_of(gateway.ledger.find(order_no, trade_no)))
    start, end = _time(call, "start_time"), _time(call, "end_time")
    if not start < end <= start + _LONGEST:
        raise business("INVALID_PARAMETER")
    return lines_between(gateway.ledger, start, end)


def _time(call: Call, name: str) -> datetime:
    try:
        return datetime.strptime(call.text(name), "%Y-%m-%d %H:%M:%S")
    except ValueError as error:
        raise business("INVALID_PARAMETER") from error


def _rows(line: StatementLine) -> list[dict[str, str]]:
    rows = []
    for at, (kind, fen) in enumerate(line.moves):
        row = {
            "account_log_id": f"{line.at:%Y%m%d}{line.serial}{at}",
            "alipay_order_no": line.order.trade_no, "merchant_order_no": line.order.order_no,
            "trans_dt": f"{line.at:%Y-%m-%d %H:%M:%S}", "trans_amount": yuan(fen),
            "direction": "收入" if fen > 0 else "支出", "type": kind, "other_account": "138****0000",
        }
        if line.refund:
            row["merchant_out_refund_no"] = line.refund.number
        rows.append(row)
    return rows
