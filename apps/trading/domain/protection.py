"""Which orders guard a position, at which price, and how they share what is left of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from apps.trading.domain.numbers import exact, percent_of, plain, read, round_down, round_up
from apps.trading.domain.sizing import Denial
from tradebot.contracts.values import HUNDRED, ZERO, ConditionKind, OrderType

TRAIL_STEP = Decimal("0.1")
"""A trailing stop is moved when it can rise by this share of its distance, not at every tick."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a command asks for, in percent of the price."""

    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    trailing_stop: Decimal | None = None

    def __bool__(self) -> bool:
        return any((self.stop_loss, self.take_profit, self.trailing_stop))


@dataclass(frozen=True, slots=True)
class Guard:
    """The prices that guard a position. `distance` is a trailing stop's percent under the best price seen."""

    stop: Decimal | None = None
    take: Decimal | None = None
    distance: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """The one order that should stand: a spot account can't promise the same coins twice."""

    type: OrderType
    stop_price: Decimal | None


def terms(conditions: Mapping[str, str]) -> Terms | Denial:
    """The percentages among a command's conditions ({kind: value})."""
    found: dict[str, Decimal | None] = {}
    for kind in (ConditionKind.STOP_LOSS, ConditionKind.TAKE_PROFIT, ConditionKind.TRAILING_STOP):
        if (text := conditions.get(kind)) is None:
            continue
        percent = read(text)
        if percent is None or percent <= 0 or (kind != ConditionKind.TAKE_PROFIT and percent >= HUNDRED):
            return Denial("bad_condition", f"{kind} must be a percentage above 0 and under 100, not {text!r}")
        found[kind.value] = percent
    return Terms(**found)


@exact
def guard(asked: Terms, price: Decimal, tick: Decimal) -> Guard:
    """The prices for `asked`, reckoned from `price`: stops round down, profits up. The nearer of both stops counts."""
    nearest = min((percent for percent in (asked.stop_loss, asked.trailing_stop) if percent), default=None)
    return Guard(
        stop=None if nearest is None else _under(price, nearest, tick) or None,
        take=None if asked.take_profit is None else round_up(price + percent_of(price, asked.take_profit), tick),
        distance=asked.trailing_stop,
    )


def _under(price: Decimal, percent: Decimal, tick: Decimal) -> Decimal:
    return round_down(price - percent_of(price, percent), tick)


@exact
def trailed(known: Guard, price: Decimal, tick: Decimal) -> Guard:
    """`known` with its stop raised after `price`; a stop never falls, and small steps are not worth an order."""
    if known.distance is None:
        return known
    risen = _under(price, known.distance, tick)
    least = percent_of(price, known.distance) * TRAIL_STEP
    if known.stop is not None and risen < known.stop + max(least, tick):
        return known
    return Guard(risen, known.take, known.distance)


def wanted(known: Guard, bid: Decimal) -> Wanted | None:
    """The order that should stand now. A price already passed means selling at the market: no venue takes such a stop.
    With both a stop and a profit, the stop stands at the venue and the profit is watched by us."""
    if known.take is not None and bid >= known.take:
        return Wanted(OrderType.MARKET, None)
    if known.stop is not None:
        return Wanted(OrderType.MARKET, None) if bid <= known.stop else Wanted(OrderType.STOP_LOSS, known.stop)
    return None if known.take is None else Wanted(OrderType.TAKE_PROFIT, known.take)


@exact
def shares(amounts: Sequence[Decimal], available: Decimal, step: Decimal) -> list[Decimal]:
    """What each guard may cover when they asked for `amounts` and `available` is there: all of it, or in proportion."""
    asked = sum(amounts, ZERO)
    if asked <= available:
        return [round_down(amount, step) for amount in amounts]
    left = max(available, ZERO)
    return [round_down(amount * left / asked, step) for amount in amounts]


def written(known: Guard) -> dict[str, str | None]:
    """JSON-ready."""
    return {"stop": plain(known.stop), "take": plain(known.take), "distance": plain(known.distance)}


def restored(raw: Mapping[str, str | None]) -> Guard:
    """What `written` wrote."""
    return Guard(*(Decimal(text) if (text := raw.get(name)) else None for name in ("stop", "take", "distance")))
