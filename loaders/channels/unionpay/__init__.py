"""UnionPay (银联全渠道): reconciliation files, codes and signatures."""

from __future__ import annotations

from loaders.channels.protocol import Channel
from loaders.channels.unionpay import bills, codes
from loaders.records import RefundRules

CHANNEL = Channel(
    name="unionpay",
    title="银联",
    app_setting="mer_id",
    account_setting="mer_id",
    refund_rules=RefundRules(window_days=330),
    bills=bills,
    codes=codes,
)
