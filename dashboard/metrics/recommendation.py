"""What to offer next: a short list for buyers, and how often it would have been right (D31)."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from dashboard.metrics.also_bought import SHOWN, basket_days, pair_sql
from dashboard.metrics.buyers import NEEDS, at_end, knows_buyers, refuse_split
from dashboard.metrics.catalogue import Asked, Metric
from dashboard.metrics.intervals import Z95, ratio, wilson
from dashboard.metrics.question import Question
from dashboard.metrics.segments import segment_sql
from loaders.store.reader import Row

HELD_DAYS = 56
LEARNT_DAYS = 365
_SAMPLED_ORDERS = 500_000
_OWN = """history as (
    select distinct id_hash(channel || ':' || buyer)::ubigint as buyer_key, unnest(items).item as item
    from lake.trade
    where {scope} and paid_at is not null
        and not (refunded_fen > 0 and refunded_fen >= amount_fen)
)"""
_ONE = "home_day in (select unnest($days)) and channel = $channel and buyer = $buyer"
_SEGMENT = (
    "buyer is not null and id_hash(channel || ':' || buyer)::ubigint in"
    " (select buyer_key from members)"
)


def next_for_buyer(asked: Asked, channel: str, buyer: str) -> list[Row]:
    """The items to offer a buyer next; the most popular where nothing of theirs hints at one."""
    days = asked.reader.home_days(buyer)
    return asked.rows(
        pair_sql("next_items", _baskets(asked), history=_OWN.format(scope=_ONE)),
        days=days, channel=channel, buyer=buyer, **_learnt(at_end(asked)),
    ) if days else []


def next_for_segment(asked: Asked, segment: str) -> list[Row]:
    """The items that are next for most buyers of a segment."""
    members = segment_sql("segment_members", asked.question)
    history = (
        f"members as (select buyer_key from ({members}) where segment = $segment),\n"
        + _OWN.format(scope=_SEGMENT)
    )
    ends_at = at_end(asked)
    return asked.rows(
        pair_sql("next_items", _baskets(asked), history=history),
        as_of=ends_at, segment=segment, **_learnt(ends_at),
    )


def _baskets(asked: Asked) -> Question:
    """The question with the one filter that baskets know."""
    question = asked.question
    where = {name: wanted for name, wanted in question.where.items() if name == "channel"}
    return Question(question.first_day, question.last_day, (), where)


def _learnt(until: datetime) -> dict[str, object]:
    day = until.date()
    return basket_days(day - timedelta(days=LEARNT_DAYS), day)


def _answer(asked: Asked) -> list[Row]:
    refuse_split(asked, "recommendation")
    if not knows_buyers(asked):
        return []
    ends_at = at_end(asked)
    cut = ends_at - timedelta(days=HELD_DAYS)
    begin = cut - timedelta(days=LEARNT_DAYS)
    size = asked.reader.one("select coalesce(sum(orders), 0) as orders from lake.buyer_orders")
    found = asked.rows(
        pair_sql("recommendation", asked.question), as_of=ends_at, cut=cut, begin=begin,
        share=max(1, int(size["orders"]) // _SAMPLED_ORDERS),
        # A whole day earlier: no basket of the time held out is learnt from.
        **basket_days(begin.date(), cut.date() - timedelta(days=1)),
    )[0]
    buyers, hits, popular = found["buyers"], found["hits"], found["popular_hits"]
    if not buyers:
        return []
    return [
        _row("also_bought", buyers, hits) | _difference(buyers, hits - popular, found["apart"]),
        _row("most_popular", buyers, popular),
    ]


def _difference(buyers: int, more: int, apart: int) -> Row:
    """How the lists differ. Both are tried on the same buyers: only those count that tell them apart."""
    change = more / buyers
    spread = Z95 * math.sqrt(max(apart - more * more / buyers, 0)) / buyers
    return {"difference_rate": change, "difference_low_rate": change - spread,
            "difference_high_rate": change + spread}


def _row(name: str, buyers: int, hits: int) -> Row:
    low, high = wilson(hits, buyers)
    return {"shortlist": name, "items": SHOWN, "buyers": buyers, "hits": hits,
            "rate": ratio(hits, buyers), "low": low, "high": high}


METRIC = Metric(
    name="recommendation",
    title="Hit rate of the short list",
    version=1,
    definition=(
        "Tested on the last 56 days, learnt from the 365 days before: of the buyers with a purchase in"
        " both, the share whose first purchase in the last days holds one of the 3 items of their list."
        " The list: items not bought before, by the confidence of what goes with what they bought, or by"
        " popularity where that is greater. Beside it the 3 most popular items not bought before."
        " A hit is no proof that showing the list sells more."
    ),
    needs=(*NEEDS, ("checkout_log",)),
    fields=(
        "shortlist", "items", "buyers", "hits", "rate", "low", "high", "difference_rate",
        "difference_low_rate", "difference_high_rate",
    ),
    answer=_answer,
    dimensions=("channel",),
)
