"""Merchants broken at random: every break is found, and ours leads to each bill to the fen."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import LAST_DAY
from tests.reconciliation.shop import FIRST_DAY, random_shop
from tests.reconciliation.test_reconciliation import expected, metric, open_items, with_silent


@pytest.mark.slow
@pytest.mark.parametrize("seed", [11, 12, 13])
def test_a_random_shop_adds_up(tmp_path: Path, channel_key: bytes, seed: int) -> None:
    made = random_shop(channel_key, seed)
    home = made.home(tmp_path, channel_key)
    assert open_items(home, "trade_bill") == with_silent(made)
    assert open_items(home, "account_bill") == expected(made.books.planted_account)
    rows = metric(home, "reconciliation_identity", "--by", "day,channel")
    assert len(rows) == 2 * ((LAST_DAY - FIRST_DAY).days + 1)
    for row in rows:
        books = made.books.billed if row["bill"] == "trade_bill" else made.books.moved
        day = next(day for day in books if day.isoformat() == row["day"])
        money = sum(
            line.amount_fen if row["bill"] == "trade_bill" else sum(fen for _, fen in line.moves)
            for line in books[day]
        )
        assert (row["bill_fen"], row["gap_fen"]) == (money, 0)
        assert money == (
            row["ours_fen"] + row["carried_fen"] + row["long_fen"] - row["short_fen"]
            + row["differences_fen"] + row["other_fen"]
        )
