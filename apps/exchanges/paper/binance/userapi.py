"""The websocket API's methods: ping, time, and subscribing to an account's events (docs: websocket-api)."""

from __future__ import annotations

import hmac
from typing import Any

from apps.exchanges.paper.binance.auth import check_clock
from apps.exchanges.paper.binance.connection import Connection
from apps.exchanges.paper.binance.errors import ApiError, missing
from apps.exchanges.paper.binance.params import Params
from apps.exchanges.paper.engine import Exchange
from apps.exchanges.paper.ledger import Account


class UserApi:
    """Answers of /ws-api/v3; subscription ids count up from 0 within a connection."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def answer(self, connection: Connection, message: dict[str, Any]) -> dict[str, Any]:
        """Always an answer: errors bear Binance's code and status."""
        told = {"id": message.get("id"), "status": 200}
        try:
            return told | {"result": self._result(connection, message), "rateLimits": []}
        except ApiError as error:
            return told | {"status": error.status, "error": {"code": error.code, "msg": error.msg}, "rateLimits": []}

    def _result(self, connection: Connection, message: dict[str, Any]) -> Any:
        given = message.get("params") or {}
        if not isinstance(given, dict):
            raise missing("params")
        match message.get("method"):
            case "ping":
                return {}
            case "time":
                return {"serverTime": self._exchange.now()}
            case "userDataStream.subscribe.signature":
                return self._subscribe(connection, given)
            case "userDataStream.unsubscribe":
                return self._unsubscribe(connection, given)
            case "session.subscriptions":
                return [{"subscriptionId": subscription} for subscription in connection.accounts]
        raise ApiError(-1020, "This operation is not supported.")

    def _subscribe(self, connection: Connection, given: dict[str, Any]) -> Any:
        account = self._signed(given)
        if account.api_key in connection.keys:
            raise ApiError(-2035, "User data stream subscription already exists.")
        subscription = max(connection.accounts, default=-1) + 1
        connection.accounts[subscription] = account
        return {"subscriptionId": subscription}

    def _unsubscribe(self, connection: Connection, given: dict[str, Any]) -> Any:
        if "subscriptionId" in given:
            connection.accounts.pop(given["subscriptionId"], None)
        else:
            connection.accounts.clear()
        return {}

    def _signed(self, given: dict[str, Any]) -> Account:
        """The account behind signed parameters: sorted by name, joined by &, without the signature."""
        params = Params({str(name): str(value) for name, value in given.items()})
        account = self._exchange.ledger.account(params.text("apiKey"))
        if account is None:
            raise ApiError(-2015, "Invalid API-key, IP, or permissions for action.")
        signed = "&".join(f"{name}={value}" for name, value in sorted(params.given.items()) if name != "signature")
        expected = hmac.new(account.secret, signed.encode(), "sha256").hexdigest()
        if not hmac.compare_digest(expected.encode(), params.text("signature").lower().encode()):
            raise ApiError(-1022, "Signature for this request is not valid.")
        check_clock(params, self._exchange.now())
        return account
