"""One trade's truth, or that of hundreds: found by any id, judged, and told to one person."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from dashboard.customer_answers import Expectation, answers
from dashboard.histories import History, Key, histories, matches, message_file
from dashboard.metrics.question import Question
from dashboard.operations import audit, cancelling
from dashboard.timeline import Step, steps
from dashboard.trade_facts import facts_of
from dashboard.verdict import Facts, Verdict, verdict
from dashboard.wording.trades import Teller
from loaders.errors import RefusedInput
from loaders.poll import can_be_asked
from loaders.raw_messages import RawMessage, raw_message

if TYPE_CHECKING:
    from dashboard.operations.cancel import Cancellation
    from dashboard.operations.refunds import Refund
    from dashboard.services import Services

MOST_IDS = 500
MOST_TRADES = 2_000
_SEPARATORS = re.compile(r"[\s,;，；、]+")
_REFUNDS_SINCE = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Judged:
    """One trade with its verdict, and the words of both."""

    history: History
    facts: Facts
    verdict: Verdict
    recorded: tuple[Refund, ...]
    cancelled: tuple[Cancellation, ...]
    sentence: str
    action: str

    def steps(self) -> list[Step]:
        """Everything that happened, in time order."""
        return steps(self.history, self.recorded, self.cancelled)


@dataclass(frozen=True, slots=True)
class Listed:
    """What became of a list of ids: the trades they belong to, and those that belong to none."""

    found: tuple[tuple[str, Judged], ...]
    missing: tuple[str, ...]


def ids_of(text: str) -> list[str]:
    """The ids in a pasted text, each once. Raises RefusedInput for more than are looked up at once."""
    found = list(dict.fromkeys(filter(None, _SEPARATORS.split(text))))
    if len(found) > MOST_IDS:
        raise RefusedInput(
            "{count} ids were given; at most {most} are looked up at once.",
            count=len(found), most=MOST_IDS,
        )
    return found


def is_list(text: str) -> bool:
    """True for a text with more than one id in it."""
    return len(set(filter(None, _SEPARATORS.split(text)))) > 1


class TradeDesk:
    """Trades as one person may see them."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.teller = Teller(services.say, services.language, services.timezone)

    def one(self, channel: str, order_no: str) -> Judged:
        """One trade. Raises RefusedInput if there is none."""
        found = self._judged([(channel, order_no)])
        if not found:
            raise RefusedInput("There is no trade with this id.")
        return found[0]

    def many(self, ids: Sequence[str]) -> Listed:
        """The trades of many ids, in the order of the ids."""
        self._services.acting().demand("see")
        spellings = {text: self._services.spellings(text) for text in ids}
        keys = matches(self._services.reader, spellings, MOST_TRADES)
        wanted = list(dict.fromkeys(key for found in keys.values() for key in found))
        judged = {item.history.key: item for item in self._judged(wanted)}
        return Listed(
            tuple((text, judged[key]) for text in ids for key in keys[text] if key in judged),
            tuple(text for text in ids if not keys[text]),
        )

    def note_read(self, channel: str, order_no: str) -> None:
        """Write down that this person read this trade."""
        services = self._services
        audit.record(
            services.people.ledger, services.acting().name, "trade_read", f"{channel}/{order_no}"
        )

    def note_list(self, keys: Sequence[Key]) -> None:
        """Write down that this person read these trades at once."""
        services = self._services
        audit.record(
            services.people.ledger, services.acting().name, "trade_read", f"{len(keys)} trades",
            trades=[f"{channel}/{order_no}" for channel, order_no in keys],
        )

    def answers(self, judged: Judged) -> dict[str, str]:
        """What may be told to the customer, by language."""
        return answers(
            judged.verdict, judged.facts, lambda: self.expectation(judged.facts.channel),
            self._services.timezone,
        )

    def expectation(self, channel: str) -> Expectation:
        """How long the channel's refunds of the last 90 days took."""
        last = self._services.last_day()
        question = Question(last - _REFUNDS_SINCE, last, (), {"channel": (channel,)})
        for row in self._services.metric("latency", question).rows:
            if row["stage"] == "refund":
                return Expectation(channel, row["count"], row["p50_s"], row["p95_s"])
        return Expectation(channel)

    def raw(self, step: Step) -> RawMessage | None:
        """A notification as it came, masked; None if its log is not here."""
        if step.message is None:
            return None
        load_id, line, key = step.message
        file = message_file(self._services.reader, load_id)
        return raw_message(self._services.settings, file, line, key) if file else None

    def _judged(self, keys: Sequence[Key]) -> list[Judged]:
        self._services.acting().demand("see")
        if self._services.reader.is_empty:
            return []
        found, coverage = histories(self._services.reader, keys)
        recorded = self._recorded([item.key for item in found])
        cancelled = self._cancelled([item.key for item in found])
        now = datetime.now(UTC).replace(tzinfo=None)
        asked = set(can_be_asked(self._services.settings))
        judged = []
        for history in found:
            own = tuple(recorded.get(history.key, ()))
            ended = tuple(cancelled.get(history.key, ()))
            facts = facts_of(
                history, coverage, now, recorded=own, can_ask=history.key[0] in asked,
                is_cancelling=any(item.state in cancelling.OPEN for item in ended),
            )
            made = verdict(facts)
            judged.append(Judged(
                history, facts, made, own, ended, self.teller.sentence(made, facts),
                self.teller.action(made, facts),
            ))
        return judged

    def _recorded(self, keys: Sequence[Key]) -> dict[Key, list[Refund]]:
        """The ledger's refunds of these trades."""
        refunds = self._services.refunds
        if len(keys) == 1:
            return {keys[0]: refunds.refunds(channel=keys[0][0], order_no=keys[0][1])}
        found: dict[Key, list[Refund]] = defaultdict(list)
        for item in refunds.refunds() if keys else ():
            found[item.channel, item.order_no].append(item)
        return found

    def _cancelled(self, keys: Sequence[Key]) -> dict[Key, list[Cancellation]]:
        """The ledger's cancellations of these trades."""
        from dashboard.operations import cancel

        refunds = self._services.refunds
        if len(keys) == 1:
            return {keys[0]: cancel.of_order(refunds, *keys[0])}
        found: dict[Key, list[Cancellation]] = defaultdict(list)
        for item in cancel.cancellations(refunds) if keys else ():
            found[item.channel, item.order_no].append(item)
        return found


def list_row(text: str, judged: Judged, state: str) -> dict[str, Any]:
    """One row of a table of verdicts."""
    trade, facts = judged.history.trade, judged.facts
    return {
        "asked_id": text,
        "verdict_state": state,
        "verdict": judged.sentence,
        "next_step": judged.action,
        "amount_fen": facts.amount_fen,
        "refunded_fen": facts.refunded_fen,
        **{name: trade[name] for name in ("channel", "order_no", "trade_no", "created_at", "paid_at",
                                          "store")},
    }
