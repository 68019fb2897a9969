"""What `mdash poll`, `mdash query` and `mdash pull` print: one document, and lines for people."""

from __future__ import annotations

from dataclasses import fields
from datetime import date
from typing import Any

from dashboard.services import Services
from dashboard.wording.formats import money
from loaders import poll as polling
from loaders import pull as pulling
from loaders import remote
from loaders.calls import load_calls
from loaders.channels import CHANNELS
from loaders.errors import ConfigurationError, MdashError, RefusedInput
from loaders.load import Progress
from loaders.records import Answer, TradeState, trade_outcome

Document = dict[str, Any]
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
            "No channel can be asked: set gateway_url and app_private_key_file under"
            " [channels.alipay] in mdash.toml."
        )
    polled = polling.poll(services.settings, channels)
    counts = polled.counts()
    orders = [
        {
            "channel": item.channel, "order_no": item.order_no, "amount_fen": item.amount_fen,
            "outcome": item.outcome, "paid_at": services.json_ready(item.paid_at),
            "message": _said(services, item.why),
        }
        for item in polled.asked
    ]
    lines = [
        services.say(
            "{asked} overdue orders were asked about: {paid} paid, {unpaid} not paid yet, {closed}"
            " closed, {refunded} given back, {unknown} unknown. {left} are left for the next run.",
            asked=len(orders), left=polled.left, **counts,
        )
    ]
    return {
        "asked": len(orders), **counts, "left": polled.left, "orders": orders, "lines": lines,
    }, polled.exit_code


def _said(services: Services, error: MdashError | None) -> str | None:
    return services.say(error.template, **error.values) if error else None


def query_document(services: Services, identifier: str) -> tuple[Document, int]:
    """Ask about one trade now. Raises RefusedInput for an id that many trades have."""
    channel, question = _meant(services, identifier)
    answer: Answer[TradeState] = remote.shared(services.settings).ask(channel, "query", **question)
    if not question.get("amount_fen") and _is_absent(answer):
        answer = remote.shared(services.settings).ask(channel, "query", trade_no=identifier)
    load_calls(services.settings)
    state, outcome = answer.data, trade_outcome(answer)
    document: Document = {
        "channel": channel,
        "order_no": (state and state.order_no) or question["order_no"],
        "outcome": outcome,
        **{
            name: services.json_ready(getattr(state, name, None))
            for name in ("trade_no", "status", "amount_fen", "received_fen", "paid_at", "store")
        },
        "code": answer.code,
        "sub_code": answer.sub_code,
        "text": answer.text,
        "message": _message(services, answer),
    }
    return document | {"lines": _lines(services, document)}, 3 if outcome == "unknown" else 0


def _meant(services: Services, identifier: str) -> tuple[str, Document]:
    """The channel and what to ask it; an id the store does not know is taken for an order's."""
    found = services.find_trades(identifier)
    if len(found) > 1:
        raise RefusedInput(
            "{count} trades have this id. Give the number of one order.", count=len(found)
        )
    if found:
        return found[0]["channel"], {
            "order_no": found[0]["order_no"], "amount_fen": found[0]["amount_fen"]
        }
    channels = polling.can_be_asked(services.settings) or list(CHANNELS)
    return channels[0], {"order_no": identifier.strip()}


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
        told += f" · {document['paid_at']}"
    return [f"{document['order_no']}: {told}", *filter(None, [document["message"]])]


def pull_document(
    services: Services, channel: str, kind: str, days: tuple[date, date], *,
    is_again: bool = False, progress: Progress | None = None,
) -> tuple[Document, int]:
    """Fetch and load the bills of inclusive days."""
    found = pulling.pull(
        services.settings, channel, kind, *days, is_again=is_again, progress=progress
    )
    bills = [
        {item.name: services.json_ready(getattr(bill, item.name)) for item in fields(bill)
         if item.name != "why"}
        | {"message": _said(services, bill.why)}
        for bill in found
    ]
    lines = [
        services.say(STATUSES[bill.status], period=bill.period, rows=bill.rows, rejected=bill.rejected)
        + (f" {_said(services, bill.why)}" if bill.why else "")
        for bill in found
    ] or [services.say("All of these days are loaded already.")]
    return {
        "channel": channel, "kind": kind, "bills": bills, "rows": sum(bill.rows for bill in found),
        "rejected": sum(bill.rejected for bill in found), "lines": lines,
    }, max((bill.exit_code for bill in found), default=0)


STATUSES = {
    "loaded": "{period}: {rows} rows, {rejected} rejected.",
    "empty": "{period}: no trades.",
    "absent": "{period}: the bill is not there yet.",
    "failed": "{period}: not fetched.",
    "refused": "{period}: refused.",
}
"""What became of a bill, in words."""
