"""A lake made by an earlier version, brought up to date: columns it lacks, and its views."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

_ADDED = (
    ("bill_days", "part", "varchar"), ("deliveries", "refund_fen", "bigint"),
    ("refund", "told_fen", "bigint"), ("trade_lines", "currency", "varchar"),
)
"""Columns that tables have been given since they were first made."""


_NEW = {"erased": "create table erased (mark varchar)"}
"""Tables that came later."""


def upgrade(connection: duckdb.DuckDBPyConnection, views: Sequence[str]) -> None:
    """Add what the lake lacks; only then are the statements of `views` run."""
    rows = connection.execute(
        "select table_name, column_name from duckdb_columns() where database_name = 'lake'"
    ).fetchall()
    lacking = [item for item in _ADDED if item[:2] not in rows]
    missing = [made for name, made in _NEW.items() if name not in {table for table, _ in rows}]
    if not lacking and not missing:
        return
    connection.execute("begin")
    connection.execute("use lake")
    for table, name, kind in lacking:
        connection.execute(f"alter table {table} add column {name} {kind}")
    for statement in missing:
        connection.execute(statement)
    for statement in views:
        connection.execute(statement)
    connection.execute("use memory")
    connection.execute("commit")
