"""WeChat Pay (微信支付): bills, notifications, signed messages and their signatures."""

from __future__ import annotations

from loaders.channels.protocol import Channel
from loaders.channels.wechatpay import bills, codes, notifications, trade
from loaders.records import RefundRules

CHANNEL = Channel(
    name="wechatpay",
    title="微信支付",
    app_setting="appid",
    account_setting="mchid",
    address_setting="base_url",
    key_setting="private_key_file",
    refund_rules=RefundRules(window_days=365, most_refunds=50, spacing_s=60, reason_bytes=80),
    refund_wait=(
        "To the WeChat balance it takes up to 20 minutes; to a bank card 1 to 3 working days."
    ),
    bills=bills,
    notifications=notifications,
    codes=codes,
    remote=trade,
)
