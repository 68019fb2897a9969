"""The figures' common language: colours with one meaning each, type, spacing, number formats."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

Figure = go.Figure
COLOURS = {
    "good": "#0D9488", "bad": "#D9480F", "money": "#3B82F6", "open": "#94A3B8", "muted": "#64748B",
    "before": "#A78BFA", "p50": "#0D9488", "p95": "#D97706", "p99": "#D9480F",
}
"""A colour means one thing everywhere; kept apart for colour-blind readers, on light and dark."""
SERIES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8B8000", "#64748B")
"""Okabe and Ito's palette, for categories without a meaning of their own."""
BLUES = [[0, "#E4EEFF"], [1, "#1D4ED8"]]
REDS = [[0, "#FFEDE3"], [1, "#C2410C"]]
"""Opaque, so that the figure knows what stands behind a cell's text, on light and dark pages."""
TEALS = [[0, "#D9480F"], [0.5, "#E7E5C8"], [1, "#0D9488"]]

FONT = "Noto Sans CJK SC, PingFang SC, Microsoft YaHei, Noto Sans, sans-serif"
HEIGHT = 300
DAY = "%m-%d"
ROW = 30


def laid_out(figure: go.Figure, height: int = HEIGHT, hover: str = "x unified") -> go.Figure:
    """The figure with the house's margins, type and legend."""
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 28, "b": 8},
        font={"family": FONT, "size": 13},
        hovermode=hover,
        hoverlabel={"font": {"family": FONT, "size": 13}},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0, "font": {"size": 12}},
        separators=".,",
        dragmode=False,
        bargap=0.25,
    )
    figure.update_xaxes(
        automargin=True, fixedrange=True, tickformatstops=[{"dtickrange": [None, None], "value": DAY}]
    )
    figure.update_yaxes(automargin=True, fixedrange=True)
    return figure


def cells_only(figure: go.Figure) -> go.Figure:
    """The figure without grid lines: they would run through the cells of a map."""
    return figure.update_xaxes(showgrid=False).update_yaxes(showgrid=False)


def band(
    figure: go.Figure, x: Sequence[object], lows: Sequence[float | None],
    highs: Sequence[float | None], name: str,
) -> None:
    """Add the band of an interval, without its own hover text."""
    edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    figure.add_scatter(x=x, y=highs, showlegend=False, **edge)
    figure.add_scatter(
        x=x, y=lows, fill="tonexty", fillcolor="rgba(13, 148, 136, 0.18)", name=name, **edge
    )


def bars(
    names: Sequence[str], values: Sequence[float], unit: str, colours: Sequence[str] | None = None
) -> go.Figure:
    """Horizontal bars, the first on top."""
    figure = go.Figure(
        go.Bar(
            x=list(values), y=list(names), orientation="h",
            marker_color=list(colours) if colours else COLOURS["bad"],
            hovertemplate="%{y}: %{x:,}" + f" {unit}<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed", tickfont={"size": 12})
    return laid_out(figure, max(160, ROW * len(names) + 60), "closest")


def share_axis(figure: go.Figure) -> go.Figure:
    """The figure with its value axis in percent."""
    return figure.update_yaxes(tickformat=".0%")
