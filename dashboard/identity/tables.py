"""The ledger's tables of people: accounts, roles, sessions, one-time codes, and tries to sign in."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    text,
)

from dashboard.operations.tables import METADATA, Instant

ACCOUNTS = Table(
    "accounts",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("role", String(64), nullable=False),
    Column("password", Text),
    Column("is_active", Boolean, nullable=False),
    Column("is_demo", Boolean, nullable=False),
    Column("totp", Text),
    Column("totp_offered", Text),
    Column("totp_step", BigInteger),
    Column("email", String(254)),
    Column("subject", String(400)),
    Column("created_at", Instant, nullable=False),
    Column("signed_in_at", Instant),
    Index("ix_accounts_email", "email", unique=True, sqlite_where=text("email is not null"),
          postgresql_where=text("email is not null")),
    Index("ix_accounts_subject", "subject", unique=True, sqlite_where=text("subject is not null"),
          postgresql_where=text("subject is not null")),
)

OWN_ROLES = Table(
    "own_roles",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("rights", JSON, nullable=False),
    Column("refund_limit_fen", BigInteger),
    Column("approve_limit_fen", BigInteger),
    Column("stores", JSON(none_as_null=True)),
    Column("changed_at", Instant, nullable=False),
)

SESSIONS = Table(
    "sessions",
    METADATA,
    Column("token_hash", String(64), primary_key=True),
    Column("account", ForeignKey("accounts.name", ondelete="CASCADE"), nullable=False),
    Column("begun_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Index("ix_sessions_account", "account"),
)

ONE_TIME_CODES = Table(
    "one_time_codes",
    METADATA,
    Column("code_hash", String(64), primary_key=True),
    Column("purpose", String(20), nullable=False),
    Column("account", ForeignKey("accounts.name", ondelete="CASCADE")),
    Column("expires_at", Instant, nullable=False),
)

KNOWN_PLACES = Table(
    "known_places",
    METADATA,
    Column("account", ForeignKey("accounts.name", ondelete="CASCADE"), primary_key=True),
    Column("place_hash", String(64), primary_key=True),
    Column("seen_at", Instant, nullable=False),
)

FAILED_SIGN_INS = Table(
    "failed_sign_ins",
    METADATA,
    Column("who", String(80), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("last_at", Instant, nullable=False),
    Column("locked_until", Instant),
    Index("ix_failed_sign_ins_last_at", "last_at"),
)
