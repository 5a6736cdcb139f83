"""Trailing stops, OCO and cancel-replace over the wire, through ccxt's and python-binance's own calls."""

from __future__ import annotations

import json
from typing import Any

import ccxt
import pytest
from binance.client import Client

from tests.apps.exchanges.conftest import plain_ccxt
from tests.apps.exchanges.paper_process import PaperProcess

OCO = {"symbol": "BTCUSDT", "side": "SELL", "quantity": "1", "aboveType": "LIMIT_MAKER", "abovePrice": "32000"} | {
    "belowType": "STOP_LOSS",
    "belowStopPrice": "28000",
}


@pytest.fixture
def keys(paper: PaperProcess) -> tuple[str, str]:
    return paper.account({"USDT": "100000", "BTC": "1"})


@pytest.fixture
def trader(paper: PaperProcess, keys: tuple[str, str]) -> ccxt.binance:
    return plain_ccxt(paper.url, keys)


def test_ccxt_places_a_trailing_stop(trader: ccxt.binance, paper: PaperProcess) -> None:
    asked = {"trailingPercent": "1", "stopLossOrTakeProfit": "stopLoss"}
    order = trader.create_order("BTC/USDT", "market", "sell", "1", None, asked)
    assert (order["status"], order["info"]["trailingDelta"]) == ("open", 100)
    assert int(order["id"]) not in paper.price("BTC/USDT", "31000")
    assert int(order["id"]) in paper.price("BTC/USDT", "30690")
    assert trader.fetch_order(order["id"], "BTC/USDT")["status"] == "closed"


def test_oco_is_placed_listed_and_one_leg_ends_the_other(trader: ccxt.binance, paper: PaperProcess) -> None:
    placed = trader.privatePostOrderListOco(OCO | {"listClientOrderId": "pair"})
    assert (placed["listOrderStatus"], placed["contingencyType"]) == ("EXECUTING", "OCO")
    assert {leg["type"]: leg["status"] for leg in placed["orderReports"]} == {"LIMIT_MAKER": "NEW", "STOP_LOSS": "NEW"}
    assert trader.fetch_balance()["BTC"]["used"] == "1.00000000"
    assert len(trader.privateGetOpenOrderList()) == 1
    paper.price("BTC/USDT", "27900")
    done = trader.privateGetOrderList({"origClientOrderId": "pair"})
    assert (done["orderListId"], done["listOrderStatus"]) == (placed["orderListId"], "ALL_DONE")
    assert [it["info"]["status"] for it in trader.fetch_orders("BTC/USDT")] == ["EXPIRED", "FILLED"]
    assert trader.privateGetOpenOrderList() == []
    assert len(trader.privateGetAllOrderList()) == 1


def test_oco_is_cancelled_as_a_whole(trader: ccxt.binance) -> None:
    placed = trader.privatePostOrderListOco(OCO)
    asked = {"symbol": "BTCUSDT", "orderListId": placed["orderListId"]}
    gone = trader.privateDeleteOrderList(asked)
    assert [leg["status"] for leg in gone["orderReports"]] == ["CANCELED", "CANCELED"]
    assert trader.fetch_balance()["BTC"]["free"] == "1.00000000"
    with pytest.raises(ccxt.OrderNotFound, match="-2011"):
        trader.privateDeleteOrderList(asked)
    trader.privatePostOrderListOco(OCO)
    assert len(trader.cancel_all_orders("BTC/USDT")) == 2


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"belowType": "TAKE_PROFIT"}, "-1106"),
        ({"belowType": "MARKET", "belowStopPrice": ""}, "-1106"),
        ({"abovePrice": "27000"}, "-1165"),
        ({"abovePrice": "29900"}, "immediately match"),
        ({"quantity": "2"}, "insufficient balance"),
        ({"aboveType": "GUESS"}, "-1116"),
    ],
)
def test_wrong_pairs_are_refused_whole(trader: ccxt.binance, change: dict[str, str], code: str) -> None:
    with pytest.raises(ccxt.BaseError, match=code):
        trader.privatePostOrderListOco(OCO | change)
    assert trader.fetch_open_orders("BTC/USDT") == []


def test_python_binance_places_an_oco(paper: PaperProcess, keys: tuple[str, str]) -> None:
    client: Any = Client(*keys, ping=False)
    client.API_URL = f"{paper.url}/api"
    placed = client.create_oco_order(**OCO)
    assert len(placed["orders"]) == 2
    assert client.get_open_orders(symbol="BTCUSDT")[0]["orderListId"] == placed["orderListId"]


def replace(trader: ccxt.binance, cancel: str, **new: str) -> Any:
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1"}
    return trader.privatePostOrderCancelReplace(
        order | {"cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrigClientOrderId": cancel} | new
    )


def test_cancel_replace_does_both(trader: ccxt.binance) -> None:
    trader.create_order("BTC/USDT", "limit", "buy", "1", "25000", {"clientOrderId": "old"})
    done = replace(trader, "old", price="26000", newClientOrderId="new")
    assert (done["cancelResponse"]["origClientOrderId"], done["newOrderResponse"]["clientOrderId"]) == ("old", "new")
    assert [it["clientOrderId"] for it in trader.fetch_open_orders("BTC/USDT")] == ["new"]


def test_cancel_replace_stops_when_there_is_nothing_to_cancel(trader: ccxt.binance) -> None:
    with pytest.raises(ccxt.BaseError, match="-2022"):
        replace(trader, "nothing", price="26000")
    assert json.loads(trader.last_http_response)["data"]["newOrderResult"] == "NOT_ATTEMPTED"
    assert trader.fetch_open_orders("BTC/USDT") == []


def test_cancel_replace_says_when_only_the_cancel_was_done(trader: ccxt.binance) -> None:
    trader.create_order("BTC/USDT", "limit", "buy", "1", "25000", {"clientOrderId": "old"})
    with pytest.raises(ccxt.BaseError, match="-2021"):
        replace(trader, "old", price="26000", quantity="50")
    told = json.loads(trader.last_http_response)["data"]
    assert (told["cancelResult"], told["newOrderResult"], told["newOrderResponse"]["code"]) == (
        "SUCCESS",
        "FAILURE",
        -2010,
    )
    assert trader.fetch_order(None, "BTC/USDT", {"clientOrderId": "old"})["status"] == "canceled"


def test_a_given_book_is_shown_and_walked(trader: ccxt.binance, paper: PaperProcess) -> None:
    book = {"pair": "BTC/USDT", "bids": [["29990", "1"]], "asks": [["30010", "0.5"], ["30020", "0.5"]]}
    assert paper.operator("POST", "book", book).status_code == 200
    try:
        asks = trader.publicGetDepth({"symbol": "BTCUSDT"})["asks"]
        assert asks == [["30010.00000000", "0.50000000"], ["30020.00000000", "0.50000000"]]
        order = trader.create_order("BTC/USDT", "limit", "buy", "0.7", "30010")
        assert (order["info"]["status"], order["filled"]) == ("PARTIALLY_FILLED", "0.50000000")
        paper.operator("POST", "book", {"pair": "BTC/USDT", "bids": [], "asks": []})
        with pytest.raises(ccxt.BaseError, match="liquidity"):
            trader.create_order("BTC/USDT", "market", "buy", "0.1")
        assert paper.operator("POST", "book", {"pair": "BTC/USDT", "bids": 1}).json()["field"] == "book"
    finally:
        paper.operator("POST", "book", {"pair": "BTC/USDT"})


def test_history_is_narrowed_by_time_and_limit(trader: ccxt.binance) -> None:
    for _ in range(3):
        trader.create_order("BTC/USDT", "market", "buy", "0.1")
    trades = trader.fetch_my_trades("BTC/USDT")
    assert len(trader.fetch_my_trades("BTC/USDT", trades[0]["timestamp"], 2)) == 2
    assert trader.fetch_my_trades("BTC/USDT", trades[-1]["timestamp"] + 1) == []
    assert len(trader.fetch_orders("BTC/USDT", trades[0]["timestamp"] - 1, 2)) == 2
