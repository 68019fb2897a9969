"""What is wrong with a home's configuration, and how to mend it."""

from __future__ import annotations

from dashboard.channel_checks import Finding, asking_findings
from dashboard.identity.sign_in import SignIn
from dashboard.operations import audit
from dashboard.services import Services
from dashboard.wording.formats import instant
from dashboard.wording.labels import WORDS
from loaders.channels import CHANNELS
from loaders.errors import ConfigurationError, MdashError
from loaders.settings import Settings


def findings(settings: Settings) -> list[Finding]:
    """Everything `mdash check` looks at, in order."""
    services = Services(settings)
    say = services.say
    found: list[Finding] = [
        {"what": say("Home"), "ok": True, "message": str(settings.home)},
    ]
    used = [name for name in CHANNELS if name in settings.channels]
    for name in used or CHANNELS:
        found.append(_keys(services, name))
        found.extend(asking_findings(services, name))
    found += _ledger(services)
    try:
        empty = services.reader.is_empty
        told = say("Nothing has been loaded yet.") if empty else say("The store opens.")
        found.append({"what": say("Store"), "ok": True, "message": told})
    except MdashError as error:
        found.append(
            {"what": say("Store"), "ok": False, "message": say(error.template, **error.values)}
        )
        return found
    for row in services.freshness():
        mark = row["watermark"]
        told = instant(mark, services.timezone) if mark else say("never loaded")
        found.append({"what": say(WORDS[row["source"]]), "ok": True, "message": told})
    return found


def _ledger(services: Services) -> list[Finding]:
    """Whether the ledger, which homes may share, was sealed with the keys of this home."""
    settings, say = services.settings, services.say
    where = settings.store.ledger or settings.store.catalog
    if where == "sqlite" and not (settings.home / "ledger.sqlite").exists():
        return []
    ledger = services.people.ledger
    try:
        is_ours = audit.is_ours(ledger)
        SignIn(ledger).check_key()
        if not is_ours:
            raise ConfigurationError(
                "The ledger was sealed with the keys of another home. Copy keys/trail.key and"
                " keys/identity.key from that home into this one."
            )
    except MdashError as error:
        return [{"what": say("Ledger"), "ok": False, "message": say(error.template, **error.values)}]
    return [{"what": say("Ledger"), "ok": True, "message": say("Its seals are this home's.")}]


def _keys(services: Services, name: str) -> Finding:
    say, channel = services.say, CHANNELS[name]
    config = services.settings.channels.get(name, {})
    what = say("Keys of {channel}", channel=channel.title)
    if channel.notifications is None:
        return {"what": what, "ok": True, "message": say("not needed")}
    try:
        channel.notifications.read_keys(config, services.settings.read_file)
        named = (channel.app_setting, channel.account_setting)
        missing = [key for key in named if not config.get(key)]
        if missing:
            raise ConfigurationError(
                "Set {names} under [channels.{channel}] in mdash.toml, so that messages of other"
                " shops are told apart.",
                names=", ".join(missing),
                channel=name,
            )
    except ConfigurationError as error:
        return {"what": what, "ok": False, "message": say(error.template, **error.values)}
    return {"what": what, "ok": True, "message": say("The keys can be read.")}
