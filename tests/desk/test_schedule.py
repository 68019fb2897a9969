"""The schedule of a home sends what is due and settles what is unknown, without anybody's hand."""

from __future__ import annotations

import asyncio

import pytest

from dashboard.operations import scheduler
from tests.desk.conftest import Desk, agree


def test_the_schedule_sends_and_settles(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "Refunds", lambda *_: desk.refunds)
    monkeypatch.setattr(scheduler, "channel_tasks", lambda *_: {})
    monkeypatch.setattr("dashboard.operations.resolve.FIRST_PAUSE", desk.moment)
    (desk.settings.home / "maintained").write_text("9999-12-31", "ascii")
    desk.paid()
    desk.paid("M2")
    desk.ask(1_000, wait_s=0.05)
    desk.wire.plan = lambda call: {"refund": "silent_after"}.get(call, "")
    desk.ask(2_000, order_no="M2")
    desk.wire.plan = lambda _: ""

    async def run() -> None:
        stop = asyncio.Event()
        task = asyncio.create_task(scheduler.run_schedule(desk.settings, stop, every_s=0.05))
        for _ in range(200):
            if not await asyncio.to_thread(desk.refunds.count_open):
                break
            await asyncio.sleep(0.02)
        stop.set()
        await asyncio.wait_for(task, 10)

    asyncio.run(run())
    assert [item.state for item in desk.refunds.refunds()] == ["done", "done"]
    for order_no in ("M1", "M2"):
        agree(desk, order_no)


def test_a_home_that_cannot_ask_has_no_such_task(desk: Desk) -> None:
    reader, ledger = desk.refunds.reader, desk.ledger
    tasks = scheduler._refunding(desk.settings, reader, ledger, bool)
    assert set(tasks) == {"refunds", "cancellations"}
    desk.settings.channels.clear()
    assert scheduler._refunding(desk.settings, reader, ledger, bool) == {}
