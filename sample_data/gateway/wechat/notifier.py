"""The platform's notifications: encrypted, signed anew for each delivery, repeated until accepted."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import httpx

from loaders.channels.wechatpay.notifications import RETRY_LADDER_S
from sample_data import merchant
from sample_data.gateway.wechat.books import Trade
from sample_data.gateway.wechat.platform import Platform
from sample_data.wechat_files import message, refund_result, transaction

GAPS_S = tuple(later - before for before, later in pairwise((0, *RETRY_LADDER_S)))
_TIMEOUT_S = 5.0
_REMEMBERED = 10_000


@dataclass(slots=True)
class Delivery:
    """One notification and the HTTP status of each try."""

    url: str
    body: str
    answers: list[str] = field(default_factory=list)


class Notifier:
    """Tells merchants of payments and refunds. Lives in the platform's event loop."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._tasks: set[asyncio.Task[None]] = set()
        self._client: httpx.AsyncClient | None = None
        self.deliveries: deque[Delivery] = deque(maxlen=_REMEMBERED)

    def tell(self, what: str, trade: Trade, detail: Any) -> None:
        """Start to tell of a payment or a refund."""
        url = trade.notify_url or self._platform.manners.notify_url
        if not url:
            return
        if what == "paid":
            told, event = transaction(trade.order), "TRANSACTION.SUCCESS"
        else:
            event = f"REFUND.{detail.state}"
            shown = merchant.Refund(detail.number, detail.amount_fen, detail.at, detail.at)
            told = {**refund_result(trade.order, shown), "refund_status": detail.state}
        delivery = Delivery(url, message(event, told, self._platform.clock()))
        self.deliveries.append(delivery)
        task = asyncio.get_running_loop().create_task(self._deliver(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Stop every delivery; what was not delivered stays so."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._client:
            await self._client.aclose()

    async def _deliver(self, delivery: Delivery) -> None:
        for gap in (0.0, *GAPS_S):
            await asyncio.sleep(gap / self._platform.manners.speed)
            if await self._try(delivery):
                return

    async def _try(self, delivery: Delivery) -> bool:
        headers = {"Content-Type": "application/json", **self._platform.signature(delivery.body)}
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=_TIMEOUT_S, trust_env=False)
        try:
            answer = await self._client.post(
                delivery.url, content=delivery.body.encode(), headers=headers
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            delivery.answers.append(type(error).__name__)
            return False
        delivery.answers.append(str(answer.status_code))
        return answer.status_code in (200, 204)
