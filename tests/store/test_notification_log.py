"""Notification logs: every shape, what is counted once, and what never becomes data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Mdash
from tests.store.messages import attempt, body, envelope, fields, order, signed

pytestmark = pytest.mark.slow

DAY = ("--from", "2026-05-03", "--to", "2026-05-03", "--format", "json")


def loaded(mdash: Mdash, path: Path, *lines: str) -> dict[str, Any]:
    path.write_text("\n".join(lines) + "\n", "utf-8")
    ran = mdash("load", str(path), "--json")
    found: dict[str, Any] = ran.json()["files"][0]
    return found | {"exit": ran.code}


def numbers(mdash: Mdash) -> dict[str, Any]:
    found: dict[str, Any] = mdash("metric", "notifications", *DAY).json()["rows"][0]
    return found


def test_every_shape_of_the_contract(mdash: Mdash, tmp_path: Path, channel_key: bytes) -> None:
    plain = signed(channel_key, fields("J1"))
    shapes = [
        envelope(body(channel_key, fields("E1"))),
        body(channel_key, fields("B1")),
        json.dumps(plain, ensure_ascii=False),
        "[2026-05-03 12:00:31] production.INFO: notify received "
        + json.dumps(signed(channel_key, fields("L1"))).replace("/", "\\/"),
    ]
    report = loaded(mdash, tmp_path / "n.log", *shapes)
    assert (report["status"], report["kind"], report["rows"]) == ("loaded", "notification_log", 4)
    assert report["exit"] == 0
    assert numbers(mdash)["received"] == 4


def test_rsa_and_gbk_and_unknown_fields_are_verified(
    mdash: Mdash, tmp_path: Path, channel_key: bytes
) -> None:
    lines = [
        envelope(body(channel_key, fields("R1"), "RSA")),
        envelope(body(channel_key, fields("G1", charset="gbk", subject="中文商品"))),
        envelope(body(channel_key, fields("U1", merchant_app_id="x", something_new="1+1=2"))),
    ]
    assert loaded(mdash, tmp_path / "n.log", *lines)["rows"] == 3


def test_an_altered_message_never_becomes_data(
    mdash: Mdash, tmp_path: Path, channel_key: bytes
) -> None:
    genuine = body(channel_key, fields("M1"))
    altered = genuine.replace("total_amount=88.88", "total_amount=0.01")
    unsigned = "&".join(p for p in genuine.split("&") if not p.startswith("sign="))
    report = loaded(
        mdash, tmp_path / "n.log", envelope(altered), envelope(genuine.replace("M1", "M2")),
        envelope(genuine), "garbage",
    )
    assert (report["rows"], report["rejected"], report["exit"]) == (1, 3, 3)
    assert "line 1" in report["message"]
    row = numbers(mdash)
    assert (row["received"], row["bad_signature"]) == (1, 2)
    assert mdash("trade", "M2").code == 4
    rejects = mdash("sql", "select line from rejects order by line", "--format", "csv").out
    assert rejects.split() == ["line", "1", "2", "4"]
    assert unsigned


def test_messages_of_another_app_or_seller_are_mismatched(
    mdash: Mdash, tmp_path: Path, channel_key: bytes
) -> None:
    report = loaded(
        mdash, tmp_path / "n.log",
        envelope(body(channel_key, fields("A1", app_id="2021999999999999"))),
        envelope(body(channel_key, fields("S1", seller_id="2088999999999999"))),
        envelope(body(channel_key, fields("M1"))),
    )
    assert (report["rows"], report["rejected"]) == (1, 2)
    assert numbers(mdash)["mismatched"] == 2
    assert mdash("trade", "A1").code == 4


@pytest.mark.parametrize("order_first", [True, False])
def test_another_amount_than_the_orders_is_no_payment(
    mdash: Mdash, tmp_path: Path, channel_key: bytes, order_first: bool
) -> None:
    message = envelope(body(channel_key, fields("M1", total_amount="0.01")))
    steps = [(tmp_path / "c.jsonl", order("M1")), (tmp_path / "n.log", message)]
    for path, line in steps if order_first else reversed(steps):
        loaded(mdash, path, line)
    row = numbers(mdash)
    assert (row["expected"], row["received"], row["mismatched"]) == (0, 0, 1)
    assert mdash("trade", "M1", "--json").json()["outcome"] != "paid"


def test_a_line_counts_once_and_a_second_delivery_is_a_duplicate(
    mdash: Mdash, tmp_path: Path, channel_key: bytes
) -> None:
    first = envelope(body(channel_key, fields("M1")))
    again = envelope(
        body(channel_key, fields("M1", notify_time="2026-05-03 12:04:31")),
        "2026-05-03T12:04:31+08:00",
    )
    path = tmp_path / "n.log"
    assert loaded(mdash, path, first)["rows"] == 1
    grown = loaded(mdash, path, first, again)
    assert (grown["rows"], grown["duplicates"], grown["rejected"]) == (0, 2, 0)
    row = numbers(mdash)
    assert (row["received"], row["duplicates"], row["rung"]) == (1, 1, {"0": 1})
    more = loaded(mdash, path, first, again, envelope(body(channel_key, fields("M2"))))
    assert (more["rows"], more["duplicates"]) == (1, 2)


def test_a_line_without_receipt_time_cannot_count_for_latency(
    mdash: Mdash, tmp_path: Path, channel_key: bytes
) -> None:
    loaded(mdash, tmp_path / "c.jsonl", order("M1"), attempt("M1"))
    loaded(mdash, tmp_path / "n.log", body(channel_key, fields("M1")))
    stages = {row["stage"]: row for row in mdash("metric", "latency", *DAY).json()["rows"]}
    assert "notification" not in stages
    assert stages["channel"]["count"] == 1
    assert numbers(mdash)["received"] == 1


def test_refund_messages_are_refunds_not_payments(
    mdash: Mdash, tmp_path: Path, channel_key: bytes
) -> None:
    refund = fields(
        "M1", refund_fee="30.00", out_biz_no="RF1", gmt_refund="2026-05-04 09:00:00.120",
        notify_id="r1",
    )
    second = fields(
        "M1", refund_fee="88.88", out_biz_no="RF2", gmt_refund="2026-05-05 09:00:00.120",
        notify_id="r2", trade_status="TRADE_CLOSED", gmt_close="2026-05-05 09:00:00",
    )
    loaded(
        mdash, tmp_path / "n.log", envelope(body(channel_key, fields("M1"))),
        envelope(body(channel_key, refund), "2026-05-04T09:00:01+08:00"),
        envelope(body(channel_key, second), "2026-05-05T09:00:01+08:00"),
    )
    trade = mdash("trade", "M1", "--json").json()
    assert (trade["outcome"], trade["refunded_fen"]) == ("paid", 8888)
    assert [(r["refund_no"], r["amount_fen"]) for r in trade["refunds"]] == [
        ("RF1", 3000), ("RF2", 5888),
    ]
    row = numbers(mdash)
    assert (row["expected"], row["received"], row["duplicates"]) == (1, 1, 0)
    sales = mdash("metric", "sales", "--from", "2026-05-03", "--to", "2026-05-05", "--by", "day",
                  "--format", "json").json()["rows"]
    assert [(r["day"], r["paid_fen"], r["refunded_fen"]) for r in sales] == [
        ("2026-05-03", 8888, 0), ("2026-05-04", 0, 3000), ("2026-05-05", 0, 5888),
    ]


def test_without_a_key_nothing_is_taken(tmp_path: Path, channel_key: bytes) -> None:
    from tests.conftest import run_mdash

    log = tmp_path / "n.log"
    log.write_text(envelope(body(channel_key, fields("M1"))) + "\n", "utf-8")
    ran = run_mdash(tmp_path / "bare", "load", str(log), "--json")
    assert ran.code == 2
    report = ran.json()["files"][0]
    assert report["status"] == "refused"
    assert "alipay_public_key_file" in report["message"]


def test_buyers_are_pseudonyms_and_found_by_their_own_id(
    mdash: Mdash, home: Path, tmp_path: Path, channel_key: bytes
) -> None:
    loaded(mdash, tmp_path / "c.jsonl", order("M1", buyer="u-77"))
    loaded(mdash, tmp_path / "n.log", envelope(body(channel_key, fields("M1"))))
    assert mdash("trade", "u-77", "--json").json()["order_no"] == "M1"
    assert mdash("trade", fields("M1")["notify_id"], "--json").json()["order_no"] == "M1"
    stored = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert b"2088000000000099" not in stored
    assert b"u-77" not in stored
