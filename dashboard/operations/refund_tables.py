"""The ledger's tables of refunds and of cancelled payments."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, String, Table, Text

from dashboard.operations.tables import METADATA, Instant

REFUNDS = Table(
    "refunds",
    METADATA,
    Column("refund_no", String(64), primary_key=True),
    Column("channel", String(40), nullable=False),
    Column("order_no", String(64), nullable=False),
    Column("trade_no", String(64)),
    Column("store", String(80)),
    Column("amount_fen", BigInteger, nullable=False),
    Column("paid_fen", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", String(20), nullable=False),
    Column("requested_by", String(80), nullable=False),
    Column("approved_by", String(80)),
    Column("digest", String(64), nullable=False),
    Column("batch", String(80)),
    Column("requested_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("sends_at", Instant),
    Column("sent_at", Instant),
    Column("asked_at", Instant),
    Column("due_at", Instant),
    Column("uncertain_at", Instant),
    Column("tries", Integer, nullable=False),
    Column("asks", Integer, nullable=False),
    Column("why", JSON(none_as_null=True)),
    Column("refusal", JSON(none_as_null=True)),
    Column("holder", String(160)),
    Column("lease_until", Instant),
    Index("ix_refunds_channel_order_no", "channel", "order_no"),
    Index("ix_refunds_state", "state"),
)
"""`sent_at` is the last message, `uncertain_at` the last one whose outcome is not known; `refusal` is
a final answer to a repeat, which proves nothing until the channel denies the first message as well.
`holder` is who carries a `submitting` row out, until `lease_until`."""

CANCELLATIONS = Table(
    "cancellations",
    METADATA,
    Column("cancel_no", String(64), primary_key=True),
    Column("channel", String(40), nullable=False),
    Column("order_no", String(64), nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("state", String(20), nullable=False),
    Column("action", String(20)),
    Column("requested_by", String(80), nullable=False),
    Column("requested_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("due_at", Instant),
    Column("why", JSON(none_as_null=True)),
    Column("holder", String(160)),
    Column("lease_until", Instant),
    Index("ix_cancellations_channel_order_no", "channel", "order_no"),
)
