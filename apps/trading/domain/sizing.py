"""How much to order: from a command's amount to one the venue accepts, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from apps.trading.domain.numbers import exact, percent_of, plain, round_down, round_up, usable
from tradebot.contracts.ports import Market, Ticker
from tradebot.contracts.values import HUNDRED, ZERO, Action, AmountType, OrderType

SLIPPAGE = Decimal("0.005")
"""Share of a market buy that is reserved on top, for the book moving between the look and the order."""


@dataclass(frozen=True, slots=True)
class Denial:
    """Why nothing is ordered: one word for machines, one sentence for people."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Ask:
    """What a command wants. `amount`: percent, or quote currency (buy) or coins (sell). `max_amount`: quote."""

    side: Action
    amount_type: AmountType
    amount: Decimal
    type: OrderType = OrderType.MARKET
    limit_price: Decimal | None = None
    max_amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Sized:
    """An order the venue's rules allow. `cost`: quote currency it may take (buy) or brings (sell) at `reference`."""

    side: Action
    type: OrderType
    amount: Decimal
    price: Decimal | None
    reference: Decimal
    cost: Decimal

    @property
    def reserved_quote(self) -> Decimal:
        return self.cost if self.side == Action.BUY else ZERO

    @property
    def reserved_base(self) -> Decimal:
        return self.amount if self.side == Action.SELL else ZERO


@exact
def size(ask: Ask, market: Market | None, ticker: Ticker, available: Decimal) -> Sized | Denial:
    """The order for `ask`, where `available` is free quote currency (buy) or sellable coins (sell), after everything
    already promised to other orders."""
    if market is None or not market.active:
        return Denial("unknown_pair", f"{ticker.pair} is not traded at this exchange now")
    problem = _unusable(ask) or bad_book(ticker)
    if problem:
        return problem
    reference, price = _prices(ask, market, ticker)
    if not usable(reference):
        return Denial("bad_price", f"the price {plain(reference)} of {ticker.pair} can't be used")
    if not available.is_finite() or available <= 0:
        return _nothing_there(ask, ticker)
    wanted = _wanted(ask, reference, available)
    if isinstance(wanted, Denial):
        return wanted
    return _fitted(ask, market, wanted, reference, price)


def _unusable(ask: Ask) -> Denial | None:
    if not usable(ask.amount):
        return Denial("bad_amount", f"the amount {plain(ask.amount)} is no number above zero")
    if ask.amount_type == AmountType.PERCENTAGE and ask.amount > HUNDRED:
        return Denial("bad_amount", f"{plain(ask.amount)} % is more than all")
    if ask.max_amount is not None and not usable(ask.max_amount):
        return Denial("bad_amount", f"the max_amount {plain(ask.max_amount)} is no number above zero")
    if ask.limit_price is not None and not usable(ask.limit_price):
        return Denial("bad_price", f"the limit_price {plain(ask.limit_price)} is no number above zero")
    if ask.type not in {OrderType.MARKET, OrderType.LIMIT}:
        return Denial("bad_order_type", f"{ask.type} can't open or close a position; use market or limit")
    return None


def bad_book(ticker: Ticker) -> Denial | None:
    """Why the prices of `ticker` can't be traded on, if so."""
    bid, ask = plain(ticker.bid), plain(ticker.ask)
    if not usable(ticker.bid) or not usable(ticker.ask):
        return Denial("empty_book", f"{ticker.pair} has no usable bid and ask ({bid} / {ask})")
    if ticker.bid > ticker.ask:
        return Denial("crossed_book", f"the book of {ticker.pair} is crossed ({bid} bid, {ask} ask)")
    return None


def _prices(ask: Ask, market: Market, ticker: Ticker) -> tuple[Decimal, Decimal | None]:
    """The price to reckon with, and the one to send (None: market order). A buy never rounds up, a sell never down."""
    now = ticker.ask if ask.side == Action.BUY else ticker.bid
    if ask.type == OrderType.MARKET:
        return now, None
    tidy = round_down if ask.side == Action.BUY else round_up
    price = tidy(ask.limit_price or now, market.tick)
    return price, price


def _nothing_there(ask: Ask, ticker: Ticker) -> Denial:
    if ask.side == Action.BUY:
        return Denial("insufficient_balance", f"no {ticker.pair.quote} is free to buy with")
    return Denial("nothing_held", f"the bot holds no {ticker.pair.base} in this account that it could sell")


def _wanted(ask: Ask, reference: Decimal, available: Decimal) -> Decimal | Denial:
    """Coins to order, before the venue's rules."""
    if ask.side == Action.SELL:
        return _to_sell(ask, reference, available)
    affordable = available / _with_margin(ask)
    if ask.amount_type == AmountType.FIXED and min(ask.amount, ask.max_amount or ask.amount) > affordable:
        return Denial(
            "insufficient_balance",
            f"{plain(ask.amount)} wanted (and a margin of {plain(_with_margin(ask) - 1)}), {plain(available)} is free",
        )
    quote = ask.amount if ask.amount_type == AmountType.FIXED else percent_of(available, ask.amount)
    return min(quote, affordable, ask.max_amount or quote) / reference


def _to_sell(ask: Ask, reference: Decimal, available: Decimal) -> Decimal | Denial:
    if ask.amount_type == AmountType.FIXED and ask.amount > available:
        return Denial("insufficient_balance", f"{plain(ask.amount)} wanted, {plain(available)} can be sold")
    coins = ask.amount if ask.amount_type == AmountType.FIXED else percent_of(available, ask.amount)
    return min(coins, ask.max_amount / reference) if ask.max_amount is not None else coins


def _with_margin(ask: Ask) -> Decimal:
    return 1 + SLIPPAGE if ask.type == OrderType.MARKET else Decimal(1)


def _fitted(ask: Ask, market: Market, wanted: Decimal, reference: Decimal, price: Decimal | None) -> Sized | Denial:
    amount = fit(wanted, market, ask.type)
    problem = too_small(amount, reference, market)
    if problem:
        return problem
    margin = _with_margin(ask) if ask.side == Action.BUY else Decimal(1)
    return Sized(ask.side, ask.type, amount, price, reference, amount * reference * margin)


@exact
def fit(amount: Decimal, market: Market, kind: OrderType) -> Decimal:
    """`amount` rounded down to the market's step and capped at its largest order."""
    step = max(market.step, market.market_step or ZERO) if kind == OrderType.MARKET else market.step
    return round_down(amount if market.max_amount is None else min(amount, market.max_amount), step)


@exact
def too_small(amount: Decimal, price: Decimal, market: Market) -> Denial | None:
    """Why the venue would refuse `amount` at `price` as too little, if so."""
    if amount <= 0 or amount < market.min_amount:
        least = plain(max(market.min_amount, market.step))
        return Denial("below_min_amount", f"{plain(amount)} {market.pair.base} is under the least order of {least}")
    if amount * price < market.min_notional:
        return Denial(
            "below_min_notional",
            f"{plain(amount * price)} {market.pair.quote} is under the least value of {plain(market.min_notional)}",
        )
    return None
