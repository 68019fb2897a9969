"""A change of a rate as a figure: what each cause adds or takes."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from dashboard.charts.figures import COLOURS, ROW, laid_out
from dashboard.wording import Say


def contributions(names: Sequence[str], effects: Sequence[float], rest: float, say: Say) -> go.Figure:
    """Causes by what they add to the rate, in percentage points, and all that is left."""
    shown = [*effects, rest]
    colours = [COLOURS["good"] if effect > 0 else COLOURS["bad"] for effect in effects]
    figure = go.Figure(
        go.Bar(
            y=[*names, say("all others together")], x=[100 * effect for effect in shown],
            orientation="h", marker_color=[*colours, COLOURS["open"]],
            text=[f"{100 * effect:+.2f}" for effect in shown], textposition="auto",
            hovertemplate="%{y}: %{x:+.2f} pp<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed", tickfont={"size": 12})
    figure.update_xaxes(ticksuffix=" pp", zeroline=True)
    return laid_out(figure, ROW * len(shown) + 60, "closest")
