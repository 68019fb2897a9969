"""WeChat Pay (微信支付): bills, notifications and their signatures."""

from __future__ import annotations

from loaders.channels.protocol import Channel
from loaders.channels.wechatpay import bills, codes, notifications

CHANNEL = Channel(
    name="wechatpay",
    title="微信支付",
    app_setting="appid",
    account_setting="mchid",
    bills=bills,
    notifications=notifications,
    codes=codes,
)
