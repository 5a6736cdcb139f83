"""Snapshots and health as they lie in Valkey: JSON text, money as text. What can't be read counts as absent."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TypeVar

import msgspec

from apps.exchanges.domain.health import Health
from tradebot.contracts.ports import Depth, Level, Ticker
from tradebot.contracts.values import Pair

SNAPSHOT_MS = 2_000
"""How old a shared price or book may be; then it is gone."""

MARK_SECONDS = 300
"""How far apart the prices are that are remembered for an hour."""

MARKS = 13

T = TypeVar("T")


class _Ticker(msgspec.Struct, array_like=True):
    bid: Decimal
    ask: Decimal
    last: Decimal
    at: datetime


class _Depth(msgspec.Struct, array_like=True):
    bids: list[tuple[Decimal, Decimal]]
    asks: list[tuple[Decimal, Decimal]]
    at: datetime


def ticker_key(venue: str, pair: str) -> str:
    return f"tradebot:ticker:{venue}:{pair}"


def depth_key(venue: str, pair: str) -> str:
    return f"tradebot:depth:{venue}:{pair}"


def mark_keys(venue: str, pair: str, at: datetime, count: int = MARKS) -> list[str]:
    """Where the last `count` remembered prices up to `at` lie, the newest first."""
    newest = int(at.timestamp()) // MARK_SECONDS
    return [f"tradebot:price:{venue}:{pair}:{newest - back}" for back in range(count)]


def read_price(raw: bytes | None) -> Decimal | None:
    """A remembered price; None where there is none, or no price."""
    try:
        price = Decimal(raw.decode("ascii")) if raw else None
    except (ArithmeticError, UnicodeDecodeError):
        return None
    return price if price is not None and price.is_finite() and price > 0 else None


def health_key(venue: str) -> str:
    return f"tradebot:health:{venue}"


def pack_ticker(ticker: Ticker) -> bytes:
    return msgspec.json.encode(_Ticker(ticker.bid, ticker.ask, ticker.last, ticker.at))


def read_ticker(pair: Pair, raw: bytes | None) -> Ticker | None:
    told = _read(_Ticker, raw)
    return Ticker(pair, told.bid, told.ask, told.last, told.at) if told else None


def pack_depth(depth: Depth) -> bytes:
    bids, asks = ([(level.price, level.amount) for level in side] for side in (depth.bids, depth.asks))
    return msgspec.json.encode(_Depth(bids, asks, depth.at))


def read_depth(pair: Pair, raw: bytes | None) -> Depth | None:
    told = _read(_Depth, raw)
    return Depth(pair, _levels(told.bids), _levels(told.asks), told.at) if told else None


def pack_health(health: Health) -> bytes:
    return msgspec.json.encode(health)


def read_health(raw: bytes | None) -> Health:
    return _read(Health, raw) or Health()


def _levels(side: list[tuple[Decimal, Decimal]]) -> tuple[Level, ...]:
    return tuple(Level(price, amount) for price, amount in side)


def _read(kind: type[T], raw: bytes | None) -> T | None:
    try:
        return msgspec.json.decode(raw, type=kind) if raw else None
    except msgspec.MsgspecError:
        return None
