"""ccxt.pro clients, and ccxt without the exchanges that nobody uses."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import ccxt
import pytest
from ccxt.base.errors import NetworkError

from apps.exchanges.selectors import VenueInfo
from workers.streams import clients

LOCAL = VenueInfo(name="paper", dialect="binance", base_url="http://127.0.0.1:9000")
MARKETS = {
    "BTC/USDT": {"id": "BTCUSDT", "symbol": "BTC/USDT", "base": "BTC", "quote": "USDT", "spot": True, "type": "spot"}
}


def rest(name: str = "binance") -> Any:
    client = getattr(ccxt, name)({"apiKey": "synthetic-key", "secret": "synthetic-secret"})
    client.set_markets(list(MARKETS.values()))
    return client


def test_it_has_the_keys_and_shares_the_markets() -> None:
    source = rest()
    client = clients.listening(source, LOCAL)
    assert (client.apiKey, client.secret) == ("synthetic-key", "synthetic-secret")
    assert client.markets is source.markets
    assert client.number is str


def test_its_sockets_go_where_its_requests_go() -> None:
    sockets = clients.listening(rest(), LOCAL).urls["api"]["ws"]
    assert sockets["spot"] == "ws://127.0.0.1:9000/ws"
    assert sockets["ws-api"]["spot"] == "ws://127.0.0.1:9000/ws-api/v3"


@pytest.mark.parametrize("name", ["binance", "okx", "bybit", "kraken", "coinbase"])
def test_every_venue_has_one(name: str) -> None:
    client = clients.listening(rest(name), VenueInfo(name=name, dialect=name))
    assert client.has["watchOrders"]
    assert client.has["watchTickers"]


def test_a_secure_address_gets_secure_sockets() -> None:
    there = VenueInfo(name="mirror", dialect="okx", base_url="https://exchange.example")
    assert clients.listening(rest("okx"), there).urls["api"]["ws"] == "wss://exchange.example/ws/v5"


def test_an_event_that_can_not_be_read_ends_the_connection() -> None:
    ended: list[Exception] = []

    class Socket:
        url = "ws://127.0.0.1:9000/ws"
        subscriptions: dict[str, Any] = {}

        def reset(self, error: Exception) -> None:
            ended.append(error)

    clients.listening(rest(), LOCAL).handle_message(
        Socket(), {"event": {"e": "executionReport", "x": "TRADE", "l": {}}}
    )
    assert [type(error) for error in ended] == [NetworkError]


def test_ccxt_comes_without_the_exchanges_that_nobody_uses() -> None:
    code = (
        "import apps.exchanges.adapters, sys, ccxt, ccxt.pro;"
        "ccxt.pro.binance, ccxt.kraken;"
        "loaded = {name for name in sys.modules if name.startswith('ccxt.')};"
        "print(*sorted(name for name in loaded if name.rpartition('.')[2] in ccxt.exchanges))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = [name for name in done.stdout.split() if ".abstract." not in name]
    assert loaded == ["ccxt.async_support.binance", "ccxt.kraken", "ccxt.pro.binance"]


def test_an_unknown_exchange_is_still_an_attribute_error() -> None:
    code = "import apps.exchanges.adapters, ccxt; print(hasattr(ccxt, 'nowhere'), ccxt.OrderNotFound.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "OrderNotFound"]
