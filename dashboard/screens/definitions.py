"""Definitions: what each number means, with its version and sources."""

from __future__ import annotations

import streamlit as st

from dashboard.metrics.catalogue import metrics
from dashboard.screens.bar import View
from dashboard.services import Services
from dashboard.wording.labels import FIELDS
from dashboard.wording.tables import word


def render(services: Services, _view: View) -> None:
    """Draw the page."""
    say = services.say
    for metric in metrics().values():
        st.subheader(say(metric.title), anchor=metric.name)
        st.markdown(say(metric.definition))
        sources = " + ".join(
            " / ".join(word(source, say) for source in alternatives) for alternatives in metric.needs
        )
        fields = ", ".join(f"`{name}` {say(FIELDS.get(name, name))}" for name in metric.fields)
        st.caption(
            say(
                "`mdash metric {name}` · version {version} · from: {sources}",
                name=metric.name, version=metric.version, sources=sources,
            )
        )
        st.caption(fields)
