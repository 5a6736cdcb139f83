"""The exchange's clock: the wall's, moved by an offset, or stopped at a moment."""

from __future__ import annotations

import time


def wall_clock() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class Clock:
    """Call it for the time in milliseconds. Not kept over a restart: a new process begins at the wall's time."""

    def __init__(self) -> None:
        self._offset = 0
        self._stopped: int | None = None

    def __call__(self) -> int:
        return wall_clock() + self._offset if self._stopped is None else self._stopped

    @property
    def stopped(self) -> bool:
        return self._stopped is not None

    def set(self, at: int) -> None:
        """Go on (or stand still, if stopped) from `at`."""
        self._offset = at - wall_clock()
        self._stopped = None if self._stopped is None else at

    def advance(self, by: int) -> None:
        """`by` may be negative: a clock that is put back."""
        self.set(self() + by)

    def stop(self) -> None:
        self._stopped = self()

    def start(self) -> None:
        self._offset = self() - wall_clock()
        self._stopped = None
