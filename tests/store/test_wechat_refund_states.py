"""退款状态 of a WeChat bill: what failed or got stuck is not refunded, what is on its way not proven."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from dashboard.operations.policy import LakeBooks, totals
from loaders.channels import retry_ladders
from loaders.settings import load_settings
from loaders.store.reader import Reader
from loaders.store.warehouse import Warehouse
from sample_data.files import Line
from sample_data.wechat_files import (
    MCHID,
    fund_flow,
    log_line,
    message,
    refund_result,
    signed_headers,
    trade_bill,
)
from tests.conftest import Mdash, take_wechat
from tests.store.test_bills import lines, load
from tests.store.test_wechat_bills import settled

pytestmark = pytest.mark.slow

ORDER = "M2026050300000000"
PAID, BACK, FEE = 6000, 400, 36
HELD = {"FAIL": 0, "CHANGE": 400, "PROCESSING": 400, "SUCCESS": 400}
"""Fen that cannot be refunded again, by the state of the bill's refund."""


def row(mdash: Mdash, metric: str, *by: str) -> dict[str, Any]:
    ran = mdash("metric", metric, "--from", "2026-05-01", "--to", "2026-05-31", *by, "--format", "json")
    return dict((ran.json()["rows"] or [{}])[0])


def counted(mdash: Mdash) -> dict[str, int]:
    """The refunded fen that each metric tells."""
    return {
        "sales": row(mdash, "sales")["refunded_fen"],
        "settlement": row(mdash, "settlement")["refunded_fen"],
        "waterfall": row(mdash, "waterfall")["refunded_fen"],
        "refunds": mdash("sql", "select coalesce(sum(amount_fen), 0)::bigint as fen from refunds",
                         "--format", "json").json()["rows"][0]["fen"],
        "trades": mdash("sql", "select sum(refunded_fen)::bigint as fen from trades", "--format",
                        "json").json()["rows"][0]["fen"],
    }


def trade(mdash: Mdash) -> dict[str, Any]:
    return dict(mdash("trade", ORDER, "--json").json())


@pytest.mark.parametrize(("state", "shown"), [
    ("FAIL", ("refused", 0, "failed, no money went back")),
    ("CHANGE", ("unknown", 0, "could not reach the buyer's account")),
    ("PROCESSING", ("unknown", 0, "accepted and is not proven yet")),
    ("SUCCESS", ("done", 400, "given back")),
    ("SOMETHING_NEW", ("unknown", 0, "accepted and is not proven yet")),
])
def test_a_refund_counts_as_far_as_the_bill_says(
    state: str, shown: tuple[str, int, str], mdash: Mdash, tmp_path: Path
) -> None:
    report = load(mdash, tmp_path / "a.csv", trade_bill(lines(), states={"RF1": state}))
    assert (report["status"], report["rows"], report["rejected"]) == ("loaded", 7, 0)
    is_out = state not in ("FAIL", "CHANGE")
    assert set(counted(mdash).values()) == {BACK if is_out else 0}
    found = trade(mdash)
    assert (found["refunds"][0]["state"], found["refunded_fen"]) == shown[:2]
    assert shown[2] in found["verdict"]
    assert found["refunds"][0]["amount_fen"] == BACK
    gap = row(mdash, "reconciliation_identity")
    assert (gap["gap_fen"], gap["bill_fen"]) == (0, PAID - (BACK if is_out else 0))


@pytest.mark.parametrize("with_failed", [True, False])
@pytest.mark.parametrize("state", ["FAIL", "CHANGE"])
def test_the_totals_may_count_a_failed_refund_or_not(
    state: str, with_failed: bool, mdash: Mdash, tmp_path: Path
) -> None:
    content = trade_bill(lines(), states={"RF1": state})
    if not with_failed:
        content = content.replace(b"`60.00,`4.00,`0.00,`0.34000,`60.00,`4.00",
                                  b"`60.00,`0.00,`0.00,`0.36000,`60.00,`0.00")
    assert load(mdash, tmp_path / "a.csv", content)["status"] == "loaded"
    assert settled(mdash)["wechatpay"] == {
        "gross_fen": PAID, "refunded_fen": 0, "fee_fen": FEE, "net_fen": PAID - FEE,
    }
    worse = content.replace(b"`60.00,`", b"`61.00,`").replace(b"2026-05-03 ", b"2026-05-04 ")
    assert load(mdash, tmp_path / "b.csv", worse)["status"] == "refused"


@pytest.mark.parametrize("state", HELD)
def test_what_may_have_gone_back_is_not_refunded_again(
    state: str, mdash: Mdash, tmp_path: Path, home: Path
) -> None:
    load(mdash, tmp_path / "a.csv", trade_bill(lines(), states={"RF1": state}))
    order = LakeBooks(Reader(load_settings(home), retry_ladders())).order("wechatpay", ORDER)
    assert order is not None
    assert sum(totals(order, [])) == HELD[state]


FIRST, LAST = ("a.csv", "n.jsonl"), ("n.jsonl", "a.csv")


@pytest.mark.parametrize(("state", "status", "refunded", "order"), [
    ("PROCESSING", "SUCCESS", 400, FIRST), ("CHANGE", "SUCCESS", 400, LAST),
    ("FAIL", "SUCCESS", 400, FIRST), ("PROCESSING", "CLOSED", 0, LAST),
    ("PROCESSING", "ABNORMAL", 0, FIRST), ("PROCESSING", "SUCCESS", 400, LAST),
])
def test_a_later_notification_has_the_last_word(
    state: str, status: str, refunded: int, order: tuple[str, ...], mdash: Mdash, home: Path,
    channel_key: bytes, tmp_path: Path,
) -> None:
    take_wechat(home, channel_key)
    found = lines()
    refund, at = found[-1], datetime(2026, 5, 5, 9)
    assert refund.refund is not None
    told = {**refund_result(refund.order, refund.refund), "refund_status": status,
            "success_time": f"{at:%Y-%m-%dT%H:%M:%S}+08:00"}
    body = message(f"REFUND.{status}", told, at)
    key = serialization.load_pem_private_key(channel_key, password=None)
    said = log_line(body, signed_headers(body, at, key), at)  # type: ignore[arg-type]
    (tmp_path / "n.jsonl").write_text(said + "\n", "utf-8")
    (tmp_path / "a.csv").write_bytes(trade_bill(found, states={"RF1": state}))
    for name in order:
        assert mdash("load", str(tmp_path / name), "--json").code == 0
    assert (row(mdash, "sales")["refunded_fen"], trade(mdash)["refunded_fen"]) == (refunded, refunded)
    assert trade(mdash)["refunds"][0]["state"] == (
        "done" if refunded else "refused" if status == "CLOSED" else "unknown"
    )
    if status == "SUCCESS":
        items = mdash("sql", "select class from reconciliation_items where kind = 'refund'", "--format",
                      "json").json()["rows"]
        assert [item["class"] for item in items] == [
            "matched" if state == "PROCESSING" else "status_mismatch"
        ]
    assert row(mdash, "reconciliation_identity")["gap_fen"] == 0


@pytest.mark.parametrize("order", [("a.csv", "flow"), ("flow", "a.csv")])
def test_a_refund_closed_in_the_fund_flow_gave_nothing_back(
    order: tuple[str, ...], mdash: Mdash, tmp_path: Path
) -> None:
    found = lines()
    names = {"a.csv": trade_bill(found, states={"RF1": "PROCESSING"}), "flow": closing(found[-1])}
    for name in order:
        path = tmp_path / (name if name == "a.csv" else f"{MCHID}Basic2026-05-06.csv")
        assert load(mdash, path, names[name])["exit"] == 0
    assert row(mdash, "sales")["refunded_fen"] == 0
    found_trade = trade(mdash)
    assert (found_trade["refunds"][0]["state"], found_trade["refunded_fen"]) == ("refused", 0)
    assert "failed, no money went back" in found_trade["verdict"]


def test_a_failed_refund_made_again_under_its_number_counts_once(
    mdash: Mdash, tmp_path: Path
) -> None:
    found = lines()
    for day, state in ((3, "FAIL"), (4, "SUCCESS"), (5, "PROCESSING")):
        again = found if day == 3 else found[-1:]
        content = trade_bill(again, states={"RF1": state})
        content = content.replace(b"2026-05-03 ", f"2026-05-0{day} ".encode())
        load(mdash, tmp_path / f"{day}.csv", content)
    assert trade(mdash)["refunded_fen"] == BACK
    assert row(mdash, "sales")["refunded_fen"] == BACK


def test_a_store_of_an_earlier_version_is_read_after_it_is_brought_up_to_date(
    mdash: Mdash, home: Path, tmp_path: Path
) -> None:
    load(mdash, tmp_path / "a.csv", trade_bill(lines()))
    with Warehouse(load_settings(home), retry_ladders()) as warehouse:
        warehouse.execute("create or replace view lake.refunds as select refund_no from lake.refund")
        for name in ("state", "asked_fen", "accepted_at"):
            warehouse.execute(f"alter table lake.refund drop column {name}")
        warehouse.execute("alter table lake.trade_lines drop column refund_state")
    assert trade(mdash)["refunded_fen"] == BACK
    assert mdash("sql", "select state from refunds", "--format", "json").json()["rows"] == [
        {"state": "done"}
    ]


def closing(line: Line) -> bytes:
    """A fund flow of three days later with nothing but the closing of this refund."""
    text = fund_flow([line]).decode("utf-8-sig").split("\r\n")
    kept = text[1].replace("`2026-05-03 ", "`2026-05-06 ")
    kept = kept.replace("`退款,`退款,`支出", "`退款,`退款关闭,`收入")
    return "\r\n".join([text[0], kept, text[-3], "`1,`1,`4.00,`0,`0.00", ""]).encode()
