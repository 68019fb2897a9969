"""A block of bill rows in good order → typed columns in Parquet, at the speed of Arrow.

Only for blocks of which every cell is as it should be; whatever is odd about one is left to the
patient reader in bill_blocks, which knows what to do about it. Both give the same columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from loaders.channels.protocol import NOT_BACK, BillField, Case, Channel
from loaders.columns import column, texts, whole_numbers
from loaders.privacy import HINT, holds_card, mask_personal
from loaders.records import EARLIEST, LATEST, BillFrame

FREE_TEXT = frozenset(
    {"subject", "note", "store_name", "operator", "voucher_name", "description"}
)
"""Fields in which people write what they like, a payment card's number or a phone for one."""
_SPACES = (
    " \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
)
"""What DuckDB's trim takes off: Unicode's space separators."""
_CHUNK_BYTES = 2**20
_WINDOW = 2**17
_DROPPED = b"\t\r"
_CELL_TYPES: Mapping[str, pa.DataType] = {
    "text": pa.binary(),
    "money": pa.dictionary(pa.int32(), pa.binary()),
    "fee": pa.dictionary(pa.int32(), pa.binary()),
    "time": pa.timestamp("us"),
}
_YUAN_TYPES: Mapping[str, pa.DataType] = {
    "money": pa.decimal128(17, 4),
    "fee": pa.decimal128(15, 5),
}
_LIMITS = {"money": 10**15, "fee": 10**12}
_FIELD_TYPES: Mapping[str, pa.DataType] = {
    "text": pa.string(),
    "money": pa.int64(),
    "fee": pa.decimal128(18, 3),
    "time": pa.timestamp("us"),
}


_EPOCH = datetime(1970, 1, 1)
_FIRST_US = (EARLIEST - _EPOCH) // timedelta(microseconds=1)
_LAST_US = (LATEST - _EPOCH) // timedelta(microseconds=1)


_HUNDRED = whole_numbers(np.array([100]))[0]


class _OddBlock(Exception):
    """Something in this block needs the patient reader."""


def write(
    channel: Channel,
    frame: BillFrame,
    codec: str,
    raw: bytes,
    line: int,
    target: Path,
    fill: Callable[[pa.Table], pa.Table] | None = None,
) -> list[int] | None:
    """Write a block as Parquet. None, and nothing written, where a cell is odd.

    `line` is the number of its first row; `fill` makes its rows whole. Returns the lines in which
    a full card number stood; it was masked.
    """
    cards: set[int] = set()
    try:
        table = _typed(channel, frame, codec, raw, line, cards)
    except (_OddBlock, pa.ArrowInvalid, UnicodeDecodeError):
        return None
    if fill is not None:
        table = fill(table)
    few = [item.name for item in table.schema if pa.types.is_dictionary(item.type)]
    pyarrow.parquet.write_table(
        table, target, use_dictionary=few, compression="snappy", write_statistics=fill is not None
    )
    return sorted(line + row for row in cards)


def _typed(
    channel: Channel, frame: BillFrame, codec: str, raw: bytes, line: int, cards: set[int]
) -> pa.Table:
    assert channel.bills is not None
    rows = row_count(raw)
    plain = unprefixed(raw, channel.bills.CELL_PREFIX, len(frame.columns), rows)
    if plain is None:
        raise _OddBlock
    found = places(channel.bills.FIELDS[frame.kind], frame.columns)
    cells = _cells(found, len(frame.columns), plain)
    if cells.num_rows != rows:
        raise _OddBlock
    columns: dict[str, pa.Array] = {
        "line": whole_numbers(np.arange(line, line + cells.num_rows, dtype=np.int64))
    }
    local_time: pa.Array | None = None
    for place in found:
        item = place.item
        if place.cell is None and place.other is None:
            columns[item.name] = pa.nulls(cells.num_rows, _FIELD_TYPES[item.type])
            continue
        cell = _cell(place, cells, codec)
        if item.required and item.type != "text" and cell.null_count:
            raise _OddBlock
        if item.name == "finished_at":
            local_time = cell
        made = _field(item, cell, codec, channel.bills.TIME_OFFSET_S)
        columns[item.name] = _masked(made, cards) if item.name in FREE_TEXT else made
    columns["kind"] = _kinds(
        columns["type"], channel.bills.KINDS[frame.kind], columns.get("refund_state")
    )
    columns["problem"] = pa.nulls(cells.num_rows, pa.string())
    columns["billed_on"] = (
        pc.cast(local_time, pa.date32())
        if frame.billed_on is None
        else column([frame.billed_on] * cells.num_rows, pa.date32())
    )
    return pa.table(columns)


def line_breaks(raw: bytes) -> int:
    """How many line feeds, counted faster than `bytes.count` does."""
    data = np.frombuffer(raw, dtype=np.uint8)
    return sum(
        int(np.count_nonzero(data[start : start + _WINDOW] == ord("\n")))
        for start in range(0, len(data), _WINDOW)
    )


def row_count(raw: bytes) -> int:
    """How many rows; the last one may lack its line feed."""
    return line_breaks(raw) + (not raw.endswith(b"\n"))


def unprefixed(raw: bytes, prefix: str, columns: int, rows: int) -> bytes | None:
    """A block without tabs, carriage returns and the sign before its cells.

    None where a cell lacks the sign or holds another.
    """
    if not prefix:
        return raw.translate(None, _DROPPED)
    mark = prefix.encode("ascii")
    if not raw.startswith(mark):
        return None
    found = _marks(np.frombuffer(raw, dtype=np.uint8), ord(prefix))
    between = rows * (columns - 1)
    if found != (rows * columns - 1, between, rows - 1, between):
        return None
    return raw.translate(None, _DROPPED + mark)


def _marks(data: npt.NDArray[np.uint8], mark: int) -> tuple[int, int, int, int]:
    """How many marks there are behind the first byte, after commas, after line feeds; and commas.

    Counted by windows that fit a processor's cache.
    """
    marks = after_commas = after_rows = commas = 0
    for start in range(1, len(data), _WINDOW):
        is_mark = data[start : start + _WINDOW] == mark
        before = data[start - 1 : start - 1 + len(is_mark)]
        is_comma = before == ord(",")
        marks += int(np.count_nonzero(is_mark))
        commas += int(np.count_nonzero(is_comma))
        after_commas += int(np.count_nonzero(is_mark & is_comma))
        after_rows += int(np.count_nonzero(is_mark & (before == ord("\n"))))
    return marks, after_commas, after_rows, commas


def _cells(found: Sequence[Place], width: int, bare: bytes) -> pa.Table:
    """The cells of known columns as c0, c1, …, money and times read already."""
    types: dict[str, pa.DataType] = {}
    for place in found:
        for name, kind in place.cells():
            types[name] = _CELL_TYPES[kind]
    table = pyarrow.csv.read_csv(
        pa.BufferReader(bare),
        read_options=pyarrow.csv.ReadOptions(
            column_names=[f"c{at}" for at in range(width)],
            use_threads=False,
            block_size=_CHUNK_BYTES,
        ),
        parse_options=pyarrow.csv.ParseOptions(quote_char=False, escape_char=False),
        convert_options=pyarrow.csv.ConvertOptions(
            check_utf8=False,
            column_types=types,
            include_columns=list(types),
            null_values=[""],
            strings_can_be_null=True,
            timestamp_parsers=[pyarrow.csv.ISO8601],
        ),
    )
    return table.combine_chunks()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a field stands in one set of columns; cells are named c0, c1, …

    In rows whose cell `picked_by` holds one of the case's texts the field is in `other`.
    """

    item: BillField
    cell: str | None
    picked_by: str | None = None
    other: str | None = None

    def cells(self) -> list[tuple[str, str]]:
        """The names of the cells this needs, and their types."""
        wanted = ((self.cell, self.item.type), (self.other, self.item.type), (self.picked_by, "text"))
        return [(name, kind) for name, kind in wanted if name is not None]


def places(fields: Sequence[BillField], names: Sequence[str]) -> list[Place]:
    """The place of every field in this set of columns."""
    return [_place(item, names) for item in fields]


def _place(item: BillField, names: Sequence[str]) -> Place:
    cell = _cell_of(item.headers, names)
    if item.case is not None:
        picked_by, other = _cell_of((item.case.header,), names), _cell_of(item.case.headers, names)
        if picked_by is not None and other is not None:
            return Place(item, cell, picked_by, other)
    return Place(item, cell)


def _cell_of(headers: Sequence[str], names: Sequence[str]) -> str | None:
    return next((f"c{names.index(text)}" for text in headers if text in names), None)


def _cell(place: Place, cells: pa.Table, codec: str) -> pa.Array:
    """A field's cells, taken from where its case says, signed as ours are."""
    item = place.item
    main = _taken(item, place.cell, cells)
    if item.is_negated:
        main = pc.negate(main)
    if item.case is None or place.picked_by is None or place.other is None:
        return main
    other = _taken(item, place.other, cells)
    if item.case.is_negated:
        other = pc.negate(other)
    return pc.if_else(_picked(_one_chunk(cells[place.picked_by]), item.case, codec), other, main)


def _taken(item: BillField, name: str | None, cells: pa.Table) -> pa.Array:
    """One column of cells, amounts as fen."""
    is_amount = item.type in _LIMITS
    if name is None:
        return pa.nulls(cells.num_rows, (_FIELD_TYPES if is_amount else _CELL_TYPES)[item.type])
    cell = _one_chunk(cells[name])
    return _fen(cell, item.type) if is_amount else cell


def _one_chunk(cells: pa.ChunkedArray) -> pa.Array:
    return cells.combine_chunks() if cells.num_chunks != 1 else cells.chunk(0)


def _picked(cell: pa.Array, case: Case, codec: str) -> pa.Array:
    """In which rows the case holds."""
    if cell.null_count:
        raise _OddBlock
    coded = pc.dictionary_encode(cell)
    held = [text.decode(codec).strip(_SPACES) in case.texts for text in coded.dictionary.to_pylist()]
    return pc.take(column(held, pa.bool_()), coded.indices)


def _field(item: BillField, cell: pa.Array, codec: str, offset_s: int) -> pa.Array:
    if item.type == "text":
        if item.absent:
            cell = _without(cell, item.absent)
        made = _text(cell, codec, item.absent, is_coded=item.name in FREE_TEXT)
        return _worded(made, dict(item.words)) if item.words else made
    if item.type != "time":
        return cell
    return _shifted(cell, offset_s * 1_000_000)


def _fen(yuan: pa.DictionaryArray, kind: str) -> pa.Array:
    """Yuan as fen, read once per amount. Raises _OddBlock where it has more digits than the field."""
    amounts = pc.cast(pc.cast(yuan.dictionary, pa.string()), _YUAN_TYPES[kind])
    fen = pc.cast(pc.multiply(amounts, _HUNDRED), _FIELD_TYPES[kind])
    span = pc.min_max(fen).as_py()
    if span["min"] is not None and not -_LIMITS[kind] < span["min"] <= span["max"] < _LIMITS[kind]:
        raise _OddBlock
    return pc.take(fen, yuan.indices)


def _shifted(local: pa.Array, offset_us: int) -> pa.Array:
    """Local times as UTC. Raises _OddBlock for a time that no payment can have."""
    counts = local.view(pa.int64())
    span = pc.min_max(counts).as_py()
    if span["min"] is not None and not _FIRST_US <= span["min"] <= span["max"] <= _LAST_US:
        raise _OddBlock
    return pc.subtract(counts, whole_numbers(np.array([offset_us]))[0]).view(pa.timestamp("us"))


def _masked(cell: pa.DictionaryArray, cards: set[int]) -> pa.Array:
    """Free text without what is personal; rows with a full card number are added to `cards`."""
    hits = pc.indices_nonzero(pc.match_substring_regex(cell.dictionary, HINT)).to_pylist()
    if not hits:
        return cell
    found = cell.dictionary.to_pylist()
    bad = [code for code in hits if holds_card(found[code])]
    if bad:
        held = pc.is_in(cell.indices, value_set=whole_numbers(np.array(bad)).cast(cell.indices.type))
        cards.update(pc.indices_nonzero(held).to_pylist())
    for code in hits:
        found[code] = mask_personal(found[code])
    return pa.DictionaryArray.from_arrays(cell.indices, texts(found))


def _without(cell: pa.Array, absent: str) -> pa.Array:
    """Cells that say that there is nothing, as null."""
    says_nothing = pc.equal(cell, texts([absent]).cast(pa.binary())[0])
    return pc.if_else(says_nothing, pa.nulls(1, pa.binary())[0], cell)


def _text(cell: pa.Array, codec: str, absent: str, *, is_coded: bool) -> pa.Array:
    """Cells as trimmed text. ASCII is taken as it is, the rest decoded once per value."""
    data = np.frombuffer(cell.buffers()[2] or b"", dtype=np.uint8)
    is_plain = (not len(data) or data.max() < 0x80) and not (data == 0x20).any()
    if is_plain and not is_coded:
        return pc.cast(cell, pa.string())
    coded = pc.dictionary_encode(cell)
    found = [value.decode(codec).strip(_SPACES) for value in coded.dictionary.to_pylist()]
    if "" in found or absent in found:
        raise _OddBlock
    return pa.DictionaryArray.from_arrays(coded.indices, texts(found))


def _worded(cell: pa.Array, words: Mapping[str, str]) -> pa.Array:
    """The channel's texts in our words."""
    coded = cell if isinstance(cell, pa.DictionaryArray) else pc.dictionary_encode(cell)
    named = [words.get(text, "other") for text in coded.dictionary.to_pylist()]
    return pa.DictionaryArray.from_arrays(coded.indices, texts(named))


def _kinds(
    types: pa.Array, kinds: Mapping[str, str], states: pa.Array | None
) -> pa.Array:
    if not isinstance(types, pa.DictionaryArray):
        types = pc.dictionary_encode(types)
    names = [kinds.get(text, "other") for text in types.dictionary.to_pylist()]
    if types.null_count:
        raise _OddBlock
    found = pa.DictionaryArray.from_arrays(types.indices, texts(names))
    if not isinstance(states, pa.DictionaryArray):
        return found
    if not set(NOT_BACK) & set(states.dictionary.to_pylist()):
        return found
    plain, told = pc.cast(found, pa.string()), pc.cast(states, pa.string())
    for state in NOT_BACK:
        is_so = pc.and_(pc.equal(plain, "refund"), pc.fill_null(pc.equal(told, state), False))
        plain = pc.if_else(is_so, f"refund_{state}", plain)
    return pc.dictionary_encode(plain)
