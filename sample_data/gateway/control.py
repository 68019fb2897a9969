"""The gateway's controls, for people and tests: no channel has them.

`POST` with a JSON body:
`/control/pay {"order": "M1"}` the buyer pays · `/control/misbehave {"how": "reset_after", "method":
"alipay.trade.refund", "order": "M1", "times": 1}` (words: `misbehaviour.py`; `order` may be a refund
number; `times` null: always) · `/control/behave` forgets all that ·
`/control/manners {"speed": 600, "auto_pay_s": 2, …}` (names: `Manners`) ·
`/control/clock {"forward_s": 31}` puts the gateway's clock forward.
`GET`: `/control/notifications`, `/control/trades/ORDER`, `/control/account`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sample_data.gateway.gateway import Gateway
from sample_data.gateway.ledger import Trade
from sample_data.gateway.notifier import Notifier
from sample_data.gateway.refusals import Refused

Act = Callable[[dict[str, Any]], Any]


class Controls:
    """The control endpoints of one gateway."""

    def __init__(self, gateway: Gateway, notifier: Notifier) -> None:
        self._gateway = gateway
        self._notifier = notifier

    def routes(self) -> list[Route]:
        """All of them."""
        acts: dict[str, Act] = {
            "pay": self._pay, "misbehave": self._misbehave, "behave": self._behave,
            "manners": self._manners, "clock": self._clock,
        }
        return [
            *(
                Route(f"/control/{name}", _endpoint(act), methods=["POST"])
                for name, act in acts.items()
            ),
            Route("/control/notifications", self._notifications),
            Route("/control/trades/{order}", self._trade),
            Route("/control/account", self._account),
        ]

    def _pay(self, document: dict[str, Any]) -> dict[str, Any]:
        return _shown(self._gateway.pay(str(document["order"])))

    def _misbehave(self, document: dict[str, Any]) -> dict[str, Any]:
        return self._gateway.plans.add(document).behaviour.asked

    def _behave(self, _: dict[str, Any]) -> dict[str, Any]:
        self._gateway.plans.clear()
        return {}

    def _manners(self, document: dict[str, Any]) -> dict[str, Any]:
        self._gateway.manners.change(document)
        return document

    def _clock(self, document: dict[str, Any]) -> dict[str, Any]:
        self._gateway.clock.forward(float(document["forward_s"]))
        self._gateway.tidy()
        return {"now": self._gateway.clock().isoformat(" ", "seconds")}

    async def _notifications(self, _: Request) -> Response:
        return JSONResponse(
            [
                {
                    "notify_id": item.notify_id, "what": item.what, "order": item.trade.order_no,
                    "url": item.url, "answers": item.answers, "is_done": item.is_done,
                }
                for item in self._notifier.deliveries
            ]
        )

    async def _trade(self, request: Request) -> Response:
        trade = self._gateway.ledger.order(request.path_params["order"])
        return JSONResponse(_shown(trade) if trade else {}, 200 if trade else 404)

    async def _account(self, _: Request) -> Response:
        ledger = self._gateway.ledger
        return JSONResponse({"opening_fen": ledger.opening_fen, "balance_fen": ledger.balance_fen})


def _endpoint(act: Act) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        try:
            return JSONResponse(act(json.loads(await request.body() or b"{}")))
        except Refused as refused:
            return JSONResponse(refused.node, 409)
        except (KeyError, TypeError, ValueError) as error:
            return JSONResponse({"wrong": str(error)}, 400)

    return endpoint


def _shown(trade: Trade) -> dict[str, Any]:
    return {
        "order_no": trade.order_no, "trade_no": trade.trade_no, "status": trade.status,
        "amount_fen": trade.amount_fen, "refunded_fen": trade.refunded_fen,
        "settled_fen": trade.settled_fen, "is_reached": trade.is_reached,
        "refunds": {refund.number: refund.amount_fen for refund in trade.refunds},
    }
