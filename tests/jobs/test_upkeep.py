"""What a home does by itself: bills from half past nine, failures retried with patience."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from dashboard.operations.scheduler import run_schedule
from loaders.errors import NoAnswer
from loaders.settings import Settings
from loaders.upkeep import Patient, channel_tasks, due_days, pull_due
from tests.jobs.conftest import Shop, days_ago
from tests.jobs.test_pull import busy, covered

pytestmark = pytest.mark.slow


def test_a_failing_task_rests_twice_as_long_each_time() -> None:
    clock, ran = [0.0], []

    def fail() -> None:
        ran.append(clock[0])
        raise NoAnswer("The bill of {period} is not there yet.", period="2026-11-01")

    task = Patient(fail, lambda: clock[0])
    for minute in range(240):
        clock[0] = minute * 60.0
        try:
            task()
        except NoAnswer:
            continue
    assert [b - a for a, b in pairwise(ran)][:6] == [120, 240, 480, 960, 1920, 3600]


def test_bills_are_due_from_half_past_nine_in_the_shop(shop: Shop) -> None:
    early, due = datetime(2026, 11, 2, 1, 29), datetime(2026, 11, 2, 1, 31)
    assert due_days(shop.settings, "alipay", early) is None
    assert due_days(shop.settings, "alipay", due) == (date(2026, 11, 1), date(2026, 11, 1))


@pytest.mark.slow
def test_gaps_of_the_past_come_first_and_missing_bills_are_tried_again(shop: Shop) -> None:
    busy(shop, 4, 1)
    shop.paid("C", datetime.combine(days_ago(3), datetime.min.time()))
    ran = shop.mdash("pull", "alipay", "--from", f"{days_ago(4)}", "--to", f"{days_ago(4)}", "--json")
    assert ran.code == 0
    at = datetime.combine(days_ago(0), datetime.min.time()) + timedelta(hours=2)
    gateway_now = shop.gateway.clock()
    shop.gateway.clock.forward((at + timedelta(hours=8) - gateway_now).total_seconds())
    shop.gateway.plans.add({"how": "refuse=isp.bill_not_exist", "times": 3})
    with pytest.raises(NoAnswer):
        pull_due(shop.settings, "alipay", "trade", clock=lambda: at)
    assert covered(shop) == {4}
    found = pull_due(shop.settings, "alipay", "trade", clock=lambda: at)
    assert [bill.period for bill in found] == [f"{days_ago(ago)}" for ago in (3, 2, 1)]
    assert covered(shop) == {4, 3, 2, 1}
    assert pull_due(shop.settings, "alipay", "trade", clock=lambda: at) == []


@pytest.mark.slow
def test_the_schedule_finds_a_payment_by_itself(shop: Shop) -> None:
    shop.order("M1", timedelta(minutes=10))
    shop.load()
    shop.gateway.pay("M1")
    asyncio.run(_until_paid(shop))
    assert shop.rows("select paid_by from trades where order_no = 'M1'") == [{"paid_by": "query"}]


async def _until_paid(shop: Shop) -> None:
    stop = asyncio.Event()
    schedule = asyncio.create_task(run_schedule(shop.settings, stop, every_s=0.05))
    for _ in range(400):
        if (shop.home / "logs" / "calls-loaded.json").exists():
            break
        await asyncio.sleep(0.05)
    stop.set()
    await asyncio.wait_for(schedule, 30)


def test_a_home_without_keys_asks_nobody(home: Path) -> None:
    assert channel_tasks(Settings(home=home)) == {}
