"""A page of charts and tables as PDF: A4, fonts inside, provenance and page numbers below."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from typing import Any

import plotly.graph_objects as go
from kaleido import Kaleido

from dashboard.exports import browser
from dashboard.exports.images import FONT, drawn, ground
from dashboard.exports.provenance import Audience, Provenance, in_a_line
from dashboard.wording.formats import money, number, percent
from dashboard.wording.labels import WORDED
from dashboard.wording.tables import Column, columns, table

_CHART_WIDTH = 760
_FEW = 4
"""A table of so many columns need not be as wide as the page."""
_STYLE = f"""
@page {{ size: A4 portrait; margin: 14mm 14mm 20mm; }}
body {{ font-family: {FONT}; color: #0f172a; font-size: 9pt; margin: 0; }}
h1 {{ font-size: 17pt; margin: 0 0 2mm; }}
h2 {{ font-size: 12pt; margin: 7mm 0 2mm; break-after: avoid; }}
p {{ margin: 1mm 0; overflow-wrap: anywhere; }}
figure {{ margin: 0; break-inside: avoid; }}
figure img {{ width: 100%; display: block; }}
table {{ border-collapse: collapse; width: 100%; font-size: 8pt; }}
thead {{ display: table-header-group; }}
tr {{ break-inside: avoid; }}
th, td {{ border-bottom: 0.2mm solid #cbd5e1; padding: 0.8mm 1.2mm; text-align: left;
  overflow-wrap: anywhere; vertical-align: top; }}
th {{ background: #e2e8f0; }}
table.narrow {{ width: auto; min-width: 45%; }}
tr.total td {{ font-weight: bold; border-top: 0.3mm solid #475569; }}
.whole {{ white-space: nowrap; }}
td.hash {{ font: 5.5pt monospace; white-space: nowrap; vertical-align: middle; }}
.number {{ text-align: right; font-variant-numeric: tabular-nums; overflow-wrap: normal;
  white-space: nowrap; }}
.told {{ margin-top: 8mm; border-top: 0.3mm solid #94a3b8; padding-top: 2mm; font-size: 8pt; }}
"""


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart of the page, in a light theme."""

    title: str
    figure: go.Figure


@dataclass(frozen=True, slots=True)
class Listing:
    """A table of the page: rows and the fields to show. A row with `is_total` is set off."""

    title: str
    rows: Sequence[Mapping[str, Any]]
    names: Sequence[str]


Part = Chart | Listing


def page_pdf(
    parts: Sequence[Part], told: Provenance, audience: Audience, *, is_wide: bool = False
) -> bytes:
    """The parts one below another, each with its title; every row of every table is printed."""

    style = _STYLE.replace("portrait", "landscape") if is_wide else _STYLE

    async def draw(chrome: Kaleido) -> bytes:
        body = [await _part(chrome, part, audience) for part in parts]
        html = _html(body, told, audience, style)
        async with browser.page(chrome, html) as tab:
            return await browser.printed(tab, _footer(told, audience))

    return browser.press().run(draw)


async def _part(chrome: Kaleido, part: Part, audience: Audience) -> str:
    heading = f"<h2>{escape(part.title)}</h2>"
    if isinstance(part, Listing):
        return heading + _table(part, audience)
    svg = await drawn(chrome, part.figure, _CHART_WIDTH, None)
    source = base64.b64encode(svg.encode()).decode()
    behind = escape(ground(part.figure), quote=True)
    return (
        f'<figure style="background:{behind}">{heading}'
        f'<img alt="{escape(part.title, quote=True)}" src="data:image/svg+xml;base64,{source}">'
        "</figure>"
    )


def _table(part: Listing, audience: Audience) -> str:
    if not part.rows:
        return f"<p>{escape(audience.say('Nothing in this period.'))}</p>"
    shown = columns(part.names, audience.say)
    words = table(part.rows, shown, audience.say, audience.language, audience.timezone)
    looks = [_look(item, part.rows) for item in shown]
    head = "".join(
        f"<th{look}>{escape(item.heading)}</th>" for item, look in zip(shown, looks, strict=True)
    )
    lines = []
    for at, row in enumerate(part.rows):
        cells = (
            f"<td{look}>"
            f"{escape(_cell(item, row.get(item.name), words[item.heading][at], audience))}</td>"
            for item, look in zip(shown, looks, strict=True)
        )
        total = ' class="total"' if row.get("is_total") else ""
        lines.append(f"<tr{total}>{''.join(cells)}</tr>")
    narrow = ' class="narrow"' if len(shown) <= _FEW else ""
    return f"<table{narrow}><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def _look(column: Column, rows: Sequence[Mapping[str, Any]]) -> str:
    """How a column is set: numbers to the right, days and hashes in one piece."""
    if column.shape != "text":
        return ' class="number"'
    if column.name == "sha256":
        return ' class="hash"'
    first = next((row[column.name] for row in rows if row.get(column.name) is not None), None)
    is_whole = isinstance(first, date) or column.name in WORDED or column.name == "account"
    return ' class="whole"' if is_whole else ""


def _cell(column: Column, value: Any, worded: Any, audience: Audience) -> str:
    if value is None:
        return "—"
    if column.shape == "money":
        return money(value, audience.language)
    if column.shape == "percent":
        return percent(value, audience.language, 2)
    return number(value, audience.language) if column.shape == "count" else str(worded)


def _html(body: Sequence[str], told: Provenance, audience: Audience, style: str = _STYLE) -> str:
    say = audience.say
    filters = in_a_line(told.filters(say), say)
    meanings = [
        (f"{item.title} ({item.name} v{item.version})", item.text) for item in told.definitions
    ]
    origin = "".join(
        f"<p><b>{escape(label)}</b>: {escape(value)}</p>"
        for label, value in [*told.origin(say), *meanings]
    )
    return (
        f'<!doctype html><html lang="{audience.language}"><head><meta charset="utf-8">'
        f"<title>{escape(told.title)}</title><style>{style}</style></head><body>"
        f"<h1>{escape(told.title)}</h1><p>{escape(filters)}</p>{''.join(body)}"
        f'<section class="told">{origin}</section></body></html>'
    )


def _footer(told: Provenance, audience: Audience) -> str:
    say = audience.say
    as_of = in_a_line([(say("As of"), told.as_of or say("unknown"))], say)
    line = " · ".join(filter(None, [told.title, as_of, told.link]))
    return (
        f'<div style="font-family:{escape(FONT, quote=True)};font-size:7px;color:#475569;'
        'width:100%;margin:0 14mm;display:flex;gap:4mm">'
        '<span style="flex:1;overflow:hidden;white-space:nowrap;text-overflow:ellipsis">'
        f"{escape(line)}</span>"
        '<span><span class="pageNumber"></span> / <span class="totalPages"></span></span></div>'
    )
