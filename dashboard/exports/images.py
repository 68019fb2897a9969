"""Charts as SVG, PNG and HTML: title and filters above, provenance below."""

from __future__ import annotations

import re
import unicodedata
from html import escape

import plotly.graph_objects as go
import plotly.io as pio
from kaleido import Kaleido

from dashboard.exports import browser
from dashboard.exports.provenance import Audience, Provenance, in_a_line

FONT = "'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', 'Noto Sans', sans-serif"
WIDTH = 1200
HEIGHT = 600
SCALE = 2
_MARGIN = 24
_LINE = 18
_SMALL = 12
_NOTHING_FROM_OUTSIDE = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline';"
    " img-src data: blob:; font-src data:; worker-src blob:"
)


def figure_svg(
    figure: go.Figure, told: Provenance, audience: Audience, width: int = WIDTH,
    height: int | None = None,
) -> bytes:
    """The chart as SVG whose text stays text."""
    return browser.press().run(lambda chrome: _svg(chrome, figure, told, audience, width, height))


def figure_png(
    figure: go.Figure, told: Provenance, audience: Audience, width: int = WIDTH,
    height: int | None = None,
) -> bytes:
    """The chart as PNG, two pixels a point."""

    async def draw(chrome: Kaleido) -> bytes:
        svg = (await _svg(chrome, figure, told, audience, width, height)).decode()
        tall = int(re.search(r'height="(\d+)"', svg).group(1))  # type: ignore[union-attr]
        html = f"<!doctype html><style>body{{margin:0}}svg{{display:block}}</style>{svg}"
        async with browser.page(chrome, html) as tab:
            return await browser.screenshot(tab, width, tall, SCALE)

    return browser.press().run(draw)


async def drawn(chrome: Kaleido, figure: go.Figure, width: int, height: int | None) -> str:
    """The bare chart as an SVG element; on white where it has no ground of its own."""
    shown = go.Figure(figure)
    shown.update_layout(title=None, paper_bgcolor=ground(figure))
    tall = height or figure.layout.height or HEIGHT
    options = {"format": "svg", "width": width, "height": tall}
    text: str = (await chrome.calc_fig(shown, opts=options)).decode()
    return text[text.index("<svg") :]


def ground(figure: go.Figure) -> str:
    """The colour behind the chart."""
    layout = figure.layout
    found = layout.paper_bgcolor or (layout.template and layout.template.layout.paper_bgcolor)
    return "#ffffff" if not found or found in ("transparent", "rgba(0,0,0,0)") else str(found)


def ink(figure: go.Figure) -> str:
    """The colour of the chart's text."""
    layout = figure.layout
    found = layout.font.color or (layout.template and layout.template.layout.font.color)
    return str(found or "#0f172a")


async def _svg(
    chrome: Kaleido, figure: go.Figure, told: Provenance, audience: Audience, width: int,
    height: int | None,
) -> bytes:
    chart = await drawn(chrome, figure, width - 2 * _MARGIN, height)
    tall = height or figure.layout.height or HEIGHT
    above = _wrapped([in_a_line(told.filters(audience.say), audience.say)], width)
    below = _wrapped(footer(told, audience), width)
    top = 2 * _MARGIN + 8 + _LINE * len(above)
    bottom = top + tall + _MARGIN
    whole = bottom + _LINE * len(below) + _MARGIN // 2
    colour = escape(ink(figure), quote=True)
    title = f'<text x="{_MARGIN}" y="{_MARGIN + 12}" font-size="20" font-weight="600">' \
        f"{escape(told.title)}</text>"
    placed = chart.replace("<svg", f'<svg x="{_MARGIN}" y="{top}"', 1)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{whole}"'
        f' viewBox="0 0 {width} {whole}" role="img" fill="{colour}"'
        f' font-family="{escape(FONT, quote=True)}"><title>{escape(told.title)}</title>'
        f'<rect width="100%" height="100%" fill="{escape(ground(figure), quote=True)}"/>{title}'
        f"{_lines(above, 2 * _MARGIN + 10)}{placed}{_lines(below, bottom)}</svg>"
    ).encode()


def footer(told: Provenance, audience: Audience) -> list[str]:
    """As of, made at and definitions on one line; the link and each note on their own."""
    say = audience.say
    named = " · ".join(f"{item.name} v{item.version}" for item in told.definitions)
    first = [(say("As of"), told.as_of or say("unknown")), (say("Made at"), told.made_at)]
    lines = [" · ".join(filter(None, [in_a_line(first, say), named]))]
    return lines + [line for line in (told.link, *told.notes) if line]


def _lines(lines: list[str], top: int) -> str:
    return "".join(
        f'<text x="{_MARGIN}" y="{top + _LINE * at + _SMALL}" font-size="{_SMALL}" opacity="0.75">'
        f"{escape(line)}</text>"
        for at, line in enumerate(lines)
    )


def _wrapped(lines: list[str], width: int) -> list[str]:
    """Lines broken to fit; a Chinese letter is as wide as the font is high, others 0.6 of it."""
    room = (width - 2 * _MARGIN) / _SMALL
    found = []
    for line in filter(None, lines):
        start, used = 0, 0.0
        for at, letter in enumerate(line):
            step = 1.0 if unicodedata.east_asian_width(letter) in "WF" else 0.6
            if used + step > room:
                found.append(line[start:at])
                start, used = at, 0.0
            used += step
        found.append(line[start:])
    return found


def figure_html(figure: go.Figure, told: Provenance, audience: Audience) -> bytes:
    """The chart as one page that needs nothing else: plotly.js is inside, no network is used."""
    shown = go.Figure(figure)
    shown.update_layout(title=None, paper_bgcolor=ground(figure), width=None, autosize=True)
    chart = pio.to_html(
        shown, full_html=False, include_plotlyjs=True,
        config={"displaylogo": False, "responsive": True},
    )
    filters = in_a_line(told.filters(audience.say), audience.say)
    small = "".join(f"<p>{escape(line)}</p>" for line in footer(told, audience))
    meanings = "".join(
        f"<p>{escape(f'{item.title} ({item.name} v{item.version})')}: {escape(item.text)}</p>"
        for item in told.definitions
    )
    return (
        f'<!doctype html><html lang="{audience.language}"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_NOTHING_FROM_OUTSIDE}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(told.title)}</title><style>body{{font-family:{FONT};margin:24px;"
        f"background:{escape(ground(figure))};color:{escape(ink(figure))}}}"
        "h1{font-size:20px;margin:0}p{font-size:12px;margin:4px 0;overflow-wrap:anywhere}</style>"
        f"</head><body><h1>{escape(told.title)}</h1><p>{escape(filters)}</p>{chart}"
        f"<footer>{small}{meanings}</footer></body></html>"
    ).encode()
