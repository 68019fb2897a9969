"""Answers that are remembered as long as the store stays as it is, for all sessions together."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from dashboard.metrics.catalogue import Answer, ask
from dashboard.metrics.question import Question
from loaders.store.reader import Reader

KEPT = 600
_LOOKED_S = 1.0
Found = TypeVar("Found")


class Answers:
    """Asks each question once for each state of the store; a second session waits for the first."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._guard = threading.Lock()
        self._asking: dict[Hashable, threading.Lock] = {}
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self._state: Hashable = None
        self._looked_at = -_LOOKED_S

    def metric(self, name: str, question: Question) -> Answer:
        """The answer to a question asked of a metric."""
        return self.once(
            ("metric", name, *question.key()), lambda: ask(self.reader, name, question)
        )

    def once(self, key: Hashable, find: Callable[[], Found]) -> Found:
        """What `find` returns, from memory while the store has not changed since."""
        self._forget_old_state()
        with self._guard:
            if key in self._kept:
                self._kept.move_to_end(key)
                found: Found = self._kept[key]
                return found
            turn = self._asking.setdefault(key, threading.Lock())
            state = self._state
        with turn:
            with self._guard:
                if key in self._kept:
                    waited: Found = self._kept[key]
                    return waited
            try:
                made = find()
            finally:
                with self._guard:
                    self._asking.pop(key, None)
            with self._guard:
                if state == self._state:
                    self._kept[key] = made
                    while len(self._kept) > KEPT:
                        self._kept.popitem(last=False)
            return made

    def _forget_old_state(self) -> None:
        now = time.monotonic()
        with self._guard:
            if now - self._looked_at < _LOOKED_S:
                return
            self._looked_at = now
        state = self.reader.state()
        with self._guard:
            if state != self._state:
                self._state = state
                self._kept.clear()
