"""The ledger: the database of what people did and were told, in SQLite or PostgreSQL."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, func, insert, select, text, update
from sqlalchemy.exc import DatabaseError, IntegrityError
from sqlalchemy.pool import NullPool

from dashboard.identity import tables as _people_tables
from dashboard.operations import reconciliation_tables as _reconciliation_tables
from dashboard.operations import refund_tables as _refund_tables
from dashboard.operations.tables import METADATA, VERSION
from loaders.errors import ConfigurationError, StoreBusy
from loaders.settings import Settings

BUSY_S = 30
SCHEMA = "mdash_ledger"
_LOCK = 7_361_001
_AFTER = "after commit"
UPGRADES: tuple[Callable[[Connection], None], ...] = (METADATA.create_all,) * 4
"""One step a version. A step may rely on those before it; a new ledger takes them all."""
TABLES = (_people_tables, _refund_tables, _reconciliation_tables)
"""Modules whose tables are the ledger's, beside its own."""


def now() -> datetime:
    """The present instant, naive UTC."""
    return datetime.now(UTC).replace(tzinfo=None)


class Ledger:
    """The ledger of one home, or of the homes that share a PostgreSQL database.

    Made when first used. One transaction writes at a time on either database, so what a
    transaction read still holds when it writes. Raises ConfigurationError, StoreBusy.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._guard = threading.Lock()
        self._engine: Engine | None = None

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A connection that writes all or nothing, alone."""
        with self._connected(writes=True) as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that reads one state of the ledger and waits for nobody."""
        with self._connected(writes=False) as connection:
            yield connection

    def close(self) -> None:
        """Let go of the database."""
        with self._guard:
            if self._engine is not None:
                self._engine.dispose()
                self._engine = None

    @contextmanager
    def _connected(self, *, writes: bool) -> Iterator[Connection]:
        with _plain_errors(), begun(self._ready(), writes=writes) as connection:
            yield connection

    def _ready(self) -> Engine:
        with self._guard:
            if self._engine is None:
                engine = _engine(self.settings)
                with begun(engine, writes=True) as connection:
                    upgrade(connection)
                self._engine = engine
                # A ledger that is let go of closes its connections as well.
                weakref.finalize(self, engine.dispose)
            return self._engine


@contextmanager
def begun(engine: Engine, *, writes: bool) -> Iterator[Connection]:
    """A transaction of the engine that is committed at the end and rolled back by an error."""
    with engine.connect() as raw:
        connection = raw.execution_options(writes=writes)
        acts: dict[str, Callable[[], None]] = {}
        connection.info[_AFTER] = acts
        with connection.begin():
            yield connection
        for act in acts.values():
            act()


def after_commit(connection: Connection, name: str, act: Callable[[], None]) -> None:
    """Do something once the transaction of this connection stands; the latest of a name is done."""
    connection.info[_AFTER][name] = act


def upgrade(connection: Connection) -> None:
    """Bring the ledger's tables to this version. Raises ConfigurationError for a newer ledger."""
    VERSION.create(connection, checkfirst=True)
    held = connection.execute(select(func.max(VERSION.c.version))).scalar()
    version = held or 0
    if version > len(UPGRADES):
        raise ConfigurationError(
            "The ledger was made by a newer version of mdash ({theirs}; this one knows {ours})."
            " Upgrade mdash.",
            theirs=version, ours=len(UPGRADES),
        )
    if version == len(UPGRADES):
        return
    for step in UPGRADES[version:]:
        step(connection)
    write = insert(VERSION) if held is None else update(VERSION)
    connection.execute(write.values(version=len(UPGRADES)))


def _engine(settings: Settings) -> Engine:
    where = settings.store.ledger or settings.store.catalog
    if where == "sqlite":
        return _sqlite(settings.home / "ledger.sqlite")
    if where.startswith(("postgres:", "postgresql:", "postgresql+psycopg:")):
        return _postgres(where)
    raise ConfigurationError(
        "mdash.toml: store.ledger is 'sqlite' or begins with 'postgres:', not {value}.",
        value=where.split(":")[0],
    )


def _sqlite(file: Path) -> Engine:
    file.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    engine = create_engine(
        f"sqlite:///{file}", poolclass=NullPool, connect_args={"timeout": BUSY_S}
    )

    def configure(connection: Any, _: object) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode = wal", "synchronous = full", "foreign_keys = on"):
            connection.execute(f"pragma {pragma}")

    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", True)
        connection.exec_driver_sql("begin immediate" if writes else "begin")

    event.listen(engine, "connect", configure)
    event.listen(engine, "begin", begin)
    return engine


def _postgres(where: str) -> Engine:
    import psycopg

    address = where.replace("postgresql+psycopg:", "postgresql:", 1)
    if "://" not in address:
        address = address.partition(":")[2]

    def connect() -> psycopg.Connection[Any]:
        connection = psycopg.connect(address, connect_timeout=BUSY_S, autocommit=True)
        connection.execute(f"set search_path = {SCHEMA}")
        connection.execute(f"set lock_timeout = '{BUSY_S}s'")
        connection.autocommit = False
        return connection

    engine = create_engine("postgresql+psycopg://", creator=connect, pool_pre_ping=True)

    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get("writes", True):
            connection.execute(text(f"select pg_advisory_xact_lock({_LOCK})"))

    event.listen(engine, "begin", begin)
    with _plain_errors(), engine.begin() as connection:
        connection.execute(text(f"create schema if not exists {SCHEMA}"))
    return engine


@contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise
    except DatabaseError as error:
        told = str(error.orig)
        if "locked" in told or "lock timeout" in told:
            raise StoreBusy(
                "Another job has been writing to the ledger for {seconds} seconds. Try again.",
                seconds=BUSY_S,
            ) from None
        raise ConfigurationError(
            "The ledger cannot be opened: {why}", why=type(error.orig).__name__
        ) from None
