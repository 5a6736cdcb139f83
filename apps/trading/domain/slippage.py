"""How much worse (or better) an order was filled than a price that was known before."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from apps.trading.domain.numbers import exact
from tradebot.contracts.values import HUNDRED, ZERO, Action

PERCENT = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class Slippage:
    """Above zero: it cost that much, in `percent` of the price and in quote currency; below: it was better.

    `since`: which price it is measured by, the signal's or the decision's.
    """

    since: str
    price: Decimal
    percent: Decimal
    quote: Decimal


@exact
def slippage(since: str, price: Decimal, average: Decimal, filled: Decimal, side: str) -> Slippage:
    """Of `filled` coins at `average`, when `price` had been expected (both quote per coin, above zero)."""
    worse = average - price if side == Action.BUY else price - average
    percent = (worse / price * HUNDRED).quantize(PERCENT) if price > 0 else ZERO
    return Slippage(since, price, percent, worse * filled)
