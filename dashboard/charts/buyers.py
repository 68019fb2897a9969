"""Buyers as figures: the cohort triangle and its curves, the mix, time to return, segments, value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from dashboard.charts.figures import (
    BLUES,
    COLOURS,
    SERIES,
    band,
    bars,
    cells_only,
    laid_out,
    share_axis,
)
from dashboard.metrics.intervals import LEAST_COUNT
from dashboard.metrics.lifetime import Week
from dashboard.metrics.second_purchase import Curves
from dashboard.metrics.segment_rules import SEGMENTS
from dashboard.wording import Say
from dashboard.wording.tables import word

_CURVES = 8
Rows = Sequence[Mapping[str, Any]]


def triangle(rows: Rows, means: Rows, say: Say, field: str = "rate") -> go.Figure:
    """Cohort × period; what has not ended is hatched; last the weighted mean, of money the sum."""
    sizes = {row["cohort"]: row["buyers"] for row in rows}
    names = [*sizes]
    values = {(row["cohort"], row["period"]): row[field] for row in rows}
    spans = {(row["cohort"], row["period"]): _span(row, say) for row in rows}
    spans |= {(None, row["period"]): _span(row, say) for row in means}
    across = sorted({row["period"] for row in rows})
    lines = [[_shaped(values.get((name, k)), field) for k in across] for name in names]
    by_period = {row["period"]: _shaped(row[field], field) for row in means}
    lines.append([by_period.get(k) for k in across])
    last = say("All cohorts") if field.endswith("_fen") else say("Weighted mean")
    labels = [f"{name}  ({sizes[name]:,})" for name in names] + [last]
    figure = go.Figure(
        go.Heatmap(
            z=lines, x=list(range(len(across))), y=list(range(len(lines))), xgap=2, ygap=2,
            text=[[_shown(value, field, sizes.get(name)) for value in line]
                  for name, line in zip([*names, ""], lines, strict=True)],
            texttemplate="%{text}", textfont={"size": 11}, colorscale=BLUES, showscale=False,
            hoverongaps=False,
            zmin=0, zmax=_most(lines[:-1], 1 if across[:1] == [0] else 0),
            customdata=[[(label, spans.get((name, k), ""), k, name) for k in across]
                        for name, label in zip([*names, None], labels, strict=True)],
            hovertemplate="%{customdata[0]} · %{customdata[2]}: %{text}%{customdata[1]}<extra></extra>",
        )
    )
    _hatch(figure, [(across.index(row["period"]), names.index(row["cohort"])) for row in rows
                    if row["returned"] is None], say)
    figure.update_yaxes(autorange="reversed", tickvals=list(range(len(lines))), ticktext=labels)
    figure.update_xaxes(
        tickvals=list(range(len(across))), ticktext=[str(k) for k in across], side="top"
    )
    laid_out(figure, 30 * len(lines) + 90, "closest").update_xaxes(tickformatstops=[])
    # Above the numbers of the periods, which stand at the top as well.
    figure.update_layout(margin_t=56, legend_y=1.0, legend_yref="container", legend_yanchor="top")
    return cells_only(figure)


def clickable(figure: go.Figure) -> go.Figure:
    """The triangle with a mark on each cell that has ended, to be clicked: a heat map cannot be."""
    heat = figure.data[0]
    cells = [
        (x, y, told) for y, (line, marks) in enumerate(zip(heat.z, heat.customdata, strict=True))
        for x, (value, told) in enumerate(zip(line, marks, strict=True))
        if value is not None and told[3] is not None
    ]
    return go.Figure(figure).add_scatter(
        x=[x for x, _, _ in cells], y=[y for _, y, _ in cells], mode="markers", showlegend=False,
        marker={"symbol": "square", "size": 24, "color": COLOURS["good"], "opacity": 0},
        selected={"marker": {"opacity": 0.5}}, unselected={"marker": {"opacity": 0}},
        customdata=[told for _, _, told in cells],
        text=[heat.text[y][x] for x, y, _ in cells], hovertemplate=heat.hovertemplate,
    )


def _shaped(value: float | None, field: str) -> float | None:
    return value / 100 if value is not None and field.endswith("_fen") else value


def _told(value: float | None, field: str) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if field.endswith("_fen") else f"{value:.0%}"


def _shown(value: float | None, field: str, buyers: int | None) -> str:
    """A cell's text; of a cohort too small to judge it is grey."""
    told = _told(value, field)
    is_small = told and buyers is not None and buyers < LEAST_COUNT
    return f'<span style="color:{COLOURS["open"]}">{told}</span>' if is_small else told


def _span(row: Mapping[str, Any], say: Say) -> str:
    """Buyers back of how many, and the interval of their share."""
    if row["returned"] is None or row.get("low") is None:
        return ""
    counts = say("{part} of {whole}", part=row["returned"], whole=row["buyers"])
    return f"<br>{counts}<br>{row['low']:.1%} – {row['high']:.1%}"


def _most(lines: Sequence[Sequence[float | None]], since: int) -> float:
    """The greatest value after period 0, which, always whole, would drown the rest."""
    return max((value for line in lines for value in line[since:] if value is not None), default=1.0)


def _hatch(figure: go.Figure, cells: Sequence[tuple[int, int]], say: Say) -> None:
    figure.add_bar(
        x=[x for x, _ in cells], y=[0.9] * len(cells), base=[y - 0.45 for _, y in cells],
        width=0.94, name=say("has not ended yet"), showlegend=bool(cells),
        marker={
            "color": "rgba(0,0,0,0)", "line": {"width": 0},
            "pattern": {"shape": "/", "fgcolor": COLOURS["open"], "size": 6},
        },
        hovertemplate=say("has not ended yet") + "<extra></extra>",
    )


def cohort_curves(rows: Rows, means: Rows, say: Say) -> go.Figure:
    """The share back by period: the latest cohorts thin, few buyers grey, the weighted mean thick."""
    figure = go.Figure()
    sizes = {row["cohort"]: row["buyers"] for row in rows}
    for at, cohort in enumerate([*sizes][-_CURVES:]):
        points = [row for row in rows if row["cohort"] == cohort and row["period"]
                  and row["returned"] is not None]
        if points:
            colour = SERIES[at] if sizes[cohort] >= LEAST_COUNT else COLOURS["open"]
            figure.add_scatter(
                x=[row["period"] for row in points], y=[row["rate"] for row in points],
                name=cohort, mode="lines", line={"width": 1.2, "color": colour},
                hovertemplate="%{y:.1%}",
            )
    periods = [row["period"] for row in means]
    band(figure, periods, [row["low"] for row in means], [row["high"] for row in means],
         say("95 % interval"))
    figure.add_scatter(
        x=periods, y=[row["rate"] for row in means], name=say("Weighted mean"), mode="lines+markers",
        line={"width": 3, "color": COLOURS["good"]}, hovertemplate="%{y:.1%}",
    )
    across = {"tickvals": periods} if periods and periods[-1] > len(periods) else {"dtick": 1}
    return share_axis(laid_out(figure).update_xaxes(tickformatstops=[], **across))


def mix_bars(rows: Rows, dimension: str, say: Say) -> go.Figure:
    """Buyers by period: new, returning, and not provably new."""
    figure = go.Figure()
    for name, label, colour in (
        ("returning_buyers", say("Returning"), COLOURS["good"]),
        ("new_buyers", say("New"), COLOURS["money"]),
        ("unproven", say("Not provably new"), COLOURS["open"]),
    ):
        figure.add_bar(
            x=[str(row[dimension]) for row in rows], y=[row[name] for row in rows], name=label,
            marker_color=colour, hovertemplate="%{y:,}",
        )
    return laid_out(figure).update_layout(barmode="stack").update_xaxes(type="category")


def return_curves(curves: Curves, say: Say) -> go.Figure:
    """The share with a second purchase by day, as steps; one group alone shows its interval."""
    figure = go.Figure()
    shown = sorted(curves.items(), key=lambda item: -item[1][0].at_risk if item[1] else 0)
    for at, (group, points) in enumerate(shown[: len(SERIES)]):
        days = [0, *(point.day for point in points)]
        if len(curves) == 1:
            lows, highs = ([0.0, *(getattr(p, side) or p.share for p in points)]
                           for side in ("low", "high"))
            band(figure, days, lows, highs, say("95 % interval"))
        figure.add_scatter(
            x=days, y=[0.0, *(point.share for point in points)], mode="lines",
            name=" × ".join(word(part, say) for part in group) or say("All buyers"),
            line={"shape": "hv", "width": 2, "color": SERIES[at]}, hovertemplate="%{y:.1%}",
        )
    figure.update_layout(showlegend=True)
    return share_axis(laid_out(figure).update_xaxes(tickformatstops=[], title=say("days")))


def segment_map(rows: Iterable[Mapping[str, Any]], say: Say) -> go.Figure:
    """Buyers by recency score × frequency score; each cell names its segment."""
    buyers: dict[tuple[int, int], int] = {}
    named: dict[tuple[int, int], str] = {}
    for row in rows:
        key = row["frequency"], row["recency"]
        buyers[key] = buyers.get(key, 0) + row["buyers"]
        named[key] = word(row["segment"], say)
    scores = range(1, 6)
    figure = go.Figure(
        go.Heatmap(
            z=[[buyers.get((f, r)) for r in scores] for f in scores],
            x=list(scores), y=list(scores), xgap=3, ygap=3, colorscale=BLUES, showscale=False,
            text=[[_cell(buyers, named, (f, r)) for r in scores] for f in scores],
            texttemplate="%{text}", textfont={"size": 11}, hoverinfo="skip", hoverongaps=False,
        )
    )
    figure.update_xaxes(title=say("How recently (5: within 30 days)"), dtick=1)
    figure.update_yaxes(title=say("How often (5: ten times a year or more)"), dtick=1)
    return cells_only(laid_out(figure, 340, "closest").update_xaxes(tickformatstops=[]))


def _cell(
    buyers: Mapping[tuple[int, int], int], named: Mapping[tuple[int, int], str],
    key: tuple[int, int],
) -> str:
    return f"{named[key]}<br>{buyers[key]:,}" if key in buyers else ""


def movement_map(rows: Rows, say: Say) -> go.Figure:
    """Buyers by segment 30 days ago (down) and now (across)."""
    counts = {(row["before"], row["segment"]): row["buyers"] for row in rows}
    befores: list[str | None] = [*SEGMENTS, None]
    cells = [[counts.get((before, now)) for now in SEGMENTS] for before in befores]
    figure = go.Figure(
        go.Heatmap(
            z=cells, x=[word(name, say) for name in SEGMENTS],
            y=[word(name, say) if name else say("not a buyer yet") for name in befores],
            text=[[f"{cell:,}" if cell else "" for cell in line] for line in cells],
            texttemplate="%{text}", colorscale=BLUES, xgap=3, ygap=3, showscale=False,
            hoverongaps=False, hoverinfo="skip",
        )
    )
    figure.update_yaxes(autorange="reversed", title=say("30 days ago"))
    figure.update_xaxes(title=say("Now"))
    return cells_only(laid_out(figure, 380, "closest"))


def risk_bars(rows: Rows, say: Say) -> go.Figure:
    """Buyers by churn risk."""
    colours = {"low": COLOURS["good"], "medium": COLOURS["p95"], "high": COLOURS["bad"]}
    return bars(
        [word(row["risk"], say) for row in rows], [row["buyers"] for row in rows], say("buyers"),
        [colours.get(row["risk"], COLOURS["open"]) for row in rows],
    ).update_xaxes(title=say("buyers"))


def spend_steps(points: Sequence[tuple[Any, int]], say: Say) -> go.Figure:
    """A buyer's net amount so far, a step at each purchase."""
    figure = go.Figure(go.Scatter(
        x=[at for at, _ in points], y=[fen / 100 for _, fen in points], mode="lines+markers",
        line={"shape": "hv", "width": 2, "color": COLOURS["money"]}, hovertemplate="%{y:,.2f}",
    ))
    figure = laid_out(figure, 240).update_yaxes(title=say("yuan"), rangemode="tozero")
    return figure.update_xaxes(tickformatstops=[])


def holdout(weeks: Sequence[Week], say: Say) -> go.Figure:
    """Repeat purchases since the hold-out began: what came, and what had been expected."""
    figure = go.Figure()
    for label, values, colour in (
        (say("Bought"), [week.bought for week in weeks], COLOURS["good"]),
        (say("Predicted"), [week.expected for week in weeks], COLOURS["before"]),
    ):
        figure.add_scatter(
            x=[week.week for week in weeks], y=values, name=label, mode="lines",
            line={"color": colour, "width": 2}, hovertemplate="%{y:,.0f}",
        )
    return laid_out(figure).update_xaxes(tickformatstops=[], title=say("weeks"))
