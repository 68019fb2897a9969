"""The parts of a trade's page that are drawn as one piece: head, verdict, facts and time line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from html import escape

from dashboard.screens.trade_style import STYLE
from dashboard.timeline import Step
from dashboard.verdict import Facts, Tone
from dashboard.wording.formats import money
from dashboard.wording.trades import LANES, STATES, Teller, gap


def wrapped(*parts: str) -> str:
    """Pieces in the style that all of them share."""
    return f'{STYLE}<div class="mt">{"".join(parts)}</div>'


def chip(label: str, tone: Tone) -> str:
    """A state as a coloured label; the words alone say it as well."""
    return f'<span class="mt-chip {tone}">{escape(label)}</span>'


def head(teller: Teller, facts: Facts, state: str, tone: Tone) -> str:
    """The order's number, its state and its amounts."""
    say, language = teller.say, teller.language
    told = [f"<b>{escape(money(facts.amount_fen, language))}</b>"]
    if facts.refunded_fen:
        back, left = money(facts.refunded_fen, language), money(facts.left_fen, language)
        told.append(f"<span>{escape(say('{amount} given back', amount=back))}</span>")
        told.append(f"<span>{escape(say('{amount} kept', amount=left))}</span>")
    number = escape(say("Order {number}", number=facts.order_no))
    return (
        f'<div class="mt-head"><h2>{number}</h2>{chip(say(STATES[state]), tone)}</div>'
        f'<div class="mt-sum">{"".join(told)}</div>'
    )


def banner(teller: Teller, sentence: str, action: str, tone: Tone) -> str:
    """The verdict and the next step."""
    what = escape(teller.say("Next step"))
    return (
        f'<div class="mt-verdict {tone}" role="status"><p>{escape(sentence)}</p>'
        f'<p class="mt-next"><b>{what}</b> · {escape(action)}</p></div>'
    )


def facts_grid(pairs: Mapping[str, str]) -> str:
    """Facts in two columns, or one where there is no room."""
    items = "".join(
        f'<div><span class="soft">{escape(name)}</span><span class="v">{escape(value)}</span></div>'
        for name, value in pairs.items()
    )
    return f'<div class="mt-facts">{items}</div>'


def time_line(teller: Teller, found: Sequence[Step], now: datetime) -> str:
    """Every event below the one before, with its time and how long after it came."""
    items, day, before = [], date.min, None
    for step in found:
        local = teller.local(step.at)
        if local.date() != day:
            day = local.date()
            items.append(
                '<li class="day"><span></span><span class="mt-rail"></span>'
                f"<span>{escape(teller.day(day, now))}</span></li>"
            )
        items.append(_item(teller, step, before, is_ahead=step.at > now))
        before = step.at
    return f'<ol class="mt-line">{"".join(items)}</ol>'


def _item(teller: Teller, step: Step, before: datetime | None, *, is_ahead: bool) -> str:
    what, beside = teller.step(step)
    amount = money(step.amount_fen, teller.language) if step.amount_fen is not None else ""
    later = gap((step.at - before).total_seconds(), teller.language) if before else ""
    lane = teller.say(LANES[step.lane])
    return (
        f'<li class="{step.tone}{" ahead" if is_ahead else ""}">'
        f'<time datetime="{step.at.isoformat()}Z">{teller.local(step.at):%H:%M:%S}'
        f'<small class="soft">{escape(later)}</small></time>'
        f'<span class="mt-rail"></span><div class="mt-what"><b>{escape(what)}</b>'
        f' <span class="sum">{escape(amount)}</span>'
        f'<small class="soft">{escape(" · ".join(filter(None, (lane, beside))))}</small></div></li>'
    )


def raw_table(fields: Sequence[tuple[str, str | None]], hidden: str) -> str:
    """A message's fields; those that are not shown say so."""
    rows = "".join(
        f'<tr><td class="soft">{escape(name)}</td>'
        f"<td>{escape(value) if value is not None else f'<i class=soft>{escape(hidden)}</i>'}</td></tr>"
        for name, value in fields
    )
    return f'<table class="mt-raw">{rows}</table>'
