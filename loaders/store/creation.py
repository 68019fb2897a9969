"""A new lake: its tables and views, each table known to the catalog."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from loaders.store.connection import has_table

_FIRST_COLUMNS = (
    "select own.table_name, min(part.column_name) from __ducklake_metadata_lake.ducklake_table as own"
    " inner join __ducklake_metadata_lake.ducklake_column as part using (table_id) where"
    " own.end_snapshot is null and part.end_snapshot is null and part.parent_column is null"
    " and own.table_name <> 'writer' group by own.table_name"
)


def is_made(connection: duckdb.DuckDBPyConnection) -> bool:
    """True once a lake may be loaded into and read."""
    return has_table(connection, "lake.writer") and _is_written(connection)


def make(connection: duckdb.DuckDBPyConnection, statements: Sequence[str]) -> None:
    """Make the lake, or finish one that was left half made.

    Of a table that never held a row DuckLake asks the catalog for statistics again and again, which
    takes half of a small load: so each holds one for a moment.
    """
    if not has_table(connection, "lake.writer"):
        connection.execute("begin")
        connection.execute("use lake")
        for statement in statements:
            connection.execute(statement)
        connection.execute("use memory")
        connection.execute("commit")
    columns = connection.execute(_FIRST_COLUMNS).fetchall()
    connection.execute("begin")
    for table, column in columns:
        connection.execute(f"insert into lake.{table} ({column}) values (null)")
    connection.execute("commit")
    connection.execute("begin")
    if not _is_written(connection):
        for table, _ in columns:
            connection.execute(f"delete from lake.{table}")
        connection.execute("insert into lake.writer values (0)")
    connection.execute("commit")


def _is_written(connection: duckdb.DuckDBPyConnection) -> bool:
    return connection.execute("select 1 from lake.writer limit 1").fetchone() is not None
