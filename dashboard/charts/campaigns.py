"""Campaigns as figures: what each did, with how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from dashboard.charts.figures import COLOURS, ROW, laid_out
from dashboard.wording import Say

_SHOWN = 20
_SIDES = {"": "circle", "holdout_": "diamond"}


def effects(rows: Sequence[Mapping[str, Any]], say: Say, field: str = "uplift") -> go.Figure | None:
    """For each campaign its points and intervals; None where no side has orders enough."""
    names = [row["campaign"] for row in rows if _judged(row, field)][:_SHOWN]
    if not names:
        return None
    is_money = field.endswith("_fen")
    shape = ",.2f" if is_money else "+,.1f"
    figure = go.Figure()
    titles = {"": say("the four weeks before"), "holdout_": say("hold-out group")}
    for side, symbol in _SIDES.items():
        shown = [row for row in rows if row["campaign"] in names and _is_judged(row, side, field)]
        if shown:
            figure.add_trace(_points(shown, f"{side}{field}", titles[side], symbol, shape))
    figure.add_vline(x=0, line={"color": COLOURS["open"], "width": 1, "dash": "dot"})
    figure.update_yaxes(autorange="reversed", type="category", categoryarray=names)
    laid_out(figure, max(190, 2 * ROW * len(names) + 120), "closest")
    figure.update_layout(scattermode="group", showlegend=True)
    unit = say("yuan an order") if is_money else say("percentage points")
    stops = [{"dtickrange": [None, None], "value": shape}]
    return figure.update_xaxes(tickformatstops=stops, tickformat=shape, title=unit)


def _points(
    rows: Sequence[Mapping[str, Any]], field: str, title: str, symbol: str, shape: str
) -> go.Scatter:
    stem, tail = field.removesuffix("_fen"), "_fen" if field.endswith("_fen") else ""
    values, lows, highs = (
        [row[name] / 100 if tail else row[name] * 100 for row in rows]
        for name in (field, f"{stem}_low{tail}", f"{stem}_high{tail}")
    )
    return go.Scatter(
        x=values, y=[row["campaign"] for row in rows], mode="markers", name=title, orientation="h",
        marker={"size": 11, "symbol": symbol,
                "color": [_colour(stem, row[field], row[f"{stem}_sure"]) for row in rows]},
        error_x={
            "type": "data", "symmetric": False, "thickness": 1.6, "color": COLOURS["muted"],
            "array": [high - value for high, value in zip(highs, values, strict=True)],
            "arrayminus": [value - low for low, value in zip(lows, values, strict=True)],
        },
        hovertemplate="%{y}: %{x:" + shape + "}<extra>%{fullData.name}</extra>",
    )


def _judged(row: Mapping[str, Any], field: str) -> bool:
    return any(_is_judged(row, side, field) for side in _SIDES)


def _is_judged(row: Mapping[str, Any], side: str, field: str) -> bool:
    return row[f"{side}{field.removesuffix('_fen')}_sure"] is not None


def _colour(stem: str, value: float, is_sure: bool) -> str:
    if not is_sure:
        return COLOURS["open"]
    if stem.endswith("discount_order"):
        return COLOURS["money"]
    return COLOURS["good"] if value > 0 else COLOURS["bad"]
