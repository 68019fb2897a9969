"""The schedule runs in one process of a home, survives a failing task, and ends when told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import pytest
from filelock import FileLock

from dashboard.operations import scheduler
from dashboard.operations.ledger import Ledger
from dashboard.operations.outbox import counts, put
from dashboard.operations.scheduler import run_schedule
from loaders.settings import Settings
from tests.operations.conftest import Webhook


async def until(
    done: Callable[[], bool], stop: asyncio.Event, runs: int = 1, *, settings: Settings
) -> None:
    """Run schedules until something is so (10 s at most), then stop them. Maintenance is never due."""
    settings.home.mkdir(parents=True, exist_ok=True)
    (settings.home / "maintained").write_text("9999-12-31", "ascii")
    tasks = [asyncio.create_task(run_schedule(settings, stop, every_s=0.05)) for _ in range(runs)]
    for _ in range(200):
        if await asyncio.to_thread(done):
            break
        await asyncio.sleep(0.05)
    stop.set()
    await asyncio.wait_for(asyncio.gather(*tasks), 10)


def message(ledger: Ledger, key: str) -> None:
    with ledger.transaction() as connection:
        put(connection, key, "webhook", "", {"data": {"event": key}})


def test_what_waits_is_sent_and_the_schedule_ends_when_told(
    settings: Settings, ledger: Ledger, webhook: Webhook
) -> None:
    settings.alerts.webhook_url = webhook.url
    message(ledger, "a")
    asyncio.run(until(lambda: counts(ledger) == {"sent": 1}, asyncio.Event(), settings=settings))
    assert [item["event"] for item in webhook.documents()] == ["a"]
    assert not FileLock(settings.home / "schedule.lock").is_locked


def test_a_failing_task_does_not_stop_the_others_and_logs_no_secret(
    settings: Settings, ledger: Ledger, webhook: Webhook, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings.alerts.webhook_url = webhook.url
    rounds: list[int] = []

    def fail(*_: object) -> int:
        rounds.append(1)
        raise ValueError("password=hunter2")

    monkeypatch.setattr(scheduler, "plan", fail)
    message(ledger, "a")
    with caplog.at_level(logging.INFO, "mdash.schedule"):
        asyncio.run(
            until(lambda: len(rounds) >= 3 and counts(ledger) == {"sent": 1}, asyncio.Event(),
                  settings=settings)
        )
    assert len(rounds) >= 3
    assert "reports: ValueError" in caplog.text
    assert "hunter2" not in caplog.text


def test_one_schedule_a_home(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    running: list[int] = []
    most: list[int] = []

    async def run(*_: object) -> None:
        running.append(1)
        most.append(len(running))
        await asyncio.sleep(0.2)
        running.pop()

    monkeypatch.setattr(scheduler, "_run", run)
    asyncio.run(until(lambda: len(most) >= 3, asyncio.Event(), 3, settings=settings))
    assert set(most) == {1}
