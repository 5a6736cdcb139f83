"""Binance spot: what it does its own way, and the settings that keep ccxt on spot alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar

import ccxt

from apps.exchanges.adapters.ccxt_venue import RECEIVE_MS, CcxtVenue
from apps.exchanges.adapters.failures import DUPLICATE, Dialect
from apps.exchanges.adapters.noting import Noting
from apps.exchanges.adapters.told import text
from tradebot.contracts.errors import VenueError, VenueRejected, VenueUnavailable, VenueUnknown
from tradebot.contracts.ports import Features, Fees, OrderRequest, VenueOrder
from tradebot.contracts.values import Action, OrderType, Pair

HALF_REPLACED = "-2021"
PASSING = frozenset({"-1003", "-1015"})
"""Too many requests, too many orders: of one part of a replacement nothing is to be seen in the HTTP status."""
REFUSED = re.compile(r"-(?:1010|1013|1021|1022|11\d\d|2010|2014|2015)")
"""Codes after which an order certainly does not stand, save a duplicate. Source: binance-spot-api-docs, errors.md."""


class BinanceClient(Dialect, Noting, ccxt.binance):  # type: ignore[misc]
    """ccxt's Binance, one exchangeInfo call to load its markets, with the spot error map at any address."""

    doubtful = frozenset({HALF_REPLACED})

    def __init__(self, config: dict[str, Any]) -> None:
        spot_only = {"fetchMarkets": {"types": ["spot"]}, "fetchMargins": False, "fetchCurrencies": False}
        super().__init__({**config, "options": spot_only})

    def get_exceptions_by_url(self, url: str, kind: str) -> Any:
        """ccxt knows the map by host name and would drop it at any other address."""
        return self.exceptions["spot"].get(kind, {})

    def handle_errors(self, code: int, reason: str, *rest: Any) -> Any:
        """Once a key has worked, ccxt takes -2015 for a ban that passes: one that lost its right to trade, or its
        address, would be tried again and again."""
        self.options["hasAlreadyAuthenticatedSuccessfully"] = False
        return super().handle_errors(code, reason, *rest)


def _signed_at(request: OrderRequest) -> dict[str, str]:
    """The order's own moment instead of the signature's: Binance refuses (-1021) what arrives later than that.
    Source: rest-api/request-security, `timestamp` and `recvWindow`."""
    if request.submitted_at is None:
        return {}
    return {"timestamp": str(int(request.submitted_at.timestamp() * 1000)), "recvWindow": str(RECEIVE_MS)}


class BinanceVenue(CcxtVenue):
    """Client ids: up to 36 characters, unique among open orders only, so a found id is the newest order of that id."""

    client_class: ClassVar[type[ccxt.Exchange]] = BinanceClient
    features = Features(trailing_stop=True, oco=True, replace=True)

    def fees(self, pair: Pair) -> Fees:
        """The account's tier; a pair with fees of its own may cost less. No request of Binance's sapi, which its test
        network has not."""
        account = self._read("private_get_account", {"omitZeroBalances": "true"})
        rates = self._reading(lambda: account["commissionRates"])
        return self._reading(lambda: Fees(maker=Decimal(rates["maker"]), taker=Decimal(rates["taker"])))

    def may_withdraw(self) -> bool:
        rights = self._read("sapi_get_account_apirestrictions")
        return str(rights.get("enableWithdrawals")).lower() != "false"

    def place_oco(self, stop: OrderRequest, profit: OrderRequest) -> tuple[VenueOrder, VenueOrder]:
        """POST orderList/oco: the dearer of the two is its `above` leg.

        The profit is a limit order resting in the book if it has a price and no stop_price, else a take-profit.
        """
        for request in (stop, profit):
            self._check(request)
        if (stop.pair, stop.side, stop.amount) != (profit.pair, profit.side, profit.amount):
            raise VenueRejected("both orders of an OCO must be of one pair, side and amount")
        return self._ordering(lambda: self._placed_oco(stop, profit))

    def replace(self, pair: Pair, client_id: str, request: OrderRequest) -> VenueOrder:
        """POST order/cancelReplace with STOP_ON_FAILURE. Refused or unavailable: the new order does not stand, and the
        words say whether the old one is gone. Unknown: query both."""
        self._check(request)
        try:
            return self._ordering(lambda: self._replaced(client_id, request))
        except VenueError as error:
            raise _in_part(error, self.client.told) from None

    def _placed_oco(self, stop: OrderRequest, profit: OrderRequest) -> tuple[VenueOrder, VenueOrder]:
        above, below = (profit, stop) if stop.side is Action.SELL else (stop, profit)
        query = {
            "symbol": self._id(stop.pair),
            "side": stop.side.value.upper(),
            "quantity": text(stop.amount),
            "newOrderRespType": "FULL",
            **_leg("above", above),
            **_leg("below", below),
            **_signed_at(stop),
        }
        reports = self._call("private_post_orderlist_oco", query)["orderReports"]
        orders = {report["clientOrderId"]: self._parsed(report, stop.pair) for report in reports}
        return orders[stop.client_id], orders[profit.client_id]

    def _replaced(self, client_id: str, request: OrderRequest) -> VenueOrder:
        self._markets()
        query = self.client.create_order_request(*self._order(request))
        extra = {"cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrigClientOrderId": client_id}
        answer = self._call("private_post_order_cancelreplace", {**query, **extra})
        return self._parsed(answer["newOrderResponse"], request.pair)

    def _parsed(self, report: Any, pair: Pair) -> VenueOrder:
        return self._order_told(self.client.parse_order(report, self.client.market(str(pair))), pair)

    def _params(self, request: OrderRequest) -> dict[str, str]:
        return {**super()._params(request), **_trailing(request), "newOrderRespType": "FULL", **_signed_at(request)}

    def _type_told(self, order: Any) -> str:
        """ccxt calls a stop order `market` or `limit`; Binance's own name says what it is."""
        info = order["info"]
        kind = str(info.get("type", order["type"])).lower()
        return OrderType.TRAILING_STOP.value if info.get("trailingDelta") else kind.removesuffix("_limit")


def _trailing(request: OrderRequest) -> dict[str, str]:
    """ccxt sends a trailing percentage as `trailingDelta` in hundredths of a percent; stop_price, if given, starts
    the trail."""
    if request.type is not OrderType.TRAILING_STOP:
        return {}
    start = {} if request.stop_price is None else {"trailingTriggerPrice": text(request.stop_price)}
    return {"trailingPercent": text(request.trail), "stopLossOrTakeProfit": "stopLoss", **start}


def _leg(name: str, request: OrderRequest) -> dict[str, str]:
    """One side of an OCO as Binance names its parameters. Source: rest-api, `POST /api/v3/orderList/oco`."""
    given = {"Price": request.price, "StopPrice": request.stop_price}
    kind = _OCO_TYPES[request.type, request.price is not None]
    timed = {"TimeInForce": "GTC"} if kind.endswith("_LIMIT") else {}
    named = {"Type": kind, "ClientOrderId": request.client_id, **timed}
    numbers = {field: text(number) for field, number in given.items() if number is not None}
    return {f"{name}{field}": value for field, value in {**named, **numbers}.items()}


_OCO_TYPES = {
    (OrderType.STOP_LOSS, False): "STOP_LOSS",
    (OrderType.STOP_LOSS, True): "STOP_LOSS_LIMIT",
    (OrderType.TAKE_PROFIT, False): "TAKE_PROFIT",
    (OrderType.TAKE_PROFIT, True): "TAKE_PROFIT_LIMIT",
    (OrderType.LIMIT, True): "LIMIT_MAKER",
}


def _in_part(error: VenueError, told: Any) -> VenueError:
    """The error of a replacement by what became of its parts: the answer's own code tells of neither."""
    parts = told.get("data") if isinstance(told, dict) else None
    if not isinstance(parts, dict):
        return error
    done = (parts.get("cancelResult"), parts.get("newOrderResult"))
    if done == ("FAILURE", "NOT_ATTEMPTED"):
        words, code = _said(parts.get("cancelResponse"), error)
        return VenueRejected(f"nothing was placed, the old order was not cancelled: {words}", code)
    if done == ("SUCCESS", "FAILURE"):
        words, code = _said(parts.get("newOrderResponse"), error)
        return _kind(words, code)(f"the old order is cancelled, the new one was refused: {words}", code)
    return VenueUnknown(error.reason, error.code)


def _said(part: Any, error: VenueError) -> tuple[str, str]:
    """Words and code of one part of the answer."""
    known = part if isinstance(part, Mapping) else {}
    return str(known.get("msg") or error.reason), str(known.get("code") or error.code)


def _kind(words: str, code: str) -> type[VenueError]:
    """What it means for an order that it was refused so."""
    if code in PASSING:
        return VenueUnavailable
    return VenueRejected if REFUSED.fullmatch(code) and not DUPLICATE.search(words) else VenueUnknown
