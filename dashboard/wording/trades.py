"""A trade's verdict, events and facts as people read them; English is the translation's key."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from dashboard.wording import Say
from dashboard.wording.formats import money, number, seconds
from dashboard.wording.labels import WORDS

if TYPE_CHECKING:
    from dashboard.timeline import Step
    from dashboard.verdict import Clause, Facts, Verdict

STATES = {
    "paid": "Paid", "paid_late": "Paid late", "partly_refunded": "Partly refunded",
    "refunded": "Refunded", "mismatch": "Amounts differ", "closed": "Closed unpaid",
    "unpaid": "Not paid", "waiting": "Waiting for payment", "unknown": "Not known",
}
"""What became of a trade."""
STEPS = {
    "order": "Order created", "order_ends": "The order ends", "close": "The shop closed the order",
    "paid": "Payment", "attempt": "Payment attempt", "asked": "Channel asked", "call": "Other call",
    "message": "Notification", "message_refund": "Notification of a refund",
    "bill_payment": "Payment on the bill", "bill_refund": "Refund on the bill",
    "bill_other": "Other line on the bill", "refund_sent": "Refund sent to the channel",
    "refund_asked": "Asked about the refund", "refund_done": "Refund done",
    "refund_requested": "Refund requested", "refund_awaiting_approval": "Refund awaits approval",
    "refund_reserved": "Refund reserved", "refund_submitting": "Refund on its way",
    "refund_accepted": "Refund accepted, not proven", "refund_stuck": "Refund could not reach the buyer",
    "refund_closed": "Refund failed, no money went back",
    "bill_refund_stuck": "Refund on the bill that did not reach the buyer",
    "bill_refund_closed": "Refund on the bill that failed",
    "refund_unknown": "Refund not known to be done", "refund_refused": "Refund refused",
    "cancel_requested": "Cancellation requested", "cancel_submitting": "Cancellation on its way",
    "cancel_done": "Cancellation done", "cancel_refused": "Cancellation refused",
    "cancel_unknown": "Cancellation not known to be done",
}
"""What happened."""
SAYINGS = {
    "not_paid_yet": "not paid yet", "closed_unpaid": "closed unpaid", "given_back": "given back",
    "still_unknown": "no valid answer", "other_amount": "names another amount, does not count",
    "foreign": "of another app or seller, does not count", "not_sent": "did not reach the channel",
    "merchant": "by the shop", "buyer": "by the buyer", "timeout": "its time was over",
}
"""What was said beside an event."""
LANES = {
    "order": "The order", "attempt": "Attempts", "notification": "Notifications",
    "query": "Queries", "bill": "Bills", "refund": "A refund",
}


class Teller:
    """Words, times and amounts for one reader."""

    def __init__(self, say: Say, language: str, timezone: str) -> None:
        self.say, self.language, self._zone = say, language, ZoneInfo(timezone)

    def local(self, at: datetime) -> datetime:
        """A naive UTC instant on the shop's clock."""
        return at.replace(tzinfo=UTC).astimezone(self._zone)

    def day(self, day: date, now: datetime) -> str:
        """A day as it is spoken of; with its year if that is not this year."""
        with_year = day.year != self.local(now).year
        if self.language == "zh":
            return f"{f'{day.year} 年 ' if with_year else ''}{day.month} 月 {day.day} 日"
        return f"{day.day} {day:%b}{f' {day.year}' if with_year else ''}"

    def moment(self, at: datetime, base: date, now: datetime) -> str:
        """A time of day, with its day if that is not `base`."""
        local = self.local(at)
        time = f"{local:%H:%M:%S}"
        return time if local.date() == base else f"{self.day(local.date(), now)} {time}"

    def sentence(self, verdict: Verdict, facts: Facts) -> str:
        """The verdict in one sentence."""
        told, base = [], self.local(facts.created_at).date()
        for clause in verdict.clauses:
            text, base = self._clause(clause, facts.now, base)
            told.append(text)
        return "；".join(told) + "。" if self.language == "zh" else "; ".join(told) + "."

    def action(self, verdict: Verdict, facts: Facts) -> str:
        """The next safe thing to do."""
        return self._clause(verdict.action.clause, facts.now, self.local(facts.now).date())[0]

    def clause(self, clause: Clause, now: datetime) -> str:
        """One sentence for a customer: its times with their days and to the minute."""
        shown = {
            name: self._date_and_minute(value, now) if isinstance(value, datetime)
            else self._value(name, value, now)
            for name, value in clause.values.items()
        }
        return self.say(clause.template, **shown)

    def _date_and_minute(self, at: datetime, now: datetime) -> str:
        local = self.local(at)
        return f"{self.day(local.date(), now)} {local:%H:%M}"

    def _clause(self, clause: Clause, now: datetime, base: date) -> tuple[str, date]:
        shown = {}
        for name, value in clause.values.items():
            if isinstance(value, datetime):
                shown[name] = self.moment(value, base, now)
                base = self.local(value).date()
            else:
                shown[name] = self._value(name, value, now)
        return self.say(clause.template, **shown), base

    def _value(self, name: str, value: Any, now: datetime) -> str:
        if name.endswith("_fen"):
            return money(value, self.language)
        if name.endswith("_s"):
            return seconds(value, self.language)
        if isinstance(value, date):
            return self.day(value, now)
        if isinstance(value, int):
            return number(value, self.language)
        return self.word(value) if name == "word" else str(value or "—")

    def word(self, value: str | None) -> str:
        """A saying or a class in words."""
        return self.say(SAYINGS.get(value or "", WORDS.get(value or "", value or "—")))

    def step(self, step: Step) -> tuple[str, str]:
        """An event's name, and what was said beside it."""
        detail = self.word(step.detail) if step.detail in SAYINGS else step.detail
        took = f"{step.elapsed_ms} ms" if step.elapsed_ms is not None else ""
        beside: Sequence[str] = [*(self.word(item) for item in step.words), detail, took]
        return self.say(STEPS.get(step.what, step.what)), " · ".join(filter(None, beside))


def gap(seconds: float, language: str) -> str:
    """How long after the event before, in one unit."""
    units = (
        (86_400, "天", "d"), (3_600, "小时", "h"), (60, "分", "min"), (1, "秒", "s"),
    )
    for size, chinese, english in units:
        if seconds >= size:
            shown = f"{seconds / size:.3g}"
            return f"+{shown} {chinese if language == 'zh' else english}"
    return ""
