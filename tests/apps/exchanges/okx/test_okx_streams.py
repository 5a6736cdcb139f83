"""An unmodified ccxt.pro.okx listens to the paper exchange."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import ccxt
import pytest
from ccxt import pro

from tests.apps.exchanges.okx.conftest import okx_config, plain_okx
from tests.apps.exchanges.okx.plain_line import Plain
from tests.apps.exchanges.paper_process import PaperProcess

A = "a" * 32
PAIR = "BTC/USDT"
SECONDS = 20.0


async def soon(awaited: Awaitable[Any]) -> Any:
    return await asyncio.wait_for(awaited, SECONDS)


@pytest.fixture
def keys(paper: PaperProcess) -> tuple[str, str]:
    return paper.account({"USDT": "100000", "BTC": "2"})


@pytest.fixture
def trader(paper: PaperProcess, keys: tuple[str, str]) -> ccxt.okx:
    return plain_okx(paper.url, keys)


def listener(paper: PaperProcess, keys: tuple[str, str], phrase: str = "") -> pro.okx:
    client = pro.okx(okx_config(keys, phrase))
    client.number = str
    client.urls["api"]["rest"] = paper.url
    client.urls["api"]["ws"] = f"{paper.url.replace('http', 'ws')}/ws/v5"
    return client


async def settled(client: pro.okx) -> Any:
    """The balance, whose subscription is behind all earlier ones of this client."""
    await asyncio.sleep(0)
    return await soon(client.watch_balance())


class Listening:
    """`async with` around one ccxt.pro client."""

    def __init__(self, *given: Any) -> None:
        self._client = listener(*given)

    async def __aenter__(self) -> pro.okx:
        await self._client.load_markets()
        return self._client

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()


def test_tickers_and_books_follow_the_price(paper: PaperProcess, keys: tuple[str, str]) -> None:
    async def play() -> tuple[Any, ...]:
        async with Listening(paper, keys) as client:
            first = await soon(client.watch_ticker(PAIR))
            book = await soon(client.watch_order_book(PAIR, 5, {"depth": "books5"}))
            best = str(book["bids"][0][0])
            # Watched before it changes: what is told while nobody watches is not told again.
            later = asyncio.create_task(client.watch_ticker(PAIR))
            await asyncio.sleep(0)
            await asyncio.to_thread(paper.price, PAIR, "30500")
            return first["last"], best, (await soon(later))["last"]

    assert asyncio.run(play()) == ("30000", "29997.0", "30500")


def test_orders_trades_and_balances_are_told(paper: PaperProcess, keys: tuple[str, str], trader: ccxt.okx) -> None:
    async def play() -> tuple[Any, ...]:
        async with Listening(paper, keys) as client:
            orders = asyncio.create_task(client.watch_orders(PAIR))
            trades = asyncio.create_task(client.watch_my_trades(PAIR))
            held = await settled(client)
            later = asyncio.create_task(client.watch_balance())
            await asyncio.sleep(0)
            await asyncio.to_thread(trader.create_order, PAIR, "market", "buy", "0.5", None, {"clientOrderId": A})
            return held, await soon(orders), await soon(trades), await soon(later)

    held, orders, trades, after = asyncio.run(play())
    assert held["BTC"]["free"] == "2"
    assert {order["clientOrderId"] for order in orders} == {A}
    assert [(trade["amount"], trade["takerOrMaker"]) for trade in trades] == [("0.5", "taker")]
    assert after["BTC"]["free"] == "2.4995"


def test_stops_are_told_where_stops_are(paper: PaperProcess, keys: tuple[str, str], trader: ccxt.okx) -> None:
    told: list[Any] = []
    with Plain(paper, keys) as line:
        line.subscribe("orders-algo", "orders")
        placed = trader.create_order(PAIR, "market", "sell", "1", None, {"stopLossPrice": "29000", "algoClOrdId": A})
        told += [line.data()]
        paper.price(PAIR, "29000")
        told += [line.data(), line.data()]
    (first, waiting), (second, fired), (third, became) = told
    assert (first, second, third) == ("orders-algo", "orders-algo", "orders")
    assert (waiting["state"], fired["state"], fired["ordId"]) == ("live", "effective", placed["id"])
    assert (became["ordId"], became["algoClOrdId"], became["state"]) == (placed["id"], A, "filled")


def test_an_event_that_is_lost_is_lost(paper: PaperProcess, keys: tuple[str, str], trader: ccxt.okx) -> None:
    rule = {"kind": "stream_lose", "path": "orders", "account": keys[0], "contains": '"filled"'}
    assert paper.operator("POST", "faults", rule).status_code == 200
    with Plain(paper, keys) as line:
        line.subscribe("orders")
        trader.create_order(PAIR, "market", "buy", "0.1")
        resting = trader.create_order(PAIR, "limit", "buy", "0.1", "25000")
        states = [(row["ordId"], row["state"]) for _, row in (line.data(), line.data())]
    assert states[1] == (resting["id"], "live")
    assert states[0][1] == "live"


def test_connections_are_cut_on_demand(paper: PaperProcess, keys: tuple[str, str]) -> None:
    with Plain(paper, keys) as line:
        line.subscribe("orders")
        assert paper.operator("POST", "streams/drop", {"account": keys[0]}).json()["dropped"] == 1
        with pytest.raises(ConnectionError):
            line.data()


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"op": "subscribe", "args": [{"channel": "orders", "instType": "SPOT"}]}, "60011"),
        ({"op": "subscribe", "args": [{"channel": "nothing"}]}, "60018"),
        ({"op": "subscribe", "args": [{"channel": "tickers", "instId": "NOPE-USDT"}]}, "60018"),
        ({"op": "guess", "args": []}, "60012"),
        ({"op": "subscribe", "args": "tickers"}, "60012"),
        (["no object"], "60012"),
        ({"op": "login", "args": [{"apiKey": "nobody"}]}, "60006"),
    ],
)
def test_what_is_wrong_is_told(paper: PaperProcess, message: Any, code: str) -> None:
    with Plain(paper) as line:
        line.send(message)
        assert line.read()["code"] == code


@pytest.mark.parametrize(("wrong", "code"), [("apiKey", "60005"), ("sign", "60007"), ("passphrase", "60024")])
def test_wrong_login_is_refused(paper: PaperProcess, keys: tuple[str, str], wrong: str, code: str) -> None:
    with Plain(paper) as line:
        line.login(keys, **{wrong: "wrong"})
        assert line.read()["code"] == code
