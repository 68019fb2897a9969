"""Alipay (支付宝): bills, notifications, signed messages and their signatures."""

from __future__ import annotations

from loaders.channels.alipay import bills, codes, notifications, trade
from loaders.channels.protocol import Channel

CHANNEL = Channel(
    name="alipay",
    title="支付宝",
    app_setting="app_id",
    account_setting="seller_id",
    bills=bills,
    notifications=notifications,
    codes=codes,
    remote=trade,
)
