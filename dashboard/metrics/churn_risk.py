"""Churn risk: which buyers have stayed away longer than they used to (D27)."""

from __future__ import annotations

from dashboard.metrics.bgnbd import BgNbd
from dashboard.metrics.buyers import NEEDS, buyer_sql, knows_buyers, note_nameless, refuse_split
from dashboard.metrics.catalogue import Asked, Metric
from dashboard.metrics.lifetime import prediction
from dashboard.metrics.question import NAMED_DIMENSIONS
from loaders.store.reader import Row

RISKS = ("low", "medium", "high", "unknown")
_GAPS = ("1", "2")
"""So many of a buyer's own median gaps since the last purchase make the risk medium, and high."""
_CHANCES = ("0.3", "0.7")
"""So great a chance of having left makes the risk medium, and high."""


def _chance_sql(model: BgNbd) -> str:
    """1 - P(alive) of BG/NBD, over x, t_x and age in days."""
    return (
        f"case when x = 0 then 0.0 else 1 - 1 / (1 + {model.a!r} / ({model.b!r} + x - 1)"
        f" * pow(({model.alpha!r} + age) / ({model.alpha!r} + t_x), {model.r!r} + x)) end"
    )


def risk_rule(asked: Asked) -> tuple[str, str, str] | None:
    """The risk of a buyer as SQL, and from where it is medium and high; a note says which it is."""
    found = prediction(asked) if knows_buyers(asked) else None
    if found is None:
        return None
    if found.passes and found.model is not None:
        asked.notes.append(("Risk: the chance of having left, by BG/NBD.", {}))
        return _chance_sql(found.model), *_CHANCES
    asked.notes.append((
        "Risk: days since the last purchase ÷ the buyer's own median gap. Unknown: one purchase"
        " only.", {},
    ))
    return "since_s / nullif(gap_s, 0)", *_GAPS


def _answer(asked: Asked) -> list[Row]:
    refuse_split(asked, "churn_risk")
    rule = risk_rule(asked)
    if rule is None:
        return []
    note_nameless(asked)
    risk, medium, high = rule
    rows = asked.rows(
        buyer_sql("churn_risk", asked.question, risk=risk, medium=medium, high=high)
    )
    return sorted(rows, key=lambda row: RISKS.index(row["risk"]))


METRIC = Metric(
    name="churn_risk",
    title="Churn risk",
    version=1,
    definition=(
        "Buyers by how likely they have left. Where the gates of the lifetime value pass: 1 − the"
        " probability of being alive (BG/NBD), medium from 30 %, high from 70 %. Elsewhere: time since"
        " the last purchase ÷ the buyer's own median gap, medium from 1, high from 2. A note says which."
    ),
    needs=NEEDS,
    fields=("risk", "buyers", "net_fen"),
    answer=_answer,
    dimensions=NAMED_DIMENSIONS,
)
