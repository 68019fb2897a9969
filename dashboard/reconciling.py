"""What screens and commands do with the reconciliation: its open items, and what people make of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from dashboard.metrics.catalogue import Answer
from dashboard.metrics.compared import WAITING, items
from dashboard.metrics.question import Question
from dashboard.metrics.reconciled import sla
from dashboard.operations import audit
from dashboard.operations import reconciliation_items as work
from loaders.errors import Forbidden, RefusedInput
from loaders.store.reader import Row

if TYPE_CHECKING:
    from dashboard.services import Services

ACTS: Mapping[str, Callable[..., work.Work]] = {
    "assign": work.assign, "explain": work.explain, "propose": work.propose_write_off,
    "approve": work.approve_write_off, "decline": work.decline_write_off, "reopen": work.reopen,
}
ADVICE = {
    "amount_mismatch": "Ask the channel which amount holds, and take the difference up with it.",
    "status_mismatch": "Ask the channel: its answer settles what our order is.",
    "currency_mismatch": "Check with the channel in which currency this was settled.",
    "duplicate": "See whether the buyer paid twice, and give one payment back.",
    "short": "Ask the channel; if it says paid, ask it for the line that its bill lacks.",
    "long": "Ask the channel, and look for the order in the shop's own system.",
    "fee_mismatch": "Compare the fee with the contract, and claim the difference.",
}
"""What helps with an item of each class."""
WITH_WORDS = ("assign", "explain", "propose")
SHOWN = (
    "day", "bill", "class", "kind", "amount_fen", "sla", "state", "order_no", "our_fen", "bill_fen",
    "age", "owner", "note", "channel", "item",
)
MISSING = ("day", "channel", "bill", "items", "amount_fen", "age", "sla")
_OPEN = """
select * exclude (items)
from ({items})
where item is not null and is_compared and day between $first and $last
order by day, bill, class, order_no, item
"""
_MISSING = f"""
select
    day,
    channel,
    if(bill_day is null, bill, 'trade_bill') as bill,
    sum(items)::bigint as items,
    sum(amount_fen)::bigint as amount_fen
from ({{items}})
where class = '{WAITING}' and day between $first and $last
group by all
order by all
"""


def of_channels(question: Question, *by: str) -> Question:
    """The same period and channels; bills know no other filter."""
    where = {name: found for name, found in question.where.items() if name == "channel"}
    return Question(question.first_day, question.last_day, by, where)


def only(answer: Answer, **values: object) -> Answer:
    """The rows of an answer in which these fields have these values."""
    rows = [row for row in answer.rows if all(row[name] == want for name, want in values.items())]
    return replace(answer, rows=rows)


def open_items(services: Services, question: Question) -> list[Row]:
    """Items of a period that ask for something, oldest first, each with what people did about it.

    Left out are items that wait for a bill, and lines of times of which nothing of ours is loaded.
    A fee that the account charged otherwise is one item, and not one more against the account.
    """
    found = _asked(services, question, "items", _OPEN)
    fees = {(row["channel"], row["order_no"], row["day"]) for row in found
            if row["class"] == "fee_mismatch" and row["bill"] == "trade_bill"}
    return with_work(services, [
        row for row in found
        if not (row["class"] == "fee_mismatch" and row["bill"] == "account_bill"
                and (row["channel"], row["order_no"], row["day"]) in fees)
    ])


def missing_bills(services: Services, question: Question) -> list[Row]:
    """Days of a period whose bill is not loaded, with what waits for it, oldest first."""
    today, terms = services.today(), services.settings.reconciliation
    rows = _asked(services, question, "missing", _MISSING)
    ages = [max(0, (today - row["day"]).days) for row in rows]
    return [row | {"age": age, "sla": sla(age, terms)} for row, age in zip(rows, ages, strict=True)]


def _asked(services: Services, question: Question, name: str, query: str) -> list[Row]:
    services.person.demand("see")
    if services.reader.is_empty:
        return []
    wanted = question.where.get("channel", ())
    period = {"first": question.first_day, "last": question.last_day}
    found = services.answers.once(
        (name, question.first_day, question.last_day),
        lambda: services.reader.rows(
            query.replace("{items}", items(services.reader, question)), period
        ),
    )
    return [row for row in found if not wanted or row["channel"] in wanted]


def with_work(services: Services, found: Sequence[Row]) -> list[Row]:
    """Items with their age in days (to the shop's present day), urgency, state, owner and note."""
    done = work.works(services.people.ledger, [row["item"] for row in found])
    today = services.today()
    rows = [row | _standing(row, done.get(row["item"]), today) for row in found]
    terms = services.settings.reconciliation
    return [
        row | {"handling": f"item_{row['state']}", "sla": sla(row["age"], terms)} for row in rows
    ]


def _standing(row: Row, held: work.Work | None, today: date) -> Row:
    age = max(0, (today - row["day"]).days)
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
    day = _day_of(number)
    rows = [] if day is None else open_items(services, Question(day, day))
    found = next((row for row in rows if row["item"] == number), None)
    if found is None:
        raise RefusedInput("There is no open item with this number.")
    return found


def _day_of(number: str) -> date | None:
    """The day that an item's number begins with: only that day's files need to be read."""
    try:
        return datetime.strptime(number[:6], "%y%m%d").date()
    except ValueError:
        return None


def act(
    services: Services, name: str, found: Mapping[str, Any], words: str = "", **more: Any
) -> work.Work:
    """Do something about an item as the reader; a refusal goes into the trail.

    Raises Forbidden, RefusedInput.
    """
    person, ledger = services.acting(), services.people.ledger
    arguments = (words,) if name in WITH_WORDS else ()
    try:
        if person.role.stores is not None:
            person.demand("see", _store(services, found), any_store=False)
        return ACTS[name](ledger, person, found, *arguments, **more)
    except Forbidden as error:
        audit.record(ledger, person.name, "refused", found["item"], why=error.template)
        raise


def act_as_shown(
    services: Services, name: str, shown: Mapping[str, Any], words: str = ""
) -> work.Work:
    """Do something about an item that was shown a while ago; where it is another since, nothing.

    Raises Forbidden, RefusedInput.
    """
    present = item(services, shown["item"])
    if any(present[field] != shown[field] for field in ("class", "amount_fen", "state")):
        raise RefusedInput("The item changed since it was shown. Look at it again.")
    if name == "approve" and any(present[field] != shown[field] for field in ("proposed_by", "note")):
        raise RefusedInput("The proposal changed since it was shown. Look at it again.")
    return act(services, name, present, words)


def may(services: Services, name: str) -> bool:
    """True if the reader's role allows this act at all."""
    return services.person.may("approve" if name in ("approve", "decline") else "query")


def next_step(services: Services, found: Mapping[str, Any]) -> str | None:
    """The next safe thing that its trade asks for; None where there is none, or no trade is known."""
    try:
        judged = services.trade_desk.one(found["channel"], found["order_no"])
    except RefusedInput:
        return None
    return None if judged.verdict.action.act == "nothing" else judged.action


def _store(services: Services, found: Mapping[str, Any]) -> str | None:
    """The store of an item's trade; None where no trade, or no store of it, is known."""
    try:
        store: str | None = services.trade(found["channel"], found["order_no"])["store"]
    except RefusedInput:
        return None
    return store
