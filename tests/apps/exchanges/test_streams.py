"""Unmodified ccxt.pro and python-binance listen to the paper exchange; its sockets break, repeat and swap on demand."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import ccxt.pro
import pytest
from binance import AsyncClient, BinanceSocketManager
from binance.ws.reconnecting_websocket import ReconnectingWebsocket

from tests.apps.exchanges.conftest import plain_ccxt
from tests.apps.exchanges.paper_process import PaperProcess

TIMEOUT_S = 30


def listening(url: str, keys: tuple[str, str]) -> ccxt.pro.binance:
    """An unmodified ccxt.pro.binance; only its addresses and its spot-only options are set."""
    client = ccxt.pro.binance(
        {
            "apiKey": keys[0],
            "secret": keys[1],
            "options": {"fetchMarkets": {"types": ["spot"]}, "fetchMargins": False, "fetchCurrencies": False},
        }
    )
    client.number = str
    socket = url.replace("http", "ws", 1)
    ours = {name: f"{url}/{to.split('/', 3)[3]}" for name, to in client.urls["api"].items() if isinstance(to, str)}
    known = client.urls["api"]["ws"]
    ws = {**known, "spot": f"{socket}/ws", "ws-api": {**known["ws-api"], "spot": f"{socket}/ws-api/v3"}}
    client.urls["api"] = ours | {"ws": ws}
    return client


def run(work: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(work(), TIMEOUT_S))


@pytest.fixture
def keys(paper: PaperProcess) -> tuple[str, str]:
    return paper.account({"USDT": "100000", "BTC": "2"})


def test_ccxt_pro_watches_orders_and_balances(paper: PaperProcess, keys: tuple[str, str]) -> None:
    async def work() -> None:
        client = listening(paper.url, keys)
        try:
            await client.load_markets()
            await client.ensure_user_data_stream_ws_subscribe_signature("spot")
            watching = asyncio.create_task(client.watch_orders("BTC/USDT"))
            placed = await client.create_order("BTC/USDT", "limit", "buy", "1", "29000", {"clientOrderId": "mine"})
            assert [(it["id"], it["status"]) for it in await watching] == [(placed["id"], "open")]
            watching = asyncio.create_task(client.watch_my_trades("BTC/USDT"))
            await asyncio.to_thread(paper.price, "BTC/USDT", "28000")
            assert [(it["order"], it["price"], it["amount"]) for it in await watching] == [
                (placed["id"], "29000.00000000", "1.00000000")
            ]
        finally:
            await client.close()

    run(work)


def test_ccxt_pro_watches_prices(paper: PaperProcess, keys: tuple[str, str]) -> None:
    async def work() -> None:
        client = listening(paper.url, keys)
        try:
            assert (await client.watch_ticker("BTC/USDT"))["last"] == "30000.00000000"
            await asyncio.to_thread(paper.price, "BTC/USDT", "30100")
            while (await client.watch_ticker("BTC/USDT"))["last"] != "30100.00000000":
                pass
            best = (await client.watch_bids_asks(["BTC/USDT"]))["BTC/USDT"]
            assert best["bid"] < "30100" < best["ask"]
        finally:
            await client.close()

    run(work)


def test_python_binance_hears_executions_and_tickers(
    paper: PaperProcess, keys: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its reading ends this many seconds after the socket is to be closed, ten if nothing else is said.
    monkeypatch.setattr(ReconnectingWebsocket, "TIMEOUT", 3)

    async def work() -> None:
        socket = paper.url.replace("http", "ws", 1)
        client = AsyncClient(*keys)
        client.API_URL = f"{paper.url}/api"
        client.ws_api._url = f"{socket}/ws-api/v3"
        manager = BinanceSocketManager(client)
        manager.STREAM_URL = f"{socket}/"
        try:
            async with manager.user_socket() as user, manager.symbol_book_ticker_socket("BTCUSDT") as ticker:
                assert (await ticker.recv())["b"] == "29997.00000000"
                await client.order_market_buy(symbol="BTCUSDT", quantity="0.1")
                told = [await user.recv() for _ in range(3)]
                assert [(it["e"], it.get("x"), it.get("X")) for it in told] == [
                    ("executionReport", "NEW", "NEW"),
                    ("executionReport", "TRADE", "FILLED"),
                    ("outboundAccountPosition", None, None),
                ]
                assert {it["a"]: it["f"] for it in told[2]["B"]} == {"BTC": "2.09990000", "USDT": "96999.70000000"}
        finally:
            await client.close_connection()

    run(work)


class Listener:
    """A bare websocket on the user-data stream of one account."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def subscribe(self, paper: PaperProcess, keys: tuple[str, str]) -> Any:
        params: dict[str, Any] = {"apiKey": keys[0], "timestamp": time.time_ns() // 1_000_000}
        signed = "&".join(f"{name}={params[name]}" for name in sorted(params))
        params["signature"] = hmac.new(keys[1].encode(), signed.encode(), "sha256").hexdigest()
        await self.socket.send_json({"id": "1", "method": "userDataStream.subscribe.signature", "params": params})
        return await self.socket.receive_json()

    async def next(self) -> dict[str, Any]:
        told: dict[str, Any] = (await self.socket.receive_json())["event"]
        return told


def listen(paper: PaperProcess, keys: tuple[str, str], work: Callable[[Listener], Awaitable[None]]) -> None:
    async def connected() -> None:
        async with aiohttp.ClientSession() as session, session.ws_connect(f"{paper.url}/ws-api/v3") as socket:
            listener = Listener(socket)
            assert (await listener.subscribe(paper, keys))["result"] == {"subscriptionId": 0}
            await work(listener)

    run(connected)


def buy(paper: PaperProcess, keys: tuple[str, str]) -> None:
    plain_ccxt(paper.url, keys).create_order("BTC/USDT", "market", "buy", "0.1")


def test_events_are_repeated_on_demand(paper: PaperProcess, keys: tuple[str, str]) -> None:
    async def work(listener: Listener) -> None:
        paper.fault("stream_repeat", path="executionReport", account=keys[0], contains='"x":"TRADE"')
        await asyncio.to_thread(buy, paper, keys)
        told = [await listener.next() for _ in range(4)]
        assert [it.get("x") for it in told] == ["NEW", "TRADE", "TRADE", None]
        assert told[1] == told[2]

    listen(paper, keys, work)


def test_events_come_out_of_order_on_demand(paper: PaperProcess, keys: tuple[str, str]) -> None:
    async def work(listener: Listener) -> None:
        paper.fault("stream_swap", path="executionReport", account=keys[0])
        await asyncio.to_thread(buy, paper, keys)
        assert [(await listener.next()).get("x") for _ in range(3)] == ["TRADE", "NEW", None]

    listen(paper, keys, work)


def test_events_are_lost_on_demand(paper: PaperProcess, keys: tuple[str, str]) -> None:
    async def work(listener: Listener) -> None:
        paper.fault("stream_lose", path="executionReport", account=keys[0], times=2)
        await asyncio.to_thread(buy, paper, keys)
        assert (await listener.next())["e"] == "outboundAccountPosition"

    listen(paper, keys, work)


@pytest.mark.parametrize("by", ["rule", "operator"])
def test_sockets_break_on_demand(paper: PaperProcess, keys: tuple[str, str], by: str) -> None:
    async def work(listener: Listener) -> None:
        if by == "rule":
            paper.fault("stream_drop", path="executionReport", account=keys[0])
            await asyncio.to_thread(buy, paper, keys)
        else:
            assert paper.operator("POST", "streams/drop", {"account": keys[0]}).json() == {"dropped": 1}
        ended = await listener.socket.receive()
        assert ended.type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR, aiohttp.WSMsgType.CLOSE}

    listen(paper, keys, work)


def test_strangers_hear_nothing_and_wrong_signatures_are_refused(paper: PaperProcess, keys: tuple[str, str]) -> None:
    stranger = paper.account({"USDT": "10000"})

    async def work(listener: Listener) -> None:
        await asyncio.to_thread(buy, paper, stranger)
        await asyncio.to_thread(buy, paper, keys)
        mine = next(row["id"] for row in paper.rows("accounts") if row["api_key"] == keys[0])
        assert (await listener.next())["i"] in {row["id"] for row in paper.rows("orders") if row["account"] == mine}
        refused = await Listener(listener.socket).subscribe(paper, (stranger[0], "another-secret"))
        while "event" in refused:
            refused = await listener.socket.receive_json()
        assert (refused["status"], refused["error"]["code"]) == (400, -1022)

    listen(paper, keys, work)


def test_combined_streams_subscribe_and_list(paper: PaperProcess) -> None:
    async def work() -> None:
        url = f"{paper.url}/stream?streams=btcusdt@miniTicker/ethusdt@depth20"
        async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
            first = {told["stream"]: told["data"] for told in [await socket.receive_json() for _ in range(2)]}
            assert first["btcusdt@miniTicker"]["c"] == "30000.00000000"
            assert len(first["ethusdt@depth20"]["bids"]) == 20
            await socket.send_json({"method": "SUBSCRIBE", "params": ["btcusdt@ticker"], "id": 1})
            await socket.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 2})
            while (told := await socket.receive_json()).get("id") != 2:
                pass
            assert told["result"] == ["btcusdt@miniTicker", "btcusdt@ticker", "ethusdt@depth20"]

    run(work)
