"""Maintenance once a day while the shop sleeps, in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from dashboard.bounded import Limits, run
from dashboard.operations.ledger import now
from loaders.errors import MdashError
from loaders.settings import Settings

QUIET_FROM, QUIET_TO = time(3), time(6)
LONGEST_WITHOUT = timedelta(days=2)


def maintain_when_due(
    settings: Settings, *, clock: Callable[[], datetime] = now,
    maintain: Callable[[Settings], None] | None = None,
) -> bool:
    """Run `mdash maintain` in the night, or by day where two nights were missed; True if it ran.

    The day of the last run stands in the home; a new home waits for its first night. Raises
    MdashError if it fails, and then it is due still.
    """
    mark = settings.home / "maintained"
    zone = ZoneInfo(settings.shop.timezone)
    local = clock().replace(tzinfo=UTC).astimezone(zone)
    last = _last(mark.read_text("ascii")) if mark.exists() else None
    if last is None:
        mark.write_text((local.date() - timedelta(days=1)).isoformat(), "ascii")
        return False
    is_night = QUIET_FROM <= local.time() < QUIET_TO
    if last >= local.date() or not (is_night or local.date() - last > LONGEST_WITHOUT):
        return False
    (maintain or _maintain)(settings)
    mark.write_text(local.date().isoformat(), "ascii")
    return True


def _last(text: str) -> date | None:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        return None


def _maintain(settings: Settings) -> None:
    done = run(["--home", str(settings.home), "maintain"], Limits(), {})
    if done.returncode:
        raise MdashError("Maintenance ended with code {code}.", code=done.returncode)
