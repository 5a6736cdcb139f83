"""Coinbase Advanced Trade, spot: no look-up by client id, stops with a limit only, and no test network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

import ccxt

from apps.exchanges.adapters import paging
from apps.exchanges.adapters.ccxt_venue import OFFERED, RECEIVE_MS, CcxtVenue, order_since
from apps.exchanges.adapters.failures import Dialect
from apps.exchanges.adapters.noting import Noting
from apps.exchanges.adapters.told import milliseconds, text
from apps.exchanges.domain.precision import fit_price
from tradebot.contracts.errors import VenueRejected
from tradebot.contracts.ports import Features, Fees, OrderRequest, VenueOrder
from tradebot.contracts.values import Action, OrderType, Pair

PAGE = 250
LOOKED_THROUGH = 4
"""Pages of the pair's newest orders that are searched for a client id."""
SLACK = Decimal("0.05")
"""How far from its trigger a stop without a price of its own may trade: Coinbase has stops with a limit only."""


class CoinbaseClient(Dialect, Noting, ccxt.coinbase):  # type: ignore[misc]
    """ccxt's Coinbase on spot alone, one request to load its markets."""

    has_test_network = False
    certain = re.compile(r"INSUFFICIENT|INVALID|UNSUPPORTED|^PREVIEW_|DISABLED|LIMIT|MIN|NOT_FOUND|FAILURE_REASON$")
    doubtful = frozenset({"UNKNOWN_FAILURE_REASON", "INTERNAL", "INTERNAL_ERROR", "UNKNOWN", "DEADLINE_EXCEEDED"})

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__({**config, "options": {"fetchBalance": "v3PrivateGetBrokerageAccounts"}})
        self.has["fetchCurrencies"] = False

    def fetch_markets(self, params: dict[str, Any] | None = None) -> list[Any]:
        told = self.v3_public_get_brokerage_market_products({"product_type": "SPOT", **(params or {})})
        return [market for product in told["products"] if (market := self.parse_spot_market(product, {}))]

    def refusal(self) -> tuple[str, str]:
        told = self.told if isinstance(self.told, dict) else {}
        inner = told.get("error_response") or {}
        if inner:
            preview = str(inner.get("preview_failure_reason") or "")
            code = str(inner.get("error") or "")
            code = preview if code in ("", "UNKNOWN_FAILURE_REASON") and "UNKNOWN" not in preview else code
            return code or "UNKNOWN", str(inner.get("message") or inner.get("error_details") or code)
        failed = [row for row in told.get("results") or () if isinstance(row, dict) and row.get("success") is False]
        if failed:
            return str(failed[0].get("failure_reason") or "UNKNOWN"), str(failed[0].get("failure_reason") or "")
        code = str(told.get("error") or "")
        return code, str(told.get("message") or told.get("error_details") or code)


class CoinbaseVenue(CcxtVenue):
    """Client ids: `client_order_id`; a repeated one answers with the order that has it. An order is found by looking
    through the newest ones of its pair, and requests have no end of their own: absence is never proven."""

    client_class: ClassVar[type[ccxt.Exchange]] = CoinbaseClient
    features = Features(proves_absence=False)

    def fees(self, pair: Pair) -> Fees:
        told = self._read("v3_private_get_brokerage_transaction_summary", {"product_type": "SPOT"})
        tier = self._reading(lambda: told["fee_tier"])
        return self._reading(lambda: Fees(maker=Decimal(tier["maker_fee_rate"]), taker=Decimal(tier["taker_fee_rate"])))

    def may_withdraw(self) -> bool:
        rights = self._read("v3_private_get_brokerage_key_permissions")
        return rights.get("can_transfer") is not False

    def _check(self, request: OrderRequest) -> None:
        super()._check(request)
        age = datetime.now(UTC) - (request.submitted_at or datetime.now(UTC))
        if age.total_seconds() * 1000 > RECEIVE_MS:
            raise VenueRejected(f"the order is {age.total_seconds():.0f} s old and was not sent any more")

    def _placed(self, request: OrderRequest) -> VenueOrder:
        query = {
            "client_order_id": request.client_id,
            "product_id": self._id(request.pair),
            "side": request.side.value.upper(),
            "order_configuration": self._configuration(request),
        }
        told = self._call("v3_private_post_brokerage_orders", query)
        return self._accepted(request, told["success_response"]["order_id"])

    def _configuration(self, request: OrderRequest) -> dict[str, dict[str, Any]]:
        """Source: Advanced Trade API, Create Order."""
        size = {"base_size": text(request.amount)}
        if request.type in OFFERED:
            up = (request.type is OrderType.TAKE_PROFIT) == (request.side is Action.SELL)
            way = {"stop_direction": f"STOP_DIRECTION_STOP_{'UP' if up else 'DOWN'}"}
            prices = {"limit_price": text(self._limit(request)), "stop_price": text(request.stop_price)}
            return {"stop_limit_stop_limit_gtc": {**size, **prices, **way}}
        if request.price is None:
            return {"market_market_ioc": size}
        return {"limit_limit_gtc": {**size, "limit_price": text(request.price), "post_only": False}}

    def _limit(self, request: OrderRequest) -> Decimal:
        """The worst price a stop may trade at: its own, or SLACK beyond its trigger."""
        market = self.market(request.pair)
        if request.price is not None or request.stop_price is None or market is None:
            return request.price or Decimal(0)
        away = 1 - SLACK if request.side is Action.SELL else 1 + SLACK
        return fit_price(request.stop_price * away, market, request.side)

    def _lookup(self, pair: Pair, client_id: str) -> Any:
        until = self.client.milliseconds()
        for _ in range(LOOKED_THROUGH):
            page = self._call("fetch_orders", str(pair), None, PAGE, {"until": until + 1})
            found = next((order for order in page if order["clientOrderId"] == client_id), None)
            if found is not None or len(page) < PAGE:
                return found
            until = min(order["timestamp"] for order in page)
        return None

    def _cancel(self, pair: Pair, client_id: str) -> Any:
        order = self._lookup(pair, client_id)
        return None if order is None else self._call("cancel_order", order["id"], str(pair))

    def _open(self, pair: Pair) -> Sequence[Any]:
        return paging.whole(self._read("fetch_open_orders", str(pair), None, PAGE), PAGE)

    def _listed(self, pair: Pair, since: datetime) -> Sequence[Any]:
        rows = self._pages("fetch_orders", pair, since)
        return [order for order in rows if order_since(order, since)]

    def _trades(self, pair: Pair, since: datetime) -> Sequence[Any]:
        return self._pages("fetch_my_trades", pair, since)

    def _trades_of(self, pair: Pair, venue_order_id: str) -> Sequence[Any]:
        return list(self._read("fetch_my_trades", str(pair), None, PAGE, {"order_ids": [venue_order_id]}))

    def _pages(self, method: str, pair: Pair, since: datetime) -> list[Any]:
        def ask(start: int, end: int) -> Sequence[Any]:
            return list(self._read(method, str(pair), start, PAGE, {"until": end + 1}))

        return paging.backward(ask, milliseconds(since), self.client.milliseconds(), PAGE)

    def _type_told(self, order: Any) -> str:
        stop = (order["info"].get("order_configuration") or {}).get("stop_limit_stop_limit_gtc")
        if not stop:
            return str(order["type"])
        up = stop.get("stop_direction") == "STOP_DIRECTION_STOP_UP"
        profit = up == (order["side"] == Action.SELL.value)
        return OrderType.TAKE_PROFIT.value if profit else OrderType.STOP_LOSS.value
