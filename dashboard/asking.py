"""Asking the channels by hand: what `mdash query`, `poll` and `pull` do and print."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dashboard.operations import audit
from dashboard.operations.trail import demand, typed
from dashboard.terminal import report_document
from dashboard.wording.formats import money
from loaders import poll as polling
from loaders import pull as pulling
from loaders import remote
from loaders.calls import load_calls
from loaders.channels import CHANNELS
from loaders.errors import ConfigurationError, MdashError, RefusedInput, StoreBusy
from loaders.load import Progress
from loaders.privacy import can_be_an_order
from loaders.records import Answer, TradeState, trade_outcome

if TYPE_CHECKING:
    from dashboard.services import Services

Document = dict[str, Any]
RECORDING_S = 5.0
"""How long a question about one trade waits for the store to take its answer in."""
OUTCOMES = {
    "paid": "paid", "unpaid": "not paid yet", "closed": "closed unpaid",
    "refunded": "paid, then given back", "unknown": "still unknown",
}
"""What a question about a trade came to, in words."""


def poll_document(services: Services) -> tuple[Document, int]:
    """Ask about every overdue order now; the exit code says whether one is still unknown."""
    channels = polling.can_be_asked(services.settings)
    if not channels:
        raise ConfigurationError(
            "No channel can be asked: set {settings} in mdash.toml.",
            settings=" / ".join(
                f"[channels.{name}] {channel.address_setting}, {channel.key_setting}"
                for name, channel in CHANNELS.items() if channel.remote
            ),
        )
    polled = polling.poll(services.settings, channels, budget=polling.BY_HAND, every=True)
    _record_all(services, [(item.order.channel, item.order.order_no) for item in polled.asked])
    counts = polled.counts()
    answers = [
        answer_document(
            services, Known(item.order.channel, item.order.order_no, item.order.trade_no,
                            item.order.amount_fen),
            item.answer, item.why,
        )
        for item in polled.asked
    ]
    lines = [
        services.say(
            "{asked} overdue orders were asked about: {paid} paid, {unpaid} not paid yet, {closed}"
            " closed, {refunded} given back, {unknown} unknown. {left} are left for the next run.",
            asked=len(answers), left=polled.left, **counts,
        )
    ]
    return {
        "asked": len(answers), **counts, "left": polled.left, "answers": answers, "lines": lines,
    }, polled.exit_code


def _record_all(services: Services, keys: Sequence[tuple[str, str]]) -> None:
    if not keys:
        return
    ledger, person = services.people.ledger, services.acting()
    with ledger.transaction() as connection:
        for channel, order_no in keys:
            audit.append(ledger, connection, person.name, "trade_queried", f"{channel}/{order_no}")


@dataclass(frozen=True, slots=True)
class Known:
    """What our records say of a trade that is asked about."""

    channel: str
    order_no: str
    trade_no: str | None = None
    amount_fen: int | None = None


def answer_document(
    services: Services, known: Known, answer: Answer[TradeState], why: MdashError | None = None
) -> Document:
    """One answer. What does not count leaves no trace in it: then our own records are told."""
    counts = answer.is_verified and answer.why is None
    state = answer.data if counts else None
    return {
        "channel": known.channel,
        "order_no": (state and state.order_no) or known.order_no,
        "trade_no": (state and state.trade_no) or known.trade_no,
        "amount_fen": (state and state.amount_fen) or known.amount_fen,
        "outcome": trade_outcome(answer) if counts else "unknown",
        "verified": counts,
        **{
            name: services.json_ready(getattr(state, name, None))
            for name in ("status", "received_fen", "paid_at", "store")
        },
        **{name: getattr(answer, name) if counts else None for name in ("code", "sub_code", "text")},
        "message": _said(services, why) if why else _message(services, answer),
    }


def _said(services: Services, error: MdashError | None) -> str | None:
    return services.say(error.template, **error.values) if error else None


def query_document(services: Services, identifier: str) -> tuple[Document, int]:
    """Ask about one trade now, and record who did. Ends within 4 times the channel's time-out and
    15 seconds. Raises Forbidden, and RefusedInput for an id that many trades have.
    """
    known, store, is_ours = _meant(services, identifier)
    ledger, person = services.people.ledger, services.acting()
    subject = f"{known.channel}/{known.order_no}" if is_ours else typed(ledger, known.order_no)
    demand(ledger, person, "query", subject, store, any_store=not is_ours)
    if not (is_ours or can_be_an_order(known.order_no)):
        raise RefusedInput(
            "This is no number of an order or a trade; nothing was asked. Give the number that the"
            " shop or the channel gave the order."
        )
    audit.record(ledger, person.name, "trade_queried", subject)
    known, answer = _asked(services, known, is_ours)
    document = answer_document(services, known, answer)
    document["recorded"] = _is_recorded(services)
    return document | {"lines": _lines(services, document)}, 3 if document["outcome"] == "unknown" else 0


def _asked(
    services: Services, known: Known, is_ours: bool
) -> tuple[Known, Answer[TradeState]]:
    """The answer, and whose it is. An id we do not know is asked about at every channel."""
    line = remote.shared(services.settings)
    if is_ours:
        return known, line.ask(
            known.channel, "query", order_no=known.order_no, amount_fen=known.amount_fen
        )
    channels = polling.can_be_asked(services.settings) or [known.channel]
    answers, refusals = [], []
    for channel in channels:
        try:
            answer = _asked_as_either(line, channel, known.order_no, 1 if channels[1:] else None)
        except RefusedInput as error:
            refusals.append(error)
            continue
        if answer.is_known and not _is_absent(answer):
            return Known(channel, known.order_no), answer
        answers.append((Known(channel, known.order_no), answer))
    if not answers:
        raise refusals[0]
    # While one channel has not answered, nobody can say that there is no such trade.
    return min(answers, key=lambda item: item[1].is_known)


def _asked_as_either(
    line: remote.Remote, channel: str, number: str, tries: int | None
) -> Answer[TradeState]:
    """The number is taken for an order's, and then for the channel's number of a trade."""
    answer: Answer[TradeState] = line.ask(channel, "query", order_no=number, tries=tries)
    return line.ask(channel, "query", trade_no=number, tries=1) if _is_absent(answer) else answer


def _is_recorded(services: Services) -> bool:
    """True if the answer stands in the store now; else it is loaded with the next one."""
    try:
        load_calls(services.settings, RECORDING_S)
    except StoreBusy:
        return False
    return True


def _meant(services: Services, identifier: str) -> tuple[Known, str | None, bool]:
    """Which trade is meant, its store, and whether we know of it."""
    found = services.find_trades(identifier)
    if len(found) > 1:
        raise RefusedInput(
            "{count} trades have this id. Give the number of one order.", count=len(found)
        )
    if found:
        names = ("channel", "order_no", "trade_no", "amount_fen")
        return Known(*(found[0][name] for name in names)), found[0]["store"], True
    channels = polling.can_be_asked(services.settings) or list(CHANNELS)
    return Known(channels[0], identifier.strip()), None, False


def _is_absent(answer: Answer[TradeState]) -> bool:
    return answer.is_known and answer.data is not None and answer.data.status is None


def _message(services: Services, answer: Answer[TradeState]) -> str | None:
    if answer.why:
        return _said(services, answer.why)
    if _is_absent(answer):
        return services.say(
            "The channel does not know this trade: the buyer has not scanned the code or signed in."
        )
    if answer.is_success or answer.meaning is None:
        return None
    return f"{services.say(answer.meaning.text)} {services.say(answer.meaning.action)}"


def _lines(services: Services, document: Document) -> list[str]:
    told = services.say(OUTCOMES[document["outcome"]])
    if document["amount_fen"] is not None:
        told += f" · {money(document['amount_fen'], services.language)}"
    if document["paid_at"]:
        told += f" · {datetime.fromisoformat(document['paid_at']):%Y-%m-%d %H:%M:%S UTC%z}"[:-2]
    return [f"{document['order_no']}: {told}", *filter(None, [document["message"]])]


def pull_document(
    services: Services, channel: str, kind: str, days: tuple[date, date], *,
    is_again: bool = False, progress: Progress | None = None,
) -> tuple[Document, int]:
    """Fetch and load the bills of inclusive days: what became of each day, and of each file."""
    found = pulling.pull(
        services.settings, channel, kind, *days, is_again=is_again, progress=progress
    )
    lines = [
        services.say(STATUSES[bill.status], period=bill.period, rows=bill.rows, rejected=bill.rejected)
        + (f" {_said(services, bill.why)}" if bill.why else "")
        for bill in found
    ] or [services.say("All of these days are loaded already.")]
    return {
        "channel": channel, "kind": kind,
        "days": list(_days(services, kind, days, found)),
        "files": [
            report_document(bill.report, services.say) | {"path": Path(bill.report.path).name}
            for bill in found if bill.report
        ],
        "rows": sum(bill.rows for bill in found),
        "rejected": sum(bill.rejected for bill in found), "lines": lines,
    }, max((bill.exit_code for bill in found), default=0)


def _days(
    services: Services, kind: str, days: tuple[date, date], found: Sequence[pulling.Pulled]
) -> Iterator[Document]:
    """Each day that was asked for; one that no bill of this run covers was loaded before.

    The rows of a month's bill are not told by day.
    """
    bills = {day: bill for bill in found for day in bill.days()}
    day, last = days
    while day <= last:
        bill = bills.get(day)
        is_whole = bill is not None and bill.period != day.isoformat()
        yield {
            "day": day.isoformat(),
            "kind": kind,
            "status": _day_status(bill) if bill else "duplicate",
            "rows": None if is_whole else bill.rows if bill else 0,
            "period": bill.period if bill else None,
            "message": _said(services, bill.why) if bill else None,
        }
        day += timedelta(days=1)


def _day_status(bill: pulling.Pulled) -> str:
    """As `mdash load` says of a file; a bill that could not be fetched is still missing."""
    if bill.status == "loaded" and bill.report is not None:
        return bill.report.status
    return "missing" if bill.status == "failed" else bill.status


STATUSES = {
    "loaded": "{period}: {rows} rows, {rejected} rejected.",
    "empty": "{period}: no trades.",
    "missing": "{period}: the bill is not there yet.",
    "failed": "{period}: not fetched.",
    "refused": "{period}: refused.",
}
"""What became of a bill, in words."""
