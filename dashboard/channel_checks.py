"""Whether a channel can be asked: keys, environment, clock, and one question that moves nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, TypedDict

from dashboard.services import Services
from loaders.call_log import now
from loaders.channels import CHANNELS
from loaders.channels.protocol import Channel
from loaders.errors import MdashError
from loaders.exchange import BillLink
from loaders.messages import CHINA
from loaders.poll import can_be_asked
from loaders.records import Answer
from loaders.remote import Remote

FAR_OFF_S = 60
_MAX_BYTES = 4 * 2**20
_PATIENCE_S = 10.0


class Finding(TypedDict):
    """One thing looked at."""

    what: str
    ok: bool
    message: str


def asking_findings(services: Services, name: str) -> list[Finding]:
    """What `mdash check` says of asking a channel; nobody is asked until the keys are in order."""
    channel = CHANNELS[name]
    if channel.remote is None:
        return []
    say, config = services.say, services.settings.channels.get(name, {})
    what = say("Asking {channel}", channel=channel.title)
    if name not in can_be_asked(services.settings) and not config.get(channel.key_setting):
        return [{"what": what, "ok": True, "message": say(
            "Not set up: refunds, queries and bills need {key} and {address}.",
            key=channel.key_setting, address=channel.address_setting,
        )}]
    found = _concerns(services, channel, what)
    if found:
        return found
    found = [{"what": what, "ok": True, "message": say("The keys fit each other.")}]
    if name in can_be_asked(services.settings):
        with Remote(services.settings) as remote:
            found += [_clock(services, remote, channel), _answer(services, remote, channel)]
    return found


def _concerns(services: Services, channel: Channel, what: str) -> list[Finding]:
    """Keys that cannot be read, or that may not work, each with how to mend it."""
    part, settings = channel.remote, services.settings
    config = settings.channels.get(channel.name, {})
    assert part is not None
    errors: list[MdashError] = []
    try:
        part.read_keys(config, settings.read_file)
        errors += part.concerns(config, settings.read_file, now())
    except MdashError as error:
        errors.append(error)
    return [_failure(services, what, error) for error in errors]


def _failure(services: Services, what: str, error: MdashError) -> Finding:
    return {"what": what, "ok": False, "message": services.say(error.template, **error.values)}


def _clock(services: Services, remote: Remote, channel: Channel) -> Finding:
    """This machine's clock beside the channel's: what is signed too early or late is refused."""
    say = services.say
    ahead = clock_ahead_s(services, remote, channel.name)
    if ahead is None:
        return {"what": say("Clock"), "ok": True, "message": say(
            "Unknown: {channel} does not tell its time.", channel=channel.title
        )}
    if abs(ahead) <= FAR_OFF_S:
        return {"what": say("Clock"), "ok": True, "message": say(
            "It agrees with {channel}'s.", channel=channel.title
        )}
    return {"what": say("Clock"), "ok": False, "message": say(
        "It differs from {channel}'s by {seconds} seconds. Have this machine's time set by NTP.",
        channel=channel.title, seconds=f"{ahead:+.0f}",
    )}


def clock_ahead_s(services: Services, remote: Remote, name: str) -> float | None:
    """Seconds by which this machine's clock is ahead of the channel's; None if it tells no time."""
    url = str(services.settings.channels[name][CHANNELS[name].address_setting])
    before = datetime.now(UTC)
    try:
        reply = remote.transport(name).fetch(url, len, _MAX_BYTES, _PATIENCE_S)
    except MdashError:
        return None
    passed = datetime.now(UTC) - before
    try:
        theirs = parsedate_to_datetime(reply.headers.get("date", ""))
    except ValueError:
        return None
    if theirs.tzinfo is None:
        theirs = theirs.replace(tzinfo=UTC)
    return (before + passed / 2 - theirs).total_seconds()


def _answer(services: Services, remote: Remote, channel: Channel) -> Finding:
    """Ask where yesterday's bill lies: only the right keys, app and permission get an answer."""
    say = services.say
    what = say("Answer of {channel}", channel=channel.title)
    day = (now() + CHINA).date() - timedelta(days=1)
    try:
        answer: Answer[BillLink] = remote.ask(
            channel.name, "bill", kind="trade", period=day.isoformat()
        )
    except MdashError as error:
        return _failure(services, what, error)
    if answer.is_success or answer.data is not None:
        return {"what": what, "ok": True, "message": say("It is signed and verifies.")}
    return {"what": what, "ok": False, "message": _trouble(services, answer)}


def _trouble(services: Services, answer: Answer[Any]) -> str:
    say = services.say
    told = []
    if answer.meaning is not None:
        told += [say(answer.meaning.text), say(answer.meaning.action)]
    elif answer.why is not None:
        told.append(say(answer.why.template, **answer.why.values))
    codes = " ".join(filter(None, [answer.code, answer.sub_code]))
    return " ".join([*told, f"({codes})"] if codes else told)
