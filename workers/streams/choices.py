"""What strategies may order next: pairs whose prices are kept warm, and whose books where an exchange is chosen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import structlog
from django.db import connection
from django.utils import timezone

from apps.signals.models import Signal
from apps.strategies import selectors as strategies
from apps.strategies.domain.matching import Account
from apps.strategies.domain.spec import StrategySpec, parse_spec
from tradebot.contracts.errors import InvalidField
from tradebot.contracts.values import Pair

MOST_PRICES = 100
MOST_BOOKS = 20
"""For each venue, those that most strategies want: a book is a stream of its own."""

RECENT = timedelta(days=1)
MOST_COINS = 30
_COINS = f"""
SELECT coin FROM {Signal._meta.db_table}, unnest(coins) AS coin WHERE timestamp >= %s
GROUP BY coin ORDER BY count(*) DESC, coin LIMIT %s
"""  # noqa: S608 - our own model's table
log = structlog.get_logger(__name__)

Wish = tuple[str, str]
"""A venue and a pair."""


@dataclass(frozen=True, slots=True)
class Choices:
    """Pairs by venue."""

    prices: Mapping[str, frozenset[str]] = field(default_factory=dict)
    books: Mapping[str, frozenset[str]] = field(default_factory=dict)


def choices() -> Choices:
    """What the enabled strategies may order: the coins they name, or for any coin those that were talked about lately,
    on the accounts they may use. Books where a strategy leaves the choice among several venues to us."""
    specs = list(_specs())
    users = {user for user, spec in specs if spec.venue is not None}
    chosen = strategies.all_accounts_of(users)
    named = strategies.accounts_of((user, spec.credential_id) for user, spec in specs if spec.venue is None)
    talked_about = _talked_about()
    prices: Counter[Wish] = Counter()
    books: Counter[Wish] = Counter()
    for user, spec in specs:
        venues = _venues(spec, chosen.get(user, ()), named.get((user, spec.credential_id)))
        wishes = [(venue, pair) for pair in _pairs(spec, talked_about) for venue in venues]
        prices.update(wishes)
        if len(venues) > 1:
            books.update(wishes)
    return Choices(_most(prices, MOST_PRICES), _most(books, MOST_BOOKS))


def _specs() -> Iterator[tuple[UUID, StrategySpec]]:
    for row in strategies.versions(strategies.active()):
        try:
            yield row.user_id, parse_spec(row.spec)
        except InvalidField as error:
            log.warning("strategy_not_readable", strategy=str(row.strategy_id), reason=str(error))


def _venues(spec: StrategySpec, several: Sequence[Account], one: Account | None) -> set[str]:
    if spec.venue is None:
        return {one.venue} if one else set()
    return {account.venue for account in several if not spec.venue.preferred or account.venue in spec.venue.preferred}


def _pairs(spec: StrategySpec, talked_about: Sequence[str]) -> list[str]:
    coins: Iterable[str] = spec.watch_list.coins or talked_about
    return [str(Pair(coin, spec.quote)) for coin in coins if coin != spec.quote]


def _talked_about() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(_COINS, [timezone.now() - RECENT, MOST_COINS])
        return [coin for (coin,) in cursor.fetchall()]


def _most(wishes: Counter[Wish], most: int) -> dict[str, frozenset[str]]:
    """By venue, what most strategies want; of equals the first by name, so that it does not change at each look."""
    found: dict[str, list[str]] = {}
    for (venue, pair), _ in sorted(wishes.items(), key=lambda wish: (-wish[1], wish[0])):
        found.setdefault(venue, []).append(pair)
    return {venue: frozenset(pairs[:most]) for venue, pairs in found.items()}
