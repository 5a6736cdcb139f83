"""When the LLM is left alone: after failures in a row, or for as long as it asked for itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

OPEN_AFTER = 3
FIRST, LONGEST = 15.0, 600.0
LONGEST_WAIT = 3_600.0
"""Seconds of a Retry-After that are believed."""


class Breaker:
    """One a process; safe for several threads. Only failures of the server count, never what a post makes it say."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._in_a_row = 0
        self._pause = FIRST
        self._until = 0.0
        self._why = ""
        self._trying = False

    def refuses(self) -> str:
        """Why not to ask now; empty where asking is fine. After a pause one may try, until it has said how it went."""
        with self._lock:
            left = self._until - self._clock()
            if left > 0:
                return f"the server is left alone for {left:.0f} s more: {self._why}"
            if self._until and self._trying:
                return f"the server is being tried again: {self._why}"
            self._trying = bool(self._until)
            return ""

    def answered(self) -> None:
        """The server works."""
        with self._lock:
            self._in_a_row, self._pause, self._until, self._trying = 0, FIRST, 0.0, False

    def failed(self, why: str, wait: float = 0.0) -> None:
        """It does not. `wait`: seconds that it asked for (Retry-After), which opens the breaker at once."""
        with self._lock:
            self._in_a_row += 1
            tried, self._trying = self._trying, False
            self._why = why
            if wait > 0:
                self._until = max(self._until, self._clock() + min(wait, LONGEST_WAIT))
            elif (tried or self._in_a_row >= OPEN_AFTER) and self._until <= self._clock():
                self._until = self._clock() + self._pause
                self._pause = min(self._pause * 2, LONGEST)

    def passed(self) -> None:
        """Whoever was allowed to try did not: the next may."""
        with self._lock:
            self._trying = False
