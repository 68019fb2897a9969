"""The loop that keeps the store up with the durable log while a program runs."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from loaders.errors import MdashError, StoreBusy
from loaders.logs import event
from loaders.meters import Meters
from loaders.settings import Settings
from loaders.staging import Load
from loaders.tail import discard_old, has_news, load_new

LOOK_S = 0.5
SPACING_S = 2.5
"""Loads begin at least this far apart, so that many messages share one."""

FAILED_S = 5.0
DISCARD_S = 3600.0


class Follower:
    """Loads what is new within seconds; `problem` says why it cannot."""

    def __init__(self, settings: Settings, meters: Meters) -> None:
        self._settings, self._meters = settings, meters
        self._stop = asyncio.Event()
        self._discard_at = 0.0
        self.problem: str | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Follower]:
        """The loop runs; on leaving, a load that is under way is finished."""
        task = asyncio.create_task(self._run())
        try:
            yield self
        finally:
            self._stop.set()
            await task

    async def _run(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            wait = LOOK_S
            try:
                if await asyncio.to_thread(has_news, self._settings.home):
                    await self._load()
                    wait = max(LOOK_S, SPACING_S - (time.monotonic() - began))
                await self._discard()
                self.problem = None
            except StoreBusy:
                event("store busy")
            except Exception as error:
                wait = FAILED_S
                self._failed(error)
            await self._pause(wait)

    def _failed(self, error: Exception) -> None:
        self.problem = error.template if isinstance(error, MdashError) else type(error).__name__
        self._meters.loads.labels("failed").inc()
        event("load failed", logging.ERROR, error=error, why=self.problem)

    async def _load(self) -> None:
        while not self._stop.is_set():
            began = time.perf_counter()
            made = await asyncio.to_thread(load_new, self._settings)
            if not made:
                return
            self._told(made, time.perf_counter() - began)

    def _told(self, made: list[Load], seconds: float) -> None:
        self._meters.load_s.observe(seconds)
        self._meters.loads.labels("done").inc()
        event(
            "loaded", rows=sum(load.rows for load in made), ms=round(seconds * 1000),
            duplicates=sum(load.duplicates for load in made),
            rejected=sum(load.reject_count for load in made),
        )

    async def _discard(self) -> None:
        if time.monotonic() < self._discard_at:
            return
        self._discard_at = time.monotonic() + DISCARD_S
        removed = await asyncio.to_thread(discard_old, self._settings)
        if removed:
            event("old log files removed", files=len(removed))

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return
