"""Candle files as a source of prices: each candle is walked open, extremes, close, at the pace they were recorded."""

from __future__ import annotations

import asyncio
import csv
import heapq
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TextIO

COLUMNS = ("time", "open", "high", "low", "close")
_MILLISECONDS_FROM = 100_000_000_000


@dataclass(frozen=True, slots=True, order=True)
class Move:
    """A market's price at a moment of the recording, in seconds."""

    at: float
    symbol: str
    price: Decimal


class BadCandles(ValueError):
    """A candle file can't be used; the text names file, line and remedy."""


def files(folder: Path, symbols: Collection[str]) -> Mapping[str, Path]:
    """Candle files by symbol: BTCUSDT.csv, BTC_USDT.csv or BTC_USDT-1m.csv. Raises BadCandles for one that
    is not listed or names no columns."""
    found = {_symbol(path): path for path in sorted(folder.glob("*.csv"))}
    for symbol, path in found.items():
        if symbol not in symbols:
            raise BadCandles(f"{path.name}: {symbol} is not listed here; name the file like BTCUSDT.csv")
        with path.open(newline="") as lines:
            _reader(path, lines)
    if not found:
        raise BadCandles(f"no *.csv in {folder}; name the files like BTCUSDT.csv")
    return found


def moves(candle_files: Mapping[str, Path]) -> Iterator[Move]:
    """All files' moves in the order of their time; read as they are needed, not at once."""
    return heapq.merge(*(_moves(symbol, path) for symbol, path in candle_files.items()))


async def play(recording: Iterator[Move], set_price: Callable[[str, Decimal], object], speed: float) -> None:
    """Set each price when it is due: `speed` recorded seconds pass in one second."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    first: float | None = None
    for move in recording:
        first = move.at if first is None else first
        await asyncio.sleep(started + (move.at - first) / speed - loop.time())
        set_price(move.symbol, move.price)


def _symbol(path: Path) -> str:
    return path.stem.split("-")[0].replace("_", "").upper()


def _moves(symbol: str, path: Path) -> Iterator[Move]:
    """A rising candle is walked open, low, high, close; a falling one open, high, low, close."""
    previous: tuple[float, list[Decimal]] | None = None
    for at, prices in _rows(path):
        width = at - previous[0] if previous else 60.0
        if width <= 0:
            raise BadCandles(f"{path.name}: times must rise; {at:.0f} does not")
        first, high, low, last = prices
        middle = (low, high) if last >= first else (high, low)
        for step, price in enumerate((first, *middle, last)):
            yield Move(at + width * step / 4, symbol, price)
        previous = (at, prices)


def _rows(path: Path) -> Iterator[tuple[float, list[Decimal]]]:
    with path.open(newline="") as lines:
        reader = _reader(path, lines)
        for row in reader:
            try:
                prices = [Decimal(row[name]) for name in COLUMNS[1:]]
                at = _seconds(row["time"])
            except (InvalidOperation, ValueError, TypeError):
                raise BadCandles(f"{path.name} line {reader.line_num}: not a time and four prices") from None
            if not all(price.is_finite() and price > 0 for price in prices):
                raise BadCandles(f"{path.name} line {reader.line_num}: prices must be above zero")
            yield at, prices


def _reader(path: Path, lines: TextIO) -> csv.DictReader[str]:
    reader = csv.DictReader(lines)
    if not set(COLUMNS) <= set(reader.fieldnames or ()):
        raise BadCandles(f"{path.name}: the first line must name the columns {', '.join(COLUMNS)}")
    return reader


def _seconds(text: str) -> float:
    """Epoch seconds, epoch milliseconds, or ISO 8601 (UTC when it names no zone)."""
    if text.isdigit():
        number = int(text)
        return number / 1000 if number > _MILLISECONDS_FROM else float(number)
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
