"""What every command shares: its home, how it prints documents and tables, and days as arguments."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from dashboard.services import Services
    from dashboard.wording import Say
    from loaders.file_report import FileReport
    from loaders.settings import Settings

FAILED = 1


class Context:
    """The home a command works in; settings are read when first needed."""

    def __init__(self, home: Path | None) -> None:
        from loaders.settings import default_home

        self.home = home or default_home()

    def settings(self) -> Settings:
        from loaders.settings import load_settings

        return load_settings(self.home)

    def services(self) -> Services:
        from dashboard.services import Services

        return Services(self.settings())


class Day(click.ParamType[date]):
    """A business day, written as 2026-11-01."""

    name = "day"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> date:
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a day like 2026-11-01", param, ctx)


def tell(document: dict[str, Any], as_json: bool) -> None:
    """One JSON document; or its lines for people, on standard error."""
    lines = document.pop("lines")
    if as_json:
        print_json(document)
    for line in lines:
        click.echo(line, err=True)


def print_progress(done: int, total: int, name: str) -> None:
    """How far a job has come, on one line of a terminal."""
    click.echo(f"\r{done}/{total} {name[:50]:<50}", nl=done == total, err=True)


def report_document(report: FileReport, say: Say) -> dict[str, Any]:
    """What became of one file."""
    covers = report.covers
    names = ("path", "channel", "kind", "status", "rows", "rejected", "duplicates", "sha256")
    return {name: getattr(report, name) for name in names} | {
        "cards_masked": report.cards,
        "covers": [day.isoformat() for day in covers] if covers else None,
        "message": say(report.template, **report.values) if report.template else None,
    }


def print_json(document: Any) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(document, ensure_ascii=False, default=str, allow_nan=False))


def csv_text(columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> str:
    """Rows as CSV whose cells no spreadsheet takes for formulas."""
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([[_cell(row.get(name)) for name in columns] for row in rows])
    return sink.getvalue()


def _cell(value: Any) -> str:
    """A cell that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    text = str(value)
    risky = isinstance(value, str) and text[:1] in ("=", "+", "-", "@", "\t", "\r")
    return f"'{text}" if risky else text


def table_text(columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> str:
    """Rows as a table for a terminal."""
    cells = [list(columns), *([_cell(row.get(name)) for name in columns] for row in rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(columns))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )
