"""The trail shows what was altered, lost or moved, and says where."""

from __future__ import annotations

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
    assert audit.verify(ledger).entries == 0
