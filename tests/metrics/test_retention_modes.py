"""Retention on or after and by day N, through `mdash metric`, recounted from the orders."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from dashboard.metrics.retention_rolling import HORIZONS
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


@pytest.mark.parametrize("name", ["retention_rolling", "retention_days", "segment_movement"])
def test_what_cannot_be_split_is_refused_and_filters_work(name: str, sample: Sample) -> None:
    period = ("--from", "2026-03-01", "--to", "2026-10-31")
    assert sample.mdash("metric", name, *period, "--by", "product").code != 0
    whole = sample.metric(name, *period)["rows"]
    part = sample.metric(name, *period, "--where", "product=QUICK_WAP_WAY")["rows"]
    assert 0 < sum(row["buyers"] for row in part) < sum(row["buyers"] for row in whole)
