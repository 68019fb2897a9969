"""The change explainer: what moved the rate between two periods, and how sure that is."""

from __future__ import annotations

import streamlit as st

from dashboard.charts.change import contributions
from dashboard.screens import parts
from dashboard.screens.bar import View
from dashboard.services import Services
from dashboard.wording.formats import number, percent, points
from dashboard.wording.sentences import part_name


@st.fragment
def explainer(services: Services, view: View) -> None:
    """Draw the explainer, where there is a period to compare with."""
    if view.earlier is None:
        return
    say, language = services.say, services.language
    change = services.change(view.earlier, view.question)
    parts.section(services, "Why order conversion moved")
    if change is None or change.before is None or change.after is None:
        st.caption(say("There are no decided orders to compare with."))
        return
    low, high = change.interval
    st.markdown(say(
        "From {before} ({orders_before} orders) to {after} ({orders_after} orders): {moved}, 95 % sure"
        " between {low} and {high}. Of it {mix} comes from other products and clients being used, and"
        " {rate} from rates that moved.",
        before=percent(change.before, language), after=percent(change.after, language),
        orders_before=number(change.orders_before, language),
        orders_after=number(change.orders_after, language),
        moved=points(float(change.mix + change.rate), language),
        low=points(low, language), high=points(high, language),
        mix=points(float(change.mix), language), rate=points(float(change.rate), language),
    ))
    top = change.contributors()
    if not top:
        st.caption(say("No single product, client or reason stands out from chance."))
        return
    names = [part_name(services, part) for part in top]
    rest = float(change.mix + change.rate - sum(part.effect for part in top))
    figure = contributions(names, [float(part.effect) for part in top], rest, say)
    parts.chart(services, figure, "contributions", "Why order conversion moved", view.question)
    with st.expander(say("As a table"), icon=":material/table:"):
        parts.rows_table(services, [
            {"what": name, "effect": points(float(part.effect), language), "orders": part.orders,
             "low": part.interval[0], "high": part.interval[1]}
            for name, part in zip(names, top, strict=True)
        ], ("what", "effect", "orders", "low", "high"), "contributions")
