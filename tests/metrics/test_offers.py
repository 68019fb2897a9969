"""What goes together, short lists, audiences and one buyer: planted truths, counted anew."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from dashboard.audiences import export
from dashboard.identity.rights import ROLES, Person
from dashboard.metrics.audience import Rules
from dashboard.metrics.loyalty import Loyalty
from dashboard.metrics.question import Question
from dashboard.metrics.segment_rules import frequency_of, frequency_sql, recency_of, recency_sql
from dashboard.operations import audit
from dashboard.operations.ledger import Ledger
from dashboard.services import Services
from loaders.channels import retry_ladders
from loaders.errors import Forbidden
from loaders.privacy import pseudonym, pseudonym_key
from loaders.settings import load_settings
from loaders.store.warehouse import Warehouse
from sample_data.merchant import BOUGHT_TOGETHER, Order
from tests.conftest import Sample, run_mdash

PERIOD = ("--from", "2026-10-01", "--to", "2026-10-31")
OCTOBER = Question(date(2026, 10, 1), date(2026, 10, 31))


@pytest.fixture(scope="module")
def services(sample: Sample) -> Iterator[Services]:
    made = Services(load_settings(sample.home), language="en")
    yield made
    made.reader.close()


def is_kept(order: Order) -> bool:
    back = sum(refund.amount_fen for refund in order.refunds)
    return order.paid_at is not None and back < order.amount_fen


def baskets(orders: Sequence[Order]) -> list[set[str]]:
    return [{sku for sku, *_ in order.items} for order in orders if is_kept(order)]


def name_of(sample: Sample, buyer: int) -> str:
    return pseudonym(pseudonym_key(sample.home), "shop", f"u-{buyer}")


def test_planted_pairs_are_found_and_nothing_else(sample: Sample) -> None:
    rows = sample.metric("also_bought")["rows"]
    planted = {pair for first, second, _ in BOUGHT_TOGETHER
               for pair in ((first, second), (second, first))}
    assert {(row["item"], row["other"]) for row in rows} == planted


def test_support_confidence_and_lift_are_counted_anew(sample: Sample) -> None:
    found = baskets(sample.orders)
    one = Counter(item for basket in found for item in basket)
    two = Counter(pair for basket in found for pair in permutations(sorted(basket), 2))
    for row in sample.metric("also_bought")["rows"]:
        pair = row["item"], row["other"]
        assert (row["orders"], row["together"]) == (one[pair[0]], two[pair])
        assert row["support"] == pytest.approx(two[pair] / len(found))
        assert row["confidence"] == pytest.approx(two[pair] / one[pair[0]])
        assert row["lift"] == pytest.approx(row["confidence"] * len(found) / one[pair[1]])
        assert row["low"] > one[pair[1]] / len(found)


def histories(sample: Sample, until: datetime) -> dict[int, list[Order]]:
    found: dict[int, list[Order]] = {}
    for order in sample.orders:
        if is_kept(order) and order.paid_at and order.paid_at <= until:
            found.setdefault(order.buyer, []).append(order)
    return found


def test_the_hit_rate_is_recounted_buyer_by_buyer(sample: Sample) -> None:
    """The list of each buyer made once more in Python from the orders before the cut."""
    answer = sample.metric("recommendation", *PERIOD)
    end = datetime.fromisoformat(answer["as_of"]).replace(tzinfo=None)
    cut = end - timedelta(days=56)
    begin = cut - timedelta(days=365)
    # Baskets are learnt by whole days, the last of them the one before the cut's (both in UTC days).
    days = ((begin - timedelta(hours=8)).date(), (cut - timedelta(hours=8)).date() - timedelta(days=1))
    learnt = baskets([o for o in sample.orders if days[0] <= o.created_at.date() <= days[1]])
    one = Counter(item for basket in learnt for item in basket)
    two = Counter(pair for basket in learnt for pair in permutations(sorted(basket), 2))
    planted = {(row[at], row[1 - at]) for row in BOUGHT_TOGETHER for at in (0, 1)}
    popular = sorted(one, key=lambda item: (-one[item], item))
    counts: Counter[str] = Counter()
    for orders in histories(sample, end).values():
        orders.sort(key=lambda order: order.paid_at or end)
        before = [o for o in orders if o.paid_at and begin <= o.paid_at < cut]
        after = [o for o in orders if o.paid_at and o.paid_at >= cut]
        had = set().union(*baskets(before)) if before else set()
        rest = [item for item in popular if item not in had]
        if not before or not after or not rest:
            continue
        def chance(item: str, had: set[str] = had) -> float:
            hints = [two[own, item] / one[own] for own in had if (own, item) in planted]
            return max([one[item] / len(learnt), *hints])

        listed = sorted(rest, key=lambda item: (-chance(item), -one[item], item))[:3]
        bought = {sku for sku, *_ in after[0].items}
        counts["buyers"] += 1
        counts["also_bought"] += bool(bought & set(listed))
        counts["most_popular"] += bool(bought & set(rest[:3]))
    for row in answer["rows"]:
        assert (row["buyers"], row["hits"]) == (counts["buyers"], counts[row["shortlist"]])


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
        had = set().union(*baskets(mine))
        assert not had & {row["item"] for row in found.next_items}


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


def audience(sample: Sample, *arguments: str) -> dict[str, Any]:
    ran = sample.mdash("audience", *PERIOD, *arguments, "--json")
    assert ran.code == 0, ran.err
    found: dict[str, Any] = ran.json()
    return found


def test_an_audience_is_counted_with_those_it_leaves_out(sample: Sample) -> None:
    kept: dict[int, list[Order]] = {}
    for order in sample.orders:
        if is_kept(order):
            kept.setdefault(order.buyer, []).append(order)
    spent = {
        buyer: sum(o.amount_fen - sum(r.amount_fen for r in o.refunds) for o in orders)
        for buyer, orders in kept.items()
    }
    fits = [
        buyer for buyer, orders in kept.items()
        if 50_000 <= spent[buyer] <= 200_000 and any("B1" in b for b in baskets(orders))
    ]
    agreed = {buyer: kept[buyer][0].consent for buyer in fits}
    found = audience(sample, "--item", "B1", "--least-fen", "50000", "--most-fen", "200000")
    assert found["matched"] == len(fits) > 50
    assert found["size"] == sum(yes is True for yes in agreed.values())
    assert found["refused"] == sum(yes is False for yes in agreed.values())
    assert found["not_asked"] == sum(yes is None for yes in agreed.values())
    assert found["net_fen"] == sum(spent[buyer] for buyer in fits if agreed[buyer])


def test_audiences_of_all_segments_and_risks_add_up(sample: Sample) -> None:
    whole = audience(sample)
    segments = {row["segment"]: row["buyers"] for row in sample.metric("segments", *PERIOD)["rows"]}
    risks = {row["risk"]: row["buyers"] for row in sample.metric("churn_risk", *PERIOD)["rows"]}
    for option, groups in (("--segment", segments), ("--risk", risks)):
        found = {name: audience(sample, option, name)["matched"] for name in groups}
        assert found == groups
        assert sum(found.values()) == whole["matched"]
    assert sample.mdash("audience", *PERIOD, "--segment", "heroes").code != 0


def test_the_file_holds_pseudonyms_alone_and_is_recorded(
    sample: Sample, tmp_path: Path
) -> None:
    import shutil

    home = Path(shutil.copytree(sample.home, tmp_path / "home"))
    path = tmp_path / "audience.csv"
    first = run_mdash(home, "audience", *PERIOD, "--segment", "loyal", "--to-file", str(path), "--json")
    assert first.code == 0, first.err
    names = members(path)
    assert len(names) == first.json()["size"] > 3
    agreed = {name_of(sample, order.buyer) for order in sample.orders if order.consent}
    assert set(names) <= agreed
    ledger = Ledger(load_settings(home))
    with ledger.reading() as connection:
        (entry,) = [row for row in audit.entries(connection) if row["action"] == "exported"]
    assert '"rows": ' + str(len(names)) in entry["detail"]
    assert not set(names) & set(entry["detail"].split('"'))
    with Warehouse(load_settings(home), retry_ladders()) as warehouse, \
            warehouse.transaction("another name in an erased buyer's place"):
        for table in ("trade", "buyer_orders"):
            warehouse.execute(
                f"update lake.{table} set buyer = ? where buyer = ?", ["x" * 21, names[0]]
            )
    again = run_mdash(home, "audience", *PERIOD, "--segment", "loyal", "--to-file", str(path), "--json")
    assert again.json()["erased"] == 1
    assert members(path) == names[1:]


def test_without_the_right_no_audience_leaves(sample: Sample, services: Services) -> None:
    viewer = Services(services.settings, services.answers, "en", Person("v", ROLES["viewer"]))
    with pytest.raises(Forbidden):
        export(viewer, OCTOBER, Rules(segments=("loyal",)))


def members(path: Path) -> list[str]:
    lines = [line for line in path.read_text("utf-8-sig").splitlines() if not line.startswith("# ")]
    rows = list(csv.DictReader(io.StringIO("\n".join(lines))))
    assert all(set(row) == {"channel", "buyer"} for row in rows)
    return [row["buyer"] for row in rows]


def test_a_buyer_in_the_terminal(sample: Sample) -> None:
    by_own_id = sample.mdash("buyer", "u-3", "--json").json()
    by_name = sample.mdash("buyer", name_of(sample, 3), "--json").json()
    assert by_own_id == by_name
    assert by_name["buyer"] == name_of(sample, 3)
    assert sample.mdash("buyer", "u-none").code != 0
