"""What the gateway must not forget between runs: trades that changed, and how it was seeded."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from sample_data.gateway.ledger import Refund, Settlement, Trade

_TIMES = ("created_at", "expires_at", "paid_at", "closed_at")


class TradeStore:
    """A SQLite file of changed trades. Used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = normal")
        self._db.execute("create table if not exists trade (order_no text primary key, document text)")
        self._db.execute("create table if not exists seed (name text primary key, value text)")

    def save(self, trade: Trade) -> None:
        """Keep this state of a trade."""
        document = json.dumps(asdict(trade), default=datetime.isoformat, ensure_ascii=False)
        self._db.execute("insert or replace into trade values (?, ?)", (trade.order_no, document))

    def trades(self) -> Iterator[Trade]:
        """Every trade that was kept."""
        for (document,) in self._db.execute("select document from trade order by order_no"):
            yield _trade(json.loads(document))

    def seed(self, wanted: dict[str, str]) -> dict[str, str]:
        """How this gateway was first seeded; `wanted` if it is new."""
        self._db.executemany("insert or ignore into seed values (?, ?)", wanted.items())
        return dict(self._db.execute("select name, value from seed").fetchall())

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()


def _trade(document: dict[str, Any]) -> Trade:
    for name in _TIMES:
        if document[name]:
            document[name] = datetime.fromisoformat(document[name])
    document["refunds"] = [
        Refund(**{**item, "at": datetime.fromisoformat(item["at"])}) for item in document["refunds"]
    ]
    document["settlements"] = [
        Settlement(
            **{
                **item,
                "at": datetime.fromisoformat(item["at"]),
                "shares": [(to, fen) for to, fen in item["shares"]],
            }
        )
        for item in document["settlements"]
    ]
    return Trade(**document)
