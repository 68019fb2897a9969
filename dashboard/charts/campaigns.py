"""Campaigns as figures: what each did, with how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from dashboard.charts.figures import COLOURS, ROW, laid_out
from dashboard.wording import Say

_SHOWN = 20


def effects(rows: Sequence[Mapping[str, Any]], say: Say, field: str = "uplift") -> go.Figure:
    """A point and an interval for each campaign; grey where chance explains it."""
    shown = [row for row in rows if row[field] is not None][:_SHOWN]
    scale = 100 if field.endswith("_fen") else 1
    stem, tail = field.removesuffix("_fen"), "_fen" if field.endswith("_fen") else ""
    values = [row[field] / scale for row in shown]
    lows = [row[f"{stem}_low{tail}"] / scale for row in shown]
    highs = [row[f"{stem}_high{tail}"] / scale for row in shown]
    shape = ",.2f" if tail else "+.1%"
    figure = go.Figure(
        go.Scatter(
            x=values, y=[row["campaign"] for row in shown], mode="markers",
            marker={"size": 11, "color": [_colour(*ends) for ends in zip(lows, highs, strict=True)]},
            error_x={
                "type": "data", "symmetric": False, "thickness": 1.6,
                "array": [high - value for high, value in zip(highs, values, strict=True)],
                "arrayminus": [value - low for low, value in zip(lows, values, strict=True)],
                "color": COLOURS["muted"],
            },
            hovertemplate="%{y}: %{x:" + shape + "}<extra></extra>",
        )
    )
    figure.add_vline(x=0, line={"color": COLOURS["open"], "width": 1, "dash": "dot"})
    figure.update_yaxes(autorange="reversed", type="category")
    laid_out(figure, max(170, ROW * len(shown) + 110), "closest")
    unit = say("yuan an order") if tail else say("percentage points of the orders")
    stops = [{"dtickrange": [None, None], "value": shape}]
    figure.update_xaxes(tickformatstops=stops, tickformat=shape, title=unit)
    return figure


def _colour(low: float, high: float) -> str:
    if low > 0:
        return COLOURS["good"]
    return COLOURS["bad"] if high < 0 else COLOURS["open"]
