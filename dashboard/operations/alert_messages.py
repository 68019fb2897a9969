"""What an alert says to people and to webhooks, in the shop's language and without personal data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from dashboard.metrics.alert_windows import Contributor, Part
from dashboard.operations.alert_rules import Latency, Rule, SuccessRate, Traffic
from dashboard.operations.backtest import Finding
from dashboard.wording import Say, speaker
from dashboard.wording.formats import instant, iso, number, percent, seconds
from dashboard.wording.labels import WORDS
from loaders.settings import Settings

_PAGES = {"success_rate": "conversion", "traffic": "conversion", "latency": "latency",
          "freshness": "data"}


class Writer:
    """Writes the messages of one shop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._language = settings.shop.language
        self._say: Say = speaker(self._language)

    def raised(
        self, name: str, rule: Rule, finding: Finding, contributors: Sequence[Contributor]
    ) -> dict[str, Any]:
        """The message of a new episode."""
        say, where = self._say, self._part(finding.part)
        subject = say(
            "[{shop}] Alert {name}: {what}, {where}", shop=self._shop(), name=name,
            what=say(WORDS[rule.kind]), where=where,
        )
        lines = [self.fact(rule, finding), self._times(finding)]
        if contributors:
            lines += ["", say("What cost most payments, beyond the usual:")]
            lines += [self._contributor(item) for item in contributors]
        return self._message("raised", subject, lines, name, rule, finding, contributors)

    def recovered(self, name: str, rule: Rule, finding: Finding) -> dict[str, Any]:
        """The message of an episode that is over."""
        say, where = self._say, self._part(finding.part)
        subject = say(
            "[{shop}] Recovered {name}: {what}, {where}", shop=self._shop(), name=name,
            what=say(WORDS[rule.kind]), where=where,
        )
        lines = [self.fact(rule, finding), self._times(finding)]
        return self._message("recovered", subject, lines, name, rule, finding, ())

    def fact(self, rule: Rule, finding: Finding) -> str:
        """What was measured, what was to be expected, from how many."""
        say, episode = self._say, finding.episode
        n = number(episode.n, self._language)
        if isinstance(rule, SuccessRate):
            return say(
                "Payment success fell to {value} ({n} orders); usual at this time is {usual}.",
                value=percent(episode.worst, self._language), n=n,
                usual=percent(episode.baseline, self._language),
            )
        if isinstance(rule, Traffic):
            return say(
                "Only {n} orders came; usual at this time are {usual}.", n=n,
                usual=number(round(episode.baseline), self._language),
            )
        if isinstance(rule, Latency):
            return say(
                "Latency of {stage}: p{percentile} rose to {value} ({n} orders); the limit is"
                " {limit}.",
                stage=say(WORDS[rule.stage]), percentile=f"{rule.percentile * 100:g}",
                value=seconds(episode.worst, self._language), n=n,
                limit=seconds(episode.baseline, self._language),
            )
        return say(
            "Nothing newer than {hours} hours is known; the limit is {limit} hours.",
            hours=f"{episode.worst:.0f}", limit=f"{episode.baseline:g}",
        )

    def _times(self, finding: Finding) -> str:
        say, episode, zone = self._say, finding.episode, self._settings.shop.timezone
        if episode.ended_at is None:
            return say("Since {begun}.", begun=instant(episode.begun_at, zone))
        return say(
            "From {begun} to {ended}.",
            begun=instant(episode.begun_at, zone), ended=instant(episode.ended_at, zone),
        )

    def _contributor(self, item: Contributor) -> str:
        named = [item.product or "—", item.client or "—", self._say(WORDS.get(item.reason, item.reason))]
        return self._say(
            "· {what}: {lost} of {n} orders, {excess} more than usual", what=" / ".join(named),
            lost=item.lost, n=item.n, excess=round(item.excess),
        )

    def _part(self, part: Part) -> str:
        return " / ".join(self._say(WORDS.get(value or "", value or "—")) for _, value in part)

    def _shop(self) -> str:
        return self._settings.shop.name or "mdash"

    def _message(
        self, state: str, subject: str, lines: list[str], name: str, rule: Rule,
        finding: Finding, contributors: Sequence[Contributor],
    ) -> dict[str, Any]:
        zone, episode = self._settings.shop.timezone, finding.episode
        found = link(self._settings, rule, finding)
        if found:
            lines = [*lines, "", found]
        return {
            "subject": subject,
            "text": "\n".join(lines) + "\n",
            "data": {
                "event": f"alert.{state}", "shop": self._settings.shop.name, "alert": name,
                "kind": rule.kind, "where": dict(finding.part), "subject": subject,
                "text": "\n".join(lines), "link": found or None,
                "begun_at": iso(episode.begun_at, zone), "ended_at": iso(episode.ended_at, zone),
                "worst": _finite(episode.worst), "baseline": episode.baseline, "n": episode.n,
                "contributors": [asdict(item) for item in contributors],
            },
        }


def link(settings: Settings, rule: Rule, finding: Finding) -> str:
    """The dashboard's page that shows the episode; empty where the dashboard has no address."""
    if not settings.shop.dashboard_url:
        return ""
    episode, zone = finding.episode, settings.shop.timezone
    query = {
        "from": shop_day(episode.begun_at, zone).isoformat(),
        "to": shop_day(episode.ended_at or episode.noticed_at, zone).isoformat(),
        **{name: value or "" for name, value in finding.part if name != "source"},
    }
    base = settings.shop.dashboard_url.rstrip("/")
    return f"{base}/{_PAGES[rule.kind]}?{urlencode(query)}"


def shop_day(at: datetime, timezone: str) -> date:
    """The business day of a naive UTC instant."""
    return at.replace(tzinfo=UTC).astimezone(ZoneInfo(timezone)).date()


def _finite(value: float) -> float | str:
    """A number as JSON has it; a percentile among the missing is "inf", as in metrics."""
    return "inf" if value == float("inf") else value

