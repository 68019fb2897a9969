"""An order that only the channel's answer tells of is a trade; one that it calls unpaid is none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.jobs.conftest import Shop


def test_a_paid_order_known_by_a_query_alone_is_found(shop: Shop) -> None:
    at = datetime.now(UTC).replace(tzinfo=None, microsecond=0) - timedelta(minutes=5)
    shop.paid("Q1", at, 88_88)
    shop.order("Q2", timedelta(minutes=5))
    (shop.home / "checkout.jsonl").unlink(missing_ok=True)
    assert shop.mdash("query", "Q1", "--json").json()["outcome"] == "paid"
    assert shop.mdash("query", "Q2", "--json").json()["outcome"] == "unpaid"
    trade = shop.mdash("trade", "Q1", "--json").json()
    assert (trade["outcome"], trade["amount_fen"], trade["paid_by"]) == ("paid", 88_88, "query")
    assert shop.mdash("trade", "Q2", "--json").code == 4
