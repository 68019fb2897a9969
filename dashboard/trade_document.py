"""What `mdash trade` prints: one trade with its verdict, its refunds and its events."""

from __future__ import annotations

from typing import Any

from dashboard.refund_commands import document as refund_document
from dashboard.services import Services
from dashboard.trade_desk import Judged
from loaders.errors import RefusedInput
from loaders.store.reader import Row


def trade_document(services: Services, identifier: str) -> dict[str, Any]:
    """The document; who read the trade is written down. Raises RefusedInput for an unknown id."""
    services.acting().demand("see")
    found = services.find_trades(identifier)
    if not found:
        raise RefusedInput("There is no trade with this id.")
    key = found[0]["channel"], found[0]["order_no"]
    judged = services.trade_desk.one(*key)
    services.trade_desk.note_read(*key)
    story = services.trade(*key)
    if story["paid_at"] is not None:
        story |= {"outcome": "paid", "is_late": judged.facts.is_late}
    return services.json_ready(story) | {  # type: ignore[no-any-return]
        "refunded_fen": judged.facts.refunded_fen,
        "refunds": _refunds(services, judged),
        "verdict_state": judged.verdict.state,
        "verdict": judged.sentence,
        "next_step": judged.action,
        "matches": len(found),
    }


def _refunds(services: Services, judged: Judged) -> list[dict[str, Any]]:
    """Those of the ledger, proven by what was loaded or not, and those that only bills name."""
    loaded = {row["refund_no"]: row for row in judged.history.refunds}
    told = []
    for item in reversed(judged.recorded):
        row = loaded.pop(item.refund_no, None)
        told.append(refund_document(services, item) | _proof(services, row))
    return told + [_named(services, judged, row) for row in loaded.values()]


def _proof(services: Services, row: Row | None) -> dict[str, Any]:
    if row is None:
        return {"refunded_at": None, "billed_on": None}
    if row["state"] != "done":
        return {"refunded_at": None, "billed_on": services.json_ready(row["billed_on"])}
    return {
        "state": "done",
        **{name: services.json_ready(row[name]) for name in ("refunded_at", "billed_on")},
    }


_STATES = {"done": "done", "closed": "refused"}
_WHY = {
    "accepted": "The channel took the refund on, but has not proven that the money moved.",
    "stuck": "The money left the shop but could not reach the buyer's account. Handle it on the"
             " merchant platform (交易中心 → 退款异常处理).",
    "closed": "The refund was closed; no money moved.",
}


def _named(services: Services, judged: Judged, row: Row) -> dict[str, Any]:
    """A refund that was not asked for here."""
    trade = judged.history.trade
    return {
        "refund_no": row["refund_no"],
        **{name: trade[name] for name in ("channel", "order_no", "trade_no")},
        "amount_fen": row["amount_fen"] or row["asked_fen"],
        "state": _STATES.get(row["state"], "unknown"),
        "requested_by": None,
        "approved_by": None,
        "reason": None,
        "batch": None,
        "requested_at": services.json_ready(row["requested_at"]),
        "updated_at": services.json_ready(row["refunded_at"] or row["accepted_at"]),
        "sends_at": None,
        "tries": 0,
        "message": services.say(_WHY[row["state"]]) if row["state"] in _WHY else None,
        **_proof(services, row),
    }
