"""Failures as figures: which reasons lose most, where they arise, and when."""

from __future__ import annotations

import plotly.graph_objects as go

from dashboard.charts.figures import COLOURS, REDS, SERIES, cells_only, laid_out
from dashboard.metrics.catalogue import Answer
from dashboard.wording import Say
from dashboard.wording.tables import word

SHOWN = 12
SOURCES = ("customer", "merchant", "channel", "bank", "risk", "unknown")
STAGES = ("create", "submit", "pay", "confirm", "notify")


def failure_bars(answer: Answer, say: Say, shown: int = 6) -> go.Figure:
    """Lost value by reason, the largest first."""
    sums: dict[str, int] = {}
    for row in answer.rows:
        sums[row["reason"]] = sums.get(row["reason"], 0) + (row["lost_fen"] or 0)
    top = sorted(sums, key=lambda reason: -sums[reason])[:shown]
    figure = go.Figure(
        go.Bar(
            x=[sums[reason] / 100 for reason in top], y=[word(reason, say) for reason in top],
            orientation="h", marker_color=COLOURS["bad"],
            hovertemplate="%{y}: ¥%{x:,.2f}<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(tickprefix="¥")
    return laid_out(figure, max(160, 34 * len(top) + 50), "closest")


def pareto(answer: Answer, say: Say) -> go.Figure:
    """Lost value by reason and code, the largest first, with the share they make together."""
    rows = sorted(answer.rows, key=lambda row: -(row["lost_fen"] or 0))
    whole = sum(row["lost_fen"] or 0 for row in rows) or 1
    top, upto, told = rows[:SHOWN], 0, []
    for row in top:
        upto += row["lost_fen"] or 0
        told.append(say(
            "¥{yuan} · together {share}",
            yuan=f"{(row['lost_fen'] or 0) / 100:,.0f}", share=f"{upto / whole:.0%}",
        ))
    names = [f"{word(row['reason'], say)}<br><sub>{row['code'] or '—'}</sub>" for row in top]
    lost = [(row["lost_fen"] or 0) / 100 for row in top]
    figure = go.Figure(
        go.Bar(
            y=names, x=lost, orientation="h", marker_color=COLOURS["bad"], text=told,
            textposition="outside", cliponaxis=False, customdata=[row["orders"] for row in top],
            hovertemplate=say("¥%{x:,.2f} of %{customdata:,} orders") + "<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed", tickfont={"size": 12})
    figure.update_xaxes(showticklabels=False, showgrid=False, range=[0, max(lost, default=1) * 1.02])
    return laid_out(figure, 40 * len(top) + 50, "closest").update_layout(margin_r=110)


def source_stage(answer: Answer, say: Say) -> go.Figure:
    """Failed attempts by who caused them and at which stage."""
    counts = {(row["source"], row["stage"]): 0 for row in answer.rows}
    for row in answer.rows:
        counts[row["source"], row["stage"]] += row["attempts"]
    sources = [name for name in SOURCES if any(key[0] == name for key in counts)]
    stages = [name for name in STAGES if any(key[1] == name for key in counts)]
    cells = [[counts.get((source, stage)) for stage in stages] for source in sources]
    figure = go.Figure(
        go.Heatmap(
            z=cells, x=[word(name, say) for name in stages], y=[word(name, say) for name in sources],
            text=[[f"{cell:,}" if cell else "" for cell in line] for line in cells],
            texttemplate="%{text}", colorscale=REDS, xgap=3, ygap=3, showscale=False,
            hoverongaps=False,
            hovertemplate=say("%{y}, at %{x}: %{z:,} attempts") + "<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed")
    return cells_only(laid_out(figure, 46 * len(sources) + 70, "closest"))


def reasons_by_day(answer: Answer, say: Say) -> go.Figure:
    """Failed attempts by day, stacked by reason."""
    sums: dict[str, dict[str, int]] = {}
    for row in answer.rows:
        line = sums.setdefault(row["reason"], {})
        day = row["day"].isoformat()
        line[day] = line.get(day, 0) + row["attempts"]
    order = sorted(sums, key=lambda reason: -sum(sums[reason].values()))
    figure = go.Figure()
    for at, reason in enumerate(order[: len(SERIES)]):
        days = sorted(sums[reason])
        figure.add_bar(
            x=days, y=[sums[reason][day] for day in days], name=word(reason, say),
            marker_color=SERIES[at], hovertemplate="%{y:,}",
        )
    return laid_out(figure, 320).update_layout(barmode="stack", bargap=0.15)
