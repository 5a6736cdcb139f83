"""Fitting amounts and prices to a market's rules, in Decimal: the only place where an order's numbers are rounded."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from tradebot.contracts.ports import Market, OrderRequest
from tradebot.contracts.values import HUNDRED, ZERO, Action, OrderType


def round_down(number: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` (> 0) that is not above `number`."""
    return _round(number, step, ROUND_FLOOR)


def round_up(number: Decimal, step: Decimal) -> Decimal:
    """The smallest multiple of `step` (> 0) that is not below `number`."""
    return _round(number, step, ROUND_CEILING)


def fit_amount(amount: Decimal, market: Market, kind: OrderType = OrderType.MARKET) -> Decimal:
    """An amount of base, down to the step and to the most the market takes in one order; zero when none is left."""
    coarse = max(market.step, market.market_step or ZERO) if kind is OrderType.MARKET else market.step
    most = amount if market.max_amount is None else min(amount, market.max_amount)
    return max(ZERO, round_down(most, coarse))


def fit_price(price: Decimal, market: Market, side: Action) -> Decimal:
    """A limit price on the tick, never worse for its owner: a purchase down, a sale up; at least one tick."""
    fitted = round_down(price, market.tick) if side is Action.BUY else round_up(price, market.tick)
    return max(market.tick, fitted)


def shortfall(amount: Decimal, price: Decimal, market: Market) -> str:
    """Why the market would refuse this amount at this price, "" when it would not."""
    if not (amount.is_finite() and price.is_finite() and price > 0):
        return f"amount {amount} or price {price} is not a positive number"
    if amount < market.min_amount or amount <= 0:
        return f"amount {amount} is under the market's minimum of {market.min_amount} {market.pair.base}"
    if market.max_amount is not None and amount > market.max_amount:
        return f"amount {amount} is over the market's maximum of {market.max_amount} {market.pair.base}"
    if amount * price < market.min_notional:
        worth = (amount * price).normalize()
        return f"{worth:f} {market.pair.quote} is under the market's minimum of {market.min_notional:f}"
    return ""


def misfit(request: OrderRequest, market: Market) -> str:
    """Why this order must not be sent as it is (wrong step, tick or missing price), "" when it may."""
    if not market.active:
        return f"{market.pair} is not trading"
    if not request.amount.is_finite() or request.amount <= 0 or request.amount % market.step != 0:
        return f"amount {request.amount} is not a positive multiple of the step {market.step}"
    for name, price in (("price", request.price), ("stop_price", request.stop_price)):
        if price is not None and (not price.is_finite() or price <= 0 or price % market.tick != 0):
            return f"{name} {price} is not a positive multiple of the tick {market.tick}"
    return _missing(request)


def _missing(request: OrderRequest) -> str:
    if request.type is OrderType.LIMIT and request.price is None:
        return "a limit order needs a price"
    if request.type is OrderType.MARKET and request.price is not None:
        return "a market order must carry no price"
    if request.type in {OrderType.STOP_LOSS, OrderType.TAKE_PROFIT} and request.stop_price is None:
        return f"a {request.type} order needs a stop_price"
    if request.type is OrderType.TRAILING_STOP and not _is_share(request.trail):
        return f"a trailing_stop needs a trail over 0 and under 100 percent, not {request.trail}"
    return ""


def _is_share(percent: Decimal | None) -> bool:
    return percent is not None and percent.is_finite() and 0 < percent < HUNDRED


def _round(number: Decimal, step: Decimal, rounding: str) -> Decimal:
    return (number / step).to_integral_value(rounding) * step
