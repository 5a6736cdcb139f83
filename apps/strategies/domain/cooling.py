"""Which coin each match may take when a strategy leaves a coin alone for a while after acting on it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from apps.strategies.domain.matching import ActiveStrategy, Matched


@dataclass(frozen=True, slots=True)
class Claim:
    """A strategy asks for a coin; if it gets it, nobody does again before `until`."""

    strategy_id: UUID
    coin: str
    until: datetime


Claimer = Callable[[Sequence[Claim]], Collection[tuple[UUID, str]]]
"""Takes claims without repetitions, answers those (strategy, coin) that were free and are now taken."""


def settle(matches: Sequence[tuple[ActiveStrategy, Matched]], now: datetime, claimer: Claimer) -> list[str | None]:
    """For each match the first of its coins that does not cool down, or None. Most batches ask `claimer` once."""
    taken = [None if strategy.spec.cooldown else matched.coins[0] for strategy, matched in matches]
    asked: set[tuple[UUID, str]] = set()
    pending = [index for index, coin in enumerate(taken) if coin is None]
    while pending:
        claims: dict[int, Claim] = {}
        for index in pending:
            strategy, matched = matches[index]
            # A coin asked for before is taken or cools down, whatever the answer was.
            coin = next((coin for coin in matched.coins if (strategy.id, coin) not in asked), None)
            if coin:
                asked.add((strategy.id, coin))
                claims[index] = Claim(strategy.id, coin, now + strategy.spec.cooldown)
        got = claimer(list(claims.values())) if claims else ()
        pending = [index for index, claim in claims.items() if (claim.strategy_id, claim.coin) not in got]
        taken = [claims[i].coin if i in claims and i not in pending else coin for i, coin in enumerate(taken)]
    return taken
