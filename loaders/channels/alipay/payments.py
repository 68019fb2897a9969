"""Creating Alipay orders: precreate, create, pay, and the order strings of app, wap and page.

Source: open-platform documents of alipay.trade.precreate, create, pay, app.pay, wap.pay, page.pay.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from loaders.channels.alipay.credentials import Credentials
from loaders.channels.alipay.replies import SUCCESS, WAITING, Node, Reading, named, read
from loaders.channels.alipay.requests import checked, china_time, message, order_string, yuan
from loaders.channels.protocol import Call, Message, Reply, Stamp
from loaders.errors import RefusedInput
from loaders.exchange import PaymentCode, PaymentOrder
from loaders.records import Answer, TradeState

PRECREATE, CREATE, PAY = "alipay.trade.precreate", "alipay.trade.create", "alipay.trade.pay"
_ORDER_NO = re.compile(r"[A-Za-z0-9_]{1,64}")
_FORBIDDEN = re.compile(r"[/=&]")
_STRINGS = {
    "app": ("alipay.trade.app.pay", "QUICK_MSECURITY_PAY"),
    "wap": ("alipay.trade.wap.pay", "QUICK_WAP_WAY"),
    "page": ("alipay.trade.page.pay", "FAST_INSTANT_TRADE_PAY"),
}


def _content(order: PaymentOrder, product: str) -> dict[str, Any]:
    """The fields every product takes. Raises RefusedInput for what the channel refuses."""
    if not _ORDER_NO.fullmatch(order.order_no):
        raise RefusedInput("An order number has 1 to 64 letters, digits or underscores.")
    if not order.title or _FORBIDDEN.search(order.title):
        raise RefusedInput("An order needs a title, without / = &.")
    return {
        "out_trade_no": order.order_no,
        "total_amount": yuan(order.amount_fen),
        "subject": checked("title", order.title, 256),
        "product_code": checked("product", order.product or product, 64),
        "body": checked("description", order.description, 128),
        "time_expire": china_time(order.expires_at) if order.expires_at else "",
        "seller_id": checked("seller_id", order.seller_id, 28),
        "store_id": checked("store", order.store, 32),
        "passback_params": checked("passback", order.passback, 512),
        "goods_detail": [
            {
                "goods_id": item.sku,
                "goods_name": item.name,
                "quantity": item.quantity,
                "price": yuan(item.price_fen),
                **({"goods_category": item.category} if item.category else {}),
            }
            for item in order.goods
        ],
    }


def _at_the_counter(order: PaymentOrder) -> dict[str, str]:
    return {
        "terminal_id": checked("terminal", order.terminal, 32),
        "operator_id": checked("operator", order.operator, 28),
    }


def ask_precreate(order: PaymentOrder, keys: Credentials, stamp: Stamp) -> Message:
    """Ask for a code that the buyer scans."""
    content = _content(order, "FACE_TO_FACE_PAYMENT") | _at_the_counter(order)
    return message(PRECREATE, content, keys, stamp, notify_url=order.notify_url)


def read_precreate(
    reply: Reply, order: PaymentOrder, keys: Credentials
) -> Answer[PaymentCode]:
    """The code to be scanned."""

    def code(node: Node) -> Reading[PaymentCode]:
        named(node, {"out_trade_no": order.order_no})
        qr_code = node.text("qr_code")
        return PaymentCode(order.order_no, qr_code=qr_code), qr_code is not None

    return read(reply, PRECREATE, keys, code, {"out_trade_no": order.order_no})


def ask_create(order: PaymentOrder, keys: Credentials, stamp: Stamp) -> Message:
    """Ask for a trade that a mini program goes on with; the buyer's id is needed."""
    if not order.payer_id and not order.payer_open_id:
        raise RefusedInput("This call needs the buyer's id.")
    content = _content(order, "JSAPI_PAY") | _at_the_counter(order) | {
        "buyer_id": checked("payer_id", order.payer_id, 28),
        "buyer_open_id": checked("payer_open_id", order.payer_open_id, 128),
    }
    return message(CREATE, content, keys, stamp, notify_url=order.notify_url)


def read_create(reply: Reply, order: PaymentOrder, keys: Credentials) -> Answer[PaymentCode]:
    """The trade to go on with."""

    def code(node: Node) -> Reading[PaymentCode]:
        named(node, {"out_trade_no": order.order_no})
        trade_no = node.text("trade_no")
        return PaymentCode(order.order_no, trade_no=trade_no), trade_no is not None

    return read(reply, CREATE, keys, code, {"out_trade_no": order.order_no})


def ask_pay(order: PaymentOrder, keys: Credentials, stamp: Stamp) -> Message:
    """Ask to be paid with the code the buyer shows. It moves money."""
    if not order.auth_code:
        raise RefusedInput("This call needs the buyer's payment code.")
    content = _content(order, "FACE_TO_FACE_PAYMENT") | _at_the_counter(order) | {
        "auth_code": checked("auth_code", order.auth_code, 64),
        "scene": checked("scene", order.scene or "bar_code", 32),
    }
    return message(PAY, content, keys, stamp, notify_url=order.notify_url, moves_money=True)


def read_pay(reply: Reply, order: PaymentOrder, keys: Credentials) -> Answer[TradeState]:
    """That the channel took the payment on. It proves no payment: a query or notification does."""

    def state(node: Node) -> Reading[TradeState]:
        named(node, {"out_trade_no": order.order_no})
        amount = node.fen("total_amount")
        if amount not in (None, order.amount_fen):
            raise RefusedInput("The reply is about another amount than was asked about.")
        return TradeState(order.order_no, node.text("trade_no"), "unknown", amount_fen=amount), False

    asked = {"out_trade_no": order.order_no}
    return read(reply, PAY, keys, state, asked, accepts=(SUCCESS, WAITING))


def payment_string(kind: str, order: PaymentOrder, keys: Credentials, stamp: Stamp) -> str:
    """What `app`, `wap` or `page` pays with: the app's order string, or the page's address."""
    method, product = _STRINGS[kind]
    content = _content(order, product)
    if kind == "wap":
        content["quit_url"] = order.quit_url
    urls = {"notify_url": order.notify_url, "return_url": order.return_url if kind != "app" else ""}
    text = order_string(method, content, keys, stamp, **urls)
    return text if kind == "app" else f"{keys.gateway_url}?{text}"


CALLS: Mapping[str, Call] = {
    "precreate": Call(PaymentOrder, ask_precreate, read_precreate),
    "create": Call(PaymentOrder, ask_create, read_create),
    "pay": Call(PaymentOrder, ask_pay, read_pay),
}
