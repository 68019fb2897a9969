"""The gateway's notifications: made once, signed anew for each delivery, repeated until `success`.

Source: Alipay's document on asynchronous notifications (fields, rule V1, retry ladder).
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from urllib.parse import quote_plus

import httpx

from loaders.channels.alipay.notifications import RETRY_LADDER_S
from loaders.channels.alipay.signing import notification_string, sign
from sample_data.files import yuan
from sample_data.gateway.envelope import codec
from sample_data.gateway.gateway import Gateway
from sample_data.gateway.ledger import CLOSED, SUCCESS, Refund, Trade
from sample_data.gateway.refusals import Refused

GAPS_S = tuple(later - before for before, later in pairwise((0, *RETRY_LADDER_S)))
_TIMEOUT_S = 10.0
_ENOUGH = 64
_REMEMBERED = 10_000


@dataclass(slots=True)
class Delivery:
    """One notification and what became of each try: the HTTP status and the answer's beginning."""

    notify_id: str
    what: str
    url: str
    trade: Trade
    fields: dict[str, str]
    answers: list[str] = field(default_factory=list)
    is_done: bool = False


class Notifier:
    """Tells merchants of changes. Lives in the gateway's event loop."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._tasks: set[asyncio.Task[None]] = set()
        self._client: httpx.AsyncClient | None = None
        self._count = 0
        self.deliveries: deque[Delivery] = deque(maxlen=_REMEMBERED)

    def tell(self, what: str, trade: Trade, detail: Any) -> None:
        """Start what a change sets off: a notification, or a buyer who pays by himself."""
        manners = self._gateway.manners
        if what == "placed":
            if manners.auto_pay_s is not None:
                self._start(self._buyer(trade, manners.auto_pay_s / manners.speed))
            return
        url = trade.notify_url or manners.notify_url
        if url and what in manners.notifies.split(","):
            delivery = self._made(what, url, trade, detail)
            self.deliveries.append(delivery)
            self._start(self._deliver(delivery))

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Stop every delivery; what was not delivered stays so."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._client:
            await self._client.aclose()

    async def _buyer(self, trade: Trade, wait_s: float) -> None:
        await asyncio.sleep(wait_s)
        try:
            self._gateway.pay(trade.order_no)
        except Refused:
            return

    def _made(self, what: str, url: str, trade: Trade, detail: Any) -> Delivery:
        self._count += 1
        now = self._gateway.clock()
        notify_id = f"{now:%Y%m%d}00222{int(now.timestamp() * 1000):013d}{self._count % 10**8:08d}"
        refund = detail if isinstance(detail, Refund) else None
        fields = _payment_fields(self._gateway, trade) | {"notify_id": notify_id}
        if what == "paid":
            fields["trade_status"] = SUCCESS
        if what == "close":
            fields |= {"trade_status": CLOSED, "gmt_close": _moment(trade.closed_at)}
        if refund is not None:
            fields |= _refund_fields(trade, refund)
        items = list(fields.items())
        self._gateway.chance.shuffle(items)
        return Delivery(notify_id, what, url, trade, dict(items))

    async def _deliver(self, delivery: Delivery) -> None:
        for gap in (0.0, *GAPS_S):
            await asyncio.sleep(gap / self._gateway.manners.speed)
            if await self._try(delivery):
                delivery.is_done = True
                return

    async def _try(self, delivery: Delivery) -> bool:
        body = self.body(delivery)
        headers = {
            "Content-Type": f"application/x-www-form-urlencoded; charset={delivery.trade.charset}",
            "User-Agent": "Mozilla/4.0",
        }
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=_TIMEOUT_S, trust_env=False)
        try:
            answer = await self._client.post(delivery.url, content=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            delivery.answers.append(type(error).__name__)
            return False
        delivery.answers.append(f"{answer.status_code} {answer.content[:_ENOUGH]!r}")
        return answer.status_code == 200 and answer.content == b"success"

    def body(self, delivery: Delivery) -> bytes:
        """The form body of one try: its send time, and a signature over it, are new each time."""
        charset = codec(delivery.trade.charset) or "utf-8"
        fields = delivery.fields | {"notify_time": _moment(self._gateway.clock())}
        kind = delivery.trade.sign_type
        content = notification_string(fields).encode(charset, "replace")
        signature = sign(content, self._gateway.keys.channel_private, kind)
        signed = fields | {"sign_type": kind, "sign": signature}
        return "&".join(
            f"{name}={quote_plus(value, safe='*', encoding=charset, errors='replace')}"
            for name, value in signed.items()
        ).encode("ascii")




def _moment(at: Any) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else ""


def _payment_fields(gateway: Gateway, trade: Trade) -> dict[str, str]:
    amount = yuan(trade.amount_fen)
    fields = {
        "notify_type": "trade_status_sync", "version": "1.0", "charset": trade.charset,
        "app_id": gateway.keys.app_id, "auth_app_id": gateway.keys.app_id,
        "seller_id": gateway.keys.seller_id, "trade_no": trade.trade_no,
        "out_trade_no": trade.order_no, "trade_status": trade.status, "total_amount": amount,
        "buyer_id": f"2088{trade.buyer:012d}", "buyer_logon_id": "138****0000",
        "subject": trade.subject, "body": trade.body, "passback_params": trade.passback,
        "gmt_create": _moment(trade.created_at), "gmt_payment": _moment(trade.paid_at),
    }
    if trade.is_paid:
        fields |= {
            "receipt_amount": amount, "buyer_pay_amount": amount, "invoice_amount": amount,
            "point_amount": "0.00",
            "fund_bill_list": f'[{{"amount":"{amount}","fundChannel":"ALIPAYACCOUNT"}}]',
        }
    return {name: value for name, value in fields.items() if value}


def _refund_fields(trade: Trade, refund: Refund) -> dict[str, str]:
    fields = {
        "trade_status": trade.status, "refund_fee": yuan(trade.refunded_fen),
        "send_back_fee": yuan(refund.amount_fen), "out_biz_no": refund.number,
        "gmt_refund": f"{_moment(refund.at)}.{refund.at.microsecond // 1000:03d}",
    }
    return fields | ({"gmt_close": _moment(trade.closed_at)} if trade.status == CLOSED else {})
