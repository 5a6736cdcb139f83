"""How long to wait before connecting again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import SystemRandom


@dataclass(slots=True)
class Backoff:
    """Doubles from `first` up to `most` seconds. Half of a wait is drawn by chance, so that accounts cut off together
    do not all come back together. A connection that held for `steady` seconds makes it start anew."""

    first: float = 0.5
    most: float = 30.0
    steady: float = 30.0
    chance: Callable[[], float] = SystemRandom().random
    failures: int = 0

    def failed(self, lasted: float) -> float:
        """Seconds to wait now that a connection has ended after `lasted` seconds."""
        if lasted >= self.steady:
            self.failures = 0
        longest = min(self.most, self.first * 2.0 ** min(self.failures, 32))
        self.failures += 1
        return longest / 2 * (1 + self.chance())
