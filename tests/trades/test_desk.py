"""Trades found by any id, judged together, read with a trace, and shown without anything personal."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from dashboard.histories import histories, matches
from dashboard.operations.ledger import Ledger
from dashboard.operations.refund_tables import CANCELLATIONS
from dashboard.operations.tables import AUDIT_TRAIL
from dashboard.services import Services
from dashboard.trade_desk import MOST_IDS, ids_of
from loaders.errors import RefusedInput
from loaders.raw_messages import raw_message
from loaders.settings import load_settings
from loaders.store.reader import Reader
from tests.conftest import run_mdash
from tests.trades.conftest import BUYER, LOGON

pytestmark = pytest.mark.slow


@pytest.fixture
def services(desk_home: Path) -> Services:
    return Services(load_settings(desk_home), language="en")


def trail(home: Path) -> list[tuple[str, str]]:
    with Ledger(load_settings(home)).reading() as connection:
        rows = connection.execute(select(AUDIT_TRAIL.c.action, AUDIT_TRAIL.c.subject))
        return [(row.action, row.subject) for row in rows]


def test_the_verdict_and_the_time_line_agree_with_what_was_heard(services: Services) -> None:
    judged = services.trade_desk.one("alipay", "M1")
    assert (judged.verdict.state, judged.verdict.action.act) == ("paid", "refund")
    assert judged.sentence == (
        "Paid 12:00:30; the bill of 3 May is not loaded yet; notification arrived 12:00:31; the same"
        " buyer paid the same amount for M2 12:02:00, perhaps twice by mistake."
    )
    told = [(step.what, step.amount_fen) for step in judged.steps()]
    assert told == [
        ("order", 8888), ("attempt", None), ("paid", 8888), ("message", 8888), ("message", 8888),
        ("order_ends", None),
    ]
    other = services.trade_desk.one("alipay", "M3")
    assert (other.verdict.state, other.facts.can_ask) == ("mismatch", False)
    assert services.trade_desk.one("alipay", "M4").verdict.state == "waiting"


def test_an_open_cancellation_is_told_and_stands_on_the_time_line(
    desk_home: Path, tmp_path: Path
) -> None:
    home = Path(shutil.copytree(desk_home, tmp_path / "home"))
    services = Services(load_settings(home), language="en")
    at = datetime(2026, 5, 3, 5)
    with services.people.ledger.transaction() as connection:
        connection.execute(insert(CANCELLATIONS).values(
            cancel_no="C1", channel="alipay", order_no="M1", amount_fen=8888, state="unknown",
            requested_by="omar", requested_at=at, updated_at=at + timedelta(seconds=9), tries=1,
        ))
    judged = services.trade_desk.one("alipay", "M1")
    assert (judged.verdict.state, judged.verdict.action.act) == ("unknown", "ask")
    assert "whether that went through is not known" in judged.sentence
    assert [step.what for step in judged.steps() if step.what.startswith("cancel")] == [
        "cancel_requested", "cancel_unknown"
    ]
    listed = services.trade_desk.many(["M1", "M4"])
    assert [item.verdict.state for _, item in listed.found] == ["unknown", "waiting"]


def test_many_ids_are_looked_up_with_as_few_questions_as_one(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    rows = Reader.rows

    def counting(self: Reader, *arguments: Any) -> list[dict[str, Any]]:
        nonlocal asked
        asked += 1
        return rows(self, *arguments)

    monkeypatch.setattr(Reader, "rows", counting)
    services.trade_desk.many(["M1"])
    for_one, asked = asked, 0
    listed = services.trade_desk.many(["M1", "NOBODY", "M3", *(f"X{n}" for n in range(490)), "ann0"])
    assert asked == for_one
    assert [(text, item.facts.order_no) for text, item in listed.found] == [
        ("M1", "M1"), ("M3", "M3"), ("ann0", "M2"), ("ann0", "M1"),
    ]
    assert listed.missing == ("NOBODY", *(f"X{n}" for n in range(490)))


def test_any_id_finds_its_trade(services: Services) -> None:
    trade_no = services.trade("alipay", "M2")["trade_no"]
    notify_id = services.reader.rows("select notify_id from lake.deliveries order by 1")[0]["notify_id"]
    found = matches(
        services.reader, {text: services.spellings(text) for text in ("M3", trade_no, notify_id)}, 10
    )
    assert found == {
        "M3": [("alipay", "M3")], trade_no: [("alipay", "M2")], notify_id: [("alipay", "M1")],
    }
    assert histories(services.reader, []) == ([], histories(services.reader, [])[1])


def test_a_pasted_list_is_split_at_anything_and_bounded() -> None:
    assert ids_of(" M1,M2\nM3；M1\t M4、") == ["M1", "M2", "M3", "M4"]
    assert len(ids_of(" ".join(map(str, range(MOST_IDS))))) == MOST_IDS
    with pytest.raises(RefusedInput):
        ids_of(" ".join(map(str, range(MOST_IDS + 1))))


def test_a_message_as_it_came_shows_nothing_of_the_person(services: Services) -> None:
    step = next(item for item in services.trade_desk.one("alipay", "M1").steps() if item.message)
    raw = services.trade_desk.raw(step)
    assert raw is not None
    shown = dict(raw.fields)
    assert (shown["out_trade_no"], shown["total_amount"]) == ("M1", "88.88")
    hidden = {name for name, value in shown.items() if value is None}
    assert hidden == {"subject", "buyer_id", "buyer_logon_id", "sign"}
    assert LOGON not in repr(raw)
    assert BUYER not in repr(raw)


def test_a_message_whose_line_is_another_or_gone_is_not_shown(services: Services) -> None:
    file = "2026-05-03.1.0001.jsonl"
    for named in (file, "../mdash.toml", "/etc/hostname", "gone.jsonl"):
        assert raw_message(services.settings, named, 1, 7) is None


def test_the_command_prints_the_trade_and_leaves_a_trace(desk_home: Path) -> None:
    before = len(trail(desk_home))
    ran = run_mdash(desk_home, "trade", "M1", "--json")
    assert ran.code == 0, ran.err
    found = ran.json()
    named = {"channel": "alipay", "order_no": "M1", "amount_fen": 8888, "outcome": "paid",
             "refunded_fen": 0, "refunds": [], "verdict_state": "paid"}
    assert {name: found[name] for name in named} == named
    assert trail(desk_home)[before:] == [("trade_read", "alipay/M1")]
    assert run_mdash(desk_home, "trade", "M3", "--json").json()["outcome"] != "paid"
    assert run_mdash(desk_home, "trade", "NOBODY").code == 4
