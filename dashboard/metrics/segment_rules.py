"""Which buyer is in which segment: scores by fixed cut-offs, then the first rule that fits (D26)."""

from __future__ import annotations

from dataclasses import dataclass

RECENCY_DAYS = (30, 60, 90, 180)
"""Last purchase within so many days scores 5, 4, 3, 2; longer ago 1."""
ORDERS_A_YEAR = (2, 3, 5, 10)
"""At least so many purchases in 365 days score 2, 3, 4, 5; fewer 1."""
VALUE_SHARES = (0.2, 0.4, 0.6, 0.8)
"""Mean net amount above so large a share of all buyers scores 2, 3, 4, 5; ties share a score."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A segment, and the least and greatest scores of recency and frequency it takes."""

    segment: str
    recency: tuple[int, int]
    frequency: tuple[int, int]


RULES = (
    Rule("champions", (4, 5), (4, 5)),
    Rule("loyal", (3, 5), (3, 5)),
    Rule("new", (5, 5), (1, 1)),
    Rule("promising", (4, 5), (1, 2)),
    Rule("needs_attention", (3, 3), (1, 2)),
    Rule("at_risk", (2, 2), (1, 5)),
    Rule("at_risk", (1, 1), (3, 5)),
    Rule("lost", (1, 1), (1, 2)),
)
SEGMENTS = tuple(dict.fromkeys(rule.segment for rule in RULES))


def segment_of(recency: int, frequency: int) -> str:
    """The segment of a pair of scores; every pair has one."""
    return next(
        rule.segment for rule in RULES
        if rule.recency[0] <= recency <= rule.recency[1]
        and rule.frequency[0] <= frequency <= rule.frequency[1]
    )


def recency_of(days: int) -> int:
    """The recency score of whole days since the last purchase."""
    return next((5 - at for at, most in enumerate(RECENCY_DAYS) if days <= most), 1)


def frequency_of(orders: int) -> int:
    """The frequency score of purchases in a year."""
    return 1 + sum(orders >= least for least in ORDERS_A_YEAR)


def recency_sql(days: str) -> str:
    """The recency score of whole days since the last purchase."""
    cases = " ".join(f"when {days} <= {most} then {5 - at}" for at, most in enumerate(RECENCY_DAYS))
    return f"case {cases} else 1 end"


def frequency_sql(orders: str) -> str:
    """The frequency score of purchases in a year."""
    steps = reversed(list(enumerate(ORDERS_A_YEAR, start=2)))
    cases = " ".join(f"when {orders} >= {least} then {score}" for score, least in steps)
    return f"case {cases} else 1 end"


def value_sql(share: str) -> str:
    """The value score of the share of buyers with a smaller mean amount."""
    cases = " ".join(
        f"when {share} < {most} then {score}" for score, most in enumerate(VALUE_SHARES, start=1)
    )
    return f"case {cases} else 5 end"


def segment_sql(recency: str, frequency: str) -> str:
    """The segment of a pair of scores."""
    cases = " ".join(
        f"when {recency} between {rule.recency[0]} and {rule.recency[1]} and {frequency} between"
        f" {rule.frequency[0]} and {rule.frequency[1]} then '{rule.segment}'"
        for rule in RULES
    )
    return f"case {cases} end"


def rule_rows() -> list[dict[str, str]]:
    """The rules as a page shows them: each segment's days since the last purchase and orders a year."""
    return [
        {
            "segment": rule.segment,
            "days_since": _range(_days(rule.recency[1])[0], _days(rule.recency[0])[1]),
            "orders_a_year": _range(_orders(rule.frequency[0])[0], _orders(rule.frequency[1])[1]),
        }
        for rule in RULES
    ]


def _days(score: int) -> tuple[int, int | None]:
    """The least and greatest days of a recency score; None: without end."""
    edges = (0, *(days + 1 for days in RECENCY_DAYS))
    return edges[5 - score], RECENCY_DAYS[5 - score] if score > 1 else None


def _orders(score: int) -> tuple[int, int | None]:
    edges = (0, *ORDERS_A_YEAR)
    return edges[score - 1], edges[score] - 1 if score < 5 else None


def _range(least: int, most: int | None) -> str:
    if most is None:
        return f"≥ {least}"
    return f"{least}–{most}" if least < most else f"{least}"
