"""The rows of a bill, cut into blocks, and each block as typed columns in Parquet.

Rows are cut before they are decoded: in GBK no trail byte is a comma or a newline. A block in
good order is read by Arrow as it is; any other by DuckDB's more patient reader, and one with an
odd row line by line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from loaders import bill_columns
from loaders.bill_columns import (
    FREE_TEXT,
    Place,
    line_breaks,
    places,
    row_count,
    unprefixed,
)
from loaders.channels.protocol import NOT_BACK, BillField, Channel
from loaders.files import Content
from loaders.privacy import HINT, holds_card, mask_personal
from loaders.records import EARLIEST, LATEST, BillFrame, Reject
from loaders.sql_text import quoted

Block = tuple[int, int, bytes]
"""Number, first line and bytes of a block; a block ends with a row."""
_BLOCK_BYTES = 8 * 2**20
_UNIT = "\x1f"
_ODD_CELLS = "The row has {cells} cells, the header {columns}; its columns cannot be told apart."
_NOT_TEXT = "The row holds bytes that are no text in the bill's encoding."
_NOT_READABLE = "The row's {column} cannot be read."


class BlockReader:
    """Cuts the rows of one part of a bill into blocks and turns each into Parquet."""

    def __init__(
        self,
        channel: Channel,
        frame: BillFrame,
        content: Content,
        fill: Callable[[pa.Table], pa.Table] | None = None,
    ) -> None:
        assert channel.bills is not None
        self._channel, self._bills, self._fill = channel, channel.bills, fill
        self._frame, self._content = frame, content
        self._prefix = channel.bills.CELL_PREFIX
        self._codec = channel.bills.encoding(content.sample()).removesuffix("-sig")

    def blocks(self) -> Iterator[Block]:
        """The blocks in order."""
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
                line += line_breaks(raw)

    def to_parquet(
        self, block: Block, target: Path, connection: duckdb.DuckDBPyConnection
    ) -> tuple[list[Reject], list[int], bool]:
        """Write a block's rows as typed columns, `problem` naming a cell that cannot be read.

        Returns what was rejected (rows with a problem are among the columns and the rejects), the
        lines in which a full card number was masked, and whether `fill` made the rows whole.
        """
        _, line, rows = block
        raw, rejects = self._bills.cut(rows, line, self._frame)
        cards = bill_columns.write(
            self._channel, self._frame, self._codec, raw, line, target, self._fill
        )
        if cards is not None:
            return rejects, cards, self._fill is not None
        with connection.cursor() as cursor:
            unread, cards = self.read_patiently(cursor, raw, line, target)
        return rejects + unread, cards, False

    def read_patiently(
        self, cursor: duckdb.DuckDBPyConnection, raw: bytes, line: int, target: Path
    ) -> tuple[list[Reject], list[int]]:
        """Write a block in any order as typed columns, mending what can be mended."""
        text = target.with_suffix(".csv")
        delimiter, rejects = self._write_text(raw, line, text)
        try:
            cursor.execute(_typed_copy(self._channel, self._frame, text, delimiter, line, target))
        except duckdb.Error:
            if delimiter == _UNIT:
                raise
            rejects = self._write_mended(raw, line, text)
            cursor.execute(_typed_copy(self._channel, self._frame, text, _UNIT, line, target))
        text.unlink()
        rejects += _unreadable(cursor, target)
        return rejects, _mask(cursor, target)

    def _write_text(self, raw: bytes, line: int, path: Path) -> tuple[str, list[Reject]]:
        """Write a block's rows as UTF-8. Returns its delimiter and the rows that are none.

        A block in good order keeps its commas; else each row begins with its line's number and
        cells are parted by a unit separator, since mended text may hold commas. That the commas
        add up is no proof (one row's surplus may hide another's lack); the CSV reader has the last
        word.
        """
        width = len(self._frame.columns)
        rows = row_count(raw)
        bare = unprefixed(raw, self._prefix, width, rows) or b""
        if bare and bare.count(b",") == rows * (width - 1):
            try:
                path.write_bytes(bare.decode(self._codec).encode("utf-8"))
            except UnicodeDecodeError:
                pass
            else:
                return ",", []
        return _UNIT, self._write_mended(raw, line, path)

    def _write_mended(self, raw: bytes, line: int, path: Path) -> list[Reject]:
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
                text = raw.decode(self._codec)
            except UnicodeDecodeError:
                rejects.append(Reject(number, _NOT_TEXT))
                continue
            if [cell.strip() for cell in text.split(",", 2)[:2]] == list(columns[:2]):
                continue
            cells: list[str] | None = text.removeprefix(self._prefix).split("," + self._prefix)
            assert cells is not None
            found = len(cells)
            if found != len(columns):
                cells = self._bills.mend(cells, columns)
            if cells is None:
                rejects.append(
                    Reject(number, _ODD_CELLS, {"cells": found, "columns": len(columns)})
                )
                continue
            yield _UNIT.join([str(number), *(cell.replace(_UNIT, " ") for cell in cells)]) + "\n"


def _typed_copy(
    channel: Channel, frame: BillFrame, text: Path, delimiter: str, line: int, target: Path
) -> str:
    """The statement that turns a block into typed columns, with `problem` where a cell fails."""
    assert channel.bills is not None
    all_fields = channel.bills.FIELDS[frame.kind]
    is_numbered = delimiter == _UNIT
    names = [f"c{at}" for at in range(len(frame.columns))]
    csv_names = ["line", *names] if is_numbered else names
    shape = ", ".join(f"'{name}': 'VARCHAR'" for name in csv_names)
    found = places(all_fields, frame.columns)
    offset = channel.bills.TIME_OFFSET_S
    typed = [f"{_typed(place, offset)} as {place.item.name}" for place in found]
    problems = [
        f"when {place.item.name} is null and coalesce(trim({_cell(place)}), '') <> ''"
        f" then '{_header(place)}'"
        for place in found
        if place.item.type != "text" and (place.cell or place.other)
    ]
    problems += [
        f"when {place.item.name} is null then '{_header(place)}'"
        for place in found
        if place.item.required and place.item.type != "text"
    ]
    kind_words = " ".join(
        f"when '{text}' then '{ours}'" for text, ours in channel.bills.KINDS[frame.kind].items()
    )
    kind = _kind(f"case type {kind_words} else 'other' end", all_fields)
    numbered = "cast(line as bigint)" if is_numbered else f"row_number() over () + {line - 1}"
    return (
        f"copy (select {numbered} as line, {', '.join(typed)},"
        f" {kind} as kind,"
        f" case {' '.join(problems)} end as problem,"
        f" {_billed_on(frame, offset)} as billed_on"
        f" from read_csv({quoted(text)}, header = false, delim = '{delimiter}', quote = '',"
        f" escape = '', auto_detect = false, columns = {{{shape}}}, max_line_size = 262144)"
        f") to {quoted(target)} (format parquet)"
    )


def _kind(kind: str, fields: Sequence[BillField]) -> str:
    """The SQL of a row's kind; that of a refund tells if no money came back by it."""
    if all(item.name != "refund_state" for item in fields):
        return kind
    not_back = ", ".join(f"'{state}'" for state in NOT_BACK)
    return (
        f"case when {kind} = 'refund' and refund_state in ({not_back})"
        f" then 'refund_' || refund_state else {kind} end"
    )


def _billed_on(frame: BillFrame, offset_s: int) -> str:
    """The SQL of a row's day."""
    if frame.billed_on is not None:
        return f"date '{frame.billed_on.isoformat()}'"
    return f"cast(finished_at + to_seconds({offset_s}) as date)"


def _header(place: Place) -> str:
    """The name of a field's column as people know it."""
    case = place.item.case
    return (*place.item.headers, *(case.headers if case else ()))[0]


def _picked(place: Place) -> str:
    """The SQL condition under which a field stands in its other cell."""
    assert place.item.case is not None
    held = ", ".join(f"'{text}'" for text in place.item.case.texts)
    return f"trim({place.picked_by}) in ({held})"


def _cell(place: Place) -> str:
    """The SQL of a field's cell."""
    main = place.cell or "null::varchar"
    return f"case when {_picked(place)} then {place.other} else {main} end" if place.other else main


def _signed(place: Place, amount: str) -> str:
    """The SQL of an amount, negated where the channel writes its sign the other way."""
    main = f"-({amount})" if place.item.is_negated else amount
    case = place.item.case
    if case is None or not place.other or case.is_negated == place.item.is_negated:
        return main
    other = f"-({amount})" if case.is_negated else amount
    return f"case when {_picked(place)} then {other} else {main} end"


def _typed(place: Place, offset_s: int) -> str:
    """The SQL that reads a cell as its field's type; null where it cannot be read."""
    item, cell = place.item, _cell(place)
    if item.type == "text":
        text = f"nullif(trim({cell}), '')"
        if item.words:
            words = " ".join(f"when '{theirs}' then '{ours}'" for theirs, ours in item.words)
            return f"case when {text} is not null then case {text} {words} else 'other' end end"
        return f"nullif({text}, '{item.absent}')" if item.absent else text
    if item.type == "time":
        at = f"try_cast(trim({cell}) as timestamp)"
        return (
            f"case when {at} between timestamp '{EARLIEST}' and timestamp '{LATEST}'"
            f" then {at} - to_seconds({offset_s}) end"
        )
    if item.type == "fee":
        yuan = f"try_cast(trim({cell}) as decimal(15, 5))"
        return _signed(place, f"try_cast({yuan} * 100::decimal(3, 0) as decimal(18, 3))")
    yuan = f"try_cast(trim({cell}) as decimal(17, 4))"
    fen = f"case when {yuan} * 100 % 1 = 0 then cast({yuan} * 100 as bigint) end"
    return _signed(place, fen)


def _unreadable(cursor: duckdb.DuckDBPyConnection, target: Path) -> list[Reject]:
    bad = cursor.execute(
        f"select line, problem from read_parquet({quoted(target)}) where problem is not null order by 1"
    ).fetchall()
    return [Reject(line, _NOT_READABLE, {"column": column}) for line, column in bad]


def _mask(cursor: duckdb.DuckDBPyConnection, target: Path) -> list[int]:
    """Rewrite a part whose free text holds what is personal. Returns the lines with a full card."""
    names = [row[0] for row in cursor.execute(f"describe from {quoted(target)}").fetchall()]
    texts = [name for name in sorted(FREE_TEXT) if name in names]
    found = cursor.execute(
        "select distinct text from ("
        + " union all ".join(f"select {name} as text from {quoted(target)}" for name in texts)
        + f") where regexp_matches(text, '{HINT}')"
    ).fetchall()
    masked = [
        (text, mask_personal(text), holds_card(text)) for (text,) in found
        if mask_personal(text) != text
    ]
    if not masked:
        return []
    cursor.execute(
        "create or replace temp table personal (text varchar, masked varchar, is_card boolean)"
    )
    cursor.executemany("insert into personal values (?, ?, ?)", masked)
    lines = cursor.execute(
        f"select distinct line from {quoted(target)} as part where "
        + " or ".join(f"{name} in (select text from personal where is_card)" for name in texts)
        + " order by line"
    ).fetchall()
    shown = ", ".join(
        f"coalesce((select masked from personal where text = part.{name}), {name}) as {name}"
        for name in texts
    )
    other = target.with_suffix(".masked")
    cursor.execute(
        f"copy (select * replace ({shown}) from {quoted(target)} as part) to {quoted(other)}"
        " (format parquet)"
    )
    other.replace(target)
    return [line for (line,) in lines]
