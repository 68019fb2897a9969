"""Loads of logs that still grow: one row in the ledger of loads, added to as lines come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from loaders.staging import Load
from loaders.store.warehouse import Warehouse


def growing_load(warehouse: Warehouse, file: str) -> int:
    """The load that the earlier lines of a growing log file are in; 0 if there is none."""
    row = warehouse.execute(
        "select load_id, status from lake.loads where file = ? and kind = 'notification_log'"
        " order by load_id desc limit 1",
        [file],
    ).fetchone()
    return int(row[0]) if row and row[1] == "loaded" else 0


def grow(warehouse: Warehouse, load: Load, counts: Sequence[int]) -> None:
    """Add what a growing log brought to its load."""
    warehouse.execute(
        "update lake.loads set rows = rows + ?, rejected = rejected + ?, duplicates = duplicates + ?,"
        " first_day = least(first_day, ?::date), last_day = greatest(last_day, ?::date),"
        " watermark = greatest(watermark, ?::timestamp), loaded_at = ? where load_id = ?",
        [
            *counts, load.first_day, load.last_day, load.watermark,
            datetime.now(UTC).replace(tzinfo=None), load.load_id,
        ],
    )
