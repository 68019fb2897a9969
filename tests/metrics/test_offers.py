"""What goes together, lists of what to offer, and one buyer: planted truths, counted anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import permutations
from math import exp, log, sqrt

import numpy as np
import pytest

from dashboard.metrics import also_bought
from dashboard.metrics.loyalty import Loyalty
from dashboard.metrics.question import Question
from dashboard.metrics.segment_rules import frequency_of, frequency_sql, recency_of, recency_sql
from dashboard.services import Services
from loaders.privacy import pseudonym, pseudonym_key
from loaders.settings import load_settings
from sample_data.merchant import BOUGHT_TOGETHER, TASTES, Order
from tests.conftest import Sample

PERIOD = ("--from", "2026-10-01", "--to", "2026-10-31")
OCTOBER = Question(date(2026, 10, 1), date(2026, 10, 31))
YEAR = timedelta(days=365)
Z = 1.959963984540054


@pytest.fixture(scope="module")
def services(sample: Sample) -> Iterator[Services]:
    made = Services(load_settings(sample.home), language="en")
    yield made
    made.reader.close()


def is_kept(order: Order) -> bool:
    back = sum(refund.amount_fen for refund in order.refunds)
    return order.paid_at is not None and back < order.amount_fen


Purchases = dict[int, dict[datetime, set[str]]]


def purchases(orders: Iterable[Order], until: datetime) -> Purchases:
    """What each buyer bought at each moment."""
    found: Purchases = {}
    for order in orders:
        if is_kept(order) and order.paid_at and order.paid_at < until:
            at = found.setdefault(order.buyer, {}).setdefault(order.paid_at, set())
            at.update(sku for sku, *_ in order.items)
    return found


def owned(moments: dict[datetime, set[str]]) -> set[str]:
    return set().union(*moments.values())


def name_of(sample: Sample, buyer: int) -> str:
    return pseudonym(pseudonym_key(sample.home), "shop", f"u-{buyer}")


def lift_and_error(cells: Sequence[float]) -> tuple[float, float]:
    """Lift of the cells (both, first, other, none), and the error of its logarithm.

    The gradient is taken by differences: another way than the closed form that is tested.
    """
    shares = [float(cell) / sum(cells) for cell in cells]

    def log_lift(p: Sequence[float]) -> float:
        return log(p[0]) - log(p[0] + p[1]) - log(p[0] + p[2]) + log(sum(p))

    def moved(at: int, step: float) -> float:
        return log_lift([share + step * (at == place) for place, share in enumerate(shares)])

    slope = [(moved(at, 1e-6) - moved(at, -1e-6)) / 2e-6 for at in range(4)]
    mean = sum(share * part for share, part in zip(shares, slope, strict=True))
    square = sum(share * part * part for share, part in zip(shares, slope, strict=True))
    return exp(log_lift(shares)), sqrt(max(square - mean * mean, 0) / sum(cells))


class Learnt:
    """Pairs and popularity of purchases, counted buyer by buyer."""

    def __init__(self, had: Sequence[set[str]], least: int = 20) -> None:
        self.buyers = len(had)
        self.one = Counter(item for items in had for item in items)
        self.two = Counter(pair for items in had for pair in permutations(sorted(items), 2))
        self.intervals = {
            pair: self._interval(*pair) for pair, n in self.two.items() if n >= least
        }
        self.pairs = {pair for pair, (low, _) in self.intervals.items() if low > 1}
        self.popular = sorted(self.one, key=lambda item: (-self.one[item], item))

    def _interval(self, item: str, other: str) -> tuple[float, float]:
        both, one, two = self.two[item, other], self.one[item], self.one[other]
        lift, error = lift_and_error((both, one - both, two - both, self.buyers - one - two + both))
        return lift * exp(-Z * error), lift * exp(Z * error)

    def chance(self, item: str, had: set[str]) -> float:
        hints = [self.two[own, item] / self.one[own] for own in had if (own, item) in self.pairs]
        return max([self.one[item] / self.buyers, *hints])

    def listed(self, had: set[str]) -> list[str]:
        rest = [item for item in self.popular if item not in had]
        return sorted(rest, key=lambda item: (-self.chance(item, had), -self.one[item], item))[:10]

    def most_popular(self, had: set[str]) -> list[str]:
        return [item for item in self.popular if item not in had][:10]


def end_of(answer: dict[str, str]) -> datetime:
    return datetime.fromisoformat(answer["as_of"]).replace(tzinfo=None)


def test_pairs_are_counted_anew_by_buyer(sample: Sample) -> None:
    answer = sample.metric("also_bought")
    known = Learnt([owned(one) for one in purchases(sample.orders, end_of(answer)).values()])
    rows = answer["rows"]
    assert {(row["item"], row["other"]) for row in rows} == known.pairs
    for row in rows:
        pair = row["item"], row["other"]
        assert (row["buyers"], row["together"]) == (known.one[pair[0]], known.two[pair])
        assert row["support"] == pytest.approx(known.two[pair] / known.buyers)
        assert row["confidence"] == pytest.approx(known.two[pair] / known.one[pair[0]])
        assert row["lift"] == pytest.approx(row["confidence"] * known.buyers / known.one[pair[1]])
        low, high = known.intervals[pair]
        assert row["lift_low"] == pytest.approx(low, rel=1e-5)
        assert row["lift_high"] == pytest.approx(high, rel=1e-5)
    assert [row["lift_low"] for row in rows] == sorted((row["lift_low"] for row in rows), reverse=True)


def test_planted_tastes_and_companions_are_found(sample: Sample) -> None:
    """All that stands far above chance was planted, and nearly all that was planted stands there."""
    rows = sample.metric("also_bought")["rows"]
    group = {sku: at for at, taste in enumerate(TASTES) for sku, *_ in taste}
    same = [row for row in rows
            if group.get(row["item"], -1) == group.get(row["other"], -2)]
    assert rows[: len(same)] == same
    assert len(same) > 0.7 * len(TASTES) * 4 * 3
    # Of so many tastes one is a buyer's own: about so great is the lift of two of its items.
    assert float(np.median([row["lift"] for row in same])) == pytest.approx(len(TASTES), rel=0.3)
    assert min(row["lift_low"] for row in same) > 2
    found = {(row["item"], row["other"]) for row in rows}
    assert found >= {(first, second) for first, second, _ in BOUGHT_TOGETHER}


def test_the_interval_holds_what_it_promises() -> None:
    """Of 1,000 shops with a lift of 2, 95 % of the intervals hold 2, 2.5 % lying above it."""
    draw = np.random.default_rng(3)
    shares = (0.04, 0.06, 0.16, 0.74)
    truth = log(0.04 / (0.1 * 0.2))
    found = [lift_and_error(cells) for cells in draw.multinomial(1_500, shares, 1_000)]
    apart = [(log(lift) - truth) / error for lift, error in found]
    assert 0.93 < sum(abs(z) < Z for z in apart) / 1_000 < 0.97
    assert sum(z > Z for z in apart) / 1_000 < 0.04


def held_out(sample: Sample, until: datetime) -> dict[int, tuple[datetime, datetime]]:
    """For each buyer tested, the moment of the purchase held out and of the list's making."""
    found = {}
    for buyer, moments in purchases(sample.orders, until).items():
        last = max(moments)
        if len(moments) > 1 and last >= until - YEAR:
            found[buyer] = last, last.replace(day=1, hour=0, minute=0, second=0)
    return found


def learnt_before(sample: Sample, until: datetime, month: datetime) -> Learnt:
    """What is known at the begin of a month, without any purchase held out."""
    held = held_out(sample, until)
    had = []
    for buyer, moments in purchases(sample.orders, until).items():
        kept = {at: items for at, items in moments.items()
                if until - YEAR <= at < month and (buyer not in held or at < held[buyer][0])}
        if kept:
            had.append(owned(kept))
    return Learnt(had, FEW)


FEW = 5
"""In so small a shop hardly a pair has 20 buyers before its last months."""


def test_the_hit_rate_is_recounted_buyer_by_buyer(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each list made once more in Python: of the past alone, without what is held out."""
    monkeypatch.setattr(also_bought, "LEAST_TOGETHER", FEW)
    answer = sample.metric("recommendation", *PERIOD)
    until = end_of(answer)
    bought, held = purchases(sample.orders, until), held_out(sample, until)
    months = {month for _, month in held.values()}
    models = {month: learnt_before(sample, until, month) for month in months}
    counts: Counter[str] = Counter()
    for buyer, (last, month) in held.items():
        known, wanted = models[month], bought[buyer][last]
        had = owned({at: items for at, items in bought[buyer].items() if at < last})
        listed = known.listed(had)
        if not listed:
            continue
        hit, popular = (bool(wanted & set(each)) for each in (listed, known.most_popular(had)))
        counts.update(buyers=1, also_bought=hit, most_popular=popular, apart=hit != popular)
    lists = {row["shortlist"]: row for row in answer["rows"]}
    for name, row in lists.items():
        assert (row["items"], row["buyers"], row["hits"]) == (10, counts["buyers"], counts[name])
    row, n = lists["also_bought"], counts["buyers"]
    more = counts["also_bought"] - counts["most_popular"]
    # Each buyer's difference is 1, 0 or -1: the interval of their mean.
    each = np.array([1] * ((counts["apart"] + more) // 2) + [-1] * ((counts["apart"] - more) // 2))
    each = np.concatenate([each, np.zeros(n - len(each))])
    spread = Z * float(each.std()) / sqrt(n)
    assert row["difference_rate"] == pytest.approx(float(each.mean()))
    assert row["difference_low_rate"] == pytest.approx(float(each.mean()) - spread)
    assert row["difference_high_rate"] == pytest.approx(float(each.mean()) + spread)
    assert row["difference_low_rate"] > 0, "tastes were planted, so the list knows more"


def test_a_buyers_list_is_the_tested_one(sample: Sample, services: Services) -> None:
    """The page's list is made as the one that is tested, from the year before the period's end."""
    loyalty = Loyalty(services.answers)
    until = end_of(sample.metric("recommendation", *PERIOD))
    bought = purchases(sample.orders, until)
    known = Learnt([
        owned(kept) for moments in bought.values()
        if (kept := {at: items for at, items in moments.items() if at >= until - YEAR})
    ])
    for buyer in (0, 3, 40, 71):
        found = loyalty.buyer(OCTOBER, name_of(sample, buyer))
        assert found is not None
        listed = {row["item"]: row["chance_rate"] for row in found.next_items}
        had = owned(bought[buyer])
        assert set(listed) == set(known.listed(had))
        assert not had & set(listed)
        assert listed == pytest.approx({item: known.chance(item, had) for item in listed})


@pytest.mark.slow
def test_a_segments_list_counts_the_lists_of_its_buyers(sample: Sample, services: Services) -> None:
    loyalty = Loyalty(services.answers)
    sizes = {row["segment"]: row["buyers"] for row in services.metric("segments", OCTOBER).rows}
    segment = min(sizes, key=lambda name: sizes[name])
    members = loyalty.buyers_in(OCTOBER, segment)
    assert 0 < len(members) == sizes[segment] < 200
    counts = Counter(
        row["item"] for member in members
        for found in [loyalty.buyer(OCTOBER, member["buyer"])] if found
        for row in found.next_items
    )
    rows = loyalty.next_for_segment(OCTOBER, segment)
    assert [row["buyers"] for row in rows] == [n for _, n in counts.most_common(10)]
    assert all(row["buyers"] == counts[row["item"]] for row in rows)


def test_of_a_large_store_whole_buyers_are_drawn_and_it_is_said(
    sample: Sample, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = sample.metric("recommendation", *PERIOD)
    assert "Of 1 buyers" not in str(whole["notes"])
    monkeypatch.setattr(also_bought, "SAMPLED_ITEMS", 2_500)
    half, again = (sample.metric("recommendation", *PERIOD) for _ in range(2))
    assert half["notes"][0].startswith("Of ")
    assert half["rows"] == again["rows"]
    share = int(half["notes"][0].split()[1])
    assert share > 1
    assert 0.5 < half["rows"][0]["buyers"] * share / whole["rows"][0]["buyers"] < 1.5


def test_a_buyers_page_is_their_orders(sample: Sample, services: Services) -> None:
    for buyer in (0, 3, 40):
        found = Loyalty(services.answers).buyer(OCTOBER, name_of(sample, buyer))
        assert found is not None
        mine = [order for order in sample.orders if order.buyer == buyer]
        kept = [order for order in mine if is_kept(order)]
        assert {row["order_no"] for row in found.orders} == {order.order_no for order in mine}
        assert found.purchases == len(kept)
        back = sum(refund.amount_fen for order in kept for refund in order.refunds)
        assert found.net_fen == sum(order.amount_fen for order in kept) - back
        assert found.spend()[-1][1] == found.net_fen
        assert found.consent == mine[0].consent


def test_a_buyers_segments_are_those_of_everybody(sample: Sample, services: Services) -> None:
    """The page's history in Python against the query that sorts all buyers at once."""
    loyalty = Loyalty(services.answers)
    for segment in ("champions", "at_risk", "lost"):
        for row in loyalty.buyers_in(OCTOBER, segment)[:3]:
            found = loyalty.buyer(OCTOBER, row["buyer"])
            assert found is not None
            assert found.segment == segment
            newest = found.history[0]
            assert (newest["recency"], newest["frequency"]) == (row["recency"], row["frequency"])


def test_scores_are_the_same_in_both_languages(services: Services) -> None:
    rows = services.reader.rows(
        f"select n, {recency_sql('n')} as recency, {frequency_sql('n')} as frequency"
        " from range(400) as numbers(n)"
    )
    assert all((r["recency"], r["frequency"]) == (recency_of(r["n"]), frequency_of(r["n"]))
               for r in rows)


def test_a_buyer_in_the_terminal(sample: Sample) -> None:
    by_own_id = sample.mdash("buyer", "u-3", "--json").json()
    by_name = sample.mdash("buyer", name_of(sample, 3), "--json").json()
    assert by_own_id == by_name
    assert by_name["buyer"] == name_of(sample, 3)
    assert sample.mdash("buyer", "u-none").code != 0


def test_segments_by_month_are_those_of_the_months_ends(sample: Sample, services: Services) -> None:
    """The page's past against the list of everybody, asked at the end of that month."""
    loyalty = Loyalty(services.answers)
    found = loyalty.buyer(OCTOBER, name_of(sample, 3))
    assert found is not None
    assert len(found.history) > 6
    for row in found.history[1:4]:
        year, month = map(int, row["month"].split("-"))
        last = date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
        then = loyalty.buyers_in(Question(last, last), row["segment"])
        (same,) = [one for one in then if one["buyer"] == found.buyer]
        assert (same["recency"], same["frequency"]) == (row["recency"], row["frequency"])
        assert same["orders"] == row["orders"]
