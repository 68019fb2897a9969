"""Orders to be paid at WeChat Pay: a code for the buyer to scan (Native下单 of API v3)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from loaders.channels.protocol import Call, Message, Reply, Stamp
from loaders.channels.wechatpay.credentials import Credentials
from loaders.channels.wechatpay.replies import NO_ANSWER, Node, Reading, read
from loaders.channels.wechatpay.requests import fen, message, order_number, text_of
from loaders.errors import RefusedInput
from loaders.exchange import PaymentCode, PaymentOrder
from loaders.records import Answer

NATIVE = "wechatpay.native"
_CHINA = timedelta(hours=8)


def ask_precreate(order: PaymentOrder, keys: Credentials, stamp: Stamp) -> Message:
    """Ask for a code. The same number with the same content gives the same order."""
    if not keys.appid or not order.notify_url.startswith("https://"):
        raise RefusedInput("WeChat Pay needs an appid, and a notify_url that begins with https://.")
    ends = order.expires_at
    content = {
        "appid": keys.appid,
        "mchid": keys.mchid,
        "description": text_of("title", order.title, 127),
        "out_trade_no": order_number("order_no", order.order_no),
        "time_expire": f"{ends + _CHINA:%Y-%m-%dT%H:%M:%S}+08:00" if ends else "",
        "attach": text_of("passback", order.passback, 128),
        "notify_url": order.notify_url,
        "amount": {"total": fen(order.amount_fen), "currency": "CNY"},
    }
    return message(
        NATIVE, "POST", "/v3/pay/transactions/native", keys, stamp, content,
        noted={"out_trade_no": order.order_no}, may_repeat=True,
    )


def read_precreate(reply: Reply, order: PaymentOrder, keys: Credentials) -> Answer[PaymentCode]:
    """The code."""

    def code(node: Node) -> Reading[PaymentCode]:
        url = node.text("code_url")
        if url is None or not url.startswith("weixin://"):
            raise RefusedInput(NO_ANSWER)
        return Reading(PaymentCode(order.order_no, url))

    return read(reply, NATIVE, keys, code)


CALLS: Mapping[str, Call] = {"precreate": Call(PaymentOrder, ask_precreate, read_precreate)}
