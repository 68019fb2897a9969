"""Marks on a daily chart: a flag at a day, a shade over several."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from html import escape

import plotly.graph_objects as go

from dashboard.charts.figures import COLOURS

_SIGNS = {"note": "✎", "alert": "▲", "campaign": "★", "definition": "§", "load": "↓"}
_COLOURS = {
    "note": COLOURS["money"], "alert": COLOURS["bad"], "campaign": COLOURS["good"],
    "definition": COLOURS["muted"], "load": COLOURS["muted"],
}
Mark = tuple[str, bool, date, date, str]
"""Kind, whether it begins there, first and last day, and what to say."""


def marked(figure: go.Figure, marks: Sequence[Mark]) -> go.Figure:
    """The figure with its marks; several of a day share one flag."""
    by_day: dict[date, list[Mark]] = {}
    for mark in marks:
        kind, begins, first, last, _ = mark
        if begins:
            by_day.setdefault(first, []).append(mark)
        if last > first and kind in ("campaign", "alert"):
            figure.add_vrect(
                x0=first.isoformat(), x1=last.isoformat(), line_width=0, opacity=0.06,
                fillcolor=_COLOURS[kind], layer="below",
            )
    for day, found in sorted(by_day.items()):
        kinds = dict.fromkeys(kind for kind, *_ in found)
        figure.add_vline(
            x=day.isoformat(), line={"color": _COLOURS[found[0][0]], "width": 1, "dash": "dot"}
        )
        figure.add_annotation(
            x=day.isoformat(), y=1, yref="paper", yanchor="bottom", showarrow=False,
            text="".join(_SIGNS[kind] for kind in kinds),
            hovertext="<br>".join(escape(text) for *_, text in found),
            font={"size": 12, "color": _COLOURS[found[0][0]]},
        )
    return figure
