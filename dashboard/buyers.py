"""One buyer as people look at them: found by any id, and that their trades were read is written down."""

from __future__ import annotations

from dashboard.metrics.loyalty import Loyalty
from dashboard.metrics.one_buyer import Buyer
from dashboard.metrics.question import Question
from dashboard.services import Services
from loaders.privacy import is_pseudonym


def named(services: Services, text: str) -> str | None:
    """The pseudonym of a buyer by pseudonym or by the shop's or channel's own id. Raises Forbidden."""
    services.acting().demand("see")
    name = services.find_buyer(text)
    return name if name and is_pseudonym(name) else None


def read(
    services: Services, question: Question, name: str, channel: str | None = None
) -> Buyer | None:
    """What is known of a pseudonym up to the end of the period. Raises Forbidden."""
    services.acting().demand("see")
    return Loyalty(services.answers).buyer(question, name, channel)


def note_read(services: Services, found: Buyer) -> None:
    """Write down that this person read these trades; the trail forgets nothing and names no buyer."""
    if found.orders:
        services.trade_desk.note_list([(row["channel"], row["order_no"]) for row in found.orders])
