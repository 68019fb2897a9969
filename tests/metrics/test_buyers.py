"""Retention, repeat rate and segments against the sample merchant's own orders, counted another way."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest

from dashboard.metrics.buyers import NEEDS
from dashboard.metrics.catalogue import Asked
from dashboard.metrics.question import Question
from dashboard.metrics.retention import mean_row, on_days, rolling
from dashboard.metrics.segment_rules import SEGMENTS, segment_of
from dashboard.metrics.segments import movement
from dashboard.services import Services
from loaders.settings import load_settings
from sample_data.merchant import Order
from tests.conftest import Sample
from tests.metrics.test_truth import as_of

pytestmark = pytest.mark.slow

History = dict[int, list[Order]]


def now_of(sample: Sample) -> datetime:
    return as_of(sample, "checkout", "notifications")


def is_kept(order: Order, now: datetime) -> bool:
    """Paid by `now`, and by then not refunded whole."""
    if order.paid_at is None or order.paid_at > now:
        return False
    back = sum(refund.amount_fen for refund in order.refunds if refund.done_at <= now)
    return back < order.amount_fen


def net(order: Order, now: datetime) -> int:
    return order.amount_fen - sum(r.amount_fen for r in order.refunds if r.done_at <= now)


def histories(orders: Iterable[Order], now: datetime) -> History:
    found: History = defaultdict(list)
    for order in orders:
        if is_kept(order, now):
            found[order.buyer].append(order)
    for purchases in found.values():
        purchases.sort(key=lambda order: order.paid_at or now)
    return dict(found)


def paid(order: Order) -> datetime:
    assert order.paid_at is not None
    return order.paid_at


def begin(sample: Sample) -> datetime:
    return datetime.combine(min(o.created_at for o in sample.orders).date(), datetime.min.time())


def unproven_days(sample: Sample, bought: History) -> int:
    """L of D18, over the gaps of the data's first year."""
    until = begin(sample) + timedelta(days=365)
    gaps = sorted(
        (paid(later) - paid(earlier)).total_seconds() / 86400
        for purchases in bought.values()
        for earlier, later in pairwise([o for o in purchases if paid(o) < until])
    )
    at = 0.95 * (len(gaps) - 1)
    low = gaps[int(at)]
    return max(90, math.ceil(low + (gaps[math.ceil(at)] - low) * (at - int(at))))


def proven(sample: Sample) -> History:
    bought = histories(sample.orders, now_of(sample))
    since = begin(sample) + timedelta(days=unproven_days(sample, bought))
    return {buyer: orders for buyer, orders in bought.items() if paid(orders[0]) >= since}


def start_of(day: date, grain: str) -> date:
    return day.replace(day=1) if grain == "month" else day - timedelta(days=day.weekday())


def name_of(day: date, grain: str) -> str:
    return f"{day:%Y-%m}" if grain == "month" else f"{day:%G-W%V}"


def later(day: date, grain: str) -> date:
    return start_of(day + timedelta(days=31 if grain == "month" else 7), grain)


@pytest.mark.parametrize("grain", ["month", "week"])
def test_retention(sample: Sample, grain: str) -> None:
    now = now_of(sample)
    cohorts: dict[date, list[list[Order]]] = defaultdict(list)
    for orders in proven(sample).values():
        cohorts[start_of(paid(orders[0]).date(), grain)].append(orders)
    rows = sample.metric("retention", "--by", grain)["rows"]
    cells = {(row["cohort"], row["period"]): row for row in rows}
    seen = 0
    for cohort, members in cohorts.items():
        start, period = cohort, 0
        while datetime.combine(start, datetime.min.time()) < now:
            end = later(start, grain)
            row = cells[name_of(cohort, grain), period]
            assert row["buyers"] == len(members)
            assert row[grain] == row["cohort"]
            active = [
                [o for o in orders if start <= paid(o).date() < end] for orders in members
            ]
            if datetime.combine(end, datetime.min.time()) > now:
                assert (row["returned"], row["rate"], row["net_fen"]) == (None, None, None)
            else:
                assert row["returned"] == sum(map(bool, active))
                assert row["rate"] == row["returned"] / row["buyers"]
                assert row["net_fen"] == sum(net(o, now) for orders in active for o in orders)
            start, period, seen = end, period + 1, seen + 1
    assert seen == len(rows)
    assert any(row["returned"] is None for row in rows)
    assert all(row["rate"] in (1.0, None) for row in rows if row["period"] == 0)


def test_who_is_not_provably_new_is_left_out_and_counted(sample: Sample) -> None:
    bought = histories(sample.orders, now_of(sample))
    left_out = len(bought) - len(proven(sample))
    assert left_out > 0
    told = sample.metric("retention")["notes"]
    days = unproven_days(sample, bought)
    assert any(f"{left_out} buyers first seen in the first {days} days" in note for note in told)


def test_the_mean_of_cohorts_is_weighted() -> None:
    rows = [
        {"period": 0, "buyers": 10, "returned": 10, "net_fen": 5},
        {"period": 1, "buyers": 10, "returned": 5, "net_fen": 3},
        {"period": 1, "buyers": 90, "returned": 9, "net_fen": 4},
        {"period": 1, "buyers": 50, "returned": None, "net_fen": None},
    ]
    (mean,) = mean_row(rows)
    assert (mean["returned"], mean["buyers"], mean["rate"], mean["net_fen"]) == (14, 100, 0.14, 7)


def asked(sample: Sample, *by: str) -> Asked:
    services = Services(load_settings(sample.home))
    question = Question(sample.merchant.first_day, sample.merchant.last_day, by)
    marks = services.reader.watermarks()
    known = [next(marks[name] for name in names if name in marks) for names in NEEDS]
    return Asked(services.reader, question, min(known), frozenset(marks))


def test_on_or_after_follows_every_cohort_equally_long(sample: Sample) -> None:
    horizon = 3
    rows = rolling(asked(sample, "month"), horizon)
    wanted: Counter[tuple[str, int]] = Counter()
    for orders in proven(sample).values():
        first = paid(orders[0])
        months = [(paid(o).year - first.year) * 12 + paid(o).month - first.month for o in orders]
        last = max(month for month in months if month <= horizon)
        for period in range(last + 1):
            wanted[f"{first:%Y-%m}", period] += 1
    assert rows
    assert {row["cohort"] for row in rows} == {
        name for name, _ in wanted if name <= "2026-06"
    }
    for row in rows:
        assert row["returned"] == wanted[row["cohort"], row["period"]]
        assert row["buyers"] == wanted[row["cohort"], 0]


def test_day_n_is_a_window_of_24_hours_from_the_first_payment(sample: Sample) -> None:
    now, days = now_of(sample), (1, 7, 30, 60)
    rows = {(r["cohort"], r["period"]): r for r in on_days(asked(sample, "month"), days)}
    cohorts: dict[str, list[list[Order]]] = defaultdict(list)
    for orders in proven(sample).values():
        cohorts[f"{paid(orders[0]):%Y-%m}"].append(orders)
    assert {cohort for cohort, _ in rows} == set(cohorts)
    for cohort, members in cohorts.items():
        for day in days:
            opens, row = timedelta(days=day), rows[cohort, day]
            over = all(paid(m[0]) + opens + timedelta(days=1) <= now for m in members)
            back = sum(
                any(opens <= paid(o) - paid(m[0]) < opens + timedelta(days=1) for o in m)
                for m in members
            )
            assert row["returned"] == (back if over and cohort < "2026-10" else None)


def test_repeat_rate(sample: Sample) -> None:
    now = now_of(sample)
    old = [m for m in proven(sample).values() if paid(m[0]) <= now - timedelta(days=90)]
    again = [m for m in old if len(m) > 1 and paid(m[1]) <= paid(m[0]) + timedelta(days=90)]
    row = sample.metric("repeat_rate")["rows"][0]
    assert (row["buyers"], row["repeated"]) == (len(old), len(again))
    assert row["rate"] == len(again) / len(old)
    by_product = sample.metric("repeat_rate", "--by", "product")["rows"]
    assert {r["product"]: r["buyers"] for r in by_product} == Counter(m[0].product for m in old)
    assert {r["product"]: r["repeated"] for r in by_product if r["repeated"]} == Counter(
        m[0].product for m in again
    )
    by_month = sample.metric("repeat_rate", "--by", "month")["rows"]
    assert {r["month"]: r["buyers"] for r in by_month} == Counter(
        f"{paid(m[0]):%Y-%m}" for m in old
    )


def own_segment(orders: list[Order], now: datetime) -> str:
    """The rules in other words than the program's."""
    days = (now - paid(orders[-1])).days
    year = sum(paid(o) > now - timedelta(days=365) for o in orders)
    if days <= 60 and year >= 5:
        return "champions"
    if days <= 90 and year >= 3:
        return "loyal"
    if days <= 30 and year <= 1:
        return "new"
    if days <= 60:
        return "promising"
    if days <= 90:
        return "needs_attention"
    if days <= 180 or year >= 3:
        return "at_risk"
    return "lost"


def test_segments(sample: Sample) -> None:
    now = now_of(sample)
    wanted: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for orders in histories(sample.orders, now).values():
        line = wanted[own_segment(orders, now)]
        line[0] += 1
        line[1] += len(orders)
        line[2] += sum(net(o, now) for o in orders)
    rows = sample.metric("segments")["rows"]
    assert {r["segment"]: [r["buyers"], r["orders"], r["net_fen"]] for r in rows} == wanted


def test_every_pair_of_scores_is_in_one_segment() -> None:
    found = {segment_of(r, f) for r in range(1, 6) for f in range(1, 6)}
    assert found == set(SEGMENTS)


def test_movement_between_segments(sample: Sample) -> None:
    now = now_of(sample)
    before = now - timedelta(days=30)
    then = histories(sample.orders, before)
    wanted = Counter(
        (own_segment(then[buyer], before) if buyer in then else None, own_segment(orders, now))
        for buyer, orders in histories(sample.orders, now).items()
    )
    rows = movement(asked(sample))
    assert {(r["before"], r["segment"]): r["buyers"] for r in rows} == wanted
