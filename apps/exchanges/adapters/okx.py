"""OKX v5 spot: stops live in a list of their own (algo orders), refusals come inside of a 200."""

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
from apps.exchanges.adapters.told import milliseconds, text
from apps.exchanges.selectors import VenueInfo
from tradebot.contracts.errors import VenueRejected
from tradebot.contracts.ports import Features, OrderRequest, VenueOrder
from tradebot.contracts.values import HUNDRED, OrderType, Pair

PAGE = 100
RECENT_MS = 3 * 24 * 3_600_000 - 60_000
"""How far back the list of fills reaches that is never late; older ones are in the history."""
ALGO_KINDS = ("conditional", "move_order_stop")
_TYPES = {"move_order_stop": "trailing_stop", "conditional": "stop_loss"}


class OkxClient(Dialect, Noting, ccxt.okx):  # type: ignore[misc]
    """ccxt's OKX on spot alone. `expires` (ms): OKX itself refuses an order that comes later (header expTime)."""

    certain = re.compile(r"^(5[14]\d{3}|50036)$")
    doubtful = frozenset({"50004", "51011", "51016", "51065"})
    passing = frozenset({"50011", "50061"})
    expires: int | None = None

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(
            {**config, "options": {"fetchMarkets": {"types": ["spot"]}, "createOrder": "privatePostTradeOrder"}}
        )
        self.has["fetchCurrencies"] = False

    def refusal(self) -> tuple[str, str]:
        """A row's own code is the reason; the outer one only says that a row failed, or not even that."""
        told = self.told if isinstance(self.told, dict) else {}
        rows = told.get("data") or []
        for row in rows:
            if isinstance(row, dict) and str(row.get("sCode", "0")) != "0":
                return str(row["sCode"]), str(row.get("sMsg", ""))
        code = str(told.get("code", "0"))
        return ("", "") if code == "0" else (code, str(told.get("msg", "")))

    def sign(self, path: str, *rest: Any, **named: Any) -> Any:
        request = super().sign(path, *rest, **named)
        if self.expires is not None and path == "trade/order" and request["method"] == "POST":
            request["headers"]["expTime"] = str(self.expires)
        return request


class OkxVenue(CcxtVenue):
    """Client ids: up to 32 letters and digits, `clOrdId` of an order, `algoClOrdId` of a stop; a stop that fired has
    become an order of another id, which names it. An OCO is one order with one id here, so it is not offered."""

    client_class: ClassVar[type[ccxt.Exchange]] = OkxClient
    features = Features(trailing_stop=True)

    @classmethod
    def connect(cls, venue: VenueInfo, api_key: str, secret: str, passphrase: str = "") -> OkxVenue:
        if api_key and not passphrase:
            raise VenueRejected("an OKX key comes with a passphrase; enter key, secret and passphrase again")
        return super().connect(venue, api_key, secret, passphrase)

    def may_withdraw(self) -> bool:
        config = self._read("private_get_account_config")
        return self._reading(lambda: "withdraw" in str(config["data"][0]["perm"]).split(","))

    def _placed(self, request: OrderRequest) -> VenueOrder:
        if request.type in OFFERED:
            told = self._call("private_post_trade_order_algo", self._algo(request))
        else:
            told = self._sent(request)
        row = told["data"][0]
        if str(row["sCode"]) != "0":
            raise ccxt.InvalidOrder(str(row["sMsg"]))
        return self._accepted(request, row.get("algoId") or row.get("ordId"))

    def _sent(self, request: OrderRequest) -> Any:
        sent_at = request.submitted_at
        self.client.expires = None if sent_at is None else milliseconds(sent_at) + RECEIVE_MS
        try:
            return self._call("private_post_trade_order", self._plain(request))
        finally:
            self.client.expires = None

    def _plain(self, request: OrderRequest) -> dict[str, str]:
        kind = {"ordType": "market"} if request.price is None else {"ordType": "limit", "px": text(request.price)}
        return {**self._common_part(request), "clOrdId": request.client_id, "tgtCcy": "base_ccy", **kind}

    def _algo(self, request: OrderRequest) -> dict[str, str]:
        """ccxt would send a spot stop as a margin order and its id in the wrong field.
        Source: docs-v5, POST /api/v5/trade/order-algo."""
        ids = {"algoClOrdId": request.client_id, "clOrdId": request.client_id}
        if request.type is OrderType.TRAILING_STOP:
            start = {} if request.stop_price is None else {"activePx": text(request.stop_price)}
            ratio = text((request.trail or HUNDRED) / HUNDRED)
            return {**self._common_part(request), **ids, "ordType": "move_order_stop", "callbackRatio": ratio, **start}
        side = "sl" if request.type is OrderType.STOP_LOSS else "tp"
        price = "-1" if request.price is None else text(request.price)
        trigger = {f"{side}TriggerPx": text(request.stop_price), f"{side}OrdPx": price, f"{side}TriggerPxType": "last"}
        return {**self._common_part(request), **ids, "ordType": "conditional", **trigger}

    def _common_part(self, request: OrderRequest) -> dict[str, str]:
        return {
            "instId": self._id(request.pair),
            "tdMode": "cash",
            "side": request.side.value,
            "sz": text(request.amount),
        }

    def _lookup(self, pair: Pair, client_id: str) -> Any:
        try:
            return self._named(self._call("fetch_order", None, str(pair), {"clientOrderId": client_id}))
        except ccxt.OrderNotFound:
            stop = self._named(
                self._call("fetch_order", None, str(pair), {"clientOrderId": client_id, "trigger": True})
            )
        fired = stop["info"].get("ordId") or next(iter(stop["info"].get("ordIdList") or ()), "")
        return self._named(self._call("fetch_order", fired, str(pair)), client_id) if fired else stop

    def _cancel(self, pair: Pair, client_id: str) -> Any:
        try:
            return self._call("cancel_order", None, str(pair), {"clientOrderId": client_id})
        except ccxt.OrderNotFound:
            return self._call("private_post_trade_cancel_algos", [{"instId": self._id(pair), "algoClOrdId": client_id}])

    def _open(self, pair: Pair) -> Sequence[Any]:
        kinds: list[dict[str, str]] = [{}, *({"ordType": kind} for kind in ALGO_KINDS)]
        return [
            self._named(order)
            for kind in kinds
            for order in paging.whole(self._read("fetch_open_orders", str(pair), None, PAGE, kind), PAGE)
        ]

    def _listed(self, pair: Pair, since: datetime) -> Sequence[Any]:
        now = self.client.milliseconds()
        ended = paging.backward(lambda start, end: self._history(pair, start, end), milliseconds(since), now, PAGE)
        stops = [
            order
            for kind in ALGO_KINDS
            for order in self._read("fetch_canceled_orders", str(pair), None, PAGE, {"trigger": True, "ordType": kind})
        ]
        every = [*self._open(pair), *(self._named(order) for order in (*ended, *stops))]
        return [order for order in every if order_since(order, since)]

    def _history(self, pair: Pair, start: int, end: int) -> Sequence[Any]:
        told = self._read("private_get_trade_orders_history", self._between(pair, start, end))
        return list(self.client.parse_orders(told["data"], self.client.market(str(pair))))

    def _trades(self, pair: Pair, since: datetime) -> Sequence[Any]:
        now = self.client.milliseconds()
        recent = milliseconds(since) > now - RECENT_MS
        method = "private_get_trade_fills" if recent else "private_get_trade_fills_history"
        return paging.backward(
            lambda start, end: self._filled(method, pair, self._between(pair, start, end)),
            milliseconds(since),
            now,
            PAGE,
        )

    def _trades_of(self, pair: Pair, venue_order_id: str) -> Sequence[Any]:
        query = {"instType": "SPOT", "instId": self._id(pair), "ordId": venue_order_id}
        recent = self._filled("private_get_trade_fills", pair, query)
        return recent or self._filled("private_get_trade_fills_history", pair, query)

    def _filled(self, method: str, pair: Pair, query: dict[str, str]) -> Sequence[Any]:
        told = self._read(method, query)
        return list(self.client.parse_trades(told["data"], self.client.market(str(pair))))

    def _between(self, pair: Pair, start: int, end: int) -> dict[str, str]:
        window = {"begin": str(start), "end": str(end + 1), "limit": str(PAGE)}
        return {"instType": "SPOT", "instId": self._id(pair), **window}

    def _named(self, order: Any, client_id: str = "") -> Any:
        order["clientOrderId"] = client_id or order["info"].get("algoClOrdId") or order["clientOrderId"]
        return order

    def _type_told(self, order: Any) -> str:
        info = order["info"]
        if info.get("ordType") == "conditional" and info.get("tpTriggerPx"):
            return OrderType.TAKE_PROFIT.value
        return _TYPES.get(str(info.get("ordType")), str(order["type"]))
