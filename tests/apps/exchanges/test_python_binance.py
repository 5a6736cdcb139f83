"""A second real client: python-binance trades on the paper exchange."""

from __future__ import annotations

from typing import Any

import pytest
from binance.client import Client
from binance.exceptions import BinanceAPIException

from tests.apps.exchanges.paper_process import PaperProcess


@pytest.fixture
def client(paper: PaperProcess) -> Any:
    found = Client(*paper.account({"USDT": "100000", "BTC": "1"}), ping=False)
    found.API_URL = f"{paper.url}/api"
    found.MARGIN_API_URL = f"{paper.url}/sapi"
    return found


def test_market_data(client: Any) -> None:
    assert client.ping() == {}
    assert client.get_symbol_info("BTCUSDT")["filters"][0]["tickSize"] == "0.01000000"
    assert client.get_symbol_ticker(symbol="BTCUSDT")["price"] == "30000.00000000"
    assert client.get_orderbook_ticker(symbol="BTCUSDT")["askPrice"] == "30003.00000000"
    assert len(client.get_order_book(symbol="BTCUSDT", limit=5)["asks"]) == 5
    assert client.get_klines(symbol="BTCUSDT", interval="1m")


def test_account_and_key_rights(client: Any, paper: PaperProcess) -> None:
    assert client.get_asset_balance("USDT") == {"asset": "USDT", "free": "100000.00000000", "locked": "0.00000000"}
    assert client.get_account_api_permissions()["enableWithdrawals"] is False


def test_market_orders_by_quantity_and_by_quote(client: Any) -> None:
    bought = client.order_market_buy(symbol="BTCUSDT", quantity="0.5")
    assert (bought["status"], bought["fills"][0]["commissionAsset"]) == ("FILLED", "BTC")
    sold = client.order_market_sell(symbol="BTCUSDT", quoteOrderQty="300")
    assert (sold["status"], sold["executedQty"]) == ("FILLED", "0.01000000")
    assert len(client.get_my_trades(symbol="BTCUSDT")) == 2


def test_limit_order_is_queried_by_client_id_and_cancelled(client: Any) -> None:
    client.order_limit_buy(symbol="BTCUSDT", quantity="1", price="25000", newClientOrderId="mine-1")
    assert client.get_order(symbol="BTCUSDT", origClientOrderId="mine-1")["status"] == "NEW"
    assert [order["clientOrderId"] for order in client.get_open_orders(symbol="BTCUSDT")] == ["mine-1"]
    gone = client.cancel_order(symbol="BTCUSDT", origClientOrderId="mine-1")
    assert (gone["status"], gone["origClientOrderId"]) == ("CANCELED", "mine-1")
    assert client.get_all_orders(symbol="BTCUSDT")[0]["status"] == "CANCELED"


def test_stop_loss_limit_waits(client: Any, paper: PaperProcess) -> None:
    order = client.create_order(
        symbol="BTCUSDT", side="SELL", type="STOP_LOSS_LIMIT", timeInForce="GTC", quantity="1",
        price="28900", stopPrice="29000", newOrderRespType="RESULT",
    )  # fmt: skip
    assert (order["status"], order["stopPrice"]) == ("NEW", "29000.00000000")
    assert order["orderId"] in paper.price("BTC/USDT", "28950")


@pytest.mark.parametrize(
    ("order", "code"),
    [
        ({"symbol": "BTCUSDT", "quantity": "50"}, -2010),
        ({"symbol": "NOPEUSDT", "quantity": "1"}, -1121),
        ({"symbol": "BTCUSDT", "quantity": "0.00001"}, -1013),
    ],
)
def test_errors_bear_their_codes(client: Any, order: dict[str, str], code: int) -> None:
    with pytest.raises(BinanceAPIException) as caught:
        client.order_market_buy(**order)
    assert caught.value.code == code
