"""The operator's side-door under /paper/, bearer token only. What it offers: `HELP`, or `paper_exchange --help`."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from apps.exchanges.paper import depth, fields
from apps.exchanges.paper.controls import Controls
from apps.exchanges.paper.engine import Exchange
from apps.exchanges.paper.faults import Faults
from apps.exchanges.paper.fields import BadField
from apps.exchanges.paper.limits import Limits
from apps.exchanges.paper.okx.auth import passphrase
from apps.exchanges.paper.trade import Refused
from apps.exchanges.paper.wire import Answer, Call

PREFIXES = ("/paper/",)
SHORTEST_TOKEN = 16

HELP = """
The operator's door (header `Authorization: Bearer $PAPER_EXCHANGE_TOKEN`; bodies are JSON):
  POST   /paper/price     {pair, price}            move a market; answers {acted: [order ids]}
  GET    /paper/prices                             last price of every pair
  POST   /paper/book      {pair, bids: [[price, qty], ...], asks: [...]}, or {pair} for the book made from the price
                          used up by trades, moved and refilled with the price; may be empty or crossed
  POST   /paper/accounts  {api_key, secret, deposits: {USDT: "1000"}, withdraw?}; answers the passphrase for OKX
  POST   /paper/deposit   {api_key, deposits}
  GET    /paper/ledger                             every account, deposit, balance, order, fill; nothing is ever deleted
  POST   /paper/faults    one rule, or {rules: [...]}:
           kind         drop_before | drop_after      cut the socket before / after the request took effect
                        error_before | error_after    an HTTP 5xx (status, default 503; body) before / after
                        timeout_before | timeout_after  HTTP 504, code -1007 (OKX: 50004)
                        delay                         only wait_ms / answer_ms
                        rate_limit | ban              HTTP 429 / 418 with retry_after (s)
                        answer                        this status and body instead
                        fill_later                    acknowledged NEW; fills after fill_ms, or (-1) on /paper/fills
                        stream_drop | stream_lose | stream_repeat | stream_swap   of one stream event
           method, path (exact, or prefix*), account (API key), contains (text of query or body): where
                        for stream_*: path is the event or stream, such as executionReport or btcusdt@miniTicker
           skip, times (default 1; 0 always), chance (0 to 1) with seed: when
           wait_ms before it is handled, answer_ms before it is answered: with every kind
  GET    /paper/faults                             {rules, struck: [{at, rule, kind, account, method, path, text}]}
  DELETE /paper/faults    {id?}                    one rule, or all
  POST   /paper/fills     {order?}                 let held orders fill
  POST   /paper/streams/drop {account?}            cut websocket connections now
  GET|POST /paper/clock   {now?, advance_ms?, stopped?}   now: epoch ms or ISO 8601
  GET|POST /paper/limits  {weight?, orders?, day?, patience?, ban_s?, forgive?}
"""


class Operator:
    """See `HELP`."""

    def __init__(
        self,
        exchange: Exchange,
        token: str,
        faults: Faults | None = None,
        limits: Limits | None = None,
        drop: Callable[[str], int] = lambda _: 0,
    ) -> None:
        if len(token) < SHORTEST_TOKEN:
            raise ValueError(f"PAPER_EXCHANGE_TOKEN must have at least {SHORTEST_TOKEN} characters")
        self._exchange = exchange
        self._expected = f"Bearer {token}".encode()
        controls = Controls(exchange, faults or Faults(), limits or Limits(), drop)
        self._routes: Mapping[tuple[str, str], Callable[[Mapping[str, Any]], Any]] = {
            ("POST", "/paper/price"): self._price,
            ("POST", "/paper/book"): self._book,
            ("POST", "/paper/accounts"): self._account,
            ("POST", "/paper/deposit"): self._deposit,
            ("GET", "/paper/ledger"): lambda _: exchange.ledger.dump(),
            ("GET", "/paper/prices"): self._prices,
            ("GET", "/paper/faults"): controls.faults,
            ("POST", "/paper/faults"): controls.add_faults,
            ("DELETE", "/paper/faults"): controls.clear_faults,
            ("POST", "/paper/fills"): controls.release,
            ("POST", "/paper/streams/drop"): controls.drop_streams,
            ("GET", "/paper/clock"): controls.clock,
            ("POST", "/paper/clock"): controls.set_clock,
            ("GET", "/paper/limits"): controls.limits,
            ("POST", "/paper/limits"): controls.set_limits,
        }

    def answer(self, call: Call) -> Answer:
        """401 without the token, 404 for an unknown path, 400 naming the field that is wrong."""
        if not hmac.compare_digest(call.headers.get("Authorization", "").encode(), self._expected):
            return Answer(401, {"error": "Authorization: Bearer <PAPER_EXCHANGE_TOKEN> is needed here"})
        route = self._routes.get((call.method, call.path))
        if route is None:
            return Answer(404, {"error": f"{call.method} {call.path} is unknown"})
        try:
            return Answer(200, route({} if call.method == "GET" else fields.read(call.body)))
        except BadField as error:
            return Answer(400, {"error": str(error), "field": error.field})

    def _price(self, given: Mapping[str, Any]) -> Any:
        pair, price = fields.text(given, "pair"), fields.amount(given.get("price"), "price")
        symbol = self._symbol(pair)
        acted = self._exchange.set_price(symbol, price)
        return {"pair": pair, "price": str(self._exchange.price(symbol)), "acted": [order.id for order in acted]}

    def _book(self, given: Mapping[str, Any]) -> Any:
        symbol = self._symbol(fields.text(given, "pair"))
        try:
            book = depth.read(given) if "bids" in given or "asks" in given else None
        except depth.BadDepth as error:
            raise BadField("book", str(error)) from None
        return {"acted": [order.id for order in self._exchange.set_book(symbol, book)]}

    def _account(self, given: Mapping[str, Any]) -> Any:
        key, secret, deposits = fields.key(given, "api_key"), fields.key(given, "secret"), fields.deposits(given)
        ledger = self._exchange.ledger
        with ledger.transaction():
            created = ledger.account(key) is None
            try:
                account = ledger.open_account(key, secret, withdraw=given.get("withdraw") is True)
            except ValueError as error:
                raise BadField("api_key", str(error)) from None
            if created:
                self._credit(account.id, deposits)
        return {"account": account.id, "created": created, "passphrase": passphrase(secret)}

    def _deposit(self, given: Mapping[str, Any]) -> Any:
        account = self._exchange.ledger.account(fields.key(given, "api_key"))
        if account is None:
            raise BadField("api_key", "no such account; open it with POST /paper/accounts")
        self._exchange.deposit(account.id, fields.deposits(given))
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
