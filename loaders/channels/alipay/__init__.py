"""Alipay (支付宝): bills, notifications, signed messages and their signatures."""

from __future__ import annotations

from loaders.channels.alipay import bills, codes, notifications, trade
from loaders.channels.protocol import Channel
from loaders.records import RefundRules

CHANNEL = Channel(
    name="alipay",
    title="支付宝",
    app_setting="app_id",
    account_setting="seller_id",
    address_setting="gateway_url",
    key_setting="app_private_key_file",
    refund_rules=RefundRules(window_days=365, spacing_s=3),
    refund_wait=(
        "It goes back the way it was paid; to a bank card the bank decides how long it takes."
    ),
    bills=bills,
    notifications=notifications,
    codes=codes,
    remote=trade,
)
