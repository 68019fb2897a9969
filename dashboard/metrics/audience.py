"""Audiences: whom to address, by segment, risk, last product, items and spend; consent always (D31)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from dashboard.metrics.buyers import at_end
from dashboard.metrics.catalogue import Asked
from dashboard.metrics.churn_risk import RISKS, risk_rule
from dashboard.metrics.segment_rules import SEGMENTS
from dashboard.metrics.segments import segment_sql
from loaders.errors import UnknownMetric
from loaders.store.reader import Row

COLUMNS = ("channel", "buyer")
"""All that leaves in an audience's file: pseudonyms."""
_COUNTS = """
select
    count(*) as matched,
    count(*) filter (where not is_erased and consent) as size,
    count(*) filter (where not is_erased and not consent) as refused,
    count(*) filter (where not is_erased and consent is null) as not_asked,
    count(*) filter (where is_erased) as erased,
    coalesce(sum(net_fen) filter (where not is_erased and consent), 0)::bigint as net_fen
from chosen
"""
_MEMBERS = """
select channel, buyer, segment, risk, last_product, last_paid_at, orders, net_fen
from chosen
where consent and not is_erased
order by net_fen desc, channel, buyer
{limit}
"""
_WITH_ITEM = (
    " and buyer_key in (select buyer_key from lake.buyer_items where item in (select unnest($items))"
    " and paid_at <= $as_of::timestamp group by buyer_key, item having sum(orders) > 0)"
)


@dataclass(frozen=True, slots=True)
class Rules:
    """Whom an audience holds: each rule that is given must fit; consent always must.

    `products` are those of the last purchase, `items` were bought at any time; the spend is net,
    from `least_fen` up to and with `most_fen`.
    """

    segments: tuple[str, ...] = ()
    risks: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    least_fen: int | None = None
    most_fen: int | None = None

    def __post_init__(self) -> None:
        for names, known in ((self.segments, SEGMENTS), (self.risks, RISKS)):
            for name in names:
                if name not in known:
                    raise UnknownMetric(
                        "There is no {name} among {names}.", name=name, names=", ".join(known)
                    )
        least, most = self.least_fen, self.most_fen
        if least is not None and most is not None and least > most:
            raise UnknownMetric("The least spend is greater than the most.")

    def given(self) -> dict[str, Any]:
        """The rules that are given, by name."""
        return {name: value for name, value in asdict(self).items() if value not in ((), None)}

    def conditions(self) -> str:
        """Conditions of the given rules, each beginning with `and`."""
        columns = {"segments": "segment", "risks": "risk", "products": "last_product"}
        text = "".join(
            f" and {column} in (select unnest(${name}))"
            for name, column in columns.items() if getattr(self, name)
        )
        text += _WITH_ITEM if self.items else ""
        text += " and net_fen >= $least_fen" if self.least_fen is not None else ""
        return text + (" and net_fen <= $most_fen" if self.most_fen is not None else "")

    def parameters(self) -> dict[str, Any]:
        """The values of the conditions."""
        given = self.given()
        return {name: list(value) if isinstance(value, tuple) else value
                for name, value in given.items()}


def counts(asked: Asked, rules: Rules) -> Row:
    """How many fit the rules; of these the audience, and who is left out of it and why."""
    found = _rows(asked, rules, _COUNTS)
    return found[0] if found else {}


def members(asked: Asked, rules: Rules, limit: int | None = None) -> list[Row]:
    """The audience (pseudonyms), the most valuable first."""
    tail = f"limit {int(limit)}" if limit is not None else ""
    return _rows(asked, rules, _MEMBERS.format(limit=tail))


def _rows(asked: Asked, rules: Rules, tail: str) -> list[Row]:
    rule = risk_rule(asked)
    if rule is None:
        return []
    risk, medium, high = rule
    text = segment_sql(
        "audience", asked.question, risk=risk, medium=medium, high=high, rules=rules.conditions(),
    )
    return asked.rows(text + tail, as_of=at_end(asked), **rules.parameters())
