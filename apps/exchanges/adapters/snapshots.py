"""Prices and books that all workers share: at most SNAPSHOT_MS old, then gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import structlog
from redis.exceptions import RedisError

from apps.exchanges.adapters.budget import DOWN_MS, Gate
from apps.exchanges.domain.wire import (
    MARK_SECONDS,
    MARKS,
    SNAPSHOT_MS,
    depth_key,
    mark_keys,
    pack_depth,
    pack_ticker,
    read_depth,
    read_ticker,
    ticker_key,
)
from tradebot import valkey
from tradebot.contracts.ports import Depth, Ticker
from tradebot.contracts.values import Pair

Told = TypeVar("Told", Ticker, Depth)
log = structlog.get_logger(__name__)
_marked: dict[str, str] = {}
"""The last mark that this process set for each ticker."""


def put_ticker(venue: str, ticker: Ticker) -> None:
    """Let every process know a price of this moment. Without Valkey it is lost, which nobody has to care about."""
    put_tickers(venue, [ticker])


def put_tickers(venue: str, tickers: Iterable[Ticker]) -> None:
    """As put_ticker, in one round trip. The first price of each five minutes is remembered for an hour."""
    told = {ticker_key(venue, str(ticker.pair)): ticker for ticker in tickers}
    _put({key: pack_ticker(ticker) for key, ticker in told.items()}, _marks(venue, told))


def _marks(venue: str, told: dict[str, Ticker]) -> dict[str, bytes]:
    now = datetime.now(UTC)
    found: dict[str, bytes] = {}
    for key, ticker in told.items():
        (mark,) = mark_keys(venue, str(ticker.pair), now, 1)
        if _marked.get(key) != mark:
            _marked[key] = mark
            found[mark] = f"{ticker.last:f}".encode("ascii")
    return found


def forget_marks(venue: str, pair: Pair) -> None:
    """Drop what is remembered of a market's last hour: a price that was set by hand is no rise."""
    try:
        valkey.client().delete(*mark_keys(venue, str(pair), datetime.now(UTC)))
    except RedisError as error:
        log.info("snapshots.without_valkey", error=type(error).__name__)


def put_depth(venue: str, depth: Depth) -> None:
    """As put_ticker, for a book."""
    put_depths(venue, [depth])


def put_depths(venue: str, depths: Iterable[Depth]) -> None:
    """As put_depth, in one round trip."""
    _put({depth_key(venue, str(depth.pair)): pack_depth(depth) for depth in depths})


def _put(values: dict[str, bytes], marks: dict[str, bytes] | None = None) -> None:
    try:
        with valkey.client().pipeline(transaction=False) as pipe:
            for key, value in values.items():
                pipe.set(key, value, px=SNAPSHOT_MS)
            for key, value in (marks or {}).items():
                pipe.set(key, value, nx=True, ex=MARKS * MARK_SECONDS)
            pipe.execute()
    except RedisError as error:
        log.info("snapshots.without_valkey", error=type(error).__name__)


class Shelf(Generic[Told]):
    """The shared snapshots of one venue and kind, as adapters read and write them."""

    def __init__(
        self,
        gate: Gate,
        key: Callable[[str, str], str],
        pack: Callable[[Told], bytes],
        read: Callable[[Pair, bytes | None], Told | None],
    ) -> None:
        self._gate = gate
        self._key = key
        self._pack: Callable[[Told], bytes] = pack
        self._read: Callable[[Pair, bytes | None], Told | None] = read
        self._down_until = 0

    def get(self, pair: Pair, max_age_ms: int) -> tuple[Told, int] | None:
        """What somebody was told at most so long ago, and its age in milliseconds."""
        now = time.monotonic_ns() // 1_000_000
        if now < self._down_until:
            return None
        key = self._key(self._gate.venue.name, str(pair))
        try:
            asking: Any = valkey.client().pipeline(transaction=False)
            with asking as pipe:
                value, left = pipe.get(key).pttl(key).execute()
        except RedisError:
            self._down_until = now + DOWN_MS
            return None
        age = SNAPSHOT_MS - left
        told = self._read(pair, value) if value and 0 <= age < max_age_ms else None
        return (told, age) if told else None

    def put(self, pair: Pair, told: Told) -> None:
        """Tell the others with the next request: that costs an order nothing."""
        self._gate.later(self._key(self._gate.venue.name, str(pair)), self._pack(told))


def tickers(gate: Gate) -> Shelf[Ticker]:
    return Shelf(gate, ticker_key, pack_ticker, read_ticker)


def depths(gate: Gate) -> Shelf[Depth]:
    return Shelf(gate, depth_key, pack_depth, read_depth)
