"""The month-end pack: totals, the sum for each bill, open items, balances, and the loads used."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dashboard.exports.files import Download, Format, file_name
from dashboard.exports.provenance import Provenance, of_answers
from dashboard.metrics.catalogue import Answer
from dashboard.metrics.question import Question
from dashboard.reconciling import MISSING, missing_bills, of_channels, open_items
from dashboard.wording import Say
from dashboard.wording.formats import iso
from loaders.errors import ConfigurationError
from loaders.store.reader import Row

if TYPE_CHECKING:
    from dashboard.services import Services

FORMATS = (
    Format("xlsx", "XLSX", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    Format("pdf", "PDF", "application/pdf"),
)
_METRICS = (
    ("waterfall", ("channel",)), ("reconciliation_identity", ("channel",)),
    ("reconciliation", ()), ("account_reconciliation", ()), ("money_in_transit", ("channel",)),
    ("fee_rate", ("channel",)), ("balance_roll", ()),
)
_ADDED = ("payments", "overcharges")
_ITEMS = ("day", "channel", "bill", "class", "kind", "order_no", "our_fen", "bill_fen",
          "amount_fen", "age", "sla", "handling", "owner", "note", "proposed_by", "approved_by")
_LOADS = ("load_id", "file", "channel", "kind", "account", "first_day", "last_day", "rows",
          "exported_at", "sha256")
_LOADS_USED = """
select load_id, file, channel, kind, account, first_day, last_day, rows, exported_at, sha256
from lake.loads
where
    status <> 'undone'
    and (
        load_id in (select load_id from lake.current_days where day between $first and $last)
        or (kind in ('notification_log', 'checkout_log') and first_day <= $last and last_day >= $first)
    )
order by load_id
"""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table of the pack: its title in the reader's language, rows, and the fields to show."""

    title: str
    rows: Sequence[Mapping[str, Any]]
    names: Sequence[str]


@dataclass(frozen=True, slots=True)
class Pack:
    """Everything of one period, and where it comes from."""

    sheets: Sequence[Sheet]
    told: Provenance


def loads_used(services: Services, question: Question) -> list[Row]:
    """Loads that the period's numbers come from, with the signatures of their files."""
    return services.reader.rows(
        _LOADS_USED, {"first": question.first_day, "last": question.last_day}
    )


def pack(services: Services, question: Question, link: str = "") -> Pack:
    """Gather a period's pack."""
    say, question = services.say, of_channels(question)
    answers = [
        services.metric(name, question.split(*by) if by else question) for name, by in _METRICS
    ]
    sheets = [sheet_of(answer, say) for answer in answers]
    sheets.insert(4, Sheet(say("Open items"), open_items(services, question), _ITEMS))
    sheets.insert(5, Sheet(say("Bills not loaded yet"), missing_bills(services, question), MISSING))
    sheets.append(Sheet(say("Loads used"), loads_used(services, question), _LOADS))
    title = " · ".join(filter(None, [say("Month-end pack"), services.settings.shop.name]))
    told = of_answers(services, answers, link=link, title=title, name="month-end")
    known = [answer.as_of for answer in answers if answer.as_of is not None]
    as_of = min(known).replace(microsecond=0) if known else None
    return Pack(sheets, replace(told, by=(), as_of=iso(as_of, services.timezone)))


def sheet_of(answer: Answer, say: Say) -> Sheet:
    """An answer's table; where it is split by channel, with what all channels come to."""
    names = (*answer.question.by, *answer.metric.fields)
    rows = sorted(answer.rows, key=lambda row: row.get("bill") != "trade_bill")
    if answer.question.by == ("channel",) and len({row["channel"] for row in rows}) > 1:
        bills = dict.fromkeys(row.get("bill") for row in rows)
        rows = [
            item for bill in bills
            for own in [[row for row in rows if row.get("bill") == bill]]
            for item in (*own, _total(own, names))
        ]
    return Sheet(say(answer.metric.title), rows, names)


def _total(rows: Sequence[Row], names: Sequence[str]) -> Row:
    """What rows of all channels come to; what does not add up stays empty."""
    summed = [name for name in names if name.endswith("_fen") or name in _ADDED]
    total: Row = {"channel": "Total", "bill": rows[0].get("bill"), "is_total": True}
    for name in summed:
        values = [row[name] for row in rows]
        total[name] = None if None in values else round(sum(values), 3)
    if total.get("base_fen"):
        total["rate"] = float(total["fee_fen"]) / total["base_fen"]
    return total


def made(services: Services, question: Question, suffix: str, link: str = "") -> bytes:
    """The pack's bytes in a format. Raises ConfigurationError."""
    services.person.demand("export")
    found = pack(services, question, link)
    if suffix == "xlsx":
        return _workbook(services, found)
    if suffix == "pdf":
        return _pdf(services, found)
    raise ConfigurationError(
        "The month-end pack is written as xlsx or pdf, not as {suffix}.", suffix=suffix or "—"
    )


def files(services: Services, question: Question, link: str = "") -> list[Download]:
    """The pack in every format, made when somebody wants it."""
    told = _told(question, link)
    return [
        Download(item, file_name(told, item.suffix),
                 lambda suffix=item.suffix: made(services, question, suffix, link),  # type: ignore[misc]
                 told)
        for item in FORMATS
    ]


def _told(question: Question, link: str = "") -> Provenance:
    return Provenance("month-end", "", link, "", period=(question.first_day, question.last_day))


def save_pack(services: Services, question: Question, path: Path) -> None:
    """Write the pack to a file, whole or not at all; that it was taken away is in the trail."""
    services.demand("export", path.name)
    content = made(services, question, path.suffix.lower().removeprefix("."))
    services.tell_export(path.name, _told(question), None)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _workbook(services: Services, found: Pack) -> bytes:
    from dashboard.exports.records import records_of_rows
    from dashboard.exports.workbooks import write_sheets

    sink = io.BytesIO()
    sheets = [(item.title, records_of_rows(item.rows, item.names)) for item in found.sheets]
    write_sheets(sheets, found.told, services, sink)
    return sink.getvalue()


def _pdf(services: Services, found: Pack) -> bytes:
    from dashboard.exports.pages import Listing, page_pdf

    parts = [Listing(item.title, item.rows, item.names) for item in found.sheets]
    return page_pdf(parts, found.told, services, is_wide=True)
