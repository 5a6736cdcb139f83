"""The operator's side-door under /paper/: set prices, open and fund accounts, read the ledger. Bearer token only."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from apps.exchanges.paper.engine import Exchange
from apps.exchanges.paper.trade import Refused
from apps.exchanges.paper.wire import Answer, Call

PREFIXES = ("/paper/",)
SHORTEST_TOKEN = 16
_SHORTEST_KEY = 8
_LARGEST = Decimal(10) ** 15


class BadField(ValueError):
    """A field of an operator's request is missing or wrong."""

    def __init__(self, field: str, remedy: str) -> None:
        super().__init__(f"{field}: {remedy}")
        self.field = field


class Operator:
    """`POST /paper/price {pair, price}`, `POST /paper/accounts {api_key, secret, deposits, withdraw?}`,
    `POST /paper/deposit {api_key, deposits}`, `GET /paper/ledger`, `GET /paper/prices`."""

    def __init__(self, exchange: Exchange, token: str) -> None:
        if len(token) < SHORTEST_TOKEN:
            raise ValueError(f"PAPER_EXCHANGE_TOKEN must have at least {SHORTEST_TOKEN} characters")
        self._exchange = exchange
        self._expected = f"Bearer {token}".encode()
        self._routes: Mapping[tuple[str, str], Callable[[Mapping[str, Any]], Any]] = {
            ("POST", "/paper/price"): self._price,
            ("POST", "/paper/accounts"): self._account,
            ("POST", "/paper/deposit"): self._deposit,
            ("GET", "/paper/ledger"): lambda _: exchange.ledger.dump(),
            ("GET", "/paper/prices"): self._prices,
        }

    def answer(self, call: Call) -> Answer:
        """401 without the token, 404 for an unknown path, 400 naming the field that is wrong."""
        if not hmac.compare_digest(call.headers.get("Authorization", "").encode(), self._expected):
            return Answer(401, {"error": "Authorization: Bearer <PAPER_EXCHANGE_TOKEN> is needed here"})
        route = self._routes.get((call.method, call.path))
        if route is None:
            return Answer(404, {"error": f"{call.method} {call.path} is unknown"})
        try:
            return Answer(200, route(_fields(call.body) if call.method == "POST" else {}))
        except BadField as error:
            return Answer(400, {"error": str(error), "field": error.field})

    def _price(self, fields: Mapping[str, Any]) -> Any:
        pair, price = _text(fields, "pair"), _positive(fields, "price")
        symbol = self._symbol(pair)
        acted = self._exchange.set_price(symbol, price)
        return {"pair": pair, "price": str(self._exchange.price(symbol)), "acted": [order.id for order in acted]}

    def _account(self, fields: Mapping[str, Any]) -> Any:
        key, secret, deposits = _key(fields, "api_key"), _key(fields, "secret"), _deposits(fields)
        ledger = self._exchange.ledger
        with ledger.transaction():
            created = ledger.account(key) is None
            try:
                account = ledger.open_account(key, secret, withdraw=fields.get("withdraw") is True)
            except ValueError as error:
                raise BadField("api_key", str(error)) from None
            if created:
                self._credit(account.id, deposits)
        return {"account": account.id, "created": created}

    def _deposit(self, fields: Mapping[str, Any]) -> Any:
        account = self._exchange.ledger.account(_key(fields, "api_key"))
        if account is None:
            raise BadField("api_key", "no such account; open it with POST /paper/accounts")
        deposits = _deposits(fields)
        with self._exchange.ledger.transaction():
            self._credit(account.id, deposits)
        return {"account": account.id}

    def _credit(self, account: int, deposits: Mapping[str, Decimal]) -> None:
        for asset, amount in deposits.items():
            self._exchange.ledger.deposit(account, asset, amount, self._exchange.now())

    def _prices(self, _: Mapping[str, Any]) -> Any:
        listings = self._exchange.listings.values()
        return {f"{one.base}/{one.quote}": str(self._exchange.price(one.symbol)) for one in listings}

    def _symbol(self, pair: str) -> str:
        try:
            return self._exchange.listing(pair.replace("/", "")).symbol
        except Refused:
            raise BadField("pair", f"{pair!r} is not listed; GET /paper/prices shows what is") from None


def _fields(body: str) -> Mapping[str, Any]:
    try:
        fields = json.loads(body, parse_float=Decimal)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise BadField("body", "must be a JSON object")
    return fields


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise BadField(name, "must be a non-empty text")
    return value


def _key(fields: Mapping[str, Any], name: str) -> str:
    value = _text(fields, name)
    if len(value) < _SHORTEST_KEY:
        raise BadField(name, f"must have at least {_SHORTEST_KEY} characters")
    return value


def _positive(fields: Mapping[str, Any], name: str) -> Decimal:
    return _amount(fields.get(name), name)


def _deposits(fields: Mapping[str, Any]) -> Mapping[str, Decimal]:
    given = fields.get("deposits", {})
    if not isinstance(given, dict):
        raise BadField("deposits", 'must be an object such as {"USDT": "10000"}')
    for asset in given:
        if not (asset.isascii() and asset.isalnum() and asset.isupper()):
            raise BadField(f"deposits.{asset}", "asset names are upper-case letters and digits, such as USDT")
    return {asset: _amount(amount, f"deposits.{asset}") for asset, amount in given.items()}


def _amount(value: object, name: str) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if not (number.is_finite() and 0 < number < _LARGEST):
        raise BadField(name, 'must be a positive number, written as text such as "30000"')
    return number
