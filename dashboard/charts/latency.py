"""Latency as figures: percentiles over time, the distribution, and the channel's retries in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from dashboard.charts.figures import COLOURS, bars, laid_out
from dashboard.metrics.catalogue import Answer
from dashboard.metrics.spread import Bar
from dashboard.wording import Say
from dashboard.wording.formats import seconds

_TICKS_S = (0.01, 0.1, 1, 10, 60, 600, 3600, 21600, 90000)
MARKED_FROM_S = 60.0


def percentiles_by_day(answer: Answer, stage: str, language: str) -> go.Figure:
    """p50, p95 and p99 of a stage by day; a percentile among the missing leaves a gap."""
    rows = [row for row in answer.rows if row["stage"] == stage]
    figure = go.Figure()
    for name in ("p50", "p95", "p99"):
        values = [row[f"{name}_s"] for row in rows]
        figure.add_scatter(
            x=[row["day"].isoformat() for row in rows],
            y=[value if isinstance(value, int | float) else None for value in values],
            name=name, mode="lines+markers", marker={"size": 4},
            line={"color": COLOURS[name], "width": 2},
            customdata=[seconds(value, language) for value in values],
            hovertemplate="%{customdata}<extra>" + name + "</extra>",
        )
    figure.update_yaxes(type="log", **_ticks(language))
    return laid_out(figure)


def _ticks(language: str) -> dict[str, Any]:
    return {"tickvals": list(_TICKS_S), "ticktext": [seconds(at, language) for at in _TICKS_S]}


def distribution(
    bars_: Sequence[Bar], rungs_s: Sequence[int], say: Say, language: str
) -> go.Figure:
    """Orders by log-spaced latency; dashed lines are the times at which the channel sends again."""
    figure = go.Figure(
        go.Bar(
            x=[bar.middle_s for bar in bars_], y=[bar.orders for bar in bars_],
            width=[bar.high_s - bar.low_s for bar in bars_], marker_color=COLOURS["money"],
            customdata=[seconds(bar.middle_s, language) for bar in bars_],
            hovertemplate=say("about %{customdata}: %{y:,} orders") + "<extra></extra>",
        )
    )
    for number, at in enumerate(rungs_s, start=2):
        figure.add_vline(x=at, line={"color": COLOURS["bad"], "width": 1, "dash": "dash"})
        figure.add_annotation(
            x=_log10(at), y=1, yref="paper", text=str(number), showarrow=False, yanchor="bottom",
            font={"size": 11, "color": COLOURS["bad"]},
        )
    figure.update_xaxes(type="log", **_ticks(language))
    figure.update_yaxes(type="log", dtick=1)
    return laid_out(figure, 300, "closest").update_layout(bargap=0)


def _log10(value: float) -> float:
    return math.log10(value)


def rung_bars(rungs: dict[str, int], say: Say) -> go.Figure:
    """First receipts by delivery."""
    names = [say("delivery {number}", number=int(rung) + 1) for rung in rungs]
    colours = [COLOURS["good"] if rung == "0" else COLOURS["bad"] for rung in rungs]
    return bars(names, list(rungs.values()), say("orders"), colours)
