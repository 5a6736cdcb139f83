"""One OKX request from bytes to answer: find the endpoint, count it, prove the account, run its rows, wrap it up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from apps.exchanges.paper.engine import Exchange
from apps.exchanges.paper.ledger import Account
from apps.exchanges.paper.limits import Limits
from apps.exchanges.paper.okx import algos, market, orders, shapes
from apps.exchanges.paper.okx.auth import signed_account
from apps.exchanges.paper.okx.errors import BAD_REQUEST, TOO_MANY, ApiError, RowError, wrong
from apps.exchanges.paper.okx.params import WHOLE, Params, read
from apps.exchanges.paper.okx.request import Public, Signed
from apps.exchanges.paper.wire import Answer, Call

PREFIXES = ("/api/v5/",)
LONGEST_BATCH = 20


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`rows`: each row of the body is told on its own; `orders`: each counts as a new order; `algo`: of stops."""

    answer: Callable[[Any], Any]
    signed: bool = True
    rows: bool = False
    orders: bool = False
    algo: bool = False


ENDPOINTS = {
    ("GET", "public/time"): Endpoint(market.time, signed=False),
    ("GET", "public/instruments"): Endpoint(market.instruments, signed=False),
    ("GET", "market/ticker"): Endpoint(market.ticker, signed=False),
    ("GET", "market/tickers"): Endpoint(market.tickers, signed=False),
    ("GET", "market/books"): Endpoint(market.books, signed=False),
    ("GET", "market/candles"): Endpoint(market.candles, signed=False),
    ("GET", "market/history-candles"): Endpoint(market.candles, signed=False),
    ("GET", "account/balance"): Endpoint(market.balance),
    ("GET", "account/config"): Endpoint(market.config),
    ("GET", "account/trade-fee"): Endpoint(market.trade_fee),
    ("GET", "asset/currencies"): Endpoint(market.currencies),
    ("POST", "trade/order"): Endpoint(orders.place, rows=True, orders=True),
    ("POST", "trade/batch-orders"): Endpoint(orders.place, rows=True, orders=True),
    ("POST", "trade/cancel-order"): Endpoint(orders.cancel, rows=True),
    ("POST", "trade/cancel-batch-orders"): Endpoint(orders.cancel, rows=True),
    ("GET", "trade/order"): Endpoint(orders.get),
    ("GET", "trade/orders-pending"): Endpoint(orders.pending),
    ("GET", "trade/orders-history"): Endpoint(orders.history),
    ("GET", "trade/orders-history-archive"): Endpoint(orders.history),
    ("GET", "trade/fills"): Endpoint(orders.fills),
    ("GET", "trade/fills-history"): Endpoint(orders.fills),
    ("POST", "trade/order-algo"): Endpoint(algos.place, rows=True, orders=True, algo=True),
    ("POST", "trade/cancel-algos"): Endpoint(algos.cancel, rows=True, algo=True),
    ("GET", "trade/order-algo"): Endpoint(algos.get),
    ("GET", "trade/orders-algo-pending"): Endpoint(algos.pending),
    ("GET", "trade/orders-algo-history"): Endpoint(algos.history),
}


class OkxDialect:
    """OKX v5 spot, REST."""

    def __init__(self, exchange: Exchange, limits: Limits | None = None) -> None:
        self._exchange = exchange
        self._limits = limits or Limits()

    def answer(self, call: Call) -> Answer:
        """Always an answer `{"code", "msg", "data"}`; `code` "0" is success."""
        endpoint = ENDPOINTS.get((call.method, call.path.removeprefix(PREFIXES[0])))
        try:
            if endpoint is None:
                raise ApiError(50404, "Invalid path", 404)
            return Answer(200, self._answered(call, endpoint))
        except (ApiError, RowError) as error:
            status = error.status if isinstance(error, ApiError) else 200
            return Answer(status, _envelope([], error.code, error.msg))

    def _answered(self, call: Call, endpoint: Endpoint) -> Any:
        _, exceeded = self._limits.spend(call.address, 1, self._exchange.now())
        if exceeded:
            raise ApiError(50011, "Too Many Requests", TOO_MANY)
        if not endpoint.signed:
            return _envelope(endpoint.answer(Public(self._exchange, read("GET", call.query, "")[0])))
        owner = signed_account(self._exchange.ledger, call, self._exchange.now())
        given = read(call.method, call.query, call.body)
        if not endpoint.rows:
            return _envelope(endpoint.answer(Signed(self._exchange, given[0], owner)))
        self._check(call, endpoint, owner, given)
        return _told([self._row(endpoint, owner, params) for params in given])

    def _check(self, call: Call, endpoint: Endpoint, owner: Account, given: Sequence[Params]) -> None:
        expires = call.headers.get("expTime", "")
        if len(given) > LONGEST_BATCH:
            raise ApiError(50025, f"Parameter count exceeds the limit {LONGEST_BATCH}", BAD_REQUEST)
        if expires and not WHOLE.fullmatch(expires):
            raise wrong("expTime")
        if expires and int(expires) < self._exchange.now():
            raise ApiError(50036, "The expTime can't be earlier than the current system time.")
        if endpoint.orders and self._limits.order(owner.api_key, self._exchange.now()):
            raise ApiError(50011, "Too Many Requests", TOO_MANY)

    def _row(self, endpoint: Endpoint, owner: Account, params: Params) -> Any:
        try:
            told = endpoint.answer(Signed(self._exchange, params, owner))
        except (ApiError, RowError) as error:
            name = "algoClOrdId" if endpoint.algo else "clOrdId"
            given = str(params.given.get(name) or "")
            return shapes.row(code=error.code, msg=error.msg, algo=endpoint.algo, client_id=given)
        if endpoint.orders:
            self._limits.ordered(owner.api_key, self._exchange.now())
        return told


def _told(rows: Sequence[Any]) -> Any:
    failed = sum(row["sCode"] != "0" for row in rows)
    if not failed:
        return _envelope(rows)
    if failed == len(rows):
        return _envelope(rows, "1", "All operations failed")
    return _envelope(rows, "2", "Bulk operation partially succeeded")


def _envelope(data: Any, code: str = "0", msg: str = "") -> Any:
    return {"code": code, "msg": msg, "data": data}
