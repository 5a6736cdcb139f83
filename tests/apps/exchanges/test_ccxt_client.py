"""An unmodified ccxt.binance trades on the paper exchange."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import ccxt
import pytest

from tests.apps.exchanges.conftest import plain_ccxt
from tests.apps.exchanges.paper_process import PaperProcess

A, B = "a" * 32, "b" * 32


@pytest.fixture
def trader(paper: PaperProcess) -> ccxt.binance:
    return plain_ccxt(paper.url, paper.account({"USDT": "100000", "BTC": "2"}))


def test_lists_fifty_markets_with_exact_steps(trader: ccxt.binance) -> None:
    markets = trader.load_markets()
    assert len(markets) >= 50
    assert markets["BTC/USDT"]["precision"]["price"] == "0.01000000"
    assert markets["BTC/USDT"]["limits"]["cost"]["min"] == "5.00000000"


def test_shows_a_price_with_a_book_around_it(trader: ccxt.binance) -> None:
    ticker, book = trader.fetch_ticker("BTC/USDT"), trader.fetch_order_book("BTC/USDT", 10)
    assert (ticker["bid"], ticker["last"], ticker["ask"]) == ("29997.00000000", "30000.00000000", "30003.00000000")
    assert len(book["bids"]) == len(book["asks"]) == 10
    assert Decimal(book["bids"][0][0]) < 30000 < Decimal(book["asks"][0][0])


def test_market_purchase_fills_and_takes_its_fee_in_the_coin(trader: ccxt.binance) -> None:
    order = trader.create_order("BTC/USDT", "market", "buy", "0.5", None, {"clientOrderId": A})
    assert (order["status"], order["filled"], order["average"]) == ("closed", "0.50000000", "30003")
    assert order["fees"] == [{"currency": "BTC", "cost": "0.00050000"}]
    held = trader.fetch_balance()
    assert held["total"] == {"BTC": "2.4995", "USDT": "84998.5"}


def test_large_market_order_walks_the_book_in_several_trades(trader: ccxt.binance) -> None:
    order = trader.create_order("BTC/USDT", "market", "buy", "3")
    trades = trader.fetch_my_trades("BTC/USDT", None, None, {"orderId": order["id"]})
    assert len(trades) == 2
    assert sum(Decimal(trade["amount"]) for trade in trades) == 3
    assert Decimal(trades[0]["price"]) < Decimal(trades[1]["price"])


def test_market_order_by_cost_spends_at_most_that(trader: ccxt.binance) -> None:
    order = trader.create_order("ETH/USDT", "market", "buy", "1", None, {"cost": "100"})
    assert Decimal(99) < Decimal(order["cost"]) <= 100


def test_limit_order_rests_locks_funds_and_is_cancelled_by_client_id(trader: ccxt.binance) -> None:
    trader.create_order("BTC/USDT", "limit", "buy", "1", "25000", {"clientOrderId": A})
    assert trader.fetch_balance()["USDT"] == {"free": "75000.00000000", "used": "25000.00000000", "total": "100000"}
    assert [order["clientOrderId"] for order in trader.fetch_open_orders("BTC/USDT")] == [A]
    assert trader.cancel_order(None, "BTC/USDT", {"clientOrderId": A})["status"] == "canceled"
    assert trader.fetch_order(None, "BTC/USDT", {"clientOrderId": A})["status"] == "canceled"
    assert trader.fetch_balance()["USDT"]["used"] == "0.00000000"


def test_resting_limit_order_fills_at_its_own_price_when_the_market_comes(
    trader: ccxt.binance, paper: PaperProcess
) -> None:
    placed = trader.create_order("BTC/USDT", "limit", "buy", "1", "29000")
    assert int(placed["id"]) in paper.price("BTC/USDT", "28500")
    order = trader.fetch_order(placed["id"], "BTC/USDT")
    assert (order["status"], order["average"]) == ("closed", "29000")
    assert trader.fetch_my_trades("BTC/USDT")[0]["takerOrMaker"] == "maker"


def test_stop_order_locks_the_coin_and_sells_when_the_price_falls(trader: ccxt.binance, paper: PaperProcess) -> None:
    trader.create_order("BTC/USDT", "market", "sell", "1", None, {"stopLossPrice": "29000", "clientOrderId": B})
    assert trader.fetch_balance()["BTC"]["used"] == "1.00000000"
    waiting = int(trader.fetch_order(None, "BTC/USDT", {"clientOrderId": B})["id"])
    assert waiting not in paper.price("BTC/USDT", "29000.01")
    assert waiting in paper.price("BTC/USDT", "29000")
    order = trader.fetch_order(None, "BTC/USDT", {"clientOrderId": B})
    assert (order["status"], order["info"]["type"], order["average"]) == ("closed", "STOP_LOSS", "28997.1")


@pytest.mark.parametrize(
    ("asked", "type_told", "moves_to"),
    [
        (("limit", "sell", "1", "28900", {"stopLossPrice": "29000"}), "STOP_LOSS_LIMIT", "28950"),
        (("market", "sell", "1", None, {"takeProfitPrice": "31000"}), "TAKE_PROFIT", "31000"),
        (("limit", "sell", "1", "30900", {"takeProfitPrice": "31000"}), "TAKE_PROFIT_LIMIT", "31010"),
        (("market", "buy", "1", None, {"stopLossPrice": "31000"}), "STOP_LOSS", "31500"),
        (("market", "buy", "1", None, {"takeProfitPrice": "29000"}), "TAKE_PROFIT", "28000"),
    ],
)
def test_other_stop_orders_wait_and_then_fill(
    trader: ccxt.binance, paper: PaperProcess, asked: tuple[Any, ...], type_told: str, moves_to: str
) -> None:
    order = trader.create_order("BTC/USDT", *asked)
    assert (order["status"], order["info"]["type"]) == ("open", type_told)
    assert int(order["id"]) in paper.price("BTC/USDT", moves_to)
    assert trader.fetch_order(order["id"], "BTC/USDT")["status"] == "closed"


def test_post_only_order_never_takes(trader: ccxt.binance) -> None:
    with pytest.raises(ccxt.OrderImmediatelyFillable):
        trader.create_order("BTC/USDT", "limit", "buy", "1", "30010", {"postOnly": True})
    assert trader.create_order("BTC/USDT", "limit", "buy", "1", "29990", {"postOnly": True})["status"] == "open"


@pytest.mark.parametrize(
    ("tif", "amount", "status", "filled"),
    [
        ("IOC", "3", "expired", "1.99980000"),
        ("FOK", "3", "expired", "0.00000000"),
        ("FOK", "1", "closed", "1.00000000"),
    ],
)
def test_immediate_orders_leave_nothing_behind(
    trader: ccxt.binance, tif: str, amount: str, status: str, filled: str
) -> None:
    order = trader.create_order("BTC/USDT", "limit", "buy", amount, "30003", {"timeInForce": tif})
    assert (order["status"], order["filled"]) == (status, filled)
    assert trader.fetch_open_orders("BTC/USDT") == []
    assert trader.fetch_balance()["USDT"]["used"] == "0.00000000"


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        (("market", "buy", "9"), ccxt.InsufficientFunds, "insufficient balance"),
        (("limit", "buy", "0.0001", "30000"), ccxt.BadRequest, "NOTIONAL"),
        (("limit", "buy", "1", "1000"), ccxt.InvalidOrder, "PERCENT_PRICE_BY_SIDE"),
    ],
)
def test_refusals_bear_binance_codes(
    trader: ccxt.binance, asked: tuple[Any, ...], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        trader.create_order("BTC/USDT", *asked)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"quantity": "0.000001"}, "LOT_SIZE"),
        ({"quantity": "0.000000001"}, "-1111"),
        ({"quantity": "-1"}, "-1100"),
        ({"quantity": "NaN"}, "-1100"),
        ({"quantity": "0"}, "-1013"),
        ({"quantity": ""}, "-1102"),
        ({"symbol": "NOPEUSDT"}, "-1121"),
        ({"side": "HOLD"}, "-1117"),
        ({"type": "GUESS"}, "-1116"),
        ({"price": "30000"}, "-1106"),
        ({"timeInForce": "GTC"}, "-1106"),
        ({"newClientOrderId": "not legal!"}, "-1100"),
        ({"recvWindow": "60001"}, "-1131"),
        ({"icebergQty": "0.1"}, "-1106"),
    ],
)
def test_malformed_orders_are_named(trader: ccxt.binance, change: dict[str, str], code: str) -> None:
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
    with pytest.raises(ccxt.BaseError, match=code):
        trader.privatePostOrder(order | change)
    assert trader.fetch_my_trades("BTC/USDT") == []


def test_client_id_is_unique_among_open_orders_only(trader: ccxt.binance) -> None:
    trader.create_order("BTC/USDT", "limit", "buy", "1", "25000", {"clientOrderId": A})
    with pytest.raises(ccxt.InvalidOrder, match="Duplicate order sent"):
        trader.create_order("BTC/USDT", "limit", "buy", "1", "25000", {"clientOrderId": A})
    first = trader.create_order("BTC/USDT", "market", "buy", "0.1", None, {"clientOrderId": B})
    second = trader.create_order("BTC/USDT", "market", "buy", "0.2", None, {"clientOrderId": B})
    assert trader.fetch_order(None, "BTC/USDT", {"clientOrderId": B})["id"] == second["id"] != first["id"]


def test_signature_holds_where_text_is_percent_encoded(trader: ccxt.binance) -> None:
    trader.create_order("BTC/USDT", "limit", "buy", "1", "25000", {"clientOrderId": "a:b/c.d"})
    assert trader.fetch_order(None, "BTC/USDT", {"clientOrderId": "a:b/c.d"})["status"] == "open"
    assert len(trader.fetch_tickers(["BTC/USDT", "ETH/USDT"])) == 2


def test_unknown_orders_are_unknown(trader: ccxt.binance) -> None:
    with pytest.raises(ccxt.OrderNotFound, match="-2013"):
        trader.fetch_order(None, "BTC/USDT", {"clientOrderId": A})
    with pytest.raises(ccxt.OrderNotFound, match="-2011"):
        trader.cancel_order(None, "BTC/USDT", {"clientOrderId": A})


def test_stop_that_would_trigger_at_once_is_refused(trader: ccxt.binance) -> None:
    with pytest.raises(ccxt.OrderImmediatelyFillable, match="trigger immediately"):
        trader.create_order("BTC/USDT", "market", "sell", "1", None, {"stopLossPrice": "30000"})


def test_cancel_all_and_history(trader: ccxt.binance) -> None:
    for price in ("25000", "26000"):
        trader.create_order("BTC/USDT", "limit", "buy", "1", price)
    assert len(trader.cancel_all_orders("BTC/USDT")) == 2
    assert [order["status"] for order in trader.fetch_orders("BTC/USDT")] == ["canceled", "canceled"]


def test_someone_elses_orders_are_not_seen(trader: ccxt.binance, paper: PaperProcess) -> None:
    order = trader.create_order("BTC/USDT", "limit", "buy", "1", "25000")
    stranger = plain_ccxt(paper.url, paper.account({"USDT": "10"}))
    with pytest.raises(ccxt.OrderNotFound):
        stranger.fetch_order(order["id"], "BTC/USDT")
    with pytest.raises(ccxt.OrderNotFound):
        stranger.cancel_order(order["id"], "BTC/USDT")


def test_wrong_secret_unknown_key_and_wrong_clock_are_refused(paper: PaperProcess) -> None:
    key, secret = paper.account({"USDT": "10"})
    with pytest.raises(ccxt.AuthenticationError, match="-1022"):
        plain_ccxt(paper.url, (key, "another-secret")).fetch_balance()
    with pytest.raises(ccxt.AuthenticationError, match="-2015"):
        plain_ccxt(paper.url, ("no-such-key", secret)).fetch_balance()
    with pytest.raises(ccxt.AuthenticationError, match="-2014"):
        plain_ccxt(paper.url, ("bad key!", secret)).fetch_balance()
    late = plain_ccxt(paper.url, (key, secret))
    late.options["timeDifference"] = 20_000
    with pytest.raises(ccxt.InvalidNonce, match="-1021"):
        late.fetch_balance()


def test_candles_and_test_orders_and_headers(trader: ccxt.binance, paper: PaperProcess) -> None:
    paper.price("BTC/USDT", "30500")
    assert trader.fetch_ohlcv("BTC/USDT", "1m")[-1][4] == "30500.00000000"
    assert trader.create_order("BTC/USDT", "market", "buy", "0.1", None, {"test": True})["id"] is None
    assert trader.fetch_my_trades("BTC/USDT") == []
    assert int(trader.last_response_headers["X-MBX-USED-WEIGHT-1M"]) > 0
