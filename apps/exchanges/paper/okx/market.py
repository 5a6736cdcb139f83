"""Public endpoints: clock, instruments, prices and books; and what an account may know about itself."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from apps.exchanges.paper.okx import shapes
from apps.exchanges.paper.okx.errors import wrong
from apps.exchanges.paper.okx.request import Public, Signed, spot
from apps.exchanges.paper.trade import Listing

DEEPEST = 400
ONE = Decimal(1)
BARS = {"1m": 1, "3m": 3, "5m": 5, "15m": 15, "30m": 30, "1H": 60, "2H": 120, "4H": 240}
PAGE, LONGEST_PAGE = 100, 300


def time(request: Public) -> Any:
    return [{"ts": str(request.exchange.now())}]


def instruments(request: Public) -> Any:
    """Only spot is listed; the other kinds are empty."""
    if not spot(request):
        return []
    return [shapes.instrument(one, request.exchange.price(one.symbol)) for one in request.listings]


def ticker(request: Public) -> Any:
    return [_ticker(request, request.listing)]


def tickers(request: Public) -> Any:
    return [_ticker(request, one) for one in request.exchange.listings.values()] if spot(request) else []


def books(request: Public) -> Any:
    book = request.exchange.book(request.listing.symbol)
    return [shapes.books(book, request.params.limit(1, DEEPEST, "sz"), request.exchange.now())]


def candles(request: Public) -> Any:
    """The newest first, of those later than `before` and earlier than `after`."""
    params, now = request.params, request.exchange.now()
    width = BARS.get(params.optional("bar", "1m"))
    if width is None:
        raise wrong("bar")
    after, before = params.integer("after"), params.integer("before")
    found = request.exchange.tape.candles(
        request.listing.symbol,
        width * 60_000,
        since=0 if before is None else before + 1,
        until=now if after is None else after - 1,
    )
    newest = found[: -params.limit(PAGE, LONGEST_PAGE) - 1 : -1]
    return [shapes.candle(one, ended=one.at + width * 60_000 <= now) for one in newest]


def balance(request: Signed) -> Any:
    exchange, wanted = request.exchange, set(filter(None, request.params.optional("ccy").split(",")))
    holdings = exchange.ledger.holdings(request.account.id)
    held = {asset: one for asset, one in holdings.items() if asset in wanted or not wanted}
    prices = {one.base: exchange.price(one.symbol) for one in exchange.listings.values() if one.base in held}
    dollars = {one.quote: ONE for one in exchange.listings.values()}
    return [shapes.balance(held, dollars | prices, exchange.now())]


def config(request: Signed) -> Any:
    return [shapes.config(request.account)]


def trade_fee(request: Signed) -> Any:
    return [shapes.trade_fee(request.exchange.now())] if spot(request) else []


def currencies(request: Signed) -> Any:
    listings = request.exchange.listings.values()
    return [shapes.currency(asset) for asset in sorted({name for one in listings for name in (one.base, one.quote)})]


def _ticker(request: Public, listing: Listing) -> Any:
    exchange, now = request.exchange, request.exchange.now()
    return shapes.ticker(listing, exchange.book(listing.symbol), exchange.tape.day(listing.symbol, now), now)
