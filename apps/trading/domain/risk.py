"""The limits a trade must pass, each check with the numbers it was made on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from apps.trading.domain.numbers import exact, plain
from tradebot.contracts.errors import InvalidField
from tradebot.contracts.values import ZERO, KillSwitch, Leg

_COIN = re.compile(r"^[A-Z0-9]{1,20}$")


@dataclass(frozen=True, slots=True)
class Limits:
    """A risk policy. `scope`: user or platform. None: no limit. Quote currency; `cooling` between entries per coin.
    `order_rate`: orders a minute and account; `depth_share`: percent of the visible asks; `price_move`: percent."""

    scope: str
    max_daily_loss: Decimal | None = None
    position_limit: Decimal | None = None
    order_rate: int | None = None
    depth_share: Decimal | None = None
    price_move: Decimal | None = None
    cooling: timedelta = timedelta(0)
    blacklist: frozenset[str] = frozenset()
    kill_switch: KillSwitch = KillSwitch.ACTIVE


@dataclass(frozen=True, slots=True)
class Numbers:
    """What is known at the moment of decision, in quote currency. `loss_today` is positive for a loss,
    `loss_prices` what it was reckoned with, `loss_unknown` what could not be valued; `exposure` is
    what the coin is worth in this account, with open entries; `cost` is what this order adds. `orders_lately`: entries
    and exits of this account in the last minute; `depth`: what the asks that the venue shows cost, None if nobody
    looked; `price` is the ask now, `signal_price` the ask when the signal was dispatched, None if unknown."""

    leg: Leg
    coin: str
    now: datetime
    expires_at: datetime
    loss_today: Decimal = ZERO
    loss_prices: dict[str, str | None] = field(default_factory=dict)
    loss_unknown: tuple[str, ...] = ()
    exposure: Decimal = ZERO
    cost: Decimal = ZERO
    last_entry_at: datetime | None = None
    orders_lately: int = 0
    depth: Decimal | None = None
    price: Decimal | None = None
    signal_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One question asked: its answer, the numbers, and for a no the reason."""

    name: str
    ok: bool
    numbers: dict[str, str | None] = field(default_factory=dict)
    reason: str = ""


def assess(policies: Sequence[Limits], numbers: Numbers) -> list[Check]:
    """Every check that concerns this leg. A stale signal opens and closes nothing; protection is never stale; exits and
    protection obey no entry limit."""
    checks = [] if numbers.leg == Leg.PROTECT else [_stale(numbers)]
    for policy in policies:
        checks += _entry_checks(policy, numbers) if numbers.leg == Leg.ENTRY else [_exit_switch(policy)]
    return checks


def first_failed(checks: Iterable[Check]) -> Check | None:
    return next((check for check in checks if not check.ok), None)


def _stale(numbers: Numbers) -> Check:
    return Check(
        "stale",
        numbers.now <= numbers.expires_at,
        {"now": numbers.now.isoformat(), "expires_at": numbers.expires_at.isoformat()},
        f"the signal expired at {numbers.expires_at.isoformat(timespec='seconds')}",
    )


def _exit_switch(policy: Limits) -> Check:
    return Check("kill_switch", True, {"scope": policy.scope, "state": policy.kill_switch.value, "leg": "not an entry"})


def _entry_checks(policy: Limits, numbers: Numbers) -> Iterator[Check]:
    yield _switch(policy)
    yield _blacklist(policy, numbers)
    if policy.max_daily_loss is not None:
        yield _daily_loss(policy, policy.max_daily_loss, numbers)
    if policy.position_limit is not None:
        yield _position_limit(policy, policy.position_limit, numbers)
    if policy.cooling > timedelta(0):
        yield _cooling(policy, numbers)
    if policy.order_rate is not None:
        yield _order_rate(policy, policy.order_rate, numbers)
    if policy.depth_share is not None:
        yield _depth_share(policy, policy.depth_share, numbers)
    if policy.price_move is not None:
        yield _price_move(policy, policy.price_move, numbers)


def _switch(policy: Limits) -> Check:
    state = policy.kill_switch
    return Check(
        "kill_switch",
        state == KillSwitch.ACTIVE,
        {"scope": policy.scope, "state": state.value},
        f"the {policy.scope}'s kill switch is {state.value}: nothing is bought",
    )


def _blacklist(policy: Limits, numbers: Numbers) -> Check:
    return Check(
        "blacklist",
        numbers.coin not in policy.blacklist,
        {"scope": policy.scope, "coin": numbers.coin},
        f"{numbers.coin} is on the {policy.scope}'s blacklist",
    )


def _daily_loss(policy: Limits, limit: Decimal, numbers: Numbers) -> Check:
    lost = plain(max(numbers.loss_today, ZERO))
    told = {"scope": policy.scope, "loss_today": lost, "limit": plain(limit), **numbers.loss_prices}
    if numbers.loss_unknown:
        unknown = ", ".join(numbers.loss_unknown)
        reason = f"today's loss can't be told: there is no price of {unknown}; nothing is bought until there is one"
        return Check("max_daily_loss", False, {**told, "unknown": unknown}, reason)
    return Check(
        "max_daily_loss",
        numbers.loss_today < limit or numbers.loss_today <= 0,
        told,
        f"{lost} lost today, the {policy.scope}'s limit is {plain(limit)}",
    )


def _position_limit(policy: Limits, limit: Decimal, numbers: Numbers) -> Check:
    after = numbers.exposure + numbers.cost
    return Check(
        "position_limit",
        after <= limit,
        {"scope": policy.scope, "held": plain(numbers.exposure), "order": plain(numbers.cost), "limit": plain(limit)},
        f"{numbers.coin} would be worth {plain(after)}, the {policy.scope}'s limit is {plain(limit)}",
    )


def _cooling(policy: Limits, numbers: Numbers) -> Check:
    free_at = numbers.last_entry_at + policy.cooling if numbers.last_entry_at else None
    return Check(
        "cooling_period",
        free_at is None or numbers.now >= free_at,
        {"scope": policy.scope, "free_at": free_at.isoformat() if free_at else None, "now": numbers.now.isoformat()},
        f"{numbers.coin} was bought a moment ago; the next entry is allowed at {free_at}",
    )


def _order_rate(policy: Limits, limit: int, numbers: Numbers) -> Check:
    return Check(
        "max_order_rate",
        numbers.orders_lately < limit,
        {"scope": policy.scope, "last_minute": str(numbers.orders_lately), "limit": str(limit)},
        f"{numbers.orders_lately} orders of this account in the last minute, the {policy.scope}'s limit is {limit}",
    )


@exact
def _depth_share(policy: Limits, limit: Decimal, numbers: Numbers) -> Check:
    told = {"scope": policy.scope, "order": plain(numbers.cost), "limit": plain(limit)}
    if numbers.depth is None:
        return Check(
            "max_depth_share", False, told, "nobody could say what stands in the book; nothing is bought blind"
        )
    return Check(
        "max_depth_share",
        numbers.cost * 100 <= limit * numbers.depth,
        {**told, "visible": plain(numbers.depth)},
        f"{plain(numbers.cost)} is more than {plain(limit)} % of the {plain(numbers.depth)} that stand in the book",
    )


@exact
def _price_move(policy: Limits, limit: Decimal, numbers: Numbers) -> Check:
    """Either way: what has risen is too dear by now, what has fallen contradicts its signal."""
    then, now = numbers.signal_price, numbers.price
    told = {"scope": policy.scope, "at_signal": plain(then), "now": plain(now), "limit": plain(limit)}
    if not then or not now:
        return Check("max_price_move", False, told, "the price at the moment of the signal is not known")
    return Check(
        "max_price_move",
        abs(now - then) * 100 <= limit * then,
        told,
        f"the price moved from {plain(then)} to {plain(now)} since the signal, more than {plain(limit)} %",
    )


def coins(symbols: object) -> list[str]:
    """A blacklist as it is stored: symbols in capitals, sorted, each once.

    Raises InvalidField naming the entry that is no symbol.
    """
    if not isinstance(symbols, list):
        raise InvalidField("blacklist", 'must be a list of coins, as ["DOGE"]')
    for place, symbol in enumerate(symbols):
        if not isinstance(symbol, str) or not _COIN.match(symbol.strip().upper()):
            raise InvalidField(f"blacklist.{place}", f"{symbol!r} is no coin; write symbols as BTC or DOGE")
    return sorted({symbol.strip().upper() for symbol in symbols})


def day_start(now: datetime, time_zone: str) -> datetime:
    """The last midnight in `time_zone` (IANA name), aware."""
    return now.astimezone(ZoneInfo(time_zone)).replace(hour=0, minute=0, second=0, microsecond=0)
