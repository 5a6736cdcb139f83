"""One account at one exchange through ccxt: what all dialects share. Quirks are in a file per exchange.

Money goes in and out as text (`number = str`) and is Decimal on our side. ccxt neither retries nor throttles here:
a retry could order twice, and a throttle per account knows nothing of the others. Measured on two slow cores against
the paper exchange: `place` 1.3-2.1 ms of CPU, a bare `create_order` 1.7-1.8 ms; a hundred accounts add under 1 MB.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar, Self

import ccxt

from apps.exchanges.adapters.failures import SENSELESS, order_error, read_error
from apps.exchanges.adapters.shared import Shared, shared
from apps.exchanges.domain.precision import misfit
from apps.exchanges.selectors import VenueInfo
from tradebot.contracts.errors import VenueRejected, VenueUnavailable
from tradebot.contracts.ports import Balance, Market, OrderRequest, Ticker, VenueFill, VenueOrder
from tradebot.contracts.values import ZERO, Action, OrderType, Pair

_STATUS = {
    "closed": "filled",
    "canceled": "canceled",
    "canceling": "open",
    "expired": "expired",
    "rejected": "rejected",
    "open": "open",
}


class CcxtVenue:
    """A tradebot.contracts.ports.Venue. Subclasses name their ccxt class and may override what their venue does
    otherwise; they must not add a retry."""

    client_class: ClassVar[type[ccxt.Exchange]]

    def __init__(self, name: str, client: Any, common: Shared) -> None:
        self.name = name
        self.client = client
        self._common = common

    @classmethod
    def connect(cls, venue: VenueInfo, api_key: str, secret: str) -> Self:
        """A client of its own over the venue's shared connections and markets."""
        common = shared(cls.client_class, venue)
        client = copy.copy(common.client)
        client.apiKey, client.secret = api_key, secret
        client.options = dict(client.options)
        return cls(venue.name, client, common)

    @classmethod
    def warm_up(cls, venue: VenueInfo) -> None:
        """Read the venue's markets into this process; leaves no open connection behind."""
        common = shared(cls.client_class, venue)
        cls(venue.name, common.client, common).pairs()
        common.client.session.close()

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
        told = self._read("fetch_ticker", str(pair))
        bid, ask, last = (_decimal(told[side]) for side in ("bid", "ask", "last"))
        if not (bid > 0 and ask > 0 and last > 0):
            raise VenueUnavailable(f"{self.name} has no price for {pair}")
        return Ticker(pair=pair, bid=bid, ask=ask, last=last, at=_moment(told["timestamp"]))

    def balances(self) -> Mapping[str, Balance]:
        told = self._read("fetch_balance")
        held = {coin: Balance(_decimal(free), _decimal(told["used"].get(coin))) for coin, free in told["free"].items()}
        return {coin: balance for coin, balance in held.items() if balance.total}

    def place(self, request: OrderRequest) -> VenueOrder:
        """One POST. The answer carries the fills it made at once."""
        market = self.market(request.pair)
        reason = misfit(request, market) if market else f"{request.pair} is not listed at {self.name}"
        if reason:
            raise VenueRejected(reason)
        try:
            return self._order_told(self._call("create_order", *self._order(request)), request.pair)
        except (ccxt.BaseError, *SENSELESS) as error:
            raise order_error(error, self.client) from None

    def find(self, pair: Pair, client_id: str) -> VenueOrder | None:
        """The newest order with this client id, with its fills; None: the venue knows none (which proves nothing
        right after a time-out)."""
        try:
            told = self._call("fetch_order", None, str(pair), {"clientOrderId": client_id})
        except ccxt.OrderNotFound:
            return None
        except (ccxt.BaseError, *SENSELESS) as error:
            raise read_error(error, self.client) from None
        return self._with_fills(told, pair)

    def cancel(self, pair: Pair, client_id: str) -> VenueOrder | None:
        """Cancel it, or say what became of it when it is no longer open; None: the venue knows none.

        Safe to repeat. Raises VenueUnavailable when the answer was lost.
        """
        try:
            self._call("cancel_order", None, str(pair), {"clientOrderId": client_id})
        except ccxt.OrderNotFound:
            pass
        except (ccxt.BaseError, *SENSELESS) as error:
            raise read_error(error, self.client) from None
        return self.find(pair, client_id)

    def open_orders(self, pair: Pair) -> Sequence[VenueOrder]:
        return [self._order_told(told, pair) for told in self._read("fetch_open_orders", str(pair))]

    def fills(self, pair: Pair, venue_order_id: str) -> Sequence[VenueFill]:
        told = self._read("fetch_my_trades", str(pair), None, None, {"orderId": venue_order_id})
        return [
            _fill(trade, pair, Action(trade["side"]), venue_order_id, _moment(trade["timestamp"])) for trade in told
        ]

    def may_withdraw(self) -> bool:
        """Whether this key could move money away; such a key is refused."""
        raise NotImplementedError(f"{type(self).__name__} can't read a key's rights")

    def _order(self, request: OrderRequest) -> tuple[Any, ...]:
        """Arguments of ccxt's create_order: symbol, type, side, amount, price, params."""
        kind = "market" if request.price is None else "limit"
        price = None if request.price is None else _text(request.price)
        return str(request.pair), kind, request.side.value, _text(request.amount), price, self._params(request)

    def _params(self, request: OrderRequest) -> dict[str, str]:
        params = {"clientOrderId": request.client_id}
        if request.type is OrderType.STOP_LOSS:
            params["stopLossPrice"] = _text(request.stop_price)
        elif request.type is OrderType.TAKE_PROFIT:
            params["takeProfitPrice"] = _text(request.stop_price)
        return params

    def _with_fills(self, told: Any, pair: Pair) -> VenueOrder:
        if not told.get("trades") and _decimal(told["filled"]):
            told["trades"] = self._read("fetch_my_trades", str(pair), None, None, {"orderId": told["id"]})
        return self._order_told(told, pair)

    def _order_told(self, told: Any, pair: Pair) -> VenueOrder:
        side = Action(told["side"])
        filled = _decimal(told["filled"])
        status = _STATUS.get(told["status"] or "open", "open")
        at = _moment(told["lastUpdateTimestamp"] or told["timestamp"])
        return VenueOrder(
            venue_order_id=told["id"],
            client_id=told["clientOrderId"] or "",
            pair=pair,
            side=side,
            type=self._type_told(told),
            status="partially_filled" if status == "open" and filled else status,
            amount=_decimal(told["amount"]),
            filled=filled,
            average=_decimal(told["average"]) if told["average"] else None,
            at=at,
            fills=tuple(_fill(trade, pair, side, told["id"], at) for trade in told["trades"] or ()),
        )

    def _type_told(self, told: Any) -> str:
        return str(told["type"])

    def _markets(self) -> Mapping[str, Market]:
        """The shared markets; the first one to ask reads them for everybody."""
        try:
            known = self._common.markets()
        except (ccxt.BaseError, *SENSELESS) as error:
            raise read_error(error, self._common.client) from None
        if self.client.markets is not self._common.client.markets:
            self.client.set_markets_from_exchange(self._common.client)
        return known

    def _call(self, method: str, *arguments: Any) -> Any:
        self._markets()
        self.client.begin()
        return getattr(self.client, method)(*arguments)

    def _read(self, method: str, *arguments: Any) -> Any:
        try:
            return self._call(method, *arguments)
        except (ccxt.BaseError, *SENSELESS) as error:
            raise read_error(error, self.client) from None


def _fill(trade: Any, pair: Pair, side: Action, venue_order_id: str, at: datetime) -> VenueFill:
    fee = trade["fee"] or {}
    return VenueFill(
        trade_id=trade["id"],
        venue_order_id=venue_order_id,
        pair=pair,
        side=side,
        amount=_decimal(trade["amount"]),
        price=_decimal(trade["price"]),
        fee=_decimal(fee.get("cost")),
        fee_currency=fee.get("currency") or "",
        at=at,
    )


def _decimal(text: Any) -> Decimal:
    return ZERO if text is None else Decimal(text)


def _text(number: Decimal | None) -> str:
    """Plain digits: Decimal's own text may be 1E-8, which ccxt's precision code does not read."""
    return f"{number:f}"


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
