"""Account reconciliation: the trade bill's money against the account's movements."""

from __future__ import annotations

from dashboard.metrics.catalogue import Asked, Metric
from dashboard.metrics.reconciled import DIMENSIONS, classes
from loaders.store.reader import Row

_ALONE = """
select distinct channel
from lake.current_days
where
    kind = 'trade_bill' and day between $first and $last
    and (channel, account) not in (
        select (channel, account)
        from lake.loads
        where kind = 'account_bill' and status <> 'undone' and account is not null
    )
order by channel
"""
"""Channels of whose accounts with trade bills no account bill was loaded."""


def _answer(asked: Asked) -> list[Row]:
    if not {"trade_bill", "account_bill"} <= asked.loaded:
        return []
    alone = [row["channel"] for row in asked.reader.rows(_ALONE, _days(asked))]
    if alone:
        asked.notes.append((
            "No account bill of {channels} was ever loaded: its money is not compared with an account.",
            {"channels": "、".join(alone)},
        ))
    return classes(asked, "account_bill")


def _days(asked: Asked) -> dict[str, object]:
    return {"first": asked.question.first_day, "last": asked.question.last_day}


METRIC = Metric(
    name="account_reconciliation",
    title="Account reconciliation",
    version=3,
    definition=(
        "The trade bill's payments, refunds, fees and splits, summed by order and day, against the"
        " movements of the account bill (fund flow), each in the first class that fits. Bill missing:"
        " the day's other bill is not loaded. Short: on the trade bill, not in the account. Long: in the"
        " account, not on the trade bill. Fee mismatch: another fee than the trade bill's. The other"
        " classes as in reconciliation. Fees that the trade bill has no column for are"
        " taken as the account tells them, and so are splits. A refund under a number that no bill knows"
        " is the only refund of its amount that lacks one; a fee given back within a refund is taken out"
        " of it. Withdrawals, top-ups and transfers are no items, nor is the"
        " money of an account of which no account bill was ever loaded. Money that leaves counts"
        " negative."
    ),
    needs=(("trade_bill",), ("account_bill",)),
    fields=("class", "items", "amount_fen"),
    answer=_answer,
    dimensions=DIMENSIONS,
)
