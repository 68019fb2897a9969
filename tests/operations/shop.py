"""The sample merchant's last weeks at a size at which its planted incidents can be proven."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

from sample_data.files import bill_lines, checkout_events, trade_bill
from sample_data.merchant import Merchant, Order
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
