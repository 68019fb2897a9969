"""Sending messages to a channel and hearing its replies: the only place that speaks HTTP outward."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit, urlunsplit

import httpx
from tenacity import RetryCallState, Retrying, stop_after_attempt, wait_random_exponential

from loaders.breaker import Breaker, BreakerState
from loaders.call_log import CallLog, now
from loaders.channels.protocol import Message, Reply
from loaders.errors import ConfigurationError, NoAnswer, RefusedInput
from loaders.records import Answer

T = TypeVar("T")
Read = Callable[[Reply], Answer[T]]
Intent = Callable[[Message], None]
LOOPBACK = ("127.0.0.1", "localhost", "::1")
DEFAULT_TIMEOUT_S = 10.0
MAX_REPLY_BYTES = 16 * 2**20
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout,
               httpx.UnsupportedProtocol, httpx.ProxyError)
_HEADERS = {"user-agent": "mdash", "accept-encoding": "identity"}


@dataclass(frozen=True, slots=True)
class Policy:
    """How long and how often a channel is asked. `timeout_s` is for one call from end to end."""

    timeout_s: float = DEFAULT_TIMEOUT_S
    tries: int = 3
    longest_wait_s: float = 2.0
    proxy: str | None = None


class Transport:
    """The line to one channel: pooled connections, a breaker, a log. Safe to share among threads."""

    def __init__(
        self,
        channel: str,
        log: CallLog,
        policy: Policy | None = None,
        breaker: Breaker | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.channel = channel
        self._log, self._policy, self._sleep = log, policy or Policy(), sleep
        self._breaker = breaker or Breaker()
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(self._policy.timeout_s, connect=self._policy.timeout_s / 2),
            proxy=self._policy.proxy,
            trust_env=False,
            follow_redirects=False,
            headers=_HEADERS,
            limits=httpx.Limits(max_connections=32, max_keepalive_connections=8),
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name=f"transport-{channel}", daemon=True
        )
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of all connections."""
        if self._loop.is_closed():
            return
        self._run(self._client.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def state(self) -> BreakerState:
        """Whether the channel is being asked at present."""
        return self._breaker.state

    def send(
        self, message: Message, read: Read[T], intent: Intent | None = None, tries: int | None = None,
        is_paced: bool = False,
    ) -> Answer[T]:
        """Send a message and read its reply; never raises for what the channel does.

        A message that moves money is sent only after `intent` has written it down. Only messages
        that may be repeated, or were certainly never sent, are tried again; at most `tries` times.
        A caller that paces itself is heard, with one try, even while the channel is left alone.
        """
        _check(message.url)
        if message.moves_money and intent is None:
            raise ValueError("a message that moves money needs its intent written first")
        if intent is not None:
            intent(message)
        is_patient = is_paced and self.state.state != "closed"
        most = 1 if is_patient else tries or self._policy.tries
        retrying = Retrying(
            stop=stop_after_attempt(most),
            wait=wait_random_exponential(multiplier=0.5, max=self._policy.longest_wait_s),
            retry=lambda state: _is_worth_repeating(message, state),
            retry_error_callback=lambda state: state.outcome and state.outcome.result(),
            sleep=self._sleep,
        )
        counter = iter(range(1, most + 1))
        answer: Answer[T] = retrying(lambda: self._try(message, read, next(counter), is_paced))
        return answer

    def _try(
        self, message: Message, read: Read[T], attempt: int, is_paced: bool
    ) -> Answer[T]:
        if not self._breaker.admits() and not is_paced:
            return Answer(was_sent=False, why=NoAnswer(
                "The channel failed too often just now and is not asked for {seconds} seconds.",
                seconds=round(self.state.opens_in_s),
            ))
        began, start = now(), time.monotonic()
        is_healthy = False
        try:
            reply = self._run(self._exchange(message))
            is_healthy = reply.status < 500
            answer = read(reply)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            answer = _silence(error, self._policy.timeout_s)
        finally:
            self._breaker.record(is_healthy)
        elapsed_ms = round((time.monotonic() - start) * 1000)
        self._log.write(message, answer, began, elapsed_ms, attempt)
        return answer

    async def _exchange(self, message: Message) -> Reply:
        """One request and its whole reply, within the time allowed however slowly it drips."""
        async with asyncio.timeout(self._policy.timeout_s), self._client.stream(
            message.verb, message.url, headers=dict(message.headers), content=message.body
        ) as response:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_REPLY_BYTES:
                    raise httpx.DecodingError("the reply is too large")
            return Reply(response.status_code, _lower(response.headers), bytes(body), now())

    def fetch(
        self, url: str, take: Callable[[bytes], object], max_bytes: int, timeout_s: float = 300.0,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Download a file piece by piece; over https even where the link says http.

        Raises NoAnswer, or RefusedInput if it is larger than `max_bytes`.
        """
        url = secure(url)
        _check(url)
        try:
            return self._run(self._download(url, take, max_bytes, timeout_s, headers or {}))
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise NoAnswer("The file could not be downloaded: {why}.",
                           why=type(error).__name__) from error

    async def _download(
        self, url: str, take: Callable[[bytes], object], max_bytes: int, timeout_s: float,
        headers: Mapping[str, str],
    ) -> Reply:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(asyncio.timeout(timeout_s))
            response = await stack.enter_async_context(
                self._client.stream("GET", url, headers=dict(headers))
            )
            size = 0
            async for chunk in response.aiter_bytes():
                size += len(chunk)
                if size > max_bytes:
                    raise RefusedInput("The file is larger than {megabytes} MB.",
                                       megabytes=max_bytes // 2**20)
                take(chunk)
            return Reply(response.status_code, _lower(response.headers), b"")

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


def _lower(headers: httpx.Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _is_worth_repeating(message: Message, state: RetryCallState) -> bool:
    if state.outcome is None or state.outcome.failed:
        return False
    answer: Answer[Any] = state.outcome.result()
    if answer.is_known or not answer.may_repeat:
        return False
    return message.may_repeat or not answer.was_sent


def _silence(error: Exception, timeout_s: float) -> Answer[Any]:
    was_sent = not isinstance(error, _NEVER_SENT)
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        why = NoAnswer("The channel did not answer within {seconds} seconds.", seconds=timeout_s)
    elif was_sent:
        why = NoAnswer("The connection to the channel broke before its answer was complete.")
    else:
        why = NoAnswer("The channel cannot be reached; check the network and its address in mdash.toml.")
    return Answer(was_sent=was_sent, may_repeat=True, why=why)


def secure(url: str) -> str:
    """An address over https; the machine itself may be asked without."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname in LOOPBACK:
        return url
    return urlunsplit(parts._replace(scheme="https"))


def _check(url: str) -> None:
    """Raises ConfigurationError for an address that is neither https nor this machine."""
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK):
        return
    raise ConfigurationError("Only addresses that begin with https:// are asked.")
