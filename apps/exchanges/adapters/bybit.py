"""Bybit v5 spot, unified trading account: orders are looked up among the recent ones, then in the history."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

import ccxt

from apps.exchanges.adapters import paging
from apps.exchanges.adapters.ccxt_venue import OFFERED, RECEIVE_MS, CcxtVenue, order_since
from apps.exchanges.adapters.failures import Dialect
from apps.exchanges.adapters.noting import Noting
from apps.exchanges.adapters.told import decimal, milliseconds, text
from tradebot.contracts.ports import Features, OrderRequest, VenueOrder
from tradebot.contracts.values import OrderType, Pair

ORDERS_PAGE, FILLS_PAGE = 50, 100
SLICE_MS = 7 * 24 * 3_600_000
"""The longest time that one question about the past may span."""
FALLS = "2"


class BybitClient(Dialect, Noting, ccxt.bybit):  # type: ignore[misc]
    """ccxt's Bybit on spot alone, for unified accounts without asking which kind it is. `signed_at` (ms): the moment
    in the signature of an order, so that Bybit itself refuses (10002) what comes later than RECEIVE_MS after it."""

    certain = re.compile(r"^17\d{4}$")
    doubtful = frozenset(
        {"10000", "10014", "10016", "12141", "110072", "170001", "170007", "170032", "170035", "170141", "170146"}
        | {"170149"}
    )
    passing = frozenset({"10006", "10018", "170005", "170222"})
    signed_at: int | None = None

    def __init__(self, config: dict[str, Any]) -> None:
        account = {"enableUnifiedMargin": False, "enableUnifiedAccount": True, "unifiedMarginStatus": 6}
        options = {"fetchMarkets": {"types": ["spot"]}, "recvWindow": RECEIVE_MS, "defaultType": "spot", **account}
        super().__init__({**config, "options": options})
        self.has["fetchCurrencies"] = False

    def nonce(self) -> int:
        return int(super().nonce()) if self.signed_at is None else self.signed_at

    def refusal(self) -> tuple[str, str]:
        told = self.told if isinstance(self.told, dict) else {}
        code = str(told.get("retCode", "0"))
        return ("", "") if code == "0" else (code, str(told.get("retMsg", "")))


class BybitVenue(CcxtVenue):
    """Client ids: `orderLinkId`, up to 36 characters. Spot knows neither trailing stops nor pairs of orders."""

    client_class: ClassVar[type[ccxt.Exchange]] = BybitClient
    features = Features()

    def may_withdraw(self) -> bool:
        told = self._read("private_get_v5_user_query_api")
        return self._reading(lambda: "Withdraw" in told["result"]["permissions"]["Wallet"])

    def _placed(self, request: OrderRequest) -> VenueOrder:
        self.client.signed_at = None if request.submitted_at is None else milliseconds(request.submitted_at)
        try:
            told = self._call("private_post_v5_order_create", self._wire(request))
        finally:
            self.client.signed_at = None
        return self._accepted(request, told["result"]["orderId"])

    def _wire(self, request: OrderRequest) -> dict[str, str]:
        """Source: docs v5, POST /v5/order/create. A tpslOrder locks its coins at once, as elsewhere."""
        kind = {"orderType": "Market", "marketUnit": "baseCoin"}
        if request.price is not None:
            kind = {"orderType": "Limit", "price": text(request.price), "timeInForce": "GTC"}
        stop = {"orderFilter": "tpslOrder", "triggerPrice": text(request.stop_price)} if request.stop_price else {}
        return {
            "category": "spot",
            "symbol": self._id(request.pair),
            "side": request.side.value.capitalize(),
            "qty": text(request.amount),
            "orderLinkId": request.client_id,
            **kind,
            **(stop if request.type in OFFERED else {}),
        }

    def _lookup(self, pair: Pair, client_id: str) -> Any:
        named = {"orderLinkId": client_id}
        found = self._call("fetch_open_orders", str(pair), None, None, named) or self._call(
            "fetch_canceled_and_closed_orders", str(pair), None, None, named
        )
        mine = [order for order in found if order["clientOrderId"] == client_id]
        return max(mine, key=lambda order: order["timestamp"], default=None)

    def _cancel(self, pair: Pair, client_id: str) -> Any:
        query = {"category": "spot", "symbol": self._id(pair), "orderLinkId": client_id}
        return self._call("private_post_v5_order_cancel", query)

    def _open(self, pair: Pair) -> Sequence[Any]:
        return paging.whole(self._read("fetch_open_orders", str(pair), None, ORDERS_PAGE, {"openOnly": 0}), ORDERS_PAGE)

    def _listed(self, pair: Pair, since: datetime) -> Sequence[Any]:
        ended = self._past("fetch_canceled_and_closed_orders", pair, since, ORDERS_PAGE)
        return [order for order in (*self._open(pair), *ended) if order_since(order, since)]

    def _trades(self, pair: Pair, since: datetime) -> Sequence[Any]:
        return self._past("fetch_my_trades", pair, since, FILLS_PAGE)

    def _past(self, method: str, pair: Pair, since: datetime, size: int) -> list[Any]:
        def ask(start: int, end: int) -> Sequence[Any]:
            return list(self._read(method, str(pair), start, size, {"until": end}))

        slices = paging.sliced(since, self.client.milliseconds(), SLICE_MS)
        return [row for start, end in slices for row in paging.backward(ask, start, end, size)]

    def _type_told(self, order: Any) -> str:
        info = order["info"]
        if not info.get("stopOrderType"):
            return str(order["type"])
        falls = decimal(info["triggerPrice"]) < decimal(info.get("lastPriceOnCreated") or "0")
        told = str(info.get("triggerDirection", "0"))
        down = told == FALLS or (told == "0" and falls)
        loss = down if order["side"] == "sell" else not down
        return OrderType.STOP_LOSS.value if loss else OrderType.TAKE_PROFIT.value
