"""Was it right? Prices at a moment, outcomes and hits, Wilson intervals, what they are worth, and when they are bad."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tradebot.contracts.errors import InvalidField
from tradebot.contracts.ports import Candle
from tradebot.contracts.values import Direction

BEFORE = timedelta(hours=1)
"""How far the price-only baseline looks back: it goes on as the last hour went."""
MINUTE = timedelta(minutes=1)
NEAR = 5 * MINUTE
"""A price is of a moment if a candle begins this soon after it, or else this shortly before it."""
PAGE = 100
"""Minutes asked for at once: all our venues give so many candles in one answer."""
COIN_FLIP = 0.5
LEAST = 30
"""Calls before anything follows from their share of hits, be it a weight or a demotion."""
GAIN = 5.0
"""What one whole of hit rate, beyond doubt better or worse than prices alone, adds to a weight's factor of one."""
LOWEST, HIGHEST = 0.5, 1.5
Z95 = 1.959964
_UNITS = {"m": 1, "h": 60, "d": 1_440}
_SHORTEST, _LONGEST, _MOST = 5, 7 * 1_440, 6
_HIGHEST_BAND = 10.0
_HUNDRED = 100


# --- settings --------------------------------------------------------------------------------------------------------


def horizons(text: str, setting: str) -> tuple[int, ...]:
    """`1h,4h,24h` in minutes, shortest first; raises InvalidField naming the setting."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    found = tuple(sorted({_minutes(part, setting) for part in parts}))
    if not found or len(found) > _MOST:
        raise InvalidField(setting, f"{text[:80]!r}: give one to {_MOST} times, as in 1h,4h,24h")
    return found


def band(text: str, setting: str) -> float:
    """`0.2` percent as a share, 0.002; raises InvalidField naming the setting."""
    try:
        percent = float(text)
    except ValueError:
        percent = math.nan
    if not 0 <= percent <= _HIGHEST_BAND:
        raise InvalidField(setting, f"{text[:40]!r}: give a percentage from 0 to {_HIGHEST_BAND:.0f}, as in 0.2")
    return percent / _HUNDRED


def _minutes(part: str, setting: str) -> int:
    number, unit = part[:-1], part[-1:]
    minutes = int(number) * _UNITS.get(unit, 0) if number.isascii() and number.isdigit() else 0
    if not _SHORTEST <= minutes <= _LONGEST:
        raise InvalidField(setting, f"{part[:40]!r}: give a time from 5m to 7d, as in 15m, 4h or 1d")
    return minutes


def spoken(minutes: int) -> str:
    """240 as `4h`."""
    unit = next(unit for unit in ("h", "m") if minutes % _UNITS[unit] == 0)
    return f"{minutes // _UNITS[unit]}{unit}"


# --- prices ----------------------------------------------------------------------------------------------------------


def minute(moment: datetime) -> datetime:
    """The first whole minute that begins at or after the moment: its opening price was there to be had."""
    at = moment.astimezone(UTC)
    whole = at.replace(second=0, microsecond=0)
    return whole if whole == at else whole + MINUTE


def price_at(candles: Sequence[Candle], moment: datetime) -> Decimal | None:
    """The price at a moment, of candles in the order of their time; None where none is near."""
    wanted = minute(moment)
    place = bisect_left(candles, wanted, key=lambda candle: candle.at)
    if place < len(candles) and candles[place].at <= wanted + NEAR:
        price = candles[place].open
    elif place and candles[place - 1].at >= wanted - NEAR:
        price = candles[place - 1].close
    else:
        return None
    return price if price.is_finite() and price > 0 else None


def pages(moments: Iterable[datetime]) -> Iterator[tuple[datetime, int]]:
    """What to ask so that every moment's candles come: beginnings and minutes, each at most PAGE."""
    waiting = sorted({minute(moment) for moment in moments})
    while waiting:
        start = waiting[0] - NEAR
        reach = [each for each in waiting if each + NEAR < start + PAGE * MINUTE]
        yield start, (reach[-1] + NEAR - start) // MINUTE + 1
        waiting = waiting[len(reach) :]


def move(before: Decimal, after: Decimal) -> float:
    """From one price to another, as a share: 0.01 is one percent up."""
    return float(after / before - 1)


def outcome(moved: float, neutral: float) -> str:
    """up, down, or flat where the move stayed within the neutral band."""
    if abs(moved) <= neutral:
        return "flat"
    return "up" if moved > 0 else "down"


# --- figures ---------------------------------------------------------------------------------------------------------


def wilson(hits: int, calls: int, z: float = Z95) -> tuple[float, float]:
    """Wilson's score interval of a share; all there is, where nothing was counted. Source: Wilson 1927."""
    if not calls:
        return 0.0, 1.0
    share, spread = hits / calls, z * z / calls
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / calls + spread / (4 * calls))
    return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True, slots=True)
class Tally:
    """Calls whose price left the neutral band, how many were right, and what prices alone would have said of them."""

    calls: int = 0
    hits: int = 0
    flat: int = 0
    momentum_calls: int = 0
    momentum_hits: int = 0
    up_hits: int = 0

    @property
    def rate(self) -> float | None:
        return self.hits / self.calls if self.calls else None

    @property
    def interval(self) -> tuple[float, float]:
        return wilson(self.hits, self.calls)

    @property
    def momentum(self) -> float | None:
        """Share of hits of: it goes on as in the hour before."""
        return self.momentum_hits / self.momentum_calls if self.momentum_calls else None

    @property
    def up(self) -> float | None:
        """Share of hits of: it always goes up."""
        return self.up_hits / self.calls if self.calls else None

    def plus(self, direction: Direction, told: str, moved_before: float | None) -> Tally:
        """With one call more; neutral is no call."""
        if direction is Direction.NEUTRAL:
            return self
        if told == "flat":
            return Tally(self.calls, self.hits, self.flat + 1, self.momentum_calls, self.momentum_hits, self.up_hits)
        rose = told == "up"
        return Tally(
            self.calls + 1,
            self.hits + (rose is (direction is Direction.BULLISH)),
            self.flat,
            self.momentum_calls + bool(moved_before),
            self.momentum_hits + (bool(moved_before) and rose is ((moved_before or 0) > 0)),
            self.up_hits + rose,
        )


def baseline(everything: Tally) -> float:
    """What a share of hits must beat: the better price-only rule over all marks, and never less than a coin."""
    known = [everything.up] if everything.calls >= LEAST else []
    known += [everything.momentum] if everything.momentum_calls >= LEAST else []
    return max([COIN_FLIP, *(share for share in known if share is not None)])


def factor(tally: Tally, base: float) -> float:
    """What an analyzer's weight is multiplied by, 0.5 to 1.5: only what lies beyond doubt counts, so that a few lucky
    calls change nothing."""
    if tally.calls < LEAST:
        return 1.0
    low, high = tally.interval
    edge = max(0.0, low - base) + min(0.0, high - base)
    return round(min(max(1 + GAIN * edge, LOWEST), HIGHEST), 4)


def drifted(tally: Tally, base: float, least: int, horizon: int) -> str:
    """Why a source is to be trusted no more: it is worse than prices alone beyond doubt. Empty where it is not."""
    high = tally.interval[1]
    if tally.calls < max(least, 1) or high >= base:
        return ""
    return (
        f"right in {tally.hits} of {tally.calls} calls after {spoken(horizon)}: at most {high:.0%} "
        f"(95 % interval), where prices alone give {base:.0%}"
    )
