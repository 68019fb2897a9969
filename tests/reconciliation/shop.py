"""A shop of eight days whose books are broken once in every way, and its files day by day."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from sample_data.breaks import Books, books, plant, scatter
from sample_data.files import (
    account_bill,
    checkout_events,
    notifications,
    signed_lines,
    trade_bill,
)
from sample_data.merchant import Merchant
from tests.conftest import LAST_DAY, make_home, run_mdash

DAYS = 8
FIRST_DAY = LAST_DAY - timedelta(days=DAYS - 1)
PERIOD = ("--from", "2026-01-01", "--to", "2026-12-31")


class ShortMerchant(Merchant):
    """The merchant's last days alone."""

    def quotas(self) -> dict[date, int]:
        """Orders of the last days."""
        return {day: count for day, count in super().quotas().items() if day >= FIRST_DAY}


@dataclass(frozen=True)
class Shop:
    """Books with planted breaks, and the files that tell of them by name."""

    books: Books
    files: dict[str, bytes]

    def home(self, folder: Path, key: bytes, names: list[str] | None = None) -> Path:
        """A home that has loaded these files one after another; all at once without names."""
        home = make_home(folder / "home", key)
        files = folder / "files"
        files.mkdir()
        for name, content in self.files.items():
            (files / name).write_bytes(content)
        for batch in [[str(files)]] if names is None else [[str(files / name)] for name in names]:
            ran = run_mdash(home, "load", *batch)
            assert ran.code == 0, ran.err
        return home


def shop(key: bytes, *, size: int = 14_000) -> Shop:
    """The shop, broken once in every way, and its files."""
    merchant = ShortMerchant(seed=7, orders=size, last_day=LAST_DAY)
    kept = plant(books(merchant.orders()), FIRST_DAY, LAST_DAY)
    return Shop(kept, _files(kept, key))


def random_shop(key: bytes, seed: int, count: int = 40) -> Shop:
    """A shop of its own, broken at random between its first and its last day."""
    merchant = ShortMerchant(seed=seed, orders=7_000, last_day=LAST_DAY)
    day = timedelta(days=1)
    kept = scatter(books(merchant.orders()), FIRST_DAY + day, LAST_DAY - day, count, seed)
    return Shop(kept, _files(kept, key))


def _files(kept: Books, key: bytes) -> dict[str, bytes]:
    files = {}
    messages: dict[date, list[tuple[datetime, dict[str, str]]]] = defaultdict(list)
    events: dict[date, list[str]] = defaultdict(list)
    for order in kept.told:
        for at, fields in notifications(order):
            messages[at.date()].append((at, fields))
        for event in checkout_events(order):
            events[order.created_at.date()].append(json.dumps(event, ensure_ascii=False))
    for day, lines in events.items():
        files[f"checkout-{day}.jsonl"] = ("\n".join(lines) + "\n").encode()
    for day, found in messages.items():
        found.sort(key=lambda message: message[0])
        files[f"messages-{day}.jsonl"] = ("\n".join(signed_lines(key, found)) + "\n").encode()
    balance = 10_000_00
    for day in sorted(day for day in kept.billed if day <= LAST_DAY):
        files[f"trade-{day}.csv"] = trade_bill(day, day, kept.billed[day])
        if day >= FIRST_DAY:
            moved = sorted(kept.moved[day], key=lambda line: line.at)
            files[f"account-{day}.csv"] = account_bill(day, day, moved, balance)
            balance += sum(fen for line in moved for _, fen in line.moves)
    return files
