"""Stops, trailing stops and pairs of stops of an unmodified ccxt.okx."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from tests.apps.exchanges.paper_process import PaperProcess

A = "a" * 32
PAIR = "BTC/USDT"
STOP = {"trigger": True}


def test_stop_waits_apart_and_becomes_an_order_when_the_price_falls(trader: ccxt.okx, paper: PaperProcess) -> None:
    placed = trader.create_order(PAIR, "market", "sell", "1", None, {"stopLossPrice": "29000", "algoClOrdId": A})
    assert trader.fetch_open_orders(PAIR) == []
    waiting = trader.fetch_open_orders(PAIR, None, None, {"ordType": "conditional"})
    assert [(one["id"], one["status"], one["stopLossPrice"]) for one in waiting] == [(placed["id"], "open", "29000")]
    assert int(placed["id"]) not in paper.price(PAIR, "29000.01")
    assert int(placed["id"]) in paper.price(PAIR, "29000")
    stop = trader.fetch_order(None, PAIR, {"clientOrderId": A, **STOP})
    became = trader.fetch_order(stop["info"]["ordId"], PAIR)
    assert (stop["info"]["state"], became["status"], became["average"]) == ("effective", "closed", "28997.1")
    assert (became["info"]["algoClOrdId"], became["clientOrderId"]) == (A, None)
    with pytest.raises(ccxt.OrderNotFound):
        trader.fetch_order(None, PAIR, {"clientOrderId": A})


@pytest.mark.parametrize(
    ("asked", "moves_to"),
    [
        (("limit", "sell", "1", None, {"stopLossPrice": "29000", "slOrdPx": "28900"}), "28950"),
        (("market", "sell", "1", None, {"takeProfitPrice": "31000"}), "31000"),
        (("limit", "sell", "1", None, {"takeProfitPrice": "31000", "tpOrdPx": "30900"}), "31010"),
        (("market", "buy", "1", None, {"stopLossPrice": "31000"}), "31500"),
        (("market", "buy", "1", None, {"takeProfitPrice": "29000"}), "28000"),
    ],
)
def test_other_stops_wait_and_then_fill(
    trader: ccxt.okx, paper: PaperProcess, asked: tuple[Any, ...], moves_to: str
) -> None:
    placed = trader.create_order(PAIR, *asked)
    assert int(placed["id"]) in paper.price(PAIR, moves_to)
    fired = trader.fetch_order(placed["id"], PAIR, STOP)["info"]
    assert trader.fetch_order(fired["ordIdList"][0], PAIR)["status"] == "closed"


def test_stop_is_cancelled_once(trader: ccxt.okx) -> None:
    trader.create_order(PAIR, "market", "sell", "1", None, {"stopLossPrice": "29000", "algoClOrdId": A})
    trader.cancel_order(None, PAIR, {"clientOrderId": A, **STOP})
    assert trader.fetch_order(None, PAIR, {"clientOrderId": A, **STOP})["status"] == "canceled"
    with pytest.raises(ccxt.OrderNotFound, match="51400"):
        trader.cancel_order(None, PAIR, {"clientOrderId": A, **STOP})
    history = trader.fetch_canceled_orders(PAIR, None, None, {"ordType": "conditional", **STOP})
    assert [one["info"]["algoClOrdId"] for one in history] == [A]
    assert trader.fetch_balance()["BTC"]["used"] == "0"


def test_stop_is_no_order_to_the_order_endpoints(trader: ccxt.okx) -> None:
    placed = trader.create_order(PAIR, "market", "sell", "1", None, {"stopLossPrice": "29000"})
    with pytest.raises(ccxt.OrderNotFound):
        trader.fetch_order(placed["id"], PAIR)
    with pytest.raises(ccxt.OrderNotFound):
        trader.cancel_order(placed["id"], PAIR)


@pytest.mark.parametrize(
    ("side", "params", "code"),
    [
        ("sell", {"stopLossPrice": "30000"}, "51280"),
        ("buy", {"stopLossPrice": "30000"}, "51278"),
        ("sell", {"takeProfitPrice": "29000"}, "51279"),
        ("buy", {"takeProfitPrice": "31000"}, "51277"),
        ("sell", {"trailingPercent": "25"}, "51000"),
    ],
)
def test_stop_that_makes_no_sense_is_refused(trader: ccxt.okx, side: str, params: dict[str, str], code: str) -> None:
    with pytest.raises(ccxt.BaseError, match=code):
        trader.create_order(PAIR, "market", side, "1", None, params)


def test_stop_id_is_unique_while_it_waits(trader: ccxt.okx) -> None:
    asked = (PAIR, "market", "sell", "1", None, {"stopLossPrice": "29000", "algoClOrdId": A})
    trader.create_order(*asked)
    with pytest.raises(ccxt.BaseError, match="51065"):
        trader.create_order(*asked)


def test_trailing_stop_follows_the_price_and_sells_when_it_turns(trader: ccxt.okx, paper: PaperProcess) -> None:
    placed = trader.create_order(PAIR, "market", "sell", "1", None, {"trailingPercent": "1", "algoClOrdId": A})
    paper.price(PAIR, "31000")
    told = trader.fetch_open_orders(PAIR, None, None, {"trailing": True})[0]["info"]
    assert (told["algoClOrdId"], told["callbackRatio"], told["moveTriggerPx"]) == (A, "0.01", "30690")
    assert int(placed["id"]) not in paper.price(PAIR, "30690.01")
    assert int(placed["id"]) in paper.price(PAIR, "30690")
    assert trader.fetch_order(placed["id"], PAIR)["status"] == "closed"


def test_trailing_stop_waits_for_its_start(trader: ccxt.okx, paper: PaperProcess) -> None:
    params = {"trailingPercent": "1", "activePx": "31000"}
    placed = trader.create_order(PAIR, "market", "sell", "1", None, params)
    assert int(placed["id"]) not in paper.price(PAIR, "29000")
    paper.price(PAIR, "31000")
    assert int(placed["id"]) in paper.price(PAIR, "30690")


@pytest.mark.parametrize(("moves_to", "fired"), [("29000", "sl"), ("31000", "tp")])
def test_of_a_pair_one_fires_and_the_other_is_gone(
    trader: ccxt.okx, paper: PaperProcess, moves_to: str, fired: str
) -> None:
    params = {"stopLossPrice": "29000", "takeProfitPrice": "31000", "algoClOrdId": A}
    placed = trader.create_order(PAIR, "market", "sell", "2", None, params)
    pending = trader.fetch_open_orders(PAIR, None, None, {"ordType": "oco"})
    assert [(one["id"], one["takeProfitPrice"], one["stopLossPrice"]) for one in pending] == [
        (placed["id"], "31000", "29000")
    ]
    assert trader.fetch_balance()["BTC"]["used"] == "2"
    paper.price(PAIR, moves_to)
    told = trader.fetch_order(None, PAIR, {"clientOrderId": A, **STOP})["info"]
    assert (told["state"], told["actualSide"]) == ("effective", fired)
    became = trader.fetch_order(told["ordId"], PAIR)
    assert (became["filled"], became["info"]["algoClOrdId"]) == ("2", A)
    assert trader.fetch_balance()["total"]["BTC"] == "0"
    assert trader.fetch_open_orders(PAIR, None, None, {"ordType": "oco"}) == []


def test_a_pair_is_cancelled_whole(trader: ccxt.okx) -> None:
    params = {"stopLossPrice": "29000", "takeProfitPrice": "31000", "algoClOrdId": A}
    trader.create_order(PAIR, "market", "sell", "2", None, params)
    trader.cancel_order(None, PAIR, {"clientOrderId": A, **STOP})
    assert trader.fetch_order(None, PAIR, {"clientOrderId": A, **STOP})["status"] == "canceled"
    assert trader.fetch_balance()["BTC"] == {"free": "2", "used": "0", "total": "2"}
