"""Also bought: pairs of items that more buyers have both of than chance explains (D31)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from dashboard.metrics.buyers import at_end, knows_buyers, refuse_split
from dashboard.metrics.catalogue import Asked, Metric, filled, sql
from dashboard.metrics.intervals import Z95
from dashboard.metrics.question import Question
from loaders.store.reader import Row

LEAST_TOGETHER = 20
"""A pair that fewer buyers have is no pair."""
MOST_PAIRS = 500
LISTED = 10
"""So long is a list of what to offer."""
MOST_ITEMS = 200
"""Who has more different items than this is no household, and is counted nowhere."""
LEARNT_DAYS = 365
SAMPLED_ITEMS = 1_000_000
"""Purchases of items from which on only some buyers are counted, chosen by their keys."""
_POPULAR = MOST_ITEMS + LISTED


def pair_sql(name: str, question: Question, **parts: str) -> str:
    """A query over `pairs` and `goods`; the lift's interval is the delta method's for its logarithm.

    Var(log lift) = 1/n_ab - 1/n_a - 1/n_b + (2 lift - 1)/n (Agresti, Categorical Data Analysis, 16.1,
    for the four cells of one multinomial).
    """
    own = {
        "firsts": sql("item_firsts"), "pairs": sql("pairs"), "ranked": sql("ranked_items"),
        "least": str(LEAST_TOGETHER), "z": repr(Z95), "most": str(MOST_PAIRS),
        "most_items": str(MOST_ITEMS), "listed": str(LISTED), "popular": str(_POPULAR),
    }
    text = filled(name, question, **(parts | own))
    return text.replace("{item_filters}", question.filters())


def by_channel(question: Question) -> Question:
    """The question with the one filter that items know."""
    where = {name: wanted for name, wanted in question.where.items() if name == "channel"}
    return Question(question.first_day, question.last_day, (), where)


def learnt(asked: Asked, since: datetime, until: datetime) -> dict[str, Any]:
    """The query's parameters: purchases of this time, and of how many buyers one is counted.

    A note says so where not all are.
    """
    row = asked.rows(
        "select coalesce(sum(orders), 0)::bigint as bought from lake.buyer_items"
        " where paid_at >= $since::timestamp and paid_at < $until::timestamp", since=since, until=until,
    )[0]
    share = max(1, -(-int(row["bought"]) // SAMPLED_ITEMS))
    if share > 1:
        asked.notes.append((
            "Of {share} buyers one is counted, chosen by key: all their purchases or none.",
            {"share": share},
        ))
    return {"since": since, "until": until, "share": share}


def last_year(asked: Asked) -> dict[str, Any]:
    """The purchases that lists are learnt from: those of the year before the period's end."""
    until = at_end(asked)
    return learnt(asked, until - timedelta(days=LEARNT_DAYS), until)


def goods(asked: Asked, most: int = 200) -> list[Row]:
    """Items bought in the year before the period's end, those of most purchases first."""
    until = at_end(asked)
    return asked.rows(
        "select item, arg_max(name, paid_at) filter (where name is not null) as item_name,"
        " sum(orders)::bigint as orders from lake.buyer_items where paid_at >= $since::timestamp"
        " and paid_at < $until::timestamp group by item having sum(orders) > 0"
        f" order by orders desc, item limit {int(most)}",
        since=until - timedelta(days=LEARNT_DAYS), until=until,
    )


def _answer(asked: Asked) -> list[Row]:
    refuse_split(asked, "also_bought")
    if not knows_buyers(asked):
        return []
    begin = asked.rows("select utc_time($first_hour::timestamp) as begins_at")[0]["begins_at"]
    found = learnt(asked, begin, max(begin, at_end(asked)))
    return asked.rows(pair_sql("also_bought", asked.question), **found)


METRIC = Metric(
    name="also_bought",
    title="Also bought",
    version=2,
    definition=(
        "Pairs of items of which the same buyers had both in the period, in one purchase or in several"
        " (paid then, and not fully refunded since; items of the checkout log). Support: share of all"
        " buyers who had both. Confidence: of the buyers of the first item, the share who also had the"
        " other. Lift: confidence ÷ the other's share of all buyers, with a 95 % interval (delta method"
        " on its logarithm). Pairs of at least 20 buyers whose interval lies above 1, by its lower end."
        " Who buys much has more of everything: a lift a little above 1 is usual. Buyers with more than"
        " 200 different items are left out."
    ),
    needs=(("checkout_log",), ("notification_log", "trade_bill")),
    fields=(
        "item", "item_name", "other", "other_name", "buyers", "together", "support", "confidence",
        "lift", "lift_low", "lift_high",
    ),
    answer=_answer,
    dimensions=("channel",),
)
