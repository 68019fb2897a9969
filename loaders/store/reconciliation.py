"""The comparison of two sides of the same money, as a query bounded by the days asked for."""

from __future__ import annotations

from datetime import date
from functools import cache
from importlib.resources import files

VIEWS = {"reconciliation_items": "trade_bill", "account_reconciliation_items": "account_bill"}
"""The published views, and the bill that each compares with."""
_ALWAYS = (date(1990, 1, 1), date(2199, 12, 31))


@cache
def _text() -> str:
    return (files("loaders.store") / "questions" / "reconciliation.sql").read_text("utf-8").strip()


def compared(first_day: date, last_day: date, lake: str = "lake.") -> str:
    """The query of the items of inclusive days of either side; it reads these days' files.

    A pair that stands on two days is an item of the bill's day, and found from either.
    """
    places = {"first_day": f"date '{first_day}'", "last_day": f"date '{last_day}'", "lake": lake}
    text = _text()
    for name, value in places.items():
        text = text.replace("{" + name + "}", value)
    return text


def views() -> list[str]:
    """The statements that make the published views of all items ever, one for each bill."""
    query = compared(*_ALWAYS, lake="")
    return [
        f"create or replace view {name} as select * exclude (bill) from ({query}) where bill = '{bill}'"
        for name, bill in VIEWS.items()
    ]
