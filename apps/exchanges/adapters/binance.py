"""Binance spot: what it does its own way, and the settings that keep ccxt on spot alone."""

from __future__ import annotations

from typing import Any, ClassVar

import ccxt

from apps.exchanges.adapters.ccxt_venue import CcxtVenue
from apps.exchanges.adapters.noting import Noting
from tradebot.contracts.ports import OrderRequest

RECEIVE_MS = 10_000
"""How old an order may be when it reaches the exchange."""


class BinanceClient(Noting, ccxt.binance):  # type: ignore[misc]
    """ccxt's Binance, one exchangeInfo call to load its markets, with the spot error map at any address."""

    def __init__(self, config: dict[str, Any]) -> None:
        spot_only = {"fetchMarkets": {"types": ["spot"]}, "fetchMargins": False, "fetchCurrencies": False}
        super().__init__({**config, "options": spot_only})

    def get_exceptions_by_url(self, url: str, kind: str) -> Any:
        """ccxt knows the map by host name and would drop it at any other address."""
        return self.exceptions["spot"].get(kind, {})


def _signed_at(request: OrderRequest) -> dict[str, str]:
    """The order's own moment instead of the signature's: Binance refuses (-1021) what arrives later than that.
    Source: rest-api/request-security, `timestamp` and `recvWindow`."""
    if request.submitted_at is None:
        return {}
    return {"timestamp": str(int(request.submitted_at.timestamp() * 1000)), "recvWindow": str(RECEIVE_MS)}


class BinanceVenue(CcxtVenue):
    """Client ids: up to 36 characters, unique among open orders only, so a found id is the newest order of that id."""

    client_class: ClassVar[type[ccxt.Exchange]] = BinanceClient

    def may_withdraw(self) -> bool:
        rights = self._read("sapi_get_account_apirestrictions")
        return str(rights.get("enableWithdrawals")).lower() != "false"

    def _params(self, request: OrderRequest) -> dict[str, str]:
        return {**super()._params(request), "newOrderRespType": "FULL", **_signed_at(request)}

    def _type_told(self, told: Any) -> str:
        """ccxt calls a stop order `market` or `limit`; Binance's own name says what it is."""
        kind = str(told["info"].get("type", told["type"])).lower()
        return kind.removesuffix("_limit")
