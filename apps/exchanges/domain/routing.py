"""Which venue an order goes to, if its user leaves that to us: one score, made of four parts that can be told apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from types import MappingProxyType

from apps.exchanges.domain.health import PER_MILLE, Breaker, Health
from tradebot.contracts.ports import Depth, Level, Ticker
from tradebot.contracts.values import ZERO, Action

ONE = Decimal(1)
WORST_COST = Decimal("0.02")
"""A slippage, or a fee, of 2 % scores nothing; none at all scores one."""

SLOW_MS = 2_000
"""A mean latency from which a venue's speed scores nothing."""

UNKNOWN = Decimal("0.5")
"""The score of what nobody measured: neither praised nor blamed."""

WEIGHTS: Mapping[str, Decimal] = MappingProxyType(
    {"liquidity": Decimal("0.5"), "fee": Decimal("0.2"), "health": Decimal("0.2"), "preference": Decimal("0.1")}
)
STANDARD_FEES: Mapping[str, Decimal] = MappingProxyType(
    {
        "binance": Decimal("0.001"),
        "okx": Decimal("0.001"),
        "bybit": Decimal("0.001"),
        "kraken": Decimal("0.004"),
        "coinbase": Decimal("0.006"),
    }
)
"""Taker fees of the lowest tier, as their price lists say; an operator's tier is `taker_fee` of the venue."""

_SHOWN = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class Candidate:
    """An account that could trade, and what is known of its venue without asking it. `preference`: 0 is the user's
    first choice. A candidate without `depth` is priced by its `ticker`; one with neither is not ranked."""

    key: str
    venue: str
    taker_fee: Decimal
    preference: int = 0
    depth: Depth | None = None
    ticker: Ticker | None = None
    health: Health | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """One candidate's. `price`: expected mean price for the size, fees apart; None if nothing is known. `refused` says
    why it can't be chosen, whatever it scores."""

    key: str
    venue: str
    total: Decimal
    parts: Mapping[str, Decimal] = field(default_factory=dict)
    price: Decimal | None = None
    filled: Decimal = ZERO
    refused: str = ""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What all candidates of one choice are measured against."""

    action: Action
    best: Decimal | None
    last: int
    now_ms: int


@dataclass(frozen=True, slots=True)
class _Walk:
    price: Decimal | None
    filled: Decimal
    refused: str = ""


def select_best_exchange(
    action: Action, notional: Decimal, candidates: Sequence[Candidate], now_ms: int
) -> tuple[Score, ...]:
    """Every candidate with its score, the best first; those that can't be chosen come last, each with the reason.

    `notional` is the size in quote currency, over 0. The score is the weighted sum (WEIGHTS) of four parts from 0 to 1:

    - liquidity: the book is walked for this size; what its mean price is worse than the best price of all candidates
      counts against it, WORST_COST scores 0; times the share of the size that the book holds. A candidate known by
      its ticker alone is taken to fill at bid or ask, at half the trust (UNKNOWN).
    - fee: the taker fee, from 0 (1) to WORST_COST (0).
    - health: the share of requests that succeed, times its speed (0 ms: 1, SLOW_MS: one half); UNKNOWN if it was not
      measured lately.
    - preference: 1 for the user's first choice, 0 for their last.

    Refused are: a venue in maintenance or with an open circuit breaker, an empty or crossed book, a venue without any
    price. Equal scores keep the user's order. Nothing here is random: the same facts give the same ranking.
    """
    if not notional > 0:
        raise ValueError("notional must be over 0")
    last = max((one.preference for one in candidates), default=0)
    asked = _Asked(action, _best_price(action, candidates), last, now_ms)
    scores = [_score(one, _walk(action, notional, one), asked) for one in candidates]
    order = {one.key: one.preference for one in candidates}
    return tuple(sorted(scores, key=lambda score: (bool(score.refused), -score.total, order[score.key])))


def chosen(ranking: Sequence[Score]) -> Score | None:
    """The best that may be chosen."""
    return ranking[0] if ranking and not ranking[0].refused else None


def _score(one: Candidate, walk: _Walk, asked: _Asked) -> Score:
    refused = walk.refused or _ill(one.health, asked.now_ms)
    parts = {
        "liquidity": _liquidity(one, walk, asked),
        "fee": _from_cost(one.taker_fee),
        "health": _health(one.health, asked.now_ms),
        "preference": ONE - Decimal(one.preference) / asked.last if asked.last else ONE,
    }
    total = sum((WEIGHTS[name] * part for name, part in parts.items()), ZERO)
    shown = {name: _rounded(part) for name, part in parts.items()}
    return Score(one.key, one.venue, _rounded(total), shown, walk.price, _rounded(walk.filled), refused)


def _walk(action: Action, notional: Decimal, one: Candidate) -> _Walk:
    """The mean price of filling `notional`, and the share of it that the book holds."""
    if one.depth is None:
        return _quoted(action, one.ticker)
    bids, asks = _usable(one.depth.bids), _usable(one.depth.asks)
    if not bids or not asks:
        return _Walk(None, ZERO, "its book is empty")
    if bids[0].price >= asks[0].price:
        return _Walk(None, ZERO, "its book is crossed")
    left, taken = notional, ZERO
    for level in asks if action is Action.BUY else bids:
        spent = min(left, level.price * level.amount)
        left, taken = left - spent, taken + spent / level.price
        if not left:
            break
    return _Walk((notional - left) / taken, (notional - left) / notional)


def _quoted(action: Action, ticker: Ticker | None) -> _Walk:
    if ticker is None:
        return _Walk(None, ZERO, "no price is known that is young enough")
    sides = (ticker.bid, ticker.ask)
    if not all(side.is_finite() and side > 0 for side in sides) or ticker.bid >= ticker.ask:
        return _Walk(None, ZERO, "its price makes no sense")
    return _Walk(ticker.ask if action is Action.BUY else ticker.bid, ONE)


def _best_price(action: Action, candidates: Sequence[Candidate]) -> Decimal | None:
    """The best price that any candidate shows, however little it is good for."""
    found = [price for one in candidates if (price := _walk(action, _LITTLE, one).price) is not None]
    if not found:
        return None
    return min(found) if action is Action.BUY else max(found)


_LITTLE = Decimal("0.000000000001")


def _usable(side: Sequence[Level]) -> list[Level]:
    return [level for level in side if _positive(level.price) and _positive(level.amount)]


def _positive(number: Decimal) -> bool:
    return number.is_finite() and number > 0


def _liquidity(one: Candidate, walk: _Walk, asked: _Asked) -> Decimal:
    best = asked.best
    if walk.price is None or not best:
        return ZERO
    worse = walk.price - best if asked.action is Action.BUY else best - walk.price
    trust = ONE if one.depth is not None else UNKNOWN
    return _from_cost(max(worse / best, ZERO)) * walk.filled * trust


def _from_cost(share: Decimal) -> Decimal:
    return max(ONE - share / WORST_COST, ZERO) if share < WORST_COST else ZERO


def _health(health: Health | None, now_ms: int) -> Decimal:
    if health is None or not health.is_fresh(now_ms):
        return UNKNOWN
    works = ONE - Decimal(health.errors) / PER_MILLE
    return works * (ONE - Decimal(min(health.latency_ms, SLOW_MS)) / (2 * SLOW_MS))


def _ill(health: Health | None, now_ms: int) -> str:
    if health is None:
        return ""
    if health.maintenance and health.opened:
        return "it is in maintenance"
    return f"its circuit breaker is open ({health.why})" if health.breaker(now_ms) is Breaker.OPEN else ""


def _rounded(number: Decimal) -> Decimal:
    return number.quantize(_SHOWN, ROUND_HALF_EVEN)
