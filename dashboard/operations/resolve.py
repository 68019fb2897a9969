"""Carrying refunds out: the message is sent, its answer judged, and what is unknown asked about."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol, Self

from dashboard.operations import refund_rows
from dashboard.operations.claims import lease, new_holder, timeout_s
from dashboard.operations.ledger import Ledger, now
from dashboard.operations.policy import channel_reason, least_total, next_at
from dashboard.operations.refund_records import Refund, State
from dashboard.operations.refund_tables import REFUNDS
from loaders.channels.protocol import Message
from loaders.errors import MdashError, NoAnswer, RefusedInput
from loaders.records import Answer, RefundState, refund_outcome
from loaders.settings import Settings
from loaders.transport import Intent

PATIENCE_S = 5.0
"""How long a command waits for the time that must lie between two refunds."""
QUIET = timedelta(seconds=10)
"""A question sooner after a message may be too early to be answered (refund query documents)."""
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=10), timedelta(hours=1)
OTHER_TOTAL = "The reply is about another amount than was asked about."
ACCEPTED = "The channel took the refund on, but has not proven that the money moved."


class Ask(Protocol):
    """Asking a channel, as `loaders.remote.Remote.ask` does."""

    def __call__(
        self, channel: str, call: str, *, intent: Intent | None = None, **fields: Any
    ) -> Answer[Any]: ...


class ClaimLost(MdashError):
    """Somebody else took the refund over: this process may not send it any more."""


class TooSoon(MdashError):
    """Another message about the order was sent a moment ago."""

    def __init__(self, until: datetime) -> None:
        super().__init__("Another refund of this order was sent a moment ago.")
        self.until = until


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer proves. `is_uncertain`: the message may have done its work unseen.

    `by`: what proves it, if that is no answer.
    """

    state: State
    why: MdashError | None = None
    refusal: MdashError | None = None
    is_uncertain: bool = False
    due_at: datetime | None = None
    code: str | None = None
    by: str | None = None


def judge_message(refund: Refund, answer: Answer[RefundState], least_fen: int = 0) -> Verdict:
    """What the answer to a message proves of a refund that was as `refund` before it was sent.

    An answer whose refunded total, where the channel tells it, leaves out what was refunded before
    is another refund's. A refund that the channel closed is refused, however often it was sent. A
    final error refuses the first message. It does not refuse a repeat, as an earlier message of
    unknown outcome may be what it stumbles over.
    """
    why, code = _said(answer), answer.sub_code or answer.code
    outcome = refund_outcome(answer)
    if outcome == "done" and answer.data is not None:
        total_fen = answer.data.refunded_total_fen
        if total_fen is None or total_fen >= least_fen:
            return Verdict("done", code=code)
        return Verdict("unknown", RefusedInput(OTHER_TOTAL), is_uncertain=True, code=code)
    if _is_closed(answer):
        return Verdict("refused", why, code=code)
    if not answer.was_sent:
        is_ours = isinstance(why, RefusedInput)
        return Verdict("refused" if is_ours and refund.uncertain_at is None else "unknown", why)
    is_first = refund.uncertain_at is None
    if answer.is_verified and not answer.is_success and (
        outcome == "refused" or (is_first and answer.meaning and answer.meaning.is_first_final)
    ):
        if is_first:
            return Verdict("refused", why, code=code)
        return Verdict("unknown", why, refusal=why, code=code)
    return Verdict("unknown", why, is_uncertain=True, code=code)


def judge_question(refund: Refund, answer: Answer[RefundState], at: datetime) -> Verdict | None:
    """What the answer to a question proves; None if nothing, and it may be sent again.

    What the channel has is not sent again. Of others, only a refund that was refused when repeated,
    and that the channel denies long enough after the last message of unknown outcome, is refused.
    """
    if refund_outcome(answer) == "done":
        return Verdict("done")
    if _is_closed(answer):
        return Verdict("refused", _said(answer))
    if answer.is_verified and answer.data is not None and answer.data.state in ("accepted", "stuck"):
        return Verdict("unknown", _said(answer))
    if refund.refusal is None or refund.uncertain_at is None:
        return None
    quiet_until = refund.uncertain_at + QUIET
    if at < quiet_until:
        return Verdict("unknown", refund.refusal, due_at=quiet_until)
    is_denied = answer.is_verified and answer.data is not None and answer.data.state == "absent"
    if is_denied:
        return Verdict("refused", refund.refusal)
    return Verdict("unknown", refund.refusal)


def _is_closed(answer: Answer[RefundState]) -> bool:
    """True if the channel says that it gave this very refund up: no money moved, none will."""
    return answer.is_known and answer.data is not None and answer.data.state == "closed"


def _said(answer: Answer[RefundState]) -> MdashError:
    if answer.why is not None:
        return answer.why
    if answer.is_success or answer.meaning is None:
        return NoAnswer(ACCEPTED)
    return RefusedInput(answer.meaning.text)


class Carrier:
    """Sends and settles claimed refunds. Safe to share among threads."""

    def __init__(self, settings: Settings, ledger: Ledger, ask: Ask) -> None:
        self._settings, self._ledger, self._ask = settings, ledger, ask

    def claim(self, channel: str, at: datetime) -> tuple[str, datetime]:
        """A new claim: its holder, and until when it holds."""
        return new_holder(), at + lease(self._settings, channel)

    def send(self, refund: Refund, actor: str) -> Refund:
        """Send a claimed refund for the first time."""
        clock = Clock.of(self._settings, refund.channel)
        return self._guarded(refund, actor, lambda: self._sent(refund, actor, clock))

    def settle(self, refund: Refund, actor: str) -> Refund:
        """Ask about a claimed refund whose outcome is unknown; where that proves nothing, repeat it."""
        clock = Clock.of(self._settings, refund.channel)
        return self._guarded(refund, actor, lambda: self._settled(refund, actor, clock))

    def prove(self, refund: Refund, actor: str) -> Refund:
        """A claimed refund is done: the channel's bill or notification has it."""
        return self._finish(refund, actor, Verdict("done", by="bill"))

    def _guarded(self, refund: Refund, actor: str, work: Any) -> Refund:
        try:
            verdict: Verdict = work()
        except ClaimLost:
            return self._current(refund)
        except BaseException:
            self._finish(refund, actor, Verdict("unknown", refund.why, is_uncertain=True))
            raise
        return self._finish(refund, actor, verdict)

    def _sent(self, refund: Refund, actor: str, clock: Clock) -> Verdict:
        try:
            return self._tried(refund, actor, clock)
        except TooSoon as early:
            wait_s = (early.until - now()).total_seconds()
        if wait_s > PATIENCE_S:
            return Verdict("reserved", due_at=now() + timedelta(seconds=wait_s))
        time.sleep(max(wait_s, 0))
        try:
            return self._tried(refund, actor, clock)
        except TooSoon as early:
            return Verdict("reserved", due_at=early.until)

    def _settled(self, refund: Refund, actor: str, clock: Clock) -> Verdict:
        is_question_due = refund.refusal is not None or refund.asks % 3 != 2
        if is_question_due:
            answer = self._question(refund)
            verdict = judge_question(refund, answer, now())
            if verdict is not None:
                return verdict
            if refund.refusal is not None or not clock.has_time_to_send:
                return Verdict("unknown", answer.why or refund.why)
        try:
            return self._tried(refund, actor, clock)
        except TooSoon as early:
            verdict = None
            if not is_question_due:
                verdict = judge_question(refund, self._question(refund), now())
            return verdict or Verdict("unknown", refund.why, due_at=early.until)

    def _tried(self, refund: Refund, actor: str, clock: Clock) -> Verdict:
        """One message; if it was taken on and nothing more, one question."""
        with self._ledger.reading() as connection:
            others = refund_rows.of_order(connection, refund.channel, refund.order_no)
        answer = self._message(refund, actor)
        verdict = judge_message(refund, answer, least_total(others, refund))
        if verdict.state == "unknown" and answer.is_success and clock.has_time_to_ask:
            return judge_question(refund, self._question(refund), now()) or verdict
        return verdict

    def _message(self, refund: Refund, actor: str) -> Answer[RefundState]:
        """The refund's message. It leaves only once it is written down that it may have left."""

        def intent(_: Message) -> None:
            self._write_intent(refund, actor)

        fields = self._fields(refund)
        try:
            return self._ask(refund.channel, "refund", intent=intent, **fields)
        except (ClaimLost, TooSoon):
            raise
        except MdashError as error:
            return Answer(was_sent=False, why=error)

    def _fields(self, refund: Refund) -> dict[str, Any]:
        return {
            "refund_no": refund.refund_no, "amount_fen": refund.amount_fen,
            "order_no": refund.order_no, "reason": channel_reason(refund.channel, refund.reason),
            "total_fen": refund.paid_fen,
        }

    def _question(self, refund: Refund) -> Answer[RefundState]:
        try:
            return self._ask(
                refund.channel, "refund_query", refund_no=refund.refund_no,
                amount_fen=refund.amount_fen, order_no=refund.order_no,
            )
        except MdashError as error:
            return Answer(was_sent=False, why=error)

    def _write_intent(self, refund: Refund, actor: str) -> None:
        """Raises ClaimLost, or TooSoon after another message about the order."""
        at = now()
        with self._ledger.transaction() as connection:
            row = refund_rows.one(connection, refund.refund_no)
            is_mine = row.state == "submitting" and row.holder == refund.holder
            if not is_mine or row.lease_until is None or row.lease_until <= at:
                raise ClaimLost("Another process carries this refund out.")
            others = [
                replace(item, state="unknown") if item.refund_no == row.refund_no else item
                for item in refund_rows.of_order(connection, row.channel, row.order_no)
            ]
            soonest = next_at(row.channel, others, at, own=row.refund_no)
            if soonest is not None and soonest > at:
                raise TooSoon(soonest)
            refund_rows.change(
                connection, row, tries=row.tries + 1, sent_at=at, uncertain_at=at, updated_at=at
            )
            refund_rows.told(
                self._ledger, connection, actor, "refund_submitted", row, attempt=row.tries + 1
            )

    def _finish(self, refund: Refund, actor: str, verdict: Verdict) -> Refund:
        """Write the verdict down. Proof stands, whoever holds the claim by now."""
        at = now()
        values: dict[str, Any] = {
            "state": verdict.state, "updated_at": at, "holder": None, "lease_until": None,
            "why": verdict.why, "uncertain_at": at if verdict.is_uncertain else refund.uncertain_at,
        }
        if verdict.state == "reserved":
            values["sends_at"] = verdict.due_at
        elif verdict.by is None:
            values |= {"asked_at": at, "asks": refund.asks + 1}
        if verdict.state == "unknown":
            pause = min(FIRST_PAUSE * 2 ** min(refund.asks, 12), LONGEST_PAUSE)
            values |= {
                "due_at": verdict.due_at or at + pause, "refusal": verdict.refusal or refund.refusal
            }
        with self._ledger.transaction() as connection:
            if refund_rows.one(connection, refund.refund_no).tries > refund.tries:
                values["sent_at"] = at
            is_written = refund_rows.change(connection, refund, **values)
            if not is_written and verdict.state == "done":
                is_open = REFUNDS.c.state.in_(("submitting", "unknown"))
                is_written = refund_rows.set_where(connection, refund.refund_no, is_open, **values)
            if is_written:
                self._tell(connection, refund, actor, verdict)
            return refund_rows.one(connection, refund.refund_no)

    def _tell(self, connection: Any, refund: Refund, actor: str, verdict: Verdict) -> None:
        if verdict.state == "reserved":
            return
        why = verdict.why.template if verdict.why else None
        steps = [f"refund_{verdict.state}"]
        if verdict.by or (verdict.state in ("done", "refused") and refund.asks):
            steps.append("refund_resolved")
        for step in steps:
            refund_rows.told(
                self._ledger, connection, actor, step, refund, state=verdict.state, why=why,
                code=verdict.code, **({"by": verdict.by} if verdict.by else {}),
            )

    def _current(self, refund: Refund) -> Refund:
        with self._ledger.reading() as connection:
            return refund_rows.one(connection, refund.refund_no)


class Clock:
    """How much of a command's time is left: it ends within four calls and a quarter of a minute."""

    def __init__(self, timeout: float) -> None:
        self._timeout, self._begun = timeout, time.monotonic()

    @classmethod
    def of(cls, settings: Settings, channel: str) -> Self:
        """The clock of a command that begins now."""
        return cls(timeout_s(settings, channel))

    @property
    def has_time_to_ask(self) -> bool:
        """True if three tries of a question still fit."""
        return time.monotonic() - self._begun <= self._timeout + 6

    @property
    def has_time_to_send(self) -> bool:
        """True if a message still fits."""
        return time.monotonic() - self._begun <= 2 * self._timeout + 7


