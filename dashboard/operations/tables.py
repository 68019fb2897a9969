"""The ledger's tables. Instants are naive UTC; days are the shop's business days."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Instant(TypeDecorator[datetime]):
    """An instant, naive UTC. A datetime with a zone is refused: it would be stored as another."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        del dialect
        if value is not None and value.tzinfo is not None:
            raise ValueError("the ledger keeps naive UTC instants")
        return value


VERSION = Table("ledger_version", METADATA, Column("version", Integer, primary_key=True))

SAVED_VIEWS = Table(
    "saved_views",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", String(80), nullable=False),
    Column("owner", String(80), nullable=False),
    Column("page", String(40), nullable=False),
    Column("query", Text, nullable=False),
    Column("is_shared", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("owner", "name"),
)

NOTES = Table(
    "notes",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("day", Date),
    Column("at", Instant),
    Column("text", Text, nullable=False),
    Column("author", String(80), nullable=False),
    Column("filters", JSON, nullable=False),
    Column("created_at", Instant, nullable=False),
)

METRIC_VERSIONS = Table(
    "metric_versions",
    METADATA,
    Column("metric", String(40), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("first_seen_at", Instant, nullable=False),
)

ALERT_RULES = Table(
    "alert_rules",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", String(80), nullable=False, unique=True),
    Column("kind", String(20), nullable=False),
    Column("parameters", JSON, nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("checked_until", Instant),
)

ALERT_EPISODES = Table(
    "alert_episodes",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("rule_id", ForeignKey("alert_rules.id", ondelete="CASCADE"), nullable=False),
    Column("part", String(200), nullable=False),
    Column("begun_at", Instant, nullable=False),
    Column("noticed_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("worst", Float),
    Column("baseline", Float),
    Column("n", Integer, nullable=False),
    Column("contributors", JSON, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    UniqueConstraint("rule_id", "part", "begun_at"),
    Index(
        "ix_alert_episodes_open",
        "rule_id",
        "part",
        unique=True,
        sqlite_where=text("ended_at is null"),
        postgresql_where=text("ended_at is null"),
    ),
)

OUTBOX = Table(
    "outbox",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("key", String(200), nullable=False, unique=True),
    Column("target", String(20), nullable=False),
    Column("recipient", String(254), nullable=False),
    Column("message", JSON, nullable=False),
    Column("state", String(20), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("claimed_at", Instant),
    Column("sent_at", Instant),
    Column("why", Text),
    Column("created_at", Instant, nullable=False),
    Index("ix_outbox_state_due_at", "state", "due_at"),
)

REPORT_SCHEDULES = Table(
    "report_schedules",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", String(80), nullable=False),
    Column("owner", String(80), nullable=False),
    Column("cadence", String(10), nullable=False),
    Column("time", String(5), nullable=False),
    Column("on_day", Integer),
    Column("view_id", ForeignKey("saved_views.id", ondelete="SET NULL")),
    Column("metrics", JSON, nullable=False),
    Column("recipients", JSON, nullable=False),
    Column("format", String(10), nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("owner", "name"),
)

REPORT_RUNS = Table(
    "report_runs",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("schedule_id", ForeignKey("report_schedules.id", ondelete="CASCADE"), nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("first_day", Date, nullable=False),
    Column("last_day", Date, nullable=False),
    Column("started_at", Instant, nullable=False),
    UniqueConstraint("schedule_id", "due_at"),
)

AUDIT_TRAIL = Table(
    "audit_trail",
    METADATA,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("action", String(40), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("detail", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Column("seal", String(64), nullable=False),
)

TRAIL_HEAD = Table(
    "trail_head",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", Integer, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("seal", String(64), nullable=False),
)
