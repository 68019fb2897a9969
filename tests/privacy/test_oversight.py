"""The trail's screen, its retention, off-hours maintenance, and refunds per person against peers."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert
from streamlit.testing.v1 import AppTest

from dashboard.identity.rights import ROLES, Person
from dashboard.operations import audit
from dashboard.operations.ledger import Ledger
from dashboard.operations.off_hours import maintain_when_due
from dashboard.operations.peers import compare
from dashboard.operations.refund_tables import REFUNDS
from dashboard.operations.retention import apply
from dashboard.services import Services
from loaders.errors import Forbidden
from loaders.settings import Settings, load_settings
from tests.conftest import run_mdash

NOON = datetime(2026, 5, 4, 4)
"""Noon in Shanghai."""
NIGHT = datetime(2026, 5, 3, 18)
LONG_AGO = timedelta(days=400)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(tmp_path / "home")


@pytest.fixture
def ledger(settings: Settings) -> Ledger:
    return Ledger(settings)


def refund(number: int, by: str, amount_fen: int = 1_000, at: datetime = NOON) -> dict[str, Any]:
    return {
        "refund_no": f"R{number}", "channel": "alipay", "order_no": f"M{number}",
        "amount_fen": amount_fen, "paid_fen": 100_000, "reason": "asked", "state": "done",
        "requested_by": by, "digest": "", "requested_at": at, "updated_at": at, "tries": 1, "asks": 0,
    }


def test_who_differs_from_peers_stands_out(ledger: Ledger) -> None:
    rows = [refund(n, "eve", 9_500 + n, NIGHT) for n in range(5)]
    rows += [refund(10 + n, "bob") for n in range(2)] + [refund(20 + n, "dan") for n in range(3)]
    rows.append(refund(30, "zoe", at=NOON - LONG_AGO))
    with ledger.transaction() as connection:
        connection.execute(insert(REFUNDS), rows)
    for number in range(3):
        audit.record(ledger, "eve", "refused", f"R{number}", why="own")
    audit.record(ledger, "bob", "refused", "R1", why="another's")
    found = {item.person: item for item in compare(
        ledger, NOON - timedelta(days=7), datetime(2099, 1, 1), lambda _: 10_000,
        lambda orders: dict.fromkeys(orders[:5], "b1") | dict.fromkeys(orders[5:], None),
    )}
    eve = found["eve"]
    assert (eve.refunds, eve.just_under, eve.after_hours, eve.same_buyer, eve.own_approvals) == (
        5, 5, 5, 5, 3
    )
    assert eve.stands_out == ("just_under", "after_hours", "same_buyer", "own_approvals")
    assert [found[name].stands_out for name in ("bob", "dan")] == [(), ()]
    assert "zoe" not in found


def test_the_trail_is_read_by_person_action_subject_and_day_by_who_administers(
    settings: Settings, ledger: Ledger
) -> None:
    audit.record(ledger, "ann", "trade_read", "alipay/M1")
    audit.record(ledger, "bob", "exported", "sales_100%.csv")
    trail = Services(settings, person=Person("ada", ROLES["admin"])).trail
    today = Services(settings).today()
    assert [row["actor"] for row in trail.read(first_day=today, last_day=today)] == ["bob", "ann"]
    assert [row["seq"] for row in trail.read(person="ann")] == [1]
    assert [row["seq"] for row in trail.read(action="exported", subject="100%")] == [2]
    assert trail.read(subject="_") == trail.read(subject="sales_")
    assert trail.read(last_day=today - timedelta(1)) == []
    with pytest.raises(Forbidden):
        Services(settings, person=Person("vic", ROLES["approver"])).trail.read()


def test_an_auditor_checks_the_export_without_mdash(settings: Settings, ledger: Ledger) -> None:
    for number in range(3):
        audit.record(ledger, "店员", "trade_read", f"M{number}", 备注="甲")
    ran = run_mdash(settings.home, "audit", "export")
    rows = [json.loads(line) for line in ran.out.splitlines()]
    assert [row["action"] for row in rows] == ["trade_read"] * 3 + ["exported"]
    previous = "0" * 64
    for row in rows:
        said = [row[name] for name in (
            "seq", "at", "actor", "action", "subject", "detail", "previous")]
        assert hashlib.sha256(json.dumps(said, ensure_ascii=False).encode()).hexdigest() == row["hash"]
        assert row["previous"] == previous
        previous = row["hash"]
    good = run_mdash(settings.home, "audit", "verify", "--json")
    assert (good.code, good.json()) == (
        0, {"ok": True, "entries": 4, "first_bad": None, "message": None})
    with ledger.transaction() as connection:
        connection.exec_driver_sql("update audit_trail set actor = 'nobody' where seq = 2")
    bad = run_mdash(settings.home, "audit", "verify", "--json")
    assert (bad.code, bad.json()["ok"], bad.json()["first_bad"]) == (4, False, 2)
    assert "2" in bad.json()["message"]


def test_a_trail_that_was_shortened_holds_and_a_forged_beginning_does_not(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = datetime(2026, 5, 1)
    monkeypatch.setattr(audit, "now", lambda: clock)
    for number in range(4):
        clock += timedelta(days=1)
        audit.record(ledger, "ann", "trade_read", f"M{number}")
    assert audit.trim(ledger, datetime(2026, 5, 3, 12)) == 2
    assert audit.verify(ledger) == audit.Verdict(3, None, None)
    assert audit.trim(ledger, datetime(2026, 5, 4, 12)) == 1
    assert audit.verify(ledger).ok
    with ledger.transaction() as connection:
        connection.exec_driver_sql("delete from audit_trail where seq = 4")
        connection.exec_driver_sql(
            "update trail_head set seq = 4, hash = (select previous from audit_trail where seq = 5)"
            " where id = 2"
        )
    assert not audit.verify(ledger).ok


def test_what_is_past_its_time_is_removed_and_nothing_else(
    settings: Settings, ledger: Ledger
) -> None:
    for name in ("logs/calls-2026-01-01.jsonl", "tmp/upload-old/x", "tmp/export.csv"):
        path = settings.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    audit.record(ledger, "ann", "trade_read", "M1")
    later = datetime(2099, 1, 1)
    removed = apply(settings, ledger, later)
    assert {name: count for name, count in removed.items() if count} == {"uploads": 1}
    settings.retention.calls = 30
    assert apply(settings, ledger, later)["call_logs"] == 1
    assert (settings.home / "tmp" / "export.csv").exists()
    assert audit.verify(ledger).entries == 1


def test_maintenance_runs_once_a_night_and_by_day_only_when_nights_were_missed(
    settings: Settings,
) -> None:
    settings.home.mkdir()
    ran: list[datetime] = []

    def at(local: datetime) -> bool:
        moment = local - timedelta(hours=8)
        return maintain_when_due(
            settings, clock=lambda: moment, maintain=lambda _: ran.append(local))

    first = datetime(2026, 5, 1, 12)
    assert not at(first)
    assert [at(first + timedelta(hours=hour)) for hour in (1, 15, 16, 24)] == [
        False, True, False, False]
    assert at(first + timedelta(days=5))
    assert not at(first + timedelta(days=5, hours=1))

    def fail(_: Settings) -> None:
        raise ZeroDivisionError

    night = datetime(2026, 5, 8, 19)
    with pytest.raises(ZeroDivisionError):
        maintain_when_due(settings, clock=lambda: night, maintain=fail)
    assert maintain_when_due(settings, clock=lambda: night, maintain=lambda _: None)


def test_the_screen_shows_verifies_and_is_closed_to_others(
    settings: Settings, ledger: Ledger
) -> None:
    audit.record(ledger, "ann", "trade_read", "alipay/M1")

    def script(home: str, role: str) -> None:
        from pathlib import Path

        import streamlit as st

        from dashboard.identity.rights import ROLES, Person
        from dashboard.screens import trail
        from dashboard.services import Services
        from loaders.errors import MdashError
        from loaders.settings import load_settings

        try:
            trail.render(Services(
                load_settings(Path(home)), language="en", person=Person("ada", ROLES[role])))
        except MdashError as error:
            st.error(error.template)

    test = AppTest.from_function(
        script, default_timeout=60, args=(str(settings.home), "admin")).run()
    assert not test.exception
    assert "alipay/M1" in str(test.dataframe[0].value)
    test.button[0].click().run()
    assert [item.value for item in test.success] == ["The trail holds: 1 entries."]
    closed = AppTest.from_function(
        script, default_timeout=60, args=(str(settings.home), "viewer")).run()
    assert "right" in closed.error[0].value
