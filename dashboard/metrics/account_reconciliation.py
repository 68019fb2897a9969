"""Account reconciliation: the trade bill's money against the account's movements."""

from __future__ import annotations

from dashboard.metrics.catalogue import Asked, Metric
from dashboard.metrics.reconciled import DIMENSIONS, classes
from loaders.store.reader import Row


def _answer(asked: Asked) -> list[Row]:
    if not {"trade_bill", "account_bill"} <= asked.loaded:
        return []
    return classes(asked, "account_bill")


METRIC = Metric(
    name="account_reconciliation",
    title="Account reconciliation",
    version=1,
    definition=(
        "The trade bill's payments, refunds, fees and splits, summed by order and day, against the"
        " movements of the account bill (fund flow), each in the first class that fits. Bill missing:"
        " the day's other bill is not loaded. Short: on the trade bill, not in the account. Long: in the"
        " account, not on the trade bill. Fee mismatch: another fee than the trade bill's. The other"
        " classes as in reconciliation. Withdrawals, top-ups and transfers are no items. Money that"
        " leaves counts negative."
    ),
    needs=(("trade_bill",), ("account_bill",)),
    fields=("class", "items", "amount_fen"),
    answer=_answer,
    dimensions=DIMENSIONS,
)
