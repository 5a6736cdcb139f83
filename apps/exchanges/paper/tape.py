"""What happened to each market's price: one-minute candles of the last day, for tickers and klines."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from apps.exchanges.paper.trade import ZERO, Fill

MINUTE = 60_000
DAY_MINUTES = 1_440


@dataclass(slots=True)
class Candle:
    """`at`: its opening, milliseconds. Volumes in base and quote."""

    at: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = ZERO
    quote_volume: Decimal = ZERO
    trades: int = 0

    def add(self, later: Candle) -> None:
        """Merge a candle that follows this one."""
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.close = later.close
        self.volume += later.volume
        self.quote_volume += later.quote_volume
        self.trades += later.trades


class Tape:
    """Candles by symbol. Kept in memory: after a restart it begins anew from the last price."""

    def __init__(self) -> None:
        self._candles: dict[str, deque[Candle]] = {}

    def price(self, symbol: str, price: Decimal, at: int) -> None:
        candle = self._current(symbol, price, at)
        candle.high = max(candle.high, price)
        candle.low = min(candle.low, price)
        candle.close = price

    def trades(self, symbol: str, fills: Iterable[Fill]) -> None:
        for fill in fills:
            candle = self._current(symbol, fill.price, fill.at)
            candle.volume += fill.qty
            candle.quote_volume += fill.quote_qty
            candle.trades += 1

    def day(self, symbol: str, now: int) -> Candle:
        """The last 24 hours as one candle."""
        since = now - DAY_MINUTES * MINUTE
        known = self._candles[symbol]
        first, *rest = [candle for candle in known if candle.at >= since] or [known[-1]]
        day = _copy(first, since)
        for candle in rest:
            day.add(candle)
        return day

    def candles(self, symbol: str, width: int, *, since: int, until: int) -> list[Candle]:
        """Candles `width` milliseconds wide that open from `since` to `until`, oldest first; minutes without a price
        have none."""
        wide: list[Candle] = []
        for candle in self._candles[symbol]:
            start = candle.at - candle.at % width
            if not since <= start <= until:
                continue
            if wide and wide[-1].at == start:
                wide[-1].add(candle)
            else:
                wide.append(_copy(candle, start))
        return wide

    def _current(self, symbol: str, price: Decimal, at: int) -> Candle:
        candles = self._candles.setdefault(symbol, deque(maxlen=DAY_MINUTES))
        start = at - at % MINUTE
        opened = candles[-1].close if candles else price
        while candles and candles[-1].at > start:
            candles.pop()  # the operator has put the clock back: what comes now is the last that happened
        if not candles or candles[-1].at < start:
            candles.append(Candle(start, opened, max(opened, price), min(opened, price), price))
        return candles[-1]


def _copy(candle: Candle, at: int) -> Candle:
    return Candle(
        at, candle.open, candle.high, candle.low, candle.close, candle.volume, candle.quote_volume, candle.trades
    )
