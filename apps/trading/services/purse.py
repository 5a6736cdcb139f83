"""An account's balances as the venue told them a moment ago: ten signals at once need not ask ten times."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from tradebot.contracts.ports import Balance

Balances = Mapping[str, Balance]

SECONDS = 1.0
KEPT = 1024


@dataclass(frozen=True, slots=True)
class Seen:
    """Balances, and the account's count when they were asked for: what younger orders took must be taken off them."""

    sequence: int
    balances: Balances
    at: float


class Purse:
    """The last balances of the accounts that were asked about last."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: OrderedDict[UUID, Seen] = OrderedDict()

    def look(self, account: UUID, sequence: int, ask: Callable[[], Balances]) -> Seen:
        """What is known if it is younger than SECONDS, else what `ask` says now, `sequence` being the count now."""
        known, now = self._seen.get(account), self._clock()
        if known is None or now - known.at >= SECONDS:
            known = Seen(sequence, ask(), now)
            self._seen[account] = known
            self._seen.move_to_end(account)
            while len(self._seen) > KEPT:
                self._seen.popitem(last=False)
        return known

    def forget(self, account: UUID) -> None:
        """The next look asks the venue: it said something that these balances do not explain."""
        self._seen.pop(account, None)

    def clear(self) -> None:
        self._seen.clear()


purse = Purse()
"""This process's own."""
