"""Which days the bills in the lake cover, and what else is known of them."""

from __future__ import annotations

from datetime import date

from loaders.store.reader import Reader


def covered_days(
    reader: Reader, channel: str, account: str, kind: str, first: date, last: date
) -> set[date]:
    """The days that a bill of this kind and account covers; an empty account stands for any."""
    if reader.is_empty:
        return set()
    rows = reader.rows(
        "select distinct day from lake.current_days where channel = $channel and kind = $kind"
        " and day between $first and $last and ($account = '' or account in ($account, ''))",
        {"channel": channel, "kind": kind, "first": first, "last": last, "account": account},
    )
    return {row["day"] for row in rows}


def knows_payments(reader: Reader, channel: str, first: date, last: date) -> bool:
    """True if a trade was paid on one of these days, whoever said so."""
    if reader.is_empty:
        return False
    row = reader.one(
        "select count(*) as trades from lake.trade where channel = $channel"
        " and shop_day(paid_at) between $first and $last",
        {"channel": channel, "first": first, "last": last},
    )
    return bool(row["trades"])


def first_day(reader: Reader, channel: str) -> date | None:
    """The first day the lake knows of a trade of this channel."""
    if reader.is_empty:
        return None
    day: date | None = reader.one(
        "select min(home_day) as day from lake.trade where channel = $channel",
        {"channel": channel},
    ).get("day")
    return day
