"""Answers of metrics as figures: money and rates over time, what became of the orders."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboard.charts.figures import COLOURS, SERIES, TEALS, band, cells_only, laid_out, share_axis
from dashboard.metrics.catalogue import Answer
from dashboard.wording import Say
from dashboard.wording.tables import word

PANELS = 6
WEEKDAYS = (
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
)


def _days(answer: Answer) -> list[str]:
    return [row["day"].isoformat() for row in answer.rows]


def _shifted(earlier: Answer, answer: Answer) -> list[str]:
    """The days of an earlier answer, moved onto those of the later one."""
    span = answer.question.first_day - earlier.question.first_day
    return [(row["day"] + span).isoformat() for row in earlier.rows]


def sales_by_day(answer: Answer, earlier: Answer | None, say: Say) -> go.Figure:
    """Money paid by day, and as a dashed line the period it is compared with."""
    figure = go.Figure(
        go.Bar(
            x=_days(answer), y=[row["paid_fen"] / 100 for row in answer.rows],
            name=say("Paid (yuan)"), marker_color=COLOURS["money"],
            customdata=[row["paid"] for row in answer.rows],
            hovertemplate=say("¥%{y:,.2f} from %{customdata:,} payments") + "<extra></extra>",
        )
    )
    if earlier and earlier.rows:
        figure.add_scatter(
            x=_shifted(earlier, answer), y=[row["paid_fen"] / 100 for row in earlier.rows],
            name=say("Before"), mode="lines",
            line={"color": COLOURS["before"], "width": 2, "dash": "dot"},
            hovertemplate=say("before: ¥%{y:,.2f}") + "<extra></extra>",
        )
    figure.update_yaxes(tickprefix="¥")
    return laid_out(figure)


def day_against_day(today: Sequence[Any], before: Sequence[Any], names: tuple[str, str]) -> go.Figure:
    """Money paid since midnight, hour by hour, of a day and of the day it is compared with."""
    figure = go.Figure()
    styles = ((before, names[1], COLOURS["before"], "dot"), (today, names[0], COLOURS["money"], None))
    for points, name, colour, dash in styles:
        figure.add_scatter(
            x=[f"{hour:02d}:00" for hour, _ in points], y=[fen / 100 for _, fen in points],
            name=name, mode="lines", line={"color": colour, "width": 2, "dash": dash or "solid"},
            hovertemplate="¥%{y:,.2f}<extra>" + name + "</extra>",
        )
    figure.update_yaxes(tickprefix="¥", rangemode="tozero")
    return laid_out(figure, 240)


def rate_by_day(answer: Answer, earlier: Answer | None, say: Say, field: str = "rate") -> go.Figure:
    """A rate by day with its interval, and as a dashed line the period it is compared with."""
    rows, name = answer.rows, say(answer.metric.title)
    figure = go.Figure()
    if field == "rate":
        lows, highs = [row["low"] for row in rows], [row["high"] for row in rows]
        band(figure, _days(answer), lows, highs, say("95 % interval"))
    figure.add_scatter(
        x=_days(answer), y=[row[field] for row in rows], mode="lines+markers", name=name,
        line={"color": COLOURS["good"], "width": 2}, marker={"size": 4},
        customdata=[row.get("matured", row["orders"]) for row in rows],
        hovertemplate=say("%{y:.1%} of %{customdata:,} orders") + "<extra></extra>",
    )
    if earlier and earlier.rows:
        figure.add_scatter(
            x=_shifted(earlier, answer), y=[row[field] for row in earlier.rows], mode="lines",
            name=say("Before"), line={"color": COLOURS["before"], "width": 2, "dash": "dot"},
            hovertemplate=say("before: %{y:.1%}") + "<extra></extra>",
        )
    return share_axis(laid_out(figure))


def funnel(orders: int, open_orders: int, outcomes: Answer, say: Say) -> go.Figure:
    """From orders created to orders paid: each class takes its orders off, to the unit."""
    lost = [row for row in outcomes.rows if row["outcome"] not in ("paid", "paid_late")]
    won = [row for row in outcomes.rows if row["outcome"] in ("paid", "paid_late")]
    lost.sort(key=lambda row: -row["orders"])
    steps = [(say("Orders created"), orders, 0, COLOURS["money"], "")]
    left = orders
    for name, count, colour, pattern in [
        *((word(row["outcome"], say), row["orders"], COLOURS["bad"], "") for row in lost),
        (word("open", say), open_orders, COLOURS["open"], "/"),
    ]:
        left -= count
        if count:
            steps.append((name, count, left, colour, pattern))
    for row in sorted(won, key=lambda row: row["outcome"], reverse=True):
        left -= row["orders"]
        colour = COLOURS["good"] if row["outcome"] == "paid" else COLOURS["p95"]
        steps.append((word(row["outcome"], say), row["orders"], left, colour, ""))
    figure = go.Figure(
        go.Bar(
            y=[step[0] for step in steps], x=[step[1] for step in steps],
            base=[step[2] for step in steps], orientation="h",
            marker={"color": [step[3] for step in steps],
                    "pattern": {"shape": [step[4] for step in steps]}},
            text=[f"{step[1]:,} · {step[1] / orders:.1%}" for step in steps],
            textposition="outside", cliponaxis=False,
            hovertemplate="%{y}: %{text}<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed", tickfont={"size": 12})
    figure.update_xaxes(
        showticklabels=False, showgrid=False, zeroline=False, range=[0, orders * 1.22]
    )
    return laid_out(figure, 30 * len(steps) + 50, "closest")


def small_multiples(answer: Answer, by: str, say: Say, field: str = "rate") -> go.Figure:
    """A rate by day for each value of a dimension, the largest first, all on one scale."""
    sizes: dict[str | None, int] = {}
    for row in answer.rows:
        sizes[row[by]] = sizes.get(row[by], 0) + row["orders"]
    shown = sorted(sizes, key=lambda value: -sizes[value])[:PANELS]
    titles = [
        f"{word(value, say) if value else say('none')} · {sizes[value]:,}" for value in shown
    ]
    lines = max(1, (len(shown) + 1) // 2)
    figure = make_subplots(
        rows=lines, cols=2, shared_xaxes=True, shared_yaxes=True, subplot_titles=titles,
        vertical_spacing=0.35 / lines, horizontal_spacing=0.05,
    )
    for at, value in enumerate(shown):
        rows = [row for row in answer.rows if row[by] == value]
        figure.add_scatter(
            x=[row["day"].isoformat() for row in rows], y=[row[field] for row in rows],
            row=at // 2 + 1, col=at % 2 + 1, mode="lines", showlegend=False,
            line={"color": SERIES[at % len(SERIES)], "width": 2},
            customdata=[row.get("matured", row["orders"]) for row in rows],
            hovertemplate="%{x}: " + say("%{y:.1%} of %{customdata:,} orders") + "<extra></extra>",
        )
    figure.update_annotations(font_size=12)
    return share_axis(laid_out(figure, 130 * lines + 60, "closest"))


def hour_of_week(answer: Answer, say: Say) -> go.Figure:
    """Conversion by weekday and hour of creation; cells without a decided order stay empty."""
    sums: dict[tuple[int, int], list[int]] = {}
    for row in answer.rows:
        cell = sums.setdefault((row["hour"].weekday(), row["hour"].hour), [0, 0])
        cell[0] += row["paid"] or 0
        cell[1] += row["matured"]
    cells = [[sums.get((weekday, hour), [0, 0]) for hour in range(24)] for weekday in range(7)]
    rates = [[paid / size if size else None for paid, size in line] for line in cells]
    figure = go.Figure(
        go.Heatmap(
            z=rates, x=[f"{hour:02d}" for hour in range(24)],
            y=[say(name) for name in WEEKDAYS],
            customdata=[[size for _, size in line] for line in cells],
            colorscale=TEALS, xgap=2, ygap=2, hoverongaps=False,
            colorbar={"tickformat": ".0%", "thickness": 10, "title": None},
            hovertemplate="%{y} %{x}:00 · " + say("%{z:.1%} of %{customdata:,} orders")
            + "<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(type="category")
    return cells_only(laid_out(figure, 280, "closest"))


def spark(answer: Answer, field: str, last_day: date, days: int = 30) -> list[float]:
    """A field's values over the last days, missing days left out, for a card's small line."""
    first = last_day - timedelta(days=days - 1)
    found = [row[field] for row in answer.rows if row["day"] >= first and row[field] is not None]
    scale = 100 if field.endswith("_fen") else 1
    return [float(value) / scale for value in found]
