"""Audiences: whom to address, and with what."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard.audiences import counts, download, preview
from dashboard.metrics.audience import Rules
from dashboard.metrics.churn_risk import RISKS
from dashboard.metrics.loyalty import Loyalty
from dashboard.metrics.question import Question
from dashboard.metrics.segment_rules import SEGMENTS
from dashboard.screens import parts
from dashboard.screens.bar import View
from dashboard.screens.buyer_links import buyers_table
from dashboard.screens.files import here, menu
from dashboard.services import Services
from dashboard.wording.formats import money, number
from dashboard.wording.tables import word

CARDS = ("In the audience", "Their net so far", "Fit, but did not agree", "Fit, but were never asked")
_BUYERS = ("buyer", "segment", "risk", "last_product", "last_paid_at", "orders", "net_fen")
_PAIRS = (
    "item_name", "other_name", "buyers", "together", "support", "confidence", "lift", "lift_low",
    "lift_high",
)
_HITS = ("shortlist", "buyers", "hits", "rate", "low", "high", "difference_rate",
         "difference_low_rate", "difference_high_rate")
_NEXT = ("item_name", "buyers", "chance_rate", "popular_rate")


def render(services: Services, view: View) -> None:
    """Draw the page."""
    question = view.question
    segments = services.metric("segments", question)
    parts.as_of(services, segments)
    if not segments.rows:
        parts.notes(services, segments)
        parts.nothing(services)
        return
    _audience(services, question)
    _next(services, question)
    _pairs(services, question)


@st.fragment
def _audience(services: Services, question: Question) -> None:
    say = services.say
    parts.section(services, "Build an audience")
    rules = _rules(services, question)
    found = counts(services, question, rules)
    counted = [number(found.get(name), services.language) for name in ("size", "refused", "not_asked")]
    values = [counted[0], money(found.get("net_fen"), services.language), *counted[1:]]
    with st.container(key="cards-audience"):
        for column, label, value in zip(st.columns(4), CARDS, values, strict=True):
            column.metric(say(label), value, border=True)
    st.caption(say(
        "Only buyers who agreed to be written to, and none who was erased. The file holds pseudonyms"
        " alone; that it was made stands in the trail."
    ))
    buyers = preview(services, question, rules)
    if buyers and services.person.may("export"):
        title = "Download the audience"
        menu(services, "audience", [download(services, question, rules, here())], title)
    buyers_table(services, buyers, _BUYERS, "audience-buyers", "Audience")


def _rules(services: Services, question: Question) -> Rules:
    say = services.say
    names = {row["item"]: row["item_name"] or row["item"]
             for row in Loyalty(services.answers).goods(question)}

    def several(label: str, options: list[str], key: str, named: dict[str, Any]) -> tuple[str, ...]:
        asked = [name for name in st.query_params.get_all(key) if name in options]
        return tuple(st.multiselect(
            say(label), options, default=asked, key=f"audience-{key}", placeholder=say("all"),
            format_func=lambda name: str(named.get(name) or word(name, say)),
        ))

    first, second = st.columns(2)
    with first:
        segments = several("Segment", list(SEGMENTS), "segment", {})
        products = several("Product of the last purchase", services.choices()["product"], "last", {})
        least = st.number_input(say("Net spend from (yuan)"), min_value=0, value=None, step=100)
    with second:
        risks = several("Risk", list(RISKS), "risk", {})
        items = several("Bought one of these", list(names), "item", names)
        most = st.number_input(say("Net spend to (yuan)"), min_value=0, value=None, step=100)
    return Rules(segments, risks, products, items, *(
        None if yuan is None else int(yuan) * 100 for yuan in (least, most)
    ))


@st.fragment
def _next(services: Services, question: Question) -> None:
    say = services.say
    tried = Loyalty(services.answers).hit_rate(question)
    parts.section(services, "What to offer them", tried)
    segment = st.segmented_control(
        say("Segment"), SEGMENTS, key="next-segment", default=SEGMENTS[0], required=True,
        format_func=lambda name: word(name, say),
    ) or SEGMENTS[0]
    rows = Loyalty(services.answers).next_for_segment(question, segment)
    if rows:
        parts.rows_table(services, rows, _NEXT, "next-items")
    else:
        parts.nothing(services)
    st.caption(say("How often the list would have been right, beside the most popular items:"))
    parts.notes(services, tried)
    parts.answer_table(services, tried, "recommendation", "Hit rate of the list", _HITS)


def _pairs(services: Services, question: Question) -> None:
    answer = Loyalty(services.answers).also_bought(question)
    parts.section(services, "Also bought", answer)
    parts.notes(services, answer)
    parts.answer_table(services, answer, "also-bought", "Also bought", _PAIRS)
