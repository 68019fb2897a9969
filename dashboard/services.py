"""What a screen or a command may call: the reader's answers and the jobs behind them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from dashboard import listings, uploads
from dashboard.asking import query_document
from dashboard.bounded import Limits, run
from dashboard.identity.accounts import Accounts
from dashboard.identity.rights import LOCAL, Person, Right
from dashboard.metrics.answers import Answers
from dashboard.metrics.attention import Finding, change_of, findings
from dashboard.metrics.catalogue import Answer
from dashboard.metrics.change import Change
from dashboard.metrics.question import NAMED_DIMENSIONS, Question
from dashboard.metrics.spread import Bar, spread
from dashboard.operations import audit, vault
from dashboard.operations.erasure import Erased, erase, preview, spellings
from dashboard.operations.trail import Trail, demand
from dashboard.people import People
from dashboard.wording import Say, speaker
from dashboard.wording.formats import iso
from loaders.channels import retry_ladders
from loaders.remote import shared
from loaders.settings import Settings
from loaders.store.reader import SOURCES, Reader, Row

if TYPE_CHECKING:
    import pyarrow as pa

    from dashboard.exports.files import Download
    from dashboard.exports.provenance import Provenance
    from dashboard.operations.refunds import Refunds
    from dashboard.refund_desk import RefundDesk
    from dashboard.trade_desk import TradeDesk



class Services:
    """Everything about one home, for one person in one language."""

    def __init__(
        self, settings: Settings, answers: Answers | None = None, language: str | None = None,
        person: Person = LOCAL, identify: Callable[[], Person] | None = None,
    ) -> None:
        self.settings = settings
        self.answers = answers or Answers(Reader(settings, retry_ladders()))
        self.reader = self.answers.reader
        self.person = person
        self._identify = identify
        self.language = language or settings.shop.language
        self.say: Say = speaker(self.language)

    @cached_property
    def people(self) -> People:
        """What people keep: views, notes, alerts and reports."""
        return People(
            self.settings, self.reader, self.say, self.language, self.person, self.acting
        )

    @property
    def accounts(self) -> Accounts:
        """Accounts and roles. Raises Forbidden."""
        self.person.demand("administer")
        return Accounts(self.people.ledger)

    @cached_property
    def trail(self) -> Trail:
        """What people and the program did."""
        return Trail(self.people.ledger, self.person, self.say)

    @cached_property
    def refunds(self) -> Refunds:
        """Refunds: what may be given back, and giving it back."""
        from dashboard.operations.refunds import Refunds

        return Refunds(self.settings, self.reader, self.people.ledger)

    @cached_property
    def refund_desk(self) -> RefundDesk:
        """Refunds as this person may see and make them."""
        from dashboard.refund_desk import RefundDesk

        return RefundDesk(self.refunds, self.acting)

    def acting(self) -> Person:
        """Who acts now, with the rights held at this moment. Raises Forbidden if nobody does."""
        return self._identify() if self._identify else self.person

    @property
    def timezone(self) -> str:
        """The shop's timezone."""
        return self.settings.shop.timezone

    def metric(self, name: str, question: Question) -> Answer:
        """Answer a question asked of a metric. Raises Forbidden."""
        self.person.demand("see")
        return self.answers.metric(name, question)

    def orders_a_day(self, question: Question) -> float:
        """Orders created on a day of the period, on average."""
        rows = self.metric("conversion", question).rows
        return rows[0]["orders"] / question.days if rows else 0.0

    def today(self) -> date:
        """The shop's present business day."""
        return datetime.now(UTC).astimezone(ZoneInfo(self.timezone)).date()

    def shop_time(self, at: datetime | None) -> datetime | None:
        """A naive UTC instant on the shop's clock."""
        if at is None:
            return None
        return at.replace(tzinfo=UTC).astimezone(ZoneInfo(self.timezone)).replace(tzinfo=None)

    def last_day(self) -> date:
        """The business day of the latest instant any source speaks of; today in an empty home."""
        marks = self.reader.watermarks()
        if not marks:
            return self.today()
        last = max(marks.values()) - timedelta(microseconds=1)
        return last.replace(tzinfo=UTC).astimezone(ZoneInfo(self.timezone)).date()

    def choices(self) -> dict[str, list[str]]:
        """For each dimension, the values met so far."""
        if self.reader.is_empty:
            return {name: [] for name in NAMED_DIMENSIONS}
        return self.answers.once(("choices",), self._choices)

    def _choices(self) -> dict[str, list[str]]:
        lists = ", ".join(f"list(distinct {name}) as {name}" for name in NAMED_DIMENSIONS)
        row = self.reader.one(f"select {lists} from lake.hourly_orders")
        return {name: sorted(filter(None, row[name] or [])) for name in NAMED_DIMENSIONS}

    def find_trades(self, identifier: str, limit: int = 50) -> list[Row]:
        """Trades that a pasted id belongs to: order, trade, refund, notification or buyer."""
        return listings.find(self.reader, self.spellings(identifier.strip()), limit)

    def find_buyer(self, identifier: str) -> str | None:
        """The pseudonym that a pasted buyer id belongs to."""
        names = self.spellings(identifier.strip())
        return next((name for name in names if listings.is_buyer(self.reader, name)), None)

    def spellings(self, text: str) -> list[str]:
        """The id itself, and what a buyer's own id is stored as."""
        if not text or self.reader.is_empty:
            return []
        return spellings(self.settings, text)

    def recent_trades(
        self, question: Question, picks: Mapping[str, str] | None = None, limit: int = 200
    ) -> list[Row]:
        """The latest trades of a period; `picks` narrows them by outcome, reason, code or state."""
        return listings.recent(self.reader, question, picks or {}, limit)

    def slowest_trades(self, question: Question, stage: str, limit: int = 20) -> list[Row]:
        """The trades of a period whose stage took longest."""
        return listings.slowest(self.reader, question, stage, limit)

    @contextmanager
    def every_trade(self, question: Question) -> Iterator[tuple[int, pa.RecordBatchReader]]:
        """How many trades were created in a period, and all of them as a stream, oldest first."""
        with listings.every(self.reader, question) as found:
            yield found

    @cached_property
    def trade_desk(self) -> TradeDesk:
        """Trades with their verdicts, as this person may see them."""
        from dashboard.trade_desk import TradeDesk

        return TradeDesk(self)

    def trade(self, channel: str, order_no: str) -> dict[str, Any]:
        """All that is known of one trade: the trade, its refunds and its events in time order."""
        return listings.one(self.reader, channel, order_no)

    def query(self, identifier: str) -> dict[str, Any]:
        """Ask the channel about one trade now: the document of `mdash query`. Raises Forbidden."""
        return query_document(self, identifier)[0]

    def change(self, earlier: Question, later: Question) -> Change | None:
        """Why conversion moved between two periods."""
        return change_of(self.answers, earlier, later)

    def attention(self, question: Question) -> list[Finding]:
        """What stands out in the last days of a period."""
        now = datetime.now(UTC).replace(tzinfo=None)
        return findings(self.answers, question, now)

    def spread(self, question: Question, stage: str) -> list[Bar]:
        """How the latencies of a stage are spread."""
        return self.answers.once(
            ("spread", stage, *question.key()), lambda: spread(self.reader, question, stage)
        )

    def retry_ladder(self) -> tuple[int, ...]:
        """Seconds after a payment at which the channels send again; of the first that does."""
        return next((tuple(ladder) for ladder in retry_ladders().values() if ladder), ())

    def freshness(self) -> list[Row]:
        """For each source, the instant up to which it speaks (None: never loaded)."""
        marks = self.reader.watermarks()
        return [{"source": name, "watermark": marks.get(name)} for name in SOURCES]

    def lines(self) -> list[Row]:
        """For each channel asked by this process, whether it is being asked at present."""
        states = shared(self.settings).states()
        return [
            {"channel": name, "line_state": f"line_{state.state}", "failed": state.failures}
            for name, state in sorted(states.items())
        ]

    def loads(self, limit: int = 500) -> list[Row]:
        """The latest loads, newest first."""
        if self.reader.is_empty:
            return []
        return self.reader.rows(
            "select load_id, file, channel, kind, account, first_day, last_day, rows, rejected,"
            " duplicates, status, loaded_at from lake.loads order by load_id desc limit $limit",
            {"limit": limit},
        )

    def rejects(self, limit: int = 1000) -> list[Row]:
        """The latest rejected lines, each with its sentence in the reader's language."""
        if self.reader.is_empty:
            return []
        rows = self.reader.rows(
            "select load_id, file, line, template, template_values from lake.rejects"
            " order by load_id desc, line limit $limit",
            {"limit": limit},
        )
        return [
            {
                "load_id": row["load_id"],
                "file": row["file"],
                "line": row["line"],
                "why": self.say(row["template"], **json.loads(row["template_values"])),
            }
            for row in rows
        ]

    def coverage(self, first_day: date, last_day: date) -> list[Row]:
        """For each day of a period, whether each source covers it."""
        if self.reader.is_empty:
            return []
        return self.reader.rows(_COVERAGE, {"first": first_day, "last": last_day})

    def demand(self, right: Right, subject: str = "") -> None:
        """Raise Forbidden unless the person has the right; that it was tried goes into the trail."""
        demand(self.people.ledger, self.person, right, subject)

    def taken(self, item: Download) -> Callable[[], bytes]:
        """How a file is made for whom takes it away: with the right, and into the trail."""

        def make() -> bytes:
            self.demand("export", item.file_name)
            made = item.make()
            self.tell_export(item.file_name, item.told, item.count())
            return made

        return make

    def tell_export(
        self, subject: str, told: Provenance | None, rows: int | None, **more: Any
    ) -> None:
        """Enter into the trail that something is taken away: what, its filters, how much."""
        asked = {} if told is None else told.document()
        kept = {name: asked[name] for name in ("from", "to", "by", "where") if asked.get(name)}
        audit.record(
            self.people.ledger, self.person.name, "exported", subject, rows=rows, **kept, **more
        )

    def upload_contents(self, files: Sequence[tuple[str, bytes]]) -> list[dict[str, Any]]:
        """Load uploaded files (name, bytes); reports name them as the reader did.

        Raises Forbidden, RefusedInput, StoreBusy.
        """
        self.demand("load", "upload")
        return uploads.load_contents(self.settings, files, self.person.name, self.language)

    def undo(self, load_id: int) -> str:
        """Take a load back, in a process of its own; returns what was said. Raises Forbidden."""
        self.demand("load", f"load {load_id}")
        done = run(
            ["--home", str(self.settings.home), "undo", str(load_id)], Limits(),
            uploads.environment(self.person.name, self.language),
        )
        return (done.stdout + done.stderr).strip()

    def unmask(self, channel: str, order_no: str, field: str, reason: str) -> str:
        """What the channel told of a trade's buyer, for a reason. Raises Forbidden, RefusedInput."""
        return vault.unmask(
            self.settings, self.people.ledger, self.reader, self.acting(), channel, order_no, field,
            reason,
        )

    def erase(self, buyer: str, reason: str) -> Erased:
        """Forget a buyer. Raises Forbidden, RefusedInput, StoreBusy."""
        ledger = self.people.ledger
        return erase(self.settings, ledger, self.reader, self.acting(), buyer, reason)

    def erase_preview(self, buyer: str) -> str:
        """What erasing a buyer would touch, in words. Raises Forbidden, RefusedInput."""
        found = preview(self.settings, self.people.ledger, self.reader, self.acting(), buyer)
        return self.say(
            "Erasing takes {ids} ids of this buyer out of {orders} orders. Ids that other buyers use"
            " as well stay.", ids=found.ids, orders=found.orders,
        )

    def erased_sentence(self, done: Erased) -> str:
        """What an erasure did, and what it could not do."""
        told = self.say(
            "The buyer was erased: {trades} trades now bear a name that leads nowhere. Counts of"
            " buyers stay as they were.", trades=done.trades,
        )
        if done.kept_since is None:
            return told
        return told + " " + self.say(
            "Whole messages of channels stay in the notification log as received, for"
            " {days} days after they came; nothing of this buyer is shown from them.",
            days=self.settings.receiver.keep_days,
        )

    def run_sql(self, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Run one read-only query over the published views."""
        return self.reader.published(query)

    def dimension_ready(self, name: str, value: Any) -> Any:
        """A metric's value as JSON has it; the `hour` dimension is shop-local already."""
        if name == "hour" and isinstance(value, datetime):
            return value.replace(tzinfo=ZoneInfo(self.timezone)).isoformat()
        return self.json_ready(value)

    def json_ready(self, value: Any) -> Any:
        """A row's value as JSON has it: instants with the shop's offset, days as ISO."""
        if isinstance(value, datetime):
            return iso(value, self.timezone)
        if isinstance(value, date):
            return value.isoformat()
        if isinstance(value, Decimal):
            return int(value) if value == value.to_integral_value() else float(value)
        if isinstance(value, float) and not math.isfinite(value):
            return None
        if isinstance(value, Mapping):
            return {name: self.json_ready(item) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.json_ready(item) for item in value]
        return value


_COVERAGE = """
with days as (
    select cast(day as date) as day
    from generate_series($first::timestamp, $last::timestamp, interval 1 day) as series(day)
),
bills as (select distinct day, kind from lake.current_days where day between $first and $last),
logs as (
    select distinct cast(hour as date) as day
    from lake.hourly_orders
    where orders <> 0 and hour between $first::timestamp and $last::timestamp + interval 1 day
),
messages as (
    select distinct hint_day as day
    from lake.deliveries
    where hint_day between $first::date and $last::date
)
select
    days.day,
    logs.day is not null as checkout_log,
    messages.day is not null as notification_log,
    exists (select 1 from bills where bills.day = days.day and kind = 'trade_bill') as trade_bill,
    exists (select 1 from bills where bills.day = days.day and kind = 'account_bill')
        as account_bill
from days
left join logs on days.day = logs.day
left join messages on days.day = messages.day
order by days.day
"""
