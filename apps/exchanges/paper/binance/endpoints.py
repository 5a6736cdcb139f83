"""What each Binance endpoint answers: a function from a request to JSON, and the table of paths and weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from apps.exchanges.paper.binance import lists, shapes
from apps.exchanges.paper.binance.errors import ApiError, missing
from apps.exchanges.paper.binance.orders import client_id, read_order
from apps.exchanges.paper.binance.params import Params
from apps.exchanges.paper.binance.requests import Public, Signed, window
from apps.exchanges.paper.engine import Exchange
from apps.exchanges.paper.trade import Fill, Kind, Order, Reason, Refused

__all__ = ["ENDPOINTS", "Endpoint", "Public", "Signed"]

WIDTHS = {"1m": 1, "3m": 3, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "2h": 120, "4h": 240, "1d": 1440}
PAGE = 500
LONGEST_PAGE = 1000


def ping(_: Public) -> Any:
    return {}


def time(request: Public) -> Any:
    return {"serverTime": request.exchange.now()}


def exchange_info(request: Public) -> Any:
    names = _symbols(request)
    listings = [request.exchange.listing(name) for name in names]
    return shapes.exchange_info(listings, request.exchange.now())


def depth(request: Public) -> Any:
    book = request.exchange.book(request.symbol)
    return shapes.depth(book, request.params.limit(100, 5000), request.exchange.now())


def klines(request: Public) -> Any:
    width = WIDTHS.get(request.params.text("interval"))
    if width is None:
        raise ApiError(-1120, "Invalid interval.")
    exchange, params = request.exchange, request.params
    until = params.maybe_integer("endTime") or exchange.now()
    since = params.maybe_integer("startTime") or 0
    candles = exchange.tape.candles(request.symbol, width * 60_000, since=since, until=until)
    limit = params.limit(PAGE, LONGEST_PAGE)
    chosen = candles[:limit] if "startTime" in params else candles[-limit:]
    return [shapes.kline(candle, width * 60_000) for candle in chosen]


def day_ticker(request: Public) -> Any:
    return _each(request, _day_ticker)


def price_ticker(request: Public) -> Any:
    return _each(request, lambda exchange, name: {"symbol": name, "price": shapes.num(exchange.price(name))})


def book_ticker(request: Public) -> Any:
    return _each(request, lambda exchange, name: shapes.book_ticker(name, exchange.book(name)))


def new_order(request: Signed) -> Any:
    order, fills = request.exchange.place(request.account.id, read_order(request.params))
    return _answer(order, fills, request.params)


def test_order(request: Signed) -> Any:
    request.exchange.check(request.account.id, read_order(request.params))
    return {}


def get_order(request: Signed) -> Any:
    return shapes.query(_find(request))


def cancel_order(request: Signed) -> Any:
    order = request.exchange.cancel(request.account.id, request.symbol, **_which(request.params))
    return shapes.canceled(order, client_id(request.params))


def open_orders(request: Signed) -> Any:
    symbol = request.symbol if "symbol" in request.params else None
    orders = request.exchange.ledger.open_orders(account=request.account.id, symbol=symbol)
    return [shapes.query(order) for order in orders]


def cancel_open_orders(request: Signed) -> Any:
    exchange, symbol = request.exchange, request.symbol
    orders = exchange.ledger.open_orders(account=request.account.id, symbol=symbol)
    if not orders:
        raise Refused(Reason.UNKNOWN_ORDER)
    for order in orders:
        with suppress(Refused):  # the other leg of a list went with the first
            exchange.cancel(request.account.id, symbol, order_id=order.id)
    gone = [exchange.ledger.order(request.account.id, symbol, order_id=order.id) for order in orders]
    return [shapes.canceled(order, client_id(request.params)) for order in gone if order]


def all_orders(request: Signed) -> Any:
    where = window(request.params, from_id="orderId")
    orders = request.exchange.ledger.orders(
        request.account.id, request.symbol, where, request.params.limit(PAGE, LONGEST_PAGE)
    )
    return [shapes.query(order) for order in orders]


def my_trades(request: Signed) -> Any:
    where = window(request.params, from_id="fromId", order="orderId")
    fills = request.exchange.ledger.fills(
        request.account.id, request.symbol, where, request.params.limit(PAGE, LONGEST_PAGE)
    )
    return [shapes.trade(fill) for fill in fills]


def account(request: Signed) -> Any:
    holdings = request.exchange.ledger.holdings(request.account.id)
    omit_zero = request.params.optional("omitZeroBalances") == "true"
    return shapes.account(request.account, holdings, request.exchange.now(), omit_zero=omit_zero)


def restrictions(request: Signed) -> Any:
    return shapes.restrictions(request.account)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`weight`: what a call costs of the address's budget; `orders`: how many new orders it counts as."""

    answer: Callable[[Any], Any]
    weight: int = 1
    signed: bool = True
    orders: int = 0


ENDPOINTS = {
    ("GET", "/api/v3/ping"): Endpoint(ping, signed=False),
    ("GET", "/api/v3/time"): Endpoint(time, signed=False),
    ("GET", "/api/v3/exchangeInfo"): Endpoint(exchange_info, 20, signed=False),
    ("GET", "/api/v3/depth"): Endpoint(depth, 5, signed=False),
    ("GET", "/api/v3/klines"): Endpoint(klines, 2, signed=False),
    ("GET", "/api/v3/ticker/24hr"): Endpoint(day_ticker, 2, signed=False),
    ("GET", "/api/v3/ticker/price"): Endpoint(price_ticker, 2, signed=False),
    ("GET", "/api/v3/ticker/bookTicker"): Endpoint(book_ticker, 2, signed=False),
    ("POST", "/api/v3/order"): Endpoint(new_order, 1, orders=1),
    ("POST", "/api/v3/order/test"): Endpoint(test_order, 1),
    ("GET", "/api/v3/order"): Endpoint(get_order, 4),
    ("DELETE", "/api/v3/order"): Endpoint(cancel_order, 1),
    ("GET", "/api/v3/openOrders"): Endpoint(open_orders, 6),
    ("DELETE", "/api/v3/openOrders"): Endpoint(cancel_open_orders, 1),
    ("POST", "/api/v3/order/cancelReplace"): Endpoint(lists.cancel_replace, 1, orders=1),
    ("POST", "/api/v3/orderList/oco"): Endpoint(lists.new_oco, 1, orders=2),
    ("GET", "/api/v3/orderList"): Endpoint(lists.get_list, 4),
    ("DELETE", "/api/v3/orderList"): Endpoint(lists.cancel_list, 1),
    ("GET", "/api/v3/openOrderList"): Endpoint(lists.open_lists, 6),
    ("GET", "/api/v3/allOrderList"): Endpoint(lists.all_lists, 20),
    ("GET", "/api/v3/allOrders"): Endpoint(all_orders, 20),
    ("GET", "/api/v3/myTrades"): Endpoint(my_trades, 20),
    ("GET", "/api/v3/account"): Endpoint(account, 20),
    ("GET", "/sapi/v1/account/apiRestrictions"): Endpoint(restrictions, 1),
}


def _answer(order: Order, fills: list[Fill], params: Params) -> Any:
    """Market and limit orders answer FULL by default, the others ACK."""
    default = "FULL" if order.kind in {Kind.MARKET, Kind.LIMIT} else "ACK"
    wanted = params.optional("newOrderRespType", default)
    if wanted == "ACK":
        return shapes.ack(order)
    return shapes.result(order) if wanted == "RESULT" else shapes.full(order, fills)


def _symbols(request: Public) -> list[str]:
    if "symbol" in request.params:
        return [request.symbol]
    if "symbols" not in request.params:
        return list(request.exchange.listings)
    try:
        names = json.loads(request.params.text("symbols"))
    except ValueError:
        raise missing("symbols") from None
    if not isinstance(names, list):
        raise missing("symbols")
    return [request.exchange.listing(str(name)).symbol for name in names]


def _each(request: Public, shape: Callable[[Exchange, str], Any]) -> Any:
    """One object for `symbol`, a list for `symbols` or none."""
    answers = [shape(request.exchange, name) for name in _symbols(request)]
    return answers[0] if "symbol" in request.params else answers


def _day_ticker(exchange: Exchange, name: str) -> Any:
    now = exchange.now()
    return shapes.day_ticker(exchange.listing(name), exchange.book(name), exchange.tape.day(name, now), now)


def _which(params: Params) -> dict[str, Any]:
    if "orderId" in params:
        return {"order_id": params.integer("orderId")}
    if "origClientOrderId" in params:
        return {"client_id": params.text("origClientOrderId")}
    raise ApiError(-1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")


def _find(request: Signed) -> Order:
    order = request.exchange.ledger.order(request.account.id, request.symbol, **_which(request.params))
    if order is None:
        raise ApiError(-2013, "Order does not exist.")
    return order
