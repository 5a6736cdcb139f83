"""A Binance-like websocket server that tells exactly what a test wants told."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import ccxt
from aiohttp import WSMsgType, web

MARKET = {
    "symbol": "BTCUSDT",
    "status": "TRADING",
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "isSpotTradingAllowed": True,
    "permissionSets": [["SPOT"]],
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01"},
        {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001"},
    ],
}


def rest_client() -> Any:
    """A ccxt client that knows one market."""
    client = ccxt.binance({"apiKey": "synthetic-key", "secret": "synthetic-secret"})
    client.number = str
    client.options |= {"crossMarginPairsData": [], "isolatedMarginPairsData": []}
    client.set_markets([client.parse_market(MARKET)])
    return client


class Teller:
    """`url` is where it listens. It accepts every subscription and notes it."""

    def __init__(self) -> None:
        self.sockets: list[web.WebSocketResponse] = []
        self.subscriptions: list[dict[str, Any]] = []
        self.url = ""

    async def tell(self, *events: dict[str, Any]) -> None:
        """User events, to every account that listens."""
        for event in events:
            await self._send({"subscriptionId": 0, "event": event})

    async def tell_price(self, **ticker: str) -> None:
        await self._send({"e": "24hrTicker", "E": 1, "s": "BTCUSDT", **ticker})

    async def cut(self) -> None:
        """Drop every connection without a goodbye."""
        gone, self.sockets = self.sockets, []
        for socket in gone:
            transport = socket._req.transport if socket._req else None
            if transport:
                transport.abort()

    async def _send(self, message: dict[str, Any]) -> None:
        for socket in list(self.sockets):
            await socket.send_str(json.dumps(message))

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        async for message in socket:
            if message.type == WSMsgType.TEXT:
                asked = json.loads(message.data)
                self.subscriptions.append(asked)
                await socket.send_str(json.dumps(_accepted(asked)))
        if socket in self.sockets:
            self.sockets.remove(socket)
        return socket


def _accepted(asked: dict[str, Any]) -> dict[str, Any]:
    if asked["method"] == "SUBSCRIBE":
        return {"result": None, "id": asked["id"]}
    return {"id": asked["id"], "status": 200, "result": {"subscriptionId": 0}}


@asynccontextmanager
async def telling() -> AsyncIterator[Teller]:
    """A teller that listens on a free port."""
    teller = Teller()
    app = web.Application()
    app.router.add_get("/{path:.*}", teller.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    teller.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield teller
    finally:
        await runner.cleanup()


def execution(**changes: Any) -> dict[str, Any]:
    """An executionReport as Binance documents it (user-data-stream, Order Update)."""
    report = {
        "e": "executionReport",
        "E": 1_700_000_000_000,
        "s": "BTCUSDT",
        "c": "client-1",
        "S": "BUY",
        "o": "LIMIT",
        "f": "GTC",
        "q": "2.00000000",
        "p": "30000.00000000",
        "P": "0.00000000",
        "g": -1,
        "C": "",
        "x": "NEW",
        "X": "NEW",
        "r": "NONE",
        "i": 1,
        "l": "0.00000000",
        "z": "0.00000000",
        "L": "0.00000000",
        "n": "0",
        "N": None,
        "T": 1_700_000_000_000,
        "t": -1,
        "w": True,
        "m": False,
        "O": 1_700_000_000_000,
        "Z": "0.00000000",
        "Y": "0.00000000",
        "Q": "0.00000000",
    }
    return {**report, **changes}


def trade(number: int, filled: str, *, status: str = "PARTIALLY_FILLED") -> dict[str, Any]:
    """One bitcoin more of the order is bought."""
    return execution(
        x="TRADE",
        X=status,
        t=number,
        l="1.00000000",
        z=filled,
        L="30000.00",
        n="0.00100000",
        N="BTC",
        Z="30000",
        Y="30000",
    )
