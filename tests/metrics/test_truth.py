"""Every metric against the sample merchant's truth, computed another way from its orders."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from sample_data.files import bill_lines
from sample_data.merchant import Order
from tests.conftest import LAST_DAY, Sample

MAIN = "QUICK_MSECURITY_PAY"


def as_of(sample: Sample, *sources: str) -> datetime:
    """The as-of as the contract says: the earliest of the last instants of these sources."""
    events = [o.created_at for o in sample.orders]
    for order in sample.orders:
        events += [a.at for a in order.attempts] + [r.requested_at for r in order.refunds]
        events += [order.closed_at] if order.closed_at else []
    marks = {
        "checkout": max(events),
        "notifications": max(
            [at for o in sample.orders for at in o.received_at]
            + [r.done_at + timedelta(milliseconds=700)
               for o in sample.orders if o.received_at for r in o.refunds]
        ),
        "bills": datetime.combine(LAST_DAY + timedelta(days=1), datetime.min.time()),
    }
    return min(marks[name] for name in sources)


def matured(sample: Sample) -> list[Order]:
    now = as_of(sample, "checkout", "notifications")
    return [order for order in sample.orders if order.due_at <= now]


def test_as_of_is_the_earliest_source(sample: Sample) -> None:
    told = datetime.fromisoformat(sample.metric("conversion")["as_of"]).replace(tzinfo=None)
    wanted = as_of(sample, "checkout", "notifications")
    assert abs(told - wanted) < timedelta(milliseconds=2)


def by_product(order: Order) -> Hashable:
    return order.product


def by_month(order: Order) -> Hashable:
    return f"{order.created_at:%Y-%m}"


def by_store(order: Order) -> Hashable:
    return order.store


GROUPS: dict[str, Callable[[Order], Hashable]] = {
    "product": by_product, "month": by_month, "store": by_store,
    "day": lambda order: order.created_at.date().isoformat(),
    "campaign": lambda order: order.campaign,
}


@pytest.mark.parametrize("name", GROUPS)
def test_conversion(sample: Sample, name: str) -> None:
    group = GROUPS[name]
    created = Counter(group(order) for order in sample.orders)
    decided = Counter(group(order) for order in matured(sample))
    paid = Counter(group(order) for order in matured(sample) if order.outcome == "paid")
    rows = sample.metric("conversion", "--by", name)["rows"]
    assert {row[name]: row["orders"] for row in rows} == created
    assert {row[name]: row["matured"] for row in rows if row["matured"]} == decided
    assert {row[name]: row["paid"] for row in rows if row["paid"]} == paid
    for row in rows:
        assert row["open"] == row["orders"] - row["matured"]
        if row["matured"]:
            assert row["rate"] == row["paid"] / row["matured"]
            assert row["low"] <= row["rate"] <= row["high"]
        else:
            assert row["rate"] is None


def test_the_interval_is_wilsons(sample: Sample) -> None:
    row = sample.metric("conversion")["rows"][0]
    n, p, z = row["matured"], row["paid"] / row["matured"], 1.959964
    root = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert row["low"] == pytest.approx((p + z * z / (2 * n) - root) / (1 + z * z / n), abs=1e-6)
    assert row["high"] == pytest.approx((p + z * z / (2 * n) + root) / (1 + z * z / n), abs=1e-6)


def test_outcomes_are_the_planted_ones_and_add_up(sample: Sample) -> None:
    rows = sample.metric("outcomes")["rows"]
    orders = matured(sample)
    assert {row["outcome"]: row["orders"] for row in rows} == Counter(o.outcome for o in orders)
    wanted: Counter[str] = Counter()
    for order in orders:
        wanted[order.outcome] += order.amount_fen
    assert {row["outcome"]: row["amount_fen"] for row in rows} == wanted
    conversion = sample.metric("conversion")["rows"][0]
    assert sum(row["orders"] for row in rows) == conversion["matured"]


def test_every_failure_class_is_planted(sample: Sample) -> None:
    from dashboard.metrics.outcomes import CLASSES

    assert {order.outcome for order in sample.orders} == set(CLASSES)


def first_failed(order: Order) -> bool:
    first = order.attempts[0] if order.attempts else None
    unknown = first is not None and first.failed_for == "timeout_unknown"
    return first is not None and first.failed_for is not None and not unknown


def test_payment_success(sample: Sample) -> None:
    def final(order: Order) -> bool:
        failed = any(
            a.reached and a.failed_for and a.failed_for != "timeout_unknown" for a in order.attempts
        )
        return failed or order.is_paid

    orders = [order for order in sample.orders if final(order)]
    row = sample.metric("payment_success")["rows"][0]
    assert row["orders"] == len(orders)
    assert row["succeeded"] == sum(order.is_paid for order in orders)
    first = sum(order.is_paid and len(order.attempts) == 1 for order in orders)
    assert row["first_attempt_rate"] == first / len(orders)
    failed = [order for order in sample.orders if first_failed(order)]
    assert row["recovery_rate"] == sum(order.is_paid for order in failed) / len(failed)


def test_failures(sample: Sample) -> None:
    rows = sample.metric("failures")["rows"]
    attempts: Counter[tuple[object, ...]] = Counter()
    lost: Counter[tuple[object, ...]] = Counter()
    last: Counter[tuple[object, ...]] = Counter()
    for order in sample.orders:
        failed = [a for a in order.attempts if a.failed_for and a.failed_for != "timeout_unknown"]
        keys = [(a.source, a.failed_for, a.sub_code) for a in failed]
        attempts.update(keys)
        if keys and not order.is_paid and order in matured_set(sample):
            last[keys[-1]] += 1
            lost[keys[-1]] += order.amount_fen
    assert {(r["source"], r["reason"], r["code"]): r["attempts"] for r in rows} == attempts
    assert {k: v for r in rows if (v := r["orders"]) and (k := key(r))} == last
    assert {k: v for r in rows if (v := r["lost_fen"]) and (k := key(r))} == lost


def key(row: dict[str, Any]) -> tuple[object, ...]:
    return row["source"], row["reason"], row["code"]


class _Orders(list[Order]):
    def __contains__(self, order: object) -> bool:
        return isinstance(order, Order) and any(order is item for item in self)


_MATURED: dict[int, set[int]] = {}


def matured_set(sample: Sample) -> Any:
    numbers = _MATURED.setdefault(id(sample), {order.number for order in matured(sample)})

    class Found:
        def __contains__(self, order: Order) -> bool:
            return order.number in numbers

    return Found()


@pytest.mark.parametrize("name", ["month", "product"])
def test_sales(sample: Sample, name: str) -> None:
    def stamp(at: datetime) -> str:
        return f"{at:%Y-%m}"

    wanted: dict[Hashable, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    buyers: dict[Hashable, set[int]] = defaultdict(set)
    for order in sample.orders:
        wanted[GROUPS[name](order)]["orders"] += 1
        if order.paid_at:
            at = stamp(order.paid_at) if name == "month" else order.product
            wanted[at]["paid"] += 1
            wanted[at]["paid_fen"] += order.amount_fen
            buyers[at].add(order.buyer)
        for refund in order.refunds:
            at = stamp(refund.done_at) if name == "month" else order.product
            wanted[at]["refunds"] += 1
            wanted[at]["refunded_fen"] += refund.amount_fen
    rows = sample.metric("sales", "--by", name)["rows"]
    for row in rows:
        truth = wanted[row[name]]
        for field in ("orders", "paid", "paid_fen", "refunds", "refunded_fen"):
            assert row[field] == truth[field], (row[name], field)
        assert row["buyers"] == len(buyers[row[name]])
        if truth["paid"]:
            assert abs(row["average_order_fen"] - truth["paid_fen"] / truth["paid"]) <= 0.5
    assert {row[name] for row in rows} == set(wanted)


def quantile(values: list[float], q: float) -> float:
    values = sorted(values)
    at = q * (len(values) - 1)
    low = int(at)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (at - low)


def test_latency(sample: Sample) -> None:
    rows = {row["stage"]: row for row in sample.metric("latency")["rows"]}
    now = as_of(sample, "checkout", "notifications")
    paid = [order for order in sample.orders if order.paid_at]
    channel = [(o.paid_at - o.attempts[-1].at).total_seconds() for o in paid]  # type: ignore[operator]
    heard = [(o.received_at[0] - o.paid_at).total_seconds() for o in paid if o.received_at]  # type: ignore[operator]
    silent = [
        o for o in paid if not o.received_at and o.paid_at and o.paid_at <= now - timedelta(hours=25)
    ]
    assert rows["channel"]["count"] == len(channel)
    assert rows["channel"]["missing"] == 0
    assert rows["channel"]["p50_s"] == pytest.approx(quantile(channel, 0.5), abs=0.002)
    assert rows["channel"]["p95_s"] == pytest.approx(quantile(channel, 0.95), abs=0.002)
    assert rows["notification"]["count"] == len(heard)
    assert rows["notification"]["missing"] == len(silent)
    everything = heard + [math.inf] * len(silent)
    assert rows["notification"]["p50_s"] == pytest.approx(quantile(everything, 0.5), abs=0.002)
    ends = [(o.received_at[0] - o.created_at).total_seconds() for o in paid if o.received_at]
    assert rows["end_to_end"]["p50_s"] == pytest.approx(
        quantile(ends + [math.inf] * len(silent), 0.5), abs=0.002
    )
    calls = [a.elapsed_ms / 1000 for o in sample.orders for a in o.attempts]
    assert rows["api"]["count"] == len(calls)
    assert rows["api"]["p95_s"] == pytest.approx(quantile(calls, 0.95), abs=0.002)
    refunds = [
        (r.done_at - r.requested_at).total_seconds() for o in sample.orders for r in o.refunds
    ]
    late = [value for value in refunds if value >= 0]
    assert rows["refund"]["count"] == len(late)
    assert rows["refund"]["skewed"] == len(refunds) - len(late)


def test_too_few_rows_have_no_percentile(sample: Sample) -> None:
    day = LAST_DAY.isoformat()
    rows = sample.metric("latency", "--from", day, "--to", day)["rows"]
    for row in rows:
        assert (row["p99_s"] is None) == (row["count"] + row["missing"] < 500)


def test_notifications(sample: Sample) -> None:
    row = sample.metric("notifications")["rows"][0]
    paid = [order for order in sample.orders if order.paid_at]
    now = as_of(sample, "notifications", "bills")
    received = [order for order in paid if order.received_at]
    assert row["expected"] == len(paid)
    assert row["received"] == len(received)
    assert row["missing"] == sum(
        1 for o in paid
        if not o.received_at and o.paid_at and o.paid_at <= now - timedelta(hours=25)
    )
    assert row["duplicates"] == sum(len(o.received_at) - 1 for o in received)
    waits = [(o.received_at[0] - o.paid_at).total_seconds() for o in received]  # type: ignore[operator]
    assert row["first_delivery_rate"] == sum(w < 192 for w in waits) / len(paid)
    rungs = Counter(
        "0" if w < 192 else str(min(range(4), key=lambda at: abs(w - (240, 840, 1440, 5040)[at])) + 1)
        for w in waits
    )
    assert row["rung"] == rungs
    assert (row["bad_signature"], row["mismatched"]) == (0, 0)


def test_refund_rate_is_the_cohorts(sample: Sample) -> None:
    rows = sample.metric("refund_rate", "--by", "month")["rows"]
    for row in rows:
        orders = [o for o in sample.orders if o.paid_at and by_month(o) == row["month"]]
        refunded = [
            o for o in orders if o.refunds
            and o.refunds[0].done_at <= o.paid_at + timedelta(days=30)  # type: ignore[operator]
        ]
        assert (row["paid"], row["refunded"]) == (len(orders), len(refunded))
        old = all(
            o.paid_at + timedelta(days=30) <= datetime(2026, 11, 1)  # type: ignore[operator]
            for o in orders
        )
        assert row["mature"] is old
        assert row["rate"] == (len(refunded) / len(orders) if old else None)


@pytest.mark.parametrize("name", ["day", "month"])
def test_settlement(sample: Sample, name: str) -> None:
    wanted: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for day, lines in bill_lines(sample.orders).items():
        at = day.isoformat() if name == "day" else f"{day:%Y-%m}"
        for line in lines:
            wanted[at][1 if line.refund else 0] += abs(line.receipt_fen)
            wanted[at][2] += line.fee_fen
    rows = sample.metric("settlement", "--by", name)["rows"]
    for row in rows:
        gross, refunded, fee = wanted.pop(row[name], [0, 0, 0])
        assert (row["gross_fen"], row["refunded_fen"], row["fee_fen"]) == (gross, refunded, fee)
        assert row["net_fen"] == gross - refunded - fee
    assert {day: values for day, values in wanted.items() if day <= LAST_DAY.isoformat()} == {}


def test_planted_trouble_shows_where_it_was_planted(sample: Sample) -> None:
    bank = sample.merchant.failing_bank[0].date()
    rows = sample.metric("failures", "--by", "product", "--from", bank.isoformat(), "--to",
                         (bank + timedelta(days=2)).isoformat())["rows"]
    worst = max(rows, key=lambda row: row["attempts"])
    assert (worst["product"], worst["source"]) == (MAIN, "bank")
    slow = sample.merchant.slow_afternoon[0].date()
    row = sample.metric("notifications", "--from", slow.isoformat(), "--to", slow.isoformat())
    usual = sample.metric("notifications")["rows"][0]
    assert row["rows"][0]["first_delivery_rate"] < usual["first_delivery_rate"]


def test_a_filter_leaves_what_it_names(sample: Sample) -> None:
    whole = {r["product"]: r for r in sample.metric("conversion", "--by", "product")["rows"]}
    one = sample.metric("conversion", "--where", f"product={MAIN}")["rows"][0]
    assert one["orders"] == whole[MAIN]["orders"]
    none = sample.metric("conversion", "--where", "store=")["rows"][0]
    assert none["orders"] == sum(order.store is None for order in sample.orders)


def test_days_of_the_contract_are_inclusive_and_the_shops(sample: Sample) -> None:
    day = date(2026, 10, 7)
    row = sample.metric("conversion", "--from", day.isoformat(), "--to", day.isoformat())["rows"][0]
    assert row["orders"] == sum(order.created_at.date() == day for order in sample.orders)
    hours = sample.metric("conversion", "--from", day.isoformat(), "--to", day.isoformat(), "--by",
                          "hour")["rows"]
    assert hours[0]["hour"] == "2026-10-07T00:00:00+08:00"
    assert hours[-1]["hour"] == "2026-10-07T23:00:00+08:00"
