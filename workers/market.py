"""What is known of coins' markets without asking anybody: the prices of the last hour, and the books."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal

from django.utils import timezone

from apps.exchanges import selectors as exchanges
from apps.signals.domain.manipulation import Market
from tradebot.contracts.ports import Depth
from tradebot.contracts.values import Pair

QUOTE = "USDT"
NEAR = Decimal("1.01")
"""How far up a book counts: what a purchase may move the price by."""


def markets_of(coins: Collection[str]) -> dict[str, Market]:
    """The coins of which anything is known, each with its most moved price and its deepest book of all venues. One
    round trip to Valkey; without it nothing is known."""
    if not coins:
        return {}
    pairs = [Pair(coin, QUOTE) for coin in sorted(coins) if coin != QUOTE]
    known = exchanges.lately([(venue, pair) for venue in exchanges.venue_names() for pair in pairs], timezone.now())
    found: dict[str, Market] = {}
    for (_, pair), told in known.items():
        before = found.get(pair.base, Market())
        rises = [rise for rise in (before.run_up, told.rise) if rise is not None]
        depths = [depth for depth in (before.depth, _within(told.depth)) if depth is not None]
        found[pair.base] = Market(
            run_up=max(rises, default=None), depth=max(depths, default=None), price=before.price or told.price
        )
    return found


def _within(depth: Depth | None) -> Decimal | None:
    """Quote currency for sale up to a percent above the best price."""
    if depth is None or not depth.asks:
        return None
    limit = depth.asks[0].price * NEAR
    return sum((level.price * level.amount for level in depth.asks if level.price <= limit), Decimal(0))
