"""Tables as CSV and Parquet: names and units as `mdash metric` gives them, whatever their size."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from dashboard.exports.provenance import Provenance
from dashboard.exports.records import Progress, Records, as_text

RISKY = "=+-@\t\r\n＝＋－＠"
"""A text that begins with one of these is a formula to a spreadsheet."""

_BEGINS_RISKY = f"^([{re.escape(RISKY)}])"
_CELL_IN_REMARK = re.compile(rf"([,;\t]\s*)(?=[{re.escape(RISKY)}])")
_COUNT_WIDTH = 15


def write_csv(
    records: Records, told: Provenance, timezone: str, sink: IO[bytes],
    progress: Progress | None = None,
) -> int:
    """Write rows below `# ` lines that say where they come from; returns how many rows.

    UTF-8 with a byte-order mark, so that Excel reads the Chinese. Numbers are bare, text that a
    spreadsheet would take for a formula gets an apostrophe before it, what is unknown is empty.
    `sink` must be seekable: a stream's count is filled in at the end.
    """
    sink.write(b"\xef\xbb\xbf")
    count_at = _write_remarks(told, records.count, sink)
    head = io.StringIO()
    csv.writer(head, lineterminator="\n").writerow(map(_harmless, records.names))
    sink.write(head.getvalue().encode())
    rows = 0
    writer = None
    for batch in records.told(progress):
        shown = _shown(batch, timezone)
        if writer is None:
            writer = pa_csv.CSVWriter(
                sink, shown.schema, write_options=pa_csv.WriteOptions(include_header=False)
            )
        writer.write_batch(shown)
        rows += batch.num_rows
    if writer is not None:
        writer.close()
    end = sink.tell()
    sink.seek(count_at)
    sink.write(str(rows).encode())
    sink.seek(end)
    return rows


def _write_remarks(told: Provenance, count: int | None, sink: IO[bytes]) -> int:
    """Write the provenance; returns where the count of rows stands."""
    count_at = 0
    for name, value in _remarks(told.document(count)):
        if name == "rows":
            sink.write(b"# rows: ")
            count_at = sink.tell()
            sink.write(str(value if count is not None else "").ljust(_COUNT_WIDTH).encode() + b"\n")
        else:
            sink.write(f"# {name}: {_one_line(value)}\n".encode())
    return count_at


def _remarks(document: dict[str, Any]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in document.items():
        if name == "metrics":
            for item in value:
                found.append(("metric", f"{item['metric']} v{item['version']}"))
                found.append(("definition", item["definition"]))
        elif name == "notes":
            found.extend(("note", note) for note in value)
        elif name == "by" and value:
            found.append(("by", ",".join(value)))
        elif name == "where":
            found.extend(("where", f"{key}={item}") for key, items in value.items() for item in items)
        elif value or name == "rows":
            found.append((name, value))
    return found


def _one_line(value: object) -> str:
    """A remark that stays on its line, opens no quotes and begins no formula where it is split."""
    text = re.sub(r"[\r\n]+", " ", str(value)).replace('"', "'")
    return _CELL_IN_REMARK.sub(r"\1'", text)


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(tuple(RISKY)) else text


def _shown(batch: pa.RecordBatch, timezone: str) -> pa.RecordBatch:
    shown = [_cells(batch.column(at), batch.schema.field(at), timezone)
             for at in range(batch.num_columns)]
    return pa.RecordBatch.from_arrays(shown, names=batch.schema.names)


def _cells(values: pa.Array, item: pa.Field, timezone: str) -> pa.Array:
    kind = item.type
    if pa.types.is_timestamp(kind):
        return _with_offset(values, kind, timezone)
    if pa.types.is_decimal(kind) or pa.types.is_floating(kind):
        return _number(values)
    if pa.types.is_nested(kind):
        return _neutral(pa.array([_text(value) for value in values.to_pylist()], pa.string()))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _neutral(values)
    return values


def _neutral(texts: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(texts, pattern=_BEGINS_RISKY, replacement=r"'\1")


def _text(value: Any) -> str | None:
    return None if value is None else as_text(value)


def _with_offset(values: pa.Array, kind: pa.TimestampType, timezone: str) -> pa.Array:
    """Instants as ISO 8601 with the shop's offset; a local hour gets the offset it had there."""
    if kind.tz is None:
        local = pc.assume_timezone(
            values, timezone, ambiguous="earliest", nonexistent="earliest"
        )
    else:
        local = values.cast(pa.timestamp("us", timezone))
    text = pc.strftime(local, format="%Y-%m-%dT%H:%M:%S%z")
    text = pc.replace_substring_regex(text, pattern=r"\.0+([+-])", replacement=r"\1")
    return pc.replace_substring_regex(text, pattern=r"(\d\d)(\d\d)$", replacement=r"\1:\2")


def _number(values: pa.Array) -> pa.Array:
    """Numbers as JSON has them: 12.000 is 12, what is no number is unknown."""
    if not pa.types.is_floating(values.type):
        return values.cast(pa.float64()) if values.type.scale else values
    return pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)


def write_parquet(
    records: Records, told: Provenance, sink: IO[bytes], progress: Progress | None = None
) -> int:
    """Write typed columns, the provenance as JSON in the file's metadata (key `mdash`)."""
    rows = 0
    with pq.ParquetWriter(sink, records.schema, compression="zstd") as writer:
        for batch in records.told(progress):
            writer.write_batch(batch)
            rows += batch.num_rows
        text = json.dumps(told.document(rows), ensure_ascii=False)
        writer.add_key_value_metadata({"mdash": text})
    return rows


