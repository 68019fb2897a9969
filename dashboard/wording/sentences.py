"""Findings and parts of a change as sentences."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from dashboard.wording.formats import instant, money, number, percent, plain, points
from dashboard.wording.tables import word

if TYPE_CHECKING:
    from dashboard.metrics.attention import Finding
    from dashboard.metrics.change import Part
    from dashboard.services import Services


def sentence(services: Services, finding: Finding) -> str:
    """What was found, how sure that is, since when, and its main cause."""
    say, language = services.say, services.language
    values = {name: _shown(services, name, value) for name, value in finding.values.items()}
    told = [say(finding.template, **values)]
    if finding.part:
        told.append(say("Mostly {cause}.", cause=part_name(services, finding.part)))
    if finding.since:
        told.append(say("Since {day}.", day=finding.since.isoformat()))
    if finding.low is not None and finding.high is not None:
        told.append(
            say(
                "95 % sure the change is between {low} and {high}.",
                low=points(finding.low, language), high=points(finding.high, language),
            )
        )
    return " ".join(told) if language == "en" else "".join(told)


def part_name(services: Services, part: Part) -> str:
    """The slice of a part, and its reason, in words."""
    names = [word(name, services.say) for name in part.slice if name]
    what = (
        services.say("more or fewer orders")
        if part.reason is None
        else word(part.reason, services.say)
    )
    return f"{plain(' × '.join(names))}: {what}"


def _shown(services: Services, name: str, value: Any) -> str:
    """A finding's value as a person reads it, by what its name says it is."""
    if name.endswith("rate"):
        return percent(value, services.language)
    if name.endswith("_fen"):
        return money(value, services.language)
    if isinstance(value, datetime):
        return instant(value, services.timezone)
    if isinstance(value, int):
        return number(value, services.language)
    return word(value, services.say) if name in ("reason", "source") else str(value)
