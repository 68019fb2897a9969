"""The mix of buyers, time to return, failure's later cost and churn risk against planted truth."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from datetime import timedelta
from itertools import pairwise
from statistics import median

import numpy as np
import pytest

from dashboard.metrics.second_purchase import curves
from dashboard.metrics.segment_rules import rule_rows
from dashboard.metrics.survival import by_day, kaplan_meier, median_day
from sample_data.merchant import Order
from tests.conftest import Sample
from tests.metrics.test_buyers import (
    asked,
    begin,
    histories,
    net,
    now_of,
    paid,
    proven,
    unproven_days,
)

pytestmark = pytest.mark.slow


def test_new_and_returning(sample: Sample) -> None:
    now = now_of(sample)
    bought = histories(sample.orders, now)
    since = begin(sample) + timedelta(days=unproven_days(sample, bought))
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for orders in bought.values():
        first = paid(orders[0])
        for month in {f"{paid(o):%Y-%m}" for o in orders}:
            fen = sum(net(o, now) for o in orders if f"{paid(o):%Y-%m}" == month)
            kind = "new" if first >= since else "unproven"
            kind = "returning" if f"{first:%Y-%m}" < month else kind
            counts[month].update({"buyers": 1, kind: 1, f"{kind}_fen": fen})
    rows = sample.metric("buyer_mix", "--by", "month")["rows"]
    assert {row["month"] for row in rows} == set(counts)
    for row in rows:
        truth = counts[row["month"]]
        assert row["buyers"] == truth["buyers"]
        assert row["new_buyers"] == truth["new"]
        assert row["returning_buyers"] == truth["returning"]
        assert row["unproven"] == truth["unproven"]
        assert (row["new_fen"], row["returning_fen"]) == (truth["new_fen"], truth["returning_fen"])
        assert row["returning_rate"] == truth["returning"] / truth["buyers"]


def test_the_curve_is_the_product_of_the_days() -> None:
    """Kaplan and Meier's product and Greenwood's sum, written out over single buyers."""
    draw = np.random.default_rng(3)
    days = draw.integers(0, 60, 400)
    came = (draw.random(400) < 0.6) & (days < 59)
    points = kaplan_meier(Counter(days[came].tolist()), Counter(days[~came].tolist()))
    assert [point.day for point in points] == sorted(set(days[came].tolist()))
    surviving, greenwood = 1.0, 0.0
    for point in points:
        at_risk, happened = int((days >= point.day).sum()), int((came & (days == point.day)).sum())
        surviving *= 1 - happened / at_risk
        greenwood += happened / (at_risk * (at_risk - happened))
        assert (point.at_risk, point.events) == (at_risk, happened)
        assert point.share == pytest.approx(1 - surviving, abs=1e-12)
        width = 1.959963984540054 * greenwood**0.5 / math.log(surviving)
        wanted = [1 - surviving ** math.exp(sign * width) for sign in (1, -1)]
        assert [point.low, point.high] == pytest.approx(wanted)


def test_a_hand_made_curve() -> None:
    """Ten buyers: two came on day 1, one was last seen on day 2, one came on day 3, six wait."""
    points = kaplan_meier({1: 2, 3: 1}, {2: 1, 9: 6})
    assert [(p.day, p.at_risk, p.events) for p in points] == [(1, 10, 2), (3, 7, 1)]
    assert [p.share for p in points] == [pytest.approx(0.2), pytest.approx(1 - 0.8 * 6 / 7)]
    assert by_day(points, 0) is None
    assert by_day(points, 2) == points[0]
    assert median_day(points) is None
    assert median_day(kaplan_meier({5: 1}, {})) == 5


def test_time_to_the_second_purchase(sample: Sample) -> None:
    now = now_of(sample)
    waits: list[tuple[int, bool]] = []
    for orders in proven(sample).values():
        until = paid(orders[1]) if len(orders) > 1 else now
        waits.append(((until - paid(orders[0])).days, len(orders) > 1))
    for row in sample.metric("second_purchase")["rows"]:
        staying = 1.0
        for day in range(row["days"] + 1):
            at_risk = sum(wait >= day for wait, _ in waits)
            staying *= 1 - sum(wait == day and came for wait, came in waits) / max(at_risk, 1)
        assert row["rate"] == pytest.approx(1 - staying, abs=1e-12)
        assert row["returned"] == sum(came and wait <= row["days"] for wait, came in waits)
    found = curves(asked(sample), by_first_attempt=True)
    first = Counter(outcome(orders[0]) for orders in proven(sample).values())
    assert {key[0]: points[0].at_risk for key, points in found.items()}.keys() == first.keys()


def outcome(order: Order) -> str | None:
    """What the first attempt of an order came to."""
    if not order.attempts:
        return None
    tried = order.attempts[0]
    if tried.failed_for and tried.failed_for != "timeout_unknown":
        return "failed"
    return "succeeded" if order.is_paid and len(order.attempts) == 1 else None


def test_what_a_failed_first_attempt_costs(sample: Sample) -> None:
    now = now_of(sample)
    since = begin(sample) + timedelta(days=unproven_days(sample, histories(sample.orders, now)))
    everything: dict[int, list[Order]] = defaultdict(list)
    for order in sorted(sample.orders, key=lambda order: order.created_at):
        everything[order.buyer].append(order)
    bought = histories(sample.orders, now)
    groups: dict[str, list[list[int]]] = defaultdict(list)
    for buyer, orders in everything.items():
        first = orders[0]
        how = outcome(first)
        if first.created_at < since or how is None:
            continue
        if first.created_at > now - timedelta(days=90):
            continue
        later = [
            net(o, now) for o in bought.get(buyer, [])
            if o is not first and o.created_at > first.created_at
            and paid(o) <= first.created_at + timedelta(days=90)
        ]
        groups[how].append(later)
        if how == "failed":
            groups[first.attempts[0].failed_for or ""].append(later)
    rows = {row["reason"] or row["first_attempt"]: row
            for row in sample.metric("failure_loyalty")["rows"]}
    assert {name for name, row in rows.items() if row["buyers"]} == set(groups)
    for name, members in groups.items():
        row = rows[name]
        assert (row["buyers"], row["returned"]) == (len(members), sum(map(bool, members)))
        spent = [sum(later) for later in members]
        assert row["spend_fen"] == pytest.approx(sum(spent) / len(spent), abs=0.51)
        if len(spent) > 1:
            spread = 1.959964 * np.std(spent, ddof=1) / len(spent) ** 0.5
            assert row["spend_high_fen"] == pytest.approx(np.mean(spent) + spread, abs=1)
    good = rows["succeeded"]
    for name, row in rows.items():
        if name != "succeeded" and row["buyers"]:
            assert row["difference_rate"] == pytest.approx(row["rate"] - good["rate"])
            assert row["difference_low_rate"] < row["difference_rate"] < row["difference_high_rate"]


def test_reasons_of_few_buyers_are_not_ranked(sample: Sample) -> None:
    """Enough buyers first, by the bound of the difference; the others after them by name."""
    reasons = sample.metric("failure_loyalty")["rows"][2:]
    many = [row for row in reasons if row["buyers"] >= 30]
    few = [row for row in reasons if row["buyers"] < 30]
    assert few
    assert reasons == many + few
    bounds = [row["difference_high_rate"] for row in many]
    assert bounds == sorted(bounds)
    assert [row["reason"] for row in few] == sorted(row["reason"] for row in few)


def test_churn_risk_without_a_model_says_so(sample: Sample) -> None:
    now = now_of(sample)
    counts: Counter[str] = Counter()
    for orders in histories(sample.orders, now).values():
        gaps = [(paid(b) - paid(a)).total_seconds() for a, b in pairwise(orders)]
        if not gaps:
            counts["unknown"] += 1
            continue
        value = (now - paid(orders[-1])).total_seconds() / median(gaps)
        counts["low" if value < 1 else "medium" if value < 2 else "high"] += 1
    answer = sample.metric("churn_risk")
    found = {row["risk"]: row["buyers"] for row in answer["rows"]}
    assert sum(found.values()) == sum(counts.values())
    for risk in found:
        assert abs(found[risk] - counts[risk]) <= 1  # the as-of is a millisecond's rounding off
    assert any("own median gap" in note for note in answer["notes"])


def test_lifetime_value_is_historic_where_the_gates_are_shut(sample: Sample) -> None:
    now = now_of(sample)
    bought = histories(sample.orders, now)
    answer = sample.metric("lifetime_value")
    (row,) = answer["rows"]
    assert row["buyers"] == len(bought)
    assert row["net_fen"] == sum(net(o, now) for orders in bought.values() for o in orders)
    assert (row["expected_orders"], row["expected_fen"]) == (None, None)
    assert any("A prediction needs 1000 new buyers" in note for note in answer["notes"])


def test_the_rules_are_shown_as_they_are_applied() -> None:
    rows = rule_rows()
    assert rows[0] == {"segment": "champions", "days_since": "0–60", "orders_a_year": "≥ 5"}
    assert rows[2] == {"segment": "new", "days_since": "0–30", "orders_a_year": "0–1"}
    assert rows[-1] == {"segment": "lost", "days_since": "≥ 181", "orders_a_year": "0–2"}


