"""Order books that are given: read from a depth file or an operator, used up by trades, moved with the price."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from apps.exchanges.paper.book import Book, Level
from apps.exchanges.paper.trade import ZERO, Side

MOST_LEVELS = 5_000


class BadDepth(ValueError):
    """A given book can't be used; the text names what and the remedy."""


def files(folder: Path, symbols: Iterable[str]) -> Mapping[str, Book]:
    """Books by symbol from files like BTCUSDT.json: {"bids": [[price, qty], ...], "asks": [...]}. Raises BadDepth."""
    listed = set(symbols)
    found = {path.stem.replace("_", "").upper(): path for path in sorted(folder.glob("*.json"))}
    for symbol, path in found.items():
        if symbol not in listed:
            raise BadDepth(f"{path.name}: {symbol} is not listed here; name the file like BTCUSDT.json")
    if not found:
        raise BadDepth(f"no *.json in {folder}; name the files like BTCUSDT.json")
    return {symbol: _file(path) for symbol, path in found.items()}


def read(given: Mapping[str, Any]) -> Book:
    """`{"bids": [[price, qty], ...], "asks": [...]}`, in any order. It may be empty, or crossed. Raises BadDepth."""
    return Book(
        bids=tuple(sorted(_levels(given, "bids"), key=lambda level: -level.price)),
        asks=tuple(sorted(_levels(given, "asks"), key=lambda level: level.price)),
    )


@dataclass(slots=True)
class GivenBook:
    """`whole` as it was given when the price was `at`; `now` is what trades left of it."""

    whole: Book
    at: Decimal
    now: Book

    def move(self, price: Decimal) -> None:
        """Every level moves as far as the price did, and is whole again."""
        by = price - self.at
        self.now = Book(bids=_moved(self.whole.bids, by), asks=_moved(self.whole.asks, by))

    def take(self, side: Side, qty: Decimal) -> None:
        """Use up what an order of this side took."""
        left = []
        for level in self.now.facing(side):
            gone = min(qty, level.qty)
            qty -= gone
            if gone < level.qty:
                left.append(Level(level.price, level.qty - gone))
        bids, asks = (self.now.bids, tuple(left)) if side is Side.BUY else (tuple(left), self.now.asks)
        self.now = Book(bids=bids, asks=asks)


def _file(path: Path) -> Book:
    try:
        given = json.loads(path.read_text(), parse_float=Decimal)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise BadDepth(f'{path.name}: must be a JSON object {{"bids": [[price, qty], ...], "asks": [...]}}')
    try:
        return read(given)
    except BadDepth as error:
        raise BadDepth(f"{path.name}: {error}") from None


def _levels(given: Mapping[str, Any], name: str) -> list[Level]:
    rows = given.get(name)
    if not isinstance(rows, list) or len(rows) > MOST_LEVELS:
        raise BadDepth(f"{name}: must be a list of at most {MOST_LEVELS} [price, quantity]")
    return [_level(row, name) for row in rows]


def _level(row: object, name: str) -> Level:
    try:
        price, qty = (Decimal(str(value)) for value in row) if isinstance(row, list) else (ZERO, ZERO)
    except (InvalidOperation, ValueError):
        price = qty = ZERO
    if not (price.is_finite() and qty.is_finite() and price > 0 and qty > 0):
        raise BadDepth(f'{name}: each level is [price, quantity], both above zero, such as ["30000", "1.5"]')
    return Level(price, qty)


def _moved(levels: Iterable[Level], by: Decimal) -> tuple[Level, ...]:
    return tuple(Level(level.price + by, level.qty) for level in levels if level.price + by > 0)
