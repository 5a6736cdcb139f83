"""How much of a budget each caller used in the current window of the clock."""

from __future__ import annotations


class Usage:
    """Sums by key inside windows `width` milliseconds wide; all begin again when a window ends."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._window = 0
        self._sums: dict[str, int] = {}

    def add(self, key: str, amount: int, now: int) -> int:
        """Count, and return the key's sum in this window."""
        window = now // self._width
        if window != self._window:
            self._window = window
            self._sums.clear()
        self._sums[key] = self._sums.get(key, 0) + amount
        return self._sums[key]

    def clear(self) -> None:
        """Forget what was used."""
        self._sums.clear()
