"""The job for bills: bytes → checked, staged rows of settlement and account lines.

Rows are split before they are decoded: in GBK no trail byte is a comma or a newline. Whole
blocks in good order go to DuckDB's CSV reader as they are; a block with an odd row is read
line by line.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date, datetime, time, timedelta
from pathlib import Path

import duckdb

from loaders.channels.protocol import BillField, Channel
from loaders.errors import RefusedInput
from loaders.files import Content
from loaders.privacy import mask_cards
from loaders.records import EARLIEST, LATEST, BillFrame, Reject
from loaders.staging import Load, Staged

WORKERS = 2
_BLOCK_BYTES = 24 * 2**20
_UNIT = "\x1f"
_TABLES = {"trade_bill": "trade_lines", "account_bill": "account_log"}
_ODD_CELLS = "The row has {cells} cells, the header {columns}; its columns cannot be told apart."
_NOT_TEXT = "The row holds bytes that are no text in the bill's encoding."
_NOT_READABLE = "The row's {column} cannot be read."
RESAVED = (
    "This bill was opened and saved by Excel, which damages long numbers and times. Download it"
    " again and load the file as it is."
)
_MISMATCH = (
    "The bill's total of {total} says {stated}, its rows give {counted}. The file is damaged or"
    " edited; download it again."
)


def stage(
    channel: Channel, kind: str, contents: Sequence[Content], load: Load, work: Path
) -> tuple[Staged, dict[str, int]]:
    """Read the parts of one bill; returns the staged rows and their control totals.

    Raises RefusedInput when a part is cut off, re-saved, or contradicts its totals.
    """
    bills = channel.bills
    if bills is None:
        raise RefusedInput("The channel {channel} has no bills.", channel=channel.name)
    connection = duckdb.connect(":memory:")
    connection.execute("set memory_limit = '400MB'")
    connection.execute(f"set temp_directory = '{work}'")
    connection.execute("set threads = 1")
    parts: list[Path] = []
    stated: dict[str, int] = {}
    try:
        for number, content in enumerate(contents):
            frame = bills.frame(content.sample(), kind)
            _widen(load, frame)
            before = load.reject_count
            made = _read_part(channel, frame, content, load, connection, work, number)
            totals = _count(connection, kind, made)
            _check(frame.totals, totals, load.reject_count - before)
            _add(stated, frame.totals or totals)
            parts.extend(made)
        staged = Staged(load, _TABLES[kind], parts)
        _place(connection, staged)
    finally:
        connection.close()
    return staged, stated


def _widen(load: Load, frame: BillFrame) -> None:
    load.account = load.account or frame.account or ""
    if frame.first_day and frame.last_day:
        load.first_day = min(load.first_day or frame.first_day, frame.first_day)
        load.last_day = max(load.last_day or frame.last_day, frame.last_day)
    if frame.exported_at:
        load.exported_at = max(load.exported_at or frame.exported_at, frame.exported_at)


def _add(totals: dict[str, int], more: dict[str, int]) -> None:
    for name, value in more.items():
        totals[name] = totals.get(name, 0) + value


def _read_part(
    channel: Channel, frame: BillFrame, content: Content, load: Load,
    connection: duckdb.DuckDBPyConnection, work: Path, number: int,
) -> list[Path]:
    """Turn one part into Parquet, two blocks at a time: while one decodes, one is parsed."""
    decoder = _Decoder(channel, frame, content)
    stem = f"{load.sha256[:16]}-{number}"

    def convert(item: tuple[int, int, bytes]) -> tuple[Path, list[Reject]]:
        at, line, raw = item
        text, target = work / f"{stem}-{at}.csv", work / f"{stem}-{at}.parquet"
        delimiter, rejects = decoder.write(raw, line, text)
        with connection.cursor() as cursor:
            try:
                cursor.execute(_to_parquet(channel, frame, text, delimiter, line, target))
            except duckdb.Error:
                if delimiter == _UNIT:
                    raise
                rejects = decoder.write_mended(raw, line, text)
                cursor.execute(_to_parquet(channel, frame, text, _UNIT, line, target))
            rejects += _unreadable(cursor, target)
            _mask_cards(cursor, target)
        text.unlink()
        return target, rejects

    made = []
    with ThreadPoolExecutor(WORKERS) as pool:
        for target, rejects in _in_order(pool, convert, decoder.raw_blocks()):
            load.reject_all(rejects)
            made.append(target)
    return made


def _in_order(
    pool: ThreadPoolExecutor,
    convert: Callable[[tuple[int, int, bytes]], tuple[Path, list[Reject]]],
    items: Iterator[tuple[int, int, bytes]],
) -> Iterator[tuple[Path, list[Reject]]]:
    """Results in order, with no more blocks in memory than are being worked on."""
    pending: deque[Future[tuple[Path, list[Reject]]]] = deque()
    for item in items:
        pending.append(pool.submit(convert, item))
        if len(pending) >= WORKERS:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


class _Decoder:
    """Cuts the rows of a part into blocks and writes each as UTF-8 text."""

    def __init__(self, channel: Channel, frame: BillFrame, content: Content) -> None:
        assert channel.bills is not None
        self._bills, self._frame, self._content = channel.bills, frame, content
        self._codec = channel.bills.encoding(content.sample()).removesuffix("-sig")

    def raw_blocks(self) -> Iterator[tuple[int, int, bytes]]:
        """Number, first line and bytes of each block; a block ends with a row."""
        left = self._frame.data_ends - self._frame.data_starts
        number, line = 0, self._frame.data_line
        with self._content.path.open("rb") as file:
            file.seek(self._frame.data_starts)
            while left > 0:
                raw = file.read(min(_BLOCK_BYTES, left))
                left -= len(raw)
                if left > 0:
                    rest = file.readline(left)
                    left -= len(rest)
                    raw += rest
                yield number, line, raw
                number += 1
                line += raw.count(b"\n")

    def write(self, raw: bytes, line: int, path: Path) -> tuple[str, list[Reject]]:
        """Write a block's rows as UTF-8. Returns its delimiter and the rows that are none.

        A block in good order keeps its commas; else each row begins with its line's number and
        cells are parted by a unit separator, since mended text may hold commas. That the commas
        add up is no proof (one row's surplus may hide another's lack); the CSV reader has the last
        word.
        """
        bare = raw.translate(None, b"\t\r")
        rows = bare.count(b"\n") + (not bare.endswith(b"\n"))
        cells = rows * (len(self._frame.columns) - 1)
        if bare.count(b",") == cells:
            try:
                path.write_bytes(bare.decode(self._codec).encode("utf-8"))
            except UnicodeDecodeError:
                pass
            else:
                return ",", []
        return _UNIT, self.write_mended(raw, line, path)

    def write_mended(self, raw: bytes, line: int, path: Path) -> list[Reject]:
        """Write a block row by row, mending what can be mended. Returns the rows that are none."""
        rejects: list[Reject] = []
        rows = self._mended(raw.translate(None, b"\t\r"), line, rejects)
        path.write_text("".join(rows), encoding="utf-8", newline="")
        return rejects

    def _mended(self, bare: bytes, line: int, rejects: list[Reject]) -> Iterator[str]:
        columns = self._frame.columns
        for number, raw in enumerate(bare.split(b"\n"), start=line):
            if not raw.strip() or raw.startswith(b"#"):
                continue
            try:
                cells: list[str] | None = raw.decode(self._codec).split(",")
            except UnicodeDecodeError:
                rejects.append(Reject(number, _NOT_TEXT))
                continue
            assert cells is not None
            if [cell.strip() for cell in cells[:2]] == list(columns[:2]):
                continue
            found = len(cells)
            if found != len(columns):
                cells = self._bills.mend(cells, columns)
            if cells is None:
                rejects.append(
                    Reject(number, _ODD_CELLS, {"cells": found, "columns": len(columns)})
                )
                continue
            yield _UNIT.join([str(number), *(cell.replace(_UNIT, " ") for cell in cells)]) + "\n"


def _to_parquet(
    channel: Channel, frame: BillFrame, text: Path, delimiter: str, line: int, target: Path
) -> str:
    """The statement that turns a block into typed columns, with `problem` where a cell fails."""
    assert channel.bills is not None
    is_numbered = delimiter == _UNIT
    names = [f"c{at}" for at in range(len(frame.columns))]
    csv_names = ["line", *names] if is_numbered else names
    shape = ", ".join(f"'{name}': 'VARCHAR'" for name in csv_names)
    fields = _present(channel.bills.FIELDS[frame.kind], frame.columns)
    offset = channel.bills.TIME_OFFSET_S
    typed = [f"{_typed(item, name, offset)} as {item.name}" for item, name in fields]
    problems = [
        f"when {item.name} is null and coalesce(trim({name}), '') <> '' then '{item.headers[0]}'"
        for item, name in fields
        if item.type != "text"
    ]
    problems += [
        f"when {item.name} is null then '{item.headers[0]}'"
        for item, _ in fields
        if item.required and item.type != "text"
    ]
    kinds = " ".join(
        f"when '{text}' then '{ours}'" for text, ours in channel.bills.KINDS[frame.kind].items()
    )
    numbered = "cast(line as bigint)" if is_numbered else f"row_number() over () + {line - 1}"
    return (
        f"copy (select {numbered} as line, {', '.join(typed)},"
        f" case type {kinds} else 'other' end as kind,"
        f" case {' '.join(problems)} end as problem,"
        f" cast(finished_at + to_seconds({offset}) as date) as billed_on"
        f" from read_csv('{text}', header = false, delim = '{delimiter}', quote = '',"
        f" escape = '', auto_detect = false, columns = {{{shape}}}, max_line_size = 262144)"
        f") to '{target}' (format parquet)"
    )


def _present(
    fields: Sequence[BillField], columns: Sequence[str]
) -> list[tuple[BillField, str]]:
    """Each field with the name of its cell; fields this column set lacks get an empty one."""
    found = []
    for item in fields:
        at = next((columns.index(text) for text in item.headers if text in columns), None)
        found.append((item, "null::varchar" if at is None else f"c{at}"))
    return found


def _typed(item: BillField, cell: str, offset_s: int) -> str:
    """The SQL that reads a cell as its field's type; null where it cannot be read."""
    if item.type == "text":
        return f"nullif(trim({cell}), '')"
    if item.type == "time":
        at = f"try_cast(trim({cell}) as timestamp)"
        return (
            f"case when {at} between timestamp '{EARLIEST}' and timestamp '{LATEST}'"
            f" then {at} - to_seconds({offset_s}) end"
        )
    if item.type == "fee":
        return f"try_cast(trim({cell}) as decimal(15, 5)) * 100::decimal(18, 3)"
    yuan = f"try_cast(trim({cell}) as decimal(17, 4))"
    return f"case when {yuan} * 100 % 1 = 0 then cast({yuan} * 100 as bigint) end"


def _listed(paths: Sequence[Path]) -> str:
    return "[" + ", ".join(f"'{path}'" for path in paths) + "]"


def _unreadable(cursor: duckdb.DuckDBPyConnection, target: Path) -> list[Reject]:
    bad = cursor.execute(
        f"select line, problem from read_parquet('{target}') where problem is not null order by 1"
    ).fetchall()
    return [Reject(line, _NOT_READABLE, {"column": column}) for line, column in bad]


_FREE_TEXT = ("subject", "note", "store_name", "voucher_name", "description")


def _mask_cards(cursor: duckdb.DuckDBPyConnection, target: Path) -> None:
    """Rewrite a part in whose free text a full payment card number stands."""
    names = [row[0] for row in cursor.execute(f"describe from '{target}'").fetchall()]
    texts = [name for name in _FREE_TEXT if name in names]
    found = cursor.execute(
        "select distinct text from ("
        + " union all ".join(f"select {name} as text from '{target}'" for name in texts)
        + ") where regexp_matches(text, '[0-9]{13}')"
    ).fetchall()
    masked = [(text, mask_cards(text)) for (text,) in found if mask_cards(text) != text]
    if not masked:
        return
    cursor.execute("create or replace temp table cards (text varchar, masked varchar)")
    cursor.executemany("insert into cards values (?, ?)", masked)
    shown = ", ".join(
        f"coalesce((select masked from cards where text = part.{name}), {name}) as {name}"
        for name in texts
    )
    other = target.with_suffix(".masked")
    cursor.execute(
        f"copy (select * replace ({shown}) from '{target}' as part) to '{other}' (format parquet)"
    )
    other.replace(target)


def _count(
    connection: duckdb.DuckDBPyConnection, kind: str, paths: Sequence[Path]
) -> dict[str, int]:
    """What the rows add up to, under the names of the bill's own totals."""
    if not paths:
        return {}
    if kind == "trade_bill":
        sums = "".join(
            f", count(*) filter (where kind = '{name}') as {name}_count,"
            f" coalesce(sum(receipt_fen) filter (where kind = '{name}'), 0) as {name}_fen"
            for name in ("payment", "refund")
        )
    else:
        sums = (
            ", count(*) filter (where coalesce(income_fen, 0) <> 0) as income_count"
            ", coalesce(sum(income_fen), 0) as income_fen"
            ", count(*) filter (where coalesce(expense_fen, 0) <> 0) as expense_count"
            ", coalesce(sum(expense_fen), 0) as expense_fen"
        )
    ids = "trade_no" if kind == "trade_bill" else "log_no"
    cursor = connection.execute(
        f"select count(*) filter (where contains({ids}, 'E+')) as resaved{sums}"
        f" from read_parquet({_listed(paths)}) where problem is null"
    )
    names = [column[0] for column in cursor.description or ()]
    row = cursor.fetchone()
    totals = {name: int(value) for name, value in zip(names, row or (), strict=False)}
    if totals.pop("resaved", 0):
        raise RefusedInput(RESAVED)
    return totals


def _check(stated: dict[str, int], counted: dict[str, int], rejected: int) -> None:
    """Compare a part with its own totals; with rejected rows only the number of rows can agree."""
    if not stated:
        return
    if rejected:
        rows = [name for name in stated if name.endswith("_count")]
        says, gives = sum(stated[name] for name in rows), rejected
        gives += sum(counted.get(name, 0) for name in rows)
        if says != gives:
            raise RefusedInput(_MISMATCH, total="rows", stated=says, counted=gives)
        return
    for name, value in stated.items():
        found = counted.get(name, 0)
        if value != found and not (name == "expense_fen" and abs(value) == abs(found)):
            raise RefusedInput(_MISMATCH, total=name, stated=value, counted=found)


def _place(connection: duckdb.DuckDBPyConnection, staged: Staged) -> None:
    """Set the load's days and how many good rows each has."""
    load = staged.load
    rows: list[tuple[date, int]] = []
    if staged.parts:
        rows = connection.execute(
            f"select billed_on, count(*) from read_parquet({_listed(staged.parts)})"
            " where problem is null group by billed_on"
        ).fetchall()
    if load.first_day is None and rows:
        load.first_day, load.last_day = min(rows)[0], max(rows)[0]
    if load.first_day is None or load.last_day is None:
        raise RefusedInput("The bill names no day and has no row, so it says nothing.")
    for day, count in rows:
        if not load.first_day <= day <= load.last_day:
            raise RefusedInput(
                "The bill says {first} to {last}, but holds rows of {day}. Download it again.",
                first=load.first_day, last=load.last_day, day=day,
            )
        staged.day_rows[day] = count
    load.watermark = utc_end_of(load.last_day)


def utc_end_of(day: date) -> datetime:
    """The end of a bill's day (China time) as naive UTC."""
    return datetime.combine(day, time()) + timedelta(hours=16)
