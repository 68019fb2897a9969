"""The schedule of a home: alerts are checked, reports planned and messages sent, minute by minute."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from filelock import FileLock, Timeout

from dashboard.identity.rights import SYSTEM
from dashboard.operations import cancel, delivery
from dashboard.operations.deeds import settle
from dashboard.operations.episodes import check_all
from dashboard.operations.ledger import Ledger
from dashboard.operations.off_hours import maintain_when_due
from dashboard.operations.outbox import Envelope, Send, deliver
from dashboard.operations.refunds import Refunds
from dashboard.operations.reports import Attach, letter, plan, report_of
from loaders.channels import retry_ladders
from loaders.deeds import ACTOR
from loaders.errors import MdashError
from loaders.poll import can_be_asked
from loaders.privacy import mask_personal
from loaders.settings import Settings
from loaders.store.reader import Reader
from loaders.upkeep import Patient, channel_tasks

EVERY_S = 60.0
REFUNDS_EVERY_S = 5.0
_LOG = logging.getLogger("mdash.schedule")
Task = Callable[[], object]


async def run_schedule(
    settings: Settings, stop: asyncio.Event, *, attach: Attach | None = None,
    every_s: float = EVERY_S,
) -> None:
    """Run the schedule of a home until `stop` is set.

    One process a home runs it; others wait, and take over when that one ends. A task that
    fails is logged and runs again in the next round; tasks do not wait for each other.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    lock = FileLock(settings.home / "schedule.lock", mode=0o600)
    while not stop.is_set():
        with suppress(Timeout):
            lock.acquire(timeout=0)
        if lock.is_locked:
            try:
                await _run(settings, stop, attach, every_s)
            finally:
                lock.release()
        await _pause(stop, every_s)


async def _run(
    settings: Settings, stop: asyncio.Event, attach: Attach | None, every_s: float
) -> None:
    ACTOR.set(SYSTEM.name)
    ledger, reader = Ledger(settings), Reader(settings, retry_ladders())
    send = sender(settings, ledger, reader, attach)
    tasks: dict[str, Task] = {
        "alerts": lambda: _check(settings, ledger, reader),
        "reports": lambda: plan(settings, ledger),
        "trail": lambda: settle(ledger),
        "maintenance": Patient(lambda: maintain_when_due(settings)),
        "delivery": lambda: deliver(ledger, send, stop.is_set),
        **channel_tasks(settings, stop.is_set),
    }
    refunds = _refunding(settings, reader, ledger, stop.is_set)
    try:
        await asyncio.gather(
            *(_repeat(name, task, stop, every_s) for name, task in tasks.items()),
            *(_repeat(name, task, stop, min(every_s, REFUNDS_EVERY_S))
              for name, task in refunds.items()),
        )
    finally:
        reader.close()
        ledger.close()


def _refunding(
    settings: Settings, reader: Reader, ledger: Ledger, is_stopping: Callable[[], bool]
) -> dict[str, Task]:
    """What is reserved is sent when its cancel window is over; what is unknown is asked about."""
    if not can_be_asked(settings):
        return {}
    refunds = Refunds(settings, reader, ledger)
    return {
        "refunds": lambda: refunds.resolve(is_stopping=is_stopping),
        "cancellations": lambda: cancel.resolve(refunds),
    }


async def _repeat(name: str, task: Task, stop: asyncio.Event, every_s: float) -> None:
    while not stop.is_set():
        try:
            await asyncio.to_thread(task)
        except Exception as error:
            log_trouble(name, error)
        await _pause(stop, every_s)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


def _check(settings: Settings, ledger: Ledger, reader: Reader) -> None:
    _, troubles = check_all(settings, ledger, reader)
    for name, error in troubles:
        log_trouble(f"alert {name}", error)


def log_trouble(name: str, error: Exception) -> None:
    """Log that a task failed: our own sentences whole, of others only the kind."""
    told = mask_personal(str(error)) if isinstance(error, MdashError) else type(error).__name__
    _LOG.warning("%s: %s", name, told)


def sender(
    settings: Settings, ledger: Ledger, reader: Reader, attach: Attach | None = None
) -> Send:
    """What sends a message of the outbox to where it goes."""

    def send(envelope: Envelope) -> None:
        message = envelope.message
        if envelope.target == "webhook":
            document = {"id": envelope.delivery, **message["data"]}
            delivery.post_webhook(settings, envelope.delivery, document)
        elif "report_run" in message:
            report = report_of(ledger, message["report_run"])
            made = letter(settings, reader, report, attach)
            delivery.send_mail(
                settings, envelope.delivery, envelope.recipient, made.subject, made.text, made.html,
                made.attachments,
            )
        else:
            delivery.send_mail(
                settings, envelope.delivery, envelope.recipient, message["subject"], message["text"]
            )

    return send
