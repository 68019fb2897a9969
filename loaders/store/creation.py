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
    takes half of a small load: so each holds one for a moment. Each step touches the row of `writer`:
    of two machines that make a lake at once one fails and leaves nothing behind.
    """
    if not has_table(connection, "lake.writer"):
        connection.execute("begin")
        connection.execute("use lake")
        for statement in (*statements, "insert into writer values (null)"):
            connection.execute(statement)
        connection.execute("use memory")
        connection.execute("commit")
    columns = connection.execute(_FIRST_COLUMNS).fetchall()
    _step(
        connection,
        [_MARKED, *(f"insert into lake.{name} ({column}) values (null)" for name, column in columns)],
    )
    _step(
        connection,
        [*(f"delete from lake.{name}" for name, _ in columns), "update lake.writer set turn = 0"],
    )


_MARKED = "insert into lake.writer select null where (select count(*) from lake.writer) = 0"


def _step(connection: duckdb.DuckDBPyConnection, statements: Sequence[str]) -> None:
    """Run statements in one transaction, unless the lake is made."""
    if _begin(connection):
        for statement in statements:
            connection.execute(statement)
    connection.execute("commit")


def _begin(connection: duckdb.DuckDBPyConnection) -> bool:
    """Begin a transaction that can stand beside no other step. False once the lake is made."""
    connection.execute("begin")
    if _is_written(connection):
        return False
    connection.execute("update lake.writer set turn = null")
    return True


def _is_written(connection: duckdb.DuckDBPyConnection) -> bool:
    query = "select 1 from lake.writer where turn is not null limit 1"
    return connection.execute(query).fetchone() is not None
