"""The figures: trends, bars and shares."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

COLOURS = {
    "good": "#0F766E", "bad": "#C2410C", "money": "#1D4ED8", "open": "#94A3B8", "muted": "#64748B",
}
"""A colour means one thing everywhere; the pairs keep apart for colour-blind readers."""

_FONT = "Noto Sans CJK SC, PingFang SC, Microsoft YaHei, Noto Sans, sans-serif"
_HEIGHT = 300


def _laid_out(figure: go.Figure, height: int = _HEIGHT) -> go.Figure:
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 16, "b": 8},
        font={"family": _FONT, "size": 13},
        hovermode="x unified",
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        separators=".,",
    )
    return figure


def money_trend(days: Sequence[str], yuan: Sequence[float | None], name: str) -> go.Figure:
    """Money by day, as bars."""
    figure = go.Figure(
        go.Bar(
            x=days, y=yuan, name=name, marker_color=COLOURS["money"],
            hovertemplate="¥%{y:,.2f}<extra>" + name + "</extra>",
        )
    )
    return _laid_out(figure)


def rate_trend(
    days: Sequence[str], rates: Sequence[float | None], lows: Sequence[float | None],
    highs: Sequence[float | None], name: str,
) -> go.Figure:
    """A rate by day with the band of its interval; days without a denominator leave a gap."""
    figure = go.Figure()
    band = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    figure.add_scatter(x=days, y=highs, **band)
    figure.add_scatter(
        x=days, y=lows, fill="tonexty", fillcolor="rgba(15, 118, 110, 0.18)", **band
    )
    figure.add_scatter(
        x=days, y=rates, mode="lines+markers", name=name,
        line={"color": COLOURS["good"], "width": 2}, marker={"size": 4},
        hovertemplate="%{y:.1%}<extra>" + name + "</extra>",
    )
    figure.update_yaxes(tickformat=".0%")
    return _laid_out(figure)


def bars(
    names: Sequence[str], values: Sequence[float], unit: str, colours: Sequence[str] | None = None
) -> go.Figure:
    """Horizontal bars, the largest on top."""
    figure = go.Figure(
        go.Bar(
            x=list(values), y=list(names), orientation="h",
            marker_color=list(colours) if colours else COLOURS["bad"],
            hovertemplate="%{y}: %{x:,}" + f" {unit}<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed")
    return _laid_out(figure, max(160, 30 * len(names) + 60)).update_layout(hovermode="closest")
