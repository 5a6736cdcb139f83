"""What a user lost today over everything the bot holds for them, in one quote currency, with the prices used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from apps.trading.domain.numbers import exact, plain, stored, usable
from apps.trading.domain.positions import Holding, unrealised
from tradebot.contracts.ports import Ticker
from tradebot.contracts.values import ZERO, Pair

Quoted = Callable[[str, Pair], Ticker | None]
"""The present book at (exchange, pair); None without a usable one."""


@dataclass(frozen=True, slots=True)
class Held:
    """One position, where it was traded last, and that fill's price and time."""

    pair: Pair
    exchange: str
    holding: Holding
    last_price: Decimal | None
    last_at: datetime | None


@dataclass(slots=True)
class Losses:
    """`total`: positive for a loss. `prices`: what was used, as text with source and age. `unknown`: what could not be
    valued; while there is any, the total is too low."""

    total: Decimal = ZERO
    prices: dict[str, str | None] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)


@exact
def reckon(
    quote: str, exchange: str, realised: Mapping[str, Decimal], held: Iterable[Held], *, quoted: Quoted, now: datetime
) -> Losses:
    """Losses in `quote`: what was realised today (by quote currency), and what each position would lose if sold now.

    Gains that are not taken, and gains in another quote currency, offset nothing. Other currencies are converted at
    `exchange`.
    """
    found = Losses(total=-realised.get(quote, ZERO))
    lost = {other: -amount for other, amount in realised.items() if other != quote and amount < 0}
    for one in held:
        below = _open_loss(one, quoted, now, found)
        if one.pair.quote == quote:
            found.total += below
        elif below > 0:
            lost[one.pair.quote] = lost.get(one.pair.quote, ZERO) + below
    for other, amount in sorted(lost.items()):
        found.total += amount * _rate(other, quote, exchange, found, quoted=quoted, now=now)
    return found


def _open_loss(one: Held, quoted: Quoted, now: datetime, found: Losses) -> Decimal:
    ticker = quoted(one.exchange, one.pair)
    name = f"price of {one.pair} at {one.exchange}"
    if ticker is not None:
        price, source = ticker.bid, f"bid, {_age(now, ticker.at)}"
    elif one.last_price is not None and one.last_at is not None and usable(one.last_price):
        price, source = one.last_price, f"last fill, {_age(now, one.last_at)}"
    else:
        found.unknown.append(str(one.pair))
        return ZERO
    found.prices[name] = f"{plain(price)} ({source})"
    return max(-unrealised(one.holding, price), ZERO)


def _rate(other: str, quote: str, exchange: str, found: Losses, *, quoted: Quoted, now: datetime) -> Decimal:
    """What one `other` is worth in `quote`; zero, and noted as unknown, without a price."""
    straight, inverse = quoted(exchange, Pair(other, quote)), quoted(exchange, Pair(quote, other))
    ticker = straight or inverse
    if ticker is None:
        found.unknown.append(f"{other} in {quote}")
        return ZERO
    rate = straight.ask if straight else 1 / ticker.bid
    found.prices[f"{other} in {quote} at {exchange}"] = f"{plain(stored(rate))} ({ticker.pair}, {_age(now, ticker.at)})"
    return rate


def _age(now: datetime, at: datetime) -> str:
    return f"{max((now - at).total_seconds(), 0):.1f} s old"
