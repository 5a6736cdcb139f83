"""Binance's JSON for what streams tell: executions, balances, order lists, tickers and books
(docs: user-data-stream, web-socket-streams)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from apps.exchanges.paper.binance import shapes
from apps.exchanges.paper.binance.shapes import Json, num
from apps.exchanges.paper.book import Book, Level
from apps.exchanges.paper.engine import Exchange
from apps.exchanges.paper.events import Balances, Deposited, Event, Executed, Listed
from apps.exchanges.paper.trade import ZERO, Listing, Order

LEVELS = (5, 10, 20)


def user_event(event: Event) -> Json:
    """The event as a user-data stream tells it."""
    if isinstance(event, Executed):
        return _execution(event)
    if isinstance(event, Balances):
        return _balances(event)
    if isinstance(event, Deposited):
        moved = {"a": event.asset, "d": num(event.amount), "T": event.at}
        return {"e": "balanceUpdate", "E": event.at} | moved
    return _list(event)


def _execution(event: Executed) -> Json:
    order, fill = event.order, event.fill
    return {
        "e": "executionReport",
        "E": event.at,
        "s": order.symbol,
        "c": order.client_id,
        "S": order.side.upper(),
        "o": order.kind.upper(),
        "f": order.tif.upper(),
        "q": num(order.qty),
        "p": num(order.price),
        "P": num(order.stop_price),
        "F": num(ZERO),
        "g": order.list_id or -1,
        "C": order.client_id if event.what == "canceled" else "",
        "x": event.what.upper(),
        "X": order.status.upper(),
        "r": "NONE",
        "i": order.id,
        "l": num(fill.qty if fill else ZERO),
        "z": num(order.filled),
        "L": num(fill.price if fill else ZERO),
        "n": num(fill.fee) if fill else "0",
        "N": fill.fee_asset if fill else None,
        "T": event.at,
        "t": fill.id if fill else -1,
        "I": event.at,
        "w": order.open and order.working,
        "m": bool(fill and fill.maker),
        "M": bool(fill),
        "O": order.created_at,
        "Z": num(order.quote_filled),
        "Y": num(fill.quote_qty if fill else ZERO),
        "Q": num(order.quote_qty),
        "W": order.working_at,
        "V": "NONE",
    } | _trailing(order)


def _trailing(order: Order) -> Json:
    return {"d": order.trail} if order.trail else {}


def _balances(event: Balances) -> Json:
    held = [{"a": asset, "f": num(has.free), "l": num(has.locked)} for asset, has in event.holdings.items()]
    return {"e": "outboundAccountPosition", "E": event.at, "u": event.at, "B": held}


def _list(event: Listed) -> Json:
    done = event.list.done
    return {
        "e": "listStatus",
        "E": event.at,
        "s": event.list.symbol,
        "g": event.list.id,
        "c": "OCO",
        "l": "ALL_DONE" if done else "EXEC_STARTED",
        "L": "ALL_DONE" if done else "EXECUTING",
        "r": "NONE",
        "C": event.list.client_id,
        "T": event.at,
        "O": [{"s": leg.symbol, "i": leg.id, "c": leg.client_id} for leg in event.legs],
    }


def market_event(exchange: Exchange, stream: str) -> Json | None:
    """What a market stream (btcusdt@bookTicker) shows now; None for a stream that is not offered."""
    name, _, what = stream.partition("@")
    listing = exchange.listings.get(name.upper())
    make = STREAMS.get(what.removesuffix("@100ms").removesuffix("@1000ms"))
    return make(exchange, listing) if listing and make else None


def _mini_ticker(exchange: Exchange, listing: Listing) -> Json:
    day = _day(exchange, listing)
    names = {"c": "lastPrice", "o": "openPrice", "h": "highPrice", "l": "lowPrice", "v": "volume", "q": "quoteVolume"}
    told = {"e": "24hrMiniTicker", "E": day["closeTime"], "s": listing.symbol}
    return told | {short: day[name] for short, name in names.items()}


def _ticker(exchange: Exchange, listing: Listing) -> Json:
    day = _day(exchange, listing)
    names = {"p": "priceChange", "P": "priceChangePercent", "w": "weightedAvgPrice", "x": "prevClosePrice"}
    names |= {"Q": "lastQty", "b": "bidPrice", "B": "bidQty", "a": "askPrice", "A": "askQty"}
    names |= {"O": "openTime", "C": "closeTime", "F": "firstId", "L": "lastId", "n": "count"}
    return _mini_ticker(exchange, listing) | {"e": "24hrTicker"} | {short: day[name] for short, name in names.items()}


def _book_ticker(exchange: Exchange, listing: Listing) -> Json:
    best = shapes.book_ticker(listing.symbol, exchange.book(listing.symbol))
    names = {"s": "symbol", "b": "bidPrice", "B": "bidQty", "a": "askPrice", "A": "askQty"}
    return {"u": exchange.now()} | {short: best[name] for short, name in names.items()}


def _day(exchange: Exchange, listing: Listing) -> Json:
    now, symbol = exchange.now(), listing.symbol
    return shapes.day_ticker(listing, exchange.book(symbol), exchange.tape.day(symbol, now), now)


def _depth(levels: int) -> Callable[[Exchange, Listing], Json]:
    return lambda exchange, listing: shapes.depth(exchange.book(listing.symbol), levels, exchange.now())


class Diff:
    """One connection's diff-depth stream of one book: what changed since it was last told, with ids that follow on one
    another (docs: web-socket-streams, Diff. Depth Stream)."""

    def __init__(self) -> None:
        self._told: dict[str, dict[Decimal, Decimal]] = {"b": {}, "a": {}}
        self._last = 0

    def next(self, symbol: str, book: Book, now: int) -> Json | None:
        """The event that brings a reader up to `book`; None if nothing changed."""
        standing = {"b": _standing(book.bids), "a": _standing(book.asks)}
        changes = {side: _changes(self._told[side], standing[side]) for side in standing}
        if not any(changes.values()):
            return None
        first, self._last = self._last + 1, max(now, self._last + 1)
        event = {"e": "depthUpdate", "E": now, "s": symbol, "U": first if self._told["b"] else self._last}
        self._told = standing
        return event | {"u": self._last} | changes


def _standing(levels: tuple[Level, ...]) -> dict[Decimal, Decimal]:
    return {level.price: level.qty for level in levels}


def _changes(before: Mapping[Decimal, Decimal], now: Mapping[Decimal, Decimal]) -> list[list[str]]:
    gone = {price: ZERO for price in before if price not in now}
    new = {price: qty for price, qty in now.items() if before.get(price) != qty}
    return [[num(price), num(qty)] for price, qty in (gone | new).items()]


STREAMS: dict[str, Callable[[Exchange, Listing], Json]] = {
    "miniTicker": _mini_ticker,
    "ticker": _ticker,
    "bookTicker": _book_ticker,
} | {f"depth{levels}": _depth(levels) for levels in LEVELS}


def wrapped(event: Any, subscription: int) -> Json:
    """A user event on the websocket API."""
    return {"subscriptionId": subscription, "event": event}
