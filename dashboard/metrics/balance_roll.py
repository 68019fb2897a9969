"""Balance roll-forward: each account's balance from line to line, and where it jumps."""

from __future__ import annotations

from dashboard.metrics.catalogue import Asked, Metric, filled
from dashboard.metrics.reconciled import refuse_split
from loaders.store.reader import Row


def _answer(asked: Asked) -> list[Row]:
    refuse_split(METRIC.name, asked.question)
    question = asked.question.split("day", "channel")
    rows = asked.rows(filled("balance_roll", question))
    return sorted(rows, key=lambda row: (row["day"], row["channel"], row["account"]))


METRIC = Metric(
    name="balance_roll",
    title="Balance roll-forward",
    version=1,
    definition=(
        "By day and account: opening + moved + gaps = closing, as the account bill's balance column"
        " says. A gap is a line whose balance does not follow from the line before it. The channel does"
        " not promise balances without gaps, so a gap is a hint and not an error."
    ),
    needs=(("account_bill",),),
    fields=(
        "day", "channel", "account", "opening_fen", "moved_fen", "closing_fen", "gaps", "gap_fen",
    ),
    answer=_answer,
    dimensions=("channel",),
)
