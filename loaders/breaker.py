"""A circuit breaker: after many failures in a row a channel is left alone for a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Literal

State = Literal["closed", "open", "half_open"]


@dataclass(frozen=True, slots=True)
class BreakerState:
    """What a breaker does now: `closed` lets calls through, `open` none, `half_open` one."""

    state: State
    failures: int
    opens_in_s: float


class Breaker:
    """Counts failures in a row. Safe to share among threads; no lock is held during a call.

    The threshold is high because a handful of troubled orders must not keep the others unasked.
    """

    def __init__(
        self,
        threshold: int = 20,
        pause_s: float = 15.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._threshold, self._pause_s, self._clock = threshold, pause_s, clock
        self._lock = Lock()
        self._failures = 0
        self._until: float | None = None
        self._is_probing = False

    @property
    def state(self) -> BreakerState:
        """What it does now."""
        with self._lock:
            left = 0.0 if self._until is None else max(0.0, self._until - self._clock())
            state: State = "closed" if self._until is None else "open" if left else "half_open"
            return BreakerState(state, self._failures, left)

    def admits(self) -> bool:
        """True if a call may be made now; every admitted call must be told to `record`."""
        with self._lock:
            if self._until is None:
                return True
            if self._is_probing or self._clock() < self._until:
                return False
            self._is_probing = True
            return True

    def record(self, is_success: bool) -> None:
        """Tell how an admitted call went."""
        with self._lock:
            self._is_probing = False
            if is_success:
                self._failures, self._until = 0, None
                return
            self._failures += 1
            if self._failures >= self._threshold:
                self._until = self._clock() + self._pause_s
