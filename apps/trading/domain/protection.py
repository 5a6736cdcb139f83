"""Which orders guard a position, at which price, and how they share what is left of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from apps.trading.domain.inputs import number
from apps.trading.domain.numbers import exact, percent_of, plain, round_down, round_up
from apps.trading.domain.sizing import Denial
from tradebot.contracts.ports import Features
from tradebot.contracts.values import HUNDRED, ZERO, ConditionKind, OrderType

_NAMES = ("stop", "take", "distance", "floor")
_MOST = {
    ConditionKind.STOP_LOSS: HUNDRED,
    ConditionKind.TRAILING_STOP: HUNDRED,
    ConditionKind.TAKE_PROFIT: Decimal(10_000),
}
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
    """The prices that guard a position. `distance` is a trailing stop's percent under the best price seen; `floor` a
    fixed stop nearer than that, which a venue that trails by itself would forget."""

    stop: Decimal | None = None
    take: Decimal | None = None
    distance: Decimal | None = None
    floor: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """An order that should stand. `trail`: percent, of a stop that the venue moves by itself."""

    type: OrderType
    stop_price: Decimal | None = None
    trail: Decimal | None = None


SELL_NOW = Wanted(OrderType.MARKET)
STOPS = frozenset({OrderType.STOP_LOSS, OrderType.TRAILING_STOP})


@dataclass(frozen=True, slots=True)
class Standing:
    """An order that may stand: `left` is what it still sells, `group` is shared by orders of which one alone can."""

    client_id: str
    left: Decimal
    group: str = ""
    replaces: str = ""


def terms(conditions: Mapping[str, str]) -> Terms | Denial:
    """The percentages among a command's conditions ({kind: value})."""
    found: dict[str, Decimal | None] = {}
    for kind, most in _MOST.items():
        if (text := conditions.get(kind)) is None:
            continue
        percent = number(text)
        if percent is None or not ZERO < percent < most:
            return Denial("bad_condition", f"{kind} must be a percentage above 0 and under {most}, not {text!r}")
        found[kind.value] = percent
    return Terms(**found)


@exact
def guard(asked: Terms, price: Decimal, tick: Decimal) -> Guard:
    """The prices for `asked`, reckoned from `price`: stops round down, profits up. The nearer of both stops counts."""
    fixed, distance = asked.stop_loss, asked.trailing_stop
    nearest = min((percent for percent in (fixed, distance) if percent), default=None)
    stop = None if nearest is None else _under(price, nearest, tick) or None
    return Guard(
        stop=stop,
        take=None if asked.take_profit is None else round_up(price + percent_of(price, asked.take_profit), tick),
        distance=distance,
        floor=stop if fixed and distance and fixed < distance else None,
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
    # A stop that was trailed above its fixed one no longer needs it.
    return Guard(risen, known.take, known.distance)


def wanted(known: Guard, bid: Decimal, features: Features) -> tuple[Wanted, ...]:
    """The orders that should stand at the venue now; two are one pair (OCO). None: what there is, we watch ourselves.

    A price already passed means selling at the market: no venue takes such a stop. With both a stop and a profit, and
    no OCO, the stop stands at the venue and the profit is watched: coins can't be promised twice.
    """
    if passed(known, bid):
        return (SELL_NOW,)
    if known.stop is None:
        return _profit(known) if features.take_profit else ()
    if known.take is not None and features.oco:
        return (Wanted(OrderType.STOP_LOSS, known.stop), *_profit(known))
    if features.trailing_stop and _trails_alone(known, bid):
        return (Wanted(OrderType.TRAILING_STOP, trail=known.distance),)
    return (Wanted(OrderType.STOP_LOSS, known.stop),) if features.stop_loss else ()


def passed(known: Guard, bid: Decimal) -> bool:
    """Whether the price is where the guard sells."""
    return (known.take is not None and bid >= known.take) or (known.stop is not None and bid <= known.stop)


def _profit(known: Guard) -> tuple[Wanted, ...]:
    return () if known.take is None else (Wanted(OrderType.TAKE_PROFIT, known.take),)


@exact
def _trails_alone(known: Guard, bid: Decimal) -> bool:
    """Whether a stop that the venue trails from now on is (nearly) as high as the one we know."""
    if known.distance is None or known.take is not None or known.floor is not None:
        return False
    width = percent_of(bid, known.distance)
    return known.stop is None or known.stop <= bid - width + width * TRAIL_STEP


def due(known: Guard, bid: Decimal, tick: Decimal, held_there: Iterable[OrderType]) -> bool:
    """Whether a price asks for something that the orders standing at the venue don't do by themselves."""
    there = frozenset(held_there)
    if known.take is not None and bid >= known.take:
        return OrderType.TAKE_PROFIT not in there
    if known.stop is not None and bid <= known.stop:
        return not there & STOPS
    return OrderType.TRAILING_STOP not in there and trailed(known, bid, tick) != known


def locked(orders: Iterable[Standing]) -> Decimal:
    """Coins that `orders` may sell: of a pair, or of an order and the one that takes its place, only one ever does."""
    groups: dict[str, Decimal] = {}
    root: dict[str, str] = {}
    for order in orders:
        name = root.get(order.replaces) or order.group or order.client_id
        root[order.client_id] = name
        groups[name] = max(groups.get(name, ZERO), order.left)
    return sum(groups.values(), ZERO)


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
    return {name: plain(getattr(known, name)) for name in _NAMES}


def restored(raw: Mapping[str, str | None]) -> Guard:
    """What `written` wrote. Where it says nothing of a floor (before there was one), its stop counts as one."""
    old = raw if "floor" in raw else {**raw, "floor": raw.get("stop")}
    return Guard(*(Decimal(text) if (text := old.get(name)) else None for name in _NAMES))
