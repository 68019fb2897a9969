"""The trail shows what was altered, lost or moved, and says where."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from dashboard.operations import audit
from dashboard.operations.ledger import Ledger

ALTERATIONS = {
    "altered": ("update audit_trail set actor = 'nobody' where seq = 3", 3),
    "detail altered": ("update audit_trail set detail = '{}' where seq = 2", 2),
    "time altered": ("update audit_trail set at = '2020-01-01 00:00:00.000000' where seq = 5", 5),
    "lost in the middle": ("delete from audit_trail where seq = 3", 3),
    "first lost": ("delete from audit_trail where seq = 1", 1),
    "newest lost": ("delete from audit_trail where seq = 6", 6),
    "all lost": ("delete from audit_trail", 1),
    "head lost": ("delete from trail_head", 7),
    "swapped": (
        "update audit_trail set seq = case seq when 3 then -4 when 4 then -3 end where seq in (3, 4);"
        "update audit_trail set seq = -seq where seq < 0", 3,
    ),
}


def fill(ledger: Ledger) -> None:
    for number in range(6):
        audit.record(ledger, f"人{number % 2}", "trade_read", f"M{number}", amount_fen=number)


def test_an_untouched_trail_holds(ledger: Ledger) -> None:
    assert audit.verify(ledger) == audit.Verdict(0, None, None)
    fill(ledger)
    assert audit.verify(ledger) == audit.Verdict(6, None, None)


@pytest.mark.parametrize("name", ALTERATIONS)
def test_an_alteration_is_found_and_named(ledger: Ledger, name: str) -> None:
    fill(ledger)
    statements, where = ALTERATIONS[name]
    with ledger.transaction() as connection:
        for statement in statements.split(";"):
            connection.execute(text(statement))
    found = audit.verify(ledger)
    assert (found.ok, found.first_bad) == (False, where)


def test_a_chain_made_again_without_the_key_does_not_hold(ledger: Ledger) -> None:
    """Whoever alters a row and computes all hashes anew lacks the key of the seals."""
    fill(ledger)
    with ledger.transaction() as connection:
        connection.execute(text("update audit_trail set actor = 'nobody' where seq = 4"))
        rows = [dict(row) for row in audit.entries(connection)]
        previous = audit.BEGINNING
        for row in rows:
            row["previous"] = previous
            previous = row["hash"] = audit.digest(row)
            connection.execute(text(
                "update audit_trail set previous = :previous, hash = :hash where seq = :seq"
            ), row | {"at": None})
        connection.execute(text("update trail_head set hash = :hash"), {"hash": previous})
    assert audit.verify(ledger).first_bad == 4


def test_a_row_stands_only_if_its_transaction_does(ledger: Ledger) -> None:
    def fail() -> None:
        with ledger.transaction() as connection:
            audit.append(ledger, connection, "omar", "refund_requested", "R1")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert audit.verify(ledger) == audit.Verdict(0, None, None)


def run(ledger: Ledger, *statements: str) -> None:
    with ledger.transaction() as connection:
        for statement in statements:
            connection.execute(text(statement))


def saved_head(ledger: Ledger) -> str:
    with ledger.reading() as connection:
        row = connection.execute(text("select seq, hash, seal from trail_head where id = 1")).one()
    told = f"seq = {row.seq}, hash = '{row.hash}', seal = '{row.seal}'"
    return f"update trail_head set {told} where id = 1"


def test_a_wiped_trail_is_known_also_after_new_entries(ledger: Ledger) -> None:
    fill(ledger)
    run(ledger, "delete from audit_trail", "delete from trail_head")
    assert audit.verify(ledger).first_bad == 1
    for _ in range(2):
        fill(ledger)
        found = audit.verify(ledger)
        assert (found.ok, found.first_bad) == (False, 6)


def test_a_trail_put_back_to_an_earlier_state_is_known(ledger: Ledger) -> None:
    fill(ledger)
    earlier = saved_head(ledger)
    fill(ledger)
    run(ledger, "delete from audit_trail where seq > 6", earlier)
    assert audit.verify(ledger).first_bad == 7
    fill(ledger)
    fill(ledger)
    assert not audit.verify(ledger).ok


def test_a_ledger_that_was_removed_is_known_by_what_stands_beside_the_key(ledger: Ledger) -> None:
    fill(ledger)
    ledger.close()
    for path in ledger.settings.home.glob("ledger.sqlite*"):
        path.unlink()
    assert audit.verify(Ledger(ledger.settings)).first_bad == 1
    (ledger.settings.home / "keys" / "trail.mark").unlink()
    assert audit.verify(Ledger(ledger.settings)).first_bad == 1


def test_a_forged_mark_is_known_and_one_left_behind_by_a_crash_holds(ledger: Ledger) -> None:
    path = ledger.settings.home / "keys" / "trail.mark"
    fill(ledger)
    behind = path.read_bytes()
    fill(ledger)
    assert path.read_bytes() != behind
    path.write_bytes(behind)
    assert audit.verify(ledger) == audit.Verdict(12, None, None)
    fill(ledger)
    assert audit.verify(ledger).ok
    path.write_text('{"seq": 2, "hash": "", "seal": ""}')
    assert audit.verify(ledger).first_bad == 2
    path.write_text("{")
    assert audit.verify(ledger).first_bad == 1


def test_threads_that_write_at_once_leave_a_trail_that_holds(ledger: Ledger) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: audit.record(Ledger(ledger.settings), "a", "loaded"), range(24)))
    assert audit.verify(ledger) == audit.Verdict(24, None, None)
    mark = json.loads((ledger.settings.home / "keys" / "trail.mark").read_bytes())
    assert mark["seq"] == 24
