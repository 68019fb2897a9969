"""What screens and commands do with the reconciliation: its open items, and what people make of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

from dashboard.metrics.catalogue import Answer
from dashboard.metrics.question import Question
from dashboard.metrics.reconciled import SETTLED
from dashboard.operations import reconciliation_items as work
from loaders.errors import RefusedInput
from loaders.store.reader import Row
from loaders.store.reconciliation import compared

if TYPE_CHECKING:
    from dashboard.services import Services

ACTS: Mapping[str, Callable[..., work.Work]] = {
    "assign": work.assign, "explain": work.explain, "propose": work.propose_write_off,
    "approve": work.approve_write_off, "decline": work.decline_write_off, "reopen": work.reopen,
}
WITH_WORDS = ("assign", "explain", "propose")
SHOWN = (
    "day", "bill", "class", "kind", "order_no", "our_fen", "bill_fen", "amount_fen", "age", "state",
    "owner", "note", "channel", "item",
)
_HARMLESS = ", ".join(f"'{name}'" for name in SETTLED)


def of_channels(question: Question, *by: str) -> Question:
    """The same period and channels; bills know no other filter."""
    where = {name: found for name, found in question.where.items() if name == "channel"}
    return Question(question.first_day, question.last_day, by, where)


def only(answer: Answer, **values: object) -> Answer:
    """The rows of an answer in which these fields have these values."""
    rows = [row for row in answer.rows if all(row[name] == want for name, want in values.items())]
    return replace(answer, rows=rows)


def open_items(services: Services, question: Question) -> list[Row]:
    """Items of a period that ask for something, oldest first, each with what people did about it."""
    if services.reader.is_empty:
        return []
    wanted = question.where.get("channel", ())
    found = services.answers.once(
        ("items", question.first_day, question.last_day),
        lambda: services.reader.rows(
            f"select * from ({compared(question.first_day, question.last_day)})"
            f" where class not in ({_HARMLESS}) and day between $first and $last"
            " order by day, bill, class, order_no, item",
            {"first": question.first_day, "last": question.last_day},
        ),
    )
    return with_work(services, [row for row in found if not wanted or row["channel"] in wanted])


def with_work(services: Services, found: Sequence[Row]) -> list[Row]:
    """Items with their age in days, state, owner and note."""
    done = work.works(services.people.ledger, [row["item"] for row in found])
    last = services.last_day()
    rows = [row | _standing(row, done.get(row["item"]), last) for row in found]
    return [row | {"handling": f"item_{row['state']}"} for row in rows]


def _standing(row: Row, held: work.Work | None, last: date) -> Row:
    age = max(0, (last - row["day"]).days)
    if held is None:
        return {"age": age, "state": "open", "owner": None, "note": None, "proposed_by": None,
                "approved_by": None}
    is_same = held.concerns(row)
    return {
        "age": age, "state": held.state if is_same else "open", "owner": held.owner,
        "note": held.note, "proposed_by": held.proposed_by if is_same else None,
        "approved_by": held.approved_by if is_same else None,
    }


def item(services: Services, number: str) -> Row:
    """One item that asks for something, by its number. Raises RefusedInput."""
    row = {} if services.reader.is_empty else services.reader.one(
        "select * from lake.reconciliation_items where item = $item", {"item": number}
    )
    if not row or row["class"] in SETTLED:
        raise RefusedInput("There is no open item with this number.")
    return row


def act(services: Services, name: str, found: Mapping[str, Any], words: str = "") -> work.Work:
    """Do something about an item as the reader. Raises Forbidden, RefusedInput."""
    arguments = (words,) if name in WITH_WORDS else ()
    return ACTS[name](services.people.ledger, services.person, found, *arguments)
