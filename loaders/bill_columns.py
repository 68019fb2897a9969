"""A block of bill rows in good order → typed columns in Parquet, at the speed of Arrow.

Only for blocks of which every cell is as it should be; whatever is odd about one is left to the
patient reader in bill_blocks, which knows what to do about it. Both give the same columns.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from loaders.channels.protocol import BillField, Channel
from loaders.columns import texts, whole_numbers
from loaders.privacy import mask_cards
from loaders.records import EARLIEST, LATEST, BillFrame

FREE_TEXT = frozenset({"subject", "note", "store_name", "voucher_name", "description"})
"""Fields in which people write what they like, a payment card's number for one."""
_LONG_NUMBER = re.compile(r"\d{13}")
_SPACES = (
    " \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
)
"""What DuckDB's trim takes off: Unicode's space separators."""
_CHUNK_BYTES = 2**20
_CELL_TYPES: Mapping[str, pa.DataType] = {
    "text": pa.binary(),
    "money": pa.decimal128(17, 4),
    "fee": pa.decimal128(15, 5),
    "time": pa.timestamp("us"),
}
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
    channel: Channel, frame: BillFrame, codec: str, bare: bytes, line: int, target: Path
) -> bool:
    """Write a block as Parquet. False, and nothing written, where a cell is odd.

    `bare` is the block without tabs and carriage returns; `line` the number of its first row.
    """
    try:
        table = _typed(channel, frame, codec, bare, line)
    except (_OddBlock, pa.ArrowInvalid, UnicodeDecodeError):
        return False
    pyarrow.parquet.write_table(table, target)
    return True


def _typed(
    channel: Channel, frame: BillFrame, codec: str, bare: bytes, line: int
) -> pa.Table:
    assert channel.bills is not None
    fields = channel.bills.FIELDS[frame.kind]
    cells = _cells(fields, frame.columns, bare)
    columns: dict[str, pa.Array] = {
        "line": whole_numbers(np.arange(line, line + cells.num_rows, dtype=np.int64))
    }
    local_time: pa.Array | None = None
    for item in fields:
        if item.name not in cells.column_names:
            columns[item.name] = pa.nulls(cells.num_rows, _FIELD_TYPES[item.type])
            continue
        cell = cells[item.name].combine_chunks()
        if item.required and item.type != "text" and cell.null_count:
            raise _OddBlock
        if item.name == "finished_at":
            local_time = cell
        columns[item.name] = _field(item, cell, codec, channel.bills.TIME_OFFSET_S)
    columns["kind"] = _kinds(columns["type"], channel.bills.KINDS[frame.kind])
    columns["problem"] = pa.nulls(cells.num_rows, pa.string())
    columns["billed_on"] = pc.cast(local_time, pa.date32())
    return pa.table(columns)


def _cells(fields: Sequence[BillField], names: Sequence[str], bare: bytes) -> pa.Table:
    """The cells of known columns, under their fields' names, money and times read already."""
    wanted = present_fields(fields, names)
    table = pyarrow.csv.read_csv(
        pa.BufferReader(bare),
        read_options=pyarrow.csv.ReadOptions(
            column_names=[f"c{at}" for at in range(len(names))],
            use_threads=False,
            block_size=_CHUNK_BYTES,
        ),
        parse_options=pyarrow.csv.ParseOptions(quote_char=False, escape_char=False),
        convert_options=pyarrow.csv.ConvertOptions(
            check_utf8=False,
            column_types={name: _CELL_TYPES[item.type] for item, name in wanted},
            include_columns=[name for _, name in wanted],
            null_values=[""],
            strings_can_be_null=True,
            timestamp_parsers=[pyarrow.csv.ISO8601],
        ),
    )
    if table.num_rows != bare.count(b"\n") + (not bare.endswith(b"\n")):
        raise _OddBlock
    return table.rename_columns([item.name for item, _ in wanted])


def present_fields(
    fields: Sequence[BillField], names: Sequence[str]
) -> list[tuple[BillField, str]]:
    """The fields this set of columns has, each with the name of its cell: c0, c1, …"""
    found = []
    for item in fields:
        at = next((names.index(text) for text in item.headers if text in names), None)
        if at is not None:
            found.append((item, f"c{at}"))
    return found


def _field(item: BillField, cell: pa.Array, codec: str, offset_s: int) -> pa.Array:
    if item.type == "text":
        return _text(cell, codec, _masked if item.name in FREE_TEXT else str)
    if item.type != "time":
        return _fen(cell, _FIELD_TYPES[item.type], 10**15 if item.type == "money" else 10**12)
    return _shifted(cell, offset_s * 1_000_000)


def _fen(yuan: pa.Array, kind: pa.DataType, limit: int) -> pa.Array:
    """Yuan as fen. Raises _OddBlock for amounts of more digits than a bill's field has."""
    fen = pc.cast(pc.multiply(yuan, _HUNDRED), kind)
    span = pc.min_max(fen).as_py()
    if span["min"] is not None and not -limit < span["min"] <= span["max"] < limit:
        raise _OddBlock
    return fen


def _shifted(local: pa.Array, offset_us: int) -> pa.Array:
    """Local times as UTC. Raises _OddBlock for a time that no payment can have."""
    counts = local.view(pa.int64())
    span = pc.min_max(counts).as_py()
    if span["min"] is not None and not _FIRST_US <= span["min"] <= span["max"] <= _LAST_US:
        raise _OddBlock
    return pc.subtract(counts, whole_numbers(np.array([offset_us]))[0]).view(pa.timestamp("us"))


def _masked(text: str) -> str:
    return mask_cards(text) if _LONG_NUMBER.search(text) else text


def _text(cell: pa.Array, codec: str, clean: Callable[[str], str]) -> pa.Array:
    """Cells as trimmed text. ASCII is taken as it is, the rest decoded once per value."""
    data = np.frombuffer(cell.buffers()[2] or b"", dtype=np.uint8)
    if clean is str and (not len(data) or data.max() < 0x80) and not (data == 0x20).any():
        return pc.cast(cell, pa.string())
    coded = pc.dictionary_encode(cell)
    found = [clean(value.decode(codec).strip(_SPACES)) for value in coded.dictionary.to_pylist()]
    if "" in found:
        raise _OddBlock
    return pa.DictionaryArray.from_arrays(coded.indices, texts(found))


def _kinds(types: pa.Array, kinds: Mapping[str, str]) -> pa.Array:
    if not isinstance(types, pa.DictionaryArray):
        types = pc.dictionary_encode(types)
    names = [kinds.get(text, "other") for text in types.dictionary.to_pylist()]
    if types.null_count:
        raise _OddBlock
    return pa.DictionaryArray.from_arrays(types.indices, texts(names))
