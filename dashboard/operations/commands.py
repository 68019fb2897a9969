"""What `mdash alert` prints: rules, episodes and backtests as JSON has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dashboard.metrics.alert_windows import Part
from dashboard.operations.alert_rules import rule_named, rules
from dashboard.operations.alerts import Episode
from dashboard.operations.backtest import backtest, part_name
from dashboard.operations.episodes import check_all, recorded
from dashboard.operations.ledger import Ledger
from dashboard.operations.outbox import counts, deliver
from dashboard.operations.scheduler import sender
from loaders.errors import MdashError

if TYPE_CHECKING:
    from dashboard.services import Services


def alerts_document(services: Services, limit: int = 100) -> dict[str, Any]:
    """Every rule with its thresholds, and the latest episodes."""
    ledger = Ledger(services.settings)
    return {
        "alerts": [
            {
                "name": item.name, "kind": item.rule.kind, "enabled": item.is_enabled,
                "checked_until": services.json_ready(item.checked_until),
                "parameters": item.rule.model_dump(mode="json", exclude={"kind"}),
            }
            for item in rules(ledger)
        ],
        "episodes": [
            {"alert": item.alert, **_episode(services, item.part, item.episode)}
            for item in recorded(ledger)[:limit]
        ],
        "messages": counts(ledger),
    }


def backtest_document(services: Services, name: str, days: int) -> dict[str, Any]:
    """What a rule would have found."""
    stored = rule_named(Ledger(services.settings), name)
    found = backtest(services.reader, stored.rule, days)
    message = services.say("{name} would have fired {count} times in {days} days.", name=name,
                           count=len(found.findings), days=days)
    if found.as_of is None:
        message = services.say("A source that {name} needs was never loaded.", name=name)
    return {
        "alert": name, "days": days, "as_of": services.json_ready(found.as_of),
        "from": services.json_ready(found.begin), "to": services.json_ready(found.end),
        "fired": len(found.findings), "message": message,
        "episodes": [
            _episode(services, item.part, item.episode) for item in found.findings
        ],
    }


def check_document(services: Services) -> dict[str, Any]:
    """Check all rules and send what waits."""
    settings, ledger = services.settings, Ledger(services.settings)
    new, troubles = check_all(settings, ledger, services.reader)
    sent = deliver(ledger, sender(settings, ledger, services.reader))
    return {
        "new": new, "sent": sent, "messages": counts(ledger),
        "open": sum(item.episode.ended_at is None for item in recorded(ledger)),
        "message": services.say("{new} new episodes, {sent} messages sent.", new=new, sent=sent),
        "troubles": [
            {"alert": name, "why": _why(services, error)} for name, error in troubles
        ],
    }


def _why(services: Services, error: Exception) -> str:
    if isinstance(error, MdashError):
        return services.say(error.template, **error.values)
    return type(error).__name__


def _episode(services: Services, part: Part, episode: Episode) -> dict[str, Any]:
    worst = "inf" if episode.worst == float("inf") else episode.worst
    return {
        "where": part_name(part),
        "begun_at": services.json_ready(episode.begun_at),
        "noticed_at": services.json_ready(episode.noticed_at),
        "ended_at": services.json_ready(episode.ended_at),
        "worst": worst, "baseline": episode.baseline, "n": episode.n,
    }
