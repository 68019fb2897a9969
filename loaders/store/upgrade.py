"""A lake made by an earlier version, brought up to date: columns it lacks, and its views."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256

import duckdb

from loaders.store import histories

_ADDED = (
    ("bill_days", "part", "varchar"),
    ("deliveries", "refund_fen", "bigint"),
    ("checkout_log", "campaign_group", "varchar"),
    ("checkout_log", "discount_fen", "bigint"),
    ("checkout_log", "consent", "boolean"),
    ("trade", "is_holdout", "boolean"),
    ("trade", "discount_fen", "bigint"),
    ("trade", "consent", "boolean"),
    ("trade", "items", "struct(item varchar, name varchar)[]"),
    ("buyer_orders", "is_holdout", "boolean"),
    ("buyer_orders", "consent", "boolean"),
    ("refund", "told_fen", "bigint"),
    ("trade_lines", "currency", "varchar"),
    ("buyer_histories", "last_at", "timestamp"),
    ("trade_lines", "refund_state", "varchar"),
    ("refund", "state", "varchar"),
    ("refund", "asked_fen", "bigint"),
    ("refund", "accepted_at", "timestamp"),
)
"""Columns that tables have been given since they were first made."""
_COLUMNS = (
    "select table_name, column_name from __ducklake_metadata_lake.ducklake_table as own inner join"
    " __ducklake_metadata_lake.ducklake_column as part using (table_id) where own.end_snapshot is null"
    " and part.end_snapshot is null and part.parent_column is null"
)
"""As the catalog has them: DuckDB's own list binds every view, which takes ten times as long."""
_VERSION = (
    "select value from __ducklake_metadata_lake.ducklake_tag as tag inner join"
    " __ducklake_metadata_lake.ducklake_table as own on tag.object_id = own.table_id where"
    " own.table_name = 'writer' and tag.key = 'comment' and tag.end_snapshot is null and"
    " own.end_snapshot is null"
)


def upgrade(
    connection: duckdb.DuckDBPyConnection, tables: Sequence[str], views: Sequence[str]
) -> None:
    """Add what the lake lacks, and make `views` anew where they are not those it has."""
    rows = connection.execute(_COLUMNS).fetchall()
    present = {table for table, _ in rows}
    lacking = [item for item in _ADDED if item[:2] not in rows]
    is_told = connection.execute(_VERSION).fetchone() == (version(views),)
    if not lacking and is_told and _names(tables) <= present:
        return
    connection.execute("begin")
    connection.execute("use lake")
    for statement in tables:
        connection.execute(statement)
    for table, name, kind in (item for item in lacking if item[0] in present):
        connection.execute(f"alter table {table} add column {name} {kind}")
    for statement in (*views, mark(views)):
        connection.execute(statement)
    connection.execute("use memory")
    if ("buyer_histories", "last_at") not in rows:
        histories.fill(connection.execute)
    connection.execute("commit")


def version(views: Sequence[str]) -> str:
    """What tells these views from those of another version."""
    return f"views {sha256(''.join(views).encode()).hexdigest()[:16]}"


def mark(views: Sequence[str]) -> str:
    """The statement that notes in the lake which views it has."""
    return f"comment on table writer is '{version(views)}'"


def is_behind(connection: duckdb.DuckDBPyConnection) -> bool:
    """True for a lake whose tables lack columns: an earlier version made it."""
    rows = connection.execute(_COLUMNS).fetchall()
    present = {table for table, _ in rows}
    return any(item[0] in present and item[:2] not in rows for item in _ADDED)


def _names(tables: Sequence[str]) -> set[str]:
    found = (re.search(r"create table if not exists (\w+)", statement) for statement in tables)
    return {match[1] for match in found if match}
