"""Customer lifetime value: what buyers have brought, and where it can be told, what they will bring."""

from __future__ import annotations

from dashboard.metrics.buyers import NEEDS, buyer_sql, knows_buyers, note_nameless, refuse_split
from dashboard.metrics.catalogue import Asked, Metric
from dashboard.metrics.lifetime import Prediction, prediction
from dashboard.metrics.question import NAMED_DIMENSIONS
from loaders.store.reader import Row


def _answer(asked: Asked) -> list[Row]:
    refuse_split(asked, "lifetime_value")
    if not knows_buyers(asked):
        return []
    row = asked.rows(buyer_sql("lifetime_value", asked.question))[0]
    note_nameless(asked)
    found = prediction(asked)
    if row["buyers"]:
        row["mean_fen"] = round(row["net_fen"] / row["buyers"])
    return [row | (_told(asked, found) if found else {})]


def _told(asked: Asked, found: Prediction) -> Row:
    asked.notes.extend(found.reasons)
    if found.share > 1 and found.passes:
        asked.notes.append((
            "≈ The prediction was made of one buyer in {share}.", {"share": found.share},
        ))
    repeats = found.repeats_ahead()
    return {
        "expected_orders": None if repeats is None else round(repeats),
        "expected_fen": found.value_ahead_fen(),
    }


METRIC = Metric(
    name="lifetime_value",
    title="Customer lifetime value",
    version=1,
    definition=(
        "Net purchases of all known buyers so far; and, only where the data allows it, the purchase"
        " days and net amount to expect of them in the next 365 days (BG/NBD and Gamma-Gamma, fitted"
        " to new buyers, undiscounted). Without 1,000 new buyers, 200 of them repeaters, or with a"
        " hold-out error of 20 % or more, no prediction is shown and the reason is given."
    ),
    needs=NEEDS,
    fields=("buyers", "orders", "net_fen", "mean_fen", "expected_orders", "expected_fen"),
    answer=_answer,
    dimensions=NAMED_DIMENSIONS,
)
