"""One account at one exchange through ccxt: what all dialects share. Quirks are in a file per exchange.

Money goes in and out as text (`number = str`) and is Decimal on our side. ccxt neither retries nor throttles here:
a retry could order twice, and a throttle per account knows nothing of the others. Measured on two slow cores against
the paper exchange: `place` 1.3-2.1 ms of CPU, a bare `create_order` 1.7-1.8 ms; a hundred accounts add under 1 MB.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, Self, TypeVar

import ccxt

from apps.exchanges.adapters import paging, told
from apps.exchanges.adapters.failures import SENSELESS, order_error, read_error
from apps.exchanges.adapters.shared import Shared, shared
from apps.exchanges.adapters.told import decimal, milliseconds, text
from apps.exchanges.domain.precision import misfit
from apps.exchanges.selectors import VenueInfo
from tradebot.contracts.errors import NotConfigured, VenueError, VenueRejected
from tradebot.contracts.ports import (
    Balance,
    Candle,
    Depth,
    Features,
    Fees,
    Market,
    OrderRequest,
    Ticker,
    VenueFill,
    VenueOrder,
)
from tradebot.contracts.values import ZERO, OrderType, Pair

T = TypeVar("T")
DEPTH_LEVELS = 50
RECEIVE_MS = 10_000
"""How old an order may be when it reaches the exchange: it carries its own moment, and the exchange refuses it later,
however long a process stood still before the wire."""
OPEN = frozenset({"open", "partially_filled"})
OFFERED = {
    OrderType.STOP_LOSS: "stop_loss",
    OrderType.TAKE_PROFIT: "take_profit",
    OrderType.TRAILING_STOP: "trailing_stop",
}
"""The field of Features that says whether the venue holds such an order."""


class CcxtVenue:
    """A tradebot.contracts.ports.Venue. Subclasses name their ccxt class and may override what their venue does
    otherwise; they must not add a retry of what places an order."""

    client_class: ClassVar[type[ccxt.Exchange]]
    features: Features = Features()

    def __init__(self, name: str, client: Any, common: Shared) -> None:
        self.name = name
        self.client = client
        self.client.begin()
        self._common = common

    # --- connecting ---------------------------------------------------------------------------------------------------

    @classmethod
    def connect(cls, venue: VenueInfo, api_key: str, secret: str, passphrase: str = "") -> Self:
        """A client of its own over the venue's shared connections and markets."""
        common = cls._shared(venue)
        client = copy.copy(common.client)
        client.apiKey, client.secret, client.password = api_key, secret, passphrase or None
        client.options = dict(client.options)
        return cls(venue.name, client, common)

    @classmethod
    def warm_up(cls, venue: VenueInfo) -> None:
        """Read the venue's markets into this process; leaves no open connection behind."""
        common = cls._shared(venue)
        cls(venue.name, common.client, common).pairs()
        common.client.session.close()

    @classmethod
    def _shared(cls, venue: VenueInfo) -> Shared:
        """Raises NotConfigured for the test network of a venue that has none."""
        if venue.sandbox and not venue.base_url and not cls.client_class.has_test_network:
            raise NotConfigured(
                f"venue {venue.name}: {venue.dialect} has no test network; switch its sandbox off, or give a base_url"
            )
        return shared(cls.client_class, venue)

    # --- the market ---------------------------------------------------------------------------------------------------

    def market(self, pair: Pair) -> Market | None:
        return self._markets().get(str(pair))

    def pairs(self) -> frozenset[str]:
        """Pairs that trade now."""
        return frozenset(pair for pair, market in self._markets().items() if market.active)

    def markets(self) -> Sequence[Market]:
        """Everything the venue lists: what services.sync_markets stores."""
        return tuple(self._markets().values())

    def ticker(self, pair: Pair, max_age: float = 0) -> Ticker:
        return self._common.prices.get(pair, max_age, lambda: self._ticker(pair))

    def _ticker(self, pair: Pair) -> Ticker:
        return told.prices(self._read("fetch_ticker", str(pair)), pair)

    def depth(self, pair: Pair, max_age: float = 0) -> Depth:
        return self._common.books.get(pair, max_age, lambda: self._depth(pair))

    def _depth(self, pair: Pair) -> Depth:
        return told.depth(self._read("fetch_order_book", str(pair), DEPTH_LEVELS), pair)

    def candles(self, pair: Pair, since: datetime, minutes: int) -> Sequence[Candle]:
        rows = self._read("fetch_ohlcv", str(pair), "1m", milliseconds(since), minutes)
        found = self._reading(lambda: [told.candle(row) for row in rows])
        end = since + timedelta(minutes=minutes)
        return sorted((each for each in found if since <= each.at < end), key=lambda each: each.at)

    def fees(self, pair: Pair) -> Fees:
        """What this account pays at present; asked anew each time."""
        fee = self._read("fetch_trading_fee", str(pair))
        return Fees(maker=Decimal(fee["maker"]), taker=Decimal(fee["taker"]))

    # --- the account --------------------------------------------------------------------------------------------------

    def balances(self) -> Mapping[str, Balance]:
        account = self._read("fetch_balance")
        held = {coin: Balance(decimal(free), decimal(account["used"].get(coin))) for coin, free in _free(account)}
        return {coin: balance for coin, balance in held.items() if balance.total}

    def may_withdraw(self) -> bool:
        """Whether this key could move money away; such a key is refused."""
        raise NotImplementedError(f"{type(self).__name__} can't read a key's rights")

    # --- orders -------------------------------------------------------------------------------------------------------

    def place(self, request: OrderRequest) -> VenueOrder:
        """One POST. The answer carries the fills it made at once, as far as the venue tells them."""
        self._check(request)
        return self._ordering(lambda: self._placed(request))

    def place_oco(self, stop: OrderRequest, profit: OrderRequest) -> tuple[VenueOrder, VenueOrder]:
        raise VenueRejected(f"{self.name} takes no two orders as one; place the stop and watch the profit")

    def replace(self, pair: Pair, client_id: str, request: OrderRequest) -> VenueOrder:
        raise VenueRejected(f"{self.name} can't exchange one order for another; cancel it, then place the other")

    def find(self, pair: Pair, client_id: str) -> VenueOrder | None:
        """The newest order with this client id, with its fills; None: the venue knows none (which proves nothing
        right after a time-out)."""
        order = self._known(lambda: self._lookup(pair, client_id))
        return None if order is None else self._with_fills(order, pair)

    def cancel(self, pair: Pair, client_id: str) -> VenueOrder | None:
        """Cancel it, or say what became of it when it is no longer open; None: the venue knows none.

        Safe to repeat. Raises VenueUnavailable when the answer was lost, VenueRejected when it refused and the order
        is still open.
        """
        refused: VenueRejected | None = None
        try:
            self._known(lambda: self._cancel(pair, client_id))
        except VenueRejected as error:
            refused = error
        order = self.find(pair, client_id)
        if refused and order and order.status in OPEN:
            raise refused
        return order

    def open_orders(self, pair: Pair) -> Sequence[VenueOrder]:
        return [self._order_told(order, pair) for order in self._open(pair)]

    def orders_since(self, pair: Pair, since: datetime) -> Sequence[VenueOrder]:
        """Without their fills: those are in fills_since."""
        return [self._order_told(order, pair) for order in self._listed(pair, since)]

    def fills(self, pair: Pair, venue_order_id: str) -> Sequence[VenueFill]:
        return [told.trade(trade, pair) for trade in self._trades_of(pair, venue_order_id)]

    def fills_since(self, pair: Pair, since: datetime) -> Sequence[VenueFill]:
        return [told.trade(trade, pair) for trade in self._trades(pair, since)]

    # --- what a dialect may do its own way ----------------------------------------------------------------------------

    def _placed(self, request: OrderRequest) -> VenueOrder:
        return self._order_told(self._call("create_order", *self._order(request)), request.pair)

    def _lookup(self, pair: Pair, client_id: str) -> Any:
        """ccxt's order of that client id, or None; OrderNotFound means None, too."""
        return self._call("fetch_order", None, str(pair), {"clientOrderId": client_id})

    def _cancel(self, pair: Pair, client_id: str) -> Any:
        return self._call("cancel_order", None, str(pair), {"clientOrderId": client_id})

    def _open(self, pair: Pair) -> Sequence[Any]:
        return list(self._read("fetch_open_orders", str(pair)))

    def _listed(self, pair: Pair, since: datetime) -> Sequence[Any]:
        return paging.forward(lambda start, size: self._read("fetch_orders", str(pair), start, size), since, 1000)

    def _trades(self, pair: Pair, since: datetime) -> Sequence[Any]:
        return paging.forward(lambda start, size: self._read("fetch_my_trades", str(pair), start, size), since, 1000)

    def _trades_of(self, pair: Pair, venue_order_id: str) -> Sequence[Any]:
        return list(self._read("fetch_my_trades", str(pair), None, None, {"orderId": venue_order_id}))

    def _order(self, request: OrderRequest) -> tuple[Any, ...]:
        """Arguments of ccxt's create_order: symbol, type, side, amount, price, params."""
        kind = "market" if request.price is None else "limit"
        price = None if request.price is None else text(request.price)
        return str(request.pair), kind, request.side.value, text(request.amount), price, self._params(request)

    def _params(self, request: OrderRequest) -> dict[str, str]:
        params = {"clientOrderId": request.client_id}
        if request.type is OrderType.STOP_LOSS:
            params["stopLossPrice"] = text(request.stop_price)
        elif request.type is OrderType.TAKE_PROFIT:
            params["takeProfitPrice"] = text(request.stop_price)
        return params

    def _type_told(self, order: Any) -> str:
        return str(order["type"])

    # --- machinery ----------------------------------------------------------------------------------------------------

    def _check(self, request: OrderRequest) -> None:
        """Raises VenueRejected, with nothing sent, for what this market can't take."""
        market = self.market(request.pair)
        reason = misfit(request, market) if market else f"{request.pair} is not listed at {self.name}"
        feature = OFFERED.get(request.type)
        if feature and not getattr(self.features, feature):
            reason = f"{self.name} holds no {feature} orders; it has to be watched by us"
        if reason:
            raise VenueRejected(reason)

    def _accepted(self, request: OrderRequest, venue_order_id: str) -> VenueOrder:
        """What became of an order whose acceptance is certain; open if that can't be told now."""
        if not venue_order_id:
            raise ValueError("the answer names no order")
        try:
            found = self.find(request.pair, request.client_id)
        except VenueError:
            found = None
        return found or VenueOrder(
            venue_order_id=venue_order_id,
            client_id=request.client_id,
            pair=request.pair,
            side=request.side,
            type=request.type.value,
            status="open",
            amount=request.amount,
            filled=ZERO,
            average=None,
            at=datetime.now(UTC),
        )

    def _with_fills(self, order: Any, pair: Pair) -> VenueOrder:
        if not order.get("trades") and decimal(order["filled"]):
            order["trades"] = self._trades_of(pair, order["id"])
        return self._order_told(order, pair)

    def _order_told(self, order: Any, pair: Pair) -> VenueOrder:
        return told.order(order, pair, self._type_told(order))

    def _markets(self) -> Mapping[str, Market]:
        """The shared markets; the first one to ask reads them for everybody."""
        try:
            known = self._common.markets()
        except (ccxt.BaseError, *SENSELESS) as error:
            raise read_error(error, self._common.client) from None
        if self.client.markets is not self._common.client.markets:
            self.client.set_markets_from_exchange(self._common.client)
        return known

    def _id(self, pair: Pair) -> str:
        """The venue's own name of a pair."""
        self._markets()
        return str(self.client.market(str(pair))["id"])

    def _call(self, method: str, *arguments: Any) -> Any:
        self._markets()
        self.client.begin()
        return getattr(self.client, method)(*arguments)

    def _read(self, method: str, *arguments: Any) -> Any:
        return self._reading(lambda: self._call(method, *arguments))

    def _reading(self, ask: Callable[[], T]) -> T:
        """What `ask` says, errors as those of a read."""
        try:
            return ask()
        except (ccxt.BaseError, *SENSELESS) as error:
            raise read_error(error, self.client) from None

    def _known(self, ask: Callable[[], T]) -> T | None:
        """As _reading; None for an order that the venue does not know."""
        self.client.begin()
        try:
            return ask()
        except ccxt.OrderNotFound:
            return None
        except (ccxt.BaseError, *SENSELESS) as error:
            raise read_error(error, self.client) from None

    def _ordering(self, send: Callable[[], T]) -> T:
        """What `send` says, errors as those of an order."""
        self.client.begin()
        try:
            return send()
        except (ccxt.BaseError, *SENSELESS) as error:
            raise order_error(error, self.client) from None


def _free(account: Any) -> list[tuple[str, Any]]:
    return list(account["free"].items())


def order_since(order: Any, since: datetime) -> bool:
    """Whether ccxt's order was made at or after `since`."""
    return (order["timestamp"] or 0) >= milliseconds(since)
