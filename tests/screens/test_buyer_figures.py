"""The cohort triangle as a figure: what has not ended is hatched and never zero."""

from __future__ import annotations

from typing import Any

from dashboard.charts.buyers import clickable, triangle
from dashboard.metrics.retention import mean_row
from dashboard.wording import speaker


def cell(cohort: str, period: int, buyers: int, returned: int | None) -> dict[str, Any]:
    rate = None if returned is None else returned / buyers
    return {"cohort": cohort, "period": period, "buyers": buyers, "returned": returned,
            "rate": rate, "net_fen": None if returned is None else returned * 100}


ROWS = [
    cell("2026-08", 0, 50, 50), cell("2026-08", 1, 50, 10), cell("2026-08", 2, 50, None),
    cell("2026-09", 0, 30, 30), cell("2026-09", 1, 30, None), cell("2026-10", 0, 20, None),
]


def test_unfinished_cells_are_hatched_and_hold_no_value() -> None:
    figure = triangle(ROWS, mean_row(ROWS), speaker("en"))
    heat, hatch = figure.data
    lines = [[None if value is None else float(value) for value in line] for line in heat.z]
    assert lines == [[1.0, 0.2, None], [1.0, None, None], [None, None, None], [None, 0.2, None]]
    drawn = {(x, round(base + 0.45)) for x, base in zip(hatch.x, hatch.base, strict=True)}
    assert drawn == {(2, 0), (1, 1), (0, 2)}
    assert hatch.marker.pattern.shape == "/"


def test_the_triangle_in_money_is_in_yuan() -> None:
    figure = triangle(ROWS, mean_row(ROWS), speaker("en"), "net_fen")
    assert figure.data[0].z[0][1] == 10.0
    assert figure.layout.yaxis.ticktext[-1] == "All cohorts"
    assert figure.data[0].zmax == 10.0


def test_days_stand_side_by_side_and_are_coloured_from_the_first() -> None:
    rows = [cell("2026-08", 7, 50, 25), cell("2026-08", 30, 50, 5), cell("2026-09", 7, 40, None),
            cell("2026-09", 30, 40, None)]
    figure = triangle(rows, mean_row(rows), speaker("en"))
    heat, hatch = figure.data
    assert list(figure.layout.xaxis.ticktext) == ["7", "30"]
    assert list(heat.x) == [0, 1]
    assert heat.zmax == 0.5
    assert set(hatch.x) == {0, 1}


def test_a_click_on_a_cell_tells_its_cohort_and_period() -> None:
    """Cells that have ended alone, and no cell of the mean, which is nobody's."""
    marks = clickable(triangle(ROWS, mean_row(ROWS), speaker("en"))).data[-1]
    assert [(told[3], told[2]) for told in marks.customdata] == [
        ("2026-08", 0), ("2026-08", 1), ("2026-09", 0),
    ]
    assert list(zip(marks.x, marks.y, strict=True)) == [(0, 0), (1, 0), (0, 1)]
    assert marks.marker.opacity == 0
