"""The only writer of the lake: transactions, merging of models, undo, maintenance."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from importlib.resources import files
from pathlib import Path

import duckdb
import pyarrow as pa
from filelock import FileLock, Timeout

from loaders.errors import ConfigurationError, StoreBusy
from loaders.settings import Settings
from loaders.store import histories, reconciliation
from loaders.store.connection import connect, fixed_offset_s, local_data
from loaders.store.creation import is_made, make
from loaders.store.plain import Lines, write
from loaders.store.upgrade import mark, upgrade
from loaders.whole_rows import WholeRows

LOCK_WAIT_S = 600.0
MERGED_AT_ONCE = 500_000
OPEN_TRIES = 4
_TURN_SLICES = 1_000_000
_ROLLUPS = (
    "hourly_orders", "hourly_failures", "hourly_rungs", "hourly_money", "daily_latency",
    "buyer_items",
)
_COMPACTED = (*_ROLLUPS, "buyer_orders", "buyer_cells", "buyer_gaps")
_MOVED: Mapping[str, str] = {
    "buyer_orders": "where buyer_key is null"
    " or buyer_key in (select buyer_key from lake.buyer_orders where orders < 1)",
    "buyer_items": "where buyer_key in (select buyer_key from lake.buyer_items where orders < 1)",
}
"""Of roll-ups as long as the history: the rows that can have something to sum up."""


def sql_file(folder: str, name: str) -> str:
    """Text of an SQL file of the store."""
    return (files("loaders.store") / folder / f"{name}.sql").read_text("utf-8")


def statements(text: str) -> list[str]:
    """The statements of an SQL file, in order."""
    return [part.strip() for part in re.split(r";\s*\n", text + "\n") if part.strip()]


def _literal(value: object) -> str:
    """A value as SQL has it."""
    if value is None:
        return "null"
    if isinstance(value, bool | int):
        return str(value).lower()
    if isinstance(value, datetime):
        return f"timestamp '{value.isoformat(' ')}'"
    if isinstance(value, date):
        return f"date '{value.isoformat()}'"
    if isinstance(value, str) and "\0" not in value:
        return "'" + value.replace("'", "''") + "'"
    raise ValueError(f"no literal for a {type(value).__name__}")


class Warehouse:
    """A writing connection to the lake of one home. Use as a context manager."""

    def __init__(
        self,
        settings: Settings,
        ladders: Mapping[str, Sequence[int]],
        wait_s: float = LOCK_WAIT_S,
    ) -> None:
        self.settings = settings
        settings.home.mkdir(parents=True, exist_ok=True)
        (settings.home / "tmp").mkdir(exist_ok=True, mode=0o700)
        self._files: list[Path] = []
        self._lock = FileLock(settings.home / "store.lock")
        self._hold_lock(wait_s)
        try:
            self.connection = self._opened(settings, ladders)
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> Warehouse:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()
        self._lock.release()

    def _hold_lock(self, wait_s: float) -> None:
        try:
            self._lock.acquire(timeout=wait_s)
        except Timeout as error:
            raise StoreBusy(
                "Another job has been writing to this home for {minutes} minutes. Wait for it,"
                " or end it.",
                minutes=round(wait_s / 60),
            ) from error

    def _opened(
        self, settings: Settings, ladders: Mapping[str, Sequence[int]]
    ) -> duckdb.DuckDBPyConnection:
        """The connection, with the lake made if it is new. Two machines may make it at once."""
        tries = 1 if settings.store.catalog == "sqlite" else OPEN_TRIES
        while True:
            tries -= 1
            try:
                self.connection = connect(settings, ladders, read_only=False)
                self._prepare()
            except (ConfigurationError, duckdb.Error):
                if not tries:
                    raise
                time.sleep(1 + random.random())
            else:
                return self.connection

    def _prepare(self) -> None:
        tables, views = (statements(sql_file("schema", name)) for name in ("tables", "views"))
        views += reconciliation.views()
        if not is_made(self.connection):
            partitions = statements(sql_file("schema", "partitions"))
            make(self.connection, [*tables, *partitions, *views, mark(views)])
        upgrade(self.connection, tables, views)

    @contextmanager
    def transaction(self, message: str) -> Iterator[duckdb.DuckDBPyConnection]:
        """One transaction of the lake with a commit message; whole or not at all.

        Two machines that write at once touch the same row of `writer`: one of them fails and
        leaves nothing behind.
        """
        is_ending = False
        self.connection.execute("begin")
        self._files.clear()
        try:
            self.connection.execute("update lake.writer set turn = turn + 1")
            yield self.connection
            self.execute("call lake.set_commit_message('mdash', ?)", [message])
            is_ending = True
            self.connection.execute("commit")
        except duckdb.TransactionException as error:
            self._roll_back()
            raise StoreBusy(
                "Another machine wrote to the store at the same moment. Run the command again."
            ) from error
        except BaseException:
            if is_ending:  # perhaps it is committed: `maintain` removes the files if nobody has them
                self._files.clear()
            self._roll_back()
            raise
        finally:
            for name in ("all_touched", "touched", "settled_days"):
                self.connection.execute(f"drop table if exists {name}")

    def _roll_back(self) -> None:
        try:
            self.connection.execute("rollback")
        except duckdb.TransactionException:
            return
        finally:
            for file in self._files:
                file.unlink(missing_ok=True)

    def own(self, file: Path) -> Path:
        """This file belongs to the transaction: it is removed if the transaction fails."""
        self._files.append(file)
        return file

    def whole_rows(self, table: str, load_id: int) -> WholeRows | None:
        """How the rows of a load stand in a raw table; None where files cannot be taken over."""
        offset_s = fixed_offset_s(self.settings.shop.timezone)
        if offset_s is None or local_data(self.settings) is None:
            return None
        empty = self.connection.execute(f"select * from lake.{table} limit 0")
        return WholeRows(empty.to_arrow_table().schema, load_id, offset_s)

    def next_load_id(self) -> int:
        """The number of the next load; unique because one job writes at a time."""
        row = self.connection.execute("select coalesce(max(load_id), 0) + 1 from lake.loads")
        found = row.fetchone()
        return int(found[0]) if found else 1

    def insert(self, table: str, rows: pa.Table) -> None:
        """Append rows to a table of the lake by column name."""
        self.connection.register("incoming", rows)
        try:
            self.connection.execute(f"insert into lake.{table} by name select * from incoming")
        finally:
            self.connection.unregister("incoming")

    def execute(
        self, sql: str, parameters: Sequence[object] = ()
    ) -> duckdb.DuckDBPyConnection:
        """Run one statement; each `?` is replaced by its value as a literal.

        DuckDB's own binding of Python values imports pandas, which costs a second and 60 MB.
        """
        parts = sql.split("?")
        if len(parts) != len(parameters) + 1:
            raise ValueError("the statement has another number of places than values")
        values = [_literal(value) for value in parameters]
        pairs = zip(parts, [*values, ""], strict=True)
        return self.connection.execute("".join(part + value for part, value in pairs))

    def assign_homes(self, keys_sql: str) -> None:
        """Make `all_touched`: order numbers of `keys_sql` (order_no, hint_day, is_payment_line).

        With each number stands its home day. A known order keeps its home day; a new one takes
        its earliest hint. Known orders are looked for near their hints first, then by the hash of
        their number. Left out are new orders of which one payment line of a bill is all that is
        known: their home is their hint, and `merge_models` takes them as they are.
        """
        run = self.connection.execute
        run(
            "create or replace temp view staged_keys as select * from"
            f" ({keys_sql}) where order_no is not null"
        )
        run(
            "create or replace temp table shared_hashes as select hash(order_no) as order_hash from"
            " staged_keys group by all having count(*) > 1 or not bool_and(is_payment_line)"
        )
        self._find_homes()
        run(
            "create or replace temp table all_touched as select row_number() over (order by"
            " coalesce(homes.home_day, hint_day)) as key, order_no,"
            " coalesce(homes.home_day, hint_day) as home_day, homes.home_day is not null as is_known"
            " from (select order_no, min(hint_day) as hint_day from staged_keys where hash(order_no)"
            " in (select order_hash from shared_hashes) or order_no in (select order_no from homes)"
            " group by order_no) left join homes using (order_no)"
        )
        run("drop table homes")
        run("drop table shared_hashes")
        run("drop view staged_keys")

    def _find_homes(self) -> None:
        """Make `homes`: the home days of those orders of `staged_keys` that are known already."""
        run = self.connection.execute
        run(
            "set variable hints = (select struct_pack(first := min(hint_day) - 3, last :="
            " max(hint_day) + 3) from staged_keys)"
        )
        near = (
            "from lake.trade where home_day between getvariable('hints').first"
            " and getvariable('hints').last"
        )
        is_near = self._any(f"select 1 {near} limit 1")
        run(
            "create or replace temp table homes as select order_no, min(home_day) as home_day from"
            f" (select order_no, home_day {near}) semi join staged_keys using (order_no)"
            f" where {str(is_near).lower()} group by order_no"
        )
        if self._any("select 1 from lake.id_days limit 1"):
            run(
                "insert into homes select keys.order_no, min(days.home_day) from lake.id_days as"
                " days inner join (select distinct order_no, id_hash(order_no) as id_hash from"
                " staged_keys anti join homes using (order_no)) as keys using (id_hash)"
                " group by keys.order_no"
            )

    def _any(self, sql: str) -> bool:
        return self.connection.execute(sql).fetchone() is not None

    def merge_models(self, plain: Sequence[Lines] = ()) -> None:
        """Recompute the trades and refunds of `all_touched`, a bounded number at a time.

        With `plain`, also those of the orders that these lines brought and `all_touched` left out.
        """
        row = self.connection.execute(
            "select count(*), (select turn from lake.writer) from all_touched"
        ).fetchone()
        count, turn = row or (0, 0)
        if plain:
            self.connection.execute(f"set variable turn = {turn * _TURN_SLICES}")
            write(self, plain)
            self._roll_up()
        for number, first in enumerate(range(0, count, MERGED_AT_ONCE), start=1):
            self.connection.execute(
                "create or replace temp table touched as select * from all_touched where key >"
                f" {first} and key <= {first + MERGED_AT_ONCE}"
            )
            self._merge_touched(turn * _TURN_SLICES + number)

    def _begin_turn(self, turn: int) -> None:
        """Rows written from now on bear `turn`, which tells them from all others."""
        self.connection.execute(f"set variable turn = {turn}")
        for name in ("refund", "trade"):
            self.connection.execute(
                f"create or replace temp view new_{name} as select * from lake.{name}"
                " where turn = getvariable('turn')"
            )

    def _run_file(self, name: str) -> None:
        for statement in statements(sql_file("models", name)):
            self.connection.execute(statement)

    def _merge_touched(self, turn: int) -> None:
        """Recompute the orders of `touched` and add the difference to the roll-ups."""
        run = self.connection.execute
        run("set variable first_day = (select min(home_day) from touched)")
        run("set variable last_day = (select max(home_day) from touched)")
        self._begin_turn(turn)
        self._run_file("given_lines")
        run(
            "set variable first_open = (select min(billed_on) from touched_lines"
            " where refund_state <> 'done')"
        )
        for name in ("trade", "refund"):
            self._take_out(name, turn - turn % _TURN_SLICES)
        run(
            "insert into lake.refund by name select getvariable('turn') as turn, *"
            f" from ({sql_file('models', 'refund')})"
        )
        self._run_file("given_touched")
        run(
            "insert into lake.trade by name select getvariable('turn') as turn, touched.order_no,"
            " touched.home_day, made.* exclude (key) from"
            f" ({sql_file('models', 'trade')}) as made inner join touched using (key)"
        )
        self._append_ids()
        for name, view in (("trade", "changed"), ("refund", "changed_refund")):
            run(
                f"create or replace temp view {view} as select 1 as sign, * from new_{name}"
                f" union all by name select -1 as sign, * from old_{name}"
            )
        self._roll_up()
        for name in ("old_trade", "old_refund", "touched_lines"):
            run(f"drop table {name}")

    def _take_out(self, name: str, first_turn: int) -> None:
        """Move the rows of `touched` written before `first_turn` from the lake to old_<name>."""
        scope = (
            "home_day between getvariable('first_day') and getvariable('last_day')"
            f" and turn < {first_turn}"
        )
        is_known = self._any("select 1 from touched where is_known limit 1")
        self.connection.execute(
            f"create or replace temp table old_{name} as select * from lake.{name} semi join"
            f" touched using (order_no) where {scope if is_known else 'false'}"
        )
        if is_known and self._any(f"select 1 from old_{name} limit 1"):
            self.connection.execute(
                f"delete from lake.{name} where {scope}"
                " and order_no in (select order_no from touched)"
            )

    def _roll_up(self) -> None:
        for name in _ROLLUPS:
            self.connection.execute(
                f"insert into lake.{name} by name {sql_file('models', name)}"
            )
        self.connection.execute(
            f"create or replace temp table buyer_delta as {sql_file('models', 'buyer_orders')}"
        )
        self.connection.execute("insert into lake.buyer_orders by name select * from buyer_delta")
        if self._any("select 1 from buyer_delta where buyer_key is not null limit 1"):
            histories.renew(self.connection.execute)
        self.connection.execute("drop table buyer_delta")

    def _append_ids(self) -> None:
        """Ids people paste that were not known before: order, trade, refund and buyer.

        An order's number is kept also while it has no trade, so that what comes later joins it.
        """
        new, old = self._ids_of("new"), self._ids_of("old")
        known = f" anti join ({old}) as known using (id_hash, home_day)"
        self.connection.execute(
            "insert into lake.id_days by name select id_bucket(id_hash) as bucket, id_hash, home_day"
            f" from (select id_hash, home_day from ({new}) as ids"
            f"{known if self._any('select 1 from old_trade limit 1') else ''}"
            " union all select id_hash(order_no), home_day from touched where not is_known)"
        )

    def _ids_of(self, side: str) -> str:
        return " union all ".join(
            f"select id_hash({column}) as id_hash, home_day from {side}_{table}"
            f" where {column} is not null"
            for table, column in (
                ("trade", "trade_no"),
                ("trade", "buyer"),
                ("refund", "refund_no"),
            )
        )

    def settle_days(self, days_sql: str) -> None:
        """Recompute the settlement of the bill days in `days_sql` (channel, account, kind, day)."""
        run = self.connection.execute
        run(f"create or replace temp table settled_days as select distinct * from ({days_sql})")
        run("set variable first_billed = (select min(day) from settled_days)")
        run("set variable last_billed = (select max(day) from settled_days)")
        run(
            "delete from lake.daily_settlement where (channel, account, kind, billed_on) in"
            " (select (channel, account, kind, day) from settled_days)"
        )
        run(
            "insert into lake.daily_settlement by name"
            f" {sql_file('models', 'daily_settlement')}"
        )

    def maintain(self) -> None:
        """Write inlined rows out, sum up roll-ups, merge small files, drop what is unused."""
        run = self.connection.execute
        for name in _COMPACTED:
            self._compact(name)
        for call in (
            "ducklake_flush_inlined_data('lake')",
            "ducklake_expire_snapshots('lake', older_than => now() - interval"
            f" {self.settings.retention.snapshots} day)",
            "ducklake_merge_adjacent_files('lake')",
            "ducklake_rewrite_data_files('lake')",
            "ducklake_cleanup_old_files('lake', older_than => now() - interval 1 day)",
            "ducklake_delete_orphaned_files('lake', older_than => now() - interval 1 day)",
        ):
            run(f"call {call}")

    def _compact(self, name: str) -> None:
        columns = [
            (row[0], row[1])
            for row in self.execute(
                "select column_name, data_type from duckdb_columns() where database_name = 'lake'"
                " and table_name = ?",
                [name],
            ).fetchall()
        ]
        keys = [column for column, kind in columns if not kind.startswith(("BIGINT", "HUGEINT"))]
        sums = [column for column, _ in columns if column not in keys]
        summed = ", ".join(f"sum({column})::bigint as {column}" for column in sums)
        some = " or ".join(f"coalesce({column}, 0) <> 0" for column in sums)
        moved = _MOVED.get(name, "")
        with self.transaction(f"compact {name}"):
            self.connection.execute(
                f"create or replace temp table compacted as select {', '.join(keys)}, {summed}"
                f" from lake.{name} {moved} group by all having {some} order by {keys[0]}"
            )
            self.connection.execute(f"delete from lake.{name} {moved}")
            self.connection.execute(f"insert into lake.{name} by name select * from compacted")
        self.connection.execute("drop table compacted")
