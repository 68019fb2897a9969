"""The buyer's side: where pages, the app's orders and scanned codes lead, with a button to pay."""

from __future__ import annotations

import html
import json
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from loaders.channels.alipay.signing import notification_string, sign
from sample_data.files import yuan
from sample_data.gateway.envelope import codec
from sample_data.gateway.gateway import Gateway
from sample_data.gateway.ledger import WAITING, Trade
from sample_data.gateway.refusals import Refused
from sample_data.gateway.wire import gbk_page

METHODS = ("alipay.trade.page.pay", "alipay.trade.wap.pay", "alipay.trade.app.pay")


def routes(gateway: Gateway) -> list[Route]:
    """`/cashier/ORDER`: GET shows the order, POST pays it."""

    async def shown(request: Request) -> Response:
        trade = gateway.ledger.order(request.path_params["order"])
        if trade is None:
            return gbk_page("<p>交易不存在</p>", 404)
        gateway.tidy()
        gateway.ledger.reach(trade)
        return HTMLResponse(_page(trade))

    async def paid(request: Request) -> Response:
        try:
            trade = gateway.pay(request.path_params["order"])
        except Refused as refused:
            return gbk_page(f"<p>{html.escape(refused.node['sub_msg'])}</p>")
        if trade.return_url:
            return RedirectResponse(_return_url(gateway, trade), 302)
        return HTMLResponse(_page(trade))

    return [
        Route("/cashier/{order}", shown),
        Route("/cashier/{order}", paid, methods=["POST"]),
    ]


def arrival(gateway: Gateway, fields: dict[str, str]) -> Response:
    """A buyer's browser brings an order: on to the cashier, or the channel's GBK error page."""
    reply = gateway.answer(fields)
    if reply.node.startswith('"'):
        return gbk_page("<h1>支付宝</h1><p>错误代码 isv.invalid-parameter</p>")
    node = json.loads(reply.node)
    if node["code"] != "10000":
        text = f"{node['sub_code']} {html.escape(node['sub_msg'])}"
        return gbk_page(f"<h1>支付宝</h1><p>错误代码 {text}</p>")
    return RedirectResponse(f"{gateway.base_url}/cashier/{node['out_trade_no']}", 302)


def _page(trade: Trade) -> str:
    form = (
        '<form method="post"><button>确认付款</button></form>'
        if trade.status == WAITING
        else f"<p>{trade.status}</p>"
    )
    return (
        "<!doctype html><meta charset='utf-8'><title>收银台</title>"
        f"<h1>{html.escape(trade.subject)}</h1><p>{yuan(trade.amount_fen)} 元</p>{form}"
    )


def _return_url(gateway: Gateway, trade: Trade) -> str:
    """Where the buyer's browser goes back to, with signed parameters; for display only."""
    keys = gateway.keys
    fields = {
        "charset": trade.charset, "out_trade_no": trade.order_no, "version": "1.0",
        "method": "alipay.trade.page.pay.return", "total_amount": yuan(trade.amount_fen),
        "trade_no": trade.trade_no, "auth_app_id": keys.app_id, "app_id": keys.app_id,
        "seller_id": keys.seller_id, "timestamp": f"{gateway.clock():%Y-%m-%d %H:%M:%S}",
    }
    content = notification_string(fields).encode(codec(trade.charset) or "utf-8")
    made = sign(content, keys.channel_private, trade.sign_type)
    query = urlencode(fields | {"sign_type": trade.sign_type, "sign": made})
    return f"{trade.return_url}{'&' if '?' in trade.return_url else '?'}{query}"
