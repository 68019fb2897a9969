"""Rows of a bill as the lake keeps them, so that a file of them can be taken over as it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loaders.columns import texts, whole_numbers

_DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class WholeRows:
    """The columns of a raw table, and what each row of one load says beside its cells.

    The shop's days begin `utc_offset_s` before those of UTC.
    """

    schema: pa.Schema
    load_id: int
    utc_offset_s: int

    def fill(self, rows: pa.Table, channel: str, account: str, *, is_keyed: bool) -> pa.Table:
        """The rows with all columns of the table. Orders' rows lie with the day of creation.

        Columns that the table does not have stay, behind the others.
        """
        count = rows.num_rows
        given = {
            "load_id": whole_numbers(np.full(count, self.load_id, dtype=np.int64)),
            "home_day": self._home_days(rows) if is_keyed else rows["billed_on"],
            "channel": _repeated(channel, count),
            "account": _repeated(account, count),
        }
        made = {
            field.name: given[field.name] if field.name in given
            else rows[field.name] if field.name in rows.column_names
            else pa.nulls(count, field.type)
            for field in self.schema
        }
        more = {name: rows[name] for name in rows.column_names if name not in made}
        return pa.table({**made, **more})

    def _home_days(self, rows: pa.Table) -> pa.Array:
        moments = pc.coalesce(rows["created_at"], rows["finished_at"]).combine_chunks()
        local_us = np.frombuffer(moments.buffers()[1], dtype=np.int64)[: len(moments)]
        days = (local_us + self.utc_offset_s * 1_000_000) // _DAY_US
        packed = pa.py_buffer(days.astype(np.int32))
        return pa.Array.from_buffers(pa.date32(), len(moments), [moments.buffers()[0], packed])


def _repeated(text: str, count: int) -> pa.DictionaryArray:
    codes = pa.Array.from_buffers(
        pa.int32(), count, [None, pa.py_buffer(np.zeros(count, dtype=np.int32))]
    )
    return pa.DictionaryArray.from_arrays(codes, texts([text]))
