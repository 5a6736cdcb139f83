"""Who may ask: key, signature over query and body as sent, and a clock that agrees."""

from __future__ import annotations

import hmac
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from apps.exchanges.paper.binance.dialect import BinanceDialect
from apps.exchanges.paper.engine import Exchange
from apps.exchanges.paper.ledger import Ledger
from apps.exchanges.paper.listing import default_listings
from apps.exchanges.paper.wire import Answer, Call

NOW = 1_700_000_000_000
KEY, SECRET = "a-key-of-a-test", "a-secret-of-a-test"


@pytest.fixture
def venue(tmp_path: Path) -> BinanceDialect:
    exchange = Exchange(Ledger(tmp_path / "ledger.db"), default_listings(), now=lambda: NOW)
    exchange.ledger.deposit(exchange.ledger.open_account(KEY, SECRET).id, "USDT", Decimal(1000), NOW)
    return BinanceDialect(exchange)


def sign(*parts: str, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), "".join(parts).encode(), "sha256").hexdigest()


def ask(venue: BinanceDialect, query: str = "", body: str = "", key: str = KEY, **more: Any) -> Answer:
    call = {"method": "GET", "path": "/api/v3/account"} | more
    return venue.answer(Call(query=query, body=body, headers={"X-MBX-APIKEY": key}, address="127.0.0.1", **call))


def code(answer: Answer) -> int:
    found: int = answer.body["code"]
    return found


def test_signed_query_is_answered_with_the_used_weight(venue: BinanceDialect) -> None:
    query = f"timestamp={NOW}"
    answer = ask(venue, f"{query}&signature={sign(query)}")
    assert answer.status == 200
    assert answer.body["balances"] == [{"asset": "USDT", "free": "1000.00000000", "locked": "0.00000000"}]
    assert answer.headers["X-MBX-USED-WEIGHT-1M"] == "20"


def test_signature_covers_query_then_body_without_a_separator(venue: BinanceDialect) -> None:
    query = "symbol=ETHUSDT&side=BUY&type=MARKET"
    body = f"quantity=0.1&timestamp={NOW}"
    order: dict[str, Any] = {"method": "POST", "path": "/api/v3/order"}
    assert ask(venue, query, f"{body}&signature={sign(query, body)}", **order).body["status"] == "FILLED"
    assert code(ask(venue, query, f"{body}&signature={sign(query, '&', body)}", **order)) == -1022


def test_signature_covers_the_percent_encoded_text(venue: BinanceDialect) -> None:
    encoded, plain = (f"symbol=ETHUSDT&origClientOrderId={it}&timestamp={NOW}" for it in ("a%3Ab", "a:b"))
    path: dict[str, Any] = {"path": "/api/v3/order"}
    assert code(ask(venue, f"{encoded}&signature={sign(encoded)}", **path)) == -2013
    assert code(ask(venue, f"{encoded}&signature={sign(plain)}", **path)) == -1022


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (f"timestamp={NOW - 5_000}", None),
        (f"timestamp={NOW - 5_001}", -1021),
        (f"timestamp={NOW - 50_000}&recvWindow=60000", None),
        (f"timestamp={NOW + 999}", None),
        (f"timestamp={NOW + 1_000}", -1021),
        ("timestamp=yesterday", -1100),
        ("", -1102),
        (f"timestamp={NOW}&recvWindow=60001", -1131),
        (f"timestamp={NOW}&recvWindow=soon", -1102),
        (f"timestamp={NOW}&timestamp={NOW}", -1101),
    ],
)
def test_clock_and_window(venue: BinanceDialect, query: str, expected: int | None) -> None:
    answer = ask(venue, f"{query}&signature={sign(query)}")
    assert answer.body.get("code") == expected


@pytest.mark.parametrize(
    ("key", "status", "expected"),
    [("", 401, -2014), ("key with spaces", 401, -2014), ("unknown-key", 401, -2015)],
)
def test_keys(venue: BinanceDialect, key: str, status: int, expected: int) -> None:
    query = f"timestamp={NOW}"
    answer = ask(venue, f"{query}&signature={sign(query)}", key=key)
    assert (answer.status, code(answer)) == (status, expected)


def test_unsigned_and_wrongly_signed_requests_are_refused(venue: BinanceDialect) -> None:
    query = f"timestamp={NOW}"
    assert code(ask(venue, query)) == -1102
    assert code(ask(venue, f"{query}&signature={sign(query, secret='other')}")) == -1022
    assert code(ask(venue, f"{query}&omitZeroBalances=true&signature={sign(query)}")) == -1022


def test_unknown_path_is_no_operation(venue: BinanceDialect) -> None:
    answer = ask(venue, path="/api/v3/sor/order")
    assert (answer.status, code(answer)) == (404, -1020)


def test_public_data_needs_no_key(venue: BinanceDialect) -> None:
    many = 'symbols=["BTCUSDT","ETHUSDT"]'
    assert ask(venue, path="/api/v3/time").body == {"serverTime": NOW}
    assert [one["symbol"] for one in ask(venue, many, path="/api/v3/ticker/price").body] == ["BTCUSDT", "ETHUSDT"]
    assert len(ask(venue, "symbol=BTCUSDT", path="/api/v3/exchangeInfo").body["symbols"]) == 1
    assert code(ask(venue, "symbol=NOPE", path="/api/v3/depth")) == -1121
    assert code(ask(venue, "symbols=BTC", path="/api/v3/ticker/24hr")) == -1102
    assert code(ask(venue, "symbol=BTCUSDT&interval=7m", path="/api/v3/klines")) == -1120
