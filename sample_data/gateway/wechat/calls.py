"""What the platform's calls do: each takes a request's content and gives a status and a document."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from loaders.channels.wechatpay import signing
from sample_data.gateway.wechat.books import Refund, Refused, Trade
from sample_data.gateway.wechat.platform import Platform
from sample_data.wechat_files import fund_flow, packed, trade_bill, transaction_id

Answered = tuple[int, dict[str, Any] | None]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: what stands in its path, its query and its body."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Mapping[str, Any]


def query(platform: Platform, asked: Asked) -> Answered:
    """查询订单."""
    if asked.query.get("mchid") != platform.keys.mchid:
        raise Refused(400, "PARAM_ERROR", "mchid")
    books = platform.books
    number = asked.path.get("number")
    trade = books.by_number(number) if number else books.trade(asked.path["order"])
    return 200, shown(platform, trade)


def shown(platform: Platform, trade: Trade) -> dict[str, Any]:
    """A trade as the platform tells it."""
    told: dict[str, Any] = {
        "appid": platform.keys.appid, "mchid": platform.keys.mchid, "out_trade_no": trade.order_no,
        "trade_state": trade.state, "trade_state_desc": trade.state,
        "amount": {"total": trade.amount_fen, "currency": "CNY"},
    }
    if trade.paid_at is not None:
        told |= {
            "transaction_id": transaction_id(trade.order), "trade_type": trade.kind,
            "bank_type": "OTHERS", "attach": trade.attach, "success_time": _stamp(trade.paid_at),
            "payer": {"openid": f"oBUYER{trade.buyer:020d}"},
            "amount": {**told["amount"], "payer_total": trade.amount_fen, "payer_currency": "CNY"},
        }
    return told


def place(platform: Platform, asked: Asked) -> Answered:
    """Native and JSAPI 下单."""
    body = asked.body
    if (body.get("mchid"), body.get("appid")) != (platform.keys.mchid, platform.keys.appid):
        raise Refused(400, "APPID_MCHID_NOT_MATCH", "appid和mch_id不匹配")
    amount = body.get("amount", {}).get("total")
    if type(amount) is not int or amount <= 0 or not body.get("out_trade_no"):
        raise Refused(400, "PARAM_ERROR", "/body/amount/total")
    ends = body.get("time_expire")
    trade = platform.books.place(Trade(
        order_no=str(body["out_trade_no"]), amount_fen=amount, created_at=platform.clock(),
        description=str(body.get("description") or ""), attach=str(body.get("attach") or ""),
        kind=asked.path["kind"].upper(), notify_url=str(body.get("notify_url") or ""),
        expires_at=datetime.fromisoformat(ends).replace(tzinfo=None) if ends else None,
    ))
    if trade.kind == "NATIVE":
        return 200, {"code_url": f"weixin://wxpay/bizpayurl?pr={trade.number:08d}"}
    return 200, {"prepay_id": f"wx{trade.number:032d}"}


def close(platform: Platform, asked: Asked) -> Answered:
    """关闭订单."""
    platform.books.close(platform.books.trade(asked.path["order"]))
    return 204, None


def refund(platform: Platform, asked: Asked) -> Answered:
    """申请退款."""
    body, books = asked.body, platform.books
    amount = body.get("amount", {})
    if not all(type(amount.get(name)) is int for name in ("refund", "total")):
        raise Refused(400, "PARAM_ERROR", "/body/amount")
    number = body.get("transaction_id")
    trade = books.by_number(str(number)) if number else books.trade(str(body.get("out_trade_no")))
    before = len(trade.refunds)
    state = platform.manners.refund_state
    wanted = Refund(
        str(body["out_refund_no"]), amount["refund"], platform.clock().replace(microsecond=0), state,
        str(body.get("reason") or ""),
    )
    made = books.refund(trade, wanted, amount["total"])
    if len(trade.refunds) > before and made.state != "PROCESSING":
        platform.told("refund", trade, made)
    return 200, shown_refund(trade, made)


def refund_query(platform: Platform, asked: Asked) -> Answered:
    """查询单笔退款."""
    return 200, shown_refund(*platform.books.refund_of(asked.path["refund"]))


def shown_refund(trade: Trade, made: Refund) -> dict[str, Any]:
    """A refund as the platform tells it."""
    told: dict[str, Any] = {
        "refund_id": made.refund_id, "out_refund_no": made.number, "out_trade_no": trade.order_no,
        "transaction_id": transaction_id(trade.order), "channel": "ORIGINAL",
        "user_received_account": "支付用户零钱", "create_time": _stamp(made.at),
        "status": made.state, "funds_account": "AVAILABLE",
        "amount": {"total": trade.amount_fen, "refund": made.amount_fen,
                   "payer_total": trade.amount_fen, "payer_refund": made.amount_fen,
                   "settlement_refund": made.amount_fen, "settlement_total": trade.amount_fen,
                   "discount_refund": 0, "currency": "CNY"},
    }
    return told | ({"success_time": _stamp(made.at)} if made.state == "SUCCESS" else {})


def bill(platform: Platform, asked: Asked) -> Answered:
    """申请交易账单 and 申请资金账单."""
    is_trade = asked.path["kind"] == "tradebill"
    day = _day(asked.query.get("bill_date", ""))
    if platform.clock() < datetime.combine(day + timedelta(days=1), time(9)):
        raise Refused(400, "STATEMENT_CREATING", "账单生成中")
    chosen = asked.query.get("bill_type", "ALL") if is_trade else (
        asked.query.get("account_type", "BASIC")
    )
    lines = [line for trade in platform.books for line in trade.lines() if line.at.date() == day]
    lines.sort(key=lambda line: line.at)
    if is_trade and chosen in ("SUCCESS", "REFUND"):
        lines = [line for line in lines if bool(line.refund) == (chosen == "REFUND")]
    states = {number: state for trade in platform.books
              for number, state in trade.billed_states().items()}
    if not is_trade:
        lines = [line for line in lines if not line.refund
                 or states[line.refund.number] in ("SUCCESS", "PROCESSING")]
    if not lines or (not is_trade and chosen != "BASIC"):
        raise Refused(400, "NO_STATEMENT_EXIST", "账单文件不存在")
    content = trade_bill(lines, chosen, states) if is_trade else fund_flow(lines)
    name = f"{platform.keys.mchid}{chosen.title()}{day}.csv"
    is_packed = asked.query.get("tar_type") == "GZIP"
    return 200, platform.link(content, packed(name, content) if is_packed else content)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Refused(400, "PARAM_ERROR", "bill_date") from error


def certificates(platform: Platform, _: Asked) -> Answered:
    """下载平台证书."""
    nonce, extra = secrets.token_hex(6), "certificate"
    sealed = signing.encrypt(platform.keys.platform_cert, nonce, extra, platform.keys.api_key)
    now = platform.clock()
    return 200, {"data": [{
        "serial_no": platform.keys.platform_cert_serial,
        "effective_time": _stamp(now - timedelta(days=1)),
        "expire_time": _stamp(now + timedelta(days=3650)),
        "encrypt_certificate": {
            "algorithm": "AEAD_AES_256_GCM", "nonce": nonce, "associated_data": extra,
            "ciphertext": sealed,
        },
    }]}


def _stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}+08:00"


Handler = Callable[[Platform, Asked], Answered]
CALLS: tuple[tuple[str, str, str, Handler], ...] = (
    ("GET", "/v3/pay/transactions/out-trade-no/{order}", "query", query),
    ("GET", "/v3/pay/transactions/id/{number}", "query", query),
    ("POST", "/v3/pay/transactions/out-trade-no/{order}/close", "close", close),
    ("POST", "/v3/pay/transactions/{kind}", "place", place),
    ("POST", "/v3/refund/domestic/refunds", "refund", refund),
    ("GET", "/v3/refund/domestic/refunds/{refund}", "refund_query", refund_query),
    ("GET", "/v3/bill/{kind}", "bill", bill),
    ("GET", "/v3/certificates", "certificates", certificates),
)
"""Verb, path, name and what it does."""
