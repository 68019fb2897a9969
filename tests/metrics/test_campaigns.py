"""Campaigns against the sample merchant's planted truth, counted anew from its orders."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pytest

from sample_data.merchant import Order
from tests.conftest import Sample


def rows_of(sample: Sample, *arguments: str) -> dict[str, dict[str, Any]]:
    return {row["campaign"]: row for row in sample.metric("campaigns", *arguments)["rows"]}


def split(sample: Sample, campaign: str) -> tuple[list[Order], list[Order]]:
    """A campaign's orders, and those it is compared with; the log ends with the last one of all."""
    end = max(order.created_at for order in sample.orders)
    told = [order for order in sample.orders if order.due_at <= end]
    mine = [o for o in told if o.campaign == campaign and o.group is None]
    held = [o for o in told if o.campaign == campaign and o.group == "control"]
    days = {order.created_at.date() for order in mine}
    return mine, held or [o for o in told if o.campaign is None and o.created_at.date() in days]


def in_time(orders: Sequence[Order]) -> list[Order]:
    return [order for order in orders if order.paid_at and order.paid_at <= order.due_at]


@pytest.mark.parametrize("campaign", ["member", "double11", "618"])
def test_every_number_is_the_merchants_own(sample: Sample, campaign: str) -> None:
    row = rows_of(sample)[campaign]
    mine, against = split(sample, campaign)
    paid, base = in_time(mine), in_time(against)
    assert (row["matured"], row["paid"]) == (len(mine), len(paid))
    assert row["paid_fen"] == sum(order.amount_fen for order in paid)
    assert row["discount_fen"] == sum(order.discount_fen for order in paid)
    assert row["compared_orders"] == len(against)
    assert row["compared_with"] == ("holdout" if campaign == "member" else "same_days")
    assert row["uplift"] == pytest.approx(len(paid) / len(mine) - len(base) / len(against))
    assert row["uplift_low"] < row["uplift"] < row["uplift_high"]
    value = sum(o.amount_fen for o in paid) / len(paid) - sum(o.amount_fen for o in base) / len(base)
    assert row["value_uplift_fen"] == round(value)


def test_the_interval_is_newcombes(sample: Sample) -> None:
    """Written out once more, from the score equation's roots."""
    row = rows_of(sample)["member"]
    mine, against = split(sample, "member")
    (p1, n1), (p0, n0) = ((len(in_time(g)) / len(g), len(g)) for g in (mine, against))
    (l1, u1), (l0, u0) = (score_roots(p1, n1), score_roots(p0, n0))
    assert row["uplift_low"] == pytest.approx(p1 - p0 - math.sqrt((p1 - l1) ** 2 + (u0 - p0) ** 2))
    assert row["uplift_high"] == pytest.approx(p1 - p0 + math.sqrt((u1 - p1) ** 2 + (p0 - l0) ** 2))


def score_roots(share: float, count: int) -> tuple[float, float]:
    """Where (share - p)² = z² p (1 - p) / count."""
    z2 = 1.959963984540054**2
    a, b, c = 1 + z2 / count, -(2 * share + z2 / count), share * share
    root = math.sqrt(b * b - 4 * a * c)
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


def test_the_planted_lift_is_seen_and_lies_in_the_interval(sample: Sample) -> None:
    row = rows_of(sample)["member"]
    assert row["uplift_low"] > 0
    assert row["uplift_low"] < 0.2 * row["rate"] < row["uplift_high"]


def test_new_buyers_are_those_whose_first_purchase_it_was(sample: Sample) -> None:
    firsts: dict[int, Order] = {}
    for order in sample.orders:
        whole = sum(refund.amount_fen for refund in order.refunds) == order.amount_fen
        if order.paid_at and not whole:
            known = firsts.get(order.buyer)
            if known is None or order.paid_at < known.paid_at:
                firsts[order.buyer] = order
    since = sample.merchant.first_day + timedelta(days=unproven_days(sample))
    wanted = {
        name: sum(o.campaign == name and o.group is None and o.paid_at.date() >= since
                  for o in firsts.values() if o.paid_at)
        for name in ("member", "618", "double11")
    }
    found = {name: row["new_buyers"] for name, row in rows_of(sample).items()}
    assert found == wanted
    assert wanted["member"] > 0


def unproven_days(sample: Sample) -> int:
    notes = sample.metric("retention")["notes"]
    return int(next(note for note in notes if "first seen" in note).split(" days of")[0].split()[-1])


def test_a_filter_on_a_campaign_keeps_what_it_is_compared_with(sample: Sample) -> None:
    whole, only = rows_of(sample), rows_of(sample, "--where", "campaign=618")
    assert only == {"618": whole["618"]}


def test_splits_add_up_and_a_period_without_campaigns_is_empty(sample: Sample) -> None:
    whole = rows_of(sample)["member"]
    parts = sample.metric("campaigns", "--by", "month")["rows"]
    for name in ("orders", "paid", "paid_fen", "discount_fen", "new_buyers", "compared_orders"):
        assert sum(row[name] or 0 for row in parts if row["campaign"] == "member") == whole[name]
    day = date(2020, 1, 1).isoformat()
    assert sample.metric("campaigns", "--from", day, "--to", day)["rows"] == []


def test_the_planner_begins_from_the_shops_conversion(sample: Sample) -> None:
    period = ("--from", "2026-10-01", "--to", "2026-10-30")
    rate = sample.metric("conversion", *period)["rows"][0]["rate"]
    ran = sample.mdash("plan", *period, "--lift", "0.02", "--json")
    assert ran.code == 0, ran.err
    document = ran.json()
    assert document["base"] == rate
    (row,) = document["rows"]
    assert row["needed_days"] == math.ceil(row["needed"] / document["orders_a_day"])
    assert sample.mdash("plan", *period, "--lift", "0.9").code != 0
