"""Retention on or after and by day N, through `mdash metric`, recounted from the orders."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, timedelta

import pytest

from dashboard.metrics.loyalty import Loyalty
from dashboard.metrics.question import Question
from dashboard.metrics.retention import DAYS_N, HORIZONS, MODES
from dashboard.services import Services
from loaders.settings import load_settings
from sample_data.merchant import Order
from tests.conftest import Sample
from tests.metrics.test_campaigns import unproven_days


def kept_days(sample: Sample) -> dict[int, list[date]]:
    found: dict[int, list[date]] = {}
    for order in sample.orders:
        back = sum(refund.amount_fen for refund in order.refunds)
        if order.paid_at and back < order.amount_fen:
            found.setdefault(order.buyer, []).append(order.paid_at.date())
    return {buyer: sorted(days) for buyer, days in found.items()}


def test_on_or_after_counts_each_buyers_last_month(sample: Sample) -> None:
    rows = sample.metric("retention_rolling", "--by", "month")["rows"]
    since = sample.merchant.first_day + timedelta(days=unproven_days(sample))
    assert rows
    for row in rows:
        year, month = map(int, row["cohort"].split("-"))
        place = year * 12 + month
        lasts = [
            max(k for k in (d.year * 12 + d.month - place for d in days) if k <= HORIZONS["month"])
            for days in kept_days(sample).values()
            if days[0] >= since and f"{days[0]:%Y-%m}" == row["cohort"]
        ]
        assert row["buyers"] == len(lasts)
        assert row["returned"] == sum(last >= row["period"] for last in lasts)


@pytest.mark.parametrize(
    "name",
    ["retention_rolling", "segment_movement",
     *(pytest.param(name, marks=pytest.mark.slow)
       for name in ("retention_days", "retention_days_rolling"))],
)
def test_what_cannot_be_split_is_refused_and_filters_work(name: str, sample: Sample) -> None:
    period = ("--from", "2026-03-01", "--to", "2026-10-31")
    assert sample.mdash("metric", name, *period, "--by", "product").code != 0
    whole = sample.metric(name, *period)["rows"]
    part = sample.metric(name, *period, "--where", "product=QUICK_WAP_WAY")["rows"]
    assert 0 < sum(row["buyers"] for row in part) < sum(row["buyers"] for row in whole)


def purchases(sample: Sample) -> dict[str, list[list[tuple[timedelta, int, int]]]]:
    """Of each month's provably new buyers: time since the first purchase, months since, net amount."""
    kept: dict[int, list[Order]] = defaultdict(list)
    for order in sample.orders:
        if order.paid_at and sum(back.amount_fen for back in order.refunds) < order.amount_fen:
            kept[order.buyer].append(order)
    since = sample.merchant.first_day + timedelta(days=unproven_days(sample))
    found: dict[str, list[list[tuple[timedelta, int, int]]]] = defaultdict(list)
    for orders in kept.values():
        paid = sorted((o.paid_at or datetime.max, net(o)) for o in orders)
        first = paid[0][0]
        if first.date() >= since:
            found[f"{first:%Y-%m}"].append([
                (at - first, at.year * 12 + at.month - first.year * 12 - first.month, fen)
                for at, fen in paid
            ])
    return found


def net(order: Order) -> int:
    return order.amount_fen - sum(back.amount_fen for back in order.refunds)


@pytest.mark.parametrize("mode", MODES)
def test_net_amounts_and_the_buyers_of_every_cell(mode: str, sample: Sample) -> None:
    rows = sample.metric(mode, "--by", "month")["rows"]
    counted = purchases(sample)
    services = Services(load_settings(sample.home))
    loyalty = Loyalty(services.answers)
    question = Question(sample.merchant.first_day, date(2026, 12, 31), ("month",))
    ended = [row for row in rows if row["returned"] is not None]
    assert len(ended) > 6
    assert all(row["month"] == row["cohort"] for row in rows)
    for row in ended:
        first = row["period"]
        last = {"retention": first, "retention_rolling": HORIZONS["month"],
                "retention_days": first, "retention_days_rolling": DAYS_N[-1]}[mode]
        hits = [
            [fen for after, months, fen in buyer
             if first <= (after.days if "days" in mode else months) <= last]
            for buyer in counted[row["cohort"]]
        ]
        assert row["buyers"] == len(hits)
        assert row["returned"] == sum(map(bool, hits))
        assert row["net_fen"] == sum(map(sum, hits))
        if row is ended[len(ended) // 2]:
            found = loyalty.buyers_of(question, row["cohort"], first, mode)
            assert len(found) == row["returned"]
    services.reader.close()


def test_days_or_later_wait_for_the_same_end(sample: Sample) -> None:
    """A cohort is told for all days or for none: everybody is followed for 90 days."""
    cells: dict[str, set[bool]] = defaultdict(set)
    for row in sample.metric("retention_days_rolling")["rows"]:
        cells[row["cohort"]].add(row["returned"] is None)
    assert set(map(len, cells.values())) == {1}
    assert {True} in cells.values()
    assert {False} in cells.values()
