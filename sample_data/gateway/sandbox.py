"""A gateway in a folder: its keys, its memory, the sample merchant's orders and a few of its own."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from sample_data.gateway.gateway import OPENING_FEN, Clock, Gateway, Manners
from sample_data.gateway.keys import APP_PRIVATE, CHANNEL_PUBLIC, make_keys
from sample_data.gateway.ledger import SUCCESS, WAITING, Ledger, Trade
from sample_data.gateway.seeding import seed
from sample_data.gateway.store import TradeStore
from sample_data.merchant import Merchant

FOLDER = "sandbox"
STATE = "state.sqlite"
_PAID_FEN, _UNPAID_FEN = (88_88, 12_00, 500_00), 66_00
_SHOWN = 20


def open_sandbox(
    folder: Path, orders: int, last_day: date, manners: Manners | None = None,
    clock: Clock | None = None, *, has_own_orders: bool = True,
) -> Gateway:
    """The gateway of a folder. A known folder keeps its first `orders` and `last_day`.

    Its own orders, paid and unpaid, stand beside the sample merchant's.
    """
    keys = make_keys(folder)
    store = TradeStore(folder / STATE)
    clock = clock or Clock()
    recipe = store.seed({"orders": str(orders), "last_day": last_day.isoformat()})
    ledger = Ledger(OPENING_FEN, store.save)
    merchant = Merchant(
        orders=int(recipe["orders"]), last_day=date.fromisoformat(recipe["last_day"])
    )
    seed(ledger, merchant, clock())
    for trade in store.trades():
        ledger.adopt(trade)
    if has_own_orders:
        _add_own_orders(ledger, clock().replace(microsecond=0))
    return Gateway(keys, ledger, manners=manners, clock=clock)


def _add_own_orders(ledger: Ledger, now: datetime) -> None:
    """Three paid orders and one that waits for its buyer, unless some of today are there."""
    ledger.expire(now)
    if any(trade.status == WAITING and trade.is_reached for trade in ledger):
        return
    stamp = f"SB{now:%Y%m%d%H%M%S}"
    expires_at = now + timedelta(days=15)
    for at, amount in enumerate((*_PAID_FEN, _UNPAID_FEN)):
        trade = Trade(
            order_no=f"{stamp}{at}", trade_no="", amount_fen=amount, created_at=now,
            subject="沙箱商品", product="FACE_TO_FACE_PAYMENT", expires_at=expires_at,
        )
        ledger.place(trade)
        if amount != _UNPAID_FEN:
            ledger.pay(trade, now)


def describe(gateway: Gateway, folder: Path, home: Path) -> dict[str, Any]:
    """What a client must know: where to call, the keys' files (under `home`), orders to try."""
    return {
        "gateway_url": f"{gateway.base_url}/gateway.do",
        "app_id": gateway.keys.app_id,
        "seller_id": gateway.keys.seller_id,
        "app_private_key_file": (folder / APP_PRIVATE).relative_to(home).as_posix(),
        "alipay_public_key_file": (folder / CHANNEL_PUBLIC).relative_to(home).as_posix(),
        "orders": [_shown(trade) for trade in _worth_trying(gateway.ledger)],
    }


def write_description(gateway: Gateway, folder: Path, home: Path) -> dict[str, Any]:
    """`describe`, kept as sandbox.json in the folder."""
    document = describe(gateway, folder, home)
    text = json.dumps(document, ensure_ascii=False, indent=1)
    (folder / "sandbox.json").write_text(text + "\n", "utf-8")
    return document


def _worth_trying(ledger: Ledger) -> list[Trade]:
    """The latest orders that can still be refunded, and those that wait for their buyer."""
    known = [trade for trade in ledger if trade.is_reached]
    waiting = [trade for trade in known if trade.status == WAITING]
    paid = [
        trade
        for trade in known
        if trade.status == SUCCESS and (trade.is_own or not trade.refunds)
    ]
    paid.sort(key=lambda trade: trade.created_at, reverse=True)
    return [*paid[:_SHOWN], *waiting[:_SHOWN]]


def _shown(trade: Trade) -> dict[str, Any]:
    return {
        "order_no": trade.order_no, "trade_no": trade.trade_no, "amount_fen": trade.amount_fen,
        "outcome": "paid" if trade.is_paid else "unpaid",
    }
