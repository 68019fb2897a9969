"""Campaigns against the sample merchant's planted truth, counted anew from its orders."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from dashboard.metrics.campaigns import judged
from sample_data.merchant import ABANDONED, AUTUMN_WON, CANCELLED, Order
from tests.conftest import Mdash, Sample
from tests.store.messages import body, envelope, fields
from tests.store.messages import order as logged

CAMPAIGNS = ("autumn", "member", "double11", "618")
COMPARED = ("autumn", "double11", "618")
"""Campaigns that began when the shop had been open for four weeks."""


def rows_of(sample: Sample, *arguments: str) -> dict[str, dict[str, Any]]:
    return {row["campaign"]: row for row in sample.metric("campaigns", *arguments)["rows"]}


@pytest.fixture(scope="module")
def whole(sample: Sample) -> dict[str, dict[str, Any]]:
    """Each campaign's row over the whole of the merchant's time."""
    return rows_of(sample)


def told(sample: Sample) -> list[Order]:
    """Orders that are decided; the log ends with the last one of all."""
    end = max(order.created_at for order in sample.orders)
    return [order for order in sample.orders if order.due_at <= end]


def of_group(sample: Sample, campaign: str, group: str | None) -> list[Order]:
    return [o for o in told(sample) if o.campaign == campaign and o.group == group]


def in_time(orders: Sequence[Order]) -> list[Order]:
    return [order for order in orders if is_paid(order)]


def is_paid(order: Order) -> bool:
    return order.paid_at is not None and order.paid_at <= order.due_at


def alike(order: Order) -> tuple[object, ...]:
    return f"{order.created_at:%a %H}", order.product, order.client


def pairs(
    sample: Sample, campaign: str, chosen: Callable[[Order], bool] = bool
) -> list[tuple[Order, list[Order]]]:
    """Each order of a campaign that finds any, with all it finds in the four weeks before."""
    begun = min(o.created_at for o in sample.orders if o.campaign == campaign)
    begun = begun.replace(minute=0, second=0, microsecond=0)
    found = defaultdict(list)
    for earlier in told(sample):
        is_before = begun - timedelta(28) <= earlier.created_at < begun
        if is_before and earlier.campaign is None and chosen(earlier):
            found[alike(earlier)].append(earlier)
    mine = [o for o in of_group(sample, campaign, None) if chosen(o)]
    return [(o, found[alike(o)]) for o in mine if found[alike(o)]]


def one_by_one(
    found: Sequence[tuple[Order, list[Order]]], value: Callable[[Order], float]
) -> tuple[float, float, float, float]:
    """Mean of ours; of the earlier ones, each with its own weight: mean, mean square, Kish's size."""
    weights: dict[int, float] = defaultdict(float)
    values = {}
    for _, earlier in found:
        for other in earlier:
            weights[other.number] += 1 / len(earlier) / len(found)
            values[other.number] = value(other)
    mean = sum(weight * values[number] for number, weight in weights.items())
    square = sum(weight * values[number] ** 2 for number, weight in weights.items())
    size = sum(weights.values()) ** 2 / sum(weight**2 for weight in weights.values())
    return sum(value(mine) for mine, _ in found) / len(found), mean, square, size


@pytest.mark.parametrize("campaign", CAMPAIGNS)
def test_every_number_of_its_own_is_the_merchants(
    sample: Sample, whole: dict[str, dict[str, Any]], campaign: str
) -> None:
    row = whole[campaign]
    mine, held = (of_group(sample, campaign, group) for group in (None, "control"))
    paid = in_time(mine)
    assert (row["matured"], row["paid"]) == (len(mine), len(paid))
    assert row["rate"] == len(paid) / len(mine)
    assert row["paid_fen"] == sum(order.amount_fen for order in paid)
    assert row["discount_fen"] == sum(order.discount_fen for order in paid)
    assert bool(row["discount_fen"]) == (campaign != "member")
    assert row["holdout_orders"] == len(held)
    begun = min(o.created_at for o in sample.orders if o.campaign == campaign)
    assert row["begun_at"] == begun.strftime("%Y-%m-%dT%H:00:00+08:00")


@pytest.mark.parametrize("campaign", COMPARED)
def test_the_matched_baseline_order_by_order(
    sample: Sample, whole: dict[str, dict[str, Any]], campaign: str
) -> None:
    """Written differently: every earlier order with its own weight instead of cells."""
    row, found = whole[campaign], pairs(sample, campaign)
    ours, base, _, size = one_by_one(found, is_paid)
    assert row["matched_orders"] == len(found)
    assert row["matched_share"] == pytest.approx(len(found) / row["matured"])
    assert row["compared_orders"] == len({o.number for _, earlier in found for o in earlier})
    assert row["compared_size"] == pytest.approx(size)
    assert (row["matched_rate"], row["compared_rate"]) == pytest.approx((ours, base))
    low, high = hybrid(ours, len(found), base, size)
    assert row["uplift"] == pytest.approx(ours - base)
    assert (row["uplift_low"], row["uplift_high"]) == pytest.approx((low, high))


@pytest.mark.parametrize("campaign", COMPARED)
@pytest.mark.parametrize("name", ["value_uplift", "discount_order"])
def test_amounts_are_compared_likewise(
    sample: Sample, whole: dict[str, dict[str, Any]], campaign: str, name: str
) -> None:
    def value(order: Order) -> float:
        return order.amount_fen if name == "value_uplift" else order.discount_fen

    row, found = whole[campaign], pairs(sample, campaign, is_paid)
    ours, base, square, size = one_by_one(found, value)
    if min(size, len(found)) < 1.999:
        assert row[f"{name}_fen"] is None
        return
    mine = [value(order) for order, _ in found]
    error = sum((one - ours) ** 2 for one in mine) / (len(mine) - 1) / len(mine)
    spread = 1.959963984540054 * math.sqrt(error + (square - base**2) / (size - 1))
    assert row[f"{name}_fen"] == round(ours - base)
    assert row[f"{name}_low_fen"] == pytest.approx(ours - base - spread, abs=0.6)
    assert row[f"{name}_high_fen"] == pytest.approx(ours - base + spread, abs=0.6)


@pytest.mark.parametrize("campaign", ["autumn", "member"])
def test_the_hold_out_group_is_compared_as_it_is(
    sample: Sample, whole: dict[str, dict[str, Any]], campaign: str
) -> None:
    row = whole[campaign]
    mine, held = (of_group(sample, campaign, group) for group in (None, "control"))
    (p1, n1), (p0, n0) = ((len(in_time(g)) / len(g), len(g)) for g in (mine, held))
    assert row["holdout_rate"] == p0
    assert row["holdout_uplift"] == pytest.approx(p1 - p0)
    found = row["holdout_uplift_low"], row["holdout_uplift_high"]
    assert found == pytest.approx(hybrid(p1, n1, p0, n0))
    value = [sum(o.amount_fen for o in in_time(g)) / len(in_time(g)) for g in (mine, held)]
    assert row["holdout_value_uplift_fen"] == round(value[0] - value[1])


def hybrid(p1: float, n1: float, p0: float, n0: float) -> tuple[float, float]:
    """Newcombe's interval, written out once more from the score equation's roots."""
    (l1, u1), (l0, u0) = score_roots(p1, n1), score_roots(p0, n0)
    change = p1 - p0
    return (change - math.sqrt((p1 - l1) ** 2 + (u0 - p0) ** 2),
            change + math.sqrt((u1 - p1) ** 2 + (p0 - l0) ** 2))


def score_roots(share: float, count: float) -> tuple[float, float]:
    """Where (share - p)² = z² p (1 - p) / count."""
    z2 = 1.959963984540054**2
    a, b, c = 1 + z2 / count, -(2 * share + z2 / count), share * share
    root = math.sqrt(b * b - 4 * a * c)
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


def test_the_planted_lifts_lie_in_the_intervals(
    sample: Sample, whole: dict[str, dict[str, Any]]
) -> None:
    rows = whole
    planted = AUTUMN_WON * (ABANDONED + CANCELLED) / 1000
    for side in ("", "holdout_"):
        autumn = rows["autumn"]
        assert autumn[f"{side}uplift_low"] < planted < autumn[f"{side}uplift_high"]
    member = rows["member"]
    assert member["holdout_uplift_sure"] is True
    assert member["holdout_uplift_low"] < 0.2 * member["rate"] < member["holdout_uplift_high"]


def test_a_campaign_as_old_as_the_data_has_nothing_before_it_and_says_so(
    sample: Sample, whole: dict[str, dict[str, Any]]
) -> None:
    member = whole["member"]
    assert member["matched_share"] < 0.02
    assert member["uplift_sure"] is None
    (shown,) = judged([member])
    assert (shown["uplift"], shown["uplift_low"]) == (None, None)
    assert shown["holdout_uplift"] == member["holdout_uplift"]
    notes = " ".join(sample.metric("campaigns")["notes"])
    assert "member" in notes.split("those alone: ")[1]


def test_a_campaign_that_paused_begins_anew(
    home: Path, mdash: Mdash, channel_key: bytes, tmp_path: Path
) -> None:
    begins = {1: "2026-03-01", 2: "2026-03-10", 3: "2026-04-28", 4: "2026-05-03"}
    lines = [logged(f"M{n}", at=f"{day}T12:00:00+08:00", expires_at=f"{day}T12:30:00+08:00",
                   campaign="again", buyer="u1") for n, day in begins.items()]
    earlier = [logged(f"B{day}", at=f"2026-04-{day}T12:10:00+08:00", buyer="u2",
                     expires_at=f"2026-04-{day}T12:30:00+08:00", campaign=campaign)
               for day, campaign in ((21, None), (14, "other"), (26, None))]
    earlier.append(logged("L", at="2026-05-03T13:00:00+08:00", expires_at=None))
    (tmp_path / "c.jsonl").write_text("\n".join(lines + earlier) + "\n", "utf-8")
    paid = envelope(body(channel_key, fields("M4")), "2026-05-03T13:00:00+08:00")
    (tmp_path / "n.log").write_text(paid + "\n", "utf-8")
    assert mdash("load", str(tmp_path / "c.jsonl"), str(tmp_path / "n.log")).code == 0

    def asked(*period: str) -> dict[str, Any]:
        ran = mdash("metric", "campaigns", "--from", period[0], "--to", period[1], "--where",
                    "campaign=again", "--format", "json")
        assert ran.code == 0, ran.err
        found: dict[str, Any] = ran.json()["rows"][0]
        return found

    assert asked("2026-03-01", "2026-03-31")["begun_at"] == "2026-03-01T12:00:00+08:00"
    row = asked("2026-03-01", "2026-05-31")
    assert row["begun_at"] == "2026-04-28T12:00:00+08:00"
    assert asked("2026-05-01", "2026-05-31")["compared_orders"] == 1
    assert (row["orders"], row["matched_orders"], row["compared_orders"]) == (4, 4, 2)


def test_two_first_purchases_of_one_moment_are_one_new_buyer(
    home: Path, mdash: Mdash, channel_key: bytes, tmp_path: Path
) -> None:
    at = "2026-06-01T12:00:00+08:00"
    lines = [logged(f"L{day}", at=f"2026-{day}T12:00:00+08:00", expires_at=None, buyer="u2")
             for day in ("01-01", "06-03")]
    lines += [logged(f"M{client}", at=at, expires_at="2026-06-01T12:30:00+08:00", campaign="again",
                     buyer="u1", client=client) for client in ("h5", "ios")]
    (tmp_path / "c.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    paid = [envelope(body(channel_key, fields(name, gmt_payment="2026-06-01 12:00:30")),
                     "2026-06-02T13:00:00+08:00")
            for name in ("Mh5", "Mios")]
    (tmp_path / "n.log").write_text("\n".join(paid) + "\n", "utf-8")
    assert mdash("load", str(tmp_path / "c.jsonl"), str(tmp_path / "n.log")).code == 0
    ran = mdash("metric", "campaigns", "--from", "2026-06-01", "--to", "2026-06-30", "--format", "json")
    (row,) = ran.json()["rows"]
    assert (row["orders"], row["new_buyers"]) == (2, 1)


def test_new_buyers_are_those_whose_first_purchase_it_was(
    sample: Sample, whole: dict[str, dict[str, Any]]
) -> None:
    firsts: dict[int, Order] = {}
    for order in sample.orders:
        is_back = sum(refund.amount_fen for refund in order.refunds) == order.amount_fen
        if order.paid_at and not is_back:
            known = firsts.get(order.buyer)
            if known is None or known.paid_at is None or order.paid_at < known.paid_at:
                firsts[order.buyer] = order
    since = sample.merchant.first_day + timedelta(days=unproven_days(sample))
    wanted = {
        name: sum(o.campaign == name and o.group is None and o.paid_at.date() >= since
                  for o in firsts.values() if o.paid_at)
        for name in CAMPAIGNS
    }
    found = {name: row["new_buyers"] for name, row in whole.items()}
    assert found == wanted
    assert wanted["member"] > 0


def unproven_days(sample: Sample) -> int:
    notes = sample.metric("retention")["notes"]
    return int(next(note for note in notes if "first seen" in note).split(" days of")[0].split()[-1])


def test_a_filter_on_a_campaign_keeps_what_it_is_compared_with(
    sample: Sample, whole: dict[str, dict[str, Any]]
) -> None:
    only = rows_of(sample, "--where", "campaign=618")
    assert only == {"618": whole["618"]}


def test_a_split_by_product_is_compared_with_that_product(
    sample: Sample, whole: dict[str, dict[str, Any]]
) -> None:
    """Products are part of the cell, so that their parts together are the whole."""
    every = whole["autumn"]
    parts = [row for row in sample.metric("campaigns", "--by", "product")["rows"]
             if row["campaign"] == "autumn"]
    for name in ("orders", "matched_orders", "compared_orders"):
        assert sum(row[name] or 0 for row in parts) == every[name]
    paid = sum(row["compared_rate"] * row["matched_orders"] for row in parts if row["matched_orders"])
    assert paid / every["matched_orders"] == pytest.approx(every["compared_rate"])
    one = rows_of(sample, "--where", "product=FACE_TO_FACE_PAYMENT")["autumn"]
    (part,) = [row for row in parts if row["product"] == "FACE_TO_FACE_PAYMENT"]
    assert one | {"product": part["product"]} == part


def test_by_day_every_day_is_set_against_the_weeks_before_all_of_them(
    sample: Sample, whole: dict[str, dict[str, Any]]
) -> None:
    days = [row for row in sample.metric("campaigns", "--by", "day")["rows"]
            if row["campaign"] == "autumn"]
    every = whole["autumn"]
    assert sum(row["matched_orders"] for row in days) == every["matched_orders"]
    assert {row["begun_at"] for row in days} == {every["begun_at"]}


def test_splits_add_up_and_a_period_without_campaigns_is_empty(
    sample: Sample, whole: dict[str, dict[str, Any]]
) -> None:
    every = whole["member"]
    parts = sample.metric("campaigns", "--by", "month")["rows"]
    for name in ("orders", "paid", "paid_fen", "discount_fen", "new_buyers", "holdout_orders"):
        assert sum(row[name] or 0 for row in parts if row["campaign"] == "member") == every[name]
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
