"""Rows to be written to a file: typed columns that arrive in batches, however many there are."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from dashboard.metrics.catalogue import Answer
from dashboard.wording.tables import columns

Progress = Callable[[int, int | None], None]
"""Told after each batch: rows written, and rows in all if that is known."""

_BATCH = 20_000
_FEN = pa.decimal128(38, 3)
_FRACTIONAL = frozenset({"fee_fen", "net_fen"})
_BY_SHAPE = {"money": pa.int64(), "percent": pa.float64(), "count": pa.int64()}


@dataclass(frozen=True, slots=True)
class Records:
    """Batches that can be read once. Instants carry UTC; `hour` alone is the shop's local time."""

    schema: pa.Schema
    batches: Iterable[pa.RecordBatch]
    count: int | None

    @property
    def names(self) -> list[str]:
        """The columns' names."""
        return list(self.schema.names)

    def told(self, progress: Progress | None) -> Iterator[pa.RecordBatch]:
        """The batches, with a word to `progress` after each."""
        done = 0
        for batch in self.batches:
            yield batch
            done += batch.num_rows
            if progress:
                progress(done, self.count)


def records_of_answer(answer: Answer) -> Records:
    """An answer's rows, its dimensions first."""
    return records_of_rows(answer.rows, [*answer.question.by, *answer.metric.fields])


def records_of_rows(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Records:
    """Rows in memory; a column's type follows its name, and its values where the name says none."""
    table = pa.table(
        [_column(name, [row.get(name) for row in rows]) for name in names], names=list(names)
    )
    return Records(table.schema, table.to_batches(max_chunksize=_BATCH), len(rows))


def records_of_stream(reader: pa.RecordBatchReader, count: int | None = None) -> Records:
    """Rows of the store as they come, batch by batch; naive instants in them are UTC."""
    schema = pa.schema([pa.field(item.name, _stored(item)) for item in reader.schema])
    return Records(schema, (batch.cast(schema) for batch in reader), count)


def _stored(item: pa.Field) -> pa.DataType:
    if pa.types.is_timestamp(item.type) and item.name != "hour":
        return pa.timestamp("us", "UTC")
    if pa.types.is_decimal(item.type) and item.type.scale == 0 and item.type.precision <= 18:
        return pa.int64()
    if pa.types.is_null(item.type):
        return pa.string()
    return item.type


def _column(name: str, values: list[Any]) -> pa.Array:
    plain = [_plain(name, value) for value in values]
    kind = _type(name, [value for value in plain if value is not None])
    if pa.types.is_decimal(kind):
        plain = [None if value is None else Decimal(str(value)) for value in plain]
    elif pa.types.is_string(kind):
        plain = [None if value is None else str(value) for value in plain]
    return pa.array(plain, kind)


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, Mapping | list | tuple):
        return as_text(value)
    if isinstance(value, float) and math.isnan(value):
        return None
    return math.inf if value == "inf" and name.endswith("_s") else value


def _type(name: str, known: Sequence[Any]) -> pa.DataType:
    if name.endswith("_fen"):
        whole = all(value == int(value) for value in known)
        return pa.int64() if whole and name not in _FRACTIONAL else _FEN
    if name.endswith("_s") and all(isinstance(value, int | float) for value in known):
        return pa.float64()
    if not known:
        return _BY_SHAPE.get(columns([name], _as_is)[0].shape, pa.string())
    return _seen(name, known)


def as_text(value: Any) -> str:
    """A value as text; what has parts as JSON."""
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _as_is(template: str, /, **_: object) -> str:
    return template


def _seen(name: str, known: Sequence[Any]) -> pa.DataType:
    for kinds, found in (
        (bool, pa.bool_()), (int, pa.int64()), (int | float, pa.float64()),
        (int | float | Decimal, pa.decimal128(38, 9)), (datetime, _instant(name)),
        (date, pa.date32()),
    ):
        if all(isinstance(value, kinds) for value in known):
            return found
    return pa.string()


def _instant(name: str) -> pa.DataType:
    return pa.timestamp("us") if name == "hour" else pa.timestamp("us", "UTC")
