"""Money as figures: from gross to net, from ours to the bill, and channels side by side."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from dashboard.charts.figures import COLOURS, laid_out
from dashboard.metrics.catalogue import Answer
from dashboard.wording import Say
from dashboard.wording.tables import word

_STEPS = (
    ("ordered_fen", "absolute", 1, "Ordered"), ("discount_fen", "relative", -1, "Discounts"),
    ("gross_fen", "total", 1, "Gross"), ("refunded_fen", "relative", -1, "Refunded"),
    ("fee_fen", "relative", -1, "Fees"), ("split_fen", "relative", -1, "Splits"),
    ("net_fen", "total", 1, "Net"),
)
_LEADS = (
    ("ours_fen", "absolute", 1, "Ours"), ("carried_fen", "relative", 1, "Across days"),
    ("long_fen", "relative", 1, "Long"), ("short_fen", "relative", -1, "Short"),
    ("differences_fen", "relative", 1, "Differences"), ("other_fen", "relative", 1, "Others"),
    ("bill_fen", "total", 1, "Bill"),
)
Step = tuple[str, str, int, str]
_ACCOUNT_LEADS: tuple[Step, ...] = (
    ("ours_fen", "absolute", 1, "Trade bill"), *_LEADS[1:-1],
    ("bill_fen", "total", 1, "Account bill"),
)


def gross_to_net(answer: Answer, say: Say) -> go.Figure:
    """From what was ordered to what is left."""
    return _waterfall(answer, _STEPS, say)


def ours_to_bill(answer: Answer, say: Say) -> go.Figure:
    """From ours to a bill; from the trade bill to the account's."""
    if answer.rows[0]["bill"] != "account_bill":
        return _waterfall(answer, _LEADS, say)
    return _waterfall(answer, _ACCOUNT_LEADS, say)


def _waterfall(answer: Answer, steps: Sequence[Step], say: Say) -> go.Figure:
    row = answer.rows[0]
    values = [sign * float(row[name] or 0) / 100 + 0.0 for name, _, sign, _ in steps]
    figure = go.Figure(
        go.Waterfall(
            x=[say(label) for *_, label in steps], y=values,
            measure=[measure for _, measure, _, _ in steps],
            text=[f"{value:,.2f}" for value in values], textposition="outside",
            connector={"line": {"color": COLOURS["open"], "width": 1}},
            increasing={"marker": {"color": COLOURS["good"]}},
            decreasing={"marker": {"color": COLOURS["bad"]}},
            totals={"marker": {"color": COLOURS["money"]}},
            cliponaxis=False, hovertemplate="%{x}: ¥%{y:,.2f}<extra></extra>",
        )
    )
    figure.update_yaxes(tickprefix="¥", rangemode="tozero")
    return laid_out(figure, 340, "closest")


def net_by_day(answer: Answer, say: Say) -> go.Figure:
    """Net by day, a colour a channel."""
    figure = go.Figure()
    for channel in sorted({row["channel"] for row in answer.rows}):
        rows = [row for row in answer.rows if row["channel"] == channel]
        figure.add_bar(
            x=[row["day"].isoformat() for row in rows], y=[row["net_fen"] / 100 for row in rows],
            name=word(channel, say), hovertemplate="¥%{y:,.2f}",
        )
    figure.update_layout(barmode="relative")
    figure.update_yaxes(tickprefix="¥")
    return laid_out(figure)


def rates_compared(answer: Answer, say: Say) -> go.Figure:
    """Each channel's success rate with its interval."""
    rows = answer.rows
    figure = go.Figure(
        go.Scatter(
            x=[row["rate"] for row in rows], y=[word(row["channel"], say) for row in rows],
            mode="markers", marker={"size": 11, "color": COLOURS["good"]},
            error_x={
                "type": "data", "symmetric": False, "color": COLOURS["muted"],
                "array": [(row["high"] or row["rate"]) - row["rate"] for row in rows],
                "arrayminus": [row["rate"] - (row["low"] or row["rate"]) for row in rows],
            },
            hovertemplate="%{y}: %{x:.1%}<extra></extra>",
        )
    )
    laid_out(figure, 140 + 44 * len(rows), "closest")
    return figure.update_xaxes(tickformatstops=[{"dtickrange": [None, None], "value": ".0%"}])
