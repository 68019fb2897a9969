"""Whether buyers' future can be predicted here, by the gates of D21, and what is predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np

from dashboard.metrics.bgnbd import BgNbd, GammaGamma, Numbers, Visits, fit, fit_spend
from dashboard.metrics.buyers import Span, buyer_sql, span
from dashboard.metrics.catalogue import Asked, Note
from dashboard.metrics.retention import local_time
from loaders.errors import RefusedInput
from loaders.settings import Buyers
from loaders.store.reader import Row

AHEAD_DAYS = 365
_SAMPLED_ORDERS = 500_000


@dataclass(frozen=True, slots=True)
class Week:
    """Repeat purchase days since the hold-out began, up to the end of a week."""

    week: int
    bought: int
    expected: float


@dataclass(slots=True)
class Prediction:
    """A model of these buyers, or the reasons why there is none. `share`: one buyer in so many."""

    until: date
    share: int
    model: BgNbd | None = None
    spend: GammaGamma | None = None
    weeks: list[Week] = field(default_factory=list)
    reasons: list[Note] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    @property
    def passes(self) -> bool:
        """True if every gate passed."""
        return not self.reasons

    def repeats_ahead(self, days: int = AHEAD_DAYS) -> float | None:
        """Purchase days to expect of all buyers; None without a model."""
        if not self.passes or self.model is None:
            return None
        visits = _visits(self.rows)
        return float(np.sum(self.model.expected(visits, days) * visits.buyers)) * self.share

    def value_ahead_fen(self, days: int = AHEAD_DAYS) -> int | None:
        """Net amount to expect of all buyers, undiscounted; None without a model."""
        if not self.passes or self.model is None or self.spend is None:
            return None
        visits = _visits(self.rows)
        means = np.array([float(row["mean_fen"] or 0) for row in self.rows])
        each = self.model.expected(visits, days) * self.spend.expected(visits.repeats, means)
        return round(float(np.sum(each * visits.buyers)) * self.share)


def prediction(asked: Asked) -> Prediction | None:
    """Fit the buyers of the question's filters; None while no buyer is known."""
    known = span(asked)
    if known is None:
        return None
    today = local_time(asked).date()
    size = asked.reader.one("select coalesce(sum(orders), 0) as orders from lake.buyer_orders")
    share = max(1, int(size["orders"]) // _SAMPLED_ORDERS)
    rows = _histories(asked, known, today, share)
    found = Prediction(today, share, rows=rows)
    proven = [row for row in rows if row["is_proven"]]
    gates = asked.reader.settings.buyers
    _gate_sizes(found, proven, gates)
    if not found.passes:
        return found
    _gate_correlation(found, proven, gates)
    held = timedelta(days=max(28, (today - known.new_from.date()).days // 4))
    earlier = _histories(asked, known, today - held, share)
    try:
        _gate_holdout(found, [row for row in earlier if row["is_proven"]], held.days, gates)
        found.model = fit(_visits(proven))
        found.spend = _spend(proven)
    except RefusedInput as error:
        found.reasons.append((error.template, dict(error.values)))
    return found


def _histories(asked: Asked, known: Span, until: date, share: int) -> list[Row]:
    return asked.rows(
        buyer_sql("visits", asked.question), until=until, share=share, new_from=known.new_from
    )


def _visits(rows: Sequence[Row]) -> Visits:
    def column(name: str) -> Numbers:
        return np.array([float(row[name]) for row in rows], dtype=np.float64)

    return Visits(column("repeats"), column("last_day"), column("age"), column("buyers"))


def _repeaters(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row["repeats"] > 0 and row["mean_fen"] > 0]


def _spend(rows: Sequence[Row]) -> GammaGamma:
    back = _repeaters(rows)
    visits = _visits(back)
    means = np.array([float(row["mean_fen"]) for row in back])
    return fit_spend(visits.repeats, means, visits.buyers)


def _gate_sizes(found: Prediction, rows: Sequence[Row], gates: Buyers) -> None:
    buyers = sum(row["buyers"] for row in rows) * found.share
    repeaters = sum(row["buyers"] for row in _repeaters(rows)) * found.share
    if buyers < gates.least_new or repeaters < gates.least_repeaters:
        found.reasons.append((
            "A prediction needs {least} new buyers, {least_back} of them back again; there are"
            " {buyers} and {back}.",
            {"least": gates.least_new, "least_back": gates.least_repeaters, "buyers": buyers,
             "back": repeaters},
        ))


def _gate_correlation(found: Prediction, rows: Sequence[Row], gates: Buyers) -> None:
    """How often and how much must not hang together: the spend model takes them as independent."""
    back = _repeaters(rows)
    visits = _visits(back)
    means = np.array([float(row["mean_fen"]) for row in back])
    cov = np.cov(visits.repeats, means, aweights=visits.buyers)
    spread = float(np.sqrt(cov[0, 0] * cov[1, 1]))
    found_r = float(cov[0, 1]) / spread if spread else 0.0
    if abs(found_r) >= gates.most_correlation:
        found.reasons.append((
            "How often and how much buyers buy hang together (correlation {correlation}; a"
            " prediction allows less than {most}).",
            {"correlation": f"{found_r:.2f}", "most": gates.most_correlation},
        ))


def _gate_holdout(found: Prediction, rows: Sequence[Row], days: int, gates: Buyers) -> None:
    """Fit on all but the last days, and compare what was expected of them with what came."""
    if not rows:
        return
    visits = _visits(rows)
    model = fit(visits)
    counts: dict[int, int] = {}
    for row in rows:
        for week in row["ahead"]:
            counts[week] = counts.get(week, 0) + row["buyers"]
    bought = 0
    for week in range(days // 7):
        bought += counts.get(week, 0)
        expected = float(np.sum(model.expected(visits, 7.0 * (week + 1)) * visits.buyers))
        found.weeks.append(Week(week + 1, bought * found.share, expected * found.share))
    last = found.weeks[-1]
    error = abs(last.expected - last.bought) / last.bought if last.bought else 1.0
    if error >= gates.most_error:
        found.reasons.append((
            "On the last {weeks} weeks, held out, the prediction was wrong by {error} of the repeat"
            " purchases (allowed: less than {most}).",
            {"weeks": last.week, "error": f"{error:.0%}", "most": f"{gates.most_error:.0%}"},
        ))
