"""What a fill does to a position: amount after fees, average cost, realised profit."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from apps.trading.domain.numbers import exact, stored
from tradebot.contracts.values import ZERO, Action, Pair


@dataclass(frozen=True, slots=True)
class Holding:
    """What is held of one coin: its amount, what that cost in quote currency, and the profit taken so far."""

    amount: Decimal = ZERO
    cost: Decimal = ZERO
    realised: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Trade:
    """One execution. A `fee` in the base takes coins, one in the quote takes money; a third currency neither."""

    pair: Pair
    side: Action
    amount: Decimal
    price: Decimal
    fee: Decimal = ZERO
    fee_currency: str = ""

    @property
    def base_fee(self) -> Decimal:
        return self.fee if self.fee_currency == self.pair.base else ZERO

    @property
    def quote_fee(self) -> Decimal:
        return self.fee if self.fee_currency == self.pair.quote else ZERO


@exact
def after(held: Holding, trade: Trade) -> Holding:
    """`held` after `trade`, by average cost. Selling more than is held (coins that were never ours) takes profit on the
    held part only and leaves nothing."""
    return _bought(held, trade) if trade.side == Action.BUY else _sold(held, trade)


def _bought(held: Holding, trade: Trade) -> Holding:
    return Holding(
        amount=stored(held.amount + trade.amount - trade.base_fee),
        cost=stored(held.cost + trade.amount * trade.price + trade.quote_fee),
        realised=held.realised,
    )


def _sold(held: Holding, trade: Trade) -> Holding:
    gone = trade.amount + trade.base_fee
    ours = min(gone, held.amount)
    if ours <= 0:
        return held
    cost = stored(held.cost * ours / held.amount) if ours < held.amount else held.cost
    proceeds = (trade.amount * trade.price - trade.quote_fee) * ours / gone
    return Holding(stored(held.amount - ours), held.cost - cost, stored(held.realised + proceeds - cost))


@exact
def unrealised(held: Holding, price: Decimal) -> Decimal:
    """Profit (or, negative, loss) if all of it were sold at `price` now."""
    return stored(held.amount * price - held.cost)
