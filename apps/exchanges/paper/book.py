"""The order book the exchange trades against: made from the price alone, refilled after each order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import lru_cache

from apps.exchanges.paper.trade import ZERO, Listing, Side

LEVELS = 100
HALF_SPREAD = Decimal("0.0001")
GAP = Decimal("0.0002")
GROWTH = Decimal("0.25")


@dataclass(frozen=True, slots=True)
class Level:
    price: Decimal
    qty: Decimal


@dataclass(frozen=True, slots=True)
class Book:
    """Best level first on both sides; `asks` are always above `bids`."""

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]

    def facing(self, side: Side) -> tuple[Level, ...]:
        """The levels an order of this side takes from."""
        return self.asks if side is Side.BUY else self.bids


@dataclass(frozen=True, slots=True)
class Take:
    """What a walk through the book took, level by level."""

    takes: tuple[Level, ...]

    @property
    def qty(self) -> Decimal:
        return sum((take.qty for take in self.takes), ZERO)

    @property
    def cost(self) -> Decimal:
        return sum((take.price * take.qty for take in self.takes), ZERO)


@lru_cache(maxsize=256)
def around(listing: Listing, price: Decimal) -> Book:
    """LEVELS levels a side: the first half a spread (1 bp, at least one tick) away, then 2 bp apart; each level offers
    a quarter of `listing.depth` more than the one before it."""
    half = _up(price * HALF_SPREAD, listing.tick)
    gap = _up(price * GAP, listing.tick)
    offsets = [half + gap * level for level in range(LEVELS)]
    asks = tuple(_level(listing, price + offset, level) for level, offset in enumerate(offsets))
    bids = tuple(_level(listing, price - offset, level) for level, offset in enumerate(offsets) if price > offset)
    return Book(bids=bids, asks=asks)


def crosses(side: Side, limit: Decimal, level: Decimal) -> bool:
    """Whether an order of this side and limit accepts a level's price."""
    return level <= limit if side is Side.BUY else level >= limit


def take_qty(levels: Iterable[Level], qty: Decimal, side: Side, limit: Decimal | None = None) -> Take:
    """Take up to `qty` of base, no worse than `limit`."""
    taken = []
    for level in levels:
        if qty <= 0 or (limit is not None and not crosses(side, limit, level.price)):
            break
        part = min(qty, level.qty)
        taken.append(Level(level.price, part))
        qty -= part
    return Take(tuple(taken))


def take_quote(levels: Iterable[Level], budget: Decimal, step: Decimal, most: Decimal | None = None) -> Take:
    """Spend up to `budget` of quote (or receive it, for a sale) in whole steps, and take at most `most` of base."""
    taken = []
    for level in levels:
        part = min(level.qty, floor(budget / level.price, step), level.qty if most is None else most)
        if part <= 0:
            break
        taken.append(Level(level.price, part))
        budget -= part * level.price
        most = None if most is None else most - part
        if part < level.qty:
            break
    return Take(tuple(taken))


def floor(number: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` that is not above `number`."""
    return (number / step).to_integral_value(ROUND_FLOOR) * step


def _up(number: Decimal, step: Decimal) -> Decimal:
    return max(step, (number / step).to_integral_value(ROUND_CEILING) * step)


def _level(listing: Listing, price: Decimal, level: int) -> Level:
    notional = listing.depth * (1 + GROWTH * level)
    return Level(price, max(listing.step, floor(notional / price, listing.step)))
