"""An unmodified ccxt.okx trades on the paper exchange."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import ccxt
import pytest

from tests.apps.exchanges.conftest import plain_ccxt
from tests.apps.exchanges.okx.conftest import plain_okx
from tests.apps.exchanges.paper_process import PaperProcess

A, B = "a" * 32, "b" * 32
PAIR = "BTC/USDT"


def test_lists_the_same_markets_with_exact_steps(trader: ccxt.okx) -> None:
    markets = trader.load_markets()
    assert len(markets) >= 50
    assert markets[PAIR]["precision"] == {"amount": "0.00001", "price": "0.01"}
    assert markets[PAIR]["limits"]["amount"]["min"] == "0.00017"
    assert not markets[PAIR]["margin"]


def test_shows_a_price_with_a_book_around_it(trader: ccxt.okx) -> None:
    ticker, book = trader.fetch_ticker(PAIR), trader.fetch_order_book(PAIR, 10)
    assert (ticker["bid"], ticker["last"], ticker["ask"]) == ("29997", "30000", "30003")
    assert len(book["bids"]) == len(book["asks"]) == 10
    assert len(trader.fetch_tickers()) >= 50
    assert abs(trader.fetch_time() - trader.milliseconds()) < 5000


def test_candles_come_in_the_order_of_their_time(trader: ccxt.okx, paper: PaperProcess) -> None:
    paper.price(PAIR, "30500")
    since = trader.milliseconds() - 10 * 60_000
    rows = trader.fetch_ohlcv(PAIR, "1m", since, 20)
    assert rows == sorted(rows)
    assert rows[-1][4] == "30500"
    assert trader.fetch_ohlcv(PAIR, "1m", since - 2 * 24 * 3_600_000, 20) == []
    with pytest.raises(ccxt.ExchangeError, match="Parameter bar error"):
        trader.publicGetMarketCandles({"instId": "BTC-USDT", "bar": "7m"})


def test_market_purchase_fills_and_takes_its_fee_in_the_coin(trader: ccxt.okx) -> None:
    trader.create_order(PAIR, "market", "buy", "0.5", None, {"clientOrderId": A})
    order = trader.fetch_order(None, PAIR, {"clientOrderId": A})
    assert (order["status"], order["filled"], order["average"]) == ("closed", "0.5", "30003")
    assert order["fee"] == {"currency": "BTC", "cost": "0.0005"}
    assert trader.fetch_balance()["total"] == {"BTC": "2.4995", "USDT": "84998.5"}
    trade = trader.fetch_my_trades(PAIR)[0]
    assert (trade["order"], trade["amount"], trade["takerOrMaker"]) == (order["id"], "0.5", "taker")
    assert trade["info"]["clOrdId"] == A


def test_market_purchase_is_sized_in_quote_where_that_is_asked_or_nothing_is(trader: ccxt.okx) -> None:
    order = trader.create_order(PAIR, "market", "buy", "1", None, {"tgtCcy": "quote_ccy", "cost": "100"})
    spent = trader.fetch_order(order["id"], PAIR)
    assert spent["info"]["tgtCcy"] == "quote_ccy"
    assert Decimal(99) < Decimal(spent["filled"]) * Decimal(spent["average"]) <= 100
    row = {"instId": "BTC-USDT", "tdMode": "cash", "side": "buy", "ordType": "market", "sz": "100"}
    told = trader.privatePostTradeOrder(row)["data"][0]
    assert Decimal(trader.fetch_order(told["ordId"], PAIR)["filled"]) == Decimal(spent["filled"])


def test_limit_order_rests_locks_funds_and_is_cancelled_by_client_id(trader: ccxt.okx) -> None:
    trader.create_order(PAIR, "limit", "buy", "1", "25000", {"clientOrderId": A})
    assert trader.fetch_balance()["USDT"] == {"free": "75000", "used": "25000", "total": "100000"}
    assert [order["clientOrderId"] for order in trader.fetch_open_orders(PAIR)] == [A]
    trader.cancel_order(None, PAIR, {"clientOrderId": A})
    assert trader.fetch_order(None, PAIR, {"clientOrderId": A})["status"] == "canceled"
    assert trader.fetch_open_orders() == []
    assert trader.fetch_balance()["USDT"]["used"] == "0"


def test_cancelled_order_that_never_traded_is_forgotten_after_two_hours(trader: ccxt.okx, paper: PaperProcess) -> None:
    order = trader.create_order(PAIR, "limit", "buy", "1", "25000", {"clientOrderId": A})
    trader.cancel_order(order["id"], PAIR)
    trader.create_order(PAIR, "market", "buy", "0.1", None, {"clientOrderId": B})
    paper.operator("POST", "clock", {"advance_ms": 2 * 3_600_000 + 1000})
    trader.nonce = lambda: trader.milliseconds() + 2 * 3_600_000
    try:
        with pytest.raises(ccxt.OrderNotFound, match="51603"):
            trader.fetch_order(None, PAIR, {"clientOrderId": A})
        assert [one["clientOrderId"] for one in trader.fetch_closed_orders(PAIR)] == [B]
        assert trader.fetch_canceled_orders(PAIR) == []
    finally:
        paper.operator("POST", "clock", {"advance_ms": -2 * 3_600_000 - 1000})


def test_resting_limit_order_fills_at_its_own_price_when_the_market_comes(
    trader: ccxt.okx, paper: PaperProcess
) -> None:
    placed = trader.create_order(PAIR, "limit", "buy", "1", "29000")
    assert int(placed["id"]) in paper.price(PAIR, "28500")
    order = trader.fetch_order(placed["id"], PAIR)
    assert (order["status"], order["average"]) == ("closed", "29000")
    assert trader.fetch_my_trades(PAIR)[0]["takerOrMaker"] == "maker"
    assert [one["id"] for one in trader.fetch_closed_orders(PAIR)] == [placed["id"]]


@pytest.mark.parametrize(
    ("tif", "amount", "status", "filled"),
    [("IOC", "3", "canceled", "1.9998"), ("FOK", "3", "canceled", "0"), ("FOK", "1", "closed", "1")],
)
def test_immediate_orders_leave_nothing_behind(
    trader: ccxt.okx, tif: str, amount: str, status: str, filled: str
) -> None:
    placed = trader.create_order(PAIR, "limit", "buy", amount, "30003", {"timeInForce": tif})
    order = trader.fetch_order(placed["id"], PAIR)
    assert (order["status"], order["filled"]) == (status, filled)
    assert trader.fetch_balance()["USDT"]["used"] == "0"


def test_post_only_order_that_would_take_is_accepted_and_cancelled(trader: ccxt.okx) -> None:
    placed = trader.create_order(PAIR, "limit", "buy", "1", "30010", {"postOnly": True, "clientOrderId": A})
    assert trader.fetch_order(placed["id"], PAIR)["status"] == "canceled"
    assert trader.fetch_order(None, PAIR, {"clientOrderId": A})["filled"] == "0"
    resting = trader.create_order(PAIR, "limit", "buy", "1", "29990", {"postOnly": True})
    assert trader.fetch_order(resting["id"], PAIR)["status"] == "open"


@pytest.mark.parametrize(
    ("asked", "error", "code"),
    [
        (("market", "buy", "9"), ccxt.InsufficientFunds, "51008"),
        (("limit", "buy", "0.0001", "30000"), ccxt.InvalidOrder, "51020"),
        (("limit", "buy", "1", "1000"), ccxt.InvalidOrder, "51006"),
    ],
)
def test_refusals_bear_okx_codes(trader: ccxt.okx, asked: tuple[Any, ...], error: type[Exception], code: str) -> None:
    with pytest.raises(error, match=code):
        trader.create_order(PAIR, *asked)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"sz": "0.000001"}, "51020"),
        ({"sz": "0.000123456"}, "51121"),
        ({"sz": "-1"}, "51000"),
        ({"sz": "NaN"}, "51000"),
        ({"sz": "0"}, "51000"),
        ({"sz": ""}, "50014"),
        ({"instId": "NOPE-USDT"}, "51001"),
        ({"instId": "BTCUSDT"}, "51001"),
        ({"side": "hold"}, "51000"),
        ({"ordType": "guess"}, "51000"),
        ({"ordType": "limit"}, "50014"),
        ({"tdMode": "cross"}, "51000"),
        ({"tgtCcy": "other"}, "51000"),
        ({"clOrdId": "not-legal"}, "51000"),
        ({"clOrdId": "a" * 33}, "51000"),
        ({"attachAlgoOrds": [{"slTriggerPx": "1"}]}, "51000"),
    ],
)
def test_malformed_orders_are_named(trader: ccxt.okx, change: dict[str, Any], code: str) -> None:
    order = {"instId": "BTC-USDT", "tdMode": "cash", "side": "buy", "ordType": "market", "sz": "1"}
    with pytest.raises(ccxt.BaseError, match=code):
        trader.privatePostTradeOrder(order | {"tgtCcy": "base_ccy"} | change)
    assert trader.fetch_my_trades(PAIR) == []


def test_a_batch_tells_of_each_row(trader: ccxt.okx) -> None:
    good = {"instId": "BTC-USDT", "tdMode": "cash", "side": "sell", "ordType": "market", "sz": "0.1", "clOrdId": A}
    told = trader.privatePostTradeBatchOrders([good, good | {"sz": "90", "clOrdId": B}])
    assert told["code"] == "2"
    assert [(row["clOrdId"], row["sCode"]) for row in told["data"]] == [(A, "0"), (B, "51008")]


def test_client_id_is_unique_among_open_orders_only(trader: ccxt.okx) -> None:
    trader.create_order(PAIR, "limit", "buy", "1", "25000", {"clientOrderId": A})
    with pytest.raises(ccxt.InvalidOrder, match="51016"):
        trader.create_order(PAIR, "limit", "buy", "1", "25000", {"clientOrderId": A})
    first = trader.create_order(PAIR, "market", "buy", "0.1", None, {"clientOrderId": B})
    second = trader.create_order(PAIR, "market", "buy", "0.2", None, {"clientOrderId": B})
    assert trader.fetch_order(None, PAIR, {"clientOrderId": B})["id"] == second["id"] != first["id"]


def test_unknown_orders_are_unknown(trader: ccxt.okx, paper: PaperProcess) -> None:
    with pytest.raises(ccxt.OrderNotFound, match="51603"):
        trader.fetch_order(None, PAIR, {"clientOrderId": A})
    with pytest.raises(ccxt.OrderNotFound, match="51400"):
        trader.cancel_order(None, PAIR, {"clientOrderId": A})
    order = trader.create_order(PAIR, "limit", "buy", "1", "25000")
    stranger = plain_okx(paper.url, paper.account({"USDT": "10"}))
    with pytest.raises(ccxt.OrderNotFound):
        stranger.fetch_order(order["id"], PAIR)
    with pytest.raises(ccxt.OrderNotFound):
        stranger.cancel_order(order["id"], PAIR)


def test_history_is_paged_newest_first(trader: ccxt.okx) -> None:
    ids = [trader.create_order(PAIR, "market", "buy", "0.01")["id"] for _ in range(3)]
    newest = trader.privateGetTradeOrdersHistory({"instType": "SPOT", "limit": "2"})["data"]
    assert [row["ordId"] for row in newest] == ids[:0:-1]
    older = trader.privateGetTradeOrdersHistory({"instType": "SPOT", "after": newest[-1]["ordId"]})["data"]
    assert [row["ordId"] for row in older] == ids[:1]
    since = trader.privateGetTradeFills({"instType": "SPOT", "begin": newest[0]["cTime"], "limit": "1"})["data"]
    assert [row["ordId"] for row in since] == ids[2:]


def test_one_account_speaks_both_dialects(paper: PaperProcess) -> None:
    keys = paper.account({"USDT": "100000"})
    okx, binance = plain_okx(paper.url, keys), plain_ccxt(paper.url, keys)
    placed = okx.create_order(PAIR, "limit", "buy", "1", "25000", {"clientOrderId": A})
    assert binance.fetch_order(None, PAIR, {"clientOrderId": A})["id"] == placed["id"]
    binance.cancel_order(placed["id"], PAIR)
    assert okx.fetch_order(placed["id"], PAIR)["status"] == "canceled"


def test_a_key_says_what_it_may_do(trader: ccxt.okx, paper: PaperProcess) -> None:
    assert trader.privateGetAccountConfig()["data"][0]["perm"] == "read_only,trade"
    able = plain_okx(paper.url, paper.account({"USDT": "10"}, withdraw=True))
    assert able.privateGetAccountConfig()["data"][0]["perm"] == "read_only,trade,withdraw"


def test_the_operator_tells_the_passphrase(paper: PaperProcess) -> None:
    body = {"api_key": "okx-key-of-a-test", "secret": "okx-secret-of-a-test", "deposits": {"USDT": "10"}}
    phrase = paper.operator("POST", "accounts", body).json()["passphrase"]
    client = plain_okx(paper.url, (body["api_key"], body["secret"]), phrase)  # type: ignore[arg-type]
    assert client.fetch_balance()["USDT"]["free"] == "10"


def test_wrong_secret_key_passphrase_and_clock_are_refused(paper: PaperProcess) -> None:
    key, secret = paper.account({"USDT": "10"})
    for keys, phrase, code in (
        ((key, "another-secret"), "", "50113"),
        (("no-such-key", secret), "", "50111"),
        ((key, secret), "another-phrase", "50105"),
    ):
        with pytest.raises(ccxt.AuthenticationError, match=code):
            plain_okx(paper.url, keys, phrase).fetch_balance()
    late = plain_okx(paper.url, (key, secret))
    late.nonce = lambda: late.milliseconds() - 31_000
    with pytest.raises(ccxt.InvalidNonce, match="50102"):
        late.fetch_balance()


def test_an_order_that_comes_after_its_deadline_is_not_placed(trader: ccxt.okx) -> None:
    trader.headers = {"expTime": str(trader.milliseconds() - 1)}
    with pytest.raises(ccxt.ExchangeError, match="50036"):
        trader.create_order(PAIR, "market", "buy", "0.1")
    assert trader.fetch_my_trades(PAIR) == []


def test_too_many_orders_are_refused(trader: ccxt.okx, paper: PaperProcess) -> None:
    trader.load_markets()
    paper.operator("POST", "limits", {"orders": 1, "forgive": True})
    try:
        trader.create_order(PAIR, "market", "buy", "0.1")
        with pytest.raises(ccxt.RateLimitExceeded, match="50011"):
            trader.create_order(PAIR, "market", "buy", "0.1")
    finally:
        paper.operator("POST", "limits", {"orders": 10_000, "forgive": True})
    assert len(trader.fetch_my_trades(PAIR)) == 1


@pytest.mark.parametrize(
    ("kind", "error", "orders"),
    [
        ("drop_before", ccxt.NetworkError, 0),
        ("drop_after", ccxt.NetworkError, 1),
        ("error_after", ccxt.ExchangeNotAvailable, 1),
        ("timeout_before", ccxt.RequestTimeout, 0),
        ("timeout_after", ccxt.RequestTimeout, 1),
        ("rate_limit", ccxt.RateLimitExceeded, 0),
    ],
)
def test_faults_strike_here_too(
    trader: ccxt.okx, paper: PaperProcess, kind: str, error: type[Exception], orders: int
) -> None:
    trader.load_markets()
    rule = {"kind": kind, "path": "/api/v5/trade/*", "account": trader.apiKey, "contains": A}
    assert paper.operator("POST", "faults", rule).status_code == 200
    with pytest.raises(error):
        trader.create_order(PAIR, "market", "buy", "0.1", None, {"clientOrderId": A})
    assert len(trader.fetch_my_trades(PAIR)) == orders
