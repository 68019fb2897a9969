"""One headless Chromium for charts and pages: started when first needed, ended when idle."""

from __future__ import annotations

import asyncio
import atexit
import base64
import contextlib
import os
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import cache
from typing import Any, TypeVar

from choreographer import Tab
from choreographer.protocol import DevtoolsProtocolError
from kaleido import Kaleido, errors

from loaders.errors import ConfigurationError, MdashError

T = TypeVar("T")
LIMIT_S = 60.0
IDLE_S = 120.0
_CLOSE_S = 10.0
_BROKEN = (
    errors.BrowserClosedError, errors.BrowserFailedError, errors.JavascriptError,
    errors.KaleidoError, DevtoolsProtocolError, OSError, RuntimeError, ValueError,
)
_HAS_CHINESE_FONT = """(() => {
  const drawn = (text) => {
    const pad = document.createElement('canvas');
    const pen = pad.getContext('2d');
    pen.font = '24px sans-serif';
    pen.fillText(text, 4, 28);
    return pad.toDataURL();
  };
  return drawn('交') !== drawn('易');
})()"""


class Press:
    """Runs jobs in turn in one Chromium, on a thread of its own; no job outlives `limit_s`.

    A browser that failed or was too slow is ended and the next job gets a new one.
    """

    def __init__(self, limit_s: float = LIMIT_S, idle_s: float = IDLE_S) -> None:
        self._limit_s = limit_s
        self._idle_s = idle_s
        self._guard = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turn = asyncio.Lock()
        self._browser: Kaleido | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def pid(self) -> int | None:
        """Process id of the running browser."""
        process = getattr(self._browser, "subprocess", None)
        return process.pid if process and process.poll() is None else None

    def run(self, job: Callable[[Kaleido], Awaitable[T]]) -> T:
        """Do a job and return its result. Raises MdashError with what to do about it."""
        return asyncio.run_coroutine_threadsafe(self._in_turn(job), self._started()).result()

    def close(self) -> None:
        """End the browser and the thread, if they were ever started."""
        with self._guard:
            loop, self._loop = self._loop, None
        if loop is not None:
            with contextlib.suppress(TimeoutError):
                asyncio.run_coroutine_threadsafe(self._end(), loop).result(2 * _CLOSE_S)
            loop.call_soon_threadsafe(loop.stop)

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._guard:
            if self._loop is None:
                self._loop, self._turn = asyncio.new_event_loop(), asyncio.Lock()
                threading.Thread(
                    target=_run, args=(self._loop,), name="exports-browser", daemon=True
                ).start()
            return self._loop

    async def _in_turn(self, job: Callable[[Kaleido], Awaitable[T]]) -> T:
        async with self._turn:
            if self._idle:
                self._idle.cancel()
            task = asyncio.ensure_future(self._done(job))
            try:
                if await _in_time(task, self._limit_s):
                    return task.result()
                self._kill()
                task.cancel()
                await _in_time(task, _CLOSE_S)
                await self._end()
                raise MdashError(
                    "The browser that draws charts and pages did not answer within {seconds}"
                    " seconds. Try again.",
                    seconds=round(self._limit_s),
                )
            except _BROKEN as error:
                await self._end()
                raise MdashError(
                    "The browser that draws charts and pages failed: {why}", why=str(error)[:300]
                ) from error
            finally:
                loop = asyncio.get_running_loop()
                self._idle = loop.call_later(self._idle_s, self._rest)

    async def _done(self, job: Callable[[Kaleido], Awaitable[T]]) -> T:
        if self._browser is None or self.pid is None:
            await self._end()
            self._browser = _found(self._limit_s)
            await self._browser.open()
        return await job(self._browser)

    def _rest(self) -> None:
        task = asyncio.ensure_future(self._end_in_turn())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _end_in_turn(self) -> None:
        async with self._turn:
            await self._end()

    async def _end(self) -> None:
        if self._browser is None:
            return
        task = asyncio.ensure_future(self._browser.close())
        if not await _in_time(task, _CLOSE_S):
            self._kill()
            task.cancel()
            await _in_time(task, _CLOSE_S)
        self._kill()
        self._browser = None

    def _kill(self) -> None:
        """The end of a browser that does not end itself; it leads a process group of its own."""
        process = getattr(self._browser, "subprocess", None)
        if process is not None and process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(_CLOSE_S)


async def _in_time(task: asyncio.Future[Any], limit_s: float) -> bool:
    """Whether a task ends in time. A task is not cancelled here: one that hangs might not obey."""
    done, _ = await asyncio.wait({task}, timeout=limit_s)
    if done and not task.cancelled():
        task.exception()
    return bool(done)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()


def _found(limit_s: float) -> Kaleido:
    try:
        return Kaleido(n=1, mathjax=False, timeout=limit_s)
    except errors.ChromeNotFoundError:
        raise ConfigurationError(
            "Images and PDF are drawn by Chromium or Chrome, and none was found. Install one"
            " (`apt install chromium fonts-noto-cjk`), or name it in BROWSER_PATH. HTML, CSV, XLSX"
            " and Parquet do without."
        ) from None


@cache
def press() -> Press:
    """The press of this process."""
    made = Press()
    atexit.register(made.close)
    return made


@contextlib.asynccontextmanager
async def page(browser: Kaleido, html: str) -> AsyncIterator[Tab]:
    """A tab that shows a page of ours. Raises ConfigurationError if its Chinese has no font."""
    tab = await browser.create_tab("about:blank")
    try:
        frame = (await _sent(tab, "Page.getFrameTree"))["frameTree"]["frame"]["id"]
        await _sent(tab, "Page.setDocumentContent", frameId=frame, html=html)
        await _sent(
            tab, "Runtime.evaluate", awaitPromise=True,
            expression="Promise.all([...document.images].map((image) => image.decode()))",
        )
        if any("\u4e00" <= letter <= "\u9fff" for letter in html):
            await _require_chinese_font(tab)
        yield tab
    finally:
        await tab.close()


async def _require_chinese_font(tab: Tab) -> None:
    found = await _sent(tab, "Runtime.evaluate", expression=_HAS_CHINESE_FONT)
    if not found["result"]["value"]:
        raise ConfigurationError(
            "No font for Chinese is installed, so images and PDF would show boxes. Install one"
            " (`apt install fonts-noto-cjk`)."
        )


async def screenshot(tab: Tab, width: int, height: int, scale: float) -> bytes:
    """The page's upper left part as PNG."""
    clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": scale}
    found = await _sent(
        tab, "Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True
    )
    return base64.b64decode(found["data"])


async def printed(tab: Tab, footer: str) -> bytes:
    """The page as PDF in the format its style sheet names, with a footer on every sheet."""
    found = await _sent(
        tab, "Page.printToPDF", printBackground=True, preferCSSPageSize=True,
        displayHeaderFooter=True, headerTemplate="<span></span>", footerTemplate=footer,
    )
    return base64.b64decode(found["data"])


async def _sent(tab: Tab, command: str, **parameters: Any) -> dict[str, Any]:
    answer = await tab.send_command(command, parameters)
    if "error" in answer:
        raise RuntimeError(f"{command}: {answer['error'].get('message')}")
    result: dict[str, Any] = answer["result"]
    return result
