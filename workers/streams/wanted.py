"""Which streams there should be: the accounts that hold or ordered something, and the pairs of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.accounts.models import Credential, CredentialStatus
from apps.exchanges.models import Venue
from apps.trading.domain.states import LIVE
from apps.trading.models import Order, Position

SCAN = f"""
SELECT account.id, account.venue, account.checked_at, at_work.pair
FROM (
    SELECT credential_id, pair FROM {Order._meta.db_table} WHERE status = ANY(%(live)s)
    UNION SELECT credential_id, coin || '/' || quote FROM {Position._meta.db_table} WHERE amount > 0
) AS at_work
JOIN {Credential._meta.db_table} AS account ON account.id = at_work.credential_id
JOIN {Venue._meta.db_table} AS venue ON venue.name = account.venue
WHERE account.status = %(active)s AND account.deleted_at IS NULL AND venue.enabled
ORDER BY account.id, at_work.pair
"""  # noqa: S608 - table names are our own models'
SCAN_PARAMS = {"live": [status.value for status in sorted(LIVE)], "active": CredentialStatus.ACTIVE.value}


@dataclass(frozen=True, slots=True)
class Account:
    """One account to listen to. `keys_since`: other keys, another connection."""

    credential_id: UUID
    venue: str
    keys_since: datetime | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """`pairs`: what is held or ordered, or may be ordered next, by venue."""

    accounts: tuple[Account, ...] = ()
    pairs: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def and_pairs(self, more: Mapping[str, frozenset[str]]) -> Wanted:
        """This, and the prices of `more`."""
        none: frozenset[str] = frozenset()
        names = self.pairs.keys() | more.keys()
        return Wanted(self.accounts, {name: self.pairs.get(name, none) | more.get(name, none) for name in names})


def wanted(rows: Iterable[Sequence[Any]]) -> Wanted:
    """What the rows of SCAN ask for: (credential, venue, keys since, pair)."""
    accounts: dict[UUID, Account] = {}
    pairs: dict[str, set[str]] = {}
    for credential_id, venue, keys_since, pair in rows:
        accounts.setdefault(credential_id, Account(credential_id, venue, keys_since))
        pairs.setdefault(venue, set()).add(pair)
    return Wanted(tuple(accounts.values()), {venue: frozenset(found) for venue, found in pairs.items()})


class Lingering:
    """Keeps what was wanted for `seconds` longer: an account that trades again at once keeps its connection."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._accounts: dict[UUID, tuple[float, Account]] = {}
        self._pairs: dict[tuple[str, str], float] = {}

    def add(self, now_wanted: Wanted) -> Wanted:
        """`now_wanted`, and what was a short while ago."""
        now = self._clock()
        self._accounts |= {account.credential_id: (now, account) for account in now_wanted.accounts}
        self._pairs |= {(venue, pair): now for venue, pairs in now_wanted.pairs.items() for pair in pairs}
        since = now - self._seconds
        self._accounts = {key: seen for key, seen in self._accounts.items() if seen[0] >= since}
        self._pairs = {key: seen for key, seen in self._pairs.items() if seen >= since}
        accounts = tuple(account for _, account in self._accounts.values())
        venues = {venue for venue, _ in self._pairs}
        return Wanted(accounts, {name: self._pairs_of(name) for name in venues})

    def _pairs_of(self, name: str) -> frozenset[str]:
        return frozenset(pair for venue, pair in self._pairs if venue == name)
