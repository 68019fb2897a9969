"""A platform in a folder: its keys, the sample merchant's trades, and a memory of refunds."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path

from sample_data.gateway.wechat.books import Books, Refund, Trade
from sample_data.gateway.wechat.keys import (
    API_KEY_FILE,
    MERCHANT_KEY,
    PLATFORM_PUBLIC,
    make_platform_keys,
)
from sample_data.gateway.wechat.platform import Platform
from sample_data.merchant import Order
from sample_data.wechatpay_shop import WechatMerchant

FOLDER = "sandbox/wechat"
_RECIPE, _REFUNDS = "recipe.json", "refunds.jsonl"
_SETTINGS = """
[channels.wechatpay]
mchid = "{mchid}"
appid = "{appid}"
serial_no = "{serial}"
base_url = "{base_url}"
private_key_file = "{folder}/{own}"
api_v3_key_file = "{folder}/{api}"
platform_public_key_file = "{folder}/{public}"
platform_serial = "{key_id}"
"""


def open_platform(folder: Path, orders: int, last_day: date) -> tuple[Platform, WechatMerchant]:
    """The platform of a folder, and the shop whose trades it knows.

    A known folder keeps its first `orders` and `last_day`.
    """
    platform = Platform(make_platform_keys(folder))
    shop = WechatMerchant(*_recipe(folder / _RECIPE, orders, last_day))
    for order in shop.orders():
        platform.books.adopt(_trade(order))
    _remember(platform.books, folder / _REFUNDS)
    return platform, shop


def settings_of(platform: Platform) -> str:
    """The lines of mdash.toml with which a home uses this platform; its files lie under the home."""
    keys = platform.keys
    return _SETTINGS.format(
        mchid=keys.mchid, appid=keys.appid, serial=keys.merchant_serial, base_url=platform.base_url,
        folder=FOLDER, own=MERCHANT_KEY, api=API_KEY_FILE, public=PLATFORM_PUBLIC,
        key_id=keys.key_id,
    )


def _recipe(path: Path, orders: int, last_day: date) -> tuple[int, date]:
    if not path.exists():
        path.write_text(json.dumps([orders, last_day.isoformat()]), "utf-8")
    known, day = json.loads(path.read_text("utf-8"))
    return int(known), date.fromisoformat(day)


def _trade(order: Order) -> Trade:
    return Trade(
        order_no=order.order_no, amount_fen=order.amount_fen, created_at=order.created_at,
        description=order.items[0][1], kind=order.product, expires_at=order.expires_at,
        paid_at=order.paid_at, number=order.number, buyer=order.buyer,
        state=_state(order),
        refunds=[Refund(item.number, item.amount_fen, item.done_at) for item in order.refunds],
    )


def _state(order: Order) -> str:
    if order.paid_at is None:
        return "CLOSED"
    return "REFUND" if order.refunds else "SUCCESS"


def _remember(books: Books, path: Path) -> None:
    """Take up the refunds of earlier runs, and keep those to come."""
    if path.exists():
        for line in path.read_text("utf-8").splitlines():
            order_no, made = json.loads(line)
            trade = books.trade(order_no)
            trade.refunds.append(Refund(**made | {"at": datetime.fromisoformat(made["at"])}))
            trade.state = "REFUND"

    def keep(trade: Trade, made: Refund) -> None:
        told = [trade.order_no, asdict(made) | {"at": made.at.isoformat()}]
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(told, ensure_ascii=False) + "\n")

    books.keep = keep
