"""The sample merchant's last weeks at a size at which its planted incidents can be proven."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from sample_data.files import bill_lines, checkout_events, trade_bill
from sample_data.merchant import Attempt, Merchant, Order
from tests.conftest import LAST_DAY, make_home, run_mdash

WEEKS_KEPT = 7


class LateMerchant(Merchant):
    """The merchant's last weeks alone."""

    def quotas(self) -> dict[date, int]:
        """Orders of the last weeks' days."""
        first = self.last_day - timedelta(days=7 * WEEKS_KEPT - 1)
        return {day: count for day, count in super().quotas().items() if day >= first}


def busy_shop(folder: Path, channel_key: bytes, size: int) -> tuple[Path, list[Order], Merchant]:
    """A home with checkout log and bills of two products over the merchant's last weeks."""
    merchant = LateMerchant(seed=7, orders=size, last_day=LAST_DAY)
    kept = {"QUICK_WAP_WAY", "FACE_TO_FACE_PAYMENT"}
    orders = [order for order in merchant.orders() if order.product in kept]
    files = folder / "files"
    files.mkdir()
    with (files / "checkout.jsonl").open("w", encoding="utf-8") as sink:
        for order in orders:
            for event in checkout_events(order):
                sink.write(json.dumps(event, ensure_ascii=False) + "\n")
    days = bill_lines(orders)
    lines = [line for day in sorted(days) if day <= LAST_DAY for line in days[day]]
    (files / "bill.csv").write_bytes(trade_bill(min(days), LAST_DAY, lines))
    home = make_home(folder / "home", channel_key)
    ran = run_mdash(home, "load", str(files), "--json")
    assert ran.code == 0, ran.err
    return home, orders, merchant


TROUBLE = datetime(2026, 10, 26, 10, 30), datetime(2026, 10, 26, 11, 30)
PART_END = datetime(2026, 10, 26, 11, 40)


@dataclass(frozen=True)
class SteadyShop:
    """Five Mondays of sixty orders a quarter; on the last, payments fail for an hour."""

    orders: Sequence[Order]
    bill: Path
    before: Path
    after: Path


def steady_shop(folder: Path) -> SteadyShop:
    """Its bill, and its checkout log in two parts: up to the middle of the trouble, and the rest."""
    orders = [
        _order(week, quarter, at) for week in range(5) for quarter in range(16) for at in range(60)
    ]
    days = bill_lines(orders)
    lines = [line for day in sorted(days) for line in days[day]]
    bill, before, after = (folder / name for name in ("bill.csv", "before.jsonl", "after.jsonl"))
    bill.write_bytes(trade_bill(min(days), max(days), lines))
    _log(before, [order for order in orders if order.created_at < PART_END])
    _log(after, [order for order in orders if order.created_at >= PART_END])
    return SteadyShop(orders, bill, before, after)


def _order(week: int, quarter: int, at: int) -> Order:
    created = datetime(2026, 9, 28, 10) + timedelta(weeks=week, minutes=15 * quarter, seconds=15 * at)
    tried = created + timedelta(seconds=1)
    fails = at % 10 == 0 or TROUBLE[0] <= created < TROUBLE[1]
    order = Order(
        number=week * 10_000 + quarter * 100 + at, created_at=created, product="QUICK_WAP_WAY",
        client="h5", store=None, campaign="autumn" if week == 3 else None, buyer=1,
        items=[("A1", "手机壳", 1, 3900)], amount_fen=3900,
        expires_at=created + timedelta(minutes=30),
        outcome="channel_error" if fails else "paid",
    )
    if fails:
        order.attempts.append(Attempt(tried, "40004", "ACQ.PAYMENT_FAIL", 200))
    else:
        order.attempts.append(Attempt(tried, "10000", None, 200))
        order.paid_at = tried + timedelta(seconds=5)
    return order


def _log(path: Path, orders: Sequence[Order]) -> None:
    events = [json.dumps(event, ensure_ascii=False) for o in orders for event in checkout_events(o)]
    path.write_text("\n".join(events) + "\n", "utf-8")
