"""Who is carrying something out, so that others see whether that process is gone."""

from __future__ import annotations

import os
import socket
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from secrets import token_hex

from loaders.settings import Settings
from loaders.transport import DEFAULT_TIMEOUT_S

LEEWAY_S = 15.0
"""What a command may take beside four calls; a lease lasts twice that longer."""


def lease(settings: Settings, channel: str) -> timedelta:
    """How long a claim holds: longer than any command on one refund may take."""
    return timedelta(seconds=4 * timeout_s(settings, channel) + 2 * LEEWAY_S)


def timeout_s(settings: Settings, channel: str) -> float:
    """Seconds one call to a channel may take."""
    try:
        return float(settings.channels.get(channel, {}).get("timeout_s", DEFAULT_TIMEOUT_S))
    except (TypeError, ValueError):
        return DEFAULT_TIMEOUT_S


def new_holder() -> str:
    """A name for one claim of this process."""
    pid = os.getpid()
    return f"{_place()}|{pid}|{_born(pid)}|{token_hex(6)}"


def is_gone(holder: str | None, until: datetime | None, at: datetime) -> bool:
    """True if the process behind a claim ended, or its lease did.

    A process can be looked for only from where it ran: the same start of the same machine, in the
    same space of process ids. Elsewhere its lease decides.
    """
    if holder is None or until is None or until <= at:
        return True
    place, pid, born, _ = holder.split("|")
    return place == _place() and bool(_place()) and _born(int(pid)) != born


@cache
def _place() -> str:
    """This start of this machine and space of process ids; empty where the system does not tell."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        space = Path("/proc/self/ns/pid").readlink()
    except OSError:
        return ""
    return f"{socket.gethostname()[:40]}/{boot}/{space}"


def _born(pid: int) -> str:
    """When a process began, in the kernel's own count; empty if there is none."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if told[0] in ("Z", "X") else told[19]
