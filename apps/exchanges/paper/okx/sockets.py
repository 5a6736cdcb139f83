"""OKX's websockets under /ws/v5/: tickers and books for anyone; orders, stops and balances after a login."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from aiohttp import web

from apps.exchanges.paper.engine import Exchange
from apps.exchanges.paper.events import Balances, Deposited, Event, Executed
from apps.exchanges.paper.faults import Faults
from apps.exchanges.paper.ledger import Account
from apps.exchanges.paper.okx import shapes, stops
from apps.exchanges.paper.okx.auth import WINDOW_MS, proven
from apps.exchanges.paper.okx.errors import ApiError
from apps.exchanges.paper.okx.line import Line, public
from apps.exchanges.paper.okx.orders import in_book
from apps.exchanges.paper.trade import Listing, Order

PREFIXES = ("/ws/v5/",)
PRIVATE = ("orders", "orders-algo", "account")
SIGNED_PATH = "GET/users/self/verify"
_HEARTBEAT_S = 20.0
_LOGIN_CODES = {"50111": 60005, "50113": 60007, "50105": 60024}


class OkxSockets:
    """All OKX connections. Market channels tell at subscription and at each move of the price."""

    def __init__(self, exchange: Exchange, faults: Faults) -> None:
        self._exchange = exchange
        self._faults = faults
        self._open: set[Line] = set()
        self._moved: set[str] = set()
        self._operations: Mapping[Any, Callable[[Line, Mapping[str, Any]], None]] = {
            "login": self._login,
            "subscribe": self._subscribe,
            "unsubscribe": self._unsubscribe,
        }
        exchange.watchers.append(self._happened)
        exchange.price_watchers.append(self._price_moved)

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Hold one connection until it ends."""
        socket = web.WebSocketResponse(heartbeat=_HEARTBEAT_S)
        await socket.prepare(request)
        line = Line(socket, self._faults, self._exchange.now)
        self._open.add(line)
        try:
            await line.run(self._answer)
        finally:
            self._open.discard(line)
        return socket

    def drop(self, account: str = "") -> int:
        """Cut connections, of one account (API key) or all. Returns how many."""
        chosen = [one for one in self._open if not account or account in one.keys]
        for line in chosen:
            line.cut()
        return len(chosen)

    def _answer(self, line: Line, message: dict[str, Any]) -> None:
        operation, args = self._operations.get(message.get("op")), message.get("args")
        if operation is None or not isinstance(args, list) or not all(isinstance(arg, dict) for arg in args):
            _error(line, 60012, "Invalid request: expected op and a list of args")
            return
        for arg in args:
            operation(line, arg)

    def _login(self, line: Line, given: Mapping[str, Any]) -> None:
        key, phrase, sign, sent = (str(given.get(name, "")) for name in ("apiKey", "passphrase", "sign", "timestamp"))
        try:
            late = abs(self._exchange.now() - int(sent) * 1000) > WINDOW_MS
        except ValueError:
            late = True
        if late:
            _error(line, 60006, "Timestamp request expired")
            return
        try:
            account = proven(self._exchange.ledger, key, phrase, sign, sent + SIGNED_PATH)
        except ApiError as error:
            _error(line, _LOGIN_CODES[error.code], error.msg)
            return
        line.accounts[0] = account
        line.send({"event": "login", "code": "0", "msg": "", "connId": ""})

    def _subscribe(self, line: Line, arg: Mapping[str, Any]) -> None:
        channel = str(arg.get("channel", ""))
        if not public(channel) and channel not in PRIVATE:
            _error(line, 60018, f"Wrong URL or channel:{channel} doesn't exist.")
        elif channel in PRIVATE and line.account is None:
            _error(line, 60011, "Please log in")
        elif public(channel) and self._listing(arg) is None:
            _error(line, 60018, f"Wrong URL or instId:{arg.get('instId')} doesn't exist.")
        else:
            line.add(arg)
            line.send({"event": "subscribe", "arg": dict(arg), "connId": ""})
            self._show(line, arg)

    def _unsubscribe(self, line: Line, arg: Mapping[str, Any]) -> None:
        line.remove(arg)
        line.send({"event": "unsubscribe", "arg": dict(arg), "connId": ""})

    def _show(self, line: Line, arg: Mapping[str, Any]) -> None:
        """What a channel says at once: the market as it is, or the account."""
        listing, account = self._listing(arg), line.account
        if public(arg["channel"]) and listing:
            line.push(arg, [self._market(arg["channel"], listing)])
        elif arg["channel"] == "account" and account:
            line.push(arg, [self._balance(account, None)])

    def _market(self, channel: str, listing: Listing) -> Any:
        exchange, now = self._exchange, self._exchange.now()
        book = exchange.book(listing.symbol)
        if channel == "tickers":
            return shapes.ticker(listing, book, exchange.tape.day(listing.symbol, now), now)
        depth = 1 if channel == "bbo-tbt" else 5
        return {**shapes.books(book, depth, now), "instId": shapes.inst(listing)}

    def _balance(self, account: Account, changed: set[str] | None) -> Any:
        holdings = self._exchange.ledger.holdings(account.id)
        told = {asset: held for asset, held in holdings.items() if changed is None or asset in changed}
        return shapes.balance(told, {}, self._exchange.now())

    def _happened(self, event: Event) -> None:
        for line in tuple(self._open):
            account = line.account
            if account is None or account.id != event.account:
                continue
            if isinstance(event, Executed):
                self._executed(line, event)
            elif isinstance(event, (Balances, Deposited)):
                changed = set(event.holdings) if isinstance(event, Balances) else {event.asset}
                for arg in line.listening("account"):
                    line.push(arg, [self._balance(account, changed)])

    def _executed(self, line: Line, event: Executed) -> None:
        order = event.order
        listing = self._exchange.listings[order.symbol]
        name = shapes.inst(listing)
        if order.kind.waits:
            legs = [order if leg.id == order.id else leg for leg in stops.legs(self._exchange.ledger, order)]
            for arg in line.listening("orders-algo", name):
                line.push(arg, [stops.told(legs, listing)])
        if in_book(order):
            for arg in line.listening("orders", name):
                line.push(arg, [self._order(event, order, listing)])

    def _order(self, event: Executed, order: Order, listing: Listing) -> Any:
        """The order after this step, with this step's trade alone."""
        last, ledger = event.fill, self._exchange.ledger
        fills = [fill for fill in ledger.order_fills(order.id) if last is None or fill.id <= last.id]
        algo = stops.legs(ledger, order)[0] if order.kind.waits else None
        told = shapes.order(replace(order, updated_at=event.at), listing, fills, algo)
        if last is None:
            return told | {"fillPx": "", "fillSz": "0", "fillTime": "", "tradeId": "", "fillFee": "0", "execType": ""}
        fee = {"fillFee": shapes.num(-last.fee), "fillFeeCcy": last.fee_asset}
        return told | fee | {"execType": "M" if last.maker else "T"}

    def _price_moved(self, symbol: str) -> None:
        """Several moves within one turn of the loop are told once."""
        if not self._open:
            return
        if not self._moved:
            asyncio.get_running_loop().call_soon(self._show_moved)
        self._moved.add(symbol)

    def _show_moved(self) -> None:
        moved, self._moved = self._moved, set()
        for line in tuple(self._open):
            for arg in tuple(line.args.values()):
                listing = self._listing(arg) if public(arg["channel"]) else None
                if listing and listing.symbol in moved:
                    line.push(arg, [self._market(arg["channel"], listing)])

    def _listing(self, arg: Mapping[str, Any]) -> Listing | None:
        base, _, quote = str(arg.get("instId", "")).partition("-")
        found = self._exchange.listings.get(base + quote)
        return found if found and found.base == base else None


def _error(line: Line, code: int, msg: str) -> None:
    line.send({"event": "error", "code": str(code), "msg": msg, "connId": ""})
