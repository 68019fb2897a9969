"""The ledger's table of what people did about items of the reconciliation."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Date, String, Table, Text

from dashboard.operations.tables import METADATA, Instant

RECONCILIATION_WORK = Table(
    "reconciliation_work",
    METADATA,
    Column("item", String(16), primary_key=True),
    Column("state", String(20), nullable=False),
    Column("owner", String(80)),
    Column("note", Text),
    Column("item_class", String(20), nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("bill", String(20), nullable=False),
    Column("channel", String(20), nullable=False),
    Column("day", Date, nullable=False),
    Column("order_no", String(200)),
    Column("proposed_by", String(80)),
    Column("approved_by", String(80)),
    Column("updated_at", Instant, nullable=False),
)
