"""Fee rate: what channels charge on payments, against what the contract says."""

from __future__ import annotations

from decimal import Decimal

from dashboard.metrics.catalogue import Asked, Metric, filled
from dashboard.metrics.question import Question
from dashboard.metrics.settlement import number
from loaders.settings import Settings
from loaders.store.reader import Reader, Row
from loaders.terms import fee_rate


def charged(settings: Settings) -> str:
    """The query of payments with the fee charged and the contract's, `$first` to `$last` day."""
    rates = {name: fee_rate(settings, name) for name in settings.channels}
    cases = " ".join(
        f"when '{name}' then receipt_fen * {rate}::decimal(9, 6)"
        for name, rate in rates.items() if rate is not None and name.isidentifier()
    )
    exact = f"case channel {cases} end" if cases else "null::decimal(18, 6)"
    return (
        "select channel, billed_on, billed_on::timestamp as hour, order_no, trade_no, receipt_fen,"
        f" abs(service_fen) as fee_fen, {exact} as exact_fen from lake.settlement_lines where kind ="
        " 'payment' and billed_on between $first_hour::date and $last_hour::date"
    )


def overcharges(reader: Reader, question: Question, limit: int = 200) -> list[Row]:
    """Payments whose fee is a fen or more above the contract's, dearest first."""
    sql = (
        f"select billed_on, channel, order_no, trade_no, receipt_fen, fee_fen, round(exact_fen)"
        f" as contract_fen, fee_fen - round(exact_fen) as overcharged_fen from"
        f" ({charged(reader.settings)}) where fee_fen - exact_fen >= 1 {question.filters()}"
        f" order by overcharged_fen desc, billed_on, order_no limit {limit}"
    )
    values = question.parameters()
    return reader.rows(sql, {name: value for name, value in values.items() if f"${name}" in sql})


def _answer(asked: Asked) -> list[Row]:
    lines = charged(asked.reader.settings)
    rows = asked.rows(filled("fee_rate", asked.question, lines=lines))
    for row in rows:
        is_known = row["contract_fen"] is not None
        row["rate"] = float(Decimal(row["fee_fen"]) / row["base_fen"])
        row["contract_rate"] = (
            float(Decimal(row["contract_fen"]) / row["base_fen"]) if is_known else None
        )
        for name in ("fee_fen", "overcharged_fen"):
            row[name] = number(Decimal(row[name])) if is_known or name == "fee_fen" else None
        row["overcharges"] = row["overcharges"] if is_known else None
    if any(row["contract_rate"] is None for row in rows):
        asked.notes.append((
            "A channel's fee_rate is not in mdash.toml: its fees are not compared with the contract.",
            {},
        ))
    return rows


METRIC = Metric(
    name="fee_rate",
    title="Effective fee rate",
    version=1,
    definition=(
        "Fees on payments ÷ what these payments brought, from the trade bill. The contract's rate is"
        " [channels.NAME] fee_rate of mdash.toml. Overcharged: a payment whose fee is a fen or more"
        " above receipt × rate; the amount is what is above the rounded fee."
    ),
    needs=(("trade_bill",),),
    fields=(
        "payments", "base_fen", "fee_fen", "rate", "contract_rate", "overcharges", "overcharged_fen",
    ),
    answer=_answer,
    dimensions=("day", "week", "month", "channel"),
)
