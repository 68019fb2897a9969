"""What buyers bought stays exact: loads add, refunds and undo take away, whatever the order."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dashboard.metrics.failure_loyalty import _at_best
from loaders.channels import retry_ladders
from loaders.settings import load_settings
from loaders.store.reader import Reader
from loaders.store.warehouse import Warehouse
from tests.conftest import Mdash
from tests.store.messages import body, envelope, fields, order

_COUNTED = (
    "select item, sum(orders)::bigint as n from lake.buyer_items group by item, buyer_key, paid_at"
    " having sum(orders) <> 0 order by all"
)


def bought_items(home: Path) -> list[tuple[str, int]]:
    reader = Reader(load_settings(home), retry_ladders())
    found = [(row["item"], row["n"]) for row in reader.rows(_COUNTED)]
    reader.close()
    return found


def goods(*skus: object) -> list[dict[str, object]]:
    return [{"sku": sku, "name": f"n{sku}", "qty": 1} for sku in skus]


@pytest.mark.parametrize("is_maintained", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_purchase_counts_when_it_is_paid_until_it_is_refunded_or_taken_back(
    home: Path, mdash: Mdash, channel_key: bytes, tmp_path: Path, is_maintained: bool
) -> None:
    bought = [("A", 1), ("B", 1)]

    def load(name: str, text: str) -> None:
        (tmp_path / name).write_text(text + "\n", "utf-8")
        assert mdash("load", str(tmp_path / name)).code in (0, 3)

    load("orders.jsonl", order("M1", buyer="u1", items=goods("A", "B", "A")))
    assert bought_items(home) == []
    load("paid.log", envelope(body(channel_key, fields("M1"))))
    assert bought_items(home) == bought
    back = fields("M1", trade_status="TRADE_CLOSED", refund_fee="88.88", out_biz_no="R1",
                  gmt_refund="2026-05-04 12:00:00.100", notify_id="refund-1")
    load("back.log", envelope(body(channel_key, back), "2026-05-04T12:00:01+08:00"))
    assert bought_items(home) == []
    assert mdash("undo", "3").code == 0
    assert bought_items(home) == bought
    if is_maintained:
        with Warehouse(load_settings(home), retry_ladders()) as warehouse:
            warehouse.maintain()
        assert bought_items(home) == bought
        assert mdash("undo", "2").code == 0
        assert bought_items(home) == []


def test_items_of_any_shape_break_no_load(
    home: Path, mdash: Mdash, channel_key: bytes, tmp_path: Path
) -> None:
    shapes = ["[not json", {"sku": "A"}, ["A", 7], goods(None), None, goods(1, "B")]
    orders = [order(f"M{n}", buyer="u1", items=items) for n, items in enumerate(shapes)]
    paid = [envelope(body(channel_key, fields(f"M{n}"))) for n in range(len(shapes))]
    (tmp_path / "c.jsonl").write_text("\n".join(orders) + "\n", "utf-8")
    (tmp_path / "n.log").write_text("\n".join(paid) + "\n", "utf-8")
    assert mdash("load", str(tmp_path / "c.jsonl"), str(tmp_path / "n.log")).code == 0
    assert bought_items(home) == [("1", 1), ("B", 1)]


def test_group_consent_and_discount_are_read_and_refused_like_other_fields(
    home: Path, mdash: Mdash, tmp_path: Path
) -> None:
    lines = [
        order("M1", group="Control", consent="yes", discount="1.50"),
        order("M2", group="offer", consent=False),
        order("M3", discount="-1"), order("M4", discount="much"),
        json.dumps({"event": "order", "order_no": "M5", "at": "2026-05-03T12:00:00+08:00",
                    "channel": "alipay", "amount": "1.00"}),
    ]
    (tmp_path / "c.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    assert mdash("load", str(tmp_path / "c.jsonl")).code == 3
    reader = Reader(load_settings(home), retry_ladders())
    rows = {row["order_no"]: row for row in reader.rows(
        "select order_no, is_holdout, consent, discount_fen from lake.trade order by order_no")}
    reader.close()
    told = {name: (row["is_holdout"], row["consent"], row["discount_fen"])
            for name, row in rows.items()}
    assert told == {"M1": (True, True, 150), "M2": (False, False, None), "M5": (None, None, None)}


def test_a_lake_of_an_earlier_version_is_given_what_it_lacks(
    home: Path, mdash: Mdash, channel_key: bytes, tmp_path: Path
) -> None:
    with Warehouse(load_settings(home), retry_ladders()) as warehouse:
        run = warehouse.connection.execute
        run("drop table lake.buyer_items")
        run("use lake")
        run("drop view trades")
        for table, names in (("trade", ("is_holdout", "discount_fen", "consent", "items")),
                             ("checkout_log", ("campaign_group", "discount_fen", "consent")),
                             ("buyer_orders", ("is_holdout", "consent"))):
            for name in names:
                run(f"alter table {table} drop column {name}")
        run("use memory")
    event = order("M1", buyer="u1", items=goods("A"), consent=True)
    (tmp_path / "c.jsonl").write_text(event + "\n", "utf-8")
    (tmp_path / "n.log").write_text(envelope(body(channel_key, fields("M1"))) + "\n", "utf-8")
    assert mdash("load", str(tmp_path / "c.jsonl"), str(tmp_path / "n.log")).code == 0
    assert bought_items(home) == [("A", 1)]
    assert mdash("sql", "select consent from trades", "--format", "json").json()["rows"] == [
        {"consent": True}
    ]


def test_what_a_reason_would_cost_less_at_its_best_slice() -> None:
    """40 of 400 against 10 of 200 hit: at the best share 20 of the 40 are spared, of 50 in all."""
    sizes = {("APP", "ios"): 400, ("WEB", "h5"): 200}
    parts = [{"product": "APP", "client": "ios", "buyers": 40},
             {"product": "WEB", "client": "h5", "buyers": 10}]
    row = {"buyers": 50, "gap_fen": 100_000}
    assert _at_best(parts, sizes, row) == {
        "best_slice": ("WEB", "h5"), "spared": 20, "spared_fen": 40_000}
    assert _at_best(parts, {("APP", "ios"): 400}, row) == {}
