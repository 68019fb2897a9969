"""Files of whole rows taken over into the lake as they are, without being written a second time.

DuckDB's own writer takes as long for a column of nothing as for one of times; Arrow's does not.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence, Set
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from loaders.columns import whole_numbers
from loaders.parallel import in_order
from loaders.settings import Settings
from loaders.store.connection import INLINED_ROWS, local_data

if TYPE_CHECKING:
    from loaders.store.warehouse import Warehouse

_GROUP_ROWS = 122_880
_GROUPS_OF_FILE = 1


def adopt(warehouse: Warehouse, table: str, parts: Sequence[Path]) -> None:
    """Make these Parquet files part of a table of the lake; the given ones stay where they are.

    They hold every column of the table; others are not read. They are gone again when the
    transaction fails.
    """
    for part in parts:
        target = _place(warehouse, table)
        try:
            os.link(part, target)
        except OSError:
            shutil.copyfile(part, target)
        _add(warehouse, table, target)


def append(warehouse: Warehouse, table: str, rows: str, same: str, unlike: Set[str]) -> None:
    """Append the rows of the query `rows` to a table, each with the columns of the one row `same`.

    `unlike` names columns whose values hardly repeat.
    """
    run = warehouse.connection.execute
    if local_data(warehouse.settings) is None:
        run(f"insert into lake.{table} by name select * from ({rows}), ({same})")
        return
    repeated = run(same).to_arrow_table()
    groups = _grouped(run(rows).to_arrow_reader(_GROUP_ROWS), repeated)
    first, second = next(groups, None), next(groups, None)
    if first is None:
        return
    if second is None and first.num_rows <= INLINED_ROWS:
        warehouse.insert(table, first)
        return

    def write(group: pa.Table) -> Path:
        return _write(group, _place(warehouse, table), unlike)

    started = (group for group in (first, second) if group is not None)
    for file in list(in_order(write, chain(started, groups))):
        _add(warehouse, table, file)


def _write(rows: pa.Table, target: Path, unlike: Set[str]) -> Path:
    pyarrow.parquet.write_table(
        rows,
        target,
        row_group_size=_GROUP_ROWS,
        compression="snappy",
        use_dictionary=[name for name in rows.column_names if name not in unlike],
        write_statistics=[item.name for item in rows.schema if _is_ranged(item.type)],
    )
    return target


def _grouped(reader: pa.RecordBatchReader, repeated: pa.Table) -> Iterator[pa.Table]:
    """The rows of a reader, some row groups at a time, with the columns that are the same for all."""
    batches = iter(reader)
    while group := list(islice(batches, _GROUPS_OF_FILE)):
        rows = pa.Table.from_batches(group)
        if rows.num_rows:
            more = {
                name: _repeat(repeated[name].chunk(0), rows.num_rows)
                for name in repeated.column_names
            }
            yield pa.table({**{name: rows[name] for name in rows.column_names}, **more})


def _repeat(one: pa.Array, count: int) -> pa.Array:
    if one.null_count:
        return pa.nulls(count, one.type)
    codes = whole_numbers(np.zeros(count, dtype=np.int64))
    if pa.types.is_string(one.type):
        return pa.DictionaryArray.from_arrays(codes.cast(pa.int32()), one)
    return pc.take(one, codes)


def _is_ranged(kind: pa.DataType) -> bool:
    """If a file's smallest and largest value are told as DuckLake tells them; truths are not."""
    return not (pa.types.is_boolean(kind) or pa.types.is_nested(kind))


def _place(warehouse: Warehouse, table: str) -> Path:
    """Where the lake itself would put a file of this table, so that the home can be moved."""
    folder = data_folder(warehouse.settings) / "main" / table
    folder.mkdir(parents=True, exist_ok=True)
    return warehouse.own(folder / f"ducklake-{uuid4()}.parquet")


def data_folder(settings: Settings) -> Path:
    """The folder of the lake's files on this machine. Raises ValueError where there is none."""
    folder = local_data(settings)
    if folder is None:
        raise ValueError("the lake's files are in an object store")
    return folder


def _add(warehouse: Warehouse, table: str, file: Path) -> None:
    warehouse.execute(
        f"call ducklake_add_data_files('lake', '{table}', ?, ignore_extra_columns => true)",
        [str(file)],
    )
