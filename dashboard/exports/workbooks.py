"""Tables as XLSX for people: worded headings, yuan, percent, shop-local times, three sheets.

Written with XlsxWriter: in its constant-memory mode a row leaves memory as the next begins, and it
is told of each cell whether it is text or a number, so that no text ever becomes a formula.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import IO, Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from dashboard.exports.provenance import Audience, Provenance
from dashboard.exports.records import Progress, Records, as_text
from dashboard.exports.tables import RISKY
from dashboard.wording.formats import seconds
from dashboard.wording.labels import WORDED, WORDS
from dashboard.wording.tables import columns

LAST_ROW = 1_048_575
"""A sheet ends here; what is left goes on in a further sheet."""

_LONGEST_TEXT = 32_767
_LONGEST_TITLE = 31
_LONGEST_LINK = 2_000
_EXACT_DIGITS = 10**15
_FORMATS = {
    "text": {"num_format": "@"},
    "risky": {"num_format": "@", "quote_prefix": True},
    "money": {"num_format": "#,##0.00###"},
    "percent": {"num_format": "0.00%"},
    "count": {"num_format": "#,##0"},
    "span": {"num_format": "#,##0.000"},
    "instant": {"num_format": "yyyy-mm-dd hh:mm:ss"},
    "day": {"num_format": "yyyy-mm-dd"},
    "heading": {"bold": True, "bg_color": "#E2E8F0", "bottom": 1, "text_wrap": True},
    "prose": {"text_wrap": True, "valign": "top"},
}
_WIDTHS = {"text": 18, "instant": 20, "day": 12, "money": 15}
_WIDE = {"sha256": 66, "file": 44, "note": 40, "why": 60}
_A4 = 9


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    heading: str
    shape: str


def write_workbook(
    records: Records, told: Provenance, audience: Audience, sink: IO[bytes],
    progress: Progress | None = None,
) -> int:
    """Write rows, filters and definitions as sheets of one workbook; returns how many rows."""
    say = audience.say
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(sink, options) as book:
        book.set_properties({"title": told.title, "comments": told.link})
        formats = {name: book.add_format(look) for name, look in _FORMATS.items()}
        shown = [_column(item, audience) for item in records.schema]
        rows = _Data(book, formats, shown, audience).write(records, progress)
        _pairs(
            book.add_worksheet(say("Filters")), formats,
            [(say("Title"), told.title), *told.filters(say), *told.origin(say, rows)],
        )
        _definitions(book.add_worksheet(say("Definitions")), formats, told, shown, audience)
    return rows


def write_sheets(
    sheets: Sequence[tuple[str, Records]], told: Provenance, audience: Audience, sink: IO[bytes]
) -> None:
    """Write several tables as sheets of one workbook, each under its title, and what they are of."""
    say = audience.say
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(sink, options) as book:
        book.set_properties({"title": told.title, "comments": told.link})
        formats = {name: book.add_format(look) for name, look in _FORMATS.items()}
        _pairs(
            book.add_worksheet(say("Filters")), formats,
            [(say("Title"), told.title), *told.filters(say), *told.origin(say)],
        )
        for title, records in sheets:
            shown = [_column(item, audience) for item in records.schema]
            _Data(book, formats, shown, audience, title[:_LONGEST_TITLE]).write(records, None)
        _definitions(book.add_worksheet(say("Definitions")), formats, told, [], audience)


def _column(item: pa.Field, audience: Audience) -> _Column:
    say = audience.say
    known = columns([item.name], say)[0]
    heading = known.heading
    if known.shape == "money":
        unit = say("yuan")
        return _Column(item.name, heading if unit in heading else f"{heading} ({unit})", "money")
    if pa.types.is_timestamp(item.type):
        return _Column(item.name, f"{heading} ({audience.timezone})", "instant")
    if item.name.endswith("_s") and pa.types.is_floating(item.type):
        return _Column(item.name, f"{heading} ({say('seconds')})", "span")
    if pa.types.is_date(item.type):
        return _Column(item.name, heading, "day")
    return _Column(item.name, heading, known.shape)


class _Data:
    """The sheet of rows, and further ones where a sheet is full."""

    def __init__(
        self, book: xlsxwriter.Workbook, formats: dict[str, Format], shown: list[_Column],
        audience: Audience, title: str | None = None,
    ) -> None:
        self._title = title or audience.say("Data")
        self._book = book
        self._formats = formats
        self._shown = shown
        self._audience = audience
        self._writers = [self._writer(column) for column in shown]

    def write(self, records: Records, progress: Progress | None) -> int:
        """Write all rows; returns how many."""
        title = self._title
        sheet, at, number, rows = self._sheet(title), 0, 1, 0
        for values in _rows(records, progress):
            if at == LAST_ROW:
                self._finish(sheet, at)
                number += 1
                sheet, at = self._sheet(f"{title} {number}"), 0
            at += 1
            rows += 1
            for place, value in enumerate(values):
                if value is not None:
                    self._writers[place](sheet, at, place, value)
        self._finish(sheet, at)
        return rows

    def _sheet(self, title: str) -> Worksheet:
        sheet = self._book.add_worksheet(title)
        sheet.freeze_panes(1, 0)
        sheet.set_landscape()
        sheet.set_paper(_A4)
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(0)
        sheet.set_footer("&L&A&R&P / &N")
        for place, column in enumerate(self._shown):
            width = _WIDE.get(column.name) or _WIDTHS.get(column.shape, 12)
            sheet.set_column(place, place, width)
            sheet.write_string(0, place, column.heading, self._formats["heading"])
        return sheet

    def _finish(self, sheet: Worksheet, last: int) -> None:
        if self._shown:
            sheet.autofilter(0, 0, last, len(self._shown) - 1)

    def _writer(self, column: _Column) -> Callable[[Worksheet, int, int, Any], None]:
        def write(sheet: Worksheet, row: int, place: int, value: Any) -> None:
            found = self._value(column, value)
            if isinstance(found, str):
                text(sheet, row, place, found)
            elif isinstance(found, bool):
                sheet.write_boolean(row, place, found)
            elif isinstance(found, datetime | date):
                sheet.write_datetime(row, place, found, look)
            else:
                sheet.write_number(row, place, found, look)

        def text(sheet: Worksheet, row: int, place: int, value: str) -> None:
            kind = "risky" if value.startswith(tuple(RISKY)) else "text"
            sheet.write_string(row, place, _fitting(value), self._formats[kind])

        look = self._formats[column.shape]
        return write

    def _value(self, column: _Column, value: Any) -> Any:
        """A cell's value as its column shows it; text where a number would lose digits."""
        if isinstance(value, datetime):
            return self._local(value)
        if column.shape == "money":
            return value / 100
        if isinstance(value, float) and not math.isfinite(value):
            return seconds("inf", self._audience.language) if value > 0 else str(value)
        if isinstance(value, bool | date):
            return value
        if isinstance(value, Decimal | float | int):
            return value if -_EXACT_DIGITS < value < _EXACT_DIGITS else str(value)
        if column.name in WORDED:
            return self._audience.say(WORDS.get(value, value))
        return as_text(value)

    def _local(self, at: datetime) -> datetime:
        """Excel has no zones: the shop's wall clock, whose zone the heading names."""
        if at.tzinfo is None:
            return at
        return at.astimezone(ZoneInfo(self._audience.timezone)).replace(tzinfo=None)


def _rows(records: Records, progress: Progress | None) -> Iterator[tuple[Any, ...]]:
    for batch in records.told(progress):
        if batch.num_columns:
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _fitting(text: str) -> str:
    """Excel refuses longer cells."""
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + "…"


def _pairs(
    sheet: Worksheet, formats: dict[str, Format], pairs: list[tuple[str, str]]
) -> None:
    sheet.set_column(0, 0, 18)
    sheet.set_column(1, 1, 90)
    for at, (label, value) in enumerate(pairs):
        sheet.write_string(at, 0, label, formats["heading"])
        if value.startswith(("https://", "http://")) and len(value) < _LONGEST_LINK:
            sheet.write_url(at, 1, value, string=_fitting(value[:255]))
        else:
            sheet.write_string(at, 1, _fitting(value), formats["prose"])


def _definitions(
    sheet: Worksheet, formats: dict[str, Format], told: Provenance, shown: list[_Column],
    audience: Audience,
) -> None:
    """What each metric means; below, what each column is called in CSV, Parquet and `mdash`."""
    say = audience.say
    lines = [(say("Metric"), say("Version"), say("Definition"))]
    lines += [(item.title, f"{item.name} v{item.version}", item.text) for item in told.definitions]
    columns_at = len(lines) + 1
    lines += [("", "", ""), (say("Column"), say("Field"), "")]
    lines += [(column.heading, column.name, "") for column in shown]
    for place, width in enumerate((28, 24, 90)):
        sheet.set_column(place, place, width)
    for at, line in enumerate(lines):
        look = formats["heading" if at in (0, columns_at) else "prose"]
        for place, value in enumerate(line):
            if value:
                sheet.write_string(at, place, _fitting(value), look)
