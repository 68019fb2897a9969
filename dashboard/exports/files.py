"""Which formats there are, what a file is called, and how its bytes are made when asked for."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from dashboard.exports.provenance import Audience, Provenance
from dashboard.metrics.catalogue import Answer
from loaders.errors import ConfigurationError

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from dashboard.exports.pages import Part
    from dashboard.exports.records import Progress, Records

Kind = Literal["table", "figure", "page"]


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file: its suffix, its name as people say it, its media type."""

    suffix: str
    label: str
    mime: str


_FORMATS: dict[Kind, tuple[Format, ...]] = {
    "table": (
        Format("csv", "CSV", "text/csv; charset=utf-8"),
        Format("xlsx", "XLSX", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        Format("parquet", "Parquet", "application/vnd.apache.parquet"),
    ),
    "figure": (
        Format("png", "PNG", "image/png"),
        Format("svg", "SVG", "image/svg+xml"),
        Format("html", "HTML", "text/html; charset=utf-8"),
    ),
    "page": (Format("pdf", "PDF", "application/pdf"),),
}


def _uncounted() -> int | None:
    """How many rows a file has that holds no table."""
    return None


@dataclass(frozen=True, slots=True)
class Download:
    """A file to offer; its bytes are made when somebody wants them.

    `count` says, once they are made, how many rows they hold, if it is a table.
    """

    format: Format
    file_name: str
    make: Callable[[], bytes]
    told: Provenance | None = None
    count: Callable[[], int | None] = _uncounted


def formats(kind: Kind) -> tuple[Format, ...]:
    """The formats of tables, figures or pages, the most wanted first."""
    return _FORMATS[kind]


def file_name(told: Provenance, suffix: str) -> str:
    """`mdash_conversion_2026-05-01_2026-05-31.xlsx`: safe on every system."""
    name = re.sub(r"[^A-Za-z0-9-]+", "_", told.name).strip("_") or "export"
    days = told.period or (told.made_at[:10],)
    return "_".join(["mdash", name, *map(str, days)]) + f".{suffix}"


def write_table(
    suffix: str, records: Records, told: Provenance, audience: Audience, sink: IO[bytes],
    progress: Progress | None = None,
) -> int:
    """Write rows in the format of a suffix; returns how many. Raises ConfigurationError."""
    from dashboard.exports.tables import write_csv, write_parquet
    from dashboard.exports.workbooks import write_workbook

    if suffix == "csv":
        return write_csv(records, told, audience.timezone, sink, progress)
    if suffix == "xlsx":
        return write_workbook(records, told, audience, sink, progress)
    if suffix == "parquet":
        return write_parquet(records, told, sink, progress)
    raise ConfigurationError(
        "Tables are written as {formats}, not as {suffix}.",
        formats=", ".join(item.suffix for item in formats("table")), suffix=suffix or "—",
    )


def save_table(
    path: Path, records: Records, told: Provenance, audience: Audience,
    progress: Progress | None = None,
) -> int:
    """Write rows to a file in the format its suffix names: whole, or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as sink:
            rows = write_table(
                path.suffix.lower().removeprefix("."), records, told, audience, sink, progress
            )
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return rows


def table_files(
    audience: Audience, content: Answer | Sequence[Mapping[str, Any]], told: Provenance,
    names: Sequence[str] = (),
) -> list[Download]:
    """An answer, or rows with the fields to show, in every format of tables."""

    def records() -> Records:
        from dashboard.exports.records import records_of_answer, records_of_rows

        if isinstance(content, Answer):
            return records_of_answer(content)
        return records_of_rows(content, names)

    def maker(suffix: str) -> Callable[[], bytes]:
        def make() -> bytes:
            sink = io.BytesIO()
            write_table(suffix, records(), told, audience, sink)
            return sink.getvalue()

        return make

    rows = len(content.rows if isinstance(content, Answer) else content)
    return [
        Download(item, file_name(told, item.suffix), maker(item.suffix), told, lambda: rows)
        for item in formats("table")
    ]


def figure_files(audience: Audience, figure: go.Figure, told: Provenance) -> list[Download]:
    """A chart in every format of figures."""

    def maker(suffix: str) -> Callable[[], bytes]:
        def make() -> bytes:
            from dashboard.exports import images

            draw = {
                "png": images.figure_png, "svg": images.figure_svg, "html": images.figure_html
            }
            return draw[suffix](figure, told, audience)

        return make

    return [
        Download(item, file_name(told, item.suffix), maker(item.suffix), told)
        for item in formats("figure")
    ]


def page_files(audience: Audience, parts: Sequence[Part], told: Provenance) -> list[Download]:
    """A page of charts and tables in every format of pages."""

    def make() -> bytes:
        from dashboard.exports.pages import page_pdf

        return page_pdf(parts, told, audience)

    return [Download(item, file_name(told, item.suffix), make, told) for item in formats("page")]
