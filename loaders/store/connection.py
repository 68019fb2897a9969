"""Connections to the lake: extensions, attachment, time and latency macros."""

from __future__ import annotations

import importlib
import re
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote
from zoneinfo import ZoneInfo

import duckdb

from loaders.errors import ConfigurationError
from loaders.settings import Settings
from loaders.sql_text import quoted

_PASSWORD = re.compile(r"(password\s*=\s*|://[^:@/\s]*:)('[^']*'|[^\s@]+)", re.IGNORECASE)
MEMORY_LIMIT = "560MB"
ID_BUCKETS = 16
INLINED_ROWS = 64
"""Inserts up to this many rows stay in the catalog until `maintain` writes them out."""
_CHECKED: set[tuple[object, ...]] = set()
"""Files of extensions whose signatures DuckDB has found right in this process."""


def connect(
    settings: Settings, ladders: Mapping[str, Sequence[int]], *, read_only: bool
) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection with the home's lake attached as `lake`. Raises ConfigurationError.

    A home without a lake can only be opened for writing.
    """
    extensions = _extensions(settings)
    is_known = all(_identity(file) in _CHECKED for file in extensions.values())
    connection = duckdb.connect(":memory:", config={"allow_unsigned_extensions": is_known})
    try:
        _configure(connection, settings)
        _load(connection, extensions)
        _attach(connection, settings, read_only)
    except duckdb.Error as error:
        connection.close()
        raise ConfigurationError(
            "The store cannot be opened: {why}", why=_without_secrets(str(error), settings)
        ) from None
    _define_macros(connection, settings.shop.timezone, ladders)
    return connection


def _without_secrets(text: str, settings: Settings) -> str:
    """The first line of an error, without the catalog's connection string."""
    line = text.splitlines()[0].replace(settings.store.catalog, "…")
    line = line.replace(settings.store.catalog.partition(":")[2] or "\0", "…")
    return _PASSWORD.sub(r"\1…", line)[:300]


def local_data(settings: Settings) -> Path | None:
    """The folder of the lake's files; None where they lie in an object store."""
    return None if "://" in settings.store.data else settings.file(settings.store.data)


def exists(settings: Settings) -> bool:
    """True if this home has a lake already (a shared catalog is taken to exist)."""
    return settings.store.catalog != "sqlite" or _is_begun(_catalog_file(settings))


def _is_begun(file: Path) -> bool:
    """True unless DuckLake has no tables in this catalog yet; a damaged one shows when opened."""
    if not file.exists():
        return False
    try:
        with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True)) as catalog:
            found = catalog.execute("select 1 from sqlite_master where name = 'ducklake_table'")
            return found.fetchone() is not None
    except sqlite3.DatabaseError:
        return True


def has_table(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    """True if there is such a table. DuckDB's list of tables would count the rows of all of them."""
    try:
        connection.execute(f"describe {name}")
    except duckdb.CatalogException:
        return False
    return True


def _configure(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    spill = settings.home / "tmp"
    connection.execute("set TimeZone = 'UTC'")
    connection.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
    connection.execute(f"set temp_directory = {quoted(str(spill))}")
    connection.execute("set preserve_insertion_order = false")
    connection.execute("set enable_progress_bar = false")
    connection.execute("set autoinstall_known_extensions = false")


def _extensions(settings: Settings) -> dict[str, Path | None]:
    """The extensions that a home needs, with the files of their Python packages if there are any."""
    names = ["ducklake"]
    names.append("sqlite_scanner" if settings.store.catalog == "sqlite" else "postgres_scanner")
    if settings.store.data.startswith("s3://"):
        names.append("httpfs")
    return {name: _packaged(name) for name in names}


def _packaged(name: str) -> Path | None:
    try:
        package = importlib.import_module(f"duckdb_extension_{name}")
    except ModuleNotFoundError:
        return None
    folder = Path(package.__path__[0]) / "extensions" / f"v{duckdb.__version__}"
    return folder / f"{name}.duckdb_extension"


def _identity(file: Path | None) -> tuple[object, ...]:
    """What is another if a file was exchanged or written to."""
    if file is None or not file.exists():
        return ()
    found = file.stat()
    return file, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _load(connection: duckdb.DuckDBPyConnection, extensions: Mapping[str, Path | None]) -> None:
    """Load extensions from their packages; without one, from DuckDB's own store.

    DuckDB checks each file's signature when this process first loads it, which takes 0.15 s.
    """
    for name, file in extensions.items():
        identity = _identity(file)
        if file is None:
            connection.execute(f"install {name}")
        connection.execute(f"load {quoted(str(file)) if file else name}")
        if identity:
            _CHECKED.add(identity)
    connection.execute("set allow_unsigned_extensions = false")


def _attach(
    connection: duckdb.DuckDBPyConnection, settings: Settings, read_only: bool
) -> None:
    store = settings.store
    if store.catalog == "sqlite":
        file = _catalog_file(settings)
        if not file.exists():
            if read_only:
                raise ConfigurationError("Nothing has been loaded into this home yet.")
            _make_catalog(file)
        target = f"ducklake:sqlite:{file}"
    elif store.catalog.startswith("postgres:"):
        target = f"ducklake:{store.catalog}"
    else:
        raise ConfigurationError(
            "mdash.toml: store.catalog is 'sqlite' or begins with 'postgres:', not {value}.",
            value=store.catalog.split(":")[0],
        )
    folder = local_data(settings)
    data = store.data if folder is None else f"{folder}/"
    options = [f"data_path {quoted(data)}", f"data_inlining_row_limit {INLINED_ROWS}"]
    options.append("override_data_path true")
    if read_only:
        options.append("read_only")
    connection.execute(f"attach {quoted(target)} as lake ({', '.join(options)})")


def _catalog_file(settings: Settings) -> Path:
    return settings.home / "catalog.sqlite"


def _make_catalog(file: Path) -> None:
    """An SQLite catalog in WAL mode: in its default mode readers fail while one writes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    catalog = sqlite3.connect(file)
    try:
        catalog.execute("pragma journal_mode = wal")
    finally:
        catalog.close()
    file.chmod(0o600)


def _define_macros(
    connection: duckdb.DuckDBPyConnection, timezone: str, ladders: Mapping[str, Sequence[int]]
) -> None:
    connection.execute(f"create macro shop_time(moment) as {_shop_time_sql(timezone)}")
    connection.execute(f"create macro utc_time(moment) as {_utc_time_sql(timezone)}")
    connection.execute("create macro shop_day(moment) as cast(shop_time(moment) as date)")
    connection.execute("create macro shop_hour(moment) as date_trunc('hour', shop_time(moment))")
    connection.execute(
        "create macro latency_bucket(ms) as case when ms is null then null when ms < 0 then -1"
        " else cast(floor(ln(ms + 1) / ln(1.02)) as integer) end"
    )
    connection.execute(
        "create macro bucket_ms(bucket) as power(1.02, bucket + 0.5) - 1"
    )
    connection.execute("create macro id_hash(id) as cast(md5_number(id) >> 65 as bigint)")
    connection.execute(f"create macro id_bucket(hashed) as cast(hashed % {ID_BUCKETS} as tinyint)")
    cases = " ".join(
        f"when {quoted(name)} then rung_in({list(ladder)}, ms)"
        for name, ladder in ladders.items()
        if ladder
    )
    connection.execute(
        "create macro rung_in(ladder, ms) as case when ms < ladder[1] * 800 then 0 else"
        " list_position(list_transform(ladder, lambda due: abs(ms - due * 1000) <= due * 200), true)"
        " end"
    )
    connection.execute(
        f"create macro rung_of(channel, ms) as case channel {cases} end"
        if cases
        else "create macro rung_of(channel, ms) as null::integer"
    )


def _shop_time_sql(timezone: str) -> str:
    offset = fixed_offset_s(timezone)
    if offset is not None:
        return f"moment + to_seconds({offset})"
    return f"timezone({quoted(timezone)}, timezone('UTC', moment))"


def _utc_time_sql(timezone: str) -> str:
    offset = fixed_offset_s(timezone)
    if offset is not None:
        return f"moment - to_seconds({offset})"
    return f"timezone('UTC', timezone({quoted(timezone)}, moment))"


def fixed_offset_s(timezone: str) -> int | None:
    """Seconds east of UTC where the zone has had one offset since 2010, else None."""
    zone = ZoneInfo(timezone)
    offsets = {
        datetime(year, month, 1, tzinfo=UTC).astimezone(zone).utcoffset()
        for year in range(2010, 2041)
        for month in range(1, 13)
    }
    only = offsets.pop()
    return None if offsets or only is None else int(only.total_seconds())
