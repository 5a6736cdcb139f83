"""Several signals for one account at once: its balances are asked for once, and nothing is spent twice."""

from __future__ import annotations

from decimal import Decimal

import pytest

from apps.trading.services import purse
from tests.apps.trading.conftest import Trader


@pytest.fixture(autouse=True)
def _kept(_balances_of_now: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the fixture for all: here balances are kept as they are in a worker."""
    monkeypatch.setattr(purse, "SECONDS", 60.0)
    purse.purse.clear()


def test_ten_orders_ask_once(trader: Trader) -> None:
    for _ in range(10):
        assert trader.buy(1).status == "FILLED"
    assert trader.venue.calls.count("balances") == 1


def test_what_the_orders_before_took_is_not_there_for_the_next(trader: Trader) -> None:
    trader.buy(100)
    left = trader.venue.free["USDT"]
    second = trader.buy(100)
    assert trader.venue.calls.count("balances") == 1
    assert trader.order(second.order_id).amount * trader.venue.price <= left


def test_shares_are_of_what_is_left_as_if_it_had_been_asked(trader: Trader) -> None:
    free = trader.venue.free["USDT"]
    for _ in range(3):
        trader.buy(50)
    assert abs(trader.venue.free["USDT"] - free / 8) < Decimal(30)


def test_what_was_just_bought_can_be_sold(trader: Trader) -> None:
    trader.buy(30)
    assert trader.execute(trader.sell(100)).status == "FILLED"
    assert trader.held() == 0


def test_after_a_refusal_the_venue_is_asked_again(trader: Trader) -> None:
    trader.buy(10)
    trader.venue.free["USDT"] = Decimal(0)
    assert trader.buy(10).status == "REJECTED"
    assert trader.buy(10).state == "DENIED"
    assert trader.venue.calls.count("balances") == 2
