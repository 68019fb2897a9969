"""Answers of metrics as figures."""

from __future__ import annotations

import plotly.graph_objects as go

from dashboard.charts.figures import COLOURS, bars, money_trend, rate_trend
from dashboard.metrics.catalogue import Answer
from dashboard.wording import Say
from dashboard.wording.tables import word


def _days(answer: Answer) -> list[str]:
    return [row["day"].isoformat() for row in answer.rows]


def sales_by_day(answer: Answer, say: Say) -> go.Figure:
    """Money paid by day; the answer is split by day."""
    yuan = [row["paid_fen"] / 100 for row in answer.rows]
    return money_trend(_days(answer), yuan, say("Paid (yuan)"))


def rate_by_day(answer: Answer, say: Say) -> go.Figure:
    """A rate by day with its interval; the answer is split by day."""
    rows = answer.rows
    return rate_trend(
        _days(answer),
        [row["rate"] for row in rows],
        [row["low"] for row in rows],
        [row["high"] for row in rows],
        say(answer.metric.title),
    )


def outcome_bars(answer: Answer, say: Say) -> go.Figure:
    """Orders by outcome class."""
    rows = sorted(answer.rows, key=lambda row: -row["orders"])
    colours = [
        COLOURS["good"] if row["outcome"].startswith("paid") else COLOURS["bad"] for row in rows
    ]
    names = [word(row["outcome"], say) for row in rows]
    return bars(names, [row["orders"] for row in rows], say("orders"), colours)


def failure_bars(answer: Answer, say: Say) -> go.Figure:
    """Lost value by reason and code, the largest first."""
    rows = sorted(answer.rows, key=lambda row: -row["lost_fen"])[:15]
    names = [f"{word(row['reason'], say)} · {row['code'] or '—'}" for row in rows]
    return bars(names, [row["lost_fen"] / 100 for row in rows], say("yuan"))


def rung_bars(rungs: dict[str, int], say: Say) -> go.Figure:
    """First receipts by delivery."""
    names = [say("delivery {number}", number=int(rung) + 1) for rung in rungs]
    return bars(names, list(rungs.values()), say("orders"), [COLOURS["muted"]] * len(rungs))
