"""A double of the Venue port: one account in memory with a ledger of its own, and faults on demand."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count

from tradebot.contracts.errors import VenueRejected, VenueUnavailable, VenueUnknown
from tradebot.contracts.ports import (
    Balance,
    Candle,
    Depth,
    Features,
    Fees,
    Level,
    Market,
    OrderRequest,
    Ticker,
    VenueFill,
    VenueOrder,
)
from tradebot.contracts.values import HUNDRED, ZERO, Action, OrderType, Pair

BTC = Pair("BTC", "USDT")
MARKET = Market(
    pair=BTC,
    tick=Decimal("0.01"),
    step=Decimal("0.00001"),
    min_amount=Decimal("0.00001"),
    max_amount=Decimal(9000),
    min_notional=Decimal(5),
)
RECEIVE_WINDOW = timedelta(seconds=10)


@dataclass
class Standing:
    """An order as the venue keeps it. `other`: its partner in an OCO pair, of which one alone locks the coins."""

    request: OrderRequest
    venue_order_id: str
    at: datetime
    peak: Decimal
    other: Standing | None = None
    locks: bool = True
    status: str = "open"
    filled: Decimal = ZERO
    cost: Decimal = ZERO
    fills: list[VenueFill] = field(default_factory=list)


class FakeVenue:
    """Fills market orders at once at its price (`liquidity` limits how much), keeps others until `move` triggers them.

    `faults`: called one after the other by whatever places an order, each with a function that places it and returns
    the report.
    """

    name = "paper"

    def __init__(self, *, price: str = "30000", **free: str) -> None:
        self.price = Decimal(price)
        self.free = {coin: Decimal(amount) for coin, amount in (free or {"USDT": "10000"}).items()}
        self.used: dict[str, Decimal] = {}
        self.listed = {BTC: MARKET}
        self.features = Features()
        self.book: tuple[Decimal, Decimal] | None = None
        self.liquidity: Decimal | None = None
        self.fee_rate = ZERO
        self.reads_fail = False
        self.tells_fills = True
        self.faults: deque[Callable[[Callable[[], VenueOrder]], VenueOrder]] = deque()
        self.orders: dict[str, Standing] = {}
        self.calls: list[str] = []
        self.on_balances: Callable[[], None] | None = None
        self.clock: Callable[[], datetime] = _now
        self._numbers = count(1)
        self._lock = threading.RLock()

    # --- the port ---

    def market(self, pair: Pair) -> Market | None:
        return self.listed.get(pair)

    def pairs(self) -> frozenset[str]:
        return frozenset(map(str, self.listed))

    def ticker(self, pair: Pair, max_age: float = 0) -> Ticker:
        self._read("ticker")
        bid, ask = self.book or (self.price, self.price)
        return Ticker(pair, bid, ask, self.price, _now())

    def balances(self) -> Mapping[str, Balance]:
        self._read("balances")
        with self._lock:
            seen = {coin: Balance(free, self.used.get(coin, ZERO)) for coin, free in self.free.items()}
        if self.on_balances:
            self.on_balances()
        return seen

    def depth(self, pair: Pair, max_age: float = 0) -> Depth:
        self._read("depth")
        bid, ask = self.book or (self.price, self.price)
        amount = Decimal(1000) if self.liquidity is None else self.liquidity
        return Depth(pair, (Level(bid, amount),), (Level(ask, amount),), self.clock())

    def candles(self, pair: Pair, since: datetime, minutes: int) -> list[Candle]:
        return [Candle(since, *[self.price] * 4)]

    def fees(self, pair: Pair) -> Fees:
        return Fees(self.fee_rate, self.fee_rate)

    def place(self, request: OrderRequest) -> VenueOrder:
        return self._faulty("place", lambda: self._accept(request))

    def place_oco(self, stop: OrderRequest, profit: OrderRequest) -> tuple[VenueOrder, VenueOrder]:
        self._faulty("place_oco", lambda: self._accept_both(stop, profit))
        return self._report(self.orders[stop.client_id]), self._report(self.orders[profit.client_id])

    def replace(self, pair: Pair, client_id: str, request: OrderRequest) -> VenueOrder:
        return self._faulty("replace", lambda: self._replace(client_id, request))

    def find(self, pair: Pair, client_id: str) -> VenueOrder | None:
        self._read("find")
        found = self.orders.get(client_id)
        return self._report(found) if found else None

    def cancel(self, pair: Pair, client_id: str) -> VenueOrder | None:
        self._read("cancel")
        with self._lock:
            found = self.orders.get(client_id)
            if found is None or not _alive(found):
                return None
            self._end(found)
            return self._report(found)

    def open_orders(self, pair: Pair) -> Sequence[VenueOrder]:
        self._read("open_orders")
        return [self._report(order) for order in self.standing()]

    def fills(self, pair: Pair, venue_order_id: str) -> Sequence[VenueFill]:
        self._read("fills")
        return [fill for order in self.orders.values() for fill in order.fills if fill.venue_order_id == venue_order_id]

    def orders_since(self, pair: Pair, since: datetime) -> Sequence[VenueOrder]:
        self._read("orders_since")
        return [self._report(order) for order in self.orders.values() if order.at >= since]

    def fills_since(self, pair: Pair, since: datetime) -> Sequence[VenueFill]:
        self._read("fills_since")
        return [fill for order in self.orders.values() for fill in order.fills if fill.at >= since]

    # --- what tests do to it ---

    def standing(self) -> list[Standing]:
        return [order for order in self.orders.values() if _alive(order)]

    def placed(self, kind: OrderType | None = None) -> list[Standing]:
        return [order for order in self.orders.values() if kind is None or order.request.type == kind]

    def move(self, price: str) -> None:
        """Set the price; stops, profits and limits that it passes are filled there."""
        with self._lock:
            self.price = Decimal(price)
            for order in self.standing():
                order.peak = max(order.peak, self.price)
                if _alive(order) and _triggers(order, self.price):
                    self._execute(order, order.request.amount - order.filled)

    def fill(self, order: Standing, amount: str) -> None:
        """Execute part of a standing order."""
        with self._lock:
            self._execute(order, Decimal(amount))

    # --- inside ---

    def _read(self, what: str) -> None:
        self.calls.append(what)
        if self.reads_fail:
            raise VenueUnavailable("synthetic outage")

    def _faulty(self, what: str, accept: Callable[[], VenueOrder]) -> VenueOrder:
        self.calls.append(what)
        return self.faults.popleft()(accept) if self.faults else accept()

    def _accept_both(self, stop: OrderRequest, profit: OrderRequest) -> VenueOrder:
        with self._lock:
            report = self._accept(stop)
            second = Standing(profit, f"V{next(self._numbers)}", self.clock(), self.price, locks=False)
            first = self.orders[stop.client_id]
            first.other, second.other = second, first
            self.orders[profit.client_id] = second
            return report

    def _replace(self, client_id: str, request: OrderRequest) -> VenueOrder:
        with self._lock:
            old = self.orders.get(client_id)
            if old is None or not _alive(old):
                raise VenueRejected("The cancel failed; nothing was placed.", "-2022")
            if not self.features.replace:
                raise VenueRejected("This venue can't replace.", "synthetic")
            self._end(old)
            return self._accept(request)

    def _end(self, order: Standing) -> None:
        """Cancel it, and its partner with it."""
        for one in (order, order.other):
            if one is not None and _alive(one):
                self._unlock(one)
                one.status = "canceled"

    def _execute(self, order: Standing, amount: Decimal) -> None:
        if order.other is not None:
            self._unlock(order)
            self._end(order.other)
            order.other, order.locks = None, True
        else:
            self._unlock(order)
        self._fill(order, amount)
        self._lock_rest(order)

    def _accept(self, request: OrderRequest) -> VenueOrder:
        with self._lock:
            self._in_time(request)
            order = Standing(request, f"V{next(self._numbers)}", self.clock(), self.price)
            self._afford(request)
            self.orders[request.client_id] = order
            if request.type == OrderType.MARKET:
                part = request.amount if self.liquidity is None else min(self.liquidity, request.amount)
                self._fill(order, part)
                order.status = "filled" if order.filled == request.amount else "expired"
            else:
                self._lock_rest(order)
            return self._report(order)

    def _in_time(self, request: OrderRequest) -> None:
        """As Binance does with what it is told in `timestamp` and `recvWindow`."""
        if request.submitted_at is not None and self.clock() - request.submitted_at > RECEIVE_WINDOW:
            raise VenueRejected("Timestamp for this request is outside of the recvWindow.", "-1021")

    def _afford(self, request: OrderRequest) -> None:
        coin, needed = self._need(request, request.amount)
        if self.free.get(coin, ZERO) < needed:
            raise VenueRejected("Account has insufficient balance for requested action.", "-2010")

    def _need(self, request: OrderRequest, amount: Decimal) -> tuple[str, Decimal]:
        if request.side == Action.SELL:
            return request.pair.base, amount
        return request.pair.quote, amount * (request.price or self.price)

    def _lock_rest(self, order: Standing) -> None:
        if _alive(order):
            self._shift(order, 1)

    def _unlock(self, order: Standing) -> None:
        self._shift(order, -1)

    def _shift(self, order: Standing, sign: int) -> None:
        if not order.locks:
            return
        coin, needed = self._need(order.request, order.request.amount - order.filled)
        self.free[coin] = self.free.get(coin, ZERO) - sign * needed
        self.used[coin] = self.used.get(coin, ZERO) + sign * needed

    def _fill(self, order: Standing, amount: Decimal) -> None:
        if amount <= 0:
            return
        base, quote = order.request.pair.base, order.request.pair.quote
        price = order.request.price or self.price
        bought = order.request.side == Action.BUY
        fee_currency, fee = (base, amount * self.fee_rate) if bought else (quote, amount * price * self.fee_rate)
        sign = 1 if bought else -1
        self.free[base] = self.free.get(base, ZERO) + sign * amount
        self.free[quote] = self.free.get(quote, ZERO) - sign * amount * price
        self.free[fee_currency] -= fee
        order.filled += amount
        order.cost += amount * price
        order.status = "filled" if order.filled == order.request.amount else "partially_filled"
        order.fills.append(
            VenueFill(
                trade_id=f"T{next(self._numbers)}",
                venue_order_id=order.venue_order_id,
                pair=order.request.pair,
                side=order.request.side,
                amount=amount,
                price=price,
                fee=fee,
                fee_currency=fee_currency,
                at=self.clock(),
            )
        )

    def _report(self, order: Standing) -> VenueOrder:
        report = VenueOrder(
            venue_order_id=order.venue_order_id,
            client_id=order.request.client_id,
            pair=order.request.pair,
            side=order.request.side,
            type=order.request.type.value,
            status=order.status,
            amount=order.request.amount,
            filled=order.filled,
            average=order.cost / order.filled if order.filled else None,
            at=order.at,
            fills=tuple(order.fills),
        )
        return report if self.tells_fills else replace(report, fills=())


def _alive(order: Standing) -> bool:
    return order.status in {"open", "partially_filled"}


def _triggers(order: Standing, price: Decimal) -> bool:
    request = order.request
    if request.type == OrderType.TRAILING_STOP:
        return price <= order.peak * (HUNDRED - (request.trail or ZERO)) / HUNDRED
    if request.type == OrderType.STOP_LOSS:
        return request.stop_price is not None and price <= request.stop_price
    if request.type == OrderType.TAKE_PROFIT:
        return request.stop_price is not None and price >= request.stop_price
    if request.price is None:
        return False
    return price <= request.price if request.side == Action.BUY else price >= request.price


def _now() -> datetime:
    return datetime.now(UTC)


# --- faults ----------------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process died here."""


def answer_lost(accept: Callable[[], VenueOrder]) -> VenueOrder:
    accept()
    raise VenueUnknown("synthetic time-out")


def lost_on_the_way(accept: Callable[[], VenueOrder]) -> VenueOrder:
    raise VenueUnknown("synthetic time-out")


def unreachable(accept: Callable[[], VenueOrder]) -> VenueOrder:
    raise VenueUnavailable("synthetic refused connection")


def rejected(accept: Callable[[], VenueOrder]) -> VenueOrder:
    raise VenueRejected("Filter failure: NOTIONAL", "-1013")


def killed_before_sending(accept: Callable[[], VenueOrder]) -> VenueOrder:
    raise Killed


def killed_after_sending(accept: Callable[[], VenueOrder]) -> VenueOrder:
    accept()
    raise Killed


def strange_crash(accept: Callable[[], VenueOrder]) -> VenueOrder:
    accept()
    raise ZeroDivisionError
