"""Reading the lake: one connection a process, a cursor a question, never a lock."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import duckdb

from loaders.errors import RefusedInput
from loaders.settings import Settings
from loaders.sql_text import listed, quoted
from loaders.store.connection import ID_BUCKETS, connect, exists, has_table
from loaders.store.creation import is_made
from loaders.store.upgrade import is_behind

if TYPE_CHECKING:
    import pyarrow as pa

PUBLISHED = (
    "trades", "refunds", "settlement_lines", "account_lines", "notifications",
    "checkout_events", "loads", "rejects", "buyers", "reconciliation_items",
    "account_reconciliation_items",
)
_UPGRADE_WAIT_S = 60.0
SOURCES = ("checkout_log", "notification_log", "trade_bill", "account_bill")
Row = dict[str, Any]


class Reader:
    """Answers questions from the lake of one home. An empty home has no rows, not an error."""

    def __init__(self, settings: Settings, ladders: Mapping[str, Sequence[int]]) -> None:
        self.settings = settings
        self._ladders = ladders
        self._root: duckdb.DuckDBPyConnection | None = None
        self._guard = threading.Lock()
        self._is_filled = False

    @property
    def is_empty(self) -> bool:
        """True while nothing was ever loaded."""
        if not self._is_filled:
            self._is_filled = self._is_ready()
        return not self._is_filled

    def has_table(self, name: str) -> bool:
        """True if the lake has this table; one of an earlier version may lack it."""
        with self._cursor() as cursor:
            return has_table(cursor, f"lake.{name}")

    def _is_ready(self) -> bool:
        if not exists(self.settings):
            return False
        with self._cursor() as cursor:
            if not is_made(cursor):
                return False
            is_old = is_behind(cursor)
        if is_old:
            self._bring_up_to_date()
        return True

    def _bring_up_to_date(self) -> None:
        """A store of an earlier version is upgraded by whoever writes: here, before it is read."""
        from loaders.store.warehouse import Warehouse

        self.close()
        with Warehouse(self.settings, self._ladders, _UPGRADE_WAIT_S):
            pass

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        with self._guard:
            if self._root is None:
                self._root = connect(self.settings, self._ladders, read_only=True)
            return self._root.cursor()

    def close(self) -> None:
        """Let go of the lake."""
        with self._guard:
            if self._root is not None:
                self._root.close()
                self._root = None

    def rows(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[Row]:
        """Rows of a query as dicts by column name; `$name` marks a parameter."""
        with self._cursor() as cursor:
            cursor.execute(sql, dict(parameters) if parameters else None)
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def one(self, sql: str, parameters: Mapping[str, object] | None = None) -> Row:
        """The only row of a query; an empty dict if there is none."""
        found = self.rows(sql, parameters)
        return found[0] if found else {}

    def hold(self, statements: Sequence[str]) -> None:
        """Run statements that make or drop tables of `memory`, beside the lake, in one view of it."""
        with self._cursor() as cursor:
            cursor.execute("begin")
            for statement in statements:
                cursor.execute(statement)
            cursor.execute("commit")

    def published(self, query: str) -> tuple[list[str], list[tuple[object, ...]]]:
        """Columns and rows of one read-only query over the published views.

        The query runs on a connection of its own that can neither write nor read other files.
        Raises RefusedInput with DuckDB's own words for a query that is wrong.
        """
        connection = connect(self.settings, self._ladders, read_only=True)
        try:
            if len(kinds := connection.extract_statements(query)) != 1 or (
                kinds[0].type != duckdb.StatementType.SELECT
            ):
                raise RefusedInput("Only one SELECT is run; the store cannot be changed this way.")
            for name in _published_in(connection, query):
                connection.execute(f"create view {name} as select * from lake.{name}")
            if "://" not in self.settings.store.data:
                home = self.settings.home
                folders = listed([self.settings.file(self.settings.store.data), home / "tmp"])
                connection.execute(f"set allowed_directories = {folders}")
                connection.execute("set enable_external_access = false")
            connection.execute("set lock_configuration = true")
            cursor = connection.execute(query)
            return [item[0] for item in cursor.description or ()], cursor.fetchall()
        except duckdb.Error as error:
            raise RefusedInput("The query failed: {why}", why=str(error)[:800]) from error
        finally:
            connection.close()

    @contextmanager
    def stream(
        self, sql: str, parameters: Mapping[str, object] | None = None, size: int = 50_000
    ) -> Iterator[pa.RecordBatchReader]:
        """Rows of a query in Arrow batches, taken from the store as they are read."""
        with self._cursor() as cursor:
            cursor.execute(sql, dict(parameters) if parameters else None)
            yield cursor.to_arrow_reader(size)

    def watermarks(self) -> dict[str, datetime]:
        """For each source ever loaded, the instant (naive UTC) up to which it speaks."""
        if self.is_empty:
            return {}
        found = self.rows("select kind, watermark from lake.watermarks where watermark is not null")
        return {row["kind"]: row["watermark"] for row in found}

    def state(self) -> int:
        """A number that changes whenever something was written to the store; -1 while empty."""
        if self.is_empty:
            return -1
        return int(self.one("select turn from lake.writer").get("turn") or 0)

    def home_days(self, identifier: str) -> list[date]:
        """Home days of the orders that a pasted id may belong to (order, trade, refund, buyer)."""
        hashed = self.one("select id_hash($id) as id_hash", {"id": identifier})["id_hash"]
        found = self.rows(
            "select distinct home_day from lake.id_days where"
            f" bucket = {hashed % ID_BUCKETS} and id_hash = {hashed} order by home_day desc"
        )
        return [row["home_day"] for row in found]


_HARMLESS = frozenset({"range", "generate_series", "unnest", "repeat"})


def _published_in(connection: duckdb.DuckDBPyConnection, query: str) -> list[str]:
    """The published views that a query names. Raises RefusedInput if it names anything else."""
    row = connection.execute(f"select json_serialize_sql({quoted(query)})").fetchone()
    tree = json.loads(row[0]) if row else {}
    if tree.get("error"):
        raise RefusedInput("The query failed: {why}", why=str(tree.get("error_message"))[:800])
    own: set[str] = set()
    named: list[str] = []
    _walk(tree, own, named)
    for name in named:
        if name not in own and name not in PUBLISHED:
            raise RefusedInput(
                "The query names {name}; there are the views {names}.",
                name=name, names=", ".join(PUBLISHED),
            )
    return [name for name in PUBLISHED if name in named]


def _walk(node: Any, own: set[str], named: list[str]) -> None:
    """Collect the query's own names (`with`) and every table and table function it names."""
    if isinstance(node, list):
        for item in node:
            _walk(item, own, named)
        return
    if not isinstance(node, dict):
        return
    for entry in (node.get("cte_map") or {}).get("map", []):
        own.add(str(entry.get("key")).lower())
    kind = node.get("type")
    if kind == "BASE_TABLE":
        path = [node.get("catalog_name"), node.get("schema_name"), node.get("table_name")]
        named.append(".".join(str(part) for part in path if part).lower())
    elif kind == "TABLE_FUNCTION":
        function = str((node.get("function") or {}).get("function_name")).lower()
        if function not in _HARMLESS:
            named.append(function + "()")
    elif kind == "SHOW_REF":
        named.append(str(node.get("table_name", "")).strip('"').lower())
    for value in node.values():
        _walk(value, own, named)
