"""Binance's websockets: market streams under /ws and /stream, user-data streams under /ws-api/v3."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from apps.exchanges.paper.binance import events
from apps.exchanges.paper.binance.connection import Connection
from apps.exchanges.paper.binance.userapi import UserApi
from apps.exchanges.paper.engine import Exchange
from apps.exchanges.paper.events import Event
from apps.exchanges.paper.faults import Faults

PREFIXES = ("/ws-api/v3", "/ws", "/stream")
_HEARTBEAT_S = 20.0
_EVERY_S = 1.0
_MOST_STREAMS = 1024


class BinanceSockets:
    """All websocket connections. Market streams tell at subscription, at each move of the price, and each second."""

    def __init__(self, exchange: Exchange, faults: Faults) -> None:
        self._exchange = exchange
        self._faults = faults
        self._open: set[Connection] = set()
        self._users = UserApi(exchange)
        self._moved: set[str] = set()
        self._clock: asyncio.Task[None] | None = None

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Hold one connection until it ends."""
        socket = web.WebSocketResponse(heartbeat=_HEARTBEAT_S)
        await socket.prepare(request)
        connection = Connection(socket, self._faults, self._exchange.now, combined=request.path == "/stream")
        self._opened(connection)
        try:
            self._subscribe(connection, _named(request))
            await connection.run(self._user if request.path.startswith("/ws-api/") else self._market)
        finally:
            self._closed(connection)
        return socket

    def _opened(self, connection: Connection) -> None:
        """The exchange is watched only while someone listens: orders cost less when nobody does."""
        if not self._open:
            self._exchange.watchers.append(self._happened)
            self._exchange.price_watchers.append(self._price_moved)
            self._clock = asyncio.create_task(self._each_second())
        self._open.add(connection)

    def _closed(self, connection: Connection) -> None:
        self._open.discard(connection)
        if not self._open and self._clock:
            self._exchange.watchers.remove(self._happened)
            self._exchange.price_watchers.remove(self._price_moved)
            self._clock.cancel()
            self._clock = None

    def drop(self, account: str = "") -> int:
        """Cut connections, of one account (API key) or all. Returns how many."""
        chosen = [one for one in self._open if not account or account in one.keys]
        for connection in chosen:
            connection.cut()
        return len(chosen)

    def _user(self, connection: Connection, message: dict[str, Any]) -> None:
        connection.send(self._users.answer(connection, message))

    def _market(self, connection: Connection, message: dict[str, Any]) -> None:
        method, names = message.get("method"), message.get("params", [])
        told: Any = None
        if method == "SUBSCRIBE" and len(connection.streams) + len(names) <= _MOST_STREAMS:
            connection.send({"result": None, "id": message.get("id")})
            self._subscribe(connection, names)
            return
        if method == "UNSUBSCRIBE":
            connection.unsubscribe(names)
        elif method == "LIST_SUBSCRIPTIONS":
            told = sorted(connection.streams)
        else:
            connection.send({"code": 2, "msg": "Invalid request: unknown method or too many streams", "id": None})
            return
        connection.send({"result": told, "id": message.get("id")})

    def _subscribe(self, connection: Connection, names: list[str]) -> None:
        connection.streams.update(str(name) for name in names)
        self._show(connection, {str(name) for name in names})

    def _show(self, connection: Connection, streams: set[str]) -> None:
        for stream in sorted(streams):
            if (told := self._told(connection, stream)) is not None:
                connection.tell(stream, told)

    def _told(self, connection: Connection, stream: str) -> dict[str, Any] | None:
        name, _, what = stream.partition("@")
        symbol = name.upper()
        if what.partition("@")[0] != "depth" or symbol not in self._exchange.listings:
            return events.market_event(self._exchange, stream)
        diff = connection.diffs.setdefault(stream, events.Diff())
        return diff.next(symbol, self._exchange.book(symbol), self._exchange.now())

    def _happened(self, event: Event) -> None:
        for connection in tuple(self._open):
            for subscription, account in connection.accounts.items():
                if account.id == event.account:
                    told = events.user_event(event)
                    connection.tell(told["e"], events.wrapped(told, subscription), account.api_key)

    def _price_moved(self, symbol: str) -> None:
        """Several moves within one turn of the loop are told once."""
        if not self._moved:
            asyncio.get_running_loop().call_soon(self._show_moved)
        self._moved.add(symbol.lower())

    def _show_moved(self) -> None:
        moved, self._moved = self._moved, set()
        for connection in tuple(self._open):
            self._show(connection, {name for name in connection.streams if name.partition("@")[0] in moved})

    async def _each_second(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_S)
            for connection in tuple(self._open):
                self._show(connection, {name for name in connection.streams if not name.endswith("@bookTicker")})


def _named(request: web.BaseRequest) -> list[str]:
    """The streams that an address names: /ws/NAME, or /stream?streams=NAME/NAME."""
    if request.path == "/stream":
        return parse_qs(request.query_string).get("streams", [""])[0].split("/")
    name = request.path.removeprefix("/ws").strip("/")
    return [name] if "@" in name else []
