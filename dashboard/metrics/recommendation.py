"""What to offer next: a list for buyers, and how often it would have been right (D31)."""

from __future__ import annotations

import math

from dashboard.metrics.also_bought import LISTED, by_channel, last_year, pair_sql
from dashboard.metrics.buyers import NEEDS, at_end, knows_buyers, refuse_split
from dashboard.metrics.catalogue import Asked, Metric
from dashboard.metrics.intervals import Z95, ratio, wilson
from dashboard.metrics.segments import segment_sql
from loaders.store.reader import Row

LEAST_TESTED = 30
"""With fewer buyers nothing is said of a difference."""
_ONE = """history as (
    select distinct
        id_hash(channel || ':' || buyer)::ubigint as buyer_key,
        null::varchar as segment,
        $until::timestamp as until,
        unnest(items).item as item
    from lake.trade
    where
        home_day in (select unnest($days)) and channel = $channel and buyer = $buyer
        and paid_at < $until::timestamp
        and not (refunded_fen > 0 and refunded_fen >= amount_fen)
)"""
_ALL = """members as ({members}),
history as (
    select bought.buyer_key, members.segment, $until::timestamp as until, bought.item
    from lake.buyer_items as bought
    inner join members using (buyer_key)
    where bought.paid_at < $until::timestamp and bought.buyer_key % $share::ubigint = 0
    group by all
    having sum(bought.orders) > 0
)"""


def next_for_buyer(asked: Asked, channel: str, buyer: str) -> list[Row]:
    """The items to offer a buyer next, the likeliest first."""
    days = asked.reader.home_days(buyer)
    if not days:
        return []
    return asked.rows(
        pair_sql("next_items", by_channel(asked.question), history=_ONE),
        days=days, channel=channel, buyer=buyer, **last_year(asked),
    )


def next_by_segment(asked: Asked) -> list[Row]:
    """For each segment, the items that are next for most of its buyers."""
    history = _ALL.replace("{members}", segment_sql("segment_members", asked.question))
    return asked.rows(
        pair_sql("next_items", by_channel(asked.question), history=history),
        as_of=at_end(asked), **last_year(asked),
    )


def _answer(asked: Asked) -> list[Row]:
    refuse_split(asked, "recommendation")
    if not knows_buyers(asked):
        return []
    found = asked.rows(pair_sql("recommendation", asked.question), **last_year(asked))[0]
    buyers, hits, popular = found["buyers"], found["hits"], found["popular_hits"]
    if found["held"] > buyers:
        asked.notes.append((
            "{count} buyers whose last purchase is held out are not counted: before its month nothing"
            " was bought that they do not have.", {"count": found["held"] - buyers},
        ))
    if not buyers:
        return []
    more = _difference(buyers, hits - popular, found["apart"])
    return [_row("also_bought", buyers, hits) | more, _row("most_popular", buyers, popular)]


def _difference(buyers: int, more: int, apart: int) -> Row:
    """How the lists differ. Both are tried on the same buyers: only those count that tell them apart.

    The interval is Wald's for matched pairs (Agresti, Categorical Data Analysis, 11.1).
    """
    if buyers < LEAST_TESTED:
        return {}
    change = more / buyers
    spread = Z95 * math.sqrt(max(apart - more * more / buyers, 0)) / buyers
    return {"difference_rate": change, "difference_low_rate": change - spread,
            "difference_high_rate": change + spread}


def _row(name: str, buyers: int, hits: int) -> Row:
    low, high = wilson(hits, buyers)
    return {"shortlist": name, "items": LISTED, "buyers": buyers, "hits": hits,
            "rate": ratio(hits, buyers), "low": low, "high": high}


METRIC = Metric(
    name="recommendation",
    title="Hit rate of the list",
    version=2,
    definition=(
        "Of the buyers with a purchase before it, the share whose last purchase of the 365 days before"
        " the period's end holds one of the 10 items of their list. That purchase is held out: the list"
        " is made from purchases before its month, without any that are held out. The list: items they"
        " do not have, by the greatest confidence of a pair with what they have (see also bought), or by"
        " the share of all buyers where that is greater. Beside it the 10 most popular items they do not"
        " have, tried on the same buyers. A hit is no proof that showing the list sells more."
    ),
    needs=(*NEEDS, ("checkout_log",)),
    fields=(
        "shortlist", "items", "buyers", "hits", "rate", "low", "high", "difference_rate",
        "difference_low_rate", "difference_high_rate",
    ),
    answer=_answer,
    dimensions=("channel",),
)
